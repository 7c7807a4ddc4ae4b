"""The Gaussian error linear unit, exact and in its tanh form, and the error function it needs."""

import math
from typing import NamedTuple

import numpy as np

from minibert.layers.base import Layer, describe_cache

# erf(x) = x P(x²) / Q(x²), lowest power first, fitted to the least relative error on |x| ≤ limit (weighted least
# squares with Lawson's weights in 60 digits; error 2.5e-8 and 2.6e-17 before rounding). Beyond the limit erf is ±1 to rounding.
ERF_FLOAT32 = (
    4.0,
    (1.1283791409817814, 0.19348427363714027, 0.05309354271817546, 0.0038806801258020563, 0.00028449648139304085,
     1.9871319912741245e-06),
    (1.0, 0.504803547826427, 0.11532471463665932, 0.015201943179439925, 0.0011849063781090438, 3.7420151599580434e-05),
)  # fmt: skip
ERF_FLOAT64 = (
    5.9,
    (1.1283791670955126, 0.21965230584071585, 0.06603070851827411, 0.006861424330042403, 0.0008531631374496901,
     5.6630020686091544e-05, 3.883939611370093e-06, 1.684079381477509e-07, 6.730884511234726e-09,
     1.7109152125895395e-10, 3.3438892056484757e-12, 2.2522392776245716e-14, 1.5999825937287863e-17),
    (1.0, 0.5279951210071578, 0.13451656546469704, 0.021929645851803785, 0.0025560043240470645,
     0.00022515317386893107, 1.542392305593526e-05, 8.306119608821917e-07, 3.496603369143439e-08,
     1.1192314451300758e-09, 2.542758504840347e-11, 3.3428709688568274e-13, 8.984003782266357e-16),
)  # fmt: skip
BLOCK = 16384  # elements; the dozen passes of a polynomial then run within the processor's cache


def erf(x):
    """The error function 2/√π ∫₀ˣ exp(−t²) dt of an array, real or complex near the real axis.

    A rational function without branches, so that complex arithmetic differentiates it too.
    Absolute error at most 1e-15 in float64 and complex128, 4e-7 in float32.
    """
    if not np.issubdtype(x.dtype, np.inexact):
        x = x.astype(np.float64)
    limit, numerator, denominator = ERF_FLOAT32 if x.dtype == np.float32 else ERF_FLOAT64
    flat_x = np.ravel(x)
    result = np.empty_like(flat_x)
    for start in range(0, flat_x.size, BLOCK):
        block = np.clip(flat_x[start : start + BLOCK], -limit, limit)  # complex numbers are ordered by their real part
        square = block * block
        block *= _polynomial(numerator, square)
        block /= _polynomial(denominator, square)
        result[start : start + BLOCK] = block
    return result.reshape(x.shape)


def _polynomial(coefficients, z):
    """Σ_k coefficients[k] z^k, as a polynomial in z² plus z times another, which halves the rounding error."""
    square = z * z
    total = _horner(coefficients[1::2], square)
    total *= z
    total += _horner(coefficients[0::2], square)
    return total


def _horner(coefficients, z):
    """Σ_k coefficients[k] z^k = c_0 + z (c_1 + z (c_2 + …)), in place on one array."""
    total = coefficients[-1] * z
    for coefficient in coefficients[-2:0:-1]:
        total += coefficient
        total *= z
    total += coefficients[0]
    return total


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
        cdf = 0.5 * (1 + erf(x * math.sqrt(0.5)))
        y = x * cdf
        return y, GELUCache(x, cdf)

    def backward(self, d_y, cache):
        """d_y → d_x, the same shape."""
        x, cdf = cache.x, cache.cdf
        density = np.exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi))
        d_x = d_y * (cdf + x * density)
        return d_x


class TanhGELUCache(NamedTuple):
    x: np.ndarray
    tanh: np.ndarray
    __repr__ = describe_cache


class TanhGELU(Layer):
    """y = ½ x (1 + tanh(u)) with u = √(2/π) (x + 0.044715 x³): the tanh form of GELU, Hugging Face's "gelu_new".

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
