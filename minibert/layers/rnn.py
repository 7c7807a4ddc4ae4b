"""The simple recurrent layer (Elman 1990)."""

from typing import NamedTuple

import numpy as np

from minibert.layers.base import Layer, Parameter, describe_cache
from minibert.layers.initializers import uniform


class RNNCache(NamedTuple):
    rows: np.ndarray  # (T·B, D): x with time first
    hiddens: np.ndarray  # (T + 1, B, H): hiddens[0] came in as state, hiddens[t + 1] is the output of step t
    __repr__ = describe_cache


class RNN(Layer):
    """h_t = tanh(x_t W_ih + b_ih + h_{t−1} W_hh + b_hh) for t = 1 … T (Elman 1990).

    Args:
        input_size: D.  hidden_size: H.
        rng: generator for weights and biases, uniform in ±1/√H as in PyTorch.  dtype: of all parameters.

    There are two biases, as in PyTorch. Only their sum matters, and both have the same gradient.

    Derivation ("backpropagation through time"). With sums_t the argument of tanh, h_t is used twice: it is
    the output of step t, and step t + 1 reads it. So its gradient is a sum of two terms,

        d_h_t    = d_y_t + d_sums_{t+1} W_hhᵀ                           (B, H)
        d_sums_t = d_h_t · (1 − h_t²)                                   tanh′ = 1 − tanh²

    computed from the last step to the first. All steps share the weights; the gradients add up over time:

        d_W_ih = Σ_t x_tᵀ d_sums_t        d_W_hh = Σ_t h_{t−1}ᵀ d_sums_t        d_b = Σ_t Σ_rows d_sums_t

    Each is one product, of the rows of all steps. On its way from step t to step t − k the gradient is
    multiplied k times by W_hhᵀ and by tanh′ ≤ 1: it vanishes, or explodes (Bengio et al. 1994).
    """

    def __init__(self, input_size, hidden_size, *, rng=None, dtype=np.float32):
        rng = np.random.default_rng(0) if rng is None else rng
        bound = hidden_size**-0.5
        self.weight_ih = Parameter(uniform(rng, (input_size, hidden_size), bound, dtype))
        self.weight_hh = Parameter(uniform(rng, (hidden_size, hidden_size), bound, dtype))
        self.bias_ih = Parameter(uniform(rng, hidden_size, bound, dtype))
        self.bias_hh = Parameter(uniform(rng, hidden_size, bound, dtype))

    def forward(self, x, state=None, rng=None):
        """Run over the T steps of every sequence.

        Args:
            x: (B, T, D).
            state: h before the first step, (B, H); None means zeros.
            rng: not used, because nothing is dropped between steps; LSTM drops weights.

        Returns: (y (B, T, H), the state after the last step (B, H)), cache.

        Raises:
            ValueError: x is not (B, T, D), or state not (B, H).
        """
        first_hidden = self._check(x, state)                                    # (B, H)
        batch_size, num_steps, input_size = x.shape
        rows = x.swapaxes(0, 1).reshape(-1, input_size)                         # (T·B, D)
        bias = self.bias_ih.value + self.bias_hh.value                          # (H,)
        row_sums = rows @ self.weight_ih.value + bias                           # (T·B, H)
        input_sums = row_sums.reshape(num_steps, batch_size, -1)                # (T, B, H)
        hiddens = np.empty((num_steps + 1, *first_hidden.shape), input_sums.dtype)  # (T + 1, B, H)
        hiddens[0] = first_hidden
        for time in range(num_steps):
            hiddens[time + 1] = np.tanh(input_sums[time] + hiddens[time] @ self.weight_hh.value)
        y = hiddens[1:].swapaxes(0, 1)                                          # (B, T, H)
        return (y, hiddens[-1].copy()), RNNCache(rows, hiddens)

    def backward(self, d_output, cache):
        """(d_y (B, T, H), d_state (B, H) or None) → d_x (B, T, D), d_state of the state that came in."""
        d_y, d_last_hidden = d_output
        rows, hiddens = cache.rows, cache.hiddens
        num_steps, batch_size = d_y.shape[1], d_y.shape[0]
        d_hiddens = np.zeros_like(hiddens)                                      # (T + 1, B, H)
        d_hiddens[1:] = d_y.swapaxes(0, 1)                                      # as the output of its step
        if d_last_hidden is not None:
            d_hiddens[-1] += d_last_hidden
        d_sums = np.empty_like(hiddens[1:])                                     # (T, B, H)
        for time in reversed(range(num_steps)):
            hidden = hiddens[time + 1]                                          # (B, H)
            d_sums[time] = d_hiddens[time + 1] * (1 - hidden * hidden)
            d_hiddens[time] += d_sums[time] @ self.weight_hh.value.T            # as read by the next step
        d_row_sums = d_sums.reshape(rows.shape[0], -1)                          # (T·B, H)
        hidden_rows = hiddens[:-1].reshape(d_row_sums.shape)                    # (T·B, H)
        d_weight_ih = rows.T @ d_row_sums                                       # (D, H)
        self.weight_ih.grad += d_weight_ih
        d_weight_hh = hidden_rows.T @ d_row_sums                                # (H, H)
        self.weight_hh.grad += d_weight_hh
        d_bias = d_row_sums.sum(axis=0)                                         # (H,)
        self.bias_ih.grad += d_bias
        self.bias_hh.grad += d_bias
        d_rows = d_row_sums @ self.weight_ih.value.T                            # (T·B, D)
        d_x = d_rows.reshape(num_steps, batch_size, -1).swapaxes(0, 1)          # (B, T, D)
        return d_x, d_hiddens[0]

    def _check(self, x, state):
        """Return the first hidden state, (B, H), or say what is wrong with x or the state."""
        input_size, hidden_size = self.weight_ih.value.shape
        check_sequences("RNN", x, input_size)
        expected = (x.shape[0], hidden_size)
        if state is not None and np.shape(state) != expected:
            raise ValueError(f"the state of this RNN and batch is {expected}, got {np.shape(state)}")
        return np.zeros(expected, self.weight_ih.value.dtype) if state is None else state


def check_sequences(name, x, input_size):
    """Raise ValueError if x is not (B, T, input_size), with one step or more."""
    if x.ndim != 3 or x.shape[2] != input_size or x.shape[1] == 0:
        raise ValueError(
            f"{name} expects x of shape (batch, steps, {input_size}) with one step or more, got {x.shape}"
        )
