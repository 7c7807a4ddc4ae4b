"""Dropout."""

from typing import NamedTuple

import numpy as np

from minibert.layers.base import Layer, describe_cache


class DropoutCache(NamedTuple):
    keep: np.ndarray | None  # False where x was dropped; None when nothing was
    __repr__ = describe_cache


class Dropout(Layer):
    """Set each element to zero with probability p and divide the others by 1 − p (Srivastava et al. 2014).

    y = x · keep/(1 − p) with keep ∈ {0, 1}, so that the mean of y is x. Hence d_x = d_y · keep/(1 − p), with
    the same keep.

    Randomness is an argument: forward(x, rng) drops, forward(x) does not. There is no training mode.
    """

    def __init__(self, probability):
        if not 0 <= probability < 1:
            raise ValueError(f"dropout probability must be at least 0 and below 1, got {probability}")
        self.probability = probability

    def forward(self, x, rng=None):
        """x, any shape; rng a np.random.Generator or None → y, cache."""
        if rng is None or self.probability == 0:
            return x, DropoutCache(None)
        keep = rng.random(x.shape, np.float32) >= self.probability  # float32: the same mask in every dtype
        y = x * keep * (1 / (1 - self.probability))
        return y, DropoutCache(keep)

    def backward(self, d_y, cache):
        """d_y → d_x, the same shape."""
        keep = cache.keep
        d_x = d_y if keep is None else d_y * keep * (1 / (1 - self.probability))
        return d_x
