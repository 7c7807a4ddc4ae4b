"""The LSTM: fast and plain form, carried state, no look at the future, clipping, weight dropout."""

import numpy as np
import pytest
from helpers import B, T, assert_same, dropped, grads, random, scrambled

from minibert.layers import LSTM, RNN, LockedDropout, LSTMCell, PlainLSTM

D, H, P = 3, 2, 7
X = random(B, T, D)
STATE = random(B, H, seed=2), random(B, H, seed=3)
D_OUTPUT = random(B, T, H, seed=4), (random(B, H, seed=5), random(B, H, seed=6))


def layer(**options):
    return scrambled(LSTM(D, H, dtype=np.float64, **options))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def by_hand(lstm, x, hidden, cell, cell_clip=np.inf, projection_clip=np.inf):
    """y of an LSTM, entry by entry; nothing is shared with the layer."""
    w_ih, w_hh = lstm.weight_ih.value, lstm.weight_hh.value
    size = cell.shape[1]
    y = np.zeros((len(x), x.shape[1], w_hh.shape[0]))
    for row in range(len(x)):
        h, c = hidden[row], cell[row]
        for step in range(x.shape[1]):
            z = [x[row, step] @ w_ih[:, k] + h @ w_hh[:, k] + lstm.bias_ih.value[k] + lstm.bias_hh.value[k]
                 for k in range(4 * size)]
            new_c, out = np.zeros(size), np.zeros(size)
            for k in range(size):
                i, f, g, o = z[k], z[size + k], z[2 * size + k], z[3 * size + k]
                new_c[k] = np.clip(sigmoid(f) * c[k] + sigmoid(i) * np.tanh(g), -cell_clip, cell_clip)
                out[k] = sigmoid(o) * np.tanh(new_c[k])
            c, h = new_c, out
            if hasattr(lstm, "weight_hr"):
                h = np.clip(out @ lstm.weight_hr.value, -projection_clip, projection_clip)
            y[row, step] = h
    return y


# --- what it computes ---


def test_it_is_the_formula():
    lstm = layer()
    (y, _), _ = lstm.forward(X, STATE)
    np.testing.assert_allclose(y, by_hand(lstm, X, *STATE), atol=1e-14)


def test_projection_and_clipping_are_the_formula():
    clips = {"cell_clip": 0.6, "projection_clip": 0.5}
    lstm = layer(projection_size=P, **clips)
    state = random(B, P, seed=2), STATE[1]
    (y, (_, cell)), _ = lstm.forward(X, state)
    np.testing.assert_allclose(y, by_hand(lstm, X, *state, **clips), atol=1e-14)
    assert (np.abs(y) == 0.5).any() and (np.abs(y) < 0.5).any() and np.abs(cell).max() <= 0.6


def test_the_fast_form_is_the_plain_one():
    plain, fast = scrambled(PlainLSTM(D, H, dtype=np.float64)), layer()
    (y, last), cache = plain.forward(X, STATE)
    d_x, d_state = plain.backward(D_OUTPUT, cache)
    (fast_y, fast_last), fast_cache = fast.forward(X, STATE)
    fast_d_x, fast_d_state = fast.backward(D_OUTPUT, fast_cache)
    ours = [fast_y, *fast_last, fast_d_x, *fast_d_state, *grads(fast).values()]
    for one, other in zip(ours, [y, *last, d_x, *d_state, *grads(plain).values()], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-13, atol=1e-13)


def test_the_layers_start_with_the_same_weights():
    plain, fast = PlainLSTM(D, H), LSTM(D, H)
    assert_same([p.value for p in plain.parameters().values()], [p.value for p in fast.parameters().values()])
    assert np.abs(LSTM(D, 25).weight_hh.value).max() <= 0.2 and LSTMCell(D, H).bias_ih.value.all()


# --- time ---


@pytest.mark.parametrize("options", [{}, {"projection_size": P, "cell_clip": 0.6, "projection_clip": 0.5}])
def test_two_halves_with_carried_state_are_one_pass(options):
    """Also backward: the gradient of the state is what joins the halves."""
    lstm = layer(**options)
    (y, last), cache = lstm.forward(X)
    d_y, d_last = random(*y.shape, seed=4), [random(*part.shape, seed=5) for part in last]
    d_x, _ = lstm.backward((d_y, d_last), cache)
    whole = grads(lstm)
    lstm.zero_grad()
    (first, state), first_cache = lstm.forward(X[:, :2])
    (second, end), second_cache = lstm.forward(X[:, 2:], state)
    d_second, d_state = lstm.backward((d_y[:, 2:], d_last), second_cache)
    d_first, _ = lstm.backward((d_y[:, :2], d_state), first_cache)
    np.testing.assert_allclose(np.hstack([first, second]), y, atol=1e-15)
    np.testing.assert_allclose(np.hstack([d_first, d_second]), d_x, atol=1e-14)
    for name, part in grads(lstm).items():
        np.testing.assert_allclose(part, whole[name], atol=1e-13, err_msg=name)
    for part, expected in zip(end, last):
        np.testing.assert_allclose(part, expected, atol=1e-15)


def test_a_later_input_has_no_gradient_and_changes_nothing():
    lstm = layer()
    (y, _), cache = lstm.forward(X)
    d_y = np.zeros_like(y)
    d_y[:, 2] = random(B, H, seed=5)
    d_x, _ = lstm.backward((d_y, None), cache)
    assert not d_x[:, 3:].any() and d_x[:, :3].all()
    changed = X.copy()
    changed[:, 3:] = 7
    (other, _), _ = lstm.forward(changed)
    assert np.array_equal(other[:, :3], y[:, :3]) and not np.array_equal(other, y)


def test_the_state_is_a_copy():
    (_, state), cache = layer().forward(X)
    assert not any(np.shares_memory(part, kept) for part in state for kept in (cache.hiddens, cache.cells))


# --- dropout ---


def test_weight_dropout_spares_the_parameter_and_reaches_its_gradient():
    lstm, plain = layer(weight_dropout=0.4), layer()
    before = lstm.weight_hh.value.copy()
    (y, _), cache = lstm.forward(X, STATE, rng=np.random.default_rng(5))
    lstm.backward(D_OUTPUT, cache)
    assert np.array_equal(lstm.weight_hh.value, before)
    plain.weight_hh.value = dropped(before, 0.4, np.random.default_rng(5))
    (expected, _), expected_cache = plain.forward(X, STATE)
    plain.backward(D_OUTPUT, expected_cache)
    np.testing.assert_allclose(y, expected, atol=1e-15)
    scale = np.where(plain.weight_hh.value == 0, 0, 65536 / (65536 - round(0.4 * 65536)))
    assert 0 < np.count_nonzero(scale) < scale.size
    np.testing.assert_allclose(lstm.weight_hh.grad, plain.weight_hh.grad * scale, atol=1e-14)
    (without, _), _ = lstm.forward(X, STATE)
    assert np.array_equal(without, layer().forward(X, STATE)[0][0])


def test_locked_dropout_has_one_mask_for_all_steps():
    x = np.ones((B, T, 50), np.float32)
    y, cache = LockedDropout(0.4).forward(x, np.random.default_rng(5))
    assert y.dtype == np.float32 and set(np.unique(y)) == {0, np.float32(65536 / (65536 - 26214))}
    assert (y == y[:, :1]).all() and not (y == y[:1]).all()
    assert np.array_equal(LockedDropout(0.4).backward(x, cache), y)
    assert np.array_equal(LockedDropout(0.4).forward(x)[0], x)


# --- dtypes, wrong input ---


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
@pytest.mark.parametrize("make", [
    lambda: LSTM(D, H, projection_size=H, cell_clip=0.6, projection_clip=0.5, weight_dropout=0.4),
    lambda: PlainLSTM(D, H),
    lambda: RNN(D, H),
])
def test_everything_is_of_the_parameters_dtype(make, dtype):
    recurrent = make().astype(dtype)
    is_lstm = not isinstance(recurrent, RNN)
    state = [part.astype(dtype) for part in STATE] if is_lstm else STATE[0].astype(dtype)
    options = {"rng": np.random.default_rng(5)} if isinstance(recurrent, LSTM) else {}
    (y, last), cache = recurrent.forward(X.astype(dtype), state, **options)
    d_x, d_state = recurrent.backward((y, last), cache)
    arrays = [y, d_x, *(last if is_lstm else [last]), *(d_state if is_lstm else [d_state])]
    assert {array.dtype for array in [*arrays, *grads(recurrent).values()]} == {np.dtype(dtype)}


@pytest.mark.parametrize("x, state, message", [
    (X[..., :2], None, r"LSTM expects x of shape \(batch, steps, 3\) .*, got \(4, 5, 2\)"),
    (X[0], None, r"got \(5, 3\)"),
    (X, STATE[:1], r"the state \(h, c\) of this LSTM and batch is \(\(4, 2\), \(4, 2\)\), got \(\(4, 2\),\)"),
    (X[:3], STATE, r"is \(\(3, 2\), \(3, 2\)\), got \(\(4, 2\), \(4, 2\)\)"),
])
def test_wrong_input(x, state, message):
    with pytest.raises(ValueError, match=message):
        layer().forward(x, state)
