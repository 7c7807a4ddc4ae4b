"""XLNet's names, ours and Hugging Face's."""

MODEL_TYPE = "xlnet"
MODELS = {
    "XLNetModel": ("transformer.",),
    "XLNetLMHeadModel": ("transformer.", "output."),
    "XLNetForSequenceClassification": ("transformer.", "summary.", "head.classifier."),
}
BODY, BODY_CLASS, BODY_PARTS = "transformer.", "XLNetModel", ("mask_emb", "word_embedding.", "layer.")

# As in bert.py. Query, key, value, position and output are not transposed: theirs are (H, A, D), too.
LAYER = (
    ("attention.query.weight", "rel_attn.q", False, "HAD"),
    ("attention.key.weight", "rel_attn.k", False, "HAD"),
    ("attention.value.weight", "rel_attn.v", False, "HAD"),
    ("attention.output.weight", "rel_attn.o", False, "HAD"),
    ("attention.position.key.weight", "rel_attn.r", False, "HAD"),
    ("attention.content_bias", "rel_attn.r_w_bias", False, "AD"),
    ("attention.position.bias", "rel_attn.r_r_bias", False, "AD"),
    ("attention.segment.bias", "rel_attn.r_s_bias", False, "AD"),
    ("attention.segment.embedding", "rel_attn.seg_embed", False, "2AD"),
    ("attention_norm.gamma", "rel_attn.layer_norm.weight", False, "H"),
    ("attention_norm.beta", "rel_attn.layer_norm.bias", False, "H"),
    ("feed_forward.intermediate.weight", "ff.layer_1.weight", True, "HF"),
    ("feed_forward.intermediate.bias", "ff.layer_1.bias", False, "F"),
    ("feed_forward.output.weight", "ff.layer_2.weight", True, "FH"),
    ("feed_forward.output.bias", "ff.layer_2.bias", False, "H"),
    ("output_norm.gamma", "ff.layer_norm.weight", False, "H"),
    ("output_norm.beta", "ff.layer_norm.bias", False, "H"),
)
NAMES = (
    ("transformer.embeddings.token.weight", "transformer.word_embedding.weight", False, "VH"),
    ("transformer.embeddings.mask", "transformer.mask_emb", False, "11H"),
    *((f"transformer.layers.{{}}.{row[0]}", f"transformer.layer.{{}}.{row[1]}", *row[2:]) for row in LAYER),
    ("output.bias", "lm_loss.bias", False, "V"),
    ("summary.dense.weight", "sequence_summary.summary.weight", True, "HH"),
    ("summary.dense.bias", "sequence_summary.summary.bias", False, "H"),
    ("head.classifier.weight", "logits_proj.weight", True, "HK"),
    ("head.classifier.bias", "logits_proj.bias", False, "K"),
)
OPTIONAL_PARTS = {"lm_loss.": "lm_loss", "sequence_summary.": "summary", "logits_proj.": "classifier"}
TIED_COPIES = (("lm_loss.weight", "transformer.word_embedding.weight"),)
RENAMED, OLD_NAMES, UNTIED, IGNORED = {}, (), (), ()

# Hugging Face's values where config.json does not say: the sizes of the large model.
CONFIG_DEFAULTS = {
    "vocab_size": 32000, "hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16,
    "intermediate_size": 4096, "memory_length": 512, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 5,
}
CONFIG = {
    "hidden_size": "d_model", "num_hidden_layers": "n_layer", "num_attention_heads": "n_head",
    "intermediate_size": "d_inner", "hidden_act": "ff_activation", "hidden_dropout_prob": "dropout",
    "memory_length": "mem_len", "classifier_dropout": "summary_last_dropout",
}
VALUES, WRITTEN = {}, {}
SUPPORTED = {
    "attn_type": "bi", "bi_data": False, "clamp_len": -1, "same_length": False, "reuse_len": 0,
    "untie_r": True, "summary_type": "last", "summary_use_proj": True, "summary_activation": "tanh",
    "tie_word_embeddings": True,
}
SIZES = {
    "V": "vocab_size", "H": "hidden_size", "A": "num_attention_heads", "D": "head_size",
    "F": "intermediate_size", "K": "num_labels",
}
