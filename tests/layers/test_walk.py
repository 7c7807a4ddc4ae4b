"""The walk: where layers, Parameters, records and arrays are found, under which paths, and the refusals."""

import collections
import dataclasses
import types
from typing import NamedTuple

import numpy as np
import pytest

from minibert.layers import Dropout, Layer, Linear, Parameter
from minibert.layers.base import describe_cache
from minibert.layers.walk import (
    contents,
    first_non_finite,
    is_array,
    is_layer,
    is_record,
    parts,
    tensors,
    typed,
    walk,
)


class Holder(Layer):
    """A layer with the attributes that it is given."""

    def __init__(self, **attributes):
        vars(self).update(attributes)


class Pair(NamedTuple):
    left: object
    right: object


class Foreign:
    """Somebody else's layer: a forward and a backward, and no Layer."""

    def __init__(self):
        self.gain = Parameter(np.ones(2))

    def forward(self, x):
        return self.gain.value * x, x

    def backward(self, d_y, cache):
        self.gain.grad += d_y * cache
        return d_y * self.gain.value


def parameter(size=1):
    return Parameter(np.ones(size))


def paths(item, kind, **options):
    return [path for path, _ in walk(item, kind, **options)]


# --- parameters: in every container, in order, each once ----------------------------------------------------


@pytest.mark.parametrize(
    "blocks, names",
    [
        ([parameter(), parameter()], ["blocks.0", "blocks.1"]),
        ((parameter(), parameter()), ["blocks.0", "blocks.1"]),
        ({"b": parameter(), "a": parameter()}, ["blocks.b", "blocks.a"]),
        ({7: parameter()}, ["blocks.7"]),
        (Pair(parameter(), [parameter()]), ["blocks.left", "blocks.right.0"]),
        (collections.OrderedDict(b=(parameter(),)), ["blocks.b.0"]),
        ([[({"deep": parameter()},)]], ["blocks.0.0.0.deep"]),
        (Holder(inner=Holder(own=parameter())), ["blocks.inner.own"]),
        (Foreign(), ["blocks.gain"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_parameters_are_found_in_every_container(blocks, names):
    layer = Holder(first=parameter(), blocks=blocks, last=parameter())
    assert list(layer.parameters()) == ["first", *names, "last"]


def test_layers_in_a_tuple_are_trained():
    layer = Holder(blocks=(Linear(3, 2), Linear(2, 4)))
    layer.blocks[1].weight.grad += 1
    assert list(layer.parameters()) == [
        "blocks.0.weight",
        "blocks.0.bias",
        "blocks.1.weight",
        "blocks.1.bias",
    ]
    layer.zero_grad()
    assert not layer.blocks[1].weight.grad.any()
    assert layer.astype(np.float64).blocks[0].weight.value.dtype == np.float64
    assert layer.replica().blocks[0].weight.value is layer.blocks[0].weight.value


def test_a_shared_parameter_has_its_first_name():
    shared, layer = parameter(), Linear(2, 3)
    holder = Holder(one={"tied": shared}, two=(shared, layer), three=layer, four=[shared])
    assert list(holder.parameters()) == ["one.tied", "two.1.weight", "two.1.bias"]
    assert holder.parameters()["one.tied"] is shared


def test_the_order_is_that_of_the_attributes():
    layer = Holder(z=parameter(), a=Holder(y=parameter(), b=parameter()), m=[parameter()])
    assert list(layer.parameters()) == ["z", "a.y", "a.b", "m.0"]


def test_circles_end():
    parent = Holder(own=parameter())
    child = Holder(parent=parent, own=parameter())
    parent.children = [child, child]
    parent.itself = {"parent": parent}
    parent.children.append(parent.children)
    assert list(parent.parameters()) == ["own", "children.0.own"]
    assert list(child.parameters()) == ["parent.own", "own"]
    assert paths(parent.children, lambda item: isinstance(item, Parameter)) == ["0.parent.own", "0.own"]


def test_many_layers_that_know_each_other_are_each_visited_once():
    """And not once for each of the 5! ways through them."""
    layers = [Holder(own=parameter()) for _ in range(6)]
    for layer in layers:
        layer.others = layers
    visited = []
    assert list(walk(layers[0], visited.append)) == []
    assert len([item for item in visited if isinstance(item, Holder)]) == 6


def test_two_parameters_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two Parameters of Holder are named 'blocks.1': rename one of them"):
        Holder(blocks={1: parameter(), "1": parameter()}).parameters()


class Kind(Linear):
    default = parameter()


def test_code_is_not_entered():
    """A class, a module, a function, a method: what they hold is not the layer's."""
    module = types.ModuleType("module")
    module.model = Linear(2, 3)

    def function(x):
        return x

    function.layer = Linear(2, 3)
    layer = Holder(kind=Kind, function=function, method=Linear(2, 3).forward, ufunc=np.tanh, module=module)
    assert layer.parameters() == {}
    assert paths(layer, is_layer) == []  # Holder has no passes, and a class is no layer


# --- refusals: what would be lost without a word ------------------------------------------------------------


@dataclasses.dataclass
class Plain:
    inner: object


class Slotted:
    __slots__ = ("inner",)


def slotted(inner):
    found = Slotted()
    found.inner = inner
    return found


def object_array(inner):
    array = np.empty((1, 2), object)
    array[0, 1] = inner
    return array


HIDERS = {
    "set": lambda inner: {inner},
    "frozenset": lambda inner: frozenset([inner]),
    "deque": lambda inner: collections.deque([inner]),
    "ndarray": object_array,
    "Plain": Plain,
    "SimpleNamespace": lambda inner: types.SimpleNamespace(list=[(inner,)]),
    "Slotted": slotted,
}


@pytest.mark.parametrize("kind", HIDERS)
@pytest.mark.parametrize(
    "inner", [Linear(2, 3), Parameter(np.ones(2)), Dropout(0.5)], ids=lambda inner: type(inner).__name__
)
@pytest.mark.parametrize("deeper", [False, True])
def test_a_layer_out_of_reach_is_refused(kind, inner, deeper):
    hider = HIDERS[kind](inner)
    layer = Holder(blocks=[Holder(hider=Plain({"key": hider}) if deeper else hider)])
    with pytest.raises(TypeError) as error:
        layer.parameters()
    where, found = "Plain" if deeper else kind, type(inner).__name__
    assert str(error.value) == (
        f"Holder.blocks.0.hider ({where}) holds a layer or Parameter ({found}) that parameters() would miss: "
        "it looks into layers, lists, tuples and dicts only; use one of these"
    )


def test_what_is_within_reach_as_well_is_not_refused():
    """A set of the frozen parameters, a plain object that knows its model."""
    layer = Holder(first=Linear(2, 3))
    layer.frozen = {layer.first.weight}
    layer.log = Plain(layer)
    layer.log.inner_most = Plain(layer.log)
    assert list(layer.parameters()) == ["first.weight", "first.bias"]


def test_what_holds_nothing_to_learn_is_not_refused():
    layer = Holder(
        config=Plain([1, "two"]),
        words={"a", "b"},
        names=np.array(["a", None], object),
        array=np.ones(3),
        rng=np.random.default_rng(0),
    )
    assert layer.parameters() == {}


# --- layers -------------------------------------------------------------------------------------------------


class Chain(Layer):
    """Runs its layers one after the other."""

    def __init__(self, *layers):
        self.layers = layers

    def forward(self, x):
        for layer in self.layers:
            x, _ = layer.forward(x)
        return x, None

    def backward(self, d_y, cache):
        raise NotImplementedError


def test_layers_by_their_paths():
    shared = Dropout(0.1)
    chain = Chain(Linear(2, 3), shared, Foreign(), {"side": Chain(shared)})
    assert paths(chain, is_layer) == ["", "layers.0", "layers.1", "layers.2", "layers.3.side"]
    assert paths(chain, is_layer, join=typed)[-1] == "layers[3]['side']"
    assert eval("chain.layers[3]['side']", {"chain": chain}) is dict(walk(chain, is_layer))["layers.3.side"]
    assert paths([chain], is_layer, path="models")[:2] == ["models.0", "models.0.layers.0"]


def test_a_pair_of_functions_holds_no_layer():
    assert paths((np.sin, np.cos), is_layer) == []


# --- records ------------------------------------------------------------------------------------------------


class InnerCache(NamedTuple):
    x: np.ndarray
    mask: np.ndarray | None
    __repr__ = describe_cache


class OuterCache(NamedTuple):
    first: InnerCache
    layers: list
    sides: dict
    loss: np.floating
    shape: tuple
    layer: object
    __repr__ = describe_cache


@pytest.fixture
def cache():
    x, mask = np.ones(2), np.array([True])
    inner = InnerCache(x, mask)
    sides = {"left": inner, 2: (np.zeros(3), InnerCache(x, None))}
    return OuterCache(
        inner, [inner, InnerCache(x + 1, None)], sides, np.float32(1), (2, 3), Holder(own=np.ones(1))
    )


def test_arrays_of_a_record_in_order_each_at_every_path(cache):
    found = [
        "first.x",
        "first.mask",
        "layers.0.x",
        "layers.0.mask",
        "layers.1.x",
        "sides.left.x",
        "sides.left.mask",
    ]
    found += ["sides.2.0", "sides.2.1.x", "loss"]
    assert (
        paths(cache, is_array, within=parts) == found
    )  # and not layer.own: a record does not go into layers
    assert dict(walk(cache, is_array, within=parts))["layers.1.x"] is cache.layers[1].x


def test_records_of_a_record(cache):
    found = ["", "first", "layers.0", "layers.1", "sides.left", "sides.2.1"]
    assert paths(cache, is_record, within=parts) == found
    assert not is_record((1, 2))


def test_every_typed_path_is_python(cache):
    found = dict(tensors(cache))
    assert list(found)[-3:] == ["cache.sides[2][0]", "cache.sides[2][1].x", "cache.loss"]
    assert "cache.sides['left'].mask" in found
    for path, array in found.items():
        assert eval(path, {"cache": cache}) is array


def test_a_record_that_holds_itself_ends():
    record = Pair([np.ones(1)], None)
    record.left.append(record)
    assert paths(record, is_array, within=parts) == ["left.0"]


def test_contents_enter_everything():
    holder = Plain({"a": frozenset([np.float64(2)]), "b": object_array(np.ones(2))})
    assert paths([holder], is_array, within=contents) == ["0.inner.a.0", "0.inner.b", "0.inner.b.1"]


# --- what is not finite -------------------------------------------------------------------------------------


def test_the_first_that_is_not_finite_by_name(cache):
    model = Holder(blocks=(Linear(2, 3),))
    assert first_non_finite(model, cache) is None
    cache.sides[2][0][1] = np.nan
    assert first_non_finite(model, cache) == "cache.sides[2][0]"
    cache.layers[1].x[0] = np.inf
    assert first_non_finite(model, cache) == "cache.layers[1].x"
    model.blocks[0].bias.value[0] = -np.inf
    assert first_non_finite(model, cache) == "blocks.0.bias"  # parameters come first: they are the cause
