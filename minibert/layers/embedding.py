"""The embedding table: integers in, vectors out."""

from typing import NamedTuple

import numpy as np

from minibert.layers.base import Layer, Parameter, describe_cache
from minibert.layers.initializers import truncated_normal


class EmbeddingCache(NamedTuple):
    ids: np.ndarray  # (...) integers
    __repr__ = describe_cache


class Embedding(Layer):
    """y = W[ids]: row ids[t] of the table, for every t.

    Args:
        num_embeddings: rows of the table (V for tokens).
        embedding_dim: columns (H).
        rng, initializer_range, dtype: as in Linear.

    Derivation. Looking up row k is multiplying the one-hot vector of k by W: y = onehot(ids) W. By the rule
    for a matrix product, d_W = onehot(ids)ᵀ d_y: row k of d_W is the *sum* of d_y over all places with the
    id k. An id that occurs twice receives both gradients. The ids are integers and have no gradient.
    """

    def __init__(self, num_embeddings, embedding_dim, *, rng=None, initializer_range=0.02, dtype=np.float32):
        rng = np.random.default_rng(0) if rng is None else rng
        shape = (num_embeddings, embedding_dim)
        self.weight = Parameter(truncated_normal(rng, shape, initializer_range, dtype))

    def forward(self, ids):
        """ids (...) integers → y (..., H), cache. ValueError for an id that has no row."""
        num_embeddings = self.weight.value.shape[0]
        outside = (ids < 0) | (ids >= num_embeddings)
        if outside.any():
            place = tuple(int(index) for index in np.argwhere(outside)[0])
            raise ValueError(
                f"id {ids[place]} at {place} is outside the table of {num_embeddings} rows "
                f"(0 to {num_embeddings - 1}); was the text encoded with another vocabulary?"
            )
        y = self.weight.value[ids]                                  # (..., H)
        return y, EmbeddingCache(ids)

    def backward(self, d_y, cache):
        """Add d_y (..., H) to the rows that were looked up; returns None: integers have no gradient."""
        ids = cache.ids
        add_rows(self.weight.grad, ids.reshape(-1), d_y.reshape(-1, d_y.shape[-1]))


def add_rows(table, ids, rows):
    """table[ids[n]] += rows[n] for every n, in place; ids may repeat.

    (`table[ids] += rows` would add only one row of each id.) The same as np.add.at(table, ids, rows), and
    faster, because np.add.at is fast only with flat arrays.
    """
    num_columns = table.shape[1]
    row_starts = ids.astype(np.intp) * num_columns  # small integer types would overflow
    flat_ids = (row_starts[:, np.newaxis] + np.arange(num_columns)).reshape(-1)
    np.add.at(table.reshape(-1), flat_ids, rows.reshape(-1))
