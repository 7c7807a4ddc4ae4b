"""The rectified linear unit."""

from typing import NamedTuple

import numpy as np

from minibert.layers.base import Layer, describe_cache


class ReLUCache(NamedTuple):
    is_positive: np.ndarray
    __repr__ = describe_cache


class ReLU(Layer):
    """y = max(x, 0) (Nair & Hinton 2010).

    Its slope is 1 above zero and 0 below. At zero it has none; PyTorch takes 0, and so do we:

        d_x = d_y · [x > 0]
    """

    def forward(self, x):
        """x, any shape → y, the same shape, cache."""
        is_positive = ~(x.real <= 0)  # the real part: a complex step changes no side; a NaN stays one
        y = np.where(is_positive, x, 0)
        return y, ReLUCache(is_positive)

    def backward(self, d_y, cache):
        """d_y → d_x, the same shape."""
        d_x = d_y * cache.is_positive
        return d_x
