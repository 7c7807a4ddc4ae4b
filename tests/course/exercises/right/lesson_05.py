"""Right answers to the exercises of lesson 05 in other styles than the solution's."""

import math

import numpy as np
from course.exercises.solutions import solution


def softmax(scores):
    exponentials = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def head_in_loops(query, key, value, mask=None):
    y = np.zeros((len(query), value.shape[1]))
    for i in range(len(query)):
        seen = [j for j in range(len(key)) if mask is None or mask[i, j]]
        if not seen:
            y[i] = sum(value) / len(value)
        scores = [query[i] @ key[j] / math.sqrt(query.shape[1]) for j in seen]
        weights = [math.exp(score - max(scores)) for score in scores]
        for weight, j in zip(weights, seen):
            y[i] += weight / sum(weights) * value[j]
    return y


def head_with_infinity(query, key, value, mask=None):
    scores = query @ key.T * query.shape[1] ** -0.5
    if mask is not None:
        scores[~mask] = -np.inf
        scores[~mask.any(axis=1)] = 0
    return softmax(scores) @ value


def head_with_a_product(q, k, v, allowed=None):
    """Exponentials times the mask, then divided by their sum."""
    scores = np.einsum("id,jd->ij", q, k) / np.sqrt(k.shape[-1])
    allowed = np.ones(scores.shape, bool) if allowed is None else allowed
    somewhere = allowed.any(axis=1, keepdims=True)
    scores, allowed = np.where(allowed, scores, scores.min()) * somewhere, allowed | ~somewhere
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True)) * allowed
    return exponentials @ v / exponentials.sum(axis=1, keepdims=True)


def split_in_loops(x, num_heads):
    size = x.shape[2] // num_heads
    heads = np.zeros((len(x), num_heads, x.shape[1], size))
    for b, a, t in np.ndindex(heads.shape[:3]):
        heads[b, a, t] = x[b, t, a * size : (a + 1) * size]
    return heads


def split_by_numpy(x, num_heads):
    return np.stack(np.split(x, num_heads, axis=-1), axis=1)


def split_by_moveaxis(states, count):
    return np.moveaxis(states.reshape(*states.shape[:-1], count, -1), 2, 1)


def facts_in_loops(num_tokens):
    two = np.zeros((2, num_tokens, num_tokens))
    for i in range(num_tokens):
        two[0, i, i - 1 if i > 0 else i] = 1
        two[1, i, i + 1 if i < num_tokens - 1 else i] = 1
    return two, two.mean(axis=0)


def facts_by_eye(n):
    before, after = np.eye(n, k=-1), np.eye(n, k=1)
    before[0, 0] = after[-1, -1] = 1.0
    return np.array([before, after]), 0.5 * before + 0.5 * after


def facts_as_lists(num_tokens):
    places = range(num_tokens)
    before = [[float(j == max(i - 1, 0)) for j in places] for i in places]
    after = [[float(j == min(i + 1, num_tokens - 1)) for j in places] for i in places]
    one = [[(p + q) / 2 for p, q in zip(*rows)] for rows in zip(before, after)]
    return [before, after], one


PERMUTED = solution("permuted_tokens")[0]

RIGHT = {
    "one_head": [head_in_loops, head_with_infinity, head_with_a_product],
    "permuted_tokens": [
        dict(reversed(PERMUTED.items())),
        PERMUTED | {"entry_of_probs": [2, 0]},
        PERMUTED | {"row_of_y": np.int64(2), "causal": np.str_("other")},
    ],
    "split_heads": [split_in_loops, split_by_numpy, split_by_moveaxis],
    "two_facts": [facts_in_loops, facts_by_eye, facts_as_lists],
}
