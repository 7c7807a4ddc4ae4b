"""References of lesson 05, attention."""

import math

import numpy as np

from minibert.course.exercises.variants import Reference
from minibert.layers.softmax import softmax


def row_softmax(scores):
    return softmax(scores)


def one_head(query, key, value, mask=None):
    scores = query @ key.T / math.sqrt(query.shape[-1])
    return softmax(scores if mask is None else np.where(mask, scores, np.finfo(scores.dtype).min)) @ value


def draw_heads(rng):
    query, key, value = (rng.standard_normal(shape) for shape in ((3, 6), (5, 6), (5, 4)))
    mask = rng.random((3, 5)) < 0.5
    mask[np.arange(3), rng.integers(0, 5, 3)] = True  # each query has a key
    return [(query, key, value, mask), (query, key, value, None)]


def permuted_tokens(order):
    return {
        "row_of_y": order[0],
        "entry_of_probs": (order[0], order[1]),
        "keys_only": "unchanged",
        "positions_move_along": "permuted",
        "positions_stay": "other",
        "causal": "other",
    }


def draw_order(rng):
    """An order that is not its own inverse, and that moves the first token."""
    order = np.arange(4)
    while order[0] == 0 or (order[order] == np.arange(4)).all():
        order = rng.permutation(4)
    return {"order": order.tolist()}


def additive_attention(query, states, query_weight, state_weight, score_weight):
    hidden = np.tanh((query @ query_weight)[:, :, np.newaxis] + (states @ state_weight)[:, np.newaxis])
    return softmax(hidden @ score_weight) @ states


def relative_bias(query, key, value, table, max_distance):
    places = np.arange(query.shape[-2])
    index = np.clip(places - places[:, np.newaxis], -max_distance, max_distance) + max_distance
    return softmax(query @ key.swapaxes(-1, -2) / math.sqrt(query.shape[-1]) + table[:, index]) @ value


REFERENCES = {
    "row_softmax": Reference(row_softmax),
    "one_head": Reference(one_head, draw_heads),
    "permuted_tokens": Reference(permuted_tokens, draw_order, "`order = {order}`"),
    "additive_attention": Reference(additive_attention),
    "relative_bias": Reference(relative_bias),
}
