"""Of recurrent layers and models."""

RNN = "layers/rnn.py RNN.backward"
MODEL = "models/recurrent.py RNNLanguageModel.backward"
DROPOUTS = "the Dropouts of a model have one probability, and the mask of a LockedDropout is in its record"
D_HIDDEN = "d_hidden = self.dropouts[{}].backward(d_layer_inputs[k + 1], cache.dropouts[k + 1])"

EQUIVALENT = {
    (RNN, "d_sums = np.empty_like(d_hiddens[1:])"): "d_hiddens has the shape of hiddens",
    (RNN, "d_bias = d_row_sums.sum(axis=-2)"): "d_row_sums has two axes: 0 is -2",
    (MODEL, "((num_tokens, batch_size, output_size)) = cache.output_shape"): "only the product is used",
    (MODEL, D_HIDDEN.format("(k - 1)")): DROPOUTS,
    (MODEL, D_HIDDEN.format("k")): DROPOUTS,
    (MODEL, D_HIDDEN.format("1")): DROPOUTS,
    (MODEL, "d_embedded = self.dropouts[1].backward(d_layer_inputs[0], cache.dropouts[0])"): DROPOUTS,
}
