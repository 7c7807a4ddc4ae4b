"""The sigmoid linear unit, also called swish."""

from typing import NamedTuple

import numpy as np

from minibert.layers.base import Layer, describe_cache


class SiLUCache(NamedTuple):
    x: np.ndarray
    sigmoid: np.ndarray
    __repr__ = describe_cache


class SiLU(Layer):
    """y = x σ(x), with the sigmoid σ(x) = 1/(1 + exp(−x)) (Elfwing et al. 2017).

    Ramachandran et al. (2017) call it swish. The sigmoid is computed as ½ (1 + tanh(x/2)), the same function:
    exp(−x) would overflow. With σ′ = σ (1 − σ), by the product rule,

        d_x = d_y · (σ(x) + x σ(x) (1 − σ(x)))
    """

    def forward(self, x):
        """x, any shape → y, the same shape, cache."""
        sigmoid = 0.5 * (1 + np.tanh(0.5 * x))
        y = x * sigmoid
        return y, SiLUCache(x, sigmoid)

    def backward(self, d_y, cache):
        """d_y → d_x, the same shape."""
        x, sigmoid = cache.x, cache.sigmoid
        d_x = d_y * (sigmoid + x * sigmoid * (1 - sigmoid))
        return d_x
