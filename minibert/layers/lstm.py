"""Long short-term memory: one step (LSTMCell), a loop over steps to read (PlainLSTM), and a fast one (LSTM).

Source: Hochreiter & Schmidhuber 1997; the forget gate: Gers, Schmidhuber & Cummins 2000; the projection: Sak,
Senior & Beaufays 2014.
"""

from typing import NamedTuple

import numpy as np

from minibert.layers.base import Layer, Parameter, describe_cache
from minibert.layers.dropout import Dropout, DropoutCache
from minibert.layers.initializers import uniform
from minibert.layers.rnn import check_sequences
from minibert.layers.sigmoid import sigmoid


class LSTMCellCache(NamedTuple):
    x: np.ndarray  # (B, D)
    hidden: np.ndarray  # (B, H), before the step
    cell: np.ndarray  # (B, H), before the step
    input_gate: np.ndarray  # (B, H) in 0 … 1: how much of the candidate is written
    forget_gate: np.ndarray  # (B, H) in 0 … 1: how much of the cell is kept
    candidate: np.ndarray  # (B, H) in −1 … 1
    output_gate: np.ndarray  # (B, H) in 0 … 1: how much of the cell is shown
    tanh_cell: np.ndarray  # (B, H): tanh of the new cell
    __repr__ = describe_cache


class LSTMCell(Layer):
    """One step of an LSTM, in PyTorch's order of the gates: input i, forget f, candidate g, output o.

        sums      = x W_ih + b_ih + h W_hh + b_hh                       (B, 4H): [i | f | g | o]
        i, f, o   = σ(their sums),  g = tanh(its sums)                  (B, H) each
        new c     = f · c + i · g
        new h     = o · tanh(new c)

    Args:
        input_size: D.  hidden_size: H.
        rng: generator for weights and biases, uniform in ±1/√H as in PyTorch.  dtype: of all parameters.

    Derivation, with σ′ = σ (1 − σ) and tanh′ = 1 − tanh². The new cell has two uses: it is shown through the
    output gate, and carried to the next step, from where d_carried_c comes back. So

        d_o    = d_new_h · tanh(new c)
        d_new_c = d_carried_c + d_new_h · o · (1 − tanh²(new c))        both uses
        d_f    = d_new_c · c         d_i = d_new_c · g         d_g = d_new_c · i
        d_c    = d_new_c · f                                            the way back through time
        d_sums = [d_i · i (1 − i) | d_f · f (1 − f) | d_g · (1 − g²) | d_o · o (1 − o)]
        d_x    = d_sums W_ihᵀ          d_h = d_sums W_hhᵀ

    From cell to cell the gradient is multiplied by f alone: where the forget gate is open, near 1, it does
    not vanish. In a simple RNN it is multiplied by W_hhᵀ and tanh′ at every step.
    """

    def __init__(self, input_size, hidden_size, *, rng=None, dtype=np.float32):
        rng = np.random.default_rng(0) if rng is None else rng
        bound = hidden_size**-0.5
        self.weight_ih = Parameter(uniform(rng, (input_size, 4 * hidden_size), bound, dtype))
        self.weight_hh = Parameter(uniform(rng, (hidden_size, 4 * hidden_size), bound, dtype))
        self.bias_ih = Parameter(uniform(rng, 4 * hidden_size, bound, dtype))
        self.bias_hh = Parameter(uniform(rng, 4 * hidden_size, bound, dtype))

    def forward(self, x, state):
        """x (B, D), state (h, c) of (B, H) each → the new (h, c), cache."""
        hidden, cell = state
        bias = self.bias_ih.value + self.bias_hh.value                          # (4H,)
        sums = x @ self.weight_ih.value + hidden @ self.weight_hh.value + bias  # (B, 4H)
        input_sum, forget_sum, candidate_sum, output_sum = np.split(sums, 4, axis=1)  # (B, H) each
        input_gate = sigmoid(input_sum)
        forget_gate = sigmoid(forget_sum)
        candidate = np.tanh(candidate_sum)
        output_gate = sigmoid(output_sum)
        new_cell = forget_gate * cell + input_gate * candidate                  # (B, H)
        tanh_cell = np.tanh(new_cell)
        new_hidden = output_gate * tanh_cell                                    # (B, H)
        cache = LSTMCellCache(
            x=x, hidden=hidden, cell=cell, input_gate=input_gate, forget_gate=forget_gate,
            candidate=candidate, output_gate=output_gate, tanh_cell=tanh_cell)
        return (new_hidden, new_cell), cache

    def backward(self, d_output, cache):
        """Gradients of the new (h, c), (B, H) each → d_x (B, D), d_state: (d_hidden, d_cell)."""
        d_new_hidden, d_carried_cell = d_output
        x, hidden, cell, input_gate, forget_gate, candidate, output_gate, tanh_cell = cache
        d_output_gate = d_new_hidden * tanh_cell
        d_tanh_cell = d_new_hidden * output_gate
        d_new_cell = d_carried_cell + d_tanh_cell * (1 - tanh_cell * tanh_cell)  # carried on, and shown
        d_forget_gate = d_new_cell * cell
        d_cell = d_new_cell * forget_gate
        d_input_gate = d_new_cell * candidate
        d_candidate = d_new_cell * input_gate
        d_input_sum = d_input_gate * input_gate * (1 - input_gate)
        d_forget_sum = d_forget_gate * forget_gate * (1 - forget_gate)
        d_candidate_sum = d_candidate * (1 - candidate * candidate)
        d_output_sum = d_output_gate * output_gate * (1 - output_gate)
        d_sums = np.hstack([d_input_sum, d_forget_sum, d_candidate_sum, d_output_sum])  # (B, 4H)
        d_weight_ih = x.T @ d_sums                                              # (D, 4H)
        self.weight_ih.grad += d_weight_ih
        d_weight_hh = hidden.T @ d_sums                                         # (H, 4H)
        self.weight_hh.grad += d_weight_hh
        d_bias = d_sums.sum(axis=0)                                             # (4H,)
        self.bias_ih.grad += d_bias
        self.bias_hh.grad += d_bias
        d_x = d_sums @ self.weight_ih.value.T                                   # (B, D)
        d_hidden = d_sums @ self.weight_hh.value.T                              # (B, H)
        return d_x, (d_hidden, d_cell)


class PlainLSTMCache(NamedTuple):
    cell: list  # an LSTMCellCache a step: the cell ran T times
    __repr__ = describe_cache


class PlainLSTM(Layer):
    """The LSTM as a loop over its cell: to be read, and to hold the fast LSTM against.

    Derivation. The state that leaves step t enters step t + 1, so its gradient comes back from there; h_t is
    the output of step t as well, and the two gradients are added. All steps share one cell, whose gradients
    add up.

    Args:
        input_size, hidden_size, rng, dtype: as in LSTMCell.
    """

    def __init__(self, input_size, hidden_size, *, rng=None, dtype=np.float32):
        self.cell = LSTMCell(input_size, hidden_size, rng=rng, dtype=dtype)

    def forward(self, x, state):
        """x (B, T, D), state (h, c) of (B, H) each → (y (B, T, H), the last (h, c)), cache."""
        states, cell_caches = [state], []
        for time in range(x.shape[1]):
            new_state, cell_cache = self.cell.forward(x[:, time], states[-1])
            states.append(new_state)
            cell_caches.append(cell_cache)
        y = np.stack([hidden for hidden, _ in states[1:]], axis=1)              # (B, T, H)
        return (y, states[-1]), PlainLSTMCache(cell_caches)

    def backward(self, d_output, cache):
        """(d_y (B, T, H), (d_h, d_c) of the last state) → d_x (B, T, D), d_state."""
        d_y, d_state = d_output
        d_xs = []
        for time in reversed(range(d_y.shape[1])):
            d_hidden, d_cell = d_state
            d_step, d_state = self.cell.backward((d_hidden + d_y[:, time], d_cell), cache.cell[time])
            d_xs.insert(0, d_step)                                              # (B, D)
        d_x = np.stack(d_xs, axis=1)                                            # (B, T, D)
        return d_x, d_state


class LSTMCache(NamedTuple):
    rows: np.ndarray  # (T·B, D): x with time first
    weight_dropout: DropoutCache
    dropped_weight_hh: np.ndarray  # (P, 4H): the weight that was used
    gates: np.ndarray  # (T, 4, B, H): i, f, g, o = gates[t]
    cells: np.ndarray  # (T + 1, B, H): cells[0] came in as state, cells[t + 1] leaves step t
    tanh_cells: np.ndarray  # (T, B, H)
    outputs: np.ndarray  # (T, B, H): o · tanh(c), before the projection
    hiddens: np.ndarray  # (T + 1, B, P): hiddens[0] came in as state, hiddens[t + 1] is the output of step t
    __repr__ = describe_cache


class LSTM(Layer):
    """The LSTM over all steps, fast: PlainLSTM computes the same.

    The inputs do not depend on the state, so their share of all steps is one product, (T·B, D) × (D, 4H), and
    the loop keeps a small one, (B, P) × (P, 4H). All four gates are one tanh, because σ(z) = ½ + ½ tanh(½ z).
    Backward keeps the gradients of the sums; the weights' gradients are then one product each.

    Args:
        input_size: D.  hidden_size: H.
        projection_size: P; None is no projection, and P = H. With one, h = (o · tanh c) W_hr, as in ELMo.
        cell_clip, projection_clip: c and the projected h are cut to ± this at every step, as in ELMo; None
            for no bounds. Cut values have no gradient.
        weight_dropout: probability that a weight of W_hh is dropped (DropConnect), one mask for all steps;
            AWD-LSTM, Merity et al. 2017. The Parameter itself keeps its values, and gets the gradient.
        rng: generator for weights and biases, uniform in ±1/√H as in PyTorch.  dtype: of all parameters.

    Derivation: that of LSTMCell for every step, from the last to the first. With a projection,
    d_outputs = d_h W_hrᵀ and d_W_hr = Σ_t outputs_tᵀ d_h_t. With weight dropout, W_hh · mask is used in the
    place of W_hh, so d_W_hh = mask · d_(W_hh · mask).
    """

    def __init__(
        self, input_size, hidden_size, *, projection_size=None, cell_clip=None, projection_clip=None,
        weight_dropout=0.0, rng=None, dtype=np.float32,
    ):
        rng = np.random.default_rng(0) if rng is None else rng
        bound, num_gates = hidden_size**-0.5, 4 * hidden_size
        num_outputs = projection_size or hidden_size
        self.cell_clip, self.projection_clip = cell_clip, projection_clip
        self.weight_ih = Parameter(uniform(rng, (input_size, num_gates), bound, dtype))
        self.weight_hh = Parameter(uniform(rng, (num_outputs, num_gates), bound, dtype))
        self.bias_ih = Parameter(uniform(rng, num_gates, bound, dtype))
        self.bias_hh = Parameter(uniform(rng, num_gates, bound, dtype))
        if projection_size is not None:
            self.weight_hr = Parameter(uniform(rng, (hidden_size, projection_size), bound, dtype))
        self.weight_dropout = Dropout(weight_dropout)

    def forward(self, x, state=None, rng=None):
        """Run over the T steps of every sequence.

        Args:
            x: (B, T, D).
            state: (h (B, P), c (B, H)) before the first step; None means zeros.
            rng: for weight dropout.

        Returns: (y (B, T, P), the (h, c) after the last step), cache.

        Raises:
            ValueError: a shape is wrong.
        """
        first_hidden, first_cell = self._check(x, state)                        # (B, P), (B, H)
        (batch_size, num_steps, _), hidden_size = x.shape, first_cell.shape[1]
        slope, middle = _gate_constants(first_cell.real.dtype)                  # (4, 1, 1) each
        rows = x.swapaxes(0, 1).reshape(-1, x.shape[2])                         # (T·B, D)
        bias = self.bias_ih.value + self.bias_hh.value                          # (4H,)
        dropped_weight_hh, weight_cache = self.weight_dropout.forward(self.weight_hh.value, rng)
        row_sums = rows @ self.weight_ih.value + bias                           # (T·B, 4H)
        input_sums = row_sums.reshape(num_steps, batch_size, -1)                # (T, B, 4H)
        gates = np.empty((num_steps, 4, *first_cell.shape), input_sums.dtype)   # (T, 4, B, H)
        cells = np.empty((num_steps + 1, batch_size, hidden_size), gates.dtype)  # (T + 1, B, H)
        tanh_cells, outputs = np.empty_like(cells[1:]), np.empty_like(cells[1:])  # (T, B, H)
        hiddens = np.empty((num_steps + 1, *first_hidden.shape), gates.dtype)   # (T + 1, B, P)
        hiddens[0], cells[0] = first_hidden, first_cell
        for time in range(num_steps):
            sums = _by_gate(input_sums[time] + hiddens[time] @ dropped_weight_hh)  # (4, B, H)
            gates[time] = middle + slope * np.tanh(slope * sums)                # σ, σ, tanh, σ
            input_gate, forget_gate, candidate, output_gate = gates[time]       # (B, H) each
            new_cell = forget_gate * cells[time] + input_gate * candidate       # (B, H)
            cells[time + 1] = _clipped(new_cell, self.cell_clip)
            tanh_cells[time] = np.tanh(cells[time + 1])
            outputs[time] = output_gate * tanh_cells[time]
            hiddens[time + 1] = self._project(outputs[time])                    # (B, P)
        y = hiddens[1:].swapaxes(0, 1)                                          # (B, T, P)
        cache = LSTMCache(
            rows=rows, weight_dropout=weight_cache, dropped_weight_hh=dropped_weight_hh, gates=gates,
            cells=cells, tanh_cells=tanh_cells, outputs=outputs, hiddens=hiddens)
        return (y, (hiddens[-1].copy(), cells[-1].copy())), cache

    def backward(self, d_output, cache):
        """(d_y (B, T, P), (d_h, d_c) of the last state or None) → d_x (B, T, D), d_state."""
        d_y, d_last_state = d_output
        gates, cells, tanh_cells, hiddens = cache.gates, cache.cells, cache.tanh_cells, cache.hiddens
        num_steps, batch_size, hidden_size = tanh_cells.shape
        d_hiddens, d_cells = np.zeros_like(hiddens), np.zeros_like(cells)       # (T + 1, B, P), (T + 1, B, H)
        d_hiddens[1:] = d_y.swapaxes(0, 1)                                      # as the output of its step
        if d_last_state is not None:
            d_hiddens[-1] += d_last_state[0]
            d_cells[-1] += d_last_state[1]
        d_sums = np.empty((num_steps, batch_size, 4 * hidden_size), gates.dtype)  # (T, B, 4H)
        for time in reversed(range(num_steps)):
            input_gate, forget_gate, candidate, output_gate = gates[time]       # (B, H) each
            tanh_cell = tanh_cells[time]                                        # (B, H)
            d_out = self._project_backward(d_hiddens[time + 1], hiddens[time + 1])  # (B, H)
            d_output_gate = d_out * tanh_cell
            d_cells[time + 1] += d_out * output_gate * (1 - tanh_cell * tanh_cell)
            d_new_cell = _inside(d_cells[time + 1], cells[time + 1], self.cell_clip)  # (B, H)
            d_input_gate = d_new_cell * candidate
            d_forget_gate = d_new_cell * cells[time]
            d_candidate = d_new_cell * input_gate
            d_cells[time] = d_new_cell * forget_gate                            # as read by the next step
            d_input_sum = d_input_gate * (input_gate * (1 - input_gate))
            d_forget_sum = d_forget_gate * (forget_gate * (1 - forget_gate))
            d_candidate_sum = d_candidate * (1 - candidate * candidate)
            d_output_sum = d_output_gate * (output_gate * (1 - output_gate))
            d_sums[time] = np.hstack([d_input_sum, d_forget_sum, d_candidate_sum, d_output_sum])  # (B, 4H)
            d_hiddens[time] += d_sums[time] @ cache.dropped_weight_hh.T         # as read by the next step
        d_rows = self._add_weight_gradients(d_sums, d_hiddens, cache)           # (T·B, D)
        d_x = d_rows.reshape(num_steps, batch_size, -1).swapaxes(0, 1)          # (B, T, D)
        return d_x, (d_hiddens[0], d_cells[0])

    def _add_weight_gradients(self, d_sums, d_hiddens, cache):
        """Add the gradients of all weights, a product each; return that of the rows of x, (T·B, D)."""
        rows, hiddens = cache.rows, cache.hiddens
        d_row_sums = d_sums.reshape(len(rows), -1)                              # (T·B, 4H)
        d_weight_ih = rows.T @ d_row_sums                                       # (D, 4H)
        self.weight_ih.grad += d_weight_ih
        hidden_rows = hiddens[:-1].reshape(len(rows), -1)                       # (T·B, P)
        d_dropped_weight_hh = hidden_rows.T @ d_row_sums                        # (P, 4H)
        d_weight_hh = self.weight_dropout.backward(d_dropped_weight_hh, cache.weight_dropout)  # (P, 4H)
        self.weight_hh.grad += d_weight_hh
        d_bias = d_row_sums.sum(axis=0)                                         # (4H,)
        self.bias_ih.grad += d_bias
        self.bias_hh.grad += d_bias
        if hasattr(self, "weight_hr"):
            d_projected = _inside(d_hiddens[1:], hiddens[1:], self.projection_clip)  # (T, B, P)
            d_projected_rows = d_projected.reshape(hidden_rows.shape)           # (T·B, P)
            d_weight_hr = cache.outputs.reshape(len(rows), -1).T @ d_projected_rows  # (H, P)
            self.weight_hr.grad += d_weight_hr
        d_rows = d_row_sums @ self.weight_ih.value.T                            # (T·B, D)
        return d_rows

    def _project(self, output):
        """output (B, H) → h (B, P), clipped."""
        if not hasattr(self, "weight_hr"):
            return output
        return _clipped(output @ self.weight_hr.value, self.projection_clip)

    def _project_backward(self, d_hidden, hidden):
        """d_hidden (B, P) → d_output (B, H); `hidden` tells what was clipped."""
        if not hasattr(self, "weight_hr"):
            return d_hidden
        d_projected = _inside(d_hidden, hidden, self.projection_clip)           # (B, P)
        return d_projected @ self.weight_hr.value.T

    def _check(self, x, state):
        """Return the first (h (B, P), c (B, H)), or say what is wrong with x or the state."""
        input_size, num_gates = self.weight_ih.value.shape
        check_sequences("LSTM", x, input_size)
        expected = (x.shape[0], len(self.weight_hh.value)), (x.shape[0], num_gates // 4)
        if state is None:
            return [np.zeros(shape, self.weight_ih.value.dtype) for shape in expected]
        shapes = tuple(map(np.shape, state))
        if shapes != expected:
            raise ValueError(f"the state (h, c) of this LSTM and batch is {expected}, got {shapes}")
        return state


def _by_gate(sums):
    """(B, 4H) → the same sums as (4, B, H): of i, f, g, o."""
    return sums.reshape(len(sums), 4, -1).swapaxes(0, 1)


def _gate_constants(dtype):
    """Return slope and middle, (4, 1, 1) each: a gate is middle + slope · tanh(slope · its sum)."""
    slope = np.array([0.5, 0.5, 1, 0.5], dtype).reshape(4, 1, 1)
    return slope, 1 - slope


def _clipped(values, bound):
    """Cut values to ±bound, complex ones by their real part; None leaves them."""
    return values if bound is None else np.clip(values, -bound, bound)


def _inside(d_values, values, bound):
    """The gradient where values lie within ±bound, and 0 where they were cut."""
    if bound is None:
        return d_values
    return d_values * ((values.real > -bound) & (values.real < bound))
