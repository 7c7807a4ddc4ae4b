"""Wrong answers to the exercises of lesson 05, as students might give them who read the task only."""

import numpy as np
from course.exercises.solutions import solution
from course.exercises.wrong.answers import backward, forward


def softmax(scores, axis=-1):
    exponentials = np.exp(scores - scores.max(axis=axis, keepdims=True))
    return exponentials / exponentials.sum(axis=axis, keepdims=True)


def softmax_less(scores, number):
    return np.exp(scores - number) / np.exp(scores - number).sum(axis=-1, keepdims=True)


def head(query, key, value, mask, low=-1e9, size=None, after=None):
    scores = query @ key.T / np.sqrt(size or query.shape[1])
    if mask is not None:
        scores = np.where(mask, scores, low)
    return softmax(scores) @ value


def head_by_exponentials(query, key, value, mask, largest, rest=0.0):
    """exp(scores - largest(scores)), times the mask, over its sum + rest."""
    scores = query @ key.T / np.sqrt(query.shape[1])
    exponentials = np.exp(scores - largest(scores)) * (1 if mask is None else mask)
    return exponentials / (exponentials.sum(axis=-1, keepdims=True) + rest) @ value


def row_maximum(scores):
    return scores.max(axis=-1, keepdims=True)


def split_by_columns(x, num_heads):
    """np.array_split of the tokens, not of the columns."""
    return np.stack(np.split(np.repeat(x, num_heads, axis=1), num_heads, axis=1), axis=1)[
        ..., : x.shape[2] // num_heads
    ]


def split_as_a_list(x, num_heads):
    """Heads first, then sentences."""
    return np.stack(np.split(x, num_heads, axis=2))


def split_all_tokens(x, num_heads):
    """Reshape of everything, heads last."""
    return x.reshape(*x.shape[:2], -1, num_heads).transpose(0, 3, 1, 2)


def split_and_flattened(x, num_heads):
    heads = np.stack(np.split(x, num_heads, axis=2), axis=1)
    return heads.reshape(-1, *heads.shape[2:])


def facts(num_tokens, p=0.5, ends=True):
    before, after = np.zeros((2, num_tokens, num_tokens))
    for i in range(num_tokens):
        before[i, max(i - 1, 0)] += 1
        after[i, min(i + 1, num_tokens - 1)] += 1
    if not ends:
        before[0], after[-1] = 0, 0
    return np.stack([before, after]), p * before + (1 - p) * after


def facts_with_itself(num_tokens):
    """One head that looks at three tokens."""
    two, one = facts(num_tokens)
    return two, (two[0] + two[1] + np.eye(num_tokens)) / 3


def facts_as_scores(num_tokens):
    two, one = facts(num_tokens)
    return 50 * two, 50 * one


PERMUTED = solution("permuted_tokens")[0]


def additive(query, states, query_weight, state_weight, score_weight, act=np.tanh, axis=-1, values=None):
    hidden = act((query @ query_weight)[:, :, np.newaxis] + (states @ state_weight)[:, np.newaxis])
    return softmax(hidden @ score_weight, axis) @ (states if values is None else values)


def additive_back(d_y, q, k, w, u, v, slope=lambda h: 1 - h * h, mean=1.0):
    hidden = np.tanh((q @ w)[:, :, np.newaxis] + (k @ u)[:, np.newaxis])
    probs = softmax(hidden @ v)
    d_probs = d_y @ k.swapaxes(1, 2)
    d_scores = probs * (d_probs - mean * (probs * d_probs).sum(axis=-1, keepdims=True))
    d_sum = d_scores[..., np.newaxis] * v * slope(hidden)
    d_q, d_k = d_sum.sum(axis=2), d_sum.sum(axis=1)
    d_w, d_u = (flat(x).T @ flat(d) for x, d in ((q, d_q), (k, d_k)))
    d_v = (d_scores[..., np.newaxis] * hidden).sum(axis=(0, 1, 2))
    return [d_q @ w.T, d_k @ u.T + probs.swapaxes(1, 2) @ d_y, d_w, d_u, d_v]


def flat(array):
    return array.reshape(-1, array.shape[-1])


def relative(query, key, value, table, max_distance, sign=1, clip=True, size=None):
    places = np.arange(query.shape[2])
    distances = sign * (places - places[:, np.newaxis])
    if clip:
        distances = np.clip(distances, -max_distance, max_distance)
    bias = table[:, (distances + max_distance) % table.shape[1]]
    return softmax(query @ key.swapaxes(2, 3) / np.sqrt(size or query.shape[3]) + bias) @ value


WRONG = {
    "row_softmax": {
        "the diagonal only": backward("row_softmax", lambda d_p, g, s: d_p * softmax(s) * (1 - softmax(s))),
        "without the sum": backward("row_softmax", lambda d_p, g, s: d_p * softmax(s)),
        "the mean for the sum": backward(
            "row_softmax",
            lambda d_p, g, s: softmax(s) * (d_p - (softmax(s) * d_p).mean(axis=-1, keepdims=True)),
        ),
        "exp without the maximum": forward(lambda s: np.exp(s) / np.exp(s).sum(axis=-1, keepdims=True)),
        "the largest of all": forward(
            lambda s: np.exp(s - s.max()) / np.exp(s - s.max()).sum(axis=-1, keepdims=True)
        ),
        "the mean subtracted": forward(lambda s: softmax_less(s, s.mean(axis=-1, keepdims=True))),
        "the smallest subtracted": forward(lambda s: softmax_less(s, s.min(axis=-1, keepdims=True))),
    },
    "one_head": {
        "scaled by the keys": (lambda q, k, v, mask: head(q, k, v, mask, size=len(k)),),
        "scaled by the columns of value": (lambda q, k, v, mask: head(q, k, v, mask, size=v.shape[1]),),
        "masked with 0": (lambda q, k, v, mask: head(q, k, v, mask, low=0.0),),
        "masked with -1": (lambda q, k, v, mask: head(q, k, v, mask, low=-1.0),),
        "mask never used": (lambda q, k, v, mask: head(q, k, v, None),),
        "masked with -1000": (lambda q, k, v, mask: head(q, k, v, mask, low=-1000.0),),
        "masked with -inf": (lambda q, k, v, mask: head(q, k, v, mask, low=-np.inf),),
        "-inf, and 0 for what is not a number": (
            lambda q, k, v, mask: np.nan_to_num(head(q, k, v, mask, low=-np.inf)),
        ),
        "exp without the maximum": (
            lambda q, k, v, mask: head_by_exponentials(q, k, v, mask, lambda scores: 0.0),
        ),
        "the largest of all": (lambda q, k, v, mask: head_by_exponentials(q, k, v, mask, np.max),),
        "the largest before masking": (
            lambda q, k, v, mask: head_by_exponentials(q, k, v, mask, row_maximum, rest=1e-9),
        ),
    },
    "permuted_tokens": {
        "the inverse": (PERMUTED | {"row_of_y": 1},),
        "all permuted": (PERMUTED | dict.fromkeys(["keys_only", "positions_stay", "causal"], "permuted"),),
        "all unchanged": (PERMUTED | dict.fromkeys(["positions_move_along", "positions_stay"], "unchanged"),),
        "key before query": (PERMUTED | {"entry_of_probs": (0, 2)},),
    },
    "split_heads": {
        "tokens, not columns": (split_by_columns,),
        "heads before sentences": (split_as_a_list,),
        "every A-th column": (split_all_tokens,),
        "sentences and heads in one axis": (split_and_flattened,),
    },
    "two_facts": {
        "more weight before": (lambda num_tokens: facts(num_tokens, p=2 / 3),),
        "only before": (lambda num_tokens: facts(num_tokens, p=1.0),),
        "nothing at the ends": (lambda num_tokens: facts(num_tokens, ends=False),),
        "itself, too": (facts_with_itself,),
        "scores": (facts_as_scores,),
    },
    "additive_attention": {
        "states as values forgotten": backward(
            "additive_attention",
            lambda d_y, g, q, k, w, u, v: [g[0], g[1] - _values_share(d_y, q, k, w, u, v), *g[2:]],
        ),
        "1 - tanh": backward(
            "additive_attention", lambda d_y, g, *inputs: additive_back(d_y, *inputs, slope=lambda h: 1 - h)
        ),
        "softmax without its sum": backward(
            "additive_attention", lambda d_y, g, *inputs: additive_back(d_y, *inputs, mean=0.0)
        ),
        "sigmoid": forward(lambda *inputs: additive(*inputs, act=lambda z: 1 / (1 + np.exp(-z)))),
        "over the queries": forward(lambda *inputs: additive(*inputs, axis=1)),
    },
    "relative_bias": {
        "a mean over the batch": backward("relative_bias", lambda d_y, g, *inputs: [*g[:3], g[3] / 2]),
        "1/√D missing in d_query": backward(
            "relative_bias", lambda d_y, g, *inputs: [g[0] * np.sqrt(5), *g[1:]]
        ),
        "keys and queries exchanged": backward("relative_bias", lambda d_y, g, *inputs: [g[1], g[0], *g[2:]]),
        "the table scaled, too": backward(
            "relative_bias", lambda d_y, g, *inputs: [*g[:3], g[3] / np.sqrt(5)]
        ),
        "i - j": forward(lambda *inputs, max_distance: relative(*inputs, max_distance, sign=-1)),
        "not clipped": forward(lambda *inputs, max_distance: relative(*inputs, max_distance, clip=False)),
    },
}


def _values_share(d_y, q, k, w, u, v):
    hidden = np.tanh((q @ w)[:, :, np.newaxis] + (k @ u)[:, np.newaxis])
    return softmax(hidden @ v).swapaxes(1, 2) @ d_y
