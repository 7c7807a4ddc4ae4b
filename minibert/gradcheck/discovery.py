"""Where a layer keeps its weights: Parameters, and the bare arrays of the field's teaching code.

    parameters() -> {name: object with .value and .grad}      minibert's contract
    objects with .value and .grad                             found wherever the layer keeps them
    self.params, self.grads           lists or dicts          (K. Saito, Deep Learning from Scratch)
    self.parameters, self.gradients   dicts                   (D. Bourgin, numpy-ml)
    self.W, self.dW                   (d_W, grad_W, W_grad)   the CS231n names, as attributes
"""

import numpy as np

from minibert.gradcheck.errors import GradientCheckError
from minibert.layers.walk import dotted, is_array, parts, walk

PAIRS = (("params", "grads"), ("parameters", "gradients"), ("parameters", "grads"), ("params", "gradients"))
GRADIENT_NAMES = ("d{}", "d_{}", "grad_{}", "{}_grad", "g{}")


class ArrayParameter:
    """An array on a layer that plays a Parameter: it is exchanged wherever the layer keeps it.

    Args:
        array: as it was found.
        read: function that returns the gradient, or None where there is none yet.
        memory: the Memory that knows the places of arrays.
    """

    def __init__(self, array, read, memory):
        self.read = read
        self.array = self._value = array
        self.places = memory.places.get(id(array), [])
        self.gradient_places = memory.places.get(id(read()), []) if is_array(read()) else []

    @property
    def value(self):
        return self._value

    @value.setter
    def value(self, value):
        self._value = value
        for place in self.places:
            place.put(value)

    @property
    def grad(self):
        return self.read()

    @grad.setter
    def grad(self, grad):
        for place in self.gradient_places:
            place.put(grad)


def arrays_of(parameter):
    """Return the arrays of a parameter that the check exchanges for its own, and never writes into."""
    if isinstance(parameter, ArrayParameter):
        return [parameter.array]
    return [parameter.value, parameter.grad]


def find_parameters(layer, memory):
    """Return ({name: parameter}, {name: ArrayParameter of a float array whose gradient nobody knows})."""
    if isinstance(layer, (tuple, list)):
        return {}, {}
    found = _Found(memory)
    for name, parameter in _listed(layer).items():
        found.add(name, parameter)
    for path, parameter in walk(layer, _is_parameter, within=_inside):
        found.add(path, parameter)
    owners = list(walk(layer, _is_owner, within=_inside))
    for path, owner in owners:
        for name, array, read in _arrays_with_gradients(owner):
            found.add_array(dotted(path, None, name), array, read)
    unseen = {}
    for path, owner in owners:
        for name, array in walk(vars(owner), is_array, within=parts):
            known = found.known | {id(parameter.array) for parameter in unseen.values()}
            if isinstance(array, np.ndarray) and array.dtype.kind == "f" and id(array) not in known:
                unseen[dotted(path, None, name)] = ArrayParameter(array, lambda: None, memory)
    return found.parameters, unseen


class _Found:
    """The parameters found so far, each once."""

    def __init__(self, memory):
        self.memory, self.parameters, self.known = memory, {}, set()

    def add(self, name, parameter):
        value = parameter.value
        is_number = is_array(value) and np.asarray(value).dtype.kind in "iuf"
        if not is_number or id(parameter) in self.known:
            return
        self.known |= {id(parameter), id(value), id(parameter.grad)}
        self.parameters[name] = parameter

    def add_array(self, name, array, read):
        if id(array) not in self.known and name not in self.parameters:
            self.known |= {id(array), id(read())}
            self.parameters[name] = ArrayParameter(array, read, self.memory)


def _listed(layer):
    """Return the result of parameters(), {} if there is no such method."""
    if not callable(getattr(layer, "parameters", None)):
        return {}
    parameters, again = layer.parameters(), layer.parameters()
    if isinstance(parameters, (list, tuple)) and all(map(_is_parameter, parameters)):
        parameters, again = dict(enumerate(parameters)), dict(enumerate(again))
        parameters = {str(key): parameter for key, parameter in parameters.items()}
        again = {str(key): parameter for key, parameter in again.items()}
    if not isinstance(parameters, dict):
        raise GradientCheckError(
            f"parameters() must return a dict name -> parameter, not a {type(parameters).__name__}"
        )
    for name, parameter in parameters.items():
        if not _is_parameter(parameter):
            raise GradientCheckError(
                f"parameter {name!r} must be an object with .value and .grad, as minibert's "
                f"Parameter is, not a {type(parameter).__name__}"
            )
        if again.get(name) is not parameter:
            raise GradientCheckError(
                f"parameters() makes a new {name!r} at every call: make the parameters once, in "
                "__init__, let forward read their .value, and return those objects"
            )
    return parameters


def _arrays_with_gradients(owner):
    """Yield (name, array, function that reads its gradient) for the arrays of one object."""
    attributes = vars(owner)
    for values, gradients in PAIRS:
        if isinstance(attributes.get(values), (dict, list, tuple)) and gradients in attributes:
            for path, array in _float_leaves(attributes[values]):
                names = [name for name, other in attributes.items() if other is array]
                yield names[0] if names else _path(values, path), array, _reader(owner, gradients, path)
    for name, array in list(attributes.items()):
        if isinstance(array, np.ndarray) and array.dtype.kind == "f":
            names = [form.format(name) for form in GRADIENT_NAMES]
            partner = next((other for other in names if other in attributes), None)
            if partner is not None:
                yield name, array, _reader(owner, partner, ())


def _float_leaves(item, path=()):
    for key, element in parts(item):
        if isinstance(element, np.ndarray) and element.dtype.kind in "iuf":
            yield (*path, key), element
        elif isinstance(element, (dict, list, tuple)):
            yield from _float_leaves(element, (*path, key))


def _path(name, path):
    return ".".join(map(str, (name, *path)))


def _reader(owner, name, path):
    """Return a function that follows `path` from an attribute, and returns None where it ends early."""

    def read():
        item = getattr(owner, name, None)
        for key in path:
            try:
                item = item[key]
            except (KeyError, IndexError, TypeError):
                return None
        return item

    return read


def _is_parameter(item):
    if isinstance(item, type) or isinstance(item, np.ndarray):
        return False
    return all(hasattr(item, name) for name in ("value", "grad")) and is_array(item.value)


def _is_owner(item):
    return isinstance(getattr(item, "__dict__", None), dict) and not _is_parameter(item)


def _inside(item):
    """Return the children of any object but code: layers of other people have no parameters()."""
    if isinstance(item, (dict, list, tuple)):
        return parts(item)
    if isinstance(item, type) or callable(item) and not hasattr(item, "forward"):
        return []
    return list(vars(item).items()) if isinstance(getattr(item, "__dict__", None), dict) else []
