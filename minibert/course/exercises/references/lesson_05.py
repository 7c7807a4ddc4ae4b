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


def split_heads(x, num_heads):
    return np.stack(np.split(x, num_heads, axis=-1), axis=1)


def draw_states(rng):
    num_heads = int(rng.choice([2, 3, 6]))
    return [(rng.standard_normal((5, 7, 4 * num_heads)), num_heads)]


def two_facts(num_tokens):
    places = np.arange(num_tokens)
    before = np.eye(num_tokens)[np.maximum(places - 1, 0)]
    after = np.eye(num_tokens)[np.minimum(places + 1, num_tokens - 1)]
    return np.stack([before, after]), (before + after) / 2


def draw_lengths(rng):
    return [(int(num_tokens),) for num_tokens in rng.permutation(np.arange(6, 30))[:2]]


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
    "split_heads": Reference(split_heads, draw_states),
    "two_facts": Reference(two_facts, draw_lengths),
    "additive_attention": Reference(additive_attention),
    "relative_bias": Reference(relative_bias),
}
