"""Wrong answers to the exercises of lesson 04, as students might give them who read the task only."""

import numpy as np
from course.exercises.wrong.answers import backward, forward


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def letters(ids, table, weight, wrong=""):
    first, second = table[ids[:, :-1]] @ weight[0], table[ids[:, 1:]] @ weight[1]
    real = ids[:, 1:, None] > 0
    if wrong == "first letter checked":
        real = ids[:, :-1, None] > 0
    padding = {"zeros": 0, "padding is -1": -1}.get(wrong, -np.inf)
    scores = np.where(real, first + second, padding)
    if wrong == "round the end":                                    # the last letter, then the first one
        after = np.roll(ids, -1, axis=1)
        real = ((ids > 0) & (after > 0))[:, :, None]
        scores = np.where(real, table[ids] @ weight[0] + table[after] @ weight[1], -np.inf)
    if wrong == "no padding check":
        scores = first + second
    if wrong == "size":
        return np.take_along_axis(scores, np.abs(np.where(real, scores, 0)).argmax(1)[:, None], 1)[:, 0]
    return np.maximum(scores.max(axis=1), 0 if wrong == "relu" else -np.inf)


def letters_back(wrong):
    def change(d_y, g, ids, table, weight):
        pairs = np.stack([table[ids[:, :-1]], table[ids[:, 1:]]])                       # (2, N, C - 1, D)
        scores = np.where(ids[:, 1:, None] > 0, np.einsum("wntd,wdf->ntf", pairs, weight), -np.inf)
        is_best = np.zeros(scores.shape)
        np.put_along_axis(is_best, scores.argmax(axis=1)[:, None], 1, axis=1)
        if wrong == "all that tie":
            is_best = np.isclose(scores, scores.max(axis=1, keepdims=True)) * 1.0
        if wrong == "to all places":
            is_best = np.isfinite(scores) * 1.0
        d_scores = is_best * d_y[:, None]
        d_weight = np.einsum("wntd,ntf->wdf", pairs, d_scores)
        d_pairs = np.einsum("ntf,wdf->wntd", d_scores, weight)
        d_table = np.zeros(table.shape)
        if wrong == "a pair at once":
            for n, f in np.ndindex(d_y.shape):
                place = scores[n, :, f].argmax()
                d_table[ids[n, place:place + 2]] += d_y[n, f] * weight[:, :, f]     # of 2 2 one is lost
            return [None, d_table, d_weight]
        if wrong == "the last use of a letter":
            d_table[ids[:, :-1]] += d_pairs[0]
            d_table[ids[:, 1:]] += d_pairs[1]
        else:
            np.add.at(d_table, ids[:, :-1], d_pairs[0])
            if wrong != "first letters only":
                np.add.at(d_table, ids[:, 1:], d_pairs[1])
        return [None, d_table, d_weight]

    return backward("word_from_letters", change)


def highway(x, w, u, v, wrong=""):
    g, c = sigmoid(x @ u), sigmoid(x @ v)
    if wrong == "tanh gates":
        g, c = np.tanh(x @ u), np.tanh(x @ v)
    new = np.tanh(g * (x @ w)) if wrong == "gate inside" else g * np.tanh(x @ w)
    old = {"all kept": x, "no x": c}.get(wrong, c * x)
    return (new + old) / (g + c) if wrong == "an average" else new + old


def highway_back(wrong):
    def change(d_y, grads, x, w, u, v):
        g, c, new = sigmoid(x @ u), sigmoid(x @ v), np.tanh(x @ w)
        d_sum = d_y * g * (1 if wrong == "no slope of tanh" else 1 - new * new)
        d_g = d_y * new * (1 if wrong == "no slope of the gate" else g * (1 - g))
        d_c = d_y * (x - new if wrong == "coupled" else x) * c * (1 - c)
        rows = x.reshape(-1, x.shape[-1])
        d_w, d_u, d_v = (rows.T @ d.reshape(rows.shape) for d in (d_sum, d_g, d_c))
        d_x = d_sum @ w.T + d_g @ u.T
        if wrong != "gates without x":
            d_x = d_x + d_c @ v.T
        if wrong != "no direct path":
            d_x = d_x + (d_y if wrong == "all passed on" else d_y * c)
        return [d_x, d_w, d_u, d_v]

    return backward("highway", change)


def masks(lengths, num_tokens, wrong=""):
    t, s = np.indices((num_tokens, num_tokens))
    word = np.arange(num_tokens) < np.array(lengths)[:, None]
    real = word[:, None] & word[:, :, None]
    if wrong == "causal":
        return (real & (s <= t)) * 1, (real & (s >= t)) * 1
    if wrong == "one neighbour":
        return (real & (s == t - 1)) * 1, (real & (s == t + 1)) * 1
    if wrong == "columns forecast":
        return (real & (t < s)) * 1, (real & (t > s)) * 1
    if wrong == "all but itself":
        return ((real & (s != t)) * 1,) * 2
    if wrong == "the next word":                                    # row t forecasts t + 1 and t - 1
        return (real & (s <= t) & (t < word.sum(1)[:, None, None] - 1)) * 1, (real & (s >= t) & (t > 0)) * 1
    if wrong == "reversed with padding":
        ahead = (real & (s < t)) * 1
        return ahead, ahead[:, ::-1, ::-1]
    return (real & (s < t)) * 1, ((word[:, :, None]) & (s > t)) * 1


def product(joint, wrong):
    with np.errstate(all="ignore"):
        left = joint.sum(2, keepdims=True) / joint.sum((1, 2), keepdims=True)
        right = joint.sum(0, keepdims=True) / joint.sum((0, 1), keepdims=True)
        both = joint / joint.sum(1, keepdims=True)
        prior = joint.sum((0, 2), keepdims=True)
        joined = left * right / prior
        if wrong == "prior once more":
            joined = left * right * prior
        if wrong == "geometric mean":
            joined = np.sqrt(left * right)
        if wrong == "the better side":
            joined = np.maximum(left, right)
        joined = joined / joined.sum(1, keepdims=True)
        weights = (joint > 0) / (joint > 0).sum() if wrong == "cells alike" else joint
        tables = {"left": left, "right": right, "product": joined, "both": both}
        if wrong == "sides exchanged":
            tables |= {"left": right, "right": left}
        logs = {name: np.log(table) for name, table in tables.items()}
        if wrong == "0 / 0":                                            # two sides that never occur together
            zeros = {name: np.broadcast_to(table == 0, joint.shape) for name, table in tables.items()}
            return {name: -np.where(zeros[name], 0, joint * log).sum() for name, log in logs.items()}
        return {name: -np.where(joint > 0, weights * log, 0).sum() for name, log in logs.items()}


def mix(layers, w, gamma, wrong=""):
    probs = np.exp(w) / np.exp(w).sum()
    if wrong == "sum to J":
        probs = probs * len(w)
    if wrong == "sigmoid":
        probs = sigmoid(w)
    if wrong == "softmax of columns":
        probs = np.full(len(w), 1 / len(w))
    mixed = np.tensordot(probs, layers, 1)
    half = mixed.shape[-1] // 2
    if wrong == "added":
        return mixed + np.repeat(gamma, half)
    return mixed * (gamma.prod() if wrong == "both scales" else np.repeat(gamma, half))


def mix_back(wrong):
    def change(d_y, g, layers, w, gamma):
        probs = np.exp(w) / np.exp(w).sum()
        half = layers.shape[-1] // 2
        scale = np.repeat(gamma, half)
        mixed = np.tensordot(probs, layers, 1)
        d_mixed = d_y if wrong == "weights without gamma" else d_y * scale
        d_probs = (layers * d_mixed).sum(axis=(1, 2, 3))
        d_w = probs * (d_probs - (0 if wrong == "no sum" else (probs * d_probs).sum()))
        if wrong == "softmax by 1 - p":
            d_w = d_probs * probs * (1 - probs)
        if wrong == "no softmax":
            d_w = d_probs
        d_gamma = d_y * (mixed * scale if wrong == "gamma with itself" else mixed)
        d_layers = probs[:, None, None, None] * (d_y if wrong == "layers without gamma" else d_y * scale)
        return [d_layers, d_w, d_gamma.sum(axis=(0, 1)).reshape(2, half).sum(axis=1)]

    return backward("scalar_mix", change)


def pool(states, query, mask, wrong=""):
    real = mask[:, :, None] == 1
    scores = (states @ query)[:, :, None]
    if wrong == "masked to 0":
        scores = np.where(real, scores, 0)
    elif wrong != "no mask":
        scores = np.where(real, scores, -np.inf)
    if wrong == "over the batch":
        probs = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
    else:
        probs = np.exp(scores - scores.max(1, keepdims=True))
        probs = probs / probs.sum(1, keepdims=True)
    largest = np.where(real, states, -1 if wrong == "padding is -1" else -np.inf).max(1)
    if wrong == "the state of the largest score":
        largest = states[np.arange(len(states)), scores[:, :, 0].argmax(1)]
    if wrong == "the largest size":
        largest = np.abs(np.where(real, states, 0)).max(1)
    average = (probs * states).sum(1)
    return np.hstack([average / mask.sum(1, keepdims=True) if wrong == "a mean" else average, largest])


def pool_back(wrong):
    def change(d_y, g, states, query, mask):
        size = states.shape[2]
        real = mask[:, :, None] == 1
        scores = np.where(mask == 1, states @ query, -np.inf)
        probs = np.exp(scores - scores.max(1, keepdims=True))
        probs = probs / probs.sum(1, keepdims=True)
        d_average, d_largest = d_y[:, :size], d_y[:, size:]
        d_probs = np.einsum("bth,bh->bt", states, d_average)
        d_scores = probs * (d_probs - (0 if wrong == "no sum" else (probs * d_probs).sum(1, keepdims=True)))
        d_query = np.einsum("bt,bth->h", d_probs if wrong == "query past the softmax" else d_scores, states)
        d_states = np.zeros(states.shape)
        if wrong != "states as scores only":
            d_states += probs[:, :, None] * d_average[:, None]
        if wrong != "states as values only":
            d_states += d_scores[:, :, None] * query
        best = np.where(real, states, -np.inf).argmax(1)
        rows, columns = np.indices(best.shape)
        if wrong == "the maximum assigned":
            d_states[rows, best, columns] = d_largest
        elif wrong == "the maximum to all":
            d_states += real * d_largest[:, None]
        else:
            d_states[rows, best, columns] += d_largest
        return [d_states, d_query, None]

    return backward("attention_pooling", change)


def rates(num_epochs, per_epoch, num_groups, peak, wrong=""):
    total = per_epoch if wrong == "a triangle an epoch" else num_epochs * per_epoch
    table = np.zeros((num_epochs * per_epoch, num_groups))
    for step in range(len(table)):
        t = step % total
        cut = max(1, round(total * 0.1 + 0.4)) if wrong == "a cut of at least one" else total // 10
        p = t / cut if t < cut else 1 - (t - cut) / (total - cut)
        if wrong == "a line":
            p = 1 - t / total
        rate = peak * (1 + p * (32 if wrong == "32 for 31" else 31)) / 32
        for group in range(num_groups):
            above = num_groups - 1 - group
            begins = above * per_epoch + (1 if wrong == "a step late" else 0)
            factor = 1 / (1 + 1.6 * above) if wrong == "not to a power" else 2.6**-above
            table[step, group] = rate * factor if step >= begins else 0
            if wrong == "the new one alone" and step // per_epoch != above and step // per_epoch < num_groups:
                table[step, group] = 0
    return table


WRONG = {
    "word_from_letters": {
        **{
            wrong: forward(lambda *inputs, wrong=wrong: letters(*inputs, wrong))
            for wrong in ("first letter checked", "zeros", "no padding check", "size", "relu",
                          "padding is -1", "round the end")
        },
        **{
            wrong: letters_back(wrong)
            for wrong in ("all that tie", "to all places", "the last use of a letter", "first letters only",
                          "a pair at once")
        },
    },
    "highway": {
        **{
            wrong: forward(lambda *inputs, wrong=wrong: highway(*inputs, wrong))
            for wrong in ("tanh gates", "gate inside", "all kept", "no x", "an average")
        },
        **{
            wrong: highway_back(wrong)
            for wrong in ("no slope of tanh", "no slope of the gate", "coupled", "gates without x",
                          "no direct path", "all passed on")
        },
    },
    "forecast_masks": {
        wrong: (lambda *arguments, wrong=wrong: masks(*arguments, wrong),)
        for wrong in ("causal", "one neighbour", "columns forecast", "all but itself", "the next word",
                      "reversed with padding", "padding read backwards")
    },
    "product_of_two": {
        wrong: (lambda joint, wrong=wrong: product(joint, wrong),)
        for wrong in ("prior once more", "geometric mean", "the better side", "cells alike",
                      "sides exchanged", "0 / 0")
    },
    "scalar_mix": {
        **{
            wrong: forward(lambda *inputs, wrong=wrong: mix(*inputs, wrong))
            for wrong in ("sum to J", "sigmoid", "softmax of columns", "added", "both scales")
        },
        **{
            wrong: mix_back(wrong)
            for wrong in ("weights without gamma", "no sum", "softmax by 1 - p", "no softmax",
                          "gamma with itself", "layers without gamma")
        },
    },
    "attention_pooling": {
        **{
            wrong: forward(lambda *inputs, wrong=wrong: pool(*inputs, wrong))
            for wrong in ("masked to 0", "no mask", "over the batch", "the state of the largest score",
                          "the largest size", "a mean", "padding is -1")
        },
        **{
            wrong: pool_back(wrong)
            for wrong in ("no sum", "query past the softmax", "states as scores only",
                          "states as values only", "the maximum assigned", "the maximum to all")
        },
    },
    "rate_table": {
        wrong: (lambda *arguments, wrong=wrong: rates(*arguments, wrong),)
        for wrong in ("a triangle an epoch", "a cut of at least one", "a line", "32 for 31", "a step late",
                      "not to a power", "the new one alone")
    },
}
