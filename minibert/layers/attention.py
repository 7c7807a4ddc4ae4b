"""Multi-head attention."""

import math
from typing import NamedTuple

import numpy as np

from minibert.layers.base import Layer, describe_cache
from minibert.layers.dropout import Dropout, DropoutCache
from minibert.layers.linear import Linear, LinearCache
from minibert.layers.softmax import softmax, softmax_backward


class MultiHeadAttentionCache(NamedTuple):
    query: LinearCache
    key: LinearCache
    value: LinearCache
    query_heads: np.ndarray  # (B, A, T_query, D)
    key_heads: np.ndarray  # (B, A, T_key, D)
    value_heads: np.ndarray  # (B, A, T_key, D)
    mask: np.ndarray | None
    probs: np.ndarray  # (B, A, T_query, T_key): row = query, column = key; each row sums to one
    dropout: DropoutCache
    dropped_probs: np.ndarray  # (B, A, T_query, T_key): the weights of the values
    output: LinearCache
    is_self_attention: bool
    __repr__ = describe_cache


class MultiHeadAttention(Layer):
    """output = concat_heads(softmax(Q Kᵀ / √D) V) W_output + b_output (Vaswani et al. 2017, section 3.2).

    BERT's attention. Q, K and V are linear projections of the inputs, cut into A heads of D = H/A columns.

    Args:
        hidden_size: H.  num_heads: A, a divisor of H.
        dropout_prob: of the attention probabilities, after the softmax.
        rng, initializer_range, dtype: as in Linear.

    Derivation, for one head. scores = Q Kᵀ/√D, probs = softmax(scores), weighted_value = probs V, and by the
    rule for a matrix product Y = A B (d_A = d_Y Bᵀ, d_B = Aᵀ d_Y):

        d_probs = d_weighted_value Vᵀ                                    (T_query, T_key)
        d_V     = probsᵀ d_weighted_value                                (T_key, D)
        d_scores = probs · (d_probs − Σ_key probs · d_probs)             softmax
        d_Q = d_scores K / √D                                            (T_query, D)
        d_K = d_scoresᵀ Q / √D                                           (T_key, D)

    d_K needs the transpose of d_scores: Qᵀ d_scores has a shape that can be reshaped to fit, and is wrong.
    The key bias adds the same number to a whole row of scores, and softmax ignores that: its gradient is 0.
    """

    def __init__(
        self, hidden_size, num_heads, *, dropout_prob=0.0, rng=None, initializer_range=0.02, dtype=np.float32
    ):
        if num_heads < 1 or hidden_size % num_heads != 0:
            raise ValueError(f"hidden_size {hidden_size} is not divisible by num_attention_heads {num_heads}")
        rng = np.random.default_rng(0) if rng is None else rng
        given = {"rng": rng, "initializer_range": initializer_range, "dtype": dtype}
        self.num_heads = num_heads
        self.query = Linear(hidden_size, hidden_size, **given)
        self.key = Linear(hidden_size, hidden_size, **given)
        self.value = Linear(hidden_size, hidden_size, **given)
        self.output = Linear(hidden_size, hidden_size, **given)
        self.dropout = Dropout(dropout_prob)

    def forward(self, query_input, key_value_input=None, mask=None, state=None, rng=None):
        """Attend from every row of query_input to the rows of key_value_input.

        Args:
            query_input: (B, T_query, H).
            key_value_input: (B, T_new, H); None for self-attention, where it is query_input. With a state it
                may hold no tokens, T_new = 0: a source that was read before brings nothing new.
            mask: booleans that broadcast to (B, A, T_query, T_key), False where a query must not look; a
                query that may look nowhere looks everywhere alike. ValueError if not boolean.
            state: (keys, values) of an earlier call, (B, A, T_past, D) each, constants: they come before the
                new ones, so T_key = T_past + T_new. This call's are (cache.key_heads, cache.value_heads).
            rng: for dropout.

        Returns: output (B, T_query, H), cache.
        """
        if mask is not None and mask.dtype != bool:
            raise ValueError(f"mask must be booleans (True = may look), got {mask.dtype}")
        attended = query_input if key_value_input is None else key_value_input
        query_rows, query_cache = self.query.forward(query_input)               # (B, T_query, H)
        key_rows, key_cache = self.key.forward(attended)                        # (B, T_new, H)
        value_rows, value_cache = self.value.forward(attended)                  # (B, T_new, H)
        query_heads = self._split_heads(query_rows)                             # (B, A, T_query, D)
        key_heads = self._split_heads(key_rows)                                 # (B, A, T_new, D)
        value_heads = self._split_heads(value_rows)                             # (B, A, T_new, D)
        if state is not None:
            key_heads = np.concatenate([state[0], key_heads], axis=2)           # (B, A, T_key, D)
            value_heads = np.concatenate([state[1], value_heads], axis=2)       # (B, A, T_key, D)
        scale = 1 / math.sqrt(query_heads.shape[-1])
        scores = (query_heads @ key_heads.swapaxes(-1, -2)) * scale             # (B, A, T_query, T_key)
        masked_scores = scores if mask is None else np.where(mask, scores, np.finfo(scores.dtype).min)
        probs = softmax(masked_scores)                                          # (B, A, T_query, T_key)
        dropped_probs, dropout_cache = self.dropout.forward(probs, rng)         # (B, A, T_query, T_key)
        weighted_value = dropped_probs @ value_heads                            # (B, A, T_query, D)
        joined_value = self._join_heads(weighted_value)                         # (B, T_query, H)
        output, output_cache = self.output.forward(joined_value)                # (B, T_query, H)
        cache = MultiHeadAttentionCache(
            query=query_cache, key=key_cache, value=value_cache, query_heads=query_heads, key_heads=key_heads,
            value_heads=value_heads, mask=mask, probs=probs, dropout=dropout_cache,
            dropped_probs=dropped_probs, output=output_cache, is_self_attention=key_value_input is None)
        return output, cache

    def backward(self, d_output, cache):
        """d_output (B, T_query, H) → d_query_input, or (d_query_input, d_key_value_input) of two inputs."""
        query_heads, key_heads, value_heads = cache.query_heads, cache.key_heads, cache.value_heads
        num_past = key_heads.shape[2] - cache.key.x.shape[1]                    # keys that came in as state
        scale = 1 / math.sqrt(query_heads.shape[-1])
        d_joined_value = self.output.backward(d_output, cache.output)           # (B, T_query, H)
        d_weighted_value = self._split_heads(d_joined_value)                    # (B, A, T_query, D)
        d_dropped_probs = d_weighted_value @ value_heads.swapaxes(-1, -2)       # (B, A, T_query, T_key)
        d_value_heads = cache.dropped_probs.swapaxes(-1, -2) @ d_weighted_value  # (B, A, T_key, D)
        d_probs = self.dropout.backward(d_dropped_probs, cache.dropout)         # (B, A, T_query, T_key)
        d_masked_scores = softmax_backward(d_probs, cache.probs)                # (B, A, T_query, T_key)
        d_scores = d_masked_scores if cache.mask is None else d_masked_scores * cache.mask
        d_query_heads = (d_scores @ key_heads) * scale                          # (B, A, T_query, D)
        d_key_heads = (d_scores.swapaxes(-1, -2) @ query_heads) * scale         # (B, A, T_key, D)
        d_query_rows = self._join_heads(d_query_heads)                          # (B, T_query, H)
        d_key_rows = self._join_heads(d_key_heads[:, :, num_past:])             # (B, T_new, H)
        d_value_rows = self._join_heads(d_value_heads[:, :, num_past:])         # (B, T_new, H)
        share_of_query = self.query.backward(d_query_rows, cache.query)         # (B, T_query, H)
        share_of_key = self.key.backward(d_key_rows, cache.key)                 # (B, T_new, H)
        share_of_value = self.value.backward(d_value_rows, cache.value)         # (B, T_new, H)
        d_attended = share_of_key + share_of_value                              # (B, T_new, H)
        if not cache.is_self_attention:
            return share_of_query, d_attended
        d_query_input = share_of_query + d_attended                             # one input along three paths
        return d_query_input

    def _split_heads(self, rows):
        """(B, T, H) → (B, A, T, D): head k holds columns kD to (k+1)D. A view: nothing is copied."""
        batch_size, num_tokens, hidden_size = rows.shape
        head_size = hidden_size // self.num_heads
        return rows.reshape(batch_size, num_tokens, self.num_heads, head_size).transpose(0, 2, 1, 3)

    def _join_heads(self, heads):
        """(B, A, T, D) → (B, T, H): undoes _split_heads."""
        batch_size, num_heads, num_tokens, head_size = heads.shape
        return heads.transpose(0, 2, 1, 3).reshape(batch_size, num_tokens, num_heads * head_size)
