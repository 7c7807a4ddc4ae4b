"""Exercises of lesson 03, recurrent models: what a model can know, smoothing, time, gates."""

import numpy as np

from minibert.course.exercises.kinds import Choices, Function, Gradients, Mistake
from minibert.layers.sigmoid import sigmoid

# --- who_can_know ---

WHO_CAN_KNOW = {
    "buzz": "order 5",
    "swam": "reset",
    "sneezed_queen": "order 5",
    "hid_lamp": "kept",
    "she": "kept",
    "purple": "none",
}
WHO_QUESTIONS = {
    "buzz": "which word before it tells the verb's number, and how many words back is it?",
    "swam": "which word tells the tense, and does another one tell it, too?",
    "sneezed_queen": "which word tells the sex, and how many words back is it?",
    "hid_lamp": "in which sentence was the item named?",
    "she": "which sentence says who it is?",
    "purple": "is there a word that tells which of the sixteen adjectives comes?",
}

# --- interpolated_bigram ---

IDS = [2, 0, 1, 2, 0, 3, 3, 2, 0, 1, 4, 0, 1]  # 5 does not occur, 1 also ends it, 3 follows itself
SHORT = [0, 2, 1, 0, 2]


def bigram_counts(ids, vocab_size):
    counts = np.zeros((vocab_size, vocab_size))
    np.add.at(counts, (ids[:-1], ids[1:]), 1)
    return counts


def bigram(ids, vocab_size, discount, lower=None):
    """Interpolated Kneser–Ney of order 2; `lower` (V,) is another distribution to mix with."""
    counts = bigram_counts(ids, vocab_size)
    if lower is None:
        lower = (counts > 0).sum(axis=0) / (counts > 0).sum()
    totals = counts.sum(axis=1, keepdims=True)
    freed = discount * (counts > 0).sum(axis=1, keepdims=True)
    mixed = np.maximum(counts - discount, 0) + freed * lower
    return np.where(totals > 0, mixed / np.maximum(totals, 1), lower)


def bigram_with_unigrams(ids, vocab_size, discount):
    return bigram(ids, vocab_size, discount, np.bincount(ids[1:], minlength=vocab_size) / (len(ids) - 1))


def bigram_with_equal_words(ids, vocab_size, discount):
    return bigram(ids, vocab_size, discount, np.full(vocab_size, 1 / vocab_size))


def bigram_not_shared_out(ids, vocab_size, discount):
    return bigram(ids, vocab_size, discount, np.zeros(vocab_size))


def bigram_transposed(ids, vocab_size, discount):
    return bigram(ids, vocab_size, discount).T


def bigram_backed_off(ids, vocab_size, discount):
    """The shorter history only where the pair never occurred: rows sum to less than one."""
    counts = bigram_counts(ids, vocab_size)
    return np.where(counts > 0, bigram(ids, vocab_size, discount, np.zeros(vocab_size)),
                    bigram(ids, vocab_size, discount))


def bigram_nothing_unknown(ids, vocab_size, discount):
    counts = bigram_counts(ids, vocab_size)
    return np.where(counts.sum(axis=1, keepdims=True) > 0, bigram(ids, vocab_size, discount), 0)


# --- three_steps ---


def three_steps_forward(x, first_hidden, weight_in, weight_hh, weight_out):
    """An RNN without biases, unrolled: three steps and an output after each.

    Args:
        x: (B, 3, D).  first_hidden: (B, H), before the first step.
        weight_in: (D, H).  weight_hh: (H, H).  weight_out: (H, C).

    Returns:
        y (B, 3, C), the cache.
    """
    h0 = first_hidden
    h1 = np.tanh(x[:, 0] @ weight_in + h0 @ weight_hh)  # (B, H)
    h2 = np.tanh(x[:, 1] @ weight_in + h1 @ weight_hh)
    h3 = np.tanh(x[:, 2] @ weight_in + h2 @ weight_hh)
    y = np.stack([h1 @ weight_out, h2 @ weight_out, h3 @ weight_out], axis=1)  # (B, 3, C)
    return y, (x, weight_in, weight_hh, weight_out, h0, h1, h2, h3)


def _three_steps_inputs(rng):
    shapes = [(2, 3, 5), (2, 4), (5, 4), (4, 4), (4, 6)]
    return tuple(0.7 * rng.standard_normal(shape) for shape in shapes)


# --- truncated_bptt ---


def truncated(x, d_hiddens, weight_in, weight_hh, window, cut=None, first_state=True, is_reset=False):
    """The gradient of weight_hh, cut where cut(time) holds; the mistakes below are its other arguments."""
    cut = cut or (lambda time: time % window == 0)
    hiddens = [np.zeros((len(x), len(weight_hh)))]
    for time in range(x.shape[1]):
        before = np.zeros_like(hiddens[0]) if is_reset and cut(time) else hiddens[-1]
        hiddens.append(np.tanh(x[:, time] @ weight_in + before @ weight_hh))
    d_weight, d_carried = np.zeros(weight_hh.shape), np.zeros_like(hiddens[0])
    for time in reversed(range(x.shape[1])):
        d_sums = (d_hiddens[:, time] + d_carried) * (1 - hiddens[time + 1] ** 2)
        if (first_state and not is_reset) or not cut(time):
            d_weight += hiddens[time].T @ d_sums
        d_carried = np.zeros_like(d_sums) if cut(time) else d_sums @ weight_hh.T
    return d_weight


def never_cut(x, d_hiddens, weight_in, weight_hh, window):
    return truncated(x, d_hiddens, weight_in, weight_hh, window, cut=lambda time: False)


def cut_one_late(x, d_hiddens, weight_in, weight_hh, window):
    return truncated(x, d_hiddens, weight_in, weight_hh, window, cut=lambda time: time % window == 1 % window)


def state_reset_at_the_cut(x, d_hiddens, weight_in, weight_hh, window):
    return truncated(x, d_hiddens, weight_in, weight_hh, window, is_reset=True)


def carried_state_without_gradient(x, d_hiddens, weight_in, weight_hh, window):
    return truncated(x, d_hiddens, weight_in, weight_hh, window, first_state=False)


def last_window_only(x, d_hiddens, weight_in, weight_hh, window):
    start = (x.shape[1] - 1) // window * window
    kept = np.zeros_like(d_hiddens)
    kept[:, start:] = d_hiddens[:, start:]
    return truncated(x, kept, weight_in, weight_hh, window)


def _steps(window, num_steps=8, seed=3):
    rng = np.random.default_rng(seed)
    shapes = [(2, num_steps, 3), (2, num_steps, 4), (3, 4), (4, 4)]
    return (*(rng.standard_normal(shape) for shape in shapes), window)


# --- gru_cell ---


def _gru_inputs(rng):
    return tuple(rng.standard_normal(shape) for shape in [(2, 4), (2, 5), (4, 15), (5, 15)])


def gru(x, hidden, weight_x, weight_h, order=(0, 1, 2), keep=None, inside=False, candidate=np.tanh):
    """One step of a GRU; the mistakes below are its other arguments."""
    from_x, from_h = (np.split(sums, 3, axis=1) for sums in (x @ weight_x, hidden @ weight_h))
    r, z, n = order
    reset, update = sigmoid(from_x[r] + from_h[r]), sigmoid(from_x[z] + from_h[z])
    size = hidden.shape[1]
    read = (reset * hidden) @ weight_h[:, n * size:(n + 1) * size] if inside else reset * from_h[n]
    new = candidate(from_x[n] + read)
    return keep(update, new, hidden) if keep else (1 - update) * new + update * hidden


def gru_update_the_wrong_way(*inputs):
    return gru(*inputs, keep=lambda update, new, hidden: update * new + (1 - update) * hidden)


def gru_reset_before_the_product(*inputs):
    return gru(*inputs, inside=True)


def gru_gates_exchanged(*inputs):
    return gru(*inputs, order=(1, 0, 2))


def gru_candidate_first(*inputs):
    return gru(*inputs, order=(1, 2, 0))


def gru_sigmoid_candidate(*inputs):
    return gru(*inputs, candidate=sigmoid)


def gru_nothing_kept(*inputs):
    return gru(*inputs, keep=lambda update, new, hidden: (1 - update) * new)


# --- coupled_gate ---


def coupled_forward(x, weight_f, weight_g):
    """A cell with one gate: what is not kept is written, c_t = f c_{t−1} + (1 − f) g.

    Args:
        x: (B, T, D).  weight_f, weight_g: (D, H).

    Returns:
        y (B, T, H), the cell after each step, and the cache.
    """
    gates, candidates = sigmoid(x @ weight_f), np.tanh(x @ weight_g)  # (B, T, H) each
    cells = [np.zeros_like(gates[:, 0])]  # (B, H), before the first step
    for time in range(x.shape[1]):
        gate = gates[:, time]
        cells.append(gate * cells[-1] + (1 - gate) * candidates[:, time])
    return np.stack(cells[1:], axis=1), (x, weight_f, weight_g, gates, candidates, cells)


def coupled_backward(d_y, cache):
    """With a bug: exercise coupled_gate asks where."""
    x, weight_f, weight_g, gates, candidates, cells = cache
    d_f_sums, d_g_sums = np.zeros(gates.shape), np.zeros(gates.shape)
    d_carried = np.zeros(gates[:, 0].shape)
    for time in reversed(range(x.shape[1])):
        gate, candidate = gates[:, time], candidates[:, time]
        d_cell = d_y[:, time] + d_carried
        d_gate = d_cell * cells[time]
        d_candidate = d_cell * (1 - gate)
        d_carried = d_cell * gate
        d_f_sums[:, time] = d_gate * gate * (1 - gate)
        d_g_sums[:, time] = d_candidate * (1 - candidate * candidate)
    rows, num_cells = x.reshape(-1, x.shape[-1]), gates.shape[-1]
    d_weight_f = rows.T @ d_f_sums.reshape(-1, num_cells)
    d_weight_g = rows.T @ d_g_sums.reshape(-1, num_cells)
    return d_f_sums @ weight_f.T + d_g_sums @ weight_g.T, d_weight_f, d_weight_g


def _coupled_inputs(rng):
    return tuple(rng.standard_normal(shape) for shape in [(2, 4, 3), (3, 5), (3, 5)])


EXERCISES = [
    # Task: which model is the first that can know the last word: order 5, state reset, state kept, none?
    Choices(
        name="who_can_know",
        points=2,
        expected=WHO_CAN_KNOW,
        options=("order 5", "reset", "kept", "none"),
        questions=WHO_QUESTIONS,
    ),
    # Task: P(w | v), (V, V), of interpolated Kneser–Ney of order 2 with one discount.
    Function(
        name="interpolated_bigram",
        points=2,
        cases=[
            ((IDS, 6, 0.75), bigram(IDS, 6, 0.75)),
            ((IDS, 6, 0.4), bigram(IDS, 6, 0.4)),
            ((SHORT, 4, 0.5), bigram(SHORT, 4, 0.5)),
        ],
        mistakes=[
            Mistake(
                bigram_with_unigrams,
                "You mix with how often w occurs. Kneser and Ney count the different words before w.",
            ),
            Mistake(bigram_with_equal_words, "You mix with 1/V. Mix with P_cont(w)."),
            Mistake(
                bigram_not_shared_out,
                "The rows sum to less than one: what was discounted has to be given to P_cont.",
            ),
            Mistake(bigram_transposed, "Rows and columns are exchanged: a row is the word before."),
            Mistake(
                bigram_backed_off,
                "P_cont is used only for pairs that never occur, so the rows sum to less than one. "
                "Interpolation adds its share to every word.",
            ),
            Mistake(
                bigram_nothing_unknown,
                "The row of a word that nothing follows is zero: there all of the probability is P_cont's.",
            ),
        ],
        hint="Count the pairs, (V, V). Each row: max(count − d, 0), plus d · (different words after v) · "
        "P_cont, over the row's total.",
    ),
    # Task: fill the six joints of backpropagation through three steps of an RNN.
    Gradients(
        name="three_steps",
        points=(0, 3),
        inputs=_three_steps_inputs,
        shape=(2, 3, 6),
        values=[1.1362, -0.0835199, 0.540735, 0.449626, -0.593879, -0.210627],
        hint="Give three_steps_forward as the first function: only the backward is yours.",
    ),
    # Task: the gradient of weight_hh if it is cut after every `window` steps, with the state carried on.
    Function(
        name="truncated_bptt",
        points=3,
        cases=[(_steps(5), truncated(*_steps(5))), (_steps(1), truncated(*_steps(1))),
               (_steps(11), truncated(*_steps(11)))],
        mistakes=[
            Mistake(never_cut, "This is the whole gradient: nothing is cut."),
            Mistake(cut_one_late, "The cuts are one step late: the windows begin at steps 0, W, 2W."),
            Mistake(
                state_reset_at_the_cut,
                "The state is reset at a cut. It is carried on; only its gradient is not.",
            ),
            Mistake(
                carried_state_without_gradient,
                "The first step of a window reads the carried state through weight_hh, too: its share of "
                "d_weight_hh is missing.",
            ),
            Mistake(last_window_only, "These are the losses of the last window alone. Add all windows."),
        ],
        hint="Run forward once and keep all states. Backward as always, but d_hidden is 0 behind a cut.",
    ),
    # Task: one step of a GRU, forward and backward; gates in the order r, z, n.
    Gradients(
        name="gru_cell",
        points=(1, 3),
        inputs=_gru_inputs,
        shape=(2, 5),
        values=[-0.475558, -0.875398, -0.0700309, -0.236634, -0.759535, -0.169125],
        mistakes=[
            Mistake(
                gru_update_the_wrong_way,
                "The update gate works the wrong way round: z keeps the old state, 1 − z takes the new one.",
            ),
            Mistake(
                gru_reset_before_the_product,
                "You multiply h by r before the product, as in the paper of 2014. Here r multiplies h U_n.",
            ),
            Mistake(gru_gates_exchanged, "r and z are exchanged: the columns are r, then z, then n."),
            Mistake(gru_candidate_first, "The columns are in another order: r, then z, then n."),
            Mistake(gru_sigmoid_candidate, "The candidate n has a tanh, only the gates have a sigmoid."),
            Mistake(gru_nothing_kept, "The old state is missing: (1 − z) n + z h."),
        ],
        hint="np.split(x @ weight_x, 3, axis=1) gives the shares of r, z and n, (B, H) each; so for h.",
    ),
    # Task: find the bug of coupled_backward, and write a backward without it.
    Gradients(
        name="coupled_gate",
        points=(0, 2),
        inputs=_coupled_inputs,
        shape=(2, 4, 5),
        values=[0.337779, -0.613228, -0.643856, -0.0877707, -0.358124, 0.0651962],
        hint="Give coupled_forward as the first function: only the backward is yours.",
    ),
]
