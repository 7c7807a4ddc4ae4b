"""Layer normalisation."""

from typing import NamedTuple

import numpy as np

from minibert.layers.base import Layer, Parameter, describe_cache


class LayerNormCache(NamedTuple):
    normalized: np.ndarray  # (..., H)
    inverse_std: np.ndarray  # (..., 1)
    __repr__ = describe_cache


class LayerNorm(Layer):
    """y = γ · x̂ + β, x̂ = (x − mean(x)) / sqrt(var(x) + eps), over the last axis (Ba et al. 2016, eq. 4).

    Every token is normalised by itself: no statistics are shared between tokens or kept between calls.

    Args:
        hidden_size: H, the size of the last axis.
        eps: added to the variance (1e-12 in BERT).

    Derivation. With d_x̂ = γ · d_y and s = 1/sqrt(var + eps), x̂_i = s (x_i − mean). A change of x_j acts on
    x̂_i directly (s δ_ij), through the mean (−s/H) and through the variance (s = (var + eps)^-½ and
    ∂var/∂x_j = 2 (x_j − mean)/H, so ∂s/∂x_j = −s² x̂_j / H):

        ∂x̂_i / ∂x_j = s (δ_ij − 1/H − x̂_i x̂_j / H)
        d_x = s (d_x̂ − mean(d_x̂) − x̂ · mean(d_x̂ · x̂))

    The two means are the parts of the gradient that LayerNorm removes: along 1 and along x̂.
    An all-ones d_y with γ = 1 comes back as zero, which is why a gradient check needs a random one.
    """

    def __init__(self, hidden_size, *, eps=1e-12, dtype=np.float32):
        self.eps = eps
        self.gamma = Parameter(np.ones(hidden_size, dtype))
        self.beta = Parameter(np.zeros(hidden_size, dtype))

    def forward(self, x):
        """x (..., H) → y (..., H), cache. ValueError when the last axis of x is not H."""
        if x.shape[-1] != self.gamma.value.size:
            raise ValueError(
                f"LayerNorm expects a last axis of {self.gamma.value.size}, got x of shape {x.shape}")
        mean = x.sum(axis=-1, keepdims=True) / x.shape[-1]                      # (..., 1)
        centred = x - mean                                                      # (..., H)
        variance = (centred * centred).sum(axis=-1, keepdims=True) / x.shape[-1]  # (..., 1)
        inverse_std = 1 / np.sqrt(variance + self.eps)                          # (..., 1)
        normalized = centred * inverse_std                                      # (..., H)
        y = self.gamma.value * normalized + self.beta.value                     # (..., H)
        return y, LayerNormCache(normalized, inverse_std)

    def backward(self, d_y, cache):
        """d_y (..., H) → d_x (..., H); adds to gamma.grad and beta.grad."""
        normalized, inverse_std = cache.normalized, cache.inverse_std
        tokens = tuple(range(d_y.ndim - 1))                                     # all axes but the last
        d_gamma = (d_y * normalized).sum(axis=tokens)                           # (H,)
        self.gamma.grad += d_gamma
        d_beta = d_y.sum(axis=tokens)                                           # (H,)
        self.beta.grad += d_beta
        d_normalized = d_y * self.gamma.value                                   # (..., H)
        along_ones = d_normalized.mean(axis=-1, keepdims=True)                  # (..., 1)
        along_normalized = (d_normalized * normalized).mean(axis=-1, keepdims=True)  # (..., 1)
        d_x = inverse_std * (d_normalized - along_ones - normalized * along_normalized)  # (..., H)
        return d_x
