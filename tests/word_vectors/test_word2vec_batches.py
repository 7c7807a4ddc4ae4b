"""Sums over the words of a batch, and steps of bounded length."""

import numpy as np
import pytest

from minibert.word_vectors.word2vec_batches import group, sigmoid_in_place, steps_of, sum_groups


@pytest.mark.parametrize("largest", [13, 1 << 20])
def test_groups_and_their_sums(largest):
    rng = np.random.default_rng(0)
    one_to_nine_times = np.repeat(np.arange(9), np.arange(1, 10))
    ids = np.concatenate([one_to_nine_times, np.full(30, 9), [largest]])
    rng.shuffle(ids)
    rows = rng.standard_normal((len(ids), 4))
    groups = group(ids)
    assert groups.distinct.tolist() == [*range(9, -1, -1), largest]
    assert groups.counts.tolist() == [30, *range(9, 0, -1), 1]
    np.testing.assert_array_equal(groups.distinct[groups.place], ids)
    expected = np.zeros((11, 4))
    np.add.at(expected, groups.place, rows)
    np.testing.assert_allclose(sum_groups(rows, groups), expected, rtol=0, atol=1e-12)


def test_steps_are_bounded_vector_by_vector():
    gradients = np.array([[3.0, 4.0, 0.3, 0.4], [0.0, 0.0, -30.0, 40.0]])
    steps = steps_of(gradients, 0.5, 2)
    np.testing.assert_allclose(steps, [[-0.6, -0.8, -0.15, -0.2], [0, 0, 0.6, -0.8]], atol=1e-15)


def test_sigmoid():
    x = np.array([-200.0, -3.0, 0.0, 2.0, 200.0])
    expected = 1 / (1 + np.exp(-x))
    np.testing.assert_allclose(sigmoid_in_place(x.copy()), expected, atol=1e-15)
