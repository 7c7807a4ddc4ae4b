"""One walk, by name, over the layers and Parameters of a model and over the records and arrays of a pass.

    dict(walk(model, is_layer))["bert.encoder.1.attention"]                      # a layer of the model
    dict(walk(cache, is_array, within=parts))["bert.encoder.1.attention.probs"]  # an array of the record

Paths are dotted. With join=typed they can be typed at a breakpoint: encoder[1].attention.
"""

import collections
import types

import numpy as np

CONTAINERS = (dict, list, tuple)
UNORDERED = (set, frozenset, collections.deque)
CODE = (type, types.ModuleType, types.FunctionType, types.MethodType)
SIMPLE = (str, bytes, bool, int, float, complex, type(None))  # exactly: NumPy's float64 is a float, too


def dotted(path, holder, key):
    """Return the path of a child from its holder's path and its key: "bert.encoder.1"."""
    return f"{path}.{key}" if path else str(key)


def typed(path, holder, key):
    """Return the same path as Python reads it: "bert.encoder[1]", "blocks['left']"."""
    is_attribute = not isinstance(holder, CONTAINERS) or hasattr(holder, "_fields")
    return dotted(path, holder, key) if is_attribute else f"{path}[{key!r}]"


# --- who holds whom -----------------------------------------------------------------------------------------


def parts(item):
    """Return [(key, element)] of a dict, a named tuple (its fields), a list or a tuple; else []."""
    if isinstance(item, dict):
        return list(item.items())
    if isinstance(item, (list, tuple)):
        return list(zip(getattr(item, "_fields", range(len(item))), item))
    return []


def children(item):
    """Return [(key, child)] of a layer (its attributes) and of everything that has parts; else []."""
    if isinstance(item, CONTAINERS):
        return parts(item)
    has_parameters = callable(getattr(item, "parameters", None)) and not isinstance(item, type)
    if has_parameters or is_layer(item):  # a Layer need not have both passes
        return list(getattr(item, "__dict__", {}).items())
    return []


def contents(item):
    """Return [(key, child)] of everything but code: of sets, arrays of objects and plain objects, too."""
    if isinstance(item, CONTAINERS):
        return parts(item)
    if isinstance(item, UNORDERED):
        return list(enumerate(item))
    if isinstance(item, np.ndarray):
        return list(enumerate(item.ravel().tolist())) if item.dtype.hasobject else []
    if isinstance(item, CODE):
        return []
    slots = [name for owner in type(item).__mro__ for name in getattr(owner, "__slots__", ())]
    named = [(name, getattr(item, name)) for name in slots if hasattr(item, name)]
    return named + list(getattr(item, "__dict__", {}).items())


# --- the walk -----------------------------------------------------------------------------------------------


def walk(item, kind, path="", join=dotted, within=children):
    """Yield (path, found) for all of a kind in `item`, itself included, in the order of their places.

    Args:
        item: a layer, a record (the cache of a forward pass), or a dict, list or tuple of such.
        kind: function that tells whether an object is wanted: is_layer, is_record, is_array, ...
        path: the path of `item` itself.
        join: how paths are written: dotted or typed.
        within: where to look: children; parts, which enters no layer; contents, which enters everything.

    A layer or Parameter is found once, under its first path; an array, record or list under every path.
    Nothing is entered from within itself: a list of itself, or two layers that hold each other, end the walk.
    """
    yield from _walk(item, kind, path, join, within, entered=set())


def _walk(item, kind, path, join, within, entered):
    if id(item) in entered:
        return
    if kind(item):
        yield path, item
    entered.add(id(item))
    for key, child in within(item):
        if type(child) not in SIMPLE:
            yield from _walk(child, kind, join(path, item, key), join, within, entered)
    if isinstance(item, CONTAINERS) or is_array(item):
        entered.remove(id(item))


def is_layer(item):
    """Whether this has a forward and a backward: a Layer, or an object that plays one."""
    has_both = callable(getattr(item, "forward", None)) and callable(getattr(item, "backward", None))
    return has_both and not isinstance(item, type)


def is_record(item):
    """Whether this is a named tuple, as every cache is."""
    return isinstance(item, tuple) and hasattr(item, "_fields")


def is_array(item):
    """Whether this is an array or one of NumPy's scalars, as a loss is."""
    return isinstance(item, (np.ndarray, np.generic))


def is_closed(item):
    """Whether this holds something that `walk` passes by: a set, an array of objects, a plain object."""
    return not children(item) and bool(contents(item))


# --- the arrays of a pass -----------------------------------------------------------------------------------


def tensors(cache, path="cache"):
    """Yield (path, array) for every array in a cache, in the order of its fields; the path can be typed."""
    return walk(cache, is_array, path, typed, within=parts)


def num_bytes(cache):
    """Return the bytes of the arrays in a cache, each counted once, a view as the array that it looks at."""
    sizes = {}
    for _, array in tensors(cache):
        while isinstance(getattr(array, "base", None), np.ndarray):
            array = array.base
        sizes[id(array)] = array.nbytes
    return sum(sizes.values())


def first_non_finite(model, cache):
    """Return the path of the first array that is not finite, of the parameters or else the cache; or None."""
    named = [(name, parameter.value) for name, parameter in model.parameters().items()]
    for name, array in [*named, *tensors(cache)]:
        if not np.isfinite(array).all():
            return name
    return None
