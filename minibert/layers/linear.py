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

    Derivation, for the rows of x as a matrix (N, in): y_no = Σ_i x_ni W_io + b_o, so

        ∂y_no / ∂x_ni = W_io   →   d_x = d_y Wᵀ             (N, in)
        ∂y_no / ∂W_io = x_ni   →   d_W = xᵀ d_y             (in, out)   summed over the rows
        ∂y_no / ∂b_o  = 1      →   d_b = Σ_n d_y_n          (out,)      summed over the rows
    """

    def __init__(self, in_features, out_features, rng=None, initializer_range=0.02, dtype=np.float32):
        rng = np.random.default_rng(0) if rng is None else rng
        self.weight = Parameter(truncated_normal(rng, (in_features, out_features), initializer_range, dtype))
        self.bias = Parameter(np.zeros(out_features, dtype))

    def forward(self, x):
        """x (..., in) → y (..., out), cache. ValueError when the last axis of x is not in_features."""
        in_features, out_features = self.weight.value.shape
        if x.shape[-1] != in_features:
            raise ValueError(
                f"Linear expects a last axis of {in_features} (in_features), got x of shape {x.shape}"
            )
        rows = x.reshape(-1, in_features)                           # (N, in)
        product = rows @ self.weight.value                          # (N, out)
        y_rows = np.add(product, self.bias.value, out=product)      # (N, out)
        del product                                                 # its memory now holds y_rows
        return y_rows.reshape(*x.shape[:-1], out_features), LinearCache(x)

    def backward(self, d_y, cache):
        """d_y (..., out) → d_x (..., in); adds to weight.grad and bias.grad."""
        x = cache.x
        in_features, out_features = self.weight.value.shape
        rows = x.reshape(-1, in_features)                           # (N, in)
        d_rows_out = d_y.reshape(-1, out_features)                  # (N, out)
        self.weight.add_product(rows.T, d_rows_out)                 # weight.grad += rows.T @ d_rows_out
        self.bias.grad += d_rows_out.sum(axis=0)                    # (out,)
        d_x = (d_rows_out @ self.weight.value.T).reshape(x.shape)   # (..., in)
        return d_x
