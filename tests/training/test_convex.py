"""The minimum of convex functions, logistic regression at its optimum, and sparse products."""

import doctest

import numpy as np
import pytest

from minibert.layers.softmax import softmax
from minibert.training import convex
from minibert.training.convex import Counts, logistic_regression, minimize


def test_the_examples():
    assert doctest.testmod(convex).failed == 0


def test_a_long_valley():
    scales = np.logspace(0, 4, 7)
    best = np.linspace(-1, 2, 7)
    found = minimize(lambda x: ((scales * (x - best) ** 2).sum(), 2 * scales * (x - best)), np.zeros(7))
    np.testing.assert_allclose(found, best, atol=1e-6)


def test_logistic_regression_by_hand():
    """Features ±1, labels 1 and 0: by symmetry both biases are equal, and w = w₁ − w₀ solves w = 4 σ(−w)."""
    model = logistic_regression(np.array([[1.0], [-1.0]]), [1, 0], 2, tolerance=1e-10)
    w = 1.0
    for _ in range(200):
        w = w / 2 + 2 / (1 + np.exp(w))
    np.testing.assert_allclose(model.weight, [[-w / 2, w / 2]], atol=1e-9)
    np.testing.assert_allclose(model.bias, [0, 0], atol=1e-9)
    assert model.predict(np.array([[2.0], [-0.1]])).tolist() == [1, 0]


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    features = rng.integers(0, 3, size=(40, 9)) * (rng.random((40, 9)) < 0.3)
    features[3], features[:, 5] = 0, 0  # an empty row and an empty column
    return features.astype(float), rng.integers(4, size=40)


def sparse(features):
    rows, columns = np.nonzero(features)
    return Counts(rows[::-1], columns[::-1], features[rows, columns][::-1], features.shape)


def test_sparse_products_are_those_of_the_dense_matrix(data):
    features, _ = data
    rng = np.random.default_rng(1)
    right, left = rng.normal(size=(9, 2)), rng.normal(size=(40, 2))
    np.testing.assert_allclose(sparse(features) @ right, features @ right)
    np.testing.assert_allclose(sparse(features).T @ left, features.T @ left)
    assert (Counts(np.array([], int), np.array([], int), [], (2, 3)) @ np.ones((3, 1))).tolist() == [[0], [0]]


def test_the_gradient_is_zero_at_the_optimum(data):
    features, labels = data
    one, other = (logistic_regression(f, labels, 4, 0.5, 1e-9) for f in (features, sparse(features)))
    np.testing.assert_allclose(one.weight, other.weight, atol=1e-7)
    errors = softmax(features @ one.weight + one.bias) - np.eye(4)[labels]
    np.testing.assert_allclose(features.T @ errors + 0.5 * one.weight, 0, atol=1e-8)
    np.testing.assert_allclose(errors.sum(axis=0), 0, atol=1e-8)
