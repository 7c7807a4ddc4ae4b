"""Right answers to the exercises of lesson 04 in other styles than the solution's."""

import math

import numpy as np


def masks_in_loops(lengths, num_tokens):
    ahead = [[[0] * num_tokens for _ in range(num_tokens)] for _ in lengths]
    back = [[[0] * num_tokens for _ in range(num_tokens)] for _ in lengths]
    for b, length in enumerate(lengths):
        for t in range(length):
            for s in range(length):
                ahead[b][t][s] = int(s < t)
                back[b][t][s] = int(s > t)
    return np.array(ahead), np.array(back)


def masks_by_transposing(lengths, num_tokens):
    is_word = (np.arange(num_tokens) < np.array(lengths)[:, None]).astype(float)
    ahead = np.tril(is_word[:, :, None] * is_word[:, None, :], -1)
    return ahead, ahead.transpose(0, 2, 1)


def masks_as_a_list(lengths, num_tokens):
    t, s = np.indices((num_tokens, num_tokens))
    return [np.stack([(low < high) & (high < length) for length in lengths]) * 1
            for low, high in ((s, t), (t, s))]


def product_in_loops(joint):
    joint = joint.tolist()
    lefts, words, rights = len(joint), len(joint[0]), len(joint[0][0])

    def p(left=None, word=None, right=None):
        return sum(
            joint[i][j][k]
            for i in range(lefts) for j in range(words) for k in range(rights)
            if left in (None, i) and word in (None, j) and right in (None, k)
        )

    found = {"both": 0.0, "product": 0.0, "right": 0.0, "left": 0.0}
    for i in range(lefts):
        for j in range(words):
            for k in range(rights):
                if joint[i][j][k]:
                    by_left = [p(i, w) / p(i) for w in range(words)]
                    by_right = [p(None, w, k) / p(None, None, k) for w in range(words)]
                    product = [a * b / p(None, w) for w, (a, b) in enumerate(zip(by_left, by_right))]
                    found["left"] -= joint[i][j][k] * math.log(by_left[j])
                    found["right"] -= joint[i][j][k] * math.log(by_right[j])
                    found["product"] -= joint[i][j][k] * math.log(product[j] / sum(product))
                    found["both"] -= joint[i][j][k] * math.log(joint[i][j][k] / p(i, None, k))
    return found


def product_by_entropies(joint):
    """Entropies of the margins for three of them."""
    def entropy(table):
        positive = table[table > 0]
        return float(-(positive * np.log(positive)).sum())

    by_left, by_right = joint.sum(2), joint.sum(0)
    table = by_left[:, :, None] * by_right[None] / joint.sum((0, 2))[:, None]
    table = table / np.where(table.sum(1, keepdims=True) > 0, table.sum(1, keepdims=True), 1)
    with np.errstate(divide="ignore"):
        product = -np.nansum(np.where(joint > 0, joint * np.log(table), 0))
    return {
        "left": entropy(by_left) - entropy(by_left.sum(1)),
        "right": entropy(by_right) - entropy(by_right.sum(0)),
        "product": product,
        "both": entropy(joint) - entropy(joint.sum(1)),
    }


def product_in_logarithms(joint):
    with np.errstate(all="ignore"):
        left = np.log(joint.sum(2, keepdims=True)) - np.log(joint.sum((1, 2), keepdims=True))
        right = np.log(joint.sum(0, keepdims=True)) - np.log(joint.sum((0, 1), keepdims=True))
        both = np.log(joint) - np.log(joint.sum(1, keepdims=True))
        product = left + right - np.log(joint.sum((0, 2), keepdims=True))
        product = product - np.log(np.exp(product).sum(1, keepdims=True))
        tables = {"left": left, "right": right, "product": product, "both": both}
        return {name: -np.where(joint > 0, joint * table, 0).sum() for name, table in tables.items()}


def rates_in_loops(num_epochs, per_epoch, num_groups, peak):
    table = []
    for epoch in range(num_epochs):
        for _ in range(per_epoch):
            t, total = len(table), num_epochs * per_epoch
            cut = int(0.1 * total)
            p = t / cut if t < cut else 1 - (t - cut) / (total - cut)
            rate = peak * (1 + p * (32 - 1)) / 32
            row = []
            for group in range(num_groups):
                above = num_groups - 1 - group
                row.append(rate * 2.6**-above if above <= epoch else 0.0)
            table.append(row)
    return table


def rates_from_the_top(num_epochs, per_epoch, num_groups, peak):
    """Column by column, the head first; then turned round."""
    total = num_epochs * per_epoch
    cut = total // 10
    rise = np.arange(cut) / max(cut, 1)
    fall = 1 - np.arange(total - cut) / (total - cut)
    triangle = peak / 32 + np.concatenate([rise, fall]) * (peak - peak / 32)
    columns = []
    for depth in range(num_groups):
        column = triangle / 2.6**depth
        column[:depth * per_epoch] = 0
        columns.append(column)
    return np.stack(columns[::-1], axis=1)


def rates_by_outer(num_epochs, per_epoch, num_groups, peak):
    epoch, step = np.divmod(np.arange(num_epochs * per_epoch), per_epoch)
    t, total = epoch * per_epoch + step, num_epochs * per_epoch
    cut = total // 10
    with np.errstate(divide="ignore", invalid="ignore"):
        p = np.select([t < cut], [t / cut], (total - t) / (total - cut))
    factors = np.cumprod([1] + [1 / 2.6] * (num_groups - 1))[::-1]
    return np.outer(peak * (1 / 32 + p * 31 / 32), factors) * np.triu(
        np.ones((num_groups, num_groups)))[::-1][np.minimum(epoch, num_groups - 1)]


RIGHT = {
    "forecast_masks": [masks_in_loops, masks_by_transposing, masks_as_a_list],
    "product_of_two": [product_in_loops, product_by_entropies, product_in_logarithms],
    "rate_table": [rates_in_loops, rates_from_the_top, rates_by_outer],
}
