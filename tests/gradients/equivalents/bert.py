"""Of BERT."""

BERT = "models/bert.py BertForPreTraining.backward"
NO_STATE = "both losses are a CrossEntropy, which has no parameters: all is in the cache"
PRODUCT = "only the product of the two is used"

EQUIVALENT = {
    (BERT, "d_prediction_logits, _ = self.nsp_loss.backward(d_mlm_loss, cache.mlm_loss)"): NO_STATE,
    (BERT, "d_seq_relationship_logits, _ = self.mlm_loss.backward(d_nsp_loss, cache.nsp_loss)"): NO_STATE,
    (BERT, "((num_tokens, batch_size, hidden_size)) = cache.hidden_shape"): PRODUCT,
}
