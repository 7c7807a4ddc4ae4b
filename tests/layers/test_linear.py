"""Linear: y = x W + b, by hand and by loops."""

import numpy as np
import pytest
from helpers import random

from minibert.layers import Linear


def random_linear(in_features=4, out_features=3):
    layer = Linear(in_features, out_features, dtype=np.float64)
    layer.weight.value = random(in_features, out_features)
    layer.bias.value = random(out_features)
    return layer


def test_by_hand():
    layer = Linear(2, 3, dtype=np.float64)
    layer.weight.value[...] = [[1, 2, 3], [10, 20, 30]]
    layer.bias.value[...] = [100, 200, 300]
    y, _ = layer.forward(np.array([[5.0, 7.0]]))
    assert y.tolist() == [[5 + 70 + 100, 10 + 140 + 200, 15 + 210 + 300]]


def test_equals_loops():
    layer, x = random_linear(), random(2, 5, 4)
    y, _ = layer.forward(x)
    for b in range(2):
        for t in range(5):
            for o in range(3):
                expected = layer.bias.value[o] + sum(x[b, t, i] * layer.weight.value[i, o] for i in range(4))
                assert y[b, t, o] == pytest.approx(expected, abs=1e-14)


@pytest.mark.parametrize("shape", [(4,), (1, 4), (0, 4), (2, 5, 4), (2, 1, 3, 4)])
def test_all_axes_but_the_last_are_rows(shape):
    layer, x = random_linear(), random(*shape)
    y, cache = layer.forward(x)
    assert y.shape == (*shape[:-1], 3)
    assert layer.backward(np.ones_like(y), cache).shape == shape
    assert layer.weight.grad.shape == (4, 3)


def test_any_memory_order():
    layer, x = random_linear(), random(4, 5, 2)
    turned = x.T  # (2, 5, 4), not contiguous
    y, cache = layer.forward(turned)
    y_of_copy, cache_of_copy = layer.forward(turned.copy())
    d_y = random(3, 5, 2).T
    np.testing.assert_allclose(y, y_of_copy, atol=1e-14)
    d_x, d_x_of_copy = layer.backward(d_y, cache), layer.backward(d_y.copy(), cache_of_copy)
    np.testing.assert_allclose(d_x, d_x_of_copy, atol=1e-14)


def test_weight_is_in_by_out_and_bias_starts_at_zero():
    layer = Linear(4, 3)
    assert layer.weight.value.shape == (4, 3)
    assert layer.bias.value.tolist() == [0, 0, 0]
    assert layer.weight.value.dtype == layer.bias.value.dtype == np.float32


def test_wrong_last_axis():
    with pytest.raises(ValueError, match=r"last axis of 4 \(in_features\), got x of shape \(2, 5\)"):
        Linear(4, 3).forward(np.ones((2, 5)))
