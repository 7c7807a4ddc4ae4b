"""The Gaussian error linear unit, exact and in its tanh form."""

import math
from typing import NamedTuple

import numpy as np

from minibert.layers.base import Layer, describe_cache
from minibert.layers.normal import normal_cdf, normal_density


class GELUCache(NamedTuple):
    x: np.ndarray
    cdf: np.ndarray
    __repr__ = describe_cache


class GELU(Layer):
    """y = x Φ(x), with Φ the cumulative distribution of the standard normal (Hendrycks & Gimpel 2016).

    Φ(x) = ½ (1 + erf(x/√2)). Its derivative is the density φ(x) = exp(−x²/2)/√(2π), so by the product rule

        d_x = d_y · (Φ(x) + x φ(x))
    """

    def forward(self, x):
        """x, any shape → y, the same shape, cache."""
        cdf = normal_cdf(x)
        y = x * cdf
        return y, GELUCache(x, cdf)

    def backward(self, d_y, cache):
        """d_y → d_x, the same shape."""
        x, cdf = cache.x, cache.cdf
        d_x = d_y * (cdf + x * normal_density(x))
        return d_x


class TanhGELUCache(NamedTuple):
    x: np.ndarray
    tanh: np.ndarray
    __repr__ = describe_cache


class TanhGELU(Layer):
    """y = ½ x (1 + tanh(u)) with u = √(2/π) (x + 0.044715 x³): GELU's tanh form, Hugging Face's "gelu_new".

    (Hendrycks & Gimpel 2016, section 2; the later BERT reference code.) With tanh′ = 1 − tanh²,

        d_x = d_y · (½ (1 + tanh(u)) + ½ x (1 − tanh²(u)) · √(2/π) (1 + 3 · 0.044715 x²))
    """

    def forward(self, x):
        """x, any shape → y, the same shape, cache."""
        tanh = np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * (x * x * x)))
        y = 0.5 * x * (1 + tanh)
        return y, TanhGELUCache(x, tanh)

    def backward(self, d_y, cache):
        """d_y → d_x, the same shape."""
        x, tanh = cache.x, cache.tanh
        u_slope = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * (x * x))         # ∂u/∂x
        y_slope = 0.5 * (1 + tanh) + 0.5 * x * (1 - tanh * tanh) * u_slope      # ∂y/∂x
        d_x = d_y * y_slope
        return d_x
