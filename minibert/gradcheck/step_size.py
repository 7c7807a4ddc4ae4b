"""How the error of a numeric derivative depends on its step: why the complex step wins."""

import numpy as np

from minibert.gradcheck.conduct import analytic_gradients
from minibert.gradcheck.subject import RANDOM_STREAM, Subject

NUM_DIRECTIONS = 8


def errors_by_step(layer, *inputs, steps, seed=0, **forward_kwargs):
    """Return {"central": errors, "complex": errors}, float64 arrays with one relative error a step.

    Everything that has a gradient is moved at once by h·v, v being normal numbers. The error is the largest
    in eight such directions, relative to the largest derivative, and the truth is the gradient of backward:
    check the layer first.

        central differences  (f(x + h·v) - f(x - h·v)) / 2h    error h² f'''/6; and two numbers that are
                                                               nearly equal are subtracted: rounding
                                                               errors of about 1e-16/h
        complex step         Im f(x + i·h·v) / h               error h² f'''/6; nothing is subtracted

    Args:
        layer, *inputs, **forward_kwargs: as in check_gradients.
        steps: the values of h.
        seed: of the upstream gradient and the directions.
    """
    rng = np.random.default_rng([RANDOM_STREAM, seed])
    with Subject(layer, inputs, forward_kwargs) as subject:
        gradients, _ = analytic_gradients(subject, rng)
        directions = [
            {name: rng.standard_normal(tensor.shape) for name, tensor in subject.tensors.items()}
            for _ in range(NUM_DIRECTIONS)
        ]
        exact = np.array([sum(np.vdot(gradients[name], v[name]) for name in v) for v in directions])
        errors = {}
        for method, derivative in (("central", _central), ("complex", _complex)):
            measured = np.array([[derivative(subject, v, step) for v in directions] for step in steps])
            errors[method] = np.abs(measured - exact).max(axis=1) / np.abs(exact).max()
        return errors


def _central(subject, direction, step):
    above, below = _moved(subject, direction, step), _moved(subject, direction, -step)
    return subject.objective([high - low for high, low in zip(above, below)]) / (2 * step)


def _complex(subject, direction, step):
    return subject.objective([output.imag for output in _moved(subject, direction, 1j * step)]) / step


def _moved(subject, direction, step):
    """Return the outputs where every tensor is moved by step · direction."""
    tensors = {name: tensor + step * direction[name] for name, tensor in subject.tensors.items()}
    return subject.outputs(subject.forward(tensors)[0])
