"""The RNN: the formula step by step, carried state, no look at the future, wrong input."""

import numpy as np
import pytest
from helpers import B, T, random, scrambled

from minibert.layers import RNN

D, H = 3, 2
X, STATE = random(B, T, D), random(B, H, seed=2)


def layer(dtype=np.float64):
    return scrambled(RNN(D, H, dtype=dtype))


def test_it_is_the_formula():
    rnn = layer()
    (y, last), _ = rnn.forward(X, STATE)
    hidden = STATE
    for step in range(T):
        sums = X[:, step] @ rnn.weight_ih.value + rnn.bias_ih.value
        hidden = np.tanh(sums + hidden @ rnn.weight_hh.value + rnn.bias_hh.value)
        np.testing.assert_allclose(y[:, step], hidden, atol=1e-15)
    np.testing.assert_array_equal(last, y[:, -1])


def test_two_halves_with_carried_state_are_one_pass():
    rnn = layer()
    (y, last), _ = rnn.forward(X)
    (first, state), _ = rnn.forward(X[:, :2])
    (second, end), _ = rnn.forward(X[:, 2:], state)
    np.testing.assert_allclose(np.hstack([first, second]), y, atol=1e-15)
    np.testing.assert_allclose(end, last, atol=1e-15)


def test_a_later_input_has_no_gradient():
    rnn = layer()
    (y, _), cache = rnn.forward(X)
    d_y = np.zeros_like(y)
    d_y[:, 2] = random(B, H, seed=5)
    d_x, _ = rnn.backward((d_y, None), cache)
    assert not d_x[:, 3:].any() and d_x[:, :3].all()


def test_its_first_weights_are_pytorchs():
    values = RNN(D, 25).weight_hh.value
    assert values.dtype == np.float32 and 0.18 < np.abs(values).max() <= 0.2


@pytest.mark.parametrize("x, state, message", [
    (X[..., :2], None, r"RNN expects x of shape \(batch, steps, 3\) .*, got \(4, 5, 2\)"),
    (X[:, :0], None, r"with one step or more, got \(4, 0, 3\)"),
    (X, STATE[:3], r"the state of this RNN and batch is \(4, 2\), got \(3, 2\)"),
])
def test_wrong_input(x, state, message):
    with pytest.raises(ValueError, match=message):
        layer().forward(x, state)
