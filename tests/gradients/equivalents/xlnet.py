"""Of XLNet."""

PROJECTION = "layers/head_projection.py HeadProjection.backward"
OUTPUT = "layers/head_projection.py HeadOutput.backward"
SQUARE = "all heads side by side are as wide as the input, A·D = H: the matrix is square"

POSITION = "layers/relative_attention.py PositionScores.backward"
SEGMENT = "layers/relative_attention.py SegmentScores.backward"
ATTENTION = "layers/relative_attention.py RelativeAttention.backward"
FOUR_AXES = "queries, keys, values and scores have four axes: 2 is -2"
ANY_ORDER = "a sum over two axes, in either order"
SAME_INPUT = "key and value are projections of one array, and both caches hold it"

EMBEDDINGS = "models/xlnet.py XLNetEmbeddings.backward"
LAYER = "models/xlnet.py XLNetLayer.backward"
MODEL = "models/xlnet.py XLNetModel.backward"
NOT_ITS_OWN = "all Dropouts have the same probability, and all else is in the cache"

EQUIVALENT = {
    (PROJECTION, "matrix = self.weight.value.reshape(-1, x.shape[-1])"): SQUARE,
    (OUTPUT, "matrix = self.weight.value.reshape(-1, len(self.weight.value))"): SQUARE,
    (OUTPUT, "matrix = self.weight.value.reshape(len(self.weight.grad), -1)"): "both have the same shape",
    (
        POSITION, "d_key_heads = (d_by_distance.swapaxes(-1, 2) @ cache.queries).sum(axis=0)"
    ): FOUR_AXES,
    (POSITION, "d_bias = d_query_heads.sum(axis=((2, 0)))"): ANY_ORDER,
    (SEGMENT, "d_both = (d_by_row @ which.swapaxes(-1, 2)).swapaxes(1, 2)"): FOUR_AXES,
    (SEGMENT, "d_embedding_heads = (d_both.swapaxes(-1, 2) @ queries).sum(axis=0)"): FOUR_AXES,
    (SEGMENT, "d_bias = d_query_heads.sum(axis=((2, 0)))"): ANY_ORDER,
    (
        ATTENTION, "d_dropped_probs = d_weighted_value @ cache.value_heads.swapaxes(-1, 2)"
    ): FOUR_AXES,
    (ATTENTION, "d_value_heads = cache.dropped_probs.swapaxes(-1, 2) @ d_weighted_value"): FOUR_AXES,
    (ATTENTION, "d_key_heads = d_part.swapaxes(-1, 2) @ cache.content_queries"): FOUR_AXES,
    (ATTENTION, "d_content_bias = d_content_queries.sum(axis=((2, 0)))"): ANY_ORDER,
    (ATTENTION, "share_of_key = self.key.backward(d_key_heads, cache.value)"): SAME_INPUT,
    (ATTENTION, "share_of_value = self.value.backward(d_value_heads, cache.key)"): SAME_INPUT,
    (
        EMBEDDINGS, "d_mask = d_query.sum(axis=(0, 1), keepdims=False)"
    ): "(H,) is added to (1, 1, H) as (1, 1, H) is",
    (EMBEDDINGS, "d_mask = d_query.sum(axis=((1, 0)), keepdims=True)"): ANY_ORDER,
    (
        LAYER, "d_feed_forward = self.attention_dropout.backward(d_output_sum, cache.output_dropout)"
    ): NOT_ITS_OWN,
    (
        LAYER, "d_attention = self.output_dropout.backward(d_attention_sum, cache.attention_dropout)"
    ): NOT_ITS_OWN,
    (MODEL, "d_last = self.wave_dropout.backward(d_last_hidden_state, cache.dropout)"): NOT_ITS_OWN,
    (
        MODEL, "d_rows[k][:, num_tokens - kept : num_tokens] += d_state[k][:, -num_tokens:]"
    ): "a state of fewer tokens is all kept",
}
