"""The heads of fine-tuning, each by itself on states of size one, and each on a BERT."""

import numpy as np

from minibert.gradcheck.cases.common import (
    INPUT_IDS,
    NOTHING,
    PADDING,
    TOKEN_TYPES,
    A,
    B,
    Case,
    F,
    H,
    T,
    V,
    generator,
    random,
    scrambled,
)
from minibert.models import heads
from minibert.models.bert import BertConfig

C, K = 3, 3  # choices of a question, labels
X = random(B, H)
STATES = random(B, T, H)
LABELS = np.array([2, 0, -100, 1])  # (B,)
NUMBERS = random(B, F, seed=3)  # (B, F): a regression with F numbers an answer
TOKEN_LABELS = np.array(  # (B, T)
    [[-100, 2, 0, 1, -100], [-100, 0, -100, -100, -100], [-100] * 5, [-100, 2, 1, 2, -100]]
)
STARTS, ENDS = np.array([0, 2, T, 1]), np.array([0, T + 3, T, 3])  # (B,): one begins within and ends beyond
CHOICES = random(B, C, H)
CHOICE_IDS = (INPUT_IDS[:, np.newaxis] + np.array([[0], [3], [1]])) % V  # (B, C, T)


def config(**changes):
    sizes = {
        "vocab_size": V, "hidden_size": H, "num_hidden_layers": 1, "num_attention_heads": A,
        "intermediate_size": F, "max_position_embeddings": 9, "num_labels": K, "hidden_dropout_prob": 0.3,
    }
    return BertConfig(**sizes | changes)


def sequence_head(num_labels=K, **options):
    return scrambled(heads.SequenceHead(H, num_labels, **options))


def model(name, **changes):
    return scrambled(getattr(heads, name)(config(**changes)))


def above_frozen(name):
    from minibert.objectives.frozen import AboveFrozen  # late: it brings all that training needs

    return AboveFrozen(model(name))


UNREAD = None, None, None  # ids, types and mask of a batch, of which the states are given
TEXT = {"token_type_ids": TOKEN_TYPES, "attention_mask": PADDING}

CASES = {
    "SequenceHead": lambda: Case(sequence_head(), [X], {"labels": LABELS}),
    "SequenceHead dropout": lambda: Case(sequence_head(), [X], {"labels": LABELS, "rng": generator()}),
    "SequenceHead regression": lambda: Case(
        sequence_head(F, problem_type="regression"), [X], {"labels": NUMBERS}
    ),
    "TokenHead dropout": lambda: Case(
        scrambled(heads.TokenHead(H, K)), [STATES], {"labels": TOKEN_LABELS, "rng": generator()}
    ),
    "TokenHead nothing to predict": lambda: Case(
        scrambled(heads.TokenHead(H, K)), [STATES], {"labels": NOTHING}
    ),
    "SpanHead": lambda: Case(
        scrambled(heads.SpanHead(H)), [STATES], {"start_positions": STARTS, "end_positions": ENDS}
    ),
    "ChoiceHead dropout": lambda: Case(
        scrambled(heads.ChoiceHead(H)), [CHOICES], {"labels": LABELS, "rng": generator()}
    ),
    "AboveFrozen": lambda: Case(
        above_frozen("BertForSequenceClassification"), [STATES],
        {"batch": (*UNREAD, LABELS), "rng": generator()},
    ),
    "AboveFrozen tokens": lambda: Case(
        above_frozen("BertForTokenClassification"), [STATES], {"batch": (*UNREAD, TOKEN_LABELS)}
    ),
    "BertForSequenceClassification": lambda: Case(
        model("BertForSequenceClassification"), [INPUT_IDS], TEXT | {"labels": LABELS}
    ),
    "BertForTokenClassification dropout": lambda: Case(
        model("BertForTokenClassification"), [INPUT_IDS],
        TEXT | {"labels": TOKEN_LABELS, "rng": generator()},
    ),
    "BertForQuestionAnswering": lambda: Case(
        model("BertForQuestionAnswering", num_labels=2), [INPUT_IDS],
        TEXT | {"start_positions": STARTS, "end_positions": ENDS},
    ),
    "BertForMultipleChoice": lambda: Case(
        model("BertForMultipleChoice"), [CHOICE_IDS],
        {"labels": LABELS, "attention_mask": np.repeat(PADDING[:, np.newaxis], C, axis=1)},
    ),
}
