"""Φ, and GELU in both forms, against the standard library."""

import math

import numpy as np
import pytest

from minibert.layers import GELU, TanhGELU
from minibert.layers.normal import BLOCK, normal_cdf, normal_density

GRID = np.linspace(-9, 9, 140_001)  # step 1.3e-4, more than two blocks; holds 0
LAYERS = [GELU(), TanhGELU()]


def each(function, x):
    return np.array([function(number) for number in x.tolist()])


def exact_gelu(number):
    return number * 0.5 * math.erfc(-number / math.sqrt(2))


def tanh_gelu(number):
    return 0.5 * number * (1 + math.tanh(math.sqrt(2 / math.pi) * (number + 0.044715 * number**3)))


def exact_cdf(number):
    return 0.5 * math.erfc(-number / math.sqrt(2))


@pytest.mark.parametrize(
    "dtype, tolerance", [(np.float64, 1e-15), (np.complex128, 1e-15), (np.float32, 3e-7)]
)
def test_normal_cdf_equals_math_erfc(dtype, tolerance):
    x = GRID.astype(dtype)
    assert GRID.size > 2 * BLOCK
    result = normal_cdf(x)
    assert result.dtype == dtype
    assert np.abs(result.astype(np.complex128) - each(exact_cdf, x.real)).max() <= tolerance


@pytest.mark.parametrize("dtype, tolerance", [(np.float64, 2e-16), (np.float32, 1e-7)])
def test_the_two_sides_of_normal_cdf_add_up_to_one(dtype, tolerance):
    x = GRID.astype(dtype)
    np.testing.assert_allclose(normal_cdf(x) + normal_cdf(-x), 1, atol=tolerance, rtol=0)
    assert normal_cdf(np.zeros(1, dtype)) == 0.5


@pytest.mark.parametrize("dtype, tolerance", [(np.float64, 1e-15), (np.float32, 3e-7)])
def test_normal_cdf_far_out_is_zero_or_one(dtype, tolerance):
    far = np.array([8.5, 10, 1e3, 1e30, np.inf], dtype)
    np.testing.assert_allclose(normal_cdf(far), 1, atol=tolerance)
    np.testing.assert_allclose(normal_cdf(-far), 0, atol=tolerance)


def test_normal_cdf_of_nan_is_nan():
    assert np.isnan(normal_cdf(np.array([0.0, np.nan]))).tolist() == [False, True]


@pytest.mark.parametrize("function", [normal_cdf, normal_density])
@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (2, 5, 3)])
def test_the_shape_is_kept(function, shape):
    assert function(np.ones(shape)).shape == shape


@pytest.mark.parametrize("function", [normal_cdf, normal_density])
def test_nothing_depends_on_the_block_nor_on_memory_order(function):
    x = np.linspace(-3, 3, 2 * BLOCK + 7)
    whole = function(x)
    for place in (0, BLOCK - 1, BLOCK, 2 * BLOCK, 2 * BLOCK + 6):
        assert whole[place] == function(x[place : place + 1])[0]
    square = x[: 30 * 20].reshape(30, 20)
    assert np.array_equal(function(square.T), function(square).T)


@pytest.mark.parametrize("function", [normal_cdf, normal_density])
def test_the_argument_is_left_alone(function):
    x = GRID.copy()
    function(x)
    assert np.array_equal(x, GRID)


def test_complex_normal_cdf_carries_the_derivative():
    """Im Φ(x + ih)/h is the density, which stands nowhere in Φ itself."""
    derivative = normal_cdf(GRID + 1e-30j).imag / 1e-30
    np.testing.assert_allclose(derivative, normal_density(GRID), atol=1e-14)


def test_integers_are_numbers_too():
    x = np.array([-2, 0, 3])
    y, cache = GELU().forward(x)
    np.testing.assert_allclose(y, each(exact_gelu, x), rtol=1e-14)
    _, cache_of_floats = GELU().forward(x.astype(float))
    d_x, d_floats = GELU().backward(np.ones(3), cache), GELU().backward(np.ones(3), cache_of_floats)
    np.testing.assert_array_equal(d_x, d_floats)


def test_normal_density_equals_its_formula():
    expected = each(lambda number: math.exp(-number * number / 2) / math.sqrt(2 * math.pi), GRID)
    np.testing.assert_allclose(normal_density(GRID), expected, rtol=1e-14)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (0.0, 0.0),
        (1.0, 0.8413447460685429),
        (-1.0, -0.15865525393145707),
        (2.0, 1.9544997361036416),
        (-3.0, -0.00404969409489028),
    ],
)
def test_gelu_known_values(x, y):
    assert GELU().forward(np.array([x]))[0][0] == pytest.approx(y, abs=1e-15)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (0.0, 0.0),
        (1.0, 0.8411919906082768),
        (-1.0, -0.15880800939172324),
        (2.0, 1.954597694087775),
        (-3.0, -0.0036373920817729943),
    ],
)
def test_tanh_gelu_known_values(x, y):
    assert TanhGELU().forward(np.array([x]))[0][0] == pytest.approx(y, abs=1e-15)


@pytest.mark.parametrize(
    "dtype, tolerance", [(np.float64, 4e-15), (np.complex128, 4e-15), (np.float32, 2e-6)]
)
@pytest.mark.parametrize(
    "layer, formula", [(GELU(), exact_gelu), (TanhGELU(), tanh_gelu)], ids=["GELU", "TanhGELU"]
)
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
    x, d_y = GRID[::17500], np.arange(1.0, 10.0)
    _, cache = layer.forward(x)
    derivative = layer.backward(np.ones(9), cache)
    np.testing.assert_allclose(layer.backward(d_y, cache), d_y * derivative, rtol=1e-15)
