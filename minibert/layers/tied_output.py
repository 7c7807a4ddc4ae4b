"""The output layer that is the table of token embeddings and nothing else."""

from typing import NamedTuple

import numpy as np

from minibert.layers.base import Layer, describe_cache


class TiedOutputCache(NamedTuple):
    x: np.ndarray  # (..., H)
    __repr__ = describe_cache


class TiedOutput(Layer):
    """logits = x Eᵀ, with E the token embedding table, the same Parameter: TiedDecoder without its bias.

    (Vaswani et al. 2017, section 3.4; GPT. BERT adds a bias.)

    Args:
        token_embedding: the Parameter E, (V, H).

    Derivation, for the rows of x as a matrix (N, H): logit_rows_nv = Σ_h rows_nh E_vh, so

        d_rows = d_logit_rows E          (N, H)
        d_E    = d_logit_rowsᵀ rows      (V, H)
    """

    def __init__(self, token_embedding):
        self.weight = token_embedding

    def forward(self, x):
        """x (..., H) → logits (..., V), cache."""
        num_tokens, hidden_size = self.weight.value.shape
        rows = x.reshape(-1, hidden_size)                               # (N, H)
        logit_rows = rows @ self.weight.value.T                         # (N, V)
        logits = logit_rows.reshape(*x.shape[:-1], num_tokens)          # (..., V)
        return logits, TiedOutputCache(x)

    def backward(self, d_logits, cache):
        """d_logits (..., V) → d_x (..., H); adds to weight.grad."""
        x = cache.x
        rows = x.reshape(-1, x.shape[-1])                               # (N, H)
        d_logit_rows = d_logits.reshape(-1, d_logits.shape[-1])         # (N, V)
        d_weight = d_logit_rows.T @ rows                                # (V, H)
        self.weight.grad += d_weight
        d_rows = d_logit_rows @ self.weight.value                       # (N, H)
        d_x = d_rows.reshape(x.shape)                                   # (..., H)
        return d_x
