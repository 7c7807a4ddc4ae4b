"""References of lesson 14, XLNet."""

import math

import numpy as np

from minibert.course.exercises.lesson_14 import drawn_streams, streams_case
from minibert.course.exercises.variants import Reference
from minibert.layers.softmax import softmax


def words_apart(joint):
    first, second = joint.sum(axis=1), joint.sum(axis=0)

    def information(probs):
        return sum(-p * math.log(p) for p in np.ravel(probs).tolist() if p > 0)

    return {
        "together": information(joint),
        "apart": information(first) + information(second),
        "never": 1 - float((np.outer(first, second) * (joint > 0)).sum()),
        "likeliest": float(joint[np.argmax(first)][np.argmax(second)]),
    }


def draw_tables(rng):
    """The likeliest word of each, alone, do not occur together in the first table."""
    table = rng.uniform(0.02, 0.1, (4, 5)) * (rng.random((4, 5)) < 0.7)
    table[0], table[:, 1], table[0, 1] = 0.3, 0.4, 0.0
    other = rng.dirichlet(np.ones(12)).reshape(3, 4)
    return [(table / table.sum(),), (other,)]


def two_masks(order, num_shown, num_past):
    num_tokens, predicted = len(order), order[num_shown:]
    content = np.zeros((num_tokens, num_past + num_tokens), int)
    content[:, :num_past] = content[:, num_past + np.array(order[:num_shown], int)] = 1
    query = []
    for number, place in enumerate(predicted):
        content[place, num_past + np.array(predicted[:number], int)] = 1
        query.append(content[place].copy())
        content[place, num_past + place] = 1
    return {"content": content, "query": np.array(query)}


def draw_orders(rng):
    return [
        (rng.permutation(8).tolist(), 3, int(rng.integers(4, 7))), (rng.permutation(6).tolist(), 2, 0)
    ]


def both_streams(forward, backward, x):
    """As the models were made: where a weight is not 0."""
    content, query = forward.model.weights
    return {"content": (content != 0).astype(int), "query": (query != 0).astype(int)}


def draw_streams(rng):
    seeds = rng.integers(100, 10**6, 2)
    return [
        streams_case(*drawn_streams(int(seeds[0]), 6), 4, ending="mirrored")[0],
        streams_case(*drawn_streams(int(seeds[1]), 7, faint=1e-8), 2, beginning="difference")[0],
    ]


def alibi(query, key, value, slopes):
    (num_queries, size), num_keys = query.shape[-2:], key.shape[2]
    outputs = []
    for row in range(num_queries):
        seen = num_keys - num_queries + row + 1
        distances = np.arange(seen)[::-1]
        products = (key[:, :, :seen] * query[:, :, row, np.newaxis]).sum(axis=-1)
        probs = softmax(products / math.sqrt(size) - slopes[:, np.newaxis] * distances)
        outputs.append((probs[..., np.newaxis] * value[:, :, :seen]).sum(axis=2))
    return np.stack(outputs, axis=2)


def t5_buckets(num_queries, num_keys, num_buckets, max_distance):
    side = num_buckets // 2
    exact = side // 2
    buckets = np.zeros((num_queries, num_keys), int)
    for i, j in np.ndindex(buckets.shape):
        distance = abs(i - j)
        if distance < exact:
            bucket = distance
        else:
            share = math.log(distance / exact) / math.log(max_distance / exact)
            bucket = min(exact + math.floor(share * (side - exact)), side - 1)
        buckets[i, j] = bucket + (side if j > i else 0)
    return buckets


def draw_buckets(rng):
    """Far distances whose logarithms are no whole number of steps."""
    return [(7, int(rng.integers(33, 60)), 20, 31), (int(rng.integers(26, 40)), 5, 12, 22)]


def reach_of_memory(T, M, L, H):
    return {
        "keys": M + T, "distances": M + 2 * T - 1, "reach": (L - 1) * T + M, "gradient": 0,
        "numbers": L * M * H,
    }


def draw_texts(rng):
    T = int(rng.integers(14, 25))
    return {"T": T, "M": T - int(rng.integers(3, 7)), "L": int(rng.integers(3, 7)),
            "H": 10 * int(rng.integers(4, 9))}


REFERENCES = {
    "words_apart": Reference(words_apart, draw_tables),
    "two_masks": Reference(two_masks, draw_orders),
    "both_streams": Reference(both_streams, draw_streams),
    "alibi": Reference(alibi),
    "t5_buckets": Reference(t5_buckets, draw_buckets),
    "reach_of_memory": Reference(
        reach_of_memory, draw_texts,
        "pieces of T = {T} tokens, a memory of M = {M} tokens, L = {L} layers, H = {H}"),
}
