"""What a layer must not do, a sentence each: change its inputs, hide random numbers, overwrite .grad …"""

import warnings

import numpy as np

from minibert.gradcheck.subject import COMPLEX_STEP, contents


def _copies(arrays):
    return {name: array.copy() for name, array in arrays.items()}


def _changed(before, now):
    """Return the names of the arrays that are no longer what they were."""
    return [name for name, array in before.items() if name not in now or not _equal(array, now[name])]


def _equal(first, second):
    return first.shape == second.shape and np.array_equal(first, second, equal_nan=first.dtype.kind in "fc")


def _given(subject):
    """Return the arrays that the last forward was given: inputs, keyword arguments, parameters."""
    return (
        contents(dict(zip(subject.input_names, subject.given)))
        | contents(subject.given_kwargs)
        | {name: parameter.value for name, parameter in subject.parameters.items()}
    )


def inspect_forward(subject):
    """Run forward twice; return (sentences on what it should not do, is a check impossible)."""
    expected = _copies(subject.tensors)
    original = (
        _copies(contents(dict(zip(subject.input_names, subject.inputs)) | subject.forward_kwargs)) | expected
    )
    first = [output.copy() for output in subject.outputs(subject.forward(subject.tensors)[0])]
    problems = [
        f"forward changes {name} in place: the caller still needs it. Write x = x + 1, not x += 1."
        for name in _changed(original, _given(subject))
    ]
    subject.tensors.update(_copies(expected))
    second = subject.outputs(subject.forward(subject.tensors)[0])
    subject.tensors.update(expected)
    if len(first) != len(second) or not all(map(_equal, first, second)):
        problems.append(
            "forward is not deterministic: two calls with the same input gave different outputs. Random "
            "numbers must come from a generator that is an argument, forward(x, rng=generator), weights "
            "must be made once, in __init__, and a layer must not count or remember its calls."
        )
        return problems, True
    if not all(np.isfinite(output).all() for output in second):
        problems.append(
            "forward returns NaN or Inf for this input: look for a division by zero, the logarithm of "
            "zero or an exp that overflows."
        )
        return problems, True
    return problems, False


def analytic_gradients(subject, rng):
    """Run forward and backward; return ({name: gradient}, sentences on what backward should not do)."""
    y, cache = subject.forward(subject.tensors)
    subject.draw_upstream(y, rng)
    given, cached, upstream = (
        _copies(_given(subject)),
        _copies(contents(cache)),
        _copies(contents([subject.d_y])),
    )
    subject.zero_grad()
    returned = subject.backward(cache)
    gradients = {
        name: None if gradient is None else np.array(gradient)
        for name, gradient in subject.gradients(returned).items()
    }
    problems = [
        f"backward changes {name} in place: work on a copy." for name in _changed(given, _given(subject))
    ]
    problems += [
        f"backward changes the cache in place ({name or 'the array that it is'}): a second backward, or a "
        "look at the cache in the debugger, would see wrong numbers."
        for name in _changed(cached, contents(cache))
    ]
    if _changed(upstream, contents([subject.d_y])):
        problems.append("backward changes the upstream gradient d_y in place: a skip path still needs it.")
    if not problems:
        problems = _problems_of_second_backward(subject, cache, gradients)
    return gradients, problems


def _problems_of_second_backward(subject, cache, first):
    """Go backward once more on the same cache: .grad must double, and what is returned must not change."""
    try:
        second = subject.gradients(subject.backward(cache))
    except Exception as error:
        return [
            f"backward cannot be called twice on the same cache ({type(error).__name__}: {error}): leave the "
            "cache as it is."
        ]
    problems = []
    comparable = {
        name: gradient
        for name, gradient in first.items()
        if gradient is not None and np.shape(second[name]) == gradient.shape and np.isfinite(gradient).all()
    }
    small = 1e-9 * max((np.abs(gradient).max(initial=0) for gradient in comparable.values()), default=0)
    for name, gradient in comparable.items():
        expected = 2 * gradient if name in subject.parameters else gradient
        if np.abs(second[name] - expected).max(initial=0) <= small:
            continue
        if name in subject.parameters and np.abs(second[name] - gradient).max() <= small:
            subject.overwritten.append(name)
        else:
            problems.append(
                f"a second backward on the same cache gives another gradient of {name}: backward may "
                "depend on the cache, the upstream gradient and the parameters, and on nothing else."
            )
    if subject.overwritten:
        problems.append(
            f"backward overwrites the .grad of {', '.join(subject.overwritten)} instead of adding to it: "
            "write grad += ..., so that a layer used twice collects both gradients."
        )
    return problems


def complex_problem(subject, rng):
    """Return a sentence if the forward pass loses the imaginary part of complex numbers, else None."""
    advice = (
        "your forward is not complex-safe: {}. Avoid np.abs, np.var, np.std, np.linalg.norm, np.conj, "
        "float(), .astype(float) and .real on the way from x to y (x * x instead of np.abs(x) ** 2), or use "
        "method='central'."
    )
    direction = {name: rng.standard_normal(tensor.shape) for name, tensor in subject.tensors.items()}
    tensors = {name: tensor + 1j * COMPLEX_STEP * direction[name] for name, tensor in subject.tensors.items()}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", np.exceptions.ComplexWarning)
        try:
            outputs = subject.outputs(subject.forward(tensors)[0])
        except Exception as error:
            return advice.format(f"with complex numbers it stops with {type(error).__name__}: {error}")
    dropped = [warning for warning in caught if issubclass(warning.category, np.exceptions.ComplexWarning)]
    if dropped:
        return advice.format(f"line {dropped[0].lineno} of {dropped[0].filename} drops the imaginary part")
    if not any(output.dtype.kind == "c" for output in outputs):
        return advice.format("it returns real numbers when it is given complex ones")
    by_complex = subject.objective([output.imag for output in outputs]) / COMPLEX_STEP
    step = 1e-7
    above, below = (
        subject.outputs(
            subject.forward(
                {name: tensor + sign * step * direction[name] for name, tensor in subject.tensors.items()}
            )[0]
        )
        for sign in (1, -1)
    )
    by_difference = subject.objective([high - low for high, low in zip(above, below)]) / (2 * step)
    size = max(abs(by_complex), abs(by_difference), 1e-3)
    if abs(by_complex - by_difference) > 1e-3 * size:
        return advice.format(
            f"in a random direction its derivative is {by_complex:.6g} by the complex step and "
            f"{by_difference:.6g} by central differences (or this input lies on a kink, as ReLU has at 0)"
        )
    return None
