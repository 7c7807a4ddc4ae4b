"""The layer: parameters, a forward that returns its record, a backward that reads it."""

import copy

import numpy as np

from minibert.layers.walk import contents, is_closed, walk

LISTED = 8  # parameters that a layer prints
paths = {}  # {layer: its path in a model}, which minibert.trace puts in place and trace.name writes


class Parameter:
    """An array that is learned, and the gradient of the loss with respect to it.

    Attributes:
        value: the array; layers read it at every call, optimizers write into it.
        grad:  an array of the same shape and dtype; `backward` adds to it, `zero_grad` fills it with zeros.

    Two layers share a weight by holding the same Parameter object.
    """

    def __init__(self, value):
        self.value = value
        self.grad = np.zeros(value.shape, value.dtype)

    def zero_grad(self):
        """Set the gradient to zero."""
        self.grad.fill(0)

    def __repr__(self):
        return f"Parameter({self.value.dtype} {self.value.shape})"


class Layer:
    """A set of parameters with a forward and a backward pass.

    A subclass defines

        y, cache = layer.forward(x)              # cache: a NamedTuple, the record of this forward pass
        d_x      = layer.backward(d_y, cache)    # adds to each parameter's .grad, returns the gradient of x

    and keeps nothing between the two: parameters and sublayers are its only state. They are found as
    attributes, and in lists, tuples and dicts that are attributes; the path is the name: "blocks.0.weight".
    """

    def parameters(self):
        """Return {dotted name: Parameter}; a shared Parameter is listed once, under its first name.

        Raises:
            TypeError: a set, an array of objects or a plain object holds a layer or Parameter.
            ValueError: two Parameters have the same name, as under the keys 1 and "1" of a dict.
        """
        parameters, known, closed = {}, set(), []
        for name, item in walk(self, _is_learned_or_closed):
            if _is_learned(item):
                known.add(id(item))
            else:
                closed.append((name, item))
            if isinstance(item, Parameter) and parameters.setdefault(name, item) is not item:
                owner = type(self).__name__
                raise ValueError(f"two Parameters of {owner} are named {name!r}: rename one of them")
        for name, holder in closed:
            for _, item in walk(holder, _is_learned, within=contents):
                if id(item) not in known:
                    raise TypeError(
                        f"{type(self).__name__}.{name} ({type(holder).__name__}) holds a layer or Parameter "
                        f"({type(item).__name__}) that parameters() would miss: it looks into layers, lists, "
                        "tuples and dicts only; use one of these"
                    )
        return parameters

    def zero_grad(self):
        """Set every gradient to zero."""
        for parameter in self.parameters().values():
            parameter.zero_grad()

    def astype(self, dtype):
        """Return a copy with values and gradients in `dtype`; who shares with whom is kept."""
        duplicate = copy.deepcopy(self)
        for parameter in duplicate.parameters().values():
            parameter.value = parameter.value.astype(dtype, copy=False)  # deepcopy has copied it
            parameter.grad = parameter.grad.astype(dtype, copy=False)
        return duplicate

    def replica(self):
        """Return a copy that shares the values and owns its gradients (for threads and data parallelism)."""
        parameters = self.parameters().values()
        shared = {id(array): array for parameter in parameters for array in (parameter.value, parameter.grad)}
        duplicate = copy.deepcopy(self, shared)  # deepcopy does not copy the objects in `shared`
        for parameter in duplicate.parameters().values():
            parameter.grad = np.zeros(parameter.value.shape, parameter.value.dtype)
        return duplicate

    def __repr__(self):
        """Return the path, once trace.name(model) was called, the class, and the parameters' shapes."""
        try:
            parameters = self.parameters()
        except (TypeError, ValueError) as error:
            return f"{type(self).__name__}({error})"
        listed = [f"{name} {item.value.shape}" for name, item in list(parameters.items())[:LISTED]]
        if len(parameters) > LISTED:
            listed.append(f"… {len(parameters)} parameters in all")
        path = paths.get(self)
        return f"{f'{path}: ' if path else ''}{type(self).__name__}({', '.join(listed)})"


def _is_learned(item):
    return isinstance(item, (Layer, Parameter))


def _is_learned_or_closed(item):
    return _is_learned(item) or is_closed(item)


def describe_cache(cache):
    """Return a cache as text, one line a field: names, dtypes and shapes, never numbers.

    Every cache class sets `__repr__ = describe_cache`, so that its name at a breakpoint shows its fields.
    Caches within it are named but not opened: type the longer path to see more.
    """
    width = max(map(len, cache._fields), default=0)
    lines = [f"  {name:<{width}}  {_describe(value)}" for name, value in zip(cache._fields, cache)]
    return "\n".join([type(cache).__name__, *lines])


def _describe(value):
    if isinstance(value, (np.ndarray, np.generic)):
        return f"{value.dtype} {value.shape}"
    if isinstance(value, list):
        return f"[{len(value)} x {_describe(value[0])}]" if value else "[]"
    if hasattr(value, "_fields"):
        return f"{type(value).__name__}({', '.join(value._fields)})"
    return repr(value)
