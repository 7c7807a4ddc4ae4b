"""Embedding: rows of a table, and where their gradients go."""

import numpy as np
import pytest

from minibert.layers import Embedding
from minibert.layers.embedding import add_rows

V, H = 7, 3


def numbered_table():
    """Row k holds 10 k, 10 k + 1, 10 k + 2."""
    layer = Embedding(V, H, dtype=np.float64)
    layer.weight.value[...] = 10 * np.arange(V)[:, np.newaxis] + np.arange(H)
    return layer


def test_looks_rows_up():
    y, _ = numbered_table().forward(np.array([[6, 0], [2, 6]]))
    assert y.tolist() == [[[60, 61, 62], [0, 1, 2]], [[20, 21, 22], [60, 61, 62]]]


def test_result_is_a_copy():
    layer = numbered_table()
    y, _ = layer.forward(np.array([4]))
    y[...] = -1
    assert layer.weight.value[4].tolist() == [40, 41, 42]


def test_gradients_of_repeated_ids_add_up():
    layer = numbered_table()
    _, cache = layer.forward(np.array([[5, 1], [5, 5]]))
    d_y = np.array([[[1, 2, 3], [10, 20, 30]], [[100, 200, 300], [1000, 2000, 3000]]], float)
    assert layer.backward(d_y, cache) is None
    expected = np.zeros((V, H))
    expected[5] = [1101, 2202, 3303]
    expected[1] = [10, 20, 30]
    assert layer.weight.grad.tolist() == expected.tolist()


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16, np.uint16, np.int32, np.int64, np.uint64])
def test_ids_of_every_integer_type(dtype):
    """Small integers must not overflow in id · H: 99 · 128 does not fit 8 bits, nor 300 · 128 16 bits."""
    num_rows, size = (100 if np.dtype(dtype).itemsize == 1 else 700), 128
    layer = Embedding(num_rows, size, dtype=np.float64)
    ids = np.array([num_rows - 1, 3, num_rows - 1], dtype)
    d_y = np.random.default_rng(1).standard_normal((3, size))
    y, cache = layer.forward(ids)
    layer.backward(d_y, cache)
    expected = np.zeros((num_rows, size))
    expected[num_rows - 1] = d_y[0] + d_y[2]
    expected[3] = d_y[1]
    assert np.array_equal(y, layer.weight.value[[num_rows - 1, 3, num_rows - 1]])
    assert np.array_equal(layer.weight.grad, expected)


def test_add_rows_adds_to_what_is_there():
    table = np.arange(6.0).reshape(3, 2)
    add_rows(table, np.array([2, 0, 2]), np.array([[1.0, 2.0], [10.0, 20.0], [100.0, 200.0]]))
    assert table.tolist() == [[10, 21], [2, 3], [105, 207]]


@pytest.mark.parametrize("bad_id", [7, -1, 1000])
def test_id_without_a_row(bad_id):
    message = rf"id {bad_id} at \(1, 0\) is outside the table of 7 rows \(0 to 6\)"
    with pytest.raises(ValueError, match=message):
        Embedding(V, H).forward(np.array([[6, 0], [bad_id, 1000]]))
