"""softmax: probabilities, whatever the scores."""

import math

import numpy as np
import pytest
from helpers import random

from minibert.layers.softmax import softmax, softmax_backward


def test_by_hand():
    probs = softmax(np.log([[1.0, 2.0, 5.0], [3.0, 1.0, 1.0]]))
    np.testing.assert_allclose(probs, [[1 / 8, 2 / 8, 5 / 8], [0.6, 0.2, 0.2]])


def test_equals_its_formula():
    scores = 3 * random(2, 3, 5)
    probs = softmax(scores)
    for index in np.ndindex(2, 3):
        total = math.fsum(math.exp(score) for score in scores[index])
        expected = [math.exp(score) / total for score in scores[index]]
        np.testing.assert_allclose(probs[index], expected, rtol=1e-14)


@pytest.mark.parametrize(
    "dtype, tolerance", [(np.float32, 1e-6), (np.float64, 1e-15), (np.complex128, 1e-15)]
)
def test_rows_sum_to_one(dtype, tolerance):
    probs = softmax((5 * random(4, 7)).astype(dtype))
    assert probs.dtype == dtype
    np.testing.assert_allclose(probs.sum(axis=-1), 1, atol=tolerance)


def test_a_shift_of_a_row_does_not_matter():
    scores = random(4, 7)
    np.testing.assert_allclose(softmax(scores + 100 * random(4, 1)), softmax(scores), rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_huge_scores(dtype):
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        probs = softmax(np.array([[1e4, 1e4, -1e4], [-1e30, 0, 1e30], [-1e30, -1e30, -1e30]], dtype))
    np.testing.assert_allclose(probs, [[0.5, 0.5, 0], [0, 0, 1], [1 / 3, 1 / 3, 1 / 3]], rtol=1e-6)


def test_one_score():
    assert softmax(np.array([[-7.0], [700.0]])).tolist() == [[1], [1]]


def test_arguments_are_left_alone():
    scores, d_probs = random(4, 7), random(4, 7, seed=2)
    scores_before, d_probs_before = scores.copy(), d_probs.copy()
    probs = softmax(scores)
    probs_before = probs.copy()
    softmax_backward(d_probs, probs)
    assert np.array_equal(scores, scores_before)
    assert np.array_equal(d_probs, d_probs_before)
    assert np.array_equal(probs, probs_before)


def test_backward_is_the_jacobian():
    probs, d_probs = softmax(random(5)), random(5, seed=2)
    jacobian = np.diag(probs) - np.outer(probs, probs)  # ∂probs_j / ∂scores_k
    np.testing.assert_allclose(softmax_backward(d_probs, probs), d_probs @ jacobian, atol=1e-15)


def test_the_same_gradient_for_all_probabilities_changes_nothing():
    np.testing.assert_allclose(softmax_backward(np.full((4, 7), 3.0), softmax(random(4, 7))), 0, atol=1e-15)
