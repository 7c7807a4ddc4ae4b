"""Parameter, Layer and the text of a cache."""

import pprint
from typing import NamedTuple

import numpy as np
import pytest

from minibert.layers import Layer, Linear, Parameter
from minibert.layers.base import describe_cache


class Nested(Layer):
    """Parameters of its own, in a sublayer, in a list, in a list of lists, and one that is shared."""

    def __init__(self):
        self.size = 3
        self.scale = Parameter(np.ones(2, np.float32))
        self.first = Linear(2, 3)
        self.blocks = [Linear(3, 3), [Parameter(np.zeros(4, np.float32))], "not a layer"]
        self.tied = self.first.weight
        self.again = self.blocks[0]


NAMES = ["scale", "first.weight", "first.bias", "blocks.0.weight", "blocks.0.bias", "blocks.1.0"]


def test_names_are_attributes_in_order_and_a_shared_parameter_is_listed_once():
    layer = Nested()
    assert list(layer.parameters()) == NAMES
    assert layer.parameters()["first.weight"] is layer.first.weight is layer.tied


def test_names_of_a_layer_without_parameters():
    assert Layer().parameters() == {}


def test_a_gradient_starts_at_zero_like_its_value():
    parameter = Parameter(np.ones((2, 3), np.complex128))
    assert parameter.grad.shape == (2, 3)
    assert parameter.grad.dtype == np.complex128
    assert not parameter.grad.any()


def test_a_parameter_prints_without_numbers():
    assert repr(Parameter(np.ones((2, 3), np.float32))) == "Parameter(float32 (2, 3))"


def test_zero_grad_empties_in_place():
    layer = Nested()
    grads = [parameter.grad for parameter in layer.parameters().values()]
    for grad in grads:
        grad += 7
    layer.zero_grad()
    assert all(parameter.grad is grad for parameter, grad in zip(layer.parameters().values(), grads))
    assert not any(grad.any() for grad in grads)


def test_grad_is_a_plain_array_that_zero_grad_empties_in_place():
    parameter = Parameter(np.ones((2, 4), np.float32))
    array = parameter.grad
    assert type(array) is np.ndarray and "grad" in vars(parameter)
    array += 7
    parameter.zero_grad()
    assert parameter.grad is array and not array.any()


def test_gradients_that_are_added_to_by_hand_start_from_zero():
    parameter = Parameter(np.ones(3))
    parameter.grad += 7
    parameter.zero_grad()
    parameter.grad += 1
    assert np.array_equal(parameter.grad, [1, 1, 1])


# --- astype ---


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_astype_converts_values_and_gradients(dtype):
    layer = Nested()
    layer.first.weight.grad += 0.5
    duplicate = layer.astype(dtype)
    assert list(duplicate.parameters()) == NAMES
    for name, parameter in duplicate.parameters().items():
        assert parameter.value.dtype == parameter.grad.dtype == dtype
        assert np.array_equal(parameter.value, layer.parameters()[name].value)
        assert np.array_equal(parameter.grad, layer.parameters()[name].grad)
    assert all(parameter.value.dtype == np.float32 for parameter in layer.parameters().values())


def test_astype_keeps_who_shares_with_whom():
    duplicate = Nested().astype(np.float64)
    assert duplicate.tied is duplicate.first.weight
    assert duplicate.again is duplicate.blocks[0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_astype_copies(dtype):
    layer = Nested()
    before = layer.first.weight.value.copy()
    duplicate = layer.astype(dtype)
    duplicate.first.weight.value += 1
    duplicate.first.weight.grad += 1
    duplicate.size = 4
    assert np.array_equal(layer.first.weight.value, before)
    assert not layer.first.weight.grad.any()
    assert layer.size == 3


# --- replica ---


def test_a_replica_shares_values_and_owns_its_gradients():
    layer = Nested()
    layer.first.weight.grad += 1
    replica = layer.replica()
    assert list(replica.parameters()) == NAMES
    for name, parameter in replica.parameters().items():
        assert parameter is not layer.parameters()[name]
        assert parameter.value is layer.parameters()[name].value
        assert not np.shares_memory(parameter.grad, layer.parameters()[name].grad)
        assert not parameter.grad.any()
    assert (layer.first.weight.grad == 1).all()


def test_a_replica_keeps_who_shares_with_whom():
    replica = Nested().replica()
    assert replica.tied is replica.first.weight
    assert replica.again is replica.blocks[0]


def test_a_replica_sees_what_is_written_in_place():
    layer, x = Linear(3, 2), np.ones((1, 3), np.float32)
    replica = layer.replica()
    layer.weight.value[...] = 5
    layer.bias.value += 1
    assert replica.forward(x)[0].tolist() == [[16, 16]]


def test_gradients_of_a_replica_are_independent():
    layer, x = Linear(3, 2), np.ones((1, 3), np.float32)
    first, second = layer.replica(), layer.replica()
    y, cache = first.forward(x)
    first.backward(np.ones_like(y), cache)
    assert first.weight.grad.all()
    assert not second.weight.grad.any()
    assert not layer.weight.grad.any()


def test_a_replica_of_a_replica():
    layer = Nested()
    assert layer.replica().replica().tied.value is layer.tied.value


def test_a_rebound_value_is_read_at_the_next_call():
    layer, x = Linear(3, 2), np.ones((1, 3), np.float32)
    layer.forward(x)
    layer.weight.value = np.full((3, 2), 7, np.float32)
    y, cache = layer.forward(x)
    assert y.tolist() == [[21, 21]]
    assert layer.backward(np.ones_like(y), cache).tolist() == [[14, 14, 14]]


# --- the text of a cache ---


class InnerCache(NamedTuple):
    x: np.ndarray
    __repr__ = describe_cache


class OuterCache(NamedTuple):
    probs: np.ndarray
    loss: np.floating
    mask: np.ndarray | None
    inner: InnerCache
    layers: list
    nothing: list
    __repr__ = describe_cache


CACHE = OuterCache(
    np.full((2, 3), 0.125),
    np.float32(0.125),
    None,
    InnerCache(np.full(4, 0.125, np.float32)),
    [InnerCache(np.full(4, 0.125))] * 12,
    [],
)


def test_a_cache_prints_names_dtypes_and_shapes():
    assert repr(CACHE).split("\n") == [
        "OuterCache",
        "  probs    float64 (2, 3)",
        "  loss     float32 ()",
        "  mask     None",
        "  inner    InnerCache(x)",
        "  layers   [12 x InnerCache(x)]",
        "  nothing  []",
    ]
    assert repr(CACHE.inner) == "InnerCache\n  x  float32 (4,)"


@pytest.mark.parametrize(
    "show", [repr, str, "{}".format, pprint.pformat], ids=["repr", "str", "format", "pp"]
)
def test_no_way_of_printing_a_cache_shows_numbers(show):
    assert show(CACHE) == repr(CACHE)
    assert "0.125" not in show([CACHE])
