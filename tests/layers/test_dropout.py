"""Dropout: how much is dropped, which elements, and that randomness is an argument."""

import numpy as np
import pytest
from helpers import dropped, random

from minibert.layers import Dropout


def test_without_a_generator_nothing_happens():
    x, d_y = random(3, 4), random(3, 4, seed=2)
    y, cache = Dropout(0.4).forward(x)
    assert y is x
    assert Dropout(0.4).backward(d_y, cache) is d_y


def test_probability_zero_draws_nothing():
    x, generator = random(3, 4), np.random.default_rng(5)
    y, _ = Dropout(0.0).forward(x, generator)
    assert y is x
    assert generator.bit_generator.state == np.random.default_rng(5).bit_generator.state


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_zero_or_divided_by_one_minus_p(p):
    x = random(50, 40)
    y, cache = Dropout(p).forward(x, np.random.default_rng(5))
    is_dropped = y == 0
    p = round(65536 * p) / 65536  # a draw has 16 bits
    np.testing.assert_allclose(y[~is_dropped], x[~is_dropped] / (1 - p), rtol=1e-14)
    assert abs(is_dropped.mean() - p) < 4 * (p * (1 - p) / x.size) ** 0.5
    assert np.array_equal(cache.keep, ~is_dropped)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_the_mean_is_kept(p):
    y, _ = Dropout(p).forward(np.ones(100_000), np.random.default_rng(6))
    assert abs(y.mean() - 1) < 4 * (p / (1 - p) / 100_000) ** 0.5


@pytest.mark.parametrize("shape", [(1,), (2,), (3, 4), (3, 5), (2, 3, 7)])
def test_a_draw_is_two_bytes_of_the_stream(shape):
    """So masks, and all that is drawn after them, are those of earlier versions, which read bytes."""
    ours, theirs = np.random.default_rng(5), np.random.default_rng(5)
    layer = Dropout(0.3)
    _, cache = layer.forward(np.ones(shape), ours)
    draws = np.frombuffer(theirs.bytes(2 * cache.keep.size), "<u2").reshape(shape)
    np.testing.assert_array_equal(cache.keep, draws >= layer.threshold, strict=True)
    assert ours.bytes(9) == theirs.bytes(9)


def test_backward_uses_the_same_mask():
    x, d_y = random(3, 4), random(3, 4, seed=2)
    y, cache = Dropout(0.4).forward(x, np.random.default_rng(5))
    np.testing.assert_allclose(Dropout(0.4).backward(d_y, cache), d_y * (y / x), atol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_the_same_mask_in_every_dtype(dtype):
    generator, reference = np.random.default_rng(5), np.random.default_rng(5)
    y, cache = Dropout(0.4).forward(random(30, 40).astype(dtype), generator)
    y_reference, _ = Dropout(0.4).forward(random(30, 40), reference)
    assert np.array_equal(y == 0, y_reference == 0)
    assert y.dtype == dtype
    assert cache.keep.dtype == bool
    assert generator.bit_generator.state == reference.bit_generator.state


def test_the_generator_decides():
    layer, x = Dropout(0.4), np.ones((30, 40))
    generator = np.random.default_rng(5)
    first, second = layer.forward(x, generator)[0], layer.forward(x, generator)[0]
    assert not np.array_equal(first, second)  # it moves on
    assert np.array_equal(first, layer.forward(x, np.random.default_rng(5))[0])  # and can be repeated
    assert not np.array_equal(first, layer.forward(x, np.random.default_rng(6))[0])


@pytest.mark.parametrize("p", [2**-17 + 1e-12, 0.1, 0.3, 0.9999])
def test_by_hand(p):
    x = random(7, 9)
    y, _ = Dropout(p).forward(x, np.random.default_rng(5))
    np.testing.assert_allclose(y, dropped(x, p, np.random.default_rng(5)), rtol=1e-14)


@pytest.mark.parametrize("p", [1e-9, 2**-17 - 1e-9])
def test_a_probability_that_16_bits_cannot_hold(p):
    with pytest.raises(ValueError, match=f"{p} is too small: give 0, or at least 2"):
        Dropout(p)


@pytest.mark.parametrize("p", [1, 1.5, -0.1, float("nan")])
def test_impossible_probability(p):
    with pytest.raises(ValueError, match=f"at least 0 and below 1, got {p}"):
        Dropout(p)
