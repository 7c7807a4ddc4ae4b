"""Of the Transformer of 2017, and of its loss."""

DECODER = "models/transformer.py DecoderLayer.backward"
NOT_ITS_OWN = "all Dropouts have the same probability, and all else is in the cache"
DROPOUTS = (  # a Dropout's name, and its line without the name
    ("output", "d_feed_forward = self.{}_dropout.backward(d_output_sum, cache.output_dropout)"),
    ("cross", "d_cross = self.{}_dropout.backward(d_cross_sum, cache.cross_dropout)"),
    ("attention", "d_attention = self.{}_dropout.backward(d_attention_sum, cache.attention_dropout)"),
)
SMOOTHED = "layers/smoothed_cross_entropy.py SmoothedCrossEntropy.backward"
TWO_AXES = "probs (N, V) has two axes: 1 is -1"

EQUIVALENT = {
    **{
        (DECODER, line.format(other)): NOT_ITS_OWN
        for name, line in DROPOUTS for other in ("attention", "cross", "output") if other != name
    },
    (
        "models/transformer.py Transformer.backward",
        "((num_tokens, batch_size, hidden_size)) = cache.hidden_shape",
    ): "only the product of the two is used",
    (
        "models/transformer.py TransformerEmbeddings.backward",
        "d_token = d_embeddings * math.sqrt(d_scaled.shape[-1])",
    ): "the waves are added, and pass the gradient on as it is",
    ("layers/sinusoidal.py SinusoidalPositions.backward", "return d_y, None"): "d_x is d_y",
    (SMOOTHED, "counted = np.flatnonzero(labels != IGNORE_INDEX)"): "flatnonzero flattens what it is given",
    (SMOOTHED, "d_logits = d_rows.reshape(*labels.shape, probs.shape[1])"): TWO_AXES,
    (SMOOTHED, "probs_minus_q[counted] = probs[counted] - self.smoothing / probs.shape[1]"): TWO_AXES,
}
