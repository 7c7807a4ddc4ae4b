"""erf, and GELU in both forms, against the standard library."""

import math

import numpy as np
import pytest

from minibert.layers import GELU, TanhGELU
from minibert.layers.gelu import BLOCK, erf

GRID = np.linspace(-7, 7, 40_001)        # step 3.5e-4, more than two blocks; holds 0
LAYERS = [GELU(), TanhGELU()]


def each(function, x):
    return np.array([function(number) for number in x.tolist()])


def exact_gelu(number):
    return number * 0.5 * math.erfc(-number / math.sqrt(2))


def tanh_gelu(number):
    return 0.5 * number * (1 + math.tanh(math.sqrt(2 / math.pi) * (number + 0.044715 * number**3)))


@pytest.mark.parametrize("dtype, tolerance", [(np.float64, 1e-15), (np.complex128, 1e-15), (np.float32, 4e-7)])
def test_erf_equals_math_erf(dtype, tolerance):
    x = GRID.astype(dtype)
    assert GRID.size > 2 * BLOCK
    result = erf(x)
    assert result.dtype == dtype
    assert np.abs(result.astype(np.complex128) - each(math.erf, x.real)).max() <= tolerance


def test_erf_is_accurate_relatively_too():
    x = np.concatenate([np.geomspace(1e-300, 1e-3, 1000), GRID[GRID > 0]])
    np.testing.assert_allclose(erf(x), each(math.erf, x), rtol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_erf_is_odd(dtype):
    x = GRID.astype(dtype)
    assert np.array_equal(erf(-x), -erf(x))
    assert erf(np.zeros(1, dtype)) == 0


@pytest.mark.parametrize("dtype, tolerance", [(np.float64, 1e-15), (np.float32, 4e-7)])
def test_erf_far_out_is_one(dtype, tolerance):
    far = np.array([6, 10, 1e3, 1e30, np.inf], dtype)
    np.testing.assert_allclose(erf(far), 1, atol=tolerance)
    np.testing.assert_allclose(erf(-far), -1, atol=tolerance)


def test_erf_of_nan_is_nan():
    assert np.isnan(erf(np.array([0.0, np.nan]))).tolist() == [False, True]


@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (2, 5, 3)])
def test_erf_keeps_the_shape(shape):
    assert erf(np.ones(shape)).shape == shape


def test_erf_does_not_depend_on_the_block_nor_on_memory_order():
    x = np.linspace(-3, 3, 2 * BLOCK + 7)
    whole = erf(x)
    for place in (0, BLOCK - 1, BLOCK, 2 * BLOCK, 2 * BLOCK + 6):
        assert whole[place] == erf(x[place : place + 1])[0]
    square = x[: 30 * 20].reshape(30, 20)
    assert np.array_equal(erf(square.T), erf(square).T)


def test_erf_leaves_its_argument_alone():
    x = GRID.copy()
    erf(x)
    assert np.array_equal(x, GRID)


def test_complex_erf_carries_the_derivative():
    """Im erf(x + ih)/h is the slope 2/√π exp(−x²), which stands nowhere in erf itself."""
    derivative = erf(GRID + 1e-30j).imag / 1e-30
    np.testing.assert_allclose(derivative, 2 / math.sqrt(math.pi) * np.exp(-GRID * GRID), atol=2e-14)


@pytest.mark.parametrize(("x", "y"), [
    (0.0, 0.0), (1.0, 0.8413447460685429), (-1.0, -0.15865525393145707), (2.0, 1.9544997361036416), (-3.0, -0.00404969409489028),
])  # fmt: skip
def test_gelu_known_values(x, y):
    assert GELU().forward(np.array([x]))[0][0] == pytest.approx(y, abs=1e-15)


@pytest.mark.parametrize(("x", "y"), [
    (0.0, 0.0), (1.0, 0.8411919906082768), (-1.0, -0.15880800939172324), (2.0, 1.954597694087775), (-3.0, -0.0036373920817729943),
])  # fmt: skip
def test_tanh_gelu_known_values(x, y):
    assert TanhGELU().forward(np.array([x]))[0][0] == pytest.approx(y, abs=1e-15)


@pytest.mark.parametrize("dtype, tolerance", [(np.float64, 4e-15), (np.complex128, 4e-15), (np.float32, 2e-6)])
@pytest.mark.parametrize("layer, formula", [(GELU(), exact_gelu), (TanhGELU(), tanh_gelu)], ids=["GELU", "TanhGELU"])
def test_gelu_equals_its_formula(layer, formula, dtype, tolerance):
    x = GRID.astype(dtype)
    y, _ = layer.forward(x)
    assert y.dtype == dtype
    assert np.abs(y.astype(np.complex128) - each(formula, x.real)).max() <= tolerance


def test_the_two_forms_are_close_and_not_the_same():
    difference = np.abs(GELU().forward(GRID)[0] - TanhGELU().forward(GRID)[0]).max()
    assert 4e-4 < difference < 5e-4


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
@pytest.mark.parametrize("layer", LAYERS, ids=["GELU", "TanhGELU"])
def test_extreme_inputs(layer, dtype):
    x = np.array([-40, -20, -10, 10, 20, 40], dtype)
    with np.errstate(all="raise", under="ignore"):
        y, cache = layer.forward(x)
        d_x = layer.backward(np.ones_like(x), cache)
    np.testing.assert_allclose(y, [0, 0, 0, 10, 20, 40], atol=1e-5)
    np.testing.assert_allclose(d_x, [0, 0, 0, 1, 1, 1], atol=1e-6)


@pytest.mark.parametrize("layer", LAYERS, ids=["GELU", "TanhGELU"])
def test_d_y_multiplies(layer):
    x, d_y = GRID[::5000], np.arange(1.0, 10.0)
    _, cache = layer.forward(x)
    np.testing.assert_allclose(layer.backward(d_y, cache), d_y * layer.backward(np.ones(9), cache), rtol=1e-15)
