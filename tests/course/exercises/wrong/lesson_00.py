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


def slopes(central, by_complex):
    """A wrong formula in the place of one of the two."""

    def wrong(f, x, h):
        right = (f(x + h) - f(x - h)) / (2 * h), f(x + 1j * h).imag / h
        return central(f, x, h) if central else right[0], by_complex(f, x, h) if by_complex else right[1]

    return (wrong,)


def scattered_in_float32(ids, d_rows, num_rows):
    d_table = np.zeros((num_rows, d_rows.shape[2]), np.float32)
    np.add.at(d_table, ids, d_rows.astype(np.float32))
    return d_table


def scattered_as_integers(ids, d_rows, num_rows):
    """Zeros of the dtype of the ids."""
    d_table = np.zeros((num_rows, d_rows.shape[2]), int)
    for b, t in np.ndindex(ids.shape):
        d_table[ids[b, t]] += d_rows[b, t].astype(int)
    return d_table


def smoothed_without_the_maximum(logits, labels, epsilon):
    targets = (1 - epsilon) * np.eye(logits.shape[1])[labels] + epsilon / logits.shape[1]
    exponentials = np.exp(logits)
    return -(targets * np.log(exponentials / exponentials.sum(axis=1, keepdims=True))).sum(axis=1).mean()


def pooled_less(number):
    """Another number than the largest is subtracted before exp."""

    def pooled(x, sharpness):
        scaled = sharpness * x
        less = number(scaled, axis=1, keepdims=True)
        return (np.log(np.exp(scaled - less).mean(axis=1)) + less[:, 0]) / sharpness

    return forward(pooled)


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
        "float32": (scattered_in_float32,),
        "integers": (scattered_as_integers,),
    },
    "two_slopes": {
        "from one side": slopes(lambda f, x, h: (f(x + h) - f(x)) / h, None),
        "from the left": slopes(lambda f, x, h: (f(x) - f(x - h)) / h, None),
        "divided by h": slopes(lambda f, x, h: (f(x + h) - f(x - h)) / h, None),
        "steps of h / 2": slopes(lambda f, x, h: (f(x + h / 2) - f(x - h / 2)) / h, None),
        "a step of its own": slopes(lambda f, x, h: (f(x + 1e-5) - f(x - 1e-5)) / 2e-5, None),
        "the size of the complex change": slopes(None, lambda f, x, h: abs(f(x + 1j * h) - f(x)) / h),
        "minus f(x), real part": slopes(None, lambda f, x, h: (f(x + 1j * h) - f(x)).real / h),
        "divided by 2h": slopes(None, lambda f, x, h: f(x + 1j * h).imag / (2 * h)),
        "1 + 1j for 1j": slopes(None, lambda f, x, h: f(x + (1 + 1j) * h).imag / h),
        "a tiny step always": slopes(None, lambda f, x, h: f(x + 1e-30j).imag / 1e-30),
        "the other order": (lambda f, x, h: slopes(None, None)[0](f, x, h)[::-1],),
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
        "exp without the maximum": forward(smoothed_without_the_maximum),
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
        "the mean subtracted": pooled_less(np.mean),
        "the smallest subtracted": pooled_less(np.min),
        "over the columns": forward(lambda x, g: np.log(np.exp(g * x).mean(axis=2)) / g[0]),
    },
}
