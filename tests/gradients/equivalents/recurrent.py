"""Of recurrent layers and models."""

RNN = "layers/rnn.py RNN.backward"
CELL = "layers/lstm.py LSTMCell.backward"
PLAIN = "layers/lstm.py PlainLSTM.backward"
LSTM = "layers/lstm.py LSTM.backward"
WEIGHTS = "layers/lstm.py LSTM._add_weight_gradients"
MODEL = "models/recurrent.py RNNLanguageModel.backward"
DROPOUTS = "the Dropouts of a model have one probability, and the mask of a LockedDropout is in its record"
OTHERS = "the other steps are written before they are read, or were read before"
D_WEIGHT_HR = "d_weight_hr = cache.outputs.reshape(len({}), -1).T @ d_projected_rows"
ROWS = "all have a row for each step of each sequence"
D_HIDDEN = "d_hidden = self.dropouts[{}].backward(d_layer_inputs[k + 1], cache.dropouts[k + 1])"

EQUIVALENT = {
    (RNN, "d_sums = np.empty_like(d_hiddens[1:])"): "d_hiddens has the shape of hiddens",
    (RNN, "d_bias = d_row_sums.sum(axis=-2)"): "d_row_sums has two axes: 0 is -2",
    (CELL, "d_bias = d_sums.sum(axis=-2)"): "d_sums has two axes: 0 is -2",
    (PLAIN, "d_x = np.stack(d_xs, axis=-2)"): "d_x has three axes: 1 is -2",
    (LSTM, "d_cells += d_last_state[1]"): OTHERS,
    (LSTM, "d_cells += d_out * output_gate * (1 - tanh_cell * tanh_cell)"): OTHERS,
    (LSTM, "d_cells[-1] = d_last_state[1]"): "it was zero",
    (WEIGHTS, "d_bias = d_row_sums.sum(axis=-2)"): "d_row_sums has two axes: 0 is -2",
    (WEIGHTS, D_WEIGHT_HR.format("d_projected_rows")): ROWS,
    (WEIGHTS, D_WEIGHT_HR.format("hidden_rows")): ROWS,
    (MODEL, "((num_tokens, batch_size, output_size)) = cache.output_shape"): "only the product is used",
    (MODEL, D_HIDDEN.format("(k - 1)")): DROPOUTS,
    (MODEL, D_HIDDEN.format("k")): DROPOUTS,
    (MODEL, D_HIDDEN.format("1")): DROPOUTS,
    (MODEL, "d_embedded = self.dropouts[1].backward(d_layer_inputs[0], cache.dropouts[0])"): DROPOUTS,
}
