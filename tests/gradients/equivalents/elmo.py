"""Of ELMo."""

CONVOLUTION = "models/elmo.py MaxConvolution.backward"
HIGHWAY = "models/elmo.py Highway.backward"
ENCODER = "models/elmo.py CharacterEncoder.backward"
MIX = "models/elmo.py ScalarMix.backward"
ELMO = "models/elmo.py ELMo.backward"
PUT = "np.put_along_axis(d_scores, which, d_y.T, axis=1)"
FLAT = "add_rows reads its rows as flat numbers"
SAME_INPUT = "gate and transform have the same input, and a Linear's record is its input"

EQUIVALENT = {
    (CONVOLUTION, f"{PUT}; {PUT}"): "written twice is written once",
    (CONVOLUTION, "np.put_along_axis(d_scores, which, d_y.T, axis=-1)"):
        "d_scores has two axes: 1 is -1",
    (CONVOLUTION, "d_bias = d_y.sum(axis=-2)"): "d_y has two axes: 0 is -2",
    (HIGHWAY, "share_of_gate = self.gate.backward(d_gate_sum, cache.transform)"): SAME_INPUT,
    (HIGHWAY, "share_of_transform = self.transform.backward(d_transform_sum, cache.gate)"): SAME_INPUT,
    (ENCODER, "d_ys = np.split(d_found, ends[:-1], axis=-1)"): "d_found has two axes: 1 is -1",
    (ENCODER, "d_ys = np.split(d_found, ends, axis=1)"): "an empty piece more, which zip leaves out",
    (MIX, "d_probs = (d_mixed * layers).sum(axis=((1, 3, 2)))"): "a sum over the same axes",
    (MIX, "d_probs = (d_mixed * layers).sum(axis=((2, 1, 3)))"): "a sum over the same axes",
    (ELMO, "d_ahead = np.zeros((len(self.back.layers), *d_tops.shape[1:]), d_tops.dtype)"):
        "both directions have the same number of layers",
    (ELMO, "add_rows(d_vectors, cache.words, d_x.reshape(-1, batch_size))"): FLAT,
    (ELMO, "add_rows(d_vectors, cache.words, d_x.reshape(size, -1))"): FLAT,
    (ELMO, "add_rows(d_vectors, cache.words, d_x)"): FLAT,
    (ELMO, "add_rows(d_vectors, cache.words, d_x.reshape(-1, num_tokens))"): FLAT,
}
