"""Of the layers that all models share."""

ATTENTION = "layers/attention.py MultiHeadAttention.backward"
FOUR_AXES = "query, key, value and scores have four axes: 2 is -2"
SAME_INPUT = "key and value are projections of one array, and both caches hold it"

ENCODER = "layers/encoder_layer.py EncoderLayer.backward"
NOT_ITS_OWN = "both Dropouts have the same probability, and all else is in the cache"

EMBEDDING = "layers/embedding.py Embedding.backward"
FLAT = "add_rows reads the rows as one flat array, whatever their shape"

CROSS_ENTROPY = "layers/cross_entropy.py CrossEntropy.backward"
LINEAR = "layers/linear.py Linear.backward"
ROW_BY_ROW = "the product is taken row by row, in any number of axes"
FACTORS = "the two factors of a product change places"
WRITTEN = "out= is written, not added to"
DENSITY = "np.exp(some_x * some_x * -0.5, out=some_density)"
PRODUCT = "np.matmul(left, right, out=self._grad)"

EQUIVALENT = {
    (ATTENTION, "d_dropped_probs = d_weighted_value @ value.swapaxes(-1, 2)"): FOUR_AXES,
    (ATTENTION, "d_value = dropped_probs.swapaxes(-1, 2) @ d_weighted_value"): FOUR_AXES,
    (ATTENTION, "d_key = (d_scores.swapaxes(-1, 2) @ query) * scale"): FOUR_AXES,
    (
        ATTENTION,
        "d_by_key = self.key.backward(self._join_heads(d_key), cache.value_projection)",
    ): SAME_INPUT,
    (
        ATTENTION,
        "d_by_value = self.value.backward(self._join_heads(d_value), cache.key_projection)",
    ): SAME_INPUT,
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
    (LINEAR, "self.bias.grad += d_rows_out.sum(axis=-2)"): "rows of a matrix: it has two axes, -2 is 0",
    (LINEAR, "d_x = (d_y @ self.weight.value.T).reshape(x.shape)"): ROW_BY_ROW,
    (
        "layers/layer_norm.py LayerNorm.backward",
        "along_normalized = mean_product(normalized, d_normalized)",
    ): FACTORS,
    (
        "layers/softmax.py softmax_backward",
        "mean = np.einsum('...j,...j->...', d_probs, probs)[..., np.newaxis]",
    ): FACTORS,
    ("layers/base.py Parameter.add_product", f"{PRODUCT}; {PRODUCT}"): WRITTEN,
    ("layers/gelu.py normal_density", f"{DENSITY}; {DENSITY}"): WRITTEN,
}
