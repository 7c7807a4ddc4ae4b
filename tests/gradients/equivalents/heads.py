"""Of the heads of fine-tuning."""

SPAN = "models/heads.py SpanHead.backward"
NO_STATE = "both losses are a CrossEntropy, which has no parameters: all is in the cache"

EQUIVALENT = {
    (SPAN, "if cache.end_loss is None:"): "there are both or neither",
    (SPAN, "d_start_logits, _ = self.end_loss.backward(d_start_loss / 2, cache.start_loss)"): NO_STATE,
    (SPAN, "d_end_logits, _ = self.start_loss.backward(d_end_loss / 2, cache.end_loss)"): NO_STATE,
}
