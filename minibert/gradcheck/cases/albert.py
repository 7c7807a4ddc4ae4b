"""ALBERT: the head of masked tokens, and the whole with small embeddings and three passes through a layer."""

import numpy as np

from minibert.gradcheck.cases.common import (
    INPUT_IDS,
    LABELS,
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
from minibert.models.albert import AlbertConfig, AlbertForPreTraining, AlbertModel
from minibert.models.masked_tokens import MaskedTokenHead

E = 3
ORDER = np.array([0, 1, -100, 1])  # (B,): the third sequence has no second segment


def config(**changes):
    sizes = {
        "hidden_size": H, "num_hidden_layers": 3, "num_attention_heads": A, "intermediate_size": F,
        "max_position_embeddings": 9, "embedding_size": E, "hidden_dropout_prob": 0.3,
        "attention_probs_dropout_prob": 0.3, "classifier_dropout": 0.2,
    }
    return AlbertConfig(V, **sizes | changes)


def model(model_class, **changes):
    return scrambled(model_class(config(**changes)), 0.7)


TEXT = {"token_type_ids": TOKEN_TYPES, "attention_mask": PADDING}

CASES = {
    "MaskedTokenHead": lambda: Case(
        scrambled(MaskedTokenHead(config(), Embedding(V, E).weight, generator())), [random(B, T, H)],
        {"labels": LABELS},
    ),
    "AlbertModel": lambda: Case(model(AlbertModel), [INPUT_IDS], TEXT | {"rng": generator()}),
    "AlbertForPreTraining": lambda: Case(
        model(AlbertForPreTraining, num_hidden_layers=2), [INPUT_IDS],
        TEXT | {"labels": LABELS, "sentence_order_label": ORDER, "rng": generator()},
    ),
    "AlbertForPreTraining untied": lambda: Case(
        model(AlbertForPreTraining, tie_word_embeddings=False), [INPUT_IDS],
        TEXT | {"labels": LABELS, "sentence_order_label": ORDER},
    ),
    "AlbertForPreTraining only MLM": lambda: Case(
        model(AlbertForPreTraining, hidden_act="gelu"), [INPUT_IDS], TEXT | {"labels": LABELS}
    ),
    "AlbertForPreTraining only SOP": lambda: Case(
        model(AlbertForPreTraining), [INPUT_IDS], TEXT | {"sentence_order_label": ORDER}
    ),
}
