"""Right answers to the exercises of lesson 14 in other styles than the solution's."""

import math

import numpy as np
from course.exercises.solutions import solution

REACH = solution("reach_of_memory")[0]


def apart_in_loops(joint):
    together = apart = never = 0.0
    first = [sum(row) for row in joint.tolist()]
    second = [sum(column) for column in joint.T.tolist()]
    for p, a in enumerate(first):
        for q, b in enumerate(second):
            if joint[p, q] > 0:
                together -= joint[p, q] * math.log(joint[p, q])
                apart -= joint[p, q] * math.log(a * b)
            else:
                never += a * b
    return {"likeliest": joint[first.index(max(first)), second.index(max(second))], "never": never,
            "apart": apart, "together": together}


def apart_with_where(joint):
    def information(probs):
        return float(-np.sum(probs * np.log(np.where(probs > 0, probs, 1))))

    first, second = joint @ np.ones(joint.shape[1]), np.ones(len(joint)) @ joint
    product = first[:, None] * second[None]
    return dict(
        together=information(joint), apart=information(product), never=1 - product[joint > 0].sum(),
        likeliest=joint[np.unravel_index(product.argmax(), joint.shape)])


def apart_by_the_chain_rule(joint):
    """H(first) + H(second | first), and the mean of -ln P(first) - ln P(second) over the language's pairs."""
    first, second = joint.sum(1), joint.sum(0)
    given = joint / first[:, None]
    p, q = np.nonzero(joint)
    weights = joint[p, q]
    return {
        "together": -(weights * (np.log(first[p]) + np.log(given[p, q]))).sum(),
        "apart": -(weights * np.log(first[p] * second[q])).sum(),
        "never": sum(first[i] * second[j] for i, j in np.argwhere(joint == 0)),
        "likeliest": given[np.argmax(first), np.argmax(second)] * first.max(),
    }


def masks_in_loops(order, num_shown, num_past):
    T = len(order)
    content, query = np.ones((T, num_past + T)), np.ones((T - num_shown, num_past + T))
    for i in range(T):
        for j in range(T):
            when_i, when_j = order.index(i), order.index(j)
            earlier = when_j < num_shown or (when_i >= num_shown and when_j < when_i)
            content[i, num_past + j] = earlier or i == j
            if when_i >= num_shown:
                query[when_i - num_shown, num_past + j] = earlier
    return {"content": content, "query": query}


def masks_with_lists(order, num_shown, num_past):
    seen, query = set(order[:num_shown]), []
    rows = {token: set(seen) for token in seen}
    for token in order[num_shown:]:
        query.append([1] * num_past + [int(j in seen) for j in range(len(order))])
        seen.add(token)
        rows[token] = set(seen)
    content = [[1] * num_past + [int(j in rows[i]) for j in range(len(order))] for i in range(len(order))]
    return {"query": query, "content": content}


def masks_by_sorting(order, num_shown, num_past):
    T = len(order)
    when = np.argsort(np.array(order))                      # of each place
    in_order = np.tri(T, k=-1)                              # rows and columns in the order
    in_order[:, :num_shown], in_order[:num_shown, num_shown:] = 1, 0
    text = in_order[when][:, when]
    past = np.ones((T, num_past))
    return {
        "content": np.concatenate([past, np.maximum(text, np.eye(T))], 1),
        "query": np.concatenate([past, text], 1)[order[num_shown:]],
    }


def streams_by_steps(forward, backward, x):
    """Another token, and look which rows change: without any gradient."""
    before, _ = forward(x)
    found = [np.zeros((len(x), len(x)), int), np.zeros((len(x), len(x)), int)]
    for j in range(len(x)):
        other = x.copy()
        other[j] += np.arange(1, x.shape[1] + 1)
        after, _ = forward(other)
        for grid, one, two in zip(found, before, after):
            grid[:, j] = (one != two).any(axis=1)
    return {"content": found[0], "query": found[1]}


def streams_of_other_tokens(forward, backward, x):
    """Random other tokens, three times."""
    rng, grids = np.random.default_rng(5), np.zeros((2, len(x), len(x)))
    before, _ = forward(x)
    for _ in range(3):
        for j in range(len(x)):
            other = np.where(np.arange(len(x))[:, None] == j, 9 * rng.standard_normal(x.shape), x)
            for stream, after in enumerate(forward(other)[0]):
                grids[stream, :, j] += (np.array(after) != before[stream]).any(axis=-1)
    return {"content": np.sign(grids[0]), "query": np.sign(grids[1])}


def streams_feature_by_feature(forward, backward, x):
    """A backward for each number of the outputs."""
    (content, query), cache = forward(x)
    found = {"content": np.zeros((len(x), len(x))), "query": np.zeros((len(x), len(x)))}
    for i, h in np.ndindex(content.shape):
        one = np.zeros(content.shape)
        one[i, h] = 1.0
        found["content"][i] += np.abs(backward((one, np.zeros(query.shape)), cache)).max(axis=1) > 0
    for i, h in np.ndindex(query.shape):
        one = np.zeros(query.shape)
        one[i, h] = 1.0
        found["query"][i] += np.abs(backward((np.zeros(content.shape), one), cache)).max(axis=1) > 0
    return {name: np.minimum(grid, 1).astype(int) for name, grid in found.items()}


def buckets_in_loops(num_queries, num_keys, num_buckets, max_distance):
    buckets, h = np.zeros((num_queries, num_keys), np.int64), num_buckets // 2
    for i in range(num_queries):
        for j in range(num_keys):
            n, e = abs(j - i), h // 2
            if n >= e:
                n = min(h - 1, e + int(math.log(n / e) / math.log(max_distance / e) * (h - e)))
            buckets[i, j] = n + h if j > i else n
    return buckets


def buckets_of_transformers(num_queries, num_keys, num_buckets, max_distance):
    """As in modeling_t5.py."""
    relative_position = np.arange(num_keys)[None, :] - np.arange(num_queries)[:, None]
    num_buckets //= 2
    relative_buckets = (relative_position > 0).astype(int) * num_buckets
    relative_position = np.abs(relative_position)
    max_exact = num_buckets // 2
    is_small = relative_position < max_exact
    with np.errstate(divide="ignore", invalid="ignore"):
        logarithm = np.log(relative_position / max_exact) / np.log(max_distance / max_exact)
        if_large = max_exact + np.nan_to_num(logarithm * (num_buckets - max_exact), neginf=0).astype(int)
    if_large = np.minimum(if_large, num_buckets - 1)
    return relative_buckets + np.where(is_small, relative_position, if_large)


def buckets_by_borders(num_queries, num_keys, num_buckets, max_distance):
    half = num_buckets // 2
    exact = half // 2
    steps = np.arange(exact, half) - exact
    borders = np.concatenate(
        [np.arange(1, exact), exact * (max_distance / exact) ** (steps / (half - exact)) - 1e-9])
    relative = np.subtract.outer(-np.arange(num_queries), -np.arange(num_keys))
    return np.searchsorted(borders, abs(relative), side="right") + np.where(relative > 0, half, 0)


RIGHT = {
    "words_apart": [apart_in_loops, apart_with_where, apart_by_the_chain_rule],
    "two_masks": [masks_in_loops, masks_with_lists, masks_by_sorting],
    "both_streams": [streams_by_steps, streams_of_other_tokens, streams_feature_by_feature],
    "t5_buckets": [buckets_in_loops, buckets_of_transformers, buckets_by_borders],
    "reach_of_memory": [
        dict(reversed(REACH.items())),
        {name: float(number) for name, number in REACH.items()},
        {name: np.int64(number) for name, number in REACH.items()},
    ],
}
