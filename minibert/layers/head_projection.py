"""Linear maps into attention heads and back, without a bias."""

from typing import NamedTuple

import numpy as np

from minibert.layers.base import Layer, Parameter, describe_cache
from minibert.layers.initializers import truncated_normal


class HeadProjectionCache(NamedTuple):
    x: np.ndarray  # (..., T, H)
    __repr__ = describe_cache


class HeadProjection(Layer):
    """heads_k = x W_k for each head k, with W_k = weight[:, k] of shape (H, D): a Linear, cut into heads.

    Args:
        hidden_size: H.  num_heads: A, a divisor of H; D = H/A.
        rng, initializer_range, dtype: as in Linear.

    Derivation: beside each other, the W_k are one matrix (H, A·D), so that the gradients are those of Linear.
    """

    def __init__(self, hidden_size, num_heads, *, rng=None, initializer_range=0.02, dtype=np.float32):
        rng = np.random.default_rng(0) if rng is None else rng
        shape = (hidden_size, num_heads, hidden_size // num_heads)
        self.weight = Parameter(truncated_normal(rng, shape, initializer_range, dtype))

    def forward(self, x):
        """x (..., T, H) → heads (..., A, T, D), cache. ValueError when the last axis of x is not H."""
        hidden_size, num_heads, head_size = self.weight.value.shape
        if x.shape[-1] != hidden_size:
            raise ValueError(f"HeadProjection expects a last axis of {hidden_size}, got x of shape {x.shape}")
        rows = x.reshape(-1, hidden_size)                                       # (N, H)
        matrix = self.weight.value.reshape(hidden_size, -1)                     # (H, A·D)
        head_rows = rows @ matrix                                               # (N, A·D)
        by_token = head_rows.reshape(*x.shape[:-1], num_heads, head_size)       # (..., T, A, D)
        heads = by_token.swapaxes(-2, -3)                                       # (..., A, T, D)
        return heads, HeadProjectionCache(x)

    def backward(self, d_heads, cache):
        """d_heads (..., A, T, D) → d_x (..., T, H); adds to weight.grad."""
        x = cache.x
        rows = x.reshape(-1, x.shape[-1])                                       # (N, H)
        matrix = self.weight.value.reshape(x.shape[-1], -1)                     # (H, A·D)
        d_by_token = d_heads.swapaxes(-2, -3)                                   # (..., T, A, D)
        d_head_rows = d_by_token.reshape(len(rows), -1)                         # (N, A·D)
        d_matrix = rows.T @ d_head_rows                                         # (H, A·D)
        d_weight = d_matrix.reshape(self.weight.value.shape)                    # (H, A, D)
        self.weight.grad += d_weight
        d_rows = d_head_rows @ matrix.T                                         # (N, H)
        d_x = d_rows.reshape(x.shape)                                           # (..., T, H)
        return d_x


class HeadOutputCache(NamedTuple):
    heads: np.ndarray  # (B, A, T, D)
    __repr__ = describe_cache


class HeadOutput(Layer):
    """y = Σ_k heads_k W_kᵀ, with W_k = weight[:, k] of shape (H, D): all heads, side by side, and a Linear.

    Args:
        hidden_size, num_heads, rng, initializer_range, dtype: as in HeadProjection.

    Derivation: with the heads of a token side by side, rows (N, A·D), and M = weight as (H, A·D):

        y_rows = rows Mᵀ     →     d_rows = d_y_rows M,     d_M = d_y_rowsᵀ rows
    """

    def __init__(self, hidden_size, num_heads, *, rng=None, initializer_range=0.02, dtype=np.float32):
        rng = np.random.default_rng(0) if rng is None else rng
        shape = (hidden_size, num_heads, hidden_size // num_heads)
        self.weight = Parameter(truncated_normal(rng, shape, initializer_range, dtype))

    def forward(self, heads):
        """heads (B, A, T, D) → y (B, T, H), cache."""
        matrix = self.weight.value.reshape(len(self.weight.value), -1)          # (H, A·D)
        by_token = heads.swapaxes(1, 2)                                         # (B, T, A, D)
        rows = by_token.reshape(-1, matrix.shape[1])                            # (N, A·D)
        y_rows = rows @ matrix.T                                                # (N, H)
        y = y_rows.reshape(*by_token.shape[:-2], len(matrix))                   # (B, T, H)
        return y, HeadOutputCache(heads)

    def backward(self, d_y, cache):
        """d_y (B, T, H) → d_heads (B, A, T, D); adds to weight.grad."""
        matrix = self.weight.value.reshape(len(self.weight.value), -1)          # (H, A·D)
        by_token = cache.heads.swapaxes(1, 2)                                   # (B, T, A, D)
        rows = by_token.reshape(-1, matrix.shape[1])                            # (N, A·D)
        d_y_rows = d_y.reshape(-1, d_y.shape[-1])                               # (N, H)
        d_matrix = d_y_rows.T @ rows                                            # (H, A·D)
        d_weight = d_matrix.reshape(self.weight.value.shape)                    # (H, A, D)
        self.weight.grad += d_weight
        d_rows = d_y_rows @ matrix                                              # (N, A·D)
        d_by_token = d_rows.reshape(by_token.shape)                             # (B, T, A, D)
        d_heads = d_by_token.swapaxes(1, 2)                                     # (B, A, T, D)
        return d_heads
