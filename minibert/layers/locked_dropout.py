"""Dropout with one mask for all time steps."""

from typing import NamedTuple

import numpy as np

from minibert.layers.base import Layer, describe_cache
from minibert.layers.dropout import Dropout, DropoutCache


class LockedDropoutCache(NamedTuple):
    dropout: DropoutCache
    mask: np.ndarray  # (B, 1, H): 0 where dropped, 1/(1 − p) elsewhere
    __repr__ = describe_cache


class LockedDropout(Layer):
    """Dropout that drops the same columns of a sequence at every time step (Gal & Ghahramani 2016).

    With a new mask at each step a recurrent network would lose its state after a few steps. One mask for each
    sequence and column, the same for all T:

        y_btk = x_btk · mask_bk          →      d_x_btk = d_y_btk · mask_bk

    Args:
        probability: as of Dropout.
    """

    def __init__(self, probability):
        self.dropout = Dropout(probability)

    def forward(self, x, rng=None):
        """x (B, T, H); rng a np.random.Generator or None → y (B, T, H), cache."""
        ones = np.ones((x.shape[0], 1, x.shape[2]), x.dtype)            # (B, 1, H)
        mask, dropout_cache = self.dropout.forward(ones, rng)           # (B, 1, H)
        y = x * mask                                                    # (B, T, H)
        return y, LockedDropoutCache(dropout_cache, mask)

    def backward(self, d_y, cache):
        """d_y (B, T, H) → d_x (B, T, H)."""
        d_x = d_y * cache.mask                                          # (B, T, H)
        return d_x
