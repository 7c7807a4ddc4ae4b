"""SquaredError by hand."""

import numpy as np
import pytest

from minibert.layers import SquaredError


def test_by_hand():
    predictions, targets = np.array([[1.0, 4.0], [-2.0, 0.5]]), np.array([[3.0, 4.0], [-1.0, 0.0]])
    loss, cache = SquaredError().forward(predictions, targets)
    assert loss == (4 + 0 + 1 + 0.25) / 4
    d_predictions, d_targets = SquaredError().backward(2.0, cache)
    np.testing.assert_array_equal(d_predictions, [[-2.0, 0.0], [-1.0, 0.5]])
    np.testing.assert_array_equal(d_targets, -d_predictions)


def test_the_loss_has_the_dtype_of_what_is_compared():
    loss, _ = SquaredError().forward(np.ones(3, np.float32), np.zeros(3, np.float32))
    assert loss == 1 and loss.dtype == np.float32


def test_other_shapes():
    with pytest.raises(ValueError, match=r"targets of shape \(3,\) do not fit predictions of shape \(3, 1\)"):
        SquaredError().forward(np.zeros((3, 1)), np.zeros(3))
