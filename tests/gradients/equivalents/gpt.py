"""Of GPT and GPT-2."""

BLOCK = "models/gpt.py GPT2Block.backward"
NOT_ITS_OWN = "both Dropouts have the same probability, and all else is in the cache"

EQUIVALENT = {
    (BLOCK, "d_feed_forward = self.attention_dropout.backward(d_y, cache.output_dropout)"): NOT_ITS_OWN,
    (BLOCK, "d_attention = self.output_dropout.backward(d_attended, cache.attention_dropout)"): NOT_ITS_OWN,
    (
        "models/gpt.py OpenAIGPTLMHeadModel.backward",
        "((num_tokens, batch_size, hidden_size)) = cache.hidden_shape",
    ): "only the product of the two is used",
    (
        "layers/tied_output.py TiedOutput.backward",
        "d_rows = d_logits @ self.weight.value",
    ): "the product is taken row by row, in any number of axes",
}
