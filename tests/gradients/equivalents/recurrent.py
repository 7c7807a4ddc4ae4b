"""Of recurrent layers and models."""

RNN = "layers/rnn.py RNN.backward"

EQUIVALENT = {
    (RNN, "d_sums = np.empty_like(d_hiddens[1:])"): "d_hiddens has the shape of hiddens",
    (RNN, "d_bias = d_row_sums.sum(axis=-2)"): "d_row_sums has two axes: 0 is -2",
}
