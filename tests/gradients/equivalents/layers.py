"""Of the layers that all models share."""

ATTENTION = "layers/attention.py MultiHeadAttention.backward"
FOUR_AXES = "query, key, value and scores have four axes: 2 is -2"
SAME_INPUT = "key and value are projections of one array, and both caches hold it"

ENCODER = "layers/encoder_layer.py EncoderLayer.backward"
NOT_ITS_OWN = "both Dropouts have the same probability, and all else is in the cache"

EMBEDDING = "layers/embedding.py Embedding.backward"
FLAT = "add_rows reads the rows as one flat array, whatever their shape"

CROSS_ENTROPY = "layers/cross_entropy.py CrossEntropy.backward"
TIED_DECODER = "layers/tied_decoder.py TiedDecoder.backward"
TWO_AXES = "d_logit_rows has two axes: 0 is -2"
LINEAR = "layers/linear.py Linear.backward"
ROW_BY_ROW = "the product is taken row by row, in any number of axes"
WRITTEN = "out= is written, not added to"
DENSITY = "np.exp(some_x * some_x * -0.5, out=some_density)"

EQUIVALENT = {
    (ATTENTION, "d_dropped_probs = d_weighted_value @ value_heads.swapaxes(-1, 2)"): FOUR_AXES,
    (ATTENTION, "d_value_heads = cache.dropped_probs.swapaxes(-1, 2) @ d_weighted_value"): FOUR_AXES,
    (ATTENTION, "d_key_heads = (d_scores.swapaxes(-1, 2) @ query_heads) * scale"): FOUR_AXES,
    (
        ATTENTION,
        "share_of_key = self.key.backward(d_key_rows, cache.value)",
    ): SAME_INPUT,
    (
        ATTENTION,
        "share_of_value = self.value.backward(d_value_rows, cache.key)",
    ): SAME_INPUT,
    (ATTENTION, "num_past = key_heads.shape[2] - cache.value.x.shape[1]"): SAME_INPUT,
    (TIED_DECODER, "d_bias = d_logit_rows.sum(axis=-2)"): TWO_AXES,
    (TIED_DECODER, "d_rows = d_logits @ self.weight.value"): ROW_BY_ROW,
    (
        ENCODER,
        "d_feed_forward = self.attention_dropout.backward(d_output_sum, cache.output_dropout)",
    ): NOT_ITS_OWN,
    (
        ENCODER,
        "d_attention = self.output_dropout.backward(d_attention_sum, cache.attention_dropout)",
    ): NOT_ITS_OWN,
    (EMBEDDING, "add_rows(self.weight.grad, ids.reshape(-1), d_y)"): FLAT,
    (EMBEDDING, "add_rows(self.weight.grad, ids.reshape(-1), d_y.reshape(d_y.shape[-1], -1))"): FLAT,
    (
        CROSS_ENTROPY,
        "counted = np.flatnonzero(labels != IGNORE_INDEX)",
    ): "flatnonzero flattens what it is given",
    (
        CROSS_ENTROPY,
        "d_logits = d_rows.reshape(*labels.shape, probs.shape[1])",
    ): "probs (N, V) has two axes: 1 is -1",
    (LINEAR, "d_bias = d_rows_out.sum(axis=-2)"): "rows of a matrix: it has two axes, -2 is 0",
    (LINEAR, "d_rows = d_y @ self.weight.value.T"): ROW_BY_ROW,
    ("layers/normal.py normal_density", f"{DENSITY}; {DENSITY}"): WRITTEN,
}
