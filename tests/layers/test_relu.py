"""ReLU and SiLU, against plain Python."""

import math

import numpy as np
import pytest

from minibert.layers import ReLU, SiLU

GRID = np.linspace(-9, 9, 1801)  # holds 0


def sigmoid(number):
    return 1 / (1 + math.exp(-number))


def test_relu_by_hand():
    layer = ReLU()
    x = np.array([[-2.0, -0.0, 0.0, 3.0, 1e-300]])
    y, cache = layer.forward(x)
    assert y.tolist() == [[0, 0, 0, 3, 1e-300]]
    assert layer.backward(np.full(x.shape, 5.0), cache).tolist() == [[0, 0, 0, 5, 5]]


@pytest.mark.parametrize("layer", [ReLU(), SiLU()])
def test_a_value_that_is_not_a_number_is_not_hidden(layer):
    y, _ = layer.forward(np.array([np.nan, 1.0]))
    assert np.isnan(y).tolist() == [True, False]


def test_silu_equals_its_formula():
    layer = SiLU()
    y, cache = layer.forward(GRID)
    assert np.abs(y - [x * sigmoid(x) for x in GRID.tolist()]).max() <= 2e-15
    slopes = [sigmoid(x) + x * sigmoid(x) * (1 - sigmoid(x)) for x in GRID.tolist()]
    assert np.abs(layer.backward(np.ones(GRID.shape), cache) - slopes).max() <= 2e-15


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("layer", [ReLU(), SiLU()])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_far_out_and_in_any_dtype(layer, dtype):
    x = np.array([-1e4, -90, 90, 1e4], dtype)
    y, cache = layer.forward(x)
    d_x = layer.backward(np.ones(4, dtype), cache)
    assert y.dtype == d_x.dtype == dtype
    assert np.abs(y - [0, 0, 90, 1e4]).max() <= 1e-3 and np.abs(d_x - [0, 0, 1, 1]).max() <= 1e-6
