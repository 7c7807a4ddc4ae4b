"""The layer under test: how it is called, in float64 and complex128, and put back as it was found."""

import copy
import inspect

import numpy as np

from minibert.layers.base import Parameter
from minibert.layers.walk import parts, walk

COMPLEX_STEP = 1e-30
CENTRAL_STEP = 1e-5
# Keeps our draws apart from a user's own default_rng(seed): with d_y = x, LayerNorm's d_x would be 0.
RANDOM_STREAM = 1998


class GradientCheckError(ValueError):
    """The layer cannot be checked at all: the message says what was expected of it."""


class Subject:
    """A layer with its inputs, run in float64 or complex128; `with` puts the layer back as it was found.

    `tensors` are the named float64 arrays whose gradients are checked: first the inputs, then the parameters.
    """

    def __init__(self, layer, inputs, forward_kwargs, copy_values=True):
        self.layer = layer
        self.title, self.forward_function, self.backward_function = _functions_of(layer)
        self.inputs = inputs
        self.forward_kwargs = forward_kwargs
        self.input_names = _input_names(self.forward_function, len(inputs))
        self.owns_loss = next(iter(_arguments(self.backward_function)), None) == "cache"
        self.parameters = _parameters_of(layer)
        self.tensors = {}
        for name, item in zip(self.input_names, inputs):
            self.tensors.update(_float_arrays(item, name))
        self.input_tensors = list(self.tensors)
        self.overwritten = []  # parameters whose .grad is overwritten by backward
        self.right_steps = {}  # gradients of the steps that were found to be right
        clash = sorted(set(self.tensors) & set(self.parameters))
        if clash:
            raise GradientCheckError(f"{clash[0]!r} names both an input and a parameter: rename one of them")
        for name, parameter in self.parameters.items():
            self.tensors[name] = np.array(parameter.value, np.float64, copy=copy_values or None)
        if not self.tensors:
            raise GradientCheckError(
                f"{self.title} has no floating-point input and no parameter: nothing to check"
            )

    def __enter__(self):
        self.found = [(parameter, parameter.value, parameter.grad) for parameter in self.parameters.values()]
        return self

    def __exit__(self, *exception):
        for parameter, value, grad in self.found:
            parameter.value, parameter.grad = value, grad

    def forward(self, tensors):
        """Run the layer on `tensors` (name -> array, real or complex); return (y, cache)."""
        for name, parameter in self.parameters.items():
            parameter.value = tensors[name]
        self.given = [_exchange(item, name, tensors) for name, item in zip(self.input_names, self.inputs)]
        self.given_kwargs = {name: _copied(item) for name, item in self.forward_kwargs.items()}
        result = self.forward_function(*self.given, **self.given_kwargs)
        if type(result) not in (tuple, list) or len(result) != 2:
            raise GradientCheckError(
                f"forward must return two things, (y, cache); it returned {_what(result)}. The cache is what "
                "backward needs to know about this forward pass; return (y, None) if it needs nothing."
            )
        return result

    def outputs(self, y):
        """Return the arrays of `y` that the objective is made of, as a list."""
        if self.owns_loss:
            loss = getattr(y, "loss", y)
            if not _is_float(loss):
                raise GradientCheckError(f"the loss is {_what(loss)}: give forward the labels it needs")
            return [np.asarray(loss)]
        return [np.asarray(item) for item in _leaves(y) if _is_float(item)]

    def draw_upstream(self, y, rng):
        """Draw d_y, random and of order 1, in the form of `y`; `d_outputs` are its arrays."""
        self.d_outputs = [
            np.float64(rng.uniform(0.5, 1.5)) if output.ndim == 0 else rng.standard_normal(output.shape)
            for output in self.outputs(y)
        ]
        if not self.d_outputs:
            raise GradientCheckError(f"forward returned no floating-point output, but {_what(y)}")
        self.d_y = self.d_outputs[0] if self.owns_loss else _fill(y, iter(self.d_outputs))

    def objective(self, outputs):
        """Return Σ d_y · y over all outputs."""
        return sum(np.sum(d_output * output) for d_output, output in zip(self.d_outputs, outputs))

    def plain_forward(self):
        """Run the layer as it is."""
        return self.forward(self.tensors)

    def backward(self, cache):
        """Run backward; return what it returns. It adds to each parameter's .grad."""
        return self.backward_function(*((cache, self.d_y) if self.owns_loss else (self.d_y, cache)))

    def zero_grad(self):
        """Give every parameter an empty gradient of its own."""
        for name, parameter in self.parameters.items():
            parameter.grad = np.zeros(self.tensors[name].shape)
            if isinstance(parameter, Parameter):  # as at the start of a training step
                parameter.zero_grad()

    def gradients(self, returned):
        """Return {name: gradient or None} for every tensor: those backward returned and those in .grad."""
        gradients = dict.fromkeys(self.input_tensors)
        if self.input_tensors:
            is_one_tuple = len(self.inputs) == 1 and isinstance(self.inputs[0], (tuple, list))
            if is_one_tuple and len(_as_sequence(returned)) > 1:
                returned = [returned]  # one input that is itself a tuple, as a recurrent state may be
            for name, gradient in zip(self._names_of(returned), _as_sequence(returned)):
                gradients.update(_arrays(gradient, name))
        gradients = {name: gradients[name] for name in self.input_tensors}
        return gradients | {name: parameter.grad for name, parameter in self.parameters.items()}

    def _names_of(self, returned):
        """Return the inputs' names for the gradients in `returned`, in order; integers may be left out."""
        float_names = [name for name, item in zip(self.input_names, self.inputs) if _float_arrays(item, name)]
        count = len(_as_sequence(returned))
        if not isinstance(returned, (tuple, list)) and len(float_names) > 1:
            raise GradientCheckError(
                f"backward returned {_what(returned)} for {len(float_names)} inputs "
                f"({', '.join(float_names)}): return a tuple of gradients in argument order"
            )
        arguments = list(_arguments(self.forward_function))
        if count > max(len(self.inputs), len(arguments)):
            raise GradientCheckError(f"backward returned {count} gradients for {len(self.inputs)} inputs")
        return float_names if count < len(self.inputs) and count == len(float_names) else self.input_names

    def working_tensors(self, method):
        """Return the tensors in the dtype of the method: all complex, or all real."""
        return {
            name: tensor.astype(np.complex128) if method == "complex" else tensor.copy()
            for name, tensor in self.tensors.items()
        }


def _functions_of(layer):
    """Return (name, forward, backward) of a layer or a pair of functions."""
    if isinstance(layer, (tuple, list)) and len(layer) == 2 and all(map(callable, layer)):
        return getattr(layer[0], "__name__", "the pair"), layer[0], layer[1]
    for method in ("forward", "backward"):
        if not callable(getattr(layer, method, None)):
            raise GradientCheckError(
                f"{type(layer).__name__} has no {method}(): expected an object with forward and "
                "backward, or a pair of functions (forward, backward)"
            )
    return type(layer).__name__, layer.forward, layer.backward


def _parameters_of(layer):
    """Return {name: parameter}, each parameter once, floating-point ones only."""
    if not callable(getattr(layer, "parameters", None)):
        return {}
    parameters, again = layer.parameters(), layer.parameters()
    if not isinstance(parameters, dict):
        raise GradientCheckError(
            f"parameters() must return a dict name -> parameter, not {_what(parameters)}"
        )
    found = {}
    for name, parameter in parameters.items():
        if not hasattr(parameter, "value") or not hasattr(parameter, "grad"):
            raise GradientCheckError(
                f"parameter {name!r} must be an object with .value and .grad, as minibert's "
                f"Parameter is, not {_what(parameter)}"
            )
        if again.get(name) is not parameter:
            raise GradientCheckError(
                f"parameters() makes a new {name!r} at every call: make the parameters once, in "
                "__init__, let forward read their .value, and return those objects"
            )
        if _is_float(parameter.value) and not any(parameter is other for other in found.values()):
            found[name] = parameter
    return found


def _arguments(function):
    """Return the names and kinds of a function's arguments; none if Python cannot tell."""
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {}


def _input_names(forward, count):
    """Return the names of forward's first `count` arguments."""
    names = []
    for name, argument in _arguments(forward).items():
        if argument.kind == argument.VAR_POSITIONAL:
            names += [f"{name}.{index}" for index in range(count - len(names))]
        elif argument.kind in (argument.POSITIONAL_ONLY, argument.POSITIONAL_OR_KEYWORD):
            names.append(name)
    if len(names) < count:
        raise GradientCheckError(
            f"forward takes {len(names)} inputs ({', '.join(names)}), {count} were given"
        )
    return names[:count]


# --- nested inputs and outputs: an array, None, or a (named) tuple or list of them ---


def _parts(item, name):
    """Return the named elements of a tuple or list."""
    keys = getattr(item, "_fields", range(len(item)))
    return [(f"{name}.{key}", element) for key, element in zip(keys, item)]


def _arrays(item, name):
    """Return {name: array} for all that is not None in `item`."""
    if isinstance(item, (tuple, list)):
        return {
            key: value
            for part, element in _parts(item, name)
            for key, value in _arrays(element, part).items()
        }
    return {} if item is None else {name: item}


def _float_arrays(item, name):
    """Return {name: float64 array} for every floating-point array in `item`."""
    if isinstance(item, list) and not any(isinstance(leaf, np.ndarray) for leaf in _leaves(item)):
        raise GradientCheckError(f"input {name!r} is a list of numbers: pass a NumPy array")
    return {
        key: np.array(value, np.float64)
        for key, value in _arrays(item, name).items()
        if isinstance(value, np.ndarray) and _is_float(value)
    }


def _leaves(item):
    if isinstance(item, (tuple, list)):
        return [leaf for element in item for leaf in _leaves(element)]
    return [item]


def _exchange(item, name, tensors):
    """Return a copy of `item` with its arrays exchanged for those that `tensors` has under their names."""
    if isinstance(item, (tuple, list)):
        return _rebuild(item, [_exchange(element, part, tensors) for part, element in _parts(item, name)])
    return tensors[name].copy() if name in tensors else _copied(item)


def _copied(item):
    """Return a copy that forward may spoil; of an array by .copy(), because deepcopy is slow."""
    return item.copy() if isinstance(item, np.ndarray) else copy.deepcopy(item)


def _fill(item, arrays):
    """Return `item` with its floating-point arrays replaced by the next of `arrays`, all else by None."""
    if isinstance(item, (tuple, list)):
        return _rebuild(item, [_fill(element, arrays) for element in item])
    return next(arrays) if _is_float(item) else None


def _rebuild(item, elements):
    return type(item)(*elements) if hasattr(item, "_fields") else type(item)(elements)


def _as_sequence(item):
    return item if isinstance(item, (tuple, list)) else [item]


def _is_float(item):
    return isinstance(item, (np.ndarray, np.generic, float, complex)) and np.asarray(item).dtype.kind in "fc"


def _what(item):
    """Describe anything a layer may have returned."""
    if isinstance(item, np.ndarray):
        return f"one array of shape {item.shape}"
    if isinstance(item, (tuple, list)):
        return f"a {type(item).__name__} of {len(item)}"
    return "None" if item is None else f"a {type(item).__name__}"


def contents(item):
    """Return {dotted path: array} for the arrays in nested tuples, lists and dicts, such as a cache."""
    return dict(walk(item, lambda found: isinstance(found, np.ndarray), within=parts))
