"""Of BERT."""

EQUIVALENT = {
    (
        "models/bert.py MLMHead.backward",
        "self.decoder_bias.grad += d_logit_rows.sum(axis=-2)",
    ): "rows of a matrix: it has two axes, -2 is 0",
}
