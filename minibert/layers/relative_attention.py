"""Attention that knows distances, not places (Dai et al. 2019, "Transformer-XL"; Yang et al. 2019, "XLNet").

T tokens are read, K = (tokens before them, in a state) + T are attended to, and R rows ask. A row asks from a
place t, 0 to T − 1; several rows may ask from one place, as XLNet's two streams do. Key j is at a distance of
K − T + t − j: what comes later is at a negative one. All distances are P = K + T − 1 numbers, from K − 1 down
to 1 − T.
"""

import math
from typing import NamedTuple

import numpy as np

from minibert.layers.base import Layer, Parameter, describe_cache
from minibert.layers.dropout import Dropout, DropoutCache
from minibert.layers.head_projection import (
    HeadOutput,
    HeadOutputCache,
    HeadProjection,
    HeadProjectionCache,
)
from minibert.layers.initializers import truncated_normal
from minibert.layers.softmax import softmax, softmax_backward


def distance_waves(num_tokens, num_keys, hidden_size, dtype=np.float32):
    """Return waves of all distances (P, H): [sin | cos] of distance / 10000^(2i/H), the largest one first.

    As in Transformer-XL; Vaswani et al. (2017) have positions for distances, and sine and cosine in turn.
    """
    distances = np.arange(num_keys - 1, -num_tokens, -1.0)                      # (P,)
    exponents = np.arange(0, hidden_size, 2) / hidden_size                      # (H/2,): 2i/H
    angles = distances[:, np.newaxis] * np.exp(-math.log(10000) * exponents)    # (P, H/2)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=-1).astype(dtype)


class Sight(NamedTuple):
    """From where each of R rows asks, and what it sees of K keys.

    Attributes:
        places: integers (B or 1, R), from the place of which token a row asks: 0 to T − 1.
        may_look: bool (B, 1, R, K), False where a row must not look; None means everywhere.
        is_other: bool (B, 1, R, K), whether a key is of another segment than the row; None means that there
            are no segments.
    """

    places: np.ndarray
    may_look: np.ndarray | None = None
    is_other: np.ndarray | None = None


class RelativeShiftCache(NamedTuple):
    x_shape: tuple  # (B, A, R, P)
    num_keys: int  # K
    batch: np.ndarray  # (B, 1)
    rows: np.ndarray  # (R,)
    starts: np.ndarray  # (B or 1, R): where the window of each row begins
    __repr__ = describe_cache


class RelativeShift(Layer):
    """Scores by distance → scores by key: y[..., r, j] = x[..., r, T − 1 − t_r + j], t_r the place of row r.

    The distances are in falling order, so the K keys of a row are K neighbours in x: a window, which begins
    one entry earlier at each further place. `windows` is a view that has all windows of all rows as (B, A, R,
    T, K); no number is copied until each row takes its own.

    Derivation: y takes entries of x, none of them twice. So the same view of an array of zeros, with d_y
    written into the same windows, is d_x. The entries that no window holds get 0.
    """

    def forward(self, x, places, num_keys):
        """x (B, A, R, P), places (B or 1, R), the t of each row, num_keys K → y (B, A, R, K), cache.

        Raises:
            ValueError: a place is not 0 to T − 1, with T = P − K + 1.
        """
        check_places(places, x.shape[-1] - num_keys + 1)
        batch_size, _, num_rows, num_distances = x.shape
        batch, rows = np.arange(batch_size)[:, np.newaxis], np.arange(num_rows)
        starts = num_distances - num_keys - places                              # (B or 1, R): T − 1 − t
        by_row = windows(x, num_keys)[batch, :, rows, starts]                   # (B, R, A, K)
        y = by_row.swapaxes(1, 2)                                               # (B, A, R, K)
        return y, RelativeShiftCache(x.shape, num_keys, batch, rows, starts)

    def backward(self, d_y, cache):
        """d_y (B, A, R, K) → (d_x (B, A, R, P), None for the integers)."""
        d_x = np.zeros(cache.x_shape, d_y.dtype)                                # (B, A, R, P)
        d_windows = windows(d_x, cache.num_keys)                                # (B, A, R, T, K), a view
        d_by_row = d_y.swapaxes(1, 2)                                           # (B, R, A, K)
        d_windows[cache.batch, :, cache.rows, cache.starts] = d_by_row          # each entry once
        return d_x, None


def windows(x, num_keys):
    """Return a view of x (..., P) as (..., P − K + 1, K): windows[..., start, j] is x[..., start + j]."""
    return np.lib.stride_tricks.sliding_window_view(x, num_keys, axis=-1, writeable=True)


def check_places(places, num_tokens):
    """Raise ValueError if a place is not one of T tokens: a window beyond the end would wrap around."""
    if places.size and not 0 <= places.min() <= places.max() < num_tokens:
        raise ValueError(
            f"places must be from 0 to {num_tokens - 1}, because the distances are those of {num_tokens} "
            f"tokens; got {places.min()} to {places.max()}"
        )


class PositionScoresCache(NamedTuple):
    key: HeadProjectionCache
    queries: np.ndarray  # (B, A, R, D)
    key_heads: np.ndarray  # (A, P, D), a key for each distance
    shift: RelativeShiftCache
    __repr__ = describe_cache


class PositionScores(Layer):
    """scores_ij = (q_i + bias) · w, w being the projected wave of the distance from the place of i to key j.

    The bias is one that every query has, wherever it is: how much each distance is worth to all
    (Dai et al. 2019, section 3.3: terms b and d). It is r_r_bias in the original code.

    Args:
        hidden_size: H.  num_heads: A.
        rng, initializer_range, dtype: as in Linear.

    Derivation: scores by distance are a matrix product, then shifted. The waves are the same in every
    sequence, so their gradient is a sum over the batch; the bias is added to every query, so its gradient is
    a sum over batch and queries.
    """

    def __init__(self, hidden_size, num_heads, *, rng=None, initializer_range=0.02, dtype=np.float32):
        rng = np.random.default_rng(0) if rng is None else rng
        given = {"initializer_range": initializer_range, "dtype": dtype}
        self.key = HeadProjection(hidden_size, num_heads, rng=rng, **given)
        size = (num_heads, hidden_size // num_heads)
        self.bias = Parameter(truncated_normal(rng, size, initializer_range, dtype))
        self.shift = RelativeShift()

    def forward(self, query_heads, waves, places, num_keys):
        """query_heads (B, A, R, D), waves (P, H), the rest as in RelativeShift → (B, A, R, K), cache."""
        queries = query_heads + self.bias.value[:, np.newaxis]                  # (B, A, R, D)
        key_heads, key_cache = self.key.forward(waves)                          # (A, P, D)
        by_distance = queries @ key_heads.swapaxes(-1, -2)                      # (B, A, R, P)
        scores, shift_cache = self.shift.forward(by_distance, places, num_keys)     # (B, A, R, K)
        return scores, PositionScoresCache(key_cache, queries, key_heads, shift_cache)

    def backward(self, d_scores, cache):
        """d_scores (B, A, R, K) → (d_query_heads (B, A, R, D), d_waves (P, H), None for the integers)."""
        d_by_distance, _ = self.shift.backward(d_scores, cache.shift)           # (B, A, R, P)
        d_key_heads = (d_by_distance.swapaxes(-1, -2) @ cache.queries).sum(axis=0)  # (A, P, D)
        d_waves = self.key.backward(d_key_heads, cache.key)                     # (P, H)
        d_query_heads = d_by_distance @ cache.key_heads                         # (B, A, R, D), as d_queries
        d_bias = d_query_heads.sum(axis=(0, 2))                                 # (A, D)
        self.bias.grad += d_bias
        return d_query_heads, d_waves, None


class SegmentScoresCache(NamedTuple):
    which: np.ndarray  # (B, R, 2, K), of a key (1, 0) if it is of the row's segment and (0, 1) if not
    queries: np.ndarray  # (B, A, R, D)
    __repr__ = describe_cache


class SegmentScores(Layer):
    """scores_ij = (q_i + bias) · s, s being embedding[0] for a key of the query's segment, embedding[1] else.

    (Yang et al. 2019, section 2.5: whether two tokens are in one segment, and not in which.)

    Args:
        num_heads: A.  head_size: D.  rng, initializer_range, dtype: as in Linear.

    Derivation: each query has two scores, and each key gets one of them: a product with a matrix that has a
    single 1 in each column. So both steps are matrix products.
    """

    def __init__(self, num_heads, head_size, *, rng=None, initializer_range=0.02, dtype=np.float32):
        rng = np.random.default_rng(0) if rng is None else rng
        size = (num_heads, head_size)
        self.bias = Parameter(truncated_normal(rng, size, initializer_range, dtype))
        self.embedding = Parameter(truncated_normal(rng, (2, *size), initializer_range, dtype))

    def forward(self, query_heads, is_other):
        """query_heads (B, A, R, D), is_other bool (B, 1, R, K) → scores (B, A, R, K), cache."""
        queries = query_heads + self.bias.value[:, np.newaxis]                  # (B, A, R, D)
        both = queries @ self.embedding.value.transpose(1, 2, 0)                # (B, A, R, 2)
        which = np.stack([~is_other[:, 0], is_other[:, 0]], axis=2).astype(both.dtype)  # (B, R, 2, K)
        by_row = both.swapaxes(1, 2) @ which                                    # (B, R, A, K)
        scores = by_row.swapaxes(1, 2)                                          # (B, A, R, K)
        return scores, SegmentScoresCache(which, queries)

    def backward(self, d_scores, cache):
        """d_scores (B, A, R, K) → d_query_heads (B, A, R, D), None: booleans have no gradient."""
        which, queries = cache.which, cache.queries
        d_by_row = d_scores.swapaxes(1, 2)                                      # (B, R, A, K)
        d_both = (d_by_row @ which.swapaxes(-1, -2)).swapaxes(1, 2)             # (B, A, R, 2)
        d_embedding_heads = (d_both.swapaxes(-1, -2) @ queries).sum(axis=0)     # (A, 2, D)
        d_embedding = d_embedding_heads.swapaxes(0, 1)                          # (2, A, D)
        self.embedding.grad += d_embedding
        d_query_heads = d_both @ self.embedding.value.swapaxes(0, 1)            # (B, A, R, D), as d_queries
        d_bias = d_query_heads.sum(axis=(0, 2))                                 # (A, D)
        self.bias.grad += d_bias
        return d_query_heads, None


class RelativeAttentionCache(NamedTuple):
    query: HeadProjectionCache
    key: HeadProjectionCache
    value: HeadProjectionCache
    content_queries: np.ndarray  # (B, A, R, D)
    key_heads: np.ndarray  # (B, A, K, D)
    value_heads: np.ndarray  # (B, A, K, D)
    position: PositionScoresCache
    segment: SegmentScoresCache | None
    probs: np.ndarray  # (B, A, R, K): row = query, column = key; each row sums to one, or is 0 throughout
    dropout: DropoutCache
    dropped_probs: np.ndarray  # (B, A, R, K): the weights of the values
    output: HeadOutputCache
    num_past: int  # K − T
    __repr__ = describe_cache


class RelativeAttention(Layer):
    """Attention whose scores have three parts, for content, position and segment; no projection has a bias.

        scores_ij = ((q_i + content_bias) · k_j + position_ij + segment_ij) / √D

    (Dai et al. 2019, section 3.3; Yang et al. 2019, section 2.5; content_bias is r_w_bias in their code.)
    The rows that ask need not be the tokens: XLNet's second stream asks the same keys from the same places.

    Args:
        hidden_size: H.  num_heads: A, a divisor of H.
        dropout_prob: of the attention probabilities.
        rng, initializer_range, dtype: as in Linear.

    Derivation, beside that of MultiHeadAttention: the scores are a sum, so each part gets d_scores/√D, and
    the query the sum of its gradients from all three. content_bias is added to every query of a head: its
    gradient is the sum over batch and queries.

    Where `may_look` is False, probs are 0; so a row that is False throughout attends to nothing, and has 0 as
    its weighted value. By d_scores = probs (d_probs − Σ probs d_probs), no gradient passes there, exactly.
    """

    def __init__(
        self, hidden_size, num_heads, *, dropout_prob=0.0, rng=None, initializer_range=0.02, dtype=np.float32
    ):
        if num_heads < 1 or hidden_size % num_heads != 0:
            raise ValueError(f"hidden_size {hidden_size} is not divisible by num_attention_heads {num_heads}")
        rng = np.random.default_rng(0) if rng is None else rng
        given = {"rng": rng, "initializer_range": initializer_range, "dtype": dtype}
        size = (num_heads, hidden_size // num_heads)
        self.query = HeadProjection(hidden_size, num_heads, **given)
        self.key = HeadProjection(hidden_size, num_heads, **given)
        self.value = HeadProjection(hidden_size, num_heads, **given)
        self.content_bias = Parameter(truncated_normal(rng, size, initializer_range, dtype))
        self.position = PositionScores(hidden_size, num_heads, **given)
        self.segment = SegmentScores(*size, **given)
        self.dropout = Dropout(dropout_prob)
        self.output = HeadOutput(hidden_size, num_heads, **given)

    def forward(self, x, content, waves, sight, state=None, rng=None):
        """Attend from every row of x to the tokens of state and content → output (B, R, H), cache.

        Args:
            x: (B, R, H), the rows that ask.  content: (B, T, H).  waves: (P, H), see distance_waves.
            sight: a Sight.  rng: for dropout.
            state: (B, K − T, H), the tokens before, a constant.
        """
        attended = content if state is None else np.concatenate([state, content], axis=1)   # (B, K, H)
        mask, scale = sight.may_look, 1 / math.sqrt(self.content_bias.value.shape[1])
        query_heads, query_cache = self.query.forward(x)                                # (B, A, R, D)
        key_heads, key_cache = self.key.forward(attended)                               # (B, A, K, D)
        value_heads, value_cache = self.value.forward(attended)                         # (B, A, K, D)
        content_queries = query_heads + self.content_bias.value[:, np.newaxis]          # (B, A, R, D)
        content_scores = content_queries @ key_heads.swapaxes(-1, -2)                   # (B, A, R, K)
        position_scores, position_cache = self.position.forward(
            query_heads, waves, sight.places, attended.shape[1])                        # (B, A, R, K)
        segment_scores, segment_cache = 0, None
        if sight.is_other is not None:
            segment_scores, segment_cache = self.segment.forward(query_heads, sight.is_other)
        scores = (content_scores + position_scores + segment_scores) * scale            # (B, A, R, K)
        masked_scores = scores if mask is None else np.where(mask, scores, np.finfo(scores.dtype).min)
        probs = softmax(masked_scores) if mask is None else softmax(masked_scores) * mask   # (B, A, R, K)
        dropped_probs, dropout_cache = self.dropout.forward(probs, rng)                 # (B, A, R, K)
        weighted_value = dropped_probs @ value_heads                                    # (B, A, R, D)
        output, output_cache = self.output.forward(weighted_value)                      # (B, R, H)
        cache = RelativeAttentionCache(
            query=query_cache, key=key_cache, value=value_cache, content_queries=content_queries,
            key_heads=key_heads, value_heads=value_heads, position=position_cache, segment=segment_cache,
            probs=probs, dropout=dropout_cache, dropped_probs=dropped_probs, output=output_cache,
            num_past=attended.shape[1] - content.shape[1])
        return output, cache

    def backward(self, d_output, cache):
        """d_output (B, R, H) → (d_x (B, R, H), d_content (B, T, H), d_waves (P, H), None)."""
        scale = 1 / math.sqrt(cache.key_heads.shape[-1])
        d_weighted_value = self.output.backward(d_output, cache.output)                 # (B, A, R, D)
        d_dropped_probs = d_weighted_value @ cache.value_heads.swapaxes(-1, -2)         # (B, A, R, K)
        d_value_heads = cache.dropped_probs.swapaxes(-1, -2) @ d_weighted_value         # (B, A, K, D)
        d_probs = self.dropout.backward(d_dropped_probs, cache.dropout)                 # (B, A, R, K)
        d_scores = softmax_backward(d_probs, cache.probs)                               # (B, A, R, K)
        d_part = d_scores * scale                                                       # (B, A, R, K)
        d_content_queries = d_part @ cache.key_heads                                    # (B, A, R, D)
        d_content_bias = d_content_queries.sum(axis=(0, 2))                             # (A, D)
        self.content_bias.grad += d_content_bias
        d_key_heads = d_part.swapaxes(-1, -2) @ cache.content_queries                   # (B, A, K, D)
        share_of_position, d_waves, _ = self.position.backward(d_part, cache.position)  # (B, A, R, D), (P, H)
        share_of_segment = 0
        if cache.segment is not None:
            share_of_segment, _ = self.segment.backward(d_part, cache.segment)          # (B, A, R, D)
        d_query_heads = d_content_queries + share_of_position + share_of_segment        # (B, A, R, D)
        d_x = self.query.backward(d_query_heads, cache.query)                           # (B, R, H)
        share_of_key = self.key.backward(d_key_heads, cache.key)                        # (B, K, H)
        share_of_value = self.value.backward(d_value_heads, cache.value)                # (B, K, H)
        d_attended = share_of_key + share_of_value                                      # (B, K, H)
        d_content = d_attended[:, cache.num_past:]                                      # (B, T, H)
        return d_x, d_content, d_waves, None
