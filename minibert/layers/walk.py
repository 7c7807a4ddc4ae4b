"""Walk through the record of a forward pass by name."""

import numpy as np


def tensors(cache, path="cache"):
    """Yield (path, array) for every array in a cache, in the order of its fields; the path can be typed at a breakpoint."""
    if isinstance(cache, (np.ndarray, np.generic)):
        yield path, cache
    elif hasattr(cache, "_fields"):
        for name, value in zip(cache._fields, cache):
            yield from tensors(value, f"{path}.{name}")
    elif isinstance(cache, (list, tuple)):
        for index, value in enumerate(cache):
            yield from tensors(value, f"{path}[{index}]")


def first_non_finite(model, cache):
    """Return the name of the first parameter, else of the first array in the cache, that holds a NaN or an infinity, or None."""
    for name, parameter in model.parameters().items():
        if not np.isfinite(parameter.value).all():
            return name
    for path, array in tensors(cache):
        if not np.isfinite(array).all():
            return path
    return None


def nodes(cache, path="cache"):
    """Yield (path, cache) for a cache and every cache within it."""
    if hasattr(cache, "_fields"):
        yield path, cache
        for name, value in zip(cache._fields, cache):
            yield from nodes(value, f"{path}.{name}")
    elif isinstance(cache, list):
        for index, value in enumerate(cache):
            yield from nodes(value, f"{path}[{index}]")


def join(path, name):
    """Return `path.name`, or `name` alone where the path is empty."""
    return f"{path}.{name}" if path else name
