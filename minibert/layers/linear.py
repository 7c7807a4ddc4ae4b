"""The linear (dense, fully connected) layer."""

from typing import NamedTuple

import numpy as np

from minibert.layers.base import Layer, Parameter, describe_cache
from minibert.layers.initializers import truncated_normal


class LinearCache(NamedTuple):
    x: np.ndarray  # (..., in)
    __repr__ = describe_cache


class Linear(Layer):
    """y = x W + b, applied to the last axis of x.

    Args:
        in_features, out_features: the sizes of the last axis of x and of y.
        rng: generator for the weights, a truncated normal; the bias starts at zero.
        initializer_range: the standard deviation of that normal.
        dtype: of both parameters.

    Derivation, for the rows of x as a matrix (N, in): rows_out_no = Σ_i rows_ni W_io + b_o, so

        ∂rows_out_no / ∂rows_ni = W_io      →   d_rows = d_rows_out Wᵀ      (N, in)
        ∂rows_out_no / ∂W_io    = rows_ni   →   d_W = rowsᵀ d_rows_out      (in, out)   summed over the rows
        ∂rows_out_no / ∂b_o     = 1         →   d_b = Σ_n d_rows_out_n      (out,)      summed over the rows
    """

    def __init__(self, in_features, out_features, *, rng=None, initializer_range=0.02, dtype=np.float32):
        rng = np.random.default_rng(0) if rng is None else rng
        self.weight = Parameter(truncated_normal(rng, (in_features, out_features), initializer_range, dtype))
        self.bias = Parameter(np.zeros(out_features, dtype))

    def forward(self, x):
        """x (..., in) → y (..., out), cache. ValueError when the last axis of x is not in_features."""
        in_features, out_features = self.weight.value.shape
        if x.shape[-1] != in_features:
            raise ValueError(
                f"Linear expects a last axis of {in_features} (in_features), got x of shape {x.shape}")
        rows = x.reshape(-1, in_features)                           # (N, in)
        rows_out = rows @ self.weight.value + self.bias.value       # (N, out)
        y = rows_out.reshape(*x.shape[:-1], out_features)           # (..., out)
        return y, LinearCache(x)

    def backward(self, d_y, cache):
        """d_y (..., out) → d_x (..., in); adds to weight.grad and bias.grad."""
        x = cache.x
        rows = x.reshape(-1, x.shape[-1])                           # (N, in)
        d_rows_out = d_y.reshape(-1, d_y.shape[-1])                 # (N, out)
        d_weight = rows.T @ d_rows_out                              # (in, out)
        self.weight.grad += d_weight
        d_bias = d_rows_out.sum(axis=0)                             # (out,)
        self.bias.grad += d_bias
        d_rows = d_rows_out @ self.weight.value.T                   # (N, in)
        d_x = d_rows.reshape(x.shape)                               # (..., in)
        return d_x
