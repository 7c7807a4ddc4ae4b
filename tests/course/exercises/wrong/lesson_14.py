"""Wrong answers to the exercises of lesson 14, as students might give them who read the task only."""

import numpy as np
from course.exercises.solutions import solution
from course.exercises.wrong.answers import backward, forward

REACH = solution("reach_of_memory")[0]


def changed(name, change):
    """The solution's answer, a dict, with some entries changed: change(found, *arguments) → a dict."""
    [right] = solution(name)

    def wrong(*arguments):
        found = right(*arguments)
        return found | change(found, *arguments)

    return (wrong,)


def apart(change):
    return changed("words_apart", change)


def masks(change):
    return changed("two_masks", change)


def streams(change):
    return changed("both_streams", change)


def entropy(probs):
    return float(-(probs[probs > 0] * np.log(probs[probs > 0])).sum())


def both(joint):
    return np.outer(joint.sum(axis=1), joint.sum(axis=0))


def with_entries(mask, rows, columns, value):
    mask = mask.copy()
    mask[rows, columns] = value
    return mask


def checked(forward, backward, x, direction, found=lambda d_x: (d_x != 0).any(axis=1), both_streams=False):
    """The task with another direction, or another way to read d_x."""
    outputs, cache = forward(x)
    grids = []
    for stream in range(2):
        grids.append([])
        for row in range(len(x)):
            d_outputs = [np.zeros(output.shape) for output in outputs]
            for each in range(2) if both_streams else [stream]:
                d_outputs[each][row] = direction(outputs[each][row])
            grids[-1].append(found(backward(tuple(d_outputs), cache)))
    return {name: np.array(grid, int) for name, grid in zip(("content", "query"), grids)}


def random(row):
    return np.random.default_rng(0).standard_normal(row.shape)


def one_pass_for_all(forward, backward, x):
    outputs, cache = forward(x)
    d_x = backward(tuple(map(random, outputs)), cache)
    grid = np.tile((d_x != 0).any(axis=1), (len(x), 1)).astype(int)
    return {"content": grid, "query": grid}


def attended(query, key, value, slopes, *, sign=-1, causal=True, offset=True, absolute=False, scale=None,
             power=1):
    T, K, D = query.shape[2], key.shape[2], query.shape[3]
    places = np.arange(T) + (K - T if offset else 0)
    distance = places[:, None] - np.arange(K)
    steps = np.abs(distance) if absolute else distance
    scores = query @ key.swapaxes(-1, -2) * (D**-0.5 if scale is None else scale)
    scores = scores + sign * slopes[:, None, None] * np.sign(steps) * np.abs(steps) ** power
    scores = np.where(distance >= 0, scores, -1e9) if causal else scores
    exponentials = np.exp(scores - scores.max(axis=-1, keepdims=True))
    probs = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return probs, distance, probs @ value


def alibi(**options):
    return forward(lambda *inputs: attended(*inputs, **options)[2])


def alibi_back(change):
    return backward("alibi", change)


def d_scores_of(d_y, query, key, value, slopes):
    probs, distance, _ = attended(query, key, value, slopes)
    d_probs = d_y @ value.swapaxes(-1, -2)
    return probs * (d_probs - (probs * d_probs).sum(axis=-1, keepdims=True)), probs * d_probs, distance


def slopes_without_the_mean(d_y, g, *inputs):
    _, without, distance = d_scores_of(d_y, *inputs)
    return [*g[:3], -(without * distance).sum(axis=(0, 2, 3))]


def slopes_of_one_row(d_y, g, *inputs):
    d_scores, _, distance = d_scores_of(d_y, *inputs)
    return [*g[:3], -(d_scores * distance)[:, :, -1].sum(axis=(0, 2))]


def slopes_divided(d_y, g, query, *others):
    return [*g[:3], g[3] * query.shape[-1] ** -0.5]


def buckets(num_queries, num_keys, num_buckets, max_distance, *, sign=1, parts=2, base=None,
            rounding=np.floor, last=1, add=True):
    relative = sign * (np.arange(num_keys) - np.arange(num_queries)[:, None])
    half = num_buckets // parts
    exact = half // 2
    n = np.abs(relative)
    growth = np.log(np.maximum(n, exact) / exact) / np.log((base or max_distance) / exact) * (half - exact)
    far = np.minimum(exact + rounding(growth).astype(int), half - last)
    return np.where(n < exact, n, far) + (half * (relative > 0) if add else 0)


def other_buckets(**options):
    return (lambda *given: buckets(*given, **options),)


WRONG = {
    "words_apart": {
        "bits": apart(lambda found, joint: {"together": found["together"] / np.log(2)}),
        "the sum of logarithms": apart(lambda found, joint: {
            "together": float(-np.log(joint[joint > 0]).sum())}),
        "the mean logarithm": apart(lambda found, joint: {
            "together": float(-np.log(joint[joint > 0]).mean())}),
        "conditional entropy": apart(lambda found, joint: {
            "apart": found["together"] - entropy(joint.sum(axis=1))}),
        "one word": apart(lambda found, joint: {"apart": entropy(joint.sum(axis=0))}),
        "the larger of the two": apart(lambda found, joint: {
            "apart": max(entropy(joint.sum(axis=0)), entropy(joint.sum(axis=1)))}),
        "uniform words": apart(lambda found, joint: {"apart": float(np.log(joint.size))}),
        "the product on possible pairs": apart(lambda found, joint: {
            "apart": float(-(both(joint) * np.log(both(joint)))[joint > 0].sum())}),
        "pairs counted": apart(lambda found, joint: {"never": float((joint == 0).mean())}),
        "possible ones": apart(lambda found, joint: {"never": 1 - found["never"]}),
        "not on the diagonal": apart(lambda found, joint: {
            "never": float(both(joint).sum() - np.trace(both(joint)))}),
        "the likeliest pair": apart(lambda found, joint: {"likeliest": joint.max()}),
        "likely apart": apart(lambda found, joint: {"likeliest": both(joint).max()}),
        "the words themselves": apart(lambda found, joint: {
            "likeliest": (joint.sum(axis=1).argmax(), joint.sum(axis=0).argmax())}),
    },
    "two_masks": {
        "1 hides": masks(lambda found, *given: {name: 1 - mask for name, mask in found.items()}),
        "left to right": masks(lambda found, order, shown, past: {
            "content": np.hstack([np.ones((len(order), past)), np.tri(len(order))])}),
        "content without itself": masks(lambda found, order, shown, past: {
            "content": with_entries(found["content"], order[shown:], [past + i for i in order[shown:]], 0)}),
        "query with itself": masks(lambda found, order, shown, past: {
            "query": with_entries(
                found["query"], range(len(order) - shown), [past + i for i in order[shown:]], 1)}),
        "query for every token": masks(lambda found, order, shown, past: {"query": found["content"]}),
        "query by place": masks(lambda found, order, shown, past: {
            "query": found["query"][np.argsort(order[shown:])]}),
        "content in the order": masks(lambda found, order, shown, past: {
            "content": found["content"][order]}),
        "columns in the order": masks(lambda found, order, shown, past: {
            name: np.hstack([mask[:, :past], mask[:, past:][:, order]]) for name, mask in found.items()}),
        "shown ones one by one": masks(lambda found, order, shown, past: {
            "content": with_entries(found["content"], order[0], [past + i for i in order[1:]], 0)}),
        "shown ones see all": masks(lambda found, order, shown, past: {
            "content": with_entries(found["content"], order[:max(shown, 1)], slice(None), 1)}),
        "predicted ones see shown ones only": masks(lambda found, order, shown, past: {
            "query": np.tile(found["query"][:1], (len(order) - shown, 1))}),
        "no memory": masks(lambda found, order, shown, past: {
            name: mask[:, past:] for name, mask in found.items()}),
        "memory on the right": masks(lambda found, order, shown, past: {
            name: np.roll(mask, -past, axis=1) for name, mask in found.items()}),
        "memory for the shown only": masks(lambda found, order, shown, past: {
            "content": with_entries(found["content"], order[shown:], slice(0, past), 0)}),
        "keys as rows": masks(lambda found, order, shown, past: {"query": found["query"].T}),
        "in reverse": (lambda order, shown, past: solution("two_masks")[0](
            [*order[:shown], *order[:shown - 1:-1]] if shown else order[::-1], shown, past),),
    },
    "both_streams": {
        "ones": (lambda *given: checked(*given, np.ones_like),),
        "the row itself": (lambda *given: checked(*given, lambda row: np.sign(row) * 0 + 1),),
        "one feature": (lambda *given: checked(*given, lambda row: np.eye(len(row))[0] * (len(row) > 4)),),
        "sums of d_x": (lambda *given: checked(*given, random, lambda d_x: d_x.sum(axis=1) != 0),),
        "positive only": (lambda *given: checked(*given, random, lambda d_x: (d_x > 0).all(axis=1)),),
        "first feature of d_x": (lambda *given: checked(*given, random, lambda d_x: d_x[:, 0] != 0),),
        "allclose": (lambda *given: checked(
            *given, random, lambda d_x: ~np.isclose(d_x, 0).all(axis=1)),),
        "both streams at once": (lambda *given: checked(*given, random, both_streams=True),),
        "all rows at once": (one_pass_for_all,),
        "transposed": streams(lambda found, *given: {name: grid.T for name, grid in found.items()}),
        "exchanged": streams(lambda found, *given: {
            "content": found["query"], "query": found["content"]}),
        "without the diagonal": streams(lambda found, *given: {
            "query": found["query"] * (1 - np.eye(len(found["query"]), dtype=int))}),
        "as it should be": streams(lambda found, *given: {
            "query": found["content"] * (1 - np.eye(len(found["query"]), dtype=int))}),
        "hidden, not seen": streams(lambda found, *given: {
            name: 1 - grid for name, grid in found.items()}),
    },
    "alibi": {
        "added": alibi(sign=1),
        "the future, too": alibi(causal=False),
        "on both sides": alibi(causal=False, absolute=True),
        "query t at key t": alibi(offset=False),
        "not scaled": alibi(scale=1.0),
        "divided by D": alibi(scale=1 / 5),
        "squared distance": alibi(power=2),
        "no slopes": forward(lambda query, key, value, slopes: attended(query, key, value, 0 * slopes)[2]),
        "slopes of the paper": forward(lambda query, key, value, slopes: attended(
            query, key, value, 2.0 ** (-8 * np.arange(1, 4) / 3))[2]),
        "sign of d_slopes": alibi_back(lambda d_y, g, *inputs: [*g[:3], -g[3]]),
        "no gradient for slopes": alibi_back(lambda d_y, g, *inputs: [*g[:3], 0 * g[3]]),
        "one slope for all": alibi_back(lambda d_y, g, *inputs: [*g[:3], 0 * g[3] + g[3].sum()]),
        "softmax without its mean": alibi_back(slopes_without_the_mean),
        "slopes of the last query": alibi_back(slopes_of_one_row),
        "slopes divided by the root of D": alibi_back(slopes_divided),
        "root of D forgotten": alibi_back(lambda d_y, g, *inputs: [g[0] * 5**0.5, *g[1:]]),
        "mean over the batch": alibi_back(lambda d_y, g, *inputs: [*g[:3], g[3] / 2]),
        "query and key exchanged": alibi_back(
            lambda d_y, g, query, key, *inputs: [g[1][:, :, :query.shape[2]], g[1], *g[2:]]),
    },
    "t5_buckets": {
        "i - j": other_buckets(sign=-1),
        "one side": other_buckets(parts=1),
        "four parts": other_buckets(parts=4),
        "rounded": other_buckets(rounding=np.rint),
        "rounded up": other_buckets(rounding=np.ceil),
        "max_distance not read": other_buckets(base=128),
        "both sides alike": other_buckets(add=False),
        "the last bucket not used": other_buckets(last=2),
        "one bucket too many": other_buckets(last=0),
        "keys as rows": (lambda queries, keys, *others: buckets(queries, keys, *others).T,),
        "floats": (lambda *given: buckets(*given).astype(float),),
        "clipped": (lambda queries, keys, number, most: np.clip(
            np.arange(keys) - np.arange(queries)[:, None], -number // 2, number // 2 - 1) + number // 2,),
        "the sign kept": (lambda queries, keys, number, most: buckets(queries, keys, number, most)
                          * np.sign(np.arange(keys) - np.arange(queries)[:, None]),),
    },
    "reach_of_memory": {
        "no memory": (REACH | {"keys": 12},),
        "memory alone": (REACH | {"keys": 8},),
        "a memory of each layer": (REACH | {"keys": 52},),
        "as many distances as keys": (REACH | {"distances": 20},),
        "twice the keys": (REACH | {"distances": 39},),
        "zero counted twice": (REACH | {"distances": 32},),
        "one layer": (REACH | {"reach": 8},),
        "M for each layer": (REACH | {"reach": 40},),
        "T for each layer": (REACH | {"reach": 60},),
        "T and M for each layer": (REACH | {"reach": 100},),
        "one piece too far": (REACH | {"reach": 68},),
        "its own piece counted": (REACH | {"reach": 68 - 1},),
        "the memory learns": (REACH | {"gradient": 8},),
        "all learn": (REACH | {"gradient": 56},),
        "keys and values": (REACH | {"numbers": 2400},),
        "one layer kept": (REACH | {"numbers": 240},),
        "the output, too": (REACH | {"numbers": 1440},),
        "all rows kept": (REACH | {"numbers": 1800},),
    },
}
