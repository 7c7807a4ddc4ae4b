"""The layer under test: how it is called, in float64 and complex128, and put back as it was found."""

import copy
import inspect
import re

import numpy as np

from minibert.gradcheck.discovery import arrays_of, find_parameters
from minibert.gradcheck.errors import GradientCheckError
from minibert.gradcheck.memory import Memory
from minibert.layers.walk import parts, walk

COMPLEX_STEP = 1e-30
CENTRAL_STEP = 1e-5
# Keeps our draws apart from a user's own default_rng(seed): with d_y = x, LayerNorm's d_x would be 0.
RANDOM_STREAM = 1998


class Subject:
    """A layer with its inputs, run in float64 or complex128; `with` puts the layer back as it was found.

    `tensors` are the named float64 arrays whose gradients are checked: first the inputs, then the parameters.
    `unseen` are the arrays on the layer whose gradients nobody checks: {name: ArrayParameter}.
    """

    def __init__(self, layer, inputs, forward_kwargs, copy_values=True):
        self.layer = layer
        self.title, self.forward_function, self.backward_function = _functions_of(layer)
        self.inputs = inputs
        self.forward_kwargs = forward_kwargs
        self.input_names = _input_names(self.forward_function, len(inputs))
        self.style = _style_of(self)
        self.owns_loss = self.style == "loss"
        self.backward_takes_cache = True
        self.random_state = np.random.get_state()
        self.memory = Memory([layer])
        self.keeps_state = False
        self.tensors = {}
        for name, item in zip(self.input_names, inputs):
            self.tensors.update(_float_arrays(item, name))
        self.input_tensors = list(self.tensors)
        self.parameters, self.unseen = find_parameters(layer, self.memory)
        if self.unseen:  # backward may be the one that makes the names of their gradients
            self._rehearse()
        self.overwritten = []  # parameters whose .grad is overwritten by backward
        self.right_steps = {}  # gradients of the steps that were found to be right
        self.kept_outputs = None  # (tensors, outputs) of the last call of outputs_at
        clash = sorted(set(self.tensors) & set(self.parameters))
        if clash:
            raise GradientCheckError(f"{clash[0]!r} names both an input and a parameter: rename one of them")
        self._leave_out_integers_that_index()
        for name, parameter in self.parameters.items():
            self.tensors[name] = np.array(parameter.value, np.float64, copy=copy_values or None)
        if not self.tensors:
            raise GradientCheckError(
                f"{self.title} has no floating-point input and no parameter: nothing to check"
                + _numbers_among(self.input_names, inputs)
            )
        spared = [array for parameter in self.parameters.values() for array in arrays_of(parameter)]
        self.memory = Memory([layer], spared)

    def _rehearse(self):
        """Run both passes as they are, and look for parameters once more."""
        found, self.parameters = self.parameters, {}
        try:
            y, cache = self.forward(self.tensors)
            self.draw_upstream(y, np.random.default_rng(0))
            self.backward(cache)
            found, self.unseen = find_parameters(self.layer, self.memory)
        except Exception:  # it will be raised again, where it is reported
            pass
        self.memory.restore()
        self.parameters = found

    def _leave_out_integers_that_index(self):
        """Integers that forward can use as real numbers are weights; those that it cannot are ids."""
        integers = {
            name: parameter
            for name, parameter in self.parameters.items()
            if np.asarray(parameter.value).dtype.kind in "iu"
        }
        if not integers:
            return
        every, self.parameters = self.parameters, integers
        kept = {name: parameter.value for name, parameter in integers.items()}
        try:
            self.forward(self.tensors | {name: value.astype(np.float64) for name, value in kept.items()})
        except Exception:
            every = {name: parameter for name, parameter in every.items() if name not in integers}
        for name, parameter in integers.items():
            parameter.value = kept[name]
        self.memory.restore()
        self.parameters = every

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.memory.restore()
        np.random.set_state(self.random_state)

    def restore_generators(self):
        """Have the layer draw the same numbers again, from its own generators or from np.random."""
        self.memory.restore_generators()
        if self.style == "state":
            np.random.set_state(self.random_state)

    def forward(self, tensors):
        """Run the layer on `tensors` (name -> array, real or complex); return (y, cache)."""
        if self.keeps_state:
            self.memory.restore()
            self.restore_generators()
        for name, parameter in self.parameters.items():
            parameter.value = tensors[name]
        self.given = [_exchange(item, name, tensors) for name, item in zip(self.input_names, self.inputs)]
        self.given_kwargs = {name: _copied(item) for name, item in self.forward_kwargs.items()}
        result = self.forward_function(*self.given, **self.given_kwargs)
        is_two = type(result) in (tuple, list) and len(result) == 2
        if self.style in ("state", "no argument") or (self.style == "optional cache" and not is_two):
            self.backward_takes_cache = False
            return result, None
        self.backward_takes_cache = True
        if not is_two:
            raise GradientCheckError(
                f"forward must return two things, (y, cache); it returned {_what(result)}. The cache holds "
                "all that backward needs to know of this forward pass; return (y, None) if it needs nothing."
            )
        if self.style == "several gradients":
            names = ", ".join(_required(self.backward_function))
            raise GradientCheckError(
                f"backward takes ({names}), forward returned {_what(result)}, of which the second is taken "
                "for the cache. Of several outputs make one: return ((first, second), cache), and take the "
                "gradients as one tuple: backward(d_output, cache)."
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

    def outputs_at(self, tensors):
        """Return the outputs for `tensors`; those of the last call are kept, as every probe asks for them."""
        if self.kept_outputs is None or self.kept_outputs[0] is not tensors:
            self.kept_outputs = tensors, self.outputs(self.forward(tensors)[0])
        return self.kept_outputs[1]

    def draw_upstream(self, y, rng):
        """Draw d_y, random and of order 1, in the form of `y`; `d_outputs` are its arrays."""
        self.d_outputs = [
            np.float64(rng.uniform(0.5, 1.5)) if output.ndim == 0 else rng.standard_normal(output.shape)
            for output in self.outputs(y)
        ]
        if not self.d_outputs:
            raise GradientCheckError(f"forward returned no floating-point output, but {_what(y)}")
        if self.style == "no argument":
            self.d_outputs = [np.ones(d_output.shape)[()] for d_output in self.d_outputs]
        self.d_y = self.d_outputs[0] if self.owns_loss else _fill(y, iter(self.d_outputs))

    def objective(self, outputs):
        """Return Σ d_y · y over all outputs."""
        return sum(np.sum(d_output * output) for d_output, output in zip(self.d_outputs, outputs))

    def plain_forward(self):
        """Run the layer as it is."""
        return self.forward(self.tensors)

    def backward(self, cache):
        """Run backward; return its result. It adds to each parameter's .grad."""
        if self.owns_loss:
            return self.backward_function(cache, self.d_y)
        if self.style == "no argument":
            return self.backward_function()
        if self.backward_takes_cache:
            return self.backward_function(self.d_y, cache)
        several = isinstance(self.d_y, (tuple, list)) and len(_required(self.backward_function)) > 1
        return self.backward_function(*self.d_y) if several else self.backward_function(self.d_y)

    def zero_grad(self):
        """Give every parameter an empty gradient of its own."""
        for name, parameter in self.parameters.items():
            parameter.grad = np.zeros(self.tensors[name].shape)
            if callable(getattr(parameter, "zero_grad", None)):  # as at the start of a training step
                parameter.zero_grad()

    def analytic(self, tensors):
        """Run both passes on `tensors`; return {name: gradient or None}, copies."""
        _, cache = self.forward(tensors)
        self.zero_grad()
        gradients = self.gradients(self.backward(cache))
        return {name: None if found is None else np.array(found) for name, found in gradients.items()}

    def gradients(self, returned):
        """Return {name: gradient or None} for every tensor: those backward returned and those in .grad."""
        gradients = dict.fromkeys(self.input_tensors)
        if self.input_tensors:
            for name, gradient in zip(*self._named(returned)):
                gradients.update(_arrays(gradient, name))
        gradients = {name: gradients[name] for name in self.input_tensors}
        return gradients | {name: parameter.grad for name, parameter in self.parameters.items()}

    def _named(self, returned):
        """Return (names of inputs, their gradients) in order; integers may be left out."""
        if len(self.inputs) == 1 and isinstance(self.inputs[0], (tuple, list, dict)):
            only = self.inputs[0]  # one input that is itself a tuple, as a recurrent state may be
            wrapped = isinstance(returned, (tuple, list)) and len(returned) == 1 and _is_nested(returned[0])
            is_form = type(returned) in (tuple, list, type(only)) and len(returned) == len(only)
            if is_form and not wrapped:
                return self.input_names, [returned]
        if isinstance(returned, dict):
            raise GradientCheckError(
                f"backward returned a dict ({', '.join(map(str, returned))}): return the gradients of the "
                f"inputs ({', '.join(self.input_names)}) as a tuple in argument order"
            )
        names = [name for name, item in zip(self.input_names, self.inputs) if _float_arrays(item, name)]
        sequence = _as_sequence(returned)
        if not isinstance(returned, (tuple, list)) and len(names) > 1:
            example = names[-1]
            raise GradientCheckError(
                f"backward returned {_what(returned)} for {len(names)} inputs ({', '.join(names)}): return a "
                "tuple of gradients in argument order. A constant, as one-hot labels are, is given by "
                f"keyword: check_gradients(layer, ..., {example}={example})"
            )
        if len(sequence) > max(len(self.inputs), len(_arguments(self.forward_function))):
            raise GradientCheckError(
                f"backward returned {len(sequence)} gradients for {len(self.inputs)} inputs"
            )
        is_short = len(sequence) < len(self.inputs) and len(sequence) == len(names)
        return names if is_short else self.input_names, sequence

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
    if inspect.isclass(layer):
        raise GradientCheckError(
            f"{layer.__name__} is a class: make an instance, check_gradients({layer.__name__}(...), ...)"
        )
    for method in ("forward", "backward"):
        if not callable(getattr(layer, method, None)):
            raise GradientCheckError(
                f"{type(layer).__name__} has no {method}(): expected an object with forward and "
                "backward, or a pair of functions (forward, backward)"
            )
    return type(layer).__name__, layer.forward, layer.backward


def _style_of(subject):
    """Return how backward is called.

    "loss": (cache, d_loss); "cache": (d_y, cache); "state": (d_y), the values of forward being on self; "no
    argument": (), of a loss; "optional cache": (d_y, cache=None); "several gradients": (d_first, d_second).
    """
    arguments = _arguments(subject.backward_function)
    if not arguments or any(argument.kind == argument.VAR_POSITIONAL for argument in arguments.values()):
        is_known = bool(arguments) or _is_readable(subject.backward_function)
        return "no argument" if is_known and not arguments and not _is_pair(subject) else "cache"
    if next(iter(arguments)) == "cache":
        return "loss"
    positional = [name for name, argument in arguments.items() if argument.kind != argument.KEYWORD_ONLY]
    required = _required(subject.backward_function)
    if len(required) > 2:
        raise GradientCheckError(
            f"backward takes {len(required)} arguments ({', '.join(required)}): expected (d_y, cache). "
            "Of several outputs make one: forward returns ((first, second), cache), and backward takes their "
            "gradients as one tuple."
        )
    if len(positional) == 1:
        if _is_pair(subject) and not hasattr(subject.backward_function, "__self__"):
            raise GradientCheckError(
                f"backward takes one argument ({positional[0]}): expected backward(d_y, cache). Two "
                "functions share nothing but the cache that forward returns."
            )
        return "state"
    if len(required) == 2 and all(_GRADIENT_NAME.match(name) for name in required):
        return "several gradients" if _is_pair(subject) else "state"
    return "optional cache" if len(required) < 2 and not _is_pair(subject) else "cache"


_GRADIENT_NAME = re.compile("d_|d[A-Z]|grad|d(out|next|prev|[a-z]|[a-z][0-9])_?[a-z]?$")


def _is_pair(subject):
    return isinstance(subject.layer, (tuple, list))


def _is_readable(function):
    try:
        inspect.signature(function)
    except (TypeError, ValueError):
        return False
    return True


def _required(function):
    """Return the names of the arguments that a call must give by position."""
    return [
        name
        for name, argument in _arguments(function).items()
        if argument.default is argument.empty
        and argument.kind in (argument.POSITIONAL_ONLY, argument.POSITIONAL_OR_KEYWORD)
    ]


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


def _numbers_among(names, inputs):
    """Return advice about Python's own numbers among the inputs; "" if there is none."""
    numbers = [name for name, item in zip(names, inputs) if isinstance(item, (int, float))]
    if not numbers:
        return ""
    return f" ({numbers[0]} is a number of Python, a constant here: to check it, pass np.array({numbers[0]}))"


# --- nested inputs and outputs: an array, None, or a (named) tuple, list or dict of them ---


def _named_parts(item, name):
    """Return the named elements of a tuple, list or dict."""
    return [(f"{name}.{key}", element) for key, element in parts(item)]


def _is_nested(item):
    return isinstance(item, (tuple, list, dict))


def _arrays(item, name):
    """Return {name: array} for all that is not None in `item`."""
    if _is_nested(item):
        return {
            key: value
            for part, element in _named_parts(item, name)
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
        if isinstance(value, (np.ndarray, np.generic)) and _is_float(value)
    }


def _leaves(item):
    if _is_nested(item):
        return [leaf for _, element in parts(item) for leaf in _leaves(element)]
    return [item]


def _exchange(item, name, tensors):
    """Return a copy of `item` with its arrays exchanged for those that `tensors` has under their names."""
    if _is_nested(item):
        return _rebuild(item, [_exchange(inner, part, tensors) for part, inner in _named_parts(item, name)])
    return tensors[name].copy() if name in tensors else _copied(item)


def _copied(item):
    """Return a copy that forward may spoil; of an array by .copy(), because deepcopy is slow."""
    if isinstance(item, np.ndarray):
        return item.copy()
    try:
        return copy.deepcopy(item)
    except TypeError:  # a module, an open file, a lock: nothing that a forward pass spoils
        return item


def _fill(item, arrays):
    """Return `item` with its floating-point arrays replaced by the next of `arrays`, all else by None."""
    if _is_nested(item):
        return _rebuild(item, [_fill(element, arrays) for _, element in parts(item)])
    return next(arrays) if _is_float(item) else None


def _rebuild(item, elements):
    if isinstance(item, dict):
        return dict(zip(item, elements))
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
