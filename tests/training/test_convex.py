"""A linear classifier at its optimum, by hand and by its gradient; sparse products."""

import numpy as np
import pytest

from minibert.layers.softmax import softmax
from minibert.training.convex import Counts, softmax_regression


def test_by_hand():
    """Inputs ±1, answers 1 and 0: w = w₁ − w₀ solves penalty · w = 2 σ(−w), by symmetry without a bias."""
    penalty = 0.5
    found = softmax_regression(np.array([[1.0], [-1.0]]), [1, 0], 2, np.full((1, 1), penalty), 1e-12)
    w = 1.0
    for _ in range(200):
        w = w / 2 + 1 / (penalty * (1 + np.exp(w)))
    np.testing.assert_allclose(found.weights, [[-w / 2, w / 2]], atol=1e-9)
    assert found.loss == pytest.approx(np.log1p(np.exp(-w)) + penalty / 2 * w * w / 2)


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    inputs = rng.integers(0, 3, size=(40, 9)) * (rng.random((40, 9)) < 0.3)
    inputs[3], inputs[:, 5] = 0, 0  # an empty row and an empty column
    return inputs.astype(float), rng.integers(4, size=40)


def sparse(inputs):
    rows, columns = np.nonzero(inputs)
    return Counts(rows[::-1], columns[::-1], inputs[rows, columns][::-1], inputs.shape)


def test_sparse_products_are_those_of_the_dense_matrix(data):
    inputs, _ = data
    rng = np.random.default_rng(1)
    right, left = rng.normal(size=(9, 2)), rng.normal(size=(40, 2))
    np.testing.assert_allclose(sparse(inputs) @ right, inputs @ right)
    np.testing.assert_allclose(sparse(inputs).T @ left, inputs.T @ left)


def test_the_gradient_is_zero_at_the_optimum(data):
    inputs, answers = data
    inputs[:, -1] = 1
    penalty = np.full((9, 1), 0.02)
    penalty[-1] = 0
    one, other = (softmax_regression(x, answers, 4, penalty, 1e-10) for x in (inputs, sparse(inputs)))
    np.testing.assert_allclose(one.weights, other.weights, atol=1e-9)
    errors = softmax(inputs @ one.weights) - np.eye(4)[answers]
    np.testing.assert_allclose(inputs.T @ errors / 40 + penalty * one.weights, 0, atol=1e-10)
    with pytest.raises(ValueError, match="after 1 steps the gradient is .*, above 1.0e-10"):
        softmax_regression(inputs, answers, 4, penalty, 1e-10, max_steps=1)
