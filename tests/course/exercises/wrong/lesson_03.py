"""Wrong answers to the exercises of lesson 03, as students might give them who read the task only."""

import numpy as np
from course.exercises.solutions import solution
from course.exercises.wrong.answers import backward, forward

from minibert.course.exercises.lesson_03 import coupled_backward, coupled_forward

WHO = solution("who_can_know")[0]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def bigram(ids, vocab_size, discount, freed="kinds", lower="kinds"):
    counts = np.zeros((vocab_size, vocab_size))
    for v, w in zip(ids, ids[1:]):
        counts[v, w] += 1
    seen = counts > 0
    from_others = seen & ~np.eye(vocab_size, dtype=bool)
    continuation = {
        "kinds": seen.sum(axis=0) / seen.sum(),
        "from others": from_others.sum(axis=0) / from_others.sum(),
        "kinds after": seen.sum(axis=1) / seen.sum(),
        "per word": seen.sum(axis=0) / vocab_size,
    }[lower]
    totals = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    kinds = seen.sum(axis=1, keepdims=True)
    share = {"kinds": discount * kinds / totals, "once": discount / totals, "constant": discount}[freed]
    probs = np.maximum(counts - discount, 0) / totals + share * continuation
    return np.where(counts.sum(axis=1, keepdims=True) > 0, probs, continuation)


def three_steps(wrong):
    """A change of the solution's backward with one wrong joint."""

    def change(d_y, g, x, h0, w_in, w_hh, w_out):
        h = [h0]
        for t in range(3):
            h.append(np.tanh(x[:, t] @ w_in + h[-1] @ w_hh))
        d_w_in, d_w_hh, d_w_out = (np.zeros(w.shape) for w in (w_in, w_hh, w_out))
        d_x, carried = np.zeros(x.shape), np.zeros(h0.shape)
        for t in (2, 1, 0):
            d_h = d_y[:, t] @ w_out.T + (0 if wrong == "outputs only" else carried)
            if wrong == "the last output only" and t < 2:
                d_h = carried
            d_s = d_h * (1 - (h[t] if wrong == "tanh' of the step before" else h[t + 1]) ** 2)
            d_w_in += x[:, t].T @ d_s
            if wrong != "without the first state" or t > 0:
                d_w_hh += (h[t + 1] if wrong == "the state after the step" else h[t]).T @ d_s
            d_w_out += h[t + 1].T @ d_y[:, t]
            d_x[:, t] = d_s @ w_in.T
            carried = d_s @ (w_hh if wrong == "no .T" else w_hh.T)
        return [d_x, carried, d_w_in, d_w_hh, d_w_out]

    return backward("three_steps", change)


def truncated(x, d_hiddens, w_in, w_hh, window, wrong=""):
    """A window slides for every loss, or another thing is wrong."""
    h = [np.zeros((len(x), len(w_hh)))]
    for t in range(x.shape[1]):
        h.append(np.tanh(x[:, t] @ w_in + h[-1] @ w_hh))
    d_w = np.zeros(w_hh.shape)
    for last in range(x.shape[1]):
        first = last // window * window
        if wrong == "sliding":
            first = max(0, last - window + 1)
        if wrong == "losses at the ends" and (last + 1) % window and last + 1 < x.shape[1]:
            continue
        d_h = d_hiddens[:, last]
        for t in range(last, first - 1, -1):
            d_s = d_h * (1 if wrong == "no slope" else 1 - h[t + 1] ** 2)
            d_w += h[t].T @ d_s
            d_h = d_s @ (w_hh if wrong == "no .T" else w_hh.T)
    return d_w / x.shape[1] if wrong == "a mean" else d_w


def wrong_window(wrong):
    return (lambda *arguments: truncated(*arguments, wrong=wrong),)


def gru(x, hidden, w_x, w_h, wrong=""):
    (x_r, x_z, x_n), (h_r, h_z, h_n) = (np.split(a, 3, axis=1) for a in (x @ w_x, hidden @ w_h))
    r, z = sigmoid(x_r + h_r), sigmoid(x_z + h_z)
    new = np.tanh(r * (x_n + h_n) if wrong == "all of n reset" else x_n + (0 if wrong == "no h" else r * h_n))
    return new + z * hidden if wrong == "a sum" else (1 - z) * new + z * hidden


def gru_back(d_y, x, hidden, w_x, w_h, wrong):
    (x_r, x_z, x_n), (h_r, h_z, h_n) = (np.split(a, 3, axis=1) for a in (x @ w_x, hidden @ w_h))
    r, z = sigmoid(x_r + h_r), sigmoid(x_z + h_z)
    new = np.tanh(x_n + r * h_n)
    d_n = d_y * (1 - z) * (1 - new * new)
    d_z = d_y * ((0 if wrong == "half of z" else hidden) - new) * z * (1 - z)
    d_r = d_n * h_n * (1 if wrong == "r without its slope" else r * (1 - r))
    d_from_x = np.hstack([d_r, d_z, d_n])
    d_from_h = d_from_x if wrong == "n not reset on the way back" else np.hstack([d_r, d_z, d_n * r])
    d_h = d_from_h @ w_h.T + (0 if wrong == "no direct way" else d_y * z)
    return [d_from_x @ w_x.T, d_h, x.T @ d_from_x, hidden.T @ d_from_h]


def gru_wrong(wrong):
    return backward("gru_cell", lambda d_y, g, *inputs: gru_back(d_y, *inputs, wrong))


def coupled(wrong):
    def change(d_y, g, x, w_f, w_g):
        f, candidate = sigmoid(x @ w_f), np.tanh(x @ w_g)
        cells = [np.zeros(f[:, 0].shape)]
        for t in range(x.shape[1]):
            cells.append(f[:, t] * cells[-1] + (1 - f[:, t]) * candidate[:, t])
        d_f, d_g, carried = np.zeros(f.shape), np.zeros(f.shape), 0
        for t in reversed(range(x.shape[1])):
            d_c = d_y[:, t] + carried
            old = cells[t + 1] if wrong == "the new cell" else cells[t]
            d_f[:, t] = d_c * (old + candidate[:, t] * (1 if wrong == "plus" else -1))
            d_g[:, t] = d_c * (1 if wrong == "all written" else 1 - f[:, t])
            carried = 0 if wrong == "nothing carried" else d_c * f[:, t]
        d_f, d_g = d_f * f * (1 - f), d_g * (1 - candidate**2)
        return [d_f @ w_f.T + d_g @ w_g.T, *(x.reshape(-1, 3).T @ d.reshape(-1, 5) for d in (d_f, d_g))]

    return backward("coupled_gate", change)


WRONG = {
    "who_can_know": {
        "an LSTM sees only the last words": (WHO | {"hid_lamp": "none", "she": "none"},),
        "all by state": (dict.fromkeys(WHO, "kept"),),
        "n-grams see the sentence": (WHO | {"swam": "order 5"},),
        "n-grams see two words": (WHO | {"buzz": "reset", "sneezed_queen": "reset"},),
        "chance can be learned": (WHO | {"purple": "kept"},),
    },
    "interpolated_bigram": {
        "freed once a row": (lambda *arguments: bigram(*arguments, freed="once"),),
        "a constant share": (lambda *arguments: bigram(*arguments, freed="constant"),),
        "words after, not before": (lambda *arguments: bigram(*arguments, lower="kinds after"),),
        "divided by V": (lambda *arguments: bigram(*arguments, lower="per word"),),
        "a word is not before itself": (lambda *arguments: bigram(*arguments, lower="from others"),),
    },
    "three_steps": {
        wrong: three_steps(wrong)
        for wrong in (
            "outputs only",
            "the last output only",
            "tanh' of the step before",
            "without the first state",
            "the state after the step",
            "no .T",
        )
    },
    "truncated_bptt": {
        wrong: wrong_window(wrong)
        for wrong in ("sliding", "losses at the ends", "no slope", "no .T", "a mean")
    },
    "gru_cell": {
        "all of n is reset": forward(lambda *inputs: gru(*inputs, wrong="all of n reset")),
        "n without h": forward(lambda *inputs: gru(*inputs, wrong="no h")),
        "n in full": forward(lambda *inputs: gru(*inputs, wrong="a sum")),
        **{
            wrong: gru_wrong(wrong)
            for wrong in ("half of z", "r without its slope", "n not reset on the way back", "no direct way")
        },
    },
    "coupled_gate": {
        "as handed in": (coupled_forward, coupled_backward),
        **{wrong: coupled(wrong) for wrong in ("the new cell", "plus", "all written", "nothing carried")},
    },
}
