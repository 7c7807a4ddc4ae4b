"""ELECTRA: the discriminator's loss and head, generator, discriminator, and both with shared embeddings."""

import numpy as np

from minibert.gradcheck.cases.common import (
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
from minibert.models.electra import (
    BinaryCrossEntropy,
    ElectraConfig,
    ElectraForMaskedLM,
    ElectraForPreTraining,
    ElectraModel,
    ElectraPair,
    ReplacedTokenHead,
)

E, SMALL = 3, {"hidden_size": 8, "num_attention_heads": 4, "intermediate_size": 10}
IS_REPLACED = np.array([[0, 1, 0, 0, 1], [1, 0, 1, 0, 0], [0, -100, 0, 0, 0], [0, 0, 1, 1, -100]])  # (B, T)
SAMPLED = np.where(LABELS == -100, 0, (LABELS + np.array([[0], [3], [0], [1]])) % V)    # the first all right


def config(**changes):
    sizes = {
        "hidden_size": H, "num_hidden_layers": 1, "num_attention_heads": A, "intermediate_size": F,
        "max_position_embeddings": 9, "embedding_size": E, "hidden_dropout_prob": 0.3,
        "attention_probs_dropout_prob": 0.3,
    }
    return ElectraConfig(V, **sizes | changes)


def pair(**changes):
    small, full = ElectraForMaskedLM(config(**SMALL | changes)), ElectraForPreTraining(config(**changes))
    return scrambled(ElectraPair(small, full), 0.7)


def model(model_class, **changes):
    return scrambled(model_class(config(**changes)), 0.7)


TEXT = {"token_type_ids": TOKEN_TYPES, "attention_mask": PADDING}

CASES = {
    "BinaryCrossEntropy": lambda: Case(BinaryCrossEntropy(), [random(B, seed=2), np.array([0, 1, 1, 0])]),
    "ReplacedTokenHead": lambda: Case(
        scrambled(ReplacedTokenHead(config(), generator())), [random(B, T, H)], {"labels": IS_REPLACED}
    ),
    "ReplacedTokenHead nothing to tell": lambda: Case(
        scrambled(ReplacedTokenHead(config(), generator())), [random(B, T, H)], {"labels": NOTHING}
    ),
    "ElectraModel": lambda: Case(
        model(ElectraModel, num_hidden_layers=2), [INPUT_IDS], TEXT | {"rng": generator()}
    ),
    "ElectraForMaskedLM": lambda: Case(
        model(ElectraForMaskedLM, hidden_act="relu"), [INPUT_IDS],
        TEXT | {"labels": LABELS, "rng": generator()},
    ),
    "ElectraForPreTraining": lambda: Case(
        model(ElectraForPreTraining), [INPUT_IDS], TEXT | {"labels": IS_REPLACED, "rng": generator()}
    ),
    "ElectraForPreTraining one size": lambda: Case(
        model(ElectraForPreTraining, embedding_size=H), [INPUT_IDS], {"labels": IS_REPLACED}
    ),
    "ElectraPair": lambda: Case(
        pair(), [INPUT_IDS], TEXT | {"labels": LABELS, "rng": generator()}
    ),
    "ElectraPair given samples": lambda: Case(
        pair(), [INPUT_IDS], TEXT | {"labels": LABELS, "sampled_ids": SAMPLED}
    ),
}
