"""References of lesson 03, recurrent models."""

import numpy as np

from minibert.course.exercises.lesson_03 import coupled_forward, three_steps_forward
from minibert.course.exercises.variants import Reference


def interpolated_bigram(ids, vocab_size, discount):
    counts = np.zeros((vocab_size, vocab_size))
    for before, word in zip(ids[:-1], ids[1:]):
        counts[before, word] += 1
    continuation = (counts > 0).sum(axis=0) / (counts > 0).sum()                # (V,)
    probs = np.tile(continuation, (vocab_size, 1))                              # (V, V)
    for before in set(ids[:-1]):
        row = counts[before]
        freed = discount * (row > 0).sum()
        probs[before] = (np.maximum(row - discount, 0) + freed * continuation) / row.sum()
    return probs


def draw_texts(rng):
    """Texts with repeated pairs, and a last word of the vocabulary that never occurs."""
    return [([int(word) for word in rng.integers(0, 6, 23)], 7, round(float(rng.uniform(0.3, 0.8)), 2))]


def three_steps(*inputs):
    return three_steps_forward(*inputs)[0]


def truncated_bptt(x, d_hiddens, weight_in, weight_hh, window):
    d_weight_hh = np.zeros(weight_hh.shape)
    carried = np.zeros((len(x), len(weight_hh)))                                # (B, H)
    for start in range(0, x.shape[1], window):
        hiddens = [carried]
        for time in range(start, min(start + window, x.shape[1])):
            hiddens.append(np.tanh(x[:, time] @ weight_in + hiddens[-1] @ weight_hh))
        d_hidden = np.zeros_like(carried)
        for back in reversed(range(1, len(hiddens))):
            d_sums = (d_hiddens[:, start + back - 1] + d_hidden) * (1 - hiddens[back] ** 2)
            d_weight_hh += hiddens[back - 1].T @ d_sums
            d_hidden = d_sums @ weight_hh.T
        carried = hiddens[-1]
    return d_weight_hh


def draw_windows(rng):
    shapes = [(3, 9, 2), (3, 9, 5), (2, 5), (5, 5)]
    return [(*(rng.standard_normal(shape) for shape in shapes), window) for window in (4, 6)]


def gru_cell(x, hidden, weight_x, weight_h):
    size = hidden.shape[1]
    gates = x @ weight_x[:, :2 * size] + hidden @ weight_h[:, :2 * size]
    reset, update = np.split(1 / (1 + np.exp(-gates)), 2, axis=1)
    new = np.tanh(x @ weight_x[:, 2 * size:] + reset * (hidden @ weight_h[:, 2 * size:]))
    return new + update * (hidden - new)


def coupled_gate(*inputs):
    return coupled_forward(*inputs)[0]


REFERENCES = {
    "interpolated_bigram": Reference(interpolated_bigram, draw_texts),
    "three_steps": Reference(three_steps),
    "truncated_bptt": Reference(truncated_bptt, draw_windows),
    "gru_cell": Reference(gru_cell),
    "coupled_gate": Reference(coupled_gate),
}
