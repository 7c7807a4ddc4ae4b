"""Right answers to the exercises of lesson 00 in other styles than the solution's."""

import numpy as np
from course.exercises.solutions import solution


def scatter_in_loops(ids, d_rows, num_rows):
    d_table = np.zeros((num_rows, d_rows.shape[-1]))
    for b in range(ids.shape[0]):
        for t in range(ids.shape[1]):
            d_table[ids[b, t]] += d_rows[b, t]
    return d_table


def scatter_by_onehot(token_ids, upstream, size):
    onehot = np.arange(size)[:, np.newaxis] == token_ids.reshape(-1)
    return onehot.astype(float) @ upstream.reshape(-1, upstream.shape[-1])


def scatter_by_rows(ids, d_rows, num_rows):
    flat = d_rows.reshape(-1, d_rows.shape[-1])
    return np.stack([flat[ids.reshape(-1) == row].sum(axis=0) for row in range(num_rows)])


def slopes_in_steps(f, x, h):
    right, left, above = f(x + h), f(x - h), f(complex(x, h))
    return np.array([(right - left) / (2 * h), np.imag(above) / h])


def slopes_by_halves(function, place, step):
    forwards, backwards = function(place + step) - function(place), function(place) - function(place - step)
    return [(forwards + backwards) / step / 2, (function(place + step * 1j) / step).imag]


def slopes_from_below(f, x, h):
    """f(x - ih) is the mirror image of f(x + ih)."""
    return (f(x - h) - f(x + h)) / (-2 * h), -f(x - 1j * h).imag / h


SHAPES = solution("gradient_shapes")[0]

RIGHT = {
    "gradient_shapes": [
        dict(reversed(SHAPES.items())),
        {name: list(shape) for name, shape in SHAPES.items()},
        {name: np.zeros(shape).shape for name, shape in SHAPES.items()},
    ],
    "two_slopes": [slopes_in_steps, slopes_by_halves, slopes_from_below],
    "scatter_add": [scatter_in_loops, scatter_by_onehot, scatter_by_rows],
}
