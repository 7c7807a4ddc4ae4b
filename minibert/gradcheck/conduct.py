"""The rules that a layer must keep, such as: it does not change its inputs, and adds to .grad."""

import numpy as np

from minibert.gradcheck.discovery import ArrayParameter
from minibert.gradcheck.memory import Place
from minibert.gradcheck.subject import contents


def _copies(arrays):
    return {name: array.copy() for name, array in arrays.items()}


def _changed(before, now):
    """Return the names of the arrays that have changed."""
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
    """Run forward twice; return (sentences on the rules it breaks, is a check impossible)."""
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
    keeps_state = not subject.memory.is_as_it_was(apart_from=_exchanged_places(subject))
    subject.restore_generators()
    second = subject.outputs(subject.forward(subject.tensors)[0])
    subject.tensors.update(expected)
    subject.keeps_state = keeps_state
    subject.plain_outputs = first
    if len(first) != len(second) or not all(map(_equal, first, second)):
        problems.append(
            "forward is not deterministic: two calls with the same input gave different outputs. Random "
            "numbers must come from a generator that is an argument, forward(x, rng=generator), weights "
            "must be made once, in __init__, and a layer must not count or remember its calls. Nothing can "
            "be measured on it: for the check, turn dropout off, or hand in a generator."
        )
        return problems, True
    if not all(np.isfinite(output).all() for output in second):
        problems.append(
            "forward returns NaN or Inf for this input: look for a division by zero, the logarithm of "
            "zero or an exp that overflows. Nothing can be measured there."
        )
        return problems, True
    return problems, False


def _exchanged_places(subject):
    """Return the Places of the values that the check itself puts in."""
    places = []
    for parameter in subject.parameters.values():
        is_array = isinstance(parameter, ArrayParameter)
        places += parameter.places if is_array else [Place(parameter, "value")]
    return [Place(place.holder, place.key) for place in places]


def read_but_unchecked(subject):
    """Return the names of float arrays on the layer that move the outputs, and have no gradient."""
    names, rng = [], np.random.default_rng(0)
    keeps_state, subject.keeps_state = subject.keeps_state, False
    for name, held in subject.unseen.items():
        value = held.array
        amount = 1e-3 * (np.abs(value[np.isfinite(value)]).max(initial=0) or 1.0)
        subject.memory.restore()
        held.value = value + amount * rng.standard_normal(value.shape)
        try:
            outputs = subject.outputs(subject.plain_forward()[0])
            is_read = not all(map(_equal, outputs, subject.plain_outputs))
        except Exception:
            is_read = True
        held.value = value
        names += [name] if is_read else []
    subject.keeps_state = keeps_state
    if names:
        subject.memory.restore()
    return names


def analytic_gradients(subject, rng):
    """Run forward and backward; return ({name: gradient}, sentences on the rules that backward breaks)."""
    y, cache = subject.forward(subject.tensors)
    subject.draw_upstream(y, rng)
    given, cached, upstream = (
        _copies(_given(subject)),
        _copies(contents(cache)),
        _copies(contents([subject.d_y])),
    )
    subject.zero_grad()
    returned = subject.backward(cache)
    if isinstance(returned, dict) and not any(isinstance(item, dict) for item in subject.inputs):
        subject.gradients(returned)  # its error names the expected form
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
    is_changed = bool(_changed(upstream, contents([subject.d_y])))
    subject.d_y = _restored(subject.d_y, upstream)
    if cache is None and not subject.backward_takes_cache:
        problems = []  # the field's layers that keep everything on self overwrite as they like
    elif is_changed:
        problems.append("backward changes the upstream gradient d_y in place: a skip path still needs it.")
    if problems:
        return gradients, problems
    if subject.backward_takes_cache and (cached or cache is None):
        return gradients, _problems_of_second_backward(subject, cache, gradients)
    again = subject.analytic(subject.tensors)  # a parameter kept in an object collects its gradient itself
    unsteady = [
        name
        for name, gradient in gradients.items()
        if gradient is not None and not _close(gradient, again[name])
    ]
    if unsteady:
        text = "backward is not deterministic: the same two passes gave two different gradients of"
        problems = [f"{text} {', '.join(unsteady)}."]
    return gradients, problems


def _close(first, second):
    """Whether two gradients are the same but for rounding; one that is not finite is reported elsewhere."""
    if np.shape(first) != np.shape(second) or not np.isfinite(first).all():
        return np.shape(first) == np.shape(second)
    return bool(np.abs(first - second).max(initial=0) <= 1e-9 * np.abs(first).max(initial=0))


def _restored(d_y, copies):
    """Write the numbers that the upstream gradient had back into it, and return it."""
    for name, array in contents([d_y]).items():
        np.copyto(array, copies[name])
    return d_y


def _problems_of_second_backward(subject, cache, first):
    """Go backward once more on the same cache: .grad must double, and the result must not change."""
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
        if isinstance(subject.parameters.get(name), ArrayParameter):
            continue  # self.dW = ... is how bare arrays are used
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
