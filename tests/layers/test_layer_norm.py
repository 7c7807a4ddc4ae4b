"""LayerNorm: every row by itself."""

import math

import numpy as np
import pytest
from helpers import B, H, T, random

from minibert.layers import LayerNorm


def random_layer_norm(eps=1e-12):
    layer = LayerNorm(H, eps=eps, dtype=np.float64)
    layer.gamma.value, layer.beta.value = random(H), random(H, seed=2)
    return layer


def test_by_hand():
    layer = LayerNorm(4, eps=0.0, dtype=np.float64)
    layer.gamma.value[...] = [1, 10, 100, 1000]
    layer.beta.value[...] = [5, 6, 7, 8]
    y, _ = layer.forward(np.array([[-3.0, -1.0, 1.0, 3.0]]))  # mean 0, variance 5
    root = math.sqrt(5)
    np.testing.assert_allclose(
        y, [[5 - 3 / root, 6 - 10 / root, 7 + 100 / root, 8 + 3000 / root]], rtol=1e-15
    )


def test_equals_loops_with_a_stated_eps():
    layer, x = random_layer_norm(eps=0.3), 3 * random(B, T, H) + 7
    y, _ = layer.forward(x)
    for b in range(B):
        for t in range(T):
            row = x[b, t].tolist()
            mean = math.fsum(row) / H
            variance = math.fsum((number - mean) ** 2 for number in row) / H  # divided by H, not H − 1
            for k in range(H):
                normalized = (row[k] - mean) / math.sqrt(variance + 0.3)
                expected = layer.gamma.value[k] * normalized + layer.beta.value[k]
                assert y[b, t, k] == pytest.approx(expected, abs=1e-13)


def test_rows_have_mean_zero_and_variance_one():
    y, _ = LayerNorm(H, dtype=np.float64).forward(5 * random(B, T, H) - 40)
    np.testing.assert_allclose(y.mean(axis=-1), 0, atol=1e-14)
    np.testing.assert_allclose(y.var(axis=-1), 1, atol=1e-11)


def test_eps_is_added_to_the_variance():
    y, _ = LayerNorm(H, eps=3.0, dtype=np.float64).forward(random(1, H))
    variance = random(1, H).var()
    np.testing.assert_allclose(y.var(), variance / (variance + 3.0), rtol=1e-13)


def test_default_eps_is_that_of_bert():
    assert LayerNorm(H).eps == 1e-12


def test_shift_and_scale_of_a_row_do_not_matter():
    layer, x = random_layer_norm(), random(3, H)
    np.testing.assert_allclose(layer.forward(100 * x + 9)[0], layer.forward(x)[0], atol=1e-10)


def test_no_statistics_are_shared_between_tokens():
    layer, x = random_layer_norm(), random(B, T, H)
    changed = x.copy()
    changed[1, 3] = 1e6
    y, y_changed = layer.forward(x)[0], layer.forward(changed)[0]
    y_changed[1, 3] = y[1, 3]
    assert np.array_equal(y, y_changed)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_constant_row_gives_beta(dtype):
    layer = random_layer_norm().astype(dtype)
    y, cache = layer.forward(np.full((1, H), 3, dtype))
    assert np.array_equal(y[0], layer.beta.value)
    assert np.isfinite(layer.backward(np.ones((1, H), dtype), cache)).all()


def test_large_offset_is_taken_off_before_squaring():
    """mean(x²) − mean(x)² would have lost every digit here."""
    x = random(5, H)
    far = np.float32(1e4) + x.astype(np.float32)
    y, _ = LayerNorm(H).forward(far)
    exact, _ = LayerNorm(H, dtype=np.float64).forward(far.astype(np.float64))
    np.testing.assert_allclose(y, exact, atol=2e-3)


def test_one_row_without_a_batch():
    layer, x = random_layer_norm(), random(H)
    y, cache = layer.forward(x)
    y_of_batch, cache_of_batch = layer.forward(x[np.newaxis])
    assert np.array_equal(y, y_of_batch[0])
    d_y = random(H)
    np.testing.assert_allclose(layer.backward(d_y, cache), layer.backward(d_y[np.newaxis], cache_of_batch)[0])


def test_gradient_has_no_part_along_ones_nor_along_the_normalised_row():
    layer = random_layer_norm()
    _, cache = layer.forward(random(5, H))
    d_x = layer.backward(random(5, H, seed=2), cache)
    np.testing.assert_allclose(d_x.sum(axis=-1), 0, atol=1e-13)
    np.testing.assert_allclose((d_x * cache.normalized).sum(axis=-1), 0, atol=1e-10)


def test_wrong_last_axis():
    with pytest.raises(ValueError, match=r"last axis of 6, got x of shape \(2, 5\)"):
        LayerNorm(H).forward(np.ones((2, 5)))
