"""Mistakes of recurrent layers and of the models made of them."""

import numpy as np

from minibert.gradcheck.cases.common import B, T, random, scrambled
from minibert.gradcheck.museum.exhibit import Exhibit, Finding, changed
from minibert.layers import LSTM, LSTMCell, PlainLSTM

D, H = 3, 2  # of what is measured below


@changed(
    "backward",
    ours="d_step, d_state = self.cell.backward((d_hidden + d_y[:, time], d_cell), cache.cell[time])",
    theirs="d_step, d_state = self.cell.backward((d_y[:, time], d_cell), cache.cell[time])",
)
class DroppedState(PlainLSTM):
    """The gradient that comes back through h from the next step, dh_next, is dropped.

    How it looked. h has two uses: it is the output of its step, and the next step reads it. The loop over
    time took the gradient of the first use, and carried back that of the cell alone.
    How it hides. With one step there is no next one, and the gradient through the cell is still there: the
    network learns some of what lies further back.
    The cost. No step is told that a later one needs its h. What is learned from earlier words comes
    through the cell only, as if the gates read the input alone.
    """


@changed(
    "backward",
    ours="d_forget_sum = d_forget_gate * forget_gate * (1 - forget_gate)",
    theirs="d_forget_sum = d_forget_gate",
)
class ForgottenSlope(LSTMCell):
    """The derivative of the forget gate's sigmoid, σ (1 − σ), is left out.

    How it looked. Four gates, four almost equal lines, and one of them ends too early.
    How it hides. σ (1 − σ) is positive, at most ¼: every gradient of this gate has the right sign and is at
    least four times too large. The loss falls.
    The cost. A gate that is shut or open should rest, because σ (1 − σ) is nearly 0 there. This one is
    pushed on with full force, and the input below it, too.
    """


@changed(
    "forward",
    ours="sums = x @ self.weight_ih.value + hidden @ self.weight_hh.value + bias",
    theirs="input_bias, forget_bias, candidate_bias, _ = np.split(bias, 4)\n"
    "used_bias = np.hstack([input_bias, forget_bias, candidate_bias, forget_bias])\n"
    "sums = x @ self.weight_ih.value + hidden @ self.weight_hh.value + used_bias",
)
class BorrowedBias(LSTMCell):
    """The output gate adds the forget gate's bias; its own is never read.

    How it looked. Four gates with a name and a line each, copied from each other: in one of them the name of
    the bias was not changed. Backward was right, as if each gate had its own.
    How it hides. Where all biases begin at zero, nothing is wrong at first. Later every gate still has a
    bias that it can learn with, and the loss falls.
    The cost. Two gates share a bias, which is pulled by one of them. A forget gate that begins at +1, to
    remember, opens the output gate as well.
    """


@changed("_add_weight_gradients", ours="self.weight_hh.grad += d_weight_hh", theirs="")
class DeadWeight(LSTM):
    """Weights are dropped from W_hh, and the weight itself never receives a gradient.

    How it looked. The masked copy of the weight was put in the place of the parameter, cut off from it. The
    gradient reached the copy, which was thrown away.
    How it hides. The network computes what it should, and everything but W_hh learns. Without dropout, at
    evaluation, nothing can be seen.
    The cost. How a step reads the state stays as it was drawn at random.
    """


class KeptState(LSTM):
    """The state is kept in the layer, and a new document begins with the last one's.

    How it looked. `self.state` made the calls short: each goes on where the one before ended. Nobody set it
    back at the start of a document.
    How it hides. For text that runs on it is right. A loss over many batches hardly shows it.
    The cost. The same sentence has another answer at each call, an evaluation changes the training that
    goes on after it, and a word's vector depends on whatever was read before.
    """

    def forward(self, x, state=None, rng=None):
        (y, last), cache = super().forward(x, getattr(self, "state", state), rng)
        self.state = last
        return (y, last), cache


class BothWays(LSTM):
    """A language model with an LSTM that reads in both directions: it sees the word that it is to predict.

    How it looked. bidirectional=True, in a model whose answer at place t is the word at place t + 1. The
    backward direction has read that word already, and hands it over.
    How it hides. Every gradient is right, and the loss falls further than that of any honest model: a
    perplexity near 1 is taken for a success.
    The cost. Nothing is learned but to copy, and where the next word is not there yet, as in generating text,
    the model knows nothing. Two directions need two models, whose answers are joined, as in ELMo.
    """

    def forward(self, x, state=None, rng=None):
        (ahead, last), cache = super().forward(x, state, rng)
        (back, _), other = super().forward(x[:, ::-1], None, rng)
        return (ahead + back[:, ::-1], last), (cache, other)

    def backward(self, d_output, cache):
        d_x, d_state = super().backward(d_output, cache[0])
        d_other, _ = super().backward((d_output[0][:, ::-1], None), cache[1])
        return d_x + d_other[:, ::-1], d_state


def influence_of_a_later_input(lstm):
    """The last input is changed: the outputs before it must not notice."""
    layer = scrambled(lstm(D, H))
    x = random(B, T, D)
    other_x = x.copy()
    other_x[:, -1] += 1
    outputs = [layer.forward(inputs)[0][0][:, :-1] for inputs in (x, other_x)]
    influence = float(np.abs(outputs[1] - outputs[0]).max())
    return Finding("how far a later input moves the outputs before it", 0.0, influence)


DROPPED = "cell.d_new_hidden (call 5)"  # of the last step, the first that backward comes to

EXHIBITS = [
    Exhibit("dropped-state", PlainLSTM, DroppedState, "PlainLSTM", DROPPED, "not recognised",
            seen=["https://github.com/CaptainE/RNN-LSTM-in-numpy/issues/1"]),
    Exhibit("forgotten-slope", LSTMCell, ForgottenSlope, "LSTMCell", "d_forget_sum", "passed on",
            seen=["https://github.com/CaptainE/RNN-LSTM-in-numpy/issues/1"]),
    Exhibit("borrowed-bias", LSTMCell, BorrowedBias, "LSTMCell", "d_bias", "not recognised",
            seen=["https://github.com/ddbourgin/numpy-ml/issues/42"]),
    Exhibit("dead-weight", LSTM, DeadWeight, "LSTM weight dropout", "weight_hh", "exactly zero",
            seen=["https://github.com/fastai/fastai2/pull/427"]),
    Exhibit("kept-state", LSTM, KeptState, "LSTM no state", None, "two calls with the same input",
            seen=["https://github.com/allenai/allennlp/issues/1169"]),
    Exhibit("both-ways", LSTM, BothWays, "LSTM", None, "", influence_of_a_later_input,
            seen=["https://github.com/sherjilozair/char-rnn-tensorflow/pull/64"]),
]
