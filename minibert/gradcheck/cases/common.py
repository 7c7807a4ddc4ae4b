"""Shared by the families of cases: sizes, random arrays, one batch with its masks and labels."""

from typing import NamedTuple

import numpy as np

B, T, H, A, F, V = 4, 5, 6, 2, 7, 11  # and D = H/A = 3, M = 8 predicted tokens

PADDING = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 1, 0, 0, 0], [1, 1, 1, 1, 0]])  # (B, T)
KEY_PADDING = PADDING.astype(bool)[:, np.newaxis, np.newaxis, :]  # (B, 1, 1, T): columns are keys
CAUSAL = np.tril(np.ones((T, T), bool))  # (T, T)

# Id 7 occurs three times; 0 is padding in INPUT_IDS and a class in LABELS; the third row has nothing to
# predict.
INPUT_IDS = np.array([[2, 7, 7, 4, 3], [2, 9, 7, 0, 0], [2, 3, 0, 0, 0], [2, 8, 1, 3, 0]])  # (B, T)
TOKEN_TYPES = np.array([[0, 0, 0, 1, 1], [0, 0, 1, 0, 0], [0, 1, 0, 0, 0], [0, 0, 0, 1, 0]])  # (B, T)
LABELS = np.array([[-100, 5, 0, 4, -100], [-100, 6, 7, -100, -100], [-100] * 5, [-100, 8, 1, 5, -100]])
NOTHING = np.full((B, T), -100)


class Case(NamedTuple):
    """The arguments of check_gradients.

    Attributes:
        layer:  a layer or model.
        inputs: list of forward's arguments.
        forward_kwargs: dict of forward's keyword arguments; nobody changes it.
    """

    layer: object
    inputs: list
    forward_kwargs: dict = {}


def random(*shape, size=1.0, seed=1):
    """Return normal numbers of that shape, the same at every call."""
    return size * np.random.default_rng([seed, *shape]).standard_normal(shape)


def generator():
    """Return a generator for initial weights or dropout, the same at every call."""
    return np.random.default_rng(7)


def scrambled(layer, size=1.0):
    """Give every parameter normal values of that size, gains and biases included, and return the layer."""
    for number, parameter in enumerate(layer.parameters().values()):
        parameter.value = random(*parameter.value.shape, size=size, seed=100 + number)
    return layer
