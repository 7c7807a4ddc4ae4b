"""One tree: a layer's record holds its children's records under the names that the children have."""

from typing import NamedTuple

import numpy as np
import pytest

from minibert.gradcheck.cases import CASES
from minibert.layers import FeedForward, RecomputedEncoderLayer
from minibert.layers.walk import CONTAINERS, children, is_layer, is_record, walk


def watched(layer, inputs, forward_kwargs):
    """Run forward; return its cache and [(sublayer, its cache)] in call order, all but the whole."""
    calls = []

    def listen(sublayer):
        plain = sublayer.forward

        def forward(*given, **named):
            output, cache = plain(*given, **named)
            calls.append((sublayer, cache))
            return output, cache

        sublayer.forward = forward

    sublayers = [sublayer for path, sublayer in walk(layer, is_layer) if path]
    for sublayer in sublayers:
        listen(sublayer)
    try:
        _, cache = layer.forward(*inputs, **forward_kwargs)
    finally:
        for sublayer in sublayers:
            del sublayer.forward
    return cache, calls


def differences(path, layer, cache, calls):
    """Yield what is wrong with the record of a layer, and of all layers within; a recomputed one has none."""
    if isinstance(layer, RecomputedEncoderLayer):
        return
    for name, child in children(layer):
        if is_layer(child) or isinstance(child, CONTAINERS) and any(is_layer(x) for _, x in children(child)):
            where = f"{path}.{name}".removeprefix(".")
            if not is_record(cache) or name not in cache._fields:
                yield f"{where}: {type(cache).__name__} has no field {name!r}"
            else:
                yield from of_child(where, child, getattr(cache, name), calls)
    own = {str(name) for name, child in children(layer)}
    for field, value in zip(getattr(cache, "_fields", ()), cache if is_record(cache) else ()):
        if field not in own and any(value is made for _, made in calls if is_record(made)):
            yield f"{path}.{field}".removeprefix(".") + ": is a layer's record, under another name"


def of_child(path, child, held, calls):
    """Yield what is wrong with the field of a layer, or of a list, tuple or dict of layers."""
    if not is_layer(child):
        keys = [key for key, _ in children(child)]
        of_field = [key for key, _ in children(held)] if isinstance(held, CONTAINERS) else None
        if of_field != keys:
            yield f"{path}: holds {of_field}, expected the keys {keys}"
        else:
            for (key, element), (_, record) in zip(children(child), children(held)):
                yield from of_child(f"{path}.{key}", element, record, calls)
        return
    made = [cache for layer, cache in calls if layer is child]
    uses = held if isinstance(held, list) else [held] if held is not None else []
    if isinstance(held, list) and len(made) == 1 or len(uses) != len(made):
        yield f"{path}: holds {type(held).__name__} of {len(uses)}, but the layer ran {len(made)} times"
        return
    for number, use in enumerate(uses):
        where = path if len(uses) == 1 else f"{path}.{number}"
        if use is not made[number]:
            yield f"{where}: is not what the layer's forward returned"
        else:
            within = calls if len(uses) == 1 else up_to(calls, child, number)
            yield from differences(where, child, use, within)


def up_to(calls, layer, number):
    """Return the calls that a layer's use of that number made: those since the use before it."""
    ends = [place for place, (called, _) in enumerate(calls) if called is layer]
    start = ends[number - 1] + 1 if number else 0
    return calls[start : ends[number]]


def test_the_records_are_under_the_layers_names():
    for name in CASES:
        case = CASES[name]
        if is_layer(case.layer):  # a pair of functions has no layers
            cache, calls = watched(*case)
            assert list(differences("", case.layer, cache, calls)) == [], name


class Cache(NamedTuple):
    inner: object


class Other(NamedTuple):
    other: object


class Outer:
    """A layer that calls another and makes a record of it, right or wrong."""

    def __init__(self, inner, record):
        self.inner, self.record = inner, record

    def forward(self, x):
        return x, self.record(self.inner.forward, x)

    def backward(self, d_x, cache):
        return d_x


@pytest.mark.parametrize("record, expected", [
    (lambda forward, x: Cache(forward(x)[1]), []),
    (lambda forward, x: Cache([forward(x)[1], forward(x)[1]]), []),
    (lambda forward, x: Cache(None), []),
    (lambda forward, x: Other(forward(x)[1]), ["has no field 'inner'", "under another name"]),
    (lambda forward, x: Cache([forward(x)[1]]), ["holds list of 1, but the layer ran 1 times"]),
    (lambda forward, x: Cache(forward(x) and None), ["holds NoneType of 0, but the layer ran 1 times"]),
    (lambda forward, x: Cache(forward(x) and forward(x)[1]), ["of 1, but the layer ran 2 times"]),
    (lambda forward, x: Cache(forward(x)[1]._replace(output=None)), ["is not what the layer's forward"]),
    (lambda forward, x: Cache([forward(x)[1] for _ in "ab"][::-1]), ["inner.0: is not", "inner.1: is not"]),
])
def test_each_rule_can_be_broken(record, expected):
    layer = Outer(FeedForward(3, 5), record)
    found = list(differences("", layer, *watched(layer, [np.ones((2, 3), np.float32)], {})))
    assert len(found) == len(expected) and all(map(str.__contains__, found, expected)), found
