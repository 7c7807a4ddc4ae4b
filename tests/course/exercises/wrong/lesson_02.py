"""Wrong answers to the exercises of lesson 02, as students might give them who read the task only."""

import numpy as np
from course.exercises.solutions import solution
from course.exercises.wrong.answers import backward, forward

from minibert.course.exercises.lesson_02 import COUNTED


def counts_of_adjacent(word_ids, vocab_size, window):
    """All pairs within the window count as the nearest would."""
    X = np.zeros((vocab_size, vocab_size))
    for i, word in enumerate(word_ids):
        for j in range(max(0, i - window), min(len(word_ids), i + window + 1)):
            if i != j:
                X[word, word_ids[j]] += 1
    return X


def counts_twice(word_ids, vocab_size, window):
    """Both loops run over both sides, and each enters both cells."""
    X = np.zeros((vocab_size, vocab_size))
    for i, word in enumerate(word_ids):
        for j in range(max(0, i - window), min(len(word_ids), i + window + 1)):
            if i != j:
                X[word, word_ids[j]] += 1 / abs(i - j)
                X[word_ids[j], word] += 1 / abs(i - j)
    return X


def counts_from_zero(word_ids, vocab_size, window):
    """1 / (d + 1)."""
    X = np.zeros((vocab_size, vocab_size))
    for i, word in enumerate(word_ids):
        for j in range(max(0, i - window), min(len(word_ids), i + window + 1)):
            if i != j:
                X[word, word_ids[j]] += 1 / (abs(i - j) + 1)
    return X


def counts_around(word_ids, vocab_size, window):
    """np.roll joins the end of the text to its beginning."""
    X = np.zeros((vocab_size, vocab_size))
    for distance in range(1, window + 1):
        others = np.roll(word_ids, -distance)
        np.add.at(X, (word_ids, others), 1 / distance)
        np.add.at(X, (others, word_ids), 1 / distance)
    return X


def adagrad_of_the_mean(value, gradients, eta):
    squares, value = np.ones_like(value), value.copy()
    for step, gradient in enumerate(gradients, start=1):
        squares += gradient**2
        value -= eta * gradient / np.sqrt(squares / step)
    return value


def adagrad_of_the_sum(value, gradients, eta):
    return value - eta * gradients.sum(axis=0) / np.sqrt(1 + (gradients**2).sum(axis=0))


def adagrad_of_sizes(value, gradients, eta):
    sizes, value = np.ones_like(value), value.copy()
    for gradient in gradients:
        sizes += np.abs(gradient)
        value -= eta * gradient / sizes
    return value


def adagrad_root_inside(value, gradients, eta):
    root, value = np.ones_like(value), value.copy()
    for gradient in gradients:
        root = np.sqrt(root + gradient**2)
        value -= eta * gradient / root
    return value


def ppmi_of_rows(counts, k):
    """Without what is expected by the columns."""
    share = counts / counts.sum(axis=1, keepdims=True)
    return np.where(
        counts > 0, np.maximum(0, np.log(np.maximum(share, 1e-300) * counts.shape[1]) - np.log(k)), 0
    )


def ppmi_smoothed(counts, k):
    return _ppmi(counts + 1, k)


def ppmi_divided(counts, k):
    return _ppmi(counts, 1) / (1 + np.log(k))


def ppmi_of_empty_cells(counts, k):
    """Empty cells get log k."""
    return np.where(counts > 0, _ppmi(counts, k), np.log(k + 1))


def _ppmi(counts, k):
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / counts.sum()
    return np.maximum(0, np.log(np.maximum(counts, 1e-300) / expected) - np.log(k))


def one_table(vectors, bias, rows, columns, counts, x_max, log=np.log):
    difference = (vectors[rows] * vectors[columns]).sum(axis=1) + bias[rows] + bias[columns] - log(counts)
    return (np.minimum(1, (counts / x_max) ** 0.75) * difference**2).sum() / 2


def one_table_back(d_y, vectors, bias, rows, columns, add=np.add.at, both=True):
    difference = (vectors[rows] * vectors[columns]).sum(axis=1) + bias[rows] + bias[columns]
    difference -= np.log(COUNTED)
    d_difference = d_y * np.minimum(1, (COUNTED / 8.0) ** 0.75) * difference
    d_vectors, d_bias = np.zeros(vectors.shape), np.zeros(bias.shape)
    add(d_vectors, rows, d_difference[:, np.newaxis] * vectors[columns])
    add(d_bias, rows, d_difference)
    if both:
        add(d_vectors, columns, d_difference[:, np.newaxis] * vectors[rows])
        add(d_bias, columns, d_difference)
    return [d_vectors, d_bias]


def plus_equals(array, index, values):
    array[index] += values


def adagrad_into_the_argument(value, gradients, eta):
    squares = np.ones_like(value)
    for gradient in gradients:
        squares += gradient * gradient
        value -= eta * gradient / np.sqrt(squares)
    return value


def ppmi_of_whole_counts(counts, k):
    """Counts below 1 are taken for none."""
    return np.where(counts >= 1, _ppmi(counts, k), 0)


def ppmi_with_the_table_changed(counts, k):
    result = _ppmi(counts, k)
    counts[counts == 0] = 1
    return result


STAYS = solution("what_stays")[0]

def ratios(change):
    """A wrong formula, of the rows of i and j and the tables."""
    return (lambda w, c, b, b_context, i, j: change(w, c, b, b_context, i, j),)


WRONG = {
    "log_ratios": {
        "the ratio": ratios(lambda w, c, b, b_context, i, j: np.exp((w[i] - w[j]) @ c.T)),
        "j over i": ratios(lambda w, c, b, b_context, i, j: (w[j] - w[i]) @ c.T),
        "of the counts": ratios(lambda w, c, b, b_context, i, j: (w[i] - w[j]) @ c.T + b[i] - b[j]),
        "minus the biases": ratios(lambda w, c, b, b_context, i, j: (w[i] - w[j]) @ c.T - b[i] + b[j]),
        "the bias of k": ratios(lambda w, c, b, b_context, i, j: (w[i] - w[j]) @ c.T + b_context),
        "contexts of i and j": ratios(lambda w, c, b, b_context, i, j: (c[i] - c[j]) @ w.T),
        "words only": ratios(lambda w, c, b, b_context, i, j: (w[i] - w[j]) @ w.T),
        "a ratio of logarithms": ratios(lambda w, c, b, b_context, i, j: (w[i] @ c.T) / (w[j] @ c.T + 1e-9)),
        "of i alone": ratios(lambda w, c, b, b_context, i, j: w[i] @ c.T),
    },
    "distance_counts": {
        "all count 1": (counts_of_adjacent,),
        "each pair twice": (counts_twice,),
        "1 / (d + 1)": (counts_from_zero,),
        "around the end": (counts_around,),
    },
    "adagrad_steps": {
        "mean of the squares": (adagrad_of_the_mean,),
        "one step with all": (adagrad_of_the_sum,),
        "sizes, not squares": (adagrad_of_sizes,),
        "the root is kept": (adagrad_root_inside,),
        "the argument is changed": (adagrad_into_the_argument,),
    },
    "what_stays": {
        "all the same": (dict.fromkeys(STAYS, "same"),),
        "all other": (dict.fromkeys(STAYS, "other"),),
        "a rotation stays": (STAYS | {"rotation": "same"},),
        "the cap stays": (STAYS | {"same_cap": "same"},),
    },
    "shifted_ppmi": {
        "rows only": (ppmi_of_rows,),
        "one added to all": (ppmi_smoothed,),
        "divided by the shift": (ppmi_divided,),
        "empty cells filled": (ppmi_of_empty_cells,),
        "no counts below 1": (ppmi_of_whole_counts,),
        "the argument is changed": (ppmi_with_the_table_changed,),
    },
    "one_table": {
        "+= with repeated words": backward(
            "one_table", lambda d_y, g, *inputs: one_table_back(d_y, *inputs, add=plus_equals)
        ),
        "only the row's word moves": backward(
            "one_table", lambda d_y, g, *inputs: one_table_back(d_y, *inputs, both=False)
        ),
        "2 times": backward("one_table", lambda d_y, g, *inputs: [2 * g[0], 2 * g[1]]),
        "d_loss not used": backward("one_table", lambda d_y, g, *inputs: [g[0] / d_y, g[1] / d_y]),
        "log(1 + x)": forward(lambda *inputs, **constants: one_table(*inputs, **constants, log=np.log1p)),
        "x_max of the data": forward(
            lambda *inputs, counts, x_max: one_table(*inputs, counts=counts, x_max=counts.max())
        ),
        "x_max of the lesson": forward(
            lambda *inputs, counts, x_max: one_table(*inputs, counts=counts, x_max=10.0)
        ),
    },
    "huber_glove": {
        "the slope of the square": backward(
            "huber_glove", lambda d_y, g, *inputs: huber_back(d_y, g, *inputs, slope=lambda d: d)
        ),
        "beyond kappa by the sign": backward(
            "huber_glove",
            lambda d_y, g, *inputs: huber_back(
                d_y, g, *inputs, slope=lambda d: np.where(np.abs(d) <= 0.6, d, np.sign(d))
            ),
        ),
        "beyond kappa nothing": backward(
            "huber_glove",
            lambda d_y, g, *inputs: huber_back(
                d_y, g, *inputs, slope=lambda d: np.where(np.abs(d) <= 0.6, d, 0)
            ),
        ),
        "the biases are exchanged": backward("huber_glove", lambda d_y, g, *inputs: [g[0], g[1], g[3], g[2]]),
        "the vectors are exchanged": backward(
            "huber_glove", lambda d_y, g, *inputs: [g[1], g[0], g[2], g[3]]
        ),
        "kappa / 2 missing": forward(lambda *inputs, **constants: _huber(*inputs, **constants, off=0)),
        "the square is compared with kappa": forward(
            lambda *inputs, **constants: _huber(*inputs, **constants, size=lambda d: d**2)
        ),
        "its half is compared with kappa": forward(
            lambda *inputs, **constants: _huber(*inputs, **constants, size=lambda d: d**2 / 2)
        ),
        "x_max of the lesson": forward(
            lambda *inputs, counts, x_max, kappa: _huber(*inputs, counts=counts, x_max=10.0, kappa=kappa)
        ),
        "the weight of log x": forward(
            lambda *inputs, counts, x_max, kappa: _huber(
                *inputs, counts=counts, x_max=x_max, kappa=kappa, weigh=np.log1p(counts) / np.log1p(x_max)
            )
        ),
    },
}


def _difference(words, contexts, word_bias, context_bias, rows, columns, counts):
    product = (words[rows] * contexts[columns]).sum(axis=1)
    return product + word_bias[rows] + context_bias[columns] - np.log(counts)


def _huber(*inputs, counts, x_max, kappa, off=0.5, weigh=None, size=np.abs):
    difference = _difference(*inputs, counts)
    distance = np.abs(difference)
    cost = np.where(size(difference) <= kappa, distance**2 / 2, kappa * (distance - off * kappa))
    weight = np.minimum(1, (counts / x_max) ** 0.75) if weigh is None else np.minimum(1, weigh)
    return (weight * cost).sum()


def huber_back(d_y, g, words, contexts, word_bias, context_bias, rows, columns, slope):
    """The gradients of both biases, from another slope h'."""
    difference = _difference(words, contexts, word_bias, context_bias, rows, columns, COUNTED)
    d_difference = d_y * np.minimum(1, (COUNTED / 8.0) ** 0.75) * slope(difference)
    d_word_bias, d_context_bias = np.zeros(word_bias.shape), np.zeros(context_bias.shape)
    np.add.at(d_word_bias, rows, d_difference)
    np.add.at(d_context_bias, columns, d_difference)
    return [g[0], g[1], d_word_bias, d_context_bias]
