"""References of lesson 00, gradients."""

import numpy as np

from minibert.course.exercises.lesson_00 import softplus
from minibert.course.exercises.variants import Reference


def gradient_shapes(B, T, H, C, V):
    return {
        "d_loss": (),
        "d_logits": (B, C),
        "d_bias": (C,),
        "d_weight": (H, C),
        "d_pooled": (B, H),
        "d_shifted": (B, T, H),
        "d_positions": (T, H),
        "d_table": (V, H),
    }


def draw_sizes(rng):
    return dict(zip("BTHCV", rng.permutation(np.arange(2, 13))[:5].tolist()))


def scatter_add(ids, d_rows, num_rows):
    d_table = np.zeros((num_rows, d_rows.shape[-1]))
    np.add.at(d_table, ids, d_rows)
    return d_table


def draw_lookups(rng):
    return [(rng.integers(0, 4, (2, 3)), rng.standard_normal((2, 3, 5)), 7)]  # six ids of four: one repeats


def two_slopes(f, x, h):
    return (f(x + h) - f(x - h)) / (2 * h), f(x + 1j * h).imag / h


def draw_slopes(rng):
    return [(softplus, round(rng.uniform(-2, 2), 2), h) for h in (0.5, 1e-30)]


def fan_out(x, weight):
    return x + np.tanh(x @ weight) - x.mean(axis=1, keepdims=True)


def label_smoothing(logits, labels, epsilon):
    targets = (1 - epsilon) * np.eye(logits.shape[1])[labels] + epsilon / logits.shape[1]
    log_probs = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    return -(targets * log_probs).sum(axis=-1).mean()


def soft_pooling(x, sharpness):
    return np.log(np.exp(sharpness * x).mean(axis=1)) / sharpness


REFERENCES = {
    "gradient_shapes": Reference(
        gradient_shapes, draw_sizes, "B = {B} pairs, T = {T} tokens, H = {H}, C = {C} classes, V = {V} words"
    ),
    "scatter_add": Reference(scatter_add, draw_lookups),
    "two_slopes": Reference(two_slopes, draw_slopes),
    "fan_out": Reference(fan_out),
    "label_smoothing": Reference(label_smoothing),
    "soft_pooling": Reference(soft_pooling),
}
