"""BERT, part by part and as a whole; and a BERT of the published size, for check_directions."""

import numpy as np

from minibert.gradcheck.cases.common import (
    CAUSAL,
    INPUT_IDS,
    LABELS,
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
from minibert.layers import Embedding
from minibert.models.bert import BertConfig, BertEmbeddings, BertForPreTraining, BertModel, MLMHead, Pooler

NEXT = np.array([0, 1, 1, 0])  # (B,)
# (B, T): tokens counted from the first that is no padding, which is on the left; 0 and 1 occur several times.
POSITIONS = np.array([[0, 1, 2, 3, 4], [0, 0, 0, 1, 2], [0, 0, 0, 0, 1], [0, 0, 1, 2, 3]])
SIZES = {
    "vocab_size": V,
    "hidden_size": H,
    "num_hidden_layers": 1,
    "num_attention_heads": A,
    "intermediate_size": F,
    "max_position_embeddings": 9,
    "hidden_dropout_prob": 0.3,
    "attention_probs_dropout_prob": 0.3,
}
TEXT_SIZES = {
    "tiny": {"vocab_size": 4000},
    "base": {"vocab_size": 30522, "max_position_embeddings": 512},
}


def config(**changes):
    """Return the BertConfig of the cases, with changes."""
    return BertConfig(**(SIZES | changes))


def embeddings():
    return scrambled(BertEmbeddings(config(), generator()))


def mlm_head():
    return scrambled(MLMHead(config(), Embedding(V, H).weight, generator()))


def encoder(**changes):
    return scrambled(BertModel(config(**changes)))


def model(**changes):
    return scrambled(BertForPreTraining(config(**changes)))


def batch(**changes):
    """Return the arguments of BertForPreTraining.forward beside input_ids."""
    given = {
        "token_type_ids": TOKEN_TYPES,
        "attention_mask": PADDING,
        "labels": LABELS,
        "next_sentence_label": NEXT,
    }
    return given | changes


def labels_of_one(token):
    return {"labels": np.array([[token]]), "next_sentence_label": NEXT[1:2]}


CASES = {
    "BertEmbeddings": lambda: Case(embeddings(), [INPUT_IDS, TOKEN_TYPES]),
    "BertEmbeddings dropout": lambda: Case(embeddings(), [INPUT_IDS, TOKEN_TYPES], {"rng": generator()}),
    "BertEmbeddings positions": lambda: Case(
        embeddings(), [INPUT_IDS, TOKEN_TYPES], {"positions": POSITIONS}
    ),
    "Pooler": lambda: Case(scrambled(Pooler(config(), generator())), [random(B, T, H)]),
    "MLMHead": lambda: Case(mlm_head(), [random(B, T, H)]),
    "MLMHead predicted rows": lambda: Case(mlm_head(), [random(8, H)]),
    "BertModel": lambda: Case(encoder(num_hidden_layers=2), [INPUT_IDS, TOKEN_TYPES, PADDING]),
    "BertModel dropout": lambda: Case(encoder(), [INPUT_IDS, TOKEN_TYPES, PADDING], {"rng": generator()}),
    "BertForPreTraining": lambda: Case(model(), [INPUT_IDS], batch()),
    "BertForPreTraining dropout": lambda: Case(model(), [INPUT_IDS], batch(rng=generator())),
    "BertForPreTraining tanh": lambda: Case(model(hidden_act="gelu_new"), [INPUT_IDS], batch()),
    "BertForPreTraining relu": lambda: Case(model(hidden_act="relu"), [INPUT_IDS], batch()),
    "BertForPreTraining silu": lambda: Case(model(hidden_act="silu"), [INPUT_IDS], batch()),
    "BertForPreTraining untied": lambda: Case(model(tie_word_embeddings=False), [INPUT_IDS], batch()),
    "BertForPreTraining padding on the left": lambda: Case(
        model(),
        [INPUT_IDS[:, ::-1]],
        batch(attention_mask=PADDING[:, ::-1], labels=LABELS[:, ::-1], position_ids=POSITIONS),
    ),
    "BertForPreTraining a mask for each query": lambda: Case(
        model(), [INPUT_IDS], batch(attention_mask=PADDING[:, np.newaxis] * CAUSAL)
    ),
    "BertForPreTraining one head": lambda: Case(model(num_attention_heads=1), [INPUT_IDS], batch()),
    "BertForPreTraining no padding": lambda: Case(
        model(), [INPUT_IDS], batch(attention_mask=None, token_type_ids=None)
    ),
    "BertForPreTraining only MLM": lambda: Case(model(), [INPUT_IDS], {"labels": LABELS}),
    "BertForPreTraining only NSP": lambda: Case(model(), [INPUT_IDS], {"next_sentence_label": NEXT}),
    "BertForPreTraining nothing to predict": lambda: Case(model(), [INPUT_IDS], batch(labels=NOTHING)),
    "BertForPreTraining batch of one": lambda: Case(
        model(), [INPUT_IDS[:1]], {"labels": LABELS[:1], "next_sentence_label": NEXT[:1]}
    ),
    "BertForPreTraining one token": lambda: Case(model(), [INPUT_IDS[:1, :1]], labels_of_one(3)),
}


def full_config(preset):
    """Return the BertConfig of a preset."""
    from minibert.objectives.masked_lm import SIZES  # late: it brings all that training needs

    sizes = {**SIZES[preset], **TEXT_SIZES[preset]}
    return BertConfig(**sizes, intermediate_size=4 * sizes["hidden_size"])


def at_full_size(preset):
    """Return the Case of a BERT as it is used; "base" has 110 million parameters.

    Weights are as large as at the start of training; gains and biases are moved away from 1 and 0. All are
    float32, which halves the memory that the model takes beside the check. 96 tokens, 20 of them padding,
    15 % of the others predicted; both losses; dropout.

    Args:
        preset: "tiny" or "base".
    """
    rng = np.random.default_rng(3)
    model = BertForPreTraining(full_config(preset))
    for parameter in model.parameters().values():
        if parameter.value.ndim == 1:
            parameter.value += rng.uniform(-0.5, 0.5, parameter.value.shape).astype(np.float32)
    input_ids = rng.integers(model.config.vocab_size, size=(2, 48))
    attention_mask = np.arange(48) < np.array([[48], [28]])
    labels = np.where((rng.random((2, 48)) < 0.15) & attention_mask, input_ids, -100)
    forward_kwargs = {
        "token_type_ids": np.repeat([[0] * 16 + [1] * 32], 2, axis=0),
        "attention_mask": attention_mask,
        "labels": labels,
        "next_sentence_label": np.array([1, 0]),
        "rng": generator(),
    }
    return Case(model, [input_ids], forward_kwargs)
