"""Right answers to the exercises of lesson 03 in other styles than the solution's."""

from collections import Counter

import numpy as np
from course.exercises.solutions import solution

WHO = solution("who_can_know")[0]


def bigram_in_loops(ids, vocab_size, discount):
    pairs = Counter(zip(ids, ids[1:]))
    before = [len({v for v, w in pairs if w == word}) / len(pairs) for word in range(vocab_size)]
    table = []
    for v in range(vocab_size):
        total = sum(pairs[v, w] for w in range(vocab_size))
        kinds = sum(pairs[v, w] > 0 for w in range(vocab_size))
        row = []
        for w in range(vocab_size):
            own = max(pairs[v, w] - discount, 0) / total if total else 0
            row.append(own + (discount * kinds / total if total else 1) * before[w])
        table.append(row)
    return table


def bigram_with_what_is_left(ids, vocab_size, discount):
    """The weight of P_cont is what the discounted counts leave of one."""
    counts = np.zeros((vocab_size, vocab_size))
    np.add.at(counts, (np.array(ids[:-1]), np.array(ids[1:])), 1)
    own = np.maximum(counts - discount, 0) / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    seen = counts != 0
    return own + (1 - own.sum(axis=1, keepdims=True)) * seen.mean(axis=0) / seen.mean(axis=0).sum()


def bigram_with_bincount(ids, vocab_size, discount):
    ids = np.asarray(ids)
    keys, occurrences = np.unique(ids[:-1] * vocab_size + ids[1:], return_counts=True)
    v, w = np.divmod(keys, vocab_size)
    lower = np.bincount(w, minlength=vocab_size) / len(keys)
    totals = np.bincount(v, occurrences, vocab_size)
    table = np.tile(lower, (vocab_size, 1))
    known = totals > 0
    kinds = np.bincount(v, minlength=vocab_size)
    table[known] *= (discount * kinds[known] / totals[known])[:, None]
    table[v, w] += (occurrences - discount) / totals[v]
    return table


def _states(x, weight_in, weight_hh):
    hiddens = np.zeros((len(x), x.shape[1] + 1, len(weight_hh)))
    for t in range(x.shape[1]):
        hiddens[:, t + 1] = np.tanh(x[:, t] @ weight_in + hiddens[:, t] @ weight_hh)
    return hiddens


def truncated_by_losses(x, d_hiddens, weight_in, weight_hh, window):
    """Each step's loss alone, followed back to the beginning of its window."""
    hiddens, d_weight = _states(x, weight_in, weight_hh), 0
    for last in range(x.shape[1]):
        d_hidden = d_hiddens[:, last]
        for t in range(last, last // window * window - 1, -1):
            d_sums = d_hidden * (1 - hiddens[:, t + 1] ** 2)
            d_weight = d_weight + hiddens[:, t].T @ d_sums
            d_hidden = d_sums @ weight_hh.T
    return d_weight


def truncated_in_loops(x, d_hiddens, weight_in, weight_hh, window):
    """One sequence after the other."""
    hiddens = _states(x, weight_in, weight_hh)
    d_weight = np.zeros_like(weight_hh)
    for b in range(len(x)):
        d_hidden = np.zeros(len(weight_hh))
        for t in range(x.shape[1] - 1, -1, -1):
            d_sum = (d_hidden + d_hiddens[b, t]) * (1 - hiddens[b, t + 1] ** 2)
            d_weight += np.outer(hiddens[b, t], d_sum)
            d_hidden = weight_hh @ d_sum
            if t % window == 0:
                d_hidden[:] = 0
    return d_weight


def truncated_as_a_mask(x, d_hiddens, weight_in, weight_hh, window):
    """0 or 1 times what is carried back."""
    hiddens = _states(x, weight_in, weight_hh)
    goes_on = np.arange(x.shape[1]) % window > 0
    d_sums = np.zeros(d_hiddens.shape)
    carried = 0.0
    for t in np.arange(x.shape[1])[::-1]:
        d_sums[:, t] = (d_hiddens[:, t] + carried) * (1 - np.square(hiddens[:, t + 1]))
        carried = goes_on[t] * (d_sums[:, t] @ weight_hh.T)
    return np.einsum("bth,btk->hk", hiddens[:, :-1], d_sums)


RIGHT = {
    "who_can_know": [
        dict(reversed(WHO.items())),
        {name: np.str_(answer) for name, answer in WHO.items()},
        {name: "".join(answer) for name, answer in WHO.items()},
    ],
    "interpolated_bigram": [bigram_in_loops, bigram_with_what_is_left, bigram_with_bincount],
    "truncated_bptt": [truncated_by_losses, truncated_in_loops, truncated_as_a_mask],
}
