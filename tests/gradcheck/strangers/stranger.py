"""What the corpus records of a layer that a stranger wrote.

How the truth was established: the forward of every layer was written a second time for automatic
differentiation in double precision (JAX), without looking at the backward. Both forwards gave the same
numbers, and the layer's backward was held against the automatic one. At a kink or a tie, where automatic
differentiation chooses one slope, the one-sided slopes were derived by hand: every value between them is
right. Nothing of minibert took part.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Stranger(NamedTuple):
    """A layer, how to call it, and whether its backward is right.

    Attributes:
        name:    unique in the corpus.
        make:    returns a new layer, or a pair (forward, backward).
        inputs:  what forward gets by position.
        truth:   "right", "wrong", or "undecided" where nobody can tell from outside.
        because: the mistake if it is wrong, the reason if it is undecided.
        kwargs:  what forward gets by keyword.
    """

    name: str
    make: Callable
    inputs: tuple
    truth: str
    because: str = ""
    kwargs: dict = {}  # noqa: RUF012 (never written to)


def normal(*shape, seed=0, scale=1.0, offset=0.0):
    """Return float64 numbers that are the same at each call."""
    return offset + scale * np.random.default_rng([seed, *shape]).standard_normal(shape)


def integers(high, *shape, seed=0):
    """Return integers from 0 to high - 1."""
    return np.random.default_rng([seed, *shape]).integers(0, high, shape)
