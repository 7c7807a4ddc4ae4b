"""Wrong answers to the exercises of lesson 00, as students might give them who read the task only."""

import numpy as np
from course.exercises.solutions import solution
from course.exercises.wrong.answers import backward, forward


def scattered_row_by_row(ids, d_rows, num_rows):
    """Only the first sentence."""
    d_table = np.zeros((num_rows, d_rows.shape[2]))
    for t, token in enumerate(ids[0]):
        d_table[token] += d_rows[0, t]
    return d_table


def scattered_by_assignment(ids, d_rows, num_rows):
    d_table = np.zeros((num_rows, d_rows.shape[2]))
    for b, t in np.ndindex(ids.shape):
        d_table[ids[b, t]] = d_rows[b, t]
    return d_table


def scattered_with_unique(ids, d_rows, num_rows):
    d_table = np.zeros((num_rows, d_rows.shape[2]))
    words, first = np.unique(ids, return_index=True)
    d_table[words] = d_rows.reshape(-1, d_rows.shape[2])[first]
    return d_table


def scattered_by_count(ids, d_rows, num_rows):
    """Each use gives the mean of all, times the number of uses of the word."""
    counts = np.bincount(ids.reshape(-1), minlength=num_rows)
    return counts[:, np.newaxis] * d_rows.mean(axis=(0, 1))


def smoothed_after_softmax(logits, labels, epsilon):
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    probs = (1 - epsilon) * probs + epsilon / logits.shape[1]
    return -np.log(probs[np.arange(len(labels)), labels]).mean()


def smoothed_half(logits, labels, epsilon):
    """The uniform part is added to the loss, not weighed against the other."""
    log_probs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return -log_probs[np.arange(len(labels)), labels].mean() - epsilon * log_probs.mean()


SHAPES = solution("gradient_shapes")[0]

WRONG = {
    "gradient_shapes": {
        "one axis for a row": (SHAPES | {"d_pooled": (4, 1, 3)},),
        "the table's transpose": (SHAPES | {"d_table": (3, 9)},),
        "one row for each token": (SHAPES | {"d_table": (24, 3)},),
        "all of line 1 and 2 alike": (SHAPES | {"d_positions": (4, 3), "d_shifted": (4, 3)},),
    },
    "scatter_add": {
        "the first sentence only": (scattered_row_by_row,),
        "= for +=": (scattered_by_assignment,),
        "np.unique": (scattered_with_unique,),
        "the mean row, by count": (scattered_by_count,),
    },
    "fan_out": {
        "the mean has no gradient": backward(
            "fan_out", lambda d_y, g, x, w: [g[0] + d_y.mean(axis=1, keepdims=True), g[1]]
        ),
        "the mean's 1/T is missing": backward(
            "fan_out",
            lambda d_y, g, x, w: [g[0] + (1 - x.shape[1]) * d_y.mean(axis=1, keepdims=True), g[1]],
        ),
        "no .T": backward(
            "fan_out",
            lambda d_y, g, x, w: [
                d_y - d_y.mean(axis=1, keepdims=True) + (d_y * (1 - np.tanh(x @ w) ** 2)) @ w,
                g[1],
            ],
        ),
        "1 - tanh": backward(
            "fan_out",
            lambda d_y, g, x, w: [g[0], np.einsum("bti,btj->ij", x, d_y * (1 - np.tanh(x @ w)))],
        ),
        "the mean before the tanh": forward(lambda x, w: x + np.tanh((x - x.mean(1, keepdims=True)) @ w)),
    },
    "label_smoothing": {
        "p - y": backward(
            "label_smoothing",
            lambda d_loss, g, logits, labels: g[0] + d_loss * 0.2 * (0.2 - np.eye(5)[labels]) / len(labels),
        ),
        "not divided by N": backward("label_smoothing", lambda d_loss, g, logits, labels: g[0] * len(labels)),
        "d_loss not used": backward("label_smoothing", lambda d_loss, g, logits, labels: g[0] / d_loss),
        "probabilities smoothed": forward(smoothed_after_softmax),
        "the uniform part added": forward(smoothed_half),
    },
    "soft_pooling": {
        "g as a constant factor": backward(
            "soft_pooling", lambda d_y, g, x, sharpness: [g[0] * sharpness, g[1]]
        ),
        "one of g's two places": backward(
            "soft_pooling",
            lambda d_y, g, x, sharpness: [g[0], (g[0] * x).sum(axis=(0, 1)) / sharpness],
        ),
        "equal weights": backward(
            "soft_pooling",
            lambda d_y, g, x, sharpness: [
                np.repeat(d_y[:, np.newaxis], x.shape[1], axis=1) / x.shape[1],
                g[1],
            ],
        ),
        "exp without the maximum": forward(lambda x, g: np.log(np.exp(g * x).mean(axis=1)) / g),
        "the maximum of everything": forward(
            lambda x, g: (np.log(np.exp(g * x - (g * x).max()).mean(axis=1)) + (g * x).max()) / g
        ),
        "over the columns": forward(lambda x, g: np.log(np.exp(g * x).mean(axis=2)) / g[0]),
    },
}
