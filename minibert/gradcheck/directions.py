"""Random directions: all gradients of a model in one forward pass."""

import numpy as np

from minibert.gradcheck.errors import GradientCheckError
from minibert.gradcheck.judge import typical_size
from minibert.gradcheck.reference import real_slope
from minibert.gradcheck.report import DirectionReport
from minibert.gradcheck.subject import COMPLEX_STEP, RANDOM_STREAM, Subject

DIRECTION_TOLERANCE = 1e-11


def check_directions(
    model, *inputs, per_tensor=False, seed=0, tolerance=DIRECTION_TOLERANCE, on_tensor=None, **forward_kwargs
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

    Returns:
        DirectionReport. Where the complex step disagrees, real differences are asked, too: np.abs in forward
        is no mistake. Memory beyond the model's own: 24 bytes a parameter (its gradient in float64, its
        value in complex128), and what the forward pass needs.
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
        if not per_tensor:
            measured = _imaginary_objective(subject)
            total = max(sum(map(abs, terms.values())), 1e-300)
            report.error = abs(sum(terms.values()) - measured) / total
            if not report.ok:
                _ask_real_differences(subject, report, total)
            return report
        for number, (name, value) in enumerate(subject.tensors.items()):
            value.imag = _direction(seed, number, value.shape, max(norms[name], floor)) * COMPLEX_STEP
            measured = _imaginary_objective(subject)
            value.imag = 0.0
            report.errors[name] = abs(terms[name] - measured) / max(abs(measured), 1.0)
            if on_tensor is not None:
                on_tensor(name, report.errors[name])
        report.error = max(report.errors.values())
        return report


class _DirectionProbe:
    """Runs the forward pass with all tensors moved along their directions."""

    def __init__(self, subject):
        self.subject = subject
        self.values = {name: value.real.copy() for name, value in subject.tensors.items()}
        self.directions = {name: value.imag / COMPLEX_STEP for name, value in subject.tensors.items()}

    def size_at(self, index):
        """Return (how far is as far as the entries are large, in one tensor at least; False)."""
        sizes = {name: typical_size(value) for name, value in self.values.items()}
        return min(sizes[name] / typical_size(self.directions[name]) for name in sizes), False

    def middle(self, tensors):
        return self.outputs(tensors, ..., 0.0)

    def outputs(self, tensors, index, amount):
        moved = {name: value + amount * self.directions[name] for name, value in self.values.items()}
        return self.subject.outputs(self.subject.forward(moved)[0])


def _ask_real_differences(subject, report, total):
    """Where the complex step disagrees: is the forward pass perhaps not made for complex numbers?"""
    slope = real_slope(subject, _DirectionProbe(subject), None, ...)
    allowed = 10 * slope.error / total
    error = abs(sum(report.terms.values()) - slope.value) / total
    if error <= allowed <= 1e-6:
        report.error, report.tolerance = error, max(allowed, report.tolerance)


def _direction(seed, number, shape, norm):
    """Return the random direction of one tensor, the same at every call."""
    direction = np.random.default_rng([RANDOM_STREAM, seed, number + 1]).standard_normal(shape)
    direction /= norm
    return direction


def _imaginary_objective(subject):
    outputs = subject.outputs(subject.plain_forward()[0])
    return float(subject.objective([output.imag for output in outputs]) / COMPLEX_STEP)
