"""ULMFiT's classifier, and its pooling."""

import numpy as np

from minibert.gradcheck.cases.common import (
    INPUT_IDS,
    PADDING,
    B,
    Case,
    T,
    V,
    generator,
    random,
    scrambled,
)
from minibert.models.ulmfit import AWDLSTMForSequenceClassification, ConcatPooling, ULMFiTConfig

E, H, C, K = 3, 2, 7, 6  # and 3E = 9, 4H = 8
LABELS = np.array([2, 0, -100, 5])  # (B,)
STATES = random(B, T, E, size=3)
STATES[:, 3:] += 9  # padding would win every maximum
STATES[0, :2, 1] = 30  # two are equal


def classifier():
    """With every dropout but that of whole words, which would scale the rows that backward returns."""
    config = ULMFiTConfig(
        V, embedding_size=E, hidden_size=H, num_hidden_layers=2, classifier_size=C, num_labels=K,
        embedding_dropout_prob=0.0)
    return scrambled(AWDLSTMForSequenceClassification(config))


CASES = {
    "ConcatPooling": lambda: Case(ConcatPooling(), [STATES, PADDING]),
    "AWDLSTMForSequenceClassification": lambda: Case(
        classifier(), [INPUT_IDS], {"attention_mask": PADDING, "labels": LABELS}
    ),
    "AWDLSTMForSequenceClassification dropout": lambda: Case(
        classifier(), [INPUT_IDS], {"attention_mask": PADDING, "labels": LABELS, "rng": generator()}
    ),
}
