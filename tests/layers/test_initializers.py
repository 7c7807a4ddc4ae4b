"""Initial weights: BERT's truncated normal."""

import numpy as np
import pytest

from minibert.layers import Embedding, Linear
from minibert.layers.initializers import truncated_normal


@pytest.mark.parametrize("standard_deviation", [0.02, 1.0])
def test_within_two_standard_deviations(standard_deviation):
    values = truncated_normal(np.random.default_rng(3), (300, 200), standard_deviation)
    assert 1.99 * standard_deviation < np.abs(values).max() <= 2 * standard_deviation * (1 + 1e-6)
    assert abs(values.mean()) < 4 * standard_deviation / 60_000**0.5
    assert values.std() == pytest.approx(0.8796 * standard_deviation, rel=0.01)


def test_values_outside_are_redrawn_not_clipped():
    values = truncated_normal(np.random.default_rng(3), 60_000, 1.0)
    assert np.unique(values).size > 59_000
    assert (np.abs(values) > 1.99).mean() < 0.005


def test_dtypes_hold_the_same_numbers():
    in_float32 = truncated_normal(np.random.default_rng(3), (7, 5), 0.02)
    in_float64 = truncated_normal(np.random.default_rng(3), (7, 5), 0.02, np.float64)
    assert in_float32.dtype == np.float32
    assert in_float64.dtype == np.float64
    assert np.array_equal(in_float32, in_float64)


@pytest.mark.parametrize("layer_class", [Linear, Embedding])
def test_layers_take_the_generator_and_the_range(layer_class):
    layer = layer_class(300, 200, rng=np.random.default_rng(3), initializer_range=0.05)
    assert layer.weight.value.std() == pytest.approx(0.8796 * 0.05, rel=0.01)
    again = layer_class(300, 200, rng=np.random.default_rng(3), initializer_range=0.05)
    other = layer_class(300, 200, rng=np.random.default_rng(4), initializer_range=0.05)
    assert np.array_equal(layer.weight.value, again.weight.value)
    assert not np.array_equal(layer.weight.value, other.weight.value)
