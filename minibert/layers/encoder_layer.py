"""One block of BERT's encoder."""

from typing import NamedTuple

import numpy as np

from minibert.layers.attention import MultiHeadAttention, MultiHeadAttentionCache
from minibert.layers.base import Layer, describe_cache
from minibert.layers.dropout import Dropout, DropoutCache
from minibert.layers.feed_forward import FeedForward, FeedForwardCache
from minibert.layers.layer_norm import LayerNorm, LayerNormCache


class EncoderLayerCache(NamedTuple):
    attention: MultiHeadAttentionCache
    attention_dropout: DropoutCache
    attention_norm: LayerNormCache
    feed_forward: FeedForwardCache
    output_dropout: DropoutCache
    output_norm: LayerNormCache
    __repr__ = describe_cache


class EncoderLayer(Layer):
    """Self-attention, then feed-forward; each with a residual connection, and LayerNorm *after* the sum.

        attended = LayerNorm(x + dropout(attention(x)))
        y        = LayerNorm(attended + dropout(feed_forward(attended)))

    This is post-norm (Vaswani et al. 2017, section 3.1; Devlin et al. 2018).

    Args:
        hidden_size, num_heads, intermediate_size, hidden_act: H, A, F and the activation.
        dropout_prob: of the two sublayers' outputs.  attention_dropout_prob: of the attention probabilities.
        layer_norm_eps, rng, initializer_range, dtype: as in LayerNorm and Linear.

    Derivation: x reaches the sum along two paths, unchanged and through the sublayer. The gradient of the sum
    goes back along both, and they add up where the paths began: d_x = d_sum + sublayer.backward(d_sum).
    """

    def __init__(
        self, hidden_size, num_heads, intermediate_size, *, hidden_act="gelu", dropout_prob=0.0,
        attention_dropout_prob=0.0, layer_norm_eps=1e-12, rng=None, initializer_range=0.02, dtype=np.float32,
    ):
        rng = np.random.default_rng(0) if rng is None else rng
        given = {"rng": rng, "initializer_range": initializer_range, "dtype": dtype}
        self.attention = MultiHeadAttention(
            hidden_size, num_heads, dropout_prob=attention_dropout_prob, **given)
        self.attention_dropout = Dropout(dropout_prob)
        self.attention_norm = LayerNorm(hidden_size, eps=layer_norm_eps, dtype=dtype)
        self.feed_forward = FeedForward(hidden_size, intermediate_size, hidden_act=hidden_act, **given)
        self.output_dropout = Dropout(dropout_prob)
        self.output_norm = LayerNorm(hidden_size, eps=layer_norm_eps, dtype=dtype)

    def forward(self, x, mask=None, rng=None, state=None):
        """x (B, T, H), mask and state as in MultiHeadAttention, rng for dropout → y (B, T, H), cache."""
        attention, attention_cache = self.attention.forward(x, mask=mask, state=state, rng=rng)  # (B, T, H)
        dropped_attention, attention_dropout_cache = self.attention_dropout.forward(attention, rng)
        attention_sum = x + dropped_attention                                               # (B, T, H)
        attended, attention_norm_cache = self.attention_norm.forward(attention_sum)         # (B, T, H)
        feed_forward, feed_forward_cache = self.feed_forward.forward(attended)              # (B, T, H)
        dropped_feed_forward, output_dropout_cache = self.output_dropout.forward(feed_forward, rng)
        output_sum = attended + dropped_feed_forward                                        # (B, T, H)
        y, output_norm_cache = self.output_norm.forward(output_sum)                         # (B, T, H)
        cache = EncoderLayerCache(
            attention=attention_cache, attention_dropout=attention_dropout_cache,
            attention_norm=attention_norm_cache, feed_forward=feed_forward_cache,
            output_dropout=output_dropout_cache, output_norm=output_norm_cache)
        return y, cache

    def backward(self, d_y, cache):
        """d_y (B, T, H) → d_x (B, T, H)."""
        d_output_sum = self.output_norm.backward(d_y, cache.output_norm)                    # (B, T, H)
        d_feed_forward = self.output_dropout.backward(d_output_sum, cache.output_dropout)   # (B, T, H)
        share_of_feed_forward = self.feed_forward.backward(d_feed_forward, cache.feed_forward)  # (B, T, H)
        d_attended = d_output_sum + share_of_feed_forward                                   # (B, T, H)
        d_attention_sum = self.attention_norm.backward(d_attended, cache.attention_norm)    # (B, T, H)
        d_attention = self.attention_dropout.backward(d_attention_sum, cache.attention_dropout)  # (B, T, H)
        share_of_attention = self.attention.backward(d_attention, cache.attention)          # (B, T, H)
        d_x = d_attention_sum + share_of_attention                                          # (B, T, H)
        return d_x
