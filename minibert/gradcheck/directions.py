"""Random directions: all gradients of a model in one forward pass."""

import functools
import math
import warnings
from typing import NamedTuple

import numpy as np

from minibert.gradcheck.errors import GradientCheckError
from minibert.gradcheck.judge import typical_size
from minibert.gradcheck.reference import real_slope
from minibert.gradcheck.report import DirectionReport
from minibert.gradcheck.subject import COMPLEX_STEP, RANDOM_STREAM, Subject

DIRECTION_TOLERANCE = 1e-11
ENOUGH = 1e-9  # the precision needed of real differences, as a part of the terms summed
DECIDES = 1e-6  # real differences that are not known to this part of the terms summed decide nothing


def check_directions(
    model,
    *inputs,
    per_tensor=False,
    seed=0,
    tolerance=DIRECTION_TOLERANCE,
    on_tensor=None,
    real_differences=True,
    **forward_kwargs,
):
    """Check all gradients of a model at once, along random directions, in one complex forward pass.

    With a direction v for each tensor θ, the derivative along all of them together is

        Σ_θ <gradient of θ, v>  =  Im f(θ + i·h·v) / h

    so that a wrong gradient shows unless its error is orthogonal to v, which has probability zero. Each v is
    normal, scaled by 1/‖gradient‖: every tensor contributes a term of order 1 and none hides behind a larger
    one. (A gradient below 1e-3 of the largest norm is scaled as if it had that norm: one that is truly zero
    is nothing but rounding.)

    Args:
        model, *inputs, **forward_kwargs: as in check_gradients.
        per_tensor: one direction and one forward pass for each tensor, which names the guilty one.
        seed: of the upstream gradient and the directions.
        tolerance: largest error that is right, as a part of the terms summed.
        on_tensor: with per_tensor: a function that is called with (name, error) as soon as a tensor is
            measured.
        real_differences: also move all tensors along v in real numbers, which takes about ten forward passes
            and another 8 bytes a parameter. It finds mistakes that the complex step misses: np.abs drops the
            imaginary part, so that a term with np.abs and a backward that forgets it agree. False where
            forward is known to let complex numbers through, as that of all our models is.

    Returns:
        DirectionReport. Where the complex step and real differences disagree, real differences decide:
        np.abs in forward is not a mistake. Memory beside the model: 24 bytes a parameter (its gradient in
        float64, its value in complex128), and the memory of the forward pass.

    Its limit: an error shows if it moves its tensor's term by more than `tolerance` times the sum of
    all terms, or by 1e-9 of it where real differences decide. A tensor whose gradient is 1e6 times smaller
    than the largest contributes about 1e-3, so that a mistake in its eighth digit is still seen; entries that
    are 1e6 times smaller than others of the same tensor contribute 1e-6. For such small ones use
    check_gradients on a small instance of the model: it weighs every entry for itself. An input on a
    kink and a forward that draws from a generator of its own need check_gradients, too: here they are called
    wrong.
    """
    rng = np.random.default_rng([RANDOM_STREAM, seed])
    with Subject(model, inputs, forward_kwargs, copy_values=False) as subject:
        y, cache = subject.forward(subject.tensors)
        subject.draw_upstream(y, rng)
        subject.zero_grad()
        gradients = subject.gradients(subject.backward(cache))
        del y, cache
        for name, gradient in gradients.items():
            if gradient is None or np.shape(gradient) != subject.tensors[name].shape:
                raise GradientCheckError(
                    f"no gradient of {name} in the shape {subject.tensors[name].shape}: "
                    "check_gradients says more"
                )
        norms = {name: float(np.linalg.norm(gradient)) for name, gradient in gradients.items()}
        floor = 1e-3 * max(norms.values()) or 1.0
        terms = {}
        for name in list(gradients):  # one at a time: only one value, gradient and direction are held twice
            gradient, value = gradients.pop(name), subject.tensors[name]
            direction = _direction(seed, len(terms), gradient.shape, max(norms[name], floor))
            terms[name] = float(np.vdot(gradient, direction))
            subject.tensors[name] = np.empty(value.shape, np.complex128)
            subject.tensors[name].real = value
            subject.tensors[name].imag = 0.0 if per_tensor else direction * COMPLEX_STEP
            if name in subject.parameters:
                subject.parameters[name].value = subject.parameters[name].grad = None  # let go of them
        count = sum(value.size for value in subject.tensors.values())
        report = DirectionReport(subject.title, tolerance, count, terms)
        directions = {
            name: functools.partial(_direction, seed, number, value.shape, max(norms[name], floor))
            for number, (name, value) in enumerate(subject.tensors.items())
        }
        claimed, total = sum(terms.values()), max(sum(map(abs, terms.values())), 1e-300)
        if not per_tensor:
            report.error = abs(claimed - _imaginary_objective(subject)) / total
        is_doubtful = False
        if real_differences:
            by_real = _by_real_differences(subject, directions, claimed, total)
            is_doubtful = by_real.error > by_real.allowed
            if not per_tensor and by_real.is_known and is_doubtful == report.ok:
                report.error, report.tolerance, report.decided = *by_real[:2], [*terms]
        for name, direction in directions.items() if per_tensor else ():
            value = subject.tensors[name]
            value.imag = direction() * COMPLEX_STEP
            measured = _imaginary_objective(subject)
            value.imag = 0.0
            error = abs(terms[name] - measured) / max(abs(measured), 1.0)
            is_right = error <= tolerance
            if real_differences and (is_doubtful or not is_right):
                by_real = _by_real_differences(subject, {name: direction}, terms[name], 1.0)
                if by_real.is_known and is_right == (by_real.error > by_real.allowed):
                    error, is_right = by_real.error, not is_right
                    report.decided.append(name)
            report.errors[name] = error
            report.guilty += [] if is_right else [name]
            if on_tensor is not None:
                on_tensor(name, error)
        if per_tensor:
            report.error = max(report.errors.values())
            report.guilty.sort(key=report.errors.get, reverse=True)
        return report


class _DirectionProbe:
    """Runs the forward pass in real numbers, with tensors moved along their directions.

    directions: name -> function that returns the direction; the other tensors stay as they are.
    """

    def __init__(self, subject, directions):
        self.subject = subject
        self.values = {name: value.real for name, value in subject.tensors.items()}
        self.directions = directions

    def size_at(self, index):
        """Return (how far is as far as the entries are large, in one tensor at least; False)."""
        sizes = {name: typical_size(self.values[name]) for name in self.directions}
        return min(sizes[name] / typical_size(self.directions[name]()) for name in sizes), False

    def middle(self, tensors):
        return self.outputs(tensors, ..., 0.0)

    def outputs(self, tensors, index, amount):
        moved = {name: np.array(value) for name, value in self.values.items()}
        for name, direction in self.directions.items():
            moved[name] += amount * direction()
        return self.subject.outputs(self.subject.forward(moved)[0])


class _ByReal(NamedTuple):
    """The error of a sum of terms by real differences, and their own uncertainty, as parts of all terms."""

    error: float
    allowed: float

    @property
    def is_known(self):
        return self.allowed < DECIDES


def _by_real_differences(subject, directions, claimed, total):
    probe = _DirectionProbe(subject, directions)
    for enough in (ENOUGH * total, None):
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # a step that is too large overflows: it is not used
            slope = real_slope(subject, probe, None, ..., enough=enough)
        error = max(abs(claimed - slope.value) - abs(slope.jump) / 2, 0.0) / total
        allowed = max(100 * slope.error / total, ENOUGH)
        if error <= allowed < DECIDES:
            break
    return _ByReal(error, allowed)


def _direction(seed, number, shape, norm):
    """Return the random direction of one tensor, the same at every call."""
    direction = np.random.default_rng([RANDOM_STREAM, seed, number + 1]).standard_normal(shape)
    direction /= norm
    return direction


def _imaginary_objective(subject):
    """Return the derivative by the complex step; NaN if forward does not run on complex numbers."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", np.exceptions.ComplexWarning)
            outputs = subject.outputs(subject.plain_forward()[0])
    except Exception:  # it ran on real numbers
        return math.nan
    return float(subject.objective([output.imag for output in outputs]) / COMPLEX_STEP)
