"""Distillation: both of its own losses, and a student with all three."""

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
from minibert.models.bert import BertConfig, BertForPreTraining
from minibert.models.distillation import CosineDistance, Distillation, SoftTargets, by_sequence

M = 8  # predicted tokens


def config(**changes):
    sizes = {
        "hidden_size": H, "num_hidden_layers": 1, "num_attention_heads": A, "intermediate_size": F,
        "max_position_embeddings": 9, "hidden_dropout_prob": 0.3, "attention_probs_dropout_prob": 0.3,
    }
    return BertConfig(V, **sizes | changes)


def student(**changes):
    return scrambled(Distillation(BertForPreTraining(config(**changes))), 0.7)


TEXT = {"token_type_ids": TOKEN_TYPES, "attention_mask": PADDING, "labels": LABELS}
TEACHER = {
    "teacher_logits": by_sequence(random(M, V, seed=5), LABELS), "teacher_states": random(B, T, H, seed=6),
}

CASES = {
    "SoftTargets": lambda: Case(SoftTargets(3.0), [random(M, V)], {"teacher_logits": random(M, V, seed=5)}),
    "CosineDistance": lambda: Case(CosineDistance(), [random(M, H)], {"target": random(M, H, seed=6)}),
    "Distillation": lambda: Case(student(), [INPUT_IDS], TEXT | TEACHER | {"rng": generator()}),
    "Distillation no teacher": lambda: Case(student(), [INPUT_IDS], TEXT),
}
