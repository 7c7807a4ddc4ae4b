"""A wrong gradient, the values known around it, and when two gradients are the same."""

from typing import NamedTuple

import numpy as np

CLOSE = 1e-6  # two gradients are the same here if they differ by less than this part of the largest entry


class Case(NamedTuple):
    """A wrong gradient and the values known around it.

    Attributes:
        name:     of the tensor, `query.weight`.
        analytic: the gradient of backward.
        numeric:  the gradient measured on the forward pass.
        others:   dict name -> the right gradients of the other inputs and parameters in the same check.
        steps:    dict name -> the right gradients of steps of the backward pass, and of the output.
        values:   dict name -> arrays that went in: parameters, inputs, masks, ids.
        numbers:  dict name -> sizes and rates a layer may multiply by: {"axis 1 of x": 5, "num_heads": 2,
            "p": 0.1}.
        overwritten: a second backward left the gradient as it was, instead of doubling it.
        with_ones: function of a parameter's name: is this gradient right when that parameter is all ones? Or
            None.
    """

    name: str
    analytic: np.ndarray
    numeric: np.ndarray
    others: dict
    steps: dict
    values: dict
    numbers: dict
    overwritten: bool
    with_ones: object


def same(first, second):
    """True if two arrays have one shape and agree, measured by the largest entry of the second."""
    if first.shape != second.shape:
        return False
    return bool(np.abs(first - second).max(initial=0) <= CLOSE * np.abs(second).max(initial=0))


def differs(case):
    """Booleans: the entries that are wrong."""
    return np.abs(case.analytic - case.numeric) > CLOSE * np.abs(case.numeric).max(initial=0)


def without_own(case):
    """Return the right gradients of the other tensors."""
    return {name: other for name, other in case.others.items() if name != case.name}


def fits_last_axes(value, gradient):
    """True for a gain: an array that multiplies the last axes of a tensor, and is not a number."""
    return 0 < value.ndim <= gradient.ndim and value.shape == gradient.shape[-value.ndim :] and value.size > 1


def derivatives(name, value):
    """Yield (factor, text) of the derivatives that are computed from a function's value."""
    yield 1 - value * value, f"1 - {name}^2, the derivative of tanh"
    yield value * (1 - value), f"{name} (1 - {name}), the derivative of the sigmoid"
    yield 1 - value, f"1 - {name}"
    yield (value > 0) * 1.0, f"{name} > 0, the derivative of ReLU"
