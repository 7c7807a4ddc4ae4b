"""The promises of a layer that no gradient check sees: nothing kept or overwritten, gradients add up."""

import copy
import re

import numpy as np
import pytest
from helpers import INPUT_IDS, KEY_MASK, A, B, F, H, S, T, V, assert_same, grads, random, scrambled

from minibert.layers import (
    GELU,
    CrossEntropy,
    Dropout,
    Embedding,
    EncoderLayer,
    FeedForward,
    HeadOutput,
    HeadProjection,
    Layer,
    LayerNorm,
    Linear,
    MultiHeadAttention,
    RecomputedEncoderLayer,
    ReLU,
    SiLU,
    SmoothedCrossEntropy,
    SquaredError,
    TanhGELU,
)
from minibert.trace import tensors

LABELS = np.where(INPUT_IDS % 3 == 0, INPUT_IDS, -100)  # 0 is a class, too
PADDING_AND_DROPOUT = {"mask": KEY_MASK, "rng": 5}

LAYERS = {
    "Linear": (Linear(H, F), [random(B, T, H)], {}),
    "Embedding": (Embedding(V, H), [INPUT_IDS], {}),
    "LayerNorm": (LayerNorm(H), [random(B, T, H)], {}),
    "GELU": (GELU(), [random(B, T, F)], {}),
    "ReLU": (ReLU(), [random(B, T, F)], {}),
    "SiLU": (SiLU(), [random(B, T, F)], {}),
    "TanhGELU": (TanhGELU(), [random(B, T, F)], {}),
    "Dropout": (Dropout(0.4), [random(B, T, H)], {"rng": 5}),
    "Dropout off": (Dropout(0.4), [random(B, T, H)], {}),
    "CrossEntropy": (CrossEntropy(), [random(B, T, V), LABELS], {}),
    "SmoothedCrossEntropy": (SmoothedCrossEntropy(0.2), [random(B, T, V), LABELS], {}),
    "SquaredError": (SquaredError(), [random(B, F), random(B, F, seed=2)], {}),
    "MultiHeadAttention": (MultiHeadAttention(H, A), [random(B, T, H)], {}),
    "MultiHeadAttention padding dropout": (
        MultiHeadAttention(H, A, dropout_prob=0.3),
        [random(B, T, H)],
        PADDING_AND_DROPOUT,
    ),
    "MultiHeadAttention two inputs": (MultiHeadAttention(H, A), [random(B, T, H), random(B, S, H)], {}),
    "HeadProjection": (HeadProjection(H, A), [random(B, T, H)], {}),
    "HeadOutput": (HeadOutput(H, A), [random(B, A, T, H // A)], {}),
    "FeedForward": (FeedForward(H, F), [random(B, T, H)], {}),
    "EncoderLayer": (EncoderLayer(H, A, F), [random(B, T, H)], {}),
    "EncoderLayer padding dropout": (
        EncoderLayer(H, A, F, hidden_act="gelu_new", dropout_prob=0.3, attention_dropout_prob=0.3),
        [random(B, T, H)],
        PADDING_AND_DROPOUT,
    ),
    "RecomputedEncoderLayer": (
        RecomputedEncoderLayer(EncoderLayer(H, A, F, dropout_prob=0.3)), [random(B, T, H)],
        PADDING_AND_DROPOUT,
    ),
}
every_layer = pytest.mark.parametrize("name", LAYERS)


def prepared(name, dtype=np.float64):
    """A fresh copy of the layer with weights of size one, its inputs, and a function that runs forward."""
    layer, inputs, options = LAYERS[name]
    layer = scrambled(layer.astype(np.float64)).astype(dtype)
    inputs = [x if np.issubdtype(x.dtype, np.integer) else x.astype(dtype) for x in inputs]

    def forward(*changed_inputs):
        seed = {"rng": np.random.default_rng(options["rng"])} if "rng" in options else {}
        return layer.forward(*(changed_inputs or inputs), **{**options, **seed})

    return layer, inputs, forward


def upstream(y, seed=8):
    return random(*y.shape, seed=seed).astype(y.dtype) if y.shape else y.dtype.type(1.7)


def other(inputs):
    """Inputs of the same shapes with other numbers."""

    def changed(x):
        if np.issubdtype(x.dtype, np.integer):
            return np.where(x >= 0, (x + 3) % V, x)
        return x[::-1] + 1

    return [changed(x) for x in inputs]


@every_layer
def test_forward_is_deterministic(name):
    _, _, forward = prepared(name)
    (y, cache), (y_again, cache_again) = forward(), forward()
    assert_same(y, y_again)
    assert_same([array for _, array in tensors(cache)], [array for _, array in tensors(cache_again)])


@every_layer
def test_forward_and_backward_keep_nothing_and_change_no_argument(name):
    layer, inputs, forward = prepared(name)
    attributes = copy.deepcopy({path: vars(part).copy() for path, part in parts(layer)})
    values = {path: parameter.value.copy() for path, parameter in layer.parameters().items()}
    inputs_before = copy.deepcopy(inputs)
    y, cache = forward()
    d_y, d_y_before, y_before, cache_before = upstream(y), upstream(y), y.copy(), copy.deepcopy(cache)
    layer.backward(d_y, cache)
    assert_same(inputs, inputs_before)
    assert_same(y, y_before)
    assert_same(d_y, d_y_before)
    arrays, arrays_before = list(tensors(cache)), list(tensors(cache_before))
    assert [path for path, _ in arrays] == [path for path, _ in arrays_before]
    assert_same([array for _, array in arrays], [array for _, array in arrays_before])
    assert_same({path: parameter.value for path, parameter in layer.parameters().items()}, values)
    for path, part in parts(layer):
        assert list(vars(part)) == list(attributes[path])
        for attribute, value in vars(part).items():
            if isinstance(value, (int, float, str)):
                assert value == attributes[path][attribute]


def parts(layer, path=""):
    """The layer and every layer in it."""
    yield path, layer
    for attribute, value in vars(layer).items():
        if isinstance(value, Layer):
            yield from parts(value, f"{path}.{attribute}")


@every_layer
def test_backward_twice_adds_up(name):
    layer, _, forward = prepared(name)
    y, cache = forward()
    d_x = layer.backward(upstream(y), cache)
    once = grads(layer)
    assert_same(layer.backward(upstream(y), cache), d_x)
    for path, grad in grads(layer).items():
        if name == "Embedding":  # adds token by token, so that the last bit may differ
            np.testing.assert_allclose(grad, 2 * once[path], rtol=1e-15)
        else:
            assert np.array_equal(grad, 2 * once[path]), path


@every_layer
def test_a_layer_may_run_twice_before_backward(name):
    layer, inputs, forward = prepared(name)
    alone, total = [], {path: 0 for path in layer.parameters()}
    for seed, xs in enumerate([inputs, other(inputs)]):
        y, cache = forward(*xs)
        alone.append(layer.backward(upstream(y, seed), cache))
        total = {path: total[path] + grad for path, grad in grads(layer).items()}
        layer.zero_grad()
    (y, cache), (other_y, other_cache) = forward(*inputs), forward(*other(inputs))
    assert_same(layer.backward(upstream(other_y, 1), other_cache), alone[1])
    assert_same(layer.backward(upstream(y, 0), cache), alone[0])
    for path, grad in grads(layer).items():
        np.testing.assert_allclose(grad, total[path], rtol=1e-12, atol=1e-13)


@every_layer
def test_an_evaluation_pass_between_forward_and_backward_changes_nothing(name):
    layer, inputs, forward = prepared(name)
    y, cache = forward()
    d_x = layer.backward(upstream(y), cache)
    expected = grads(layer)
    layer.zero_grad()
    y, cache = forward()
    layer.forward(*other(inputs))
    assert_same(layer.backward(upstream(y), cache), d_x)
    assert_same(grads(layer), expected)


@every_layer
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_everything_is_of_the_parameters_dtype(name, dtype):
    layer, _, forward = prepared(name, dtype)
    y, cache = forward()
    d_x = layer.backward(upstream(y), cache)
    assert y.dtype == dtype
    assert all(d.dtype == dtype for d in (d_x if isinstance(d_x, tuple) else [d_x]) if d is not None)
    assert all(parameter.grad.dtype == dtype for parameter in layer.parameters().values())
    real = np.zeros(1, dtype).real.dtype
    for path, array in tensors(cache):
        assert array.dtype in (dtype, real) or array.dtype.kind in "bi", path


@every_layer
@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 1e-4), (np.complex128, 1e-14)])
def test_dtypes_agree(name, dtype, tolerance):
    layer, _, forward = prepared(name)
    y, cache = forward()
    layer.backward(upstream(y), cache)
    other_layer, _, other_forward = prepared(name, dtype)
    other_y, other_cache = other_forward()
    other_layer.backward(upstream(y).astype(dtype), other_cache)
    np.testing.assert_allclose(other_y, y, rtol=tolerance, atol=tolerance)
    for path, grad in grads(other_layer).items():
        np.testing.assert_allclose(grad, grads(layer)[path], rtol=10 * tolerance, atol=10 * tolerance)


@every_layer
def test_a_cache_prints_no_numbers(name):
    _, _, forward = prepared(name)
    _, cache = forward()
    assert not re.search(r"\d\.\d|array|\[\[", repr(cache))
    first, *lines = repr(cache).split("\n")
    assert first == type(cache).__name__
    assert [line.split()[0] for line in lines] == list(cache._fields)
    for line, value in zip(lines, cache):
        if isinstance(value, np.ndarray):
            assert line.endswith(f"{value.dtype} {value.shape}")


@every_layer
def test_the_gradient_has_the_shape_of_the_input(name):
    layer, inputs, forward = prepared(name)
    y, cache = forward()
    d_x = layer.backward(upstream(y), cache)
    for x, d in zip(inputs, d_x if isinstance(d_x, tuple) else (d_x,), strict=True):
        assert d is None if np.issubdtype(x.dtype, np.integer) else d.shape == x.shape
