"""ALBERT's names, ours and Hugging Face's."""

MODEL_TYPE = "albert"
MODELS = {
    "AlbertModel": ("albert.",),
    "AlbertForPreTraining": ("albert.", "predictions.", "sop_head."),
}
BODY, BODY_CLASS, BODY_PARTS = "albert.", "AlbertModel", ("embeddings.", "encoder.", "pooler.")

# As in bert.py. E: the size of a token's vector. All passes go through the one layer.
LAYER = (
    ("attention.query.weight", "attention.query.weight", True, "HH"),
    ("attention.query.bias", "attention.query.bias", False, "H"),
    ("attention.key.weight", "attention.key.weight", True, "HH"),
    ("attention.key.bias", "attention.key.bias", False, "H"),
    ("attention.value.weight", "attention.value.weight", True, "HH"),
    ("attention.value.bias", "attention.value.bias", False, "H"),
    ("attention.output.weight", "attention.dense.weight", True, "HH"),
    ("attention.output.bias", "attention.dense.bias", False, "H"),
    ("attention_norm.gamma", "attention.LayerNorm.weight", False, "H"),
    ("attention_norm.beta", "attention.LayerNorm.bias", False, "H"),
    ("feed_forward.intermediate.weight", "ffn.weight", True, "HF"),
    ("feed_forward.intermediate.bias", "ffn.bias", False, "F"),
    ("feed_forward.output.weight", "ffn_output.weight", True, "FH"),
    ("feed_forward.output.bias", "ffn_output.bias", False, "H"),
    ("output_norm.gamma", "full_layer_layer_norm.weight", False, "H"),
    ("output_norm.beta", "full_layer_layer_norm.bias", False, "H"),
)
THE_LAYER = "albert.encoder.albert_layer_groups.0.albert_layers.0"
NAMES = (
    ("albert.embeddings.token.weight", "albert.embeddings.word_embeddings.weight", False, "VE"),
    ("albert.embeddings.position.weight", "albert.embeddings.position_embeddings.weight", False, "PE"),
    ("albert.embeddings.segment.weight", "albert.embeddings.token_type_embeddings.weight", False, "SE"),
    ("albert.embeddings.norm.gamma", "albert.embeddings.LayerNorm.weight", False, "E"),
    ("albert.embeddings.norm.beta", "albert.embeddings.LayerNorm.bias", False, "E"),
    ("albert.projection.weight", "albert.encoder.embedding_hidden_mapping_in.weight", True, "EH"),
    ("albert.projection.bias", "albert.encoder.embedding_hidden_mapping_in.bias", False, "H"),
    *((f"albert.encoder.{row[0]}", f"{THE_LAYER}.{row[1]}", *row[2:]) for row in LAYER),
    ("albert.pooler.dense.weight", "albert.pooler.weight", True, "HH"),
    ("albert.pooler.dense.bias", "albert.pooler.bias", False, "H"),
    ("predictions.mlm_head.dense.weight", "predictions.dense.weight", True, "HE"),
    ("predictions.mlm_head.dense.bias", "predictions.dense.bias", False, "E"),
    ("predictions.mlm_head.norm.gamma", "predictions.LayerNorm.weight", False, "E"),
    ("predictions.mlm_head.norm.beta", "predictions.LayerNorm.bias", False, "E"),
    ("predictions.mlm_head.decoder.bias", "predictions.bias", False, "V"),
    ("sop_head.classifier.weight", "sop_classifier.classifier.weight", True, "H2"),
    ("sop_head.classifier.bias", "sop_classifier.classifier.bias", False, "2"),
)
OPTIONAL_PARTS = {"albert.pooler.": "pooler", "predictions.": "predictions", "sop_classifier.": "sop_head"}
TIED_COPIES = (
    ("predictions.decoder.weight", "albert.embeddings.word_embeddings.weight"),
    ("predictions.decoder.bias", "predictions.bias"),
)
UNTIED = (
    ("predictions.mlm_head.decoder.weight", "predictions.decoder.weight", False, "VE"),
    ("predictions.mlm_head.decoder.bias", "predictions.decoder.bias", False, "V"),
)
IGNORED = ("albert.embeddings.position_ids",)
RENAMED, OLD_NAMES = {}, ()

# Hugging Face's values where config.json does not say: the sizes of the largest ALBERT.
CONFIG_DEFAULTS = {
    "vocab_size": 30000, "embedding_size": 128, "hidden_size": 4096, "num_hidden_layers": 12,
    "num_attention_heads": 64, "intermediate_size": 16384, "max_position_embeddings": 512,
}
CONFIG = {"classifier_dropout": "classifier_dropout_prob"}
VALUES = {}
WRITTEN = {"num_hidden_groups": 1, "inner_group_num": 1}
SUPPORTED = {"num_hidden_groups": 1, "inner_group_num": 1, "position_embedding_type": "absolute"}
SIZES = {
    "V": "vocab_size", "E": "embedding_size", "P": "max_position_embeddings", "S": "type_vocab_size",
    "H": "hidden_size", "F": "intermediate_size",
}
