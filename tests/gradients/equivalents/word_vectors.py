"""Of Word2Vec and GloVe."""

GLOVE = "word_vectors/glove_plain.py GloVeObjective.backward"
CAPPED = "where the count is above x_max, what depends on the cap is left out below"
SAME_BIAS = "d_bias is d_difference"

EQUIVALENT = {
    (GLOVE, "capped, weight, difference = cache.counts, cache.weight, cache.difference"): CAPPED,
    (GLOVE, "d_capped = d_weight * self.alpha * weight / counts"): CAPPED,
    (
        GLOVE,
        "d_counts = d_log_count / counts + np.where(capped.real < self.x_max, d_capped, 0)",
    ): CAPPED,
    (GLOVE, "d_log_count = -d_bias"): SAME_BIAS,
    (GLOVE, "np.add.at(self.word_bias.grad, rows, d_difference)"): SAME_BIAS,
    (GLOVE, "np.add.at(self.context_bias.grad, columns, d_difference)"): SAME_BIAS,
}
