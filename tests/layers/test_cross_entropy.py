"""CrossEntropy: hand-computed losses, and which rows count."""

import math

import numpy as np
import pytest
from helpers import random

from minibert.layers import CrossEntropy
from minibert.layers.cross_entropy import IGNORE_INDEX

LAYER = CrossEntropy()
LOGITS = np.log([[1.0, 2.0, 5.0], [3.0, 1.0, 1.0], [7.0, 1.0, 2.0]])  # probabilities: eighths, fifths, tenths


def test_by_hand():
    loss, cache = LAYER.forward(LOGITS, np.array([2, 0, 1]))
    assert loss == pytest.approx((math.log(8 / 5) + math.log(5 / 3) + math.log(10)) / 3, rel=1e-15)
    d_logits, d_labels = LAYER.backward(1.0, cache)
    expected = [[1 / 8, 2 / 8, 5 / 8 - 1], [3 / 5 - 1, 1 / 5, 1 / 5], [7 / 10, 1 / 10 - 1, 2 / 10]]
    np.testing.assert_allclose(d_logits, np.array(expected) / 3, atol=1e-16)
    assert d_labels is None


def test_ignored_rows_do_not_count():
    loss, cache = LAYER.forward(LOGITS, np.array([IGNORE_INDEX, 0, IGNORE_INDEX]))
    assert IGNORE_INDEX == -100
    assert loss == pytest.approx(math.log(5 / 3), rel=1e-15)  # divided by 1, not by 3
    d_logits, _ = LAYER.backward(1.0, cache)
    np.testing.assert_allclose(d_logits, [[0, 0, 0], [-2 / 5, 1 / 5, 1 / 5], [0, 0, 0]], atol=1e-16)
    assert not d_logits[[0, 2]].any()


def test_class_zero_counts():
    loss, cache = LAYER.forward(LOGITS, np.array([0, 0, 0]))
    assert loss == pytest.approx((math.log(8) + math.log(5 / 3) + math.log(10 / 7)) / 3, rel=1e-15)
    assert (LAYER.backward(1.0, cache)[0][:, 0] < 0).all()


@pytest.mark.parametrize("num_rows", [0, 3])
def test_nothing_counted_is_zero(num_rows):
    loss, cache = LAYER.forward(random(num_rows, 4), np.full(num_rows, IGNORE_INDEX))
    d_logits, _ = LAYER.backward(1.0, cache)
    assert loss == 0
    assert d_logits.shape == (num_rows, 4)
    assert not d_logits.any()


def test_all_axes_but_the_last_are_rows():
    logits, labels = random(2, 5, 4), np.random.default_rng(1).integers(0, 4, (2, 5))
    labels[1, 2:4] = IGNORE_INDEX
    loss, cache = LAYER.forward(logits, labels)
    flat_loss, flat_cache = LAYER.forward(logits.reshape(10, 4), labels.reshape(10))
    assert loss == flat_loss
    assert np.array_equal(LAYER.backward(1.0, cache)[0].reshape(10, 4), LAYER.backward(1.0, flat_cache)[0])
    assert LAYER.backward(1.0, cache)[0].shape == (2, 5, 4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_loss_is_a_scalar_of_the_logits_dtype(dtype):
    loss, cache = LAYER.forward(LOGITS.astype(dtype), np.array([2, 0, IGNORE_INDEX]))
    assert isinstance(loss, np.generic)
    assert loss.dtype == dtype
    assert LAYER.backward(1.0, cache)[0].dtype == dtype
    assert LAYER.backward(loss, cache)[0].dtype == dtype


def test_d_loss_multiplies():
    _, cache = LAYER.forward(LOGITS, np.array([2, 0, 1]))
    once, _ = LAYER.backward(1.0, cache)
    np.testing.assert_allclose(LAYER.backward(-3.5, cache)[0], -3.5 * once, rtol=1e-14)


def test_equal_logits_cost_log_of_the_number_of_classes():
    loss, _ = LAYER.forward(np.full((3, 11), 4.0), np.array([0, 5, 10]))
    assert loss == pytest.approx(math.log(11), rel=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_huge_logits(dtype):
    """log(softmax) computed in two steps would be log(0) = −∞ here."""
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        loss, cache = LAYER.forward(np.array([[1000, 0, -1000]], dtype), np.array([2]))
        d_logits, _ = LAYER.backward(1.0, cache)
    assert loss == 2000
    assert d_logits.tolist() == [[1, 0, -1]]


def test_gradients_of_a_row_sum_to_zero():
    _, cache = LAYER.forward(10 * random(6, 4), np.array([0, 1, 2, 3, IGNORE_INDEX, 0]))
    np.testing.assert_allclose(LAYER.backward(1.0, cache)[0].sum(axis=-1), 0, atol=1e-16)


@pytest.mark.parametrize("label", [3, -1, -99, -101, 30000])
def test_label_that_is_no_class(label):
    with pytest.raises(ValueError, match=rf"label {label} is not a class \(0 to 2\) nor -100"):
        LAYER.forward(LOGITS, np.array([0, label, 1]))


def test_labels_of_another_shape():
    with pytest.raises(ValueError, match=r"labels of shape \(2,\) do not fit logits of shape \(3, 3\)"):
        LAYER.forward(LOGITS, np.array([0, 1]))
    with pytest.raises(ValueError, match=r"labels of shape \(1, 3\) do not fit"):
        LAYER.forward(LOGITS, np.array([[0, 1, 2]]))
