"""The output layer that shares its weight with the token embeddings."""

from typing import NamedTuple

import numpy as np

from minibert.layers.base import Layer, Parameter, describe_cache


class TiedDecoderCache(NamedTuple):
    x: np.ndarray  # (..., H)
    __repr__ = describe_cache


class TiedDecoder(Layer):
    """logits = x Eᵀ + b, with E the token embedding table, the same Parameter ("tied"; Press & Wolf 2017).

    Args:
        token_embedding: the Parameter E, (V, H).

    Derivation, for the rows of x as a matrix (N, H): logit_rows_nv = Σ_h rows_nh E_vh + b_v, so

        d_rows = d_logit_rows E          (N, H)
        d_E    = d_logit_rowsᵀ rows      (V, H)
        d_b    = Σ_n d_logit_rows_n      (V,)

    E is also looked up at the input; both uses add to its one gradient.
    """

    def __init__(self, token_embedding):
        self.weight = token_embedding
        self.bias = Parameter(np.zeros(len(token_embedding.value), token_embedding.value.dtype))

    def forward(self, x):
        """x (..., H) → logits (..., V), cache."""
        vocab_size, hidden_size = self.weight.value.shape
        rows = x.reshape(-1, hidden_size)                               # (N, H)
        logit_rows = rows @ self.weight.value.T + self.bias.value       # (N, V)
        logits = logit_rows.reshape(*x.shape[:-1], vocab_size)          # (..., V)
        return logits, TiedDecoderCache(x)

    def backward(self, d_logits, cache):
        """d_logits (..., V) → d_x (..., H); adds to weight.grad and bias.grad."""
        x = cache.x
        rows = x.reshape(-1, x.shape[-1])                               # (N, H)
        d_logit_rows = d_logits.reshape(-1, d_logits.shape[-1])         # (N, V)
        d_weight = d_logit_rows.T @ rows                                # (V, H)
        self.weight.grad += d_weight
        d_bias = d_logit_rows.sum(axis=0)                               # (V,)
        self.bias.grad += d_bias
        d_rows = d_logit_rows @ self.weight.value                       # (N, H)
        d_x = d_rows.reshape(x.shape)                                   # (..., H)
        return d_x
