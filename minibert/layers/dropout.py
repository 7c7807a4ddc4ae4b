"""Dropout."""

from typing import NamedTuple

import numpy as np

from minibert.layers.base import Layer, describe_cache


class DropoutCache(NamedTuple):
    keep: np.ndarray | None  # False where x was dropped; None when nothing was
    __repr__ = describe_cache


class Dropout(Layer):
    """Set each element to zero with probability p and divide the others by 1 − p (Srivastava et al. 2014).

    y = x · keep/(1 − p) with keep ∈ {0, 1}, so that the mean of y is x; hence d_x = d_y · keep/(1 − p), with
    the same keep. A draw has 16 bits, so p is rounded to k/65536, in both places alike.

    Randomness is an argument: forward(x, rng=generator) drops, forward(x) does not. There is no training or
    evaluation mode. The same generator drops the same elements in every dtype.

    Raises:
        ValueError: the probability is not in [0, 1), or so small that it would be rounded to 0.
    """

    def __init__(self, probability):
        if not 0 <= probability < 1 - 2**-17:
            raise ValueError(f"dropout probability must be at least 0 and below 1, got {probability}")
        self.threshold = round(65536 * probability)
        if self.threshold == 0 < probability:
            raise ValueError(f"dropout probability {probability} is too small: give 0, or at least 2**-17")
        self.probability = probability

    def forward(self, x, rng=None):
        """x, any shape; rng a np.random.Generator or None → y, cache."""
        if rng is None or self.threshold == 0:
            return x, DropoutCache(None)
        draws = rng.integers(0, 65536, x.shape, np.uint16)
        keep = draws >= self.threshold
        y = x * keep * (65536 / (65536 - self.threshold))
        return y, DropoutCache(keep)

    def backward(self, d_y, cache):
        """d_y → d_x, the same shape."""
        keep = cache.keep
        d_x = d_y if keep is None else d_y * keep * (65536 / (65536 - self.threshold))
        return d_x
