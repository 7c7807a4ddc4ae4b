"""Positions as waves, which nobody learns."""

import math
from typing import NamedTuple

import numpy as np

from minibert.layers.base import Layer, describe_cache


class SinusoidalPositionsCache(NamedTuple):
    waves: np.ndarray  # (T, H) or (B, T, H): what was added
    __repr__ = describe_cache


class SinusoidalPositions(Layer):
    """y = x + waves, waves[p, 2i] = sin(p / 10000^(2i/H)), waves[p, 2i + 1] = cos(p / 10000^(2i/H)).

    (Vaswani et al. 2017, section 3.5. Its code, Tensor2Tensor, has all sines first and then all cosines, and
    i/(H/2 − 1) in the exponent.) There is no parameter and no longest position.

    Derivation: the waves do not depend on x, so d_x = d_y.

    Args:
        hidden_size: H, even.
    """

    def __init__(self, hidden_size):
        if hidden_size % 2 != 0:
            raise ValueError(f"hidden_size must be even for pairs of sine and cosine, got {hidden_size}")
        self.hidden_size = hidden_size

    def forward(self, x, positions):
        """x (B, T, H), positions (T,) or (B, T) → y (B, T, H), cache."""
        exponents = np.arange(0, self.hidden_size, 2) / self.hidden_size                # (H/2,): 2i/H
        frequencies = np.exp(-math.log(10000) * exponents)                              # (H/2,)
        angles = positions[..., np.newaxis] * frequencies                               # (T, H/2)
        pairs = np.stack([np.sin(angles), np.cos(angles)], axis=-1)                     # (T, H/2, 2)
        waves = pairs.reshape(*positions.shape, self.hidden_size).astype(x.real.dtype)  # (T, H)
        y = x + waves                                                                   # (B, T, H)
        return y, SinusoidalPositionsCache(waves)

    def backward(self, d_y, cache):
        """d_y (B, T, H) → d_x (B, T, H); None for the positions."""
        d_x = d_y                                                                       # (B, T, H)
        return d_x, None
