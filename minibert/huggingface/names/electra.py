"""ELECTRA's names, ours and Hugging Face's."""

from minibert.huggingface.names.bert import LAYER

MODEL_TYPE = "electra"
MODELS = {
    "ElectraModel": ("electra.",),
    "ElectraForMaskedLM": ("electra.", "predictions."),
    "ElectraForPreTraining": ("electra.", "rtd_head."),
    "ElectraPair": ("generator.", "discriminator."),  # written as two models
}
BODY, BODY_CLASS = "electra.", "ElectraModel"
BODY_PARTS = ("embeddings.", "embeddings_project.", "encoder.")

# As in bert.py. E: the size of a token's vector.
PROJECTION = (
    ("electra.projection.weight", "electra.embeddings_project.weight", True, "EH"),
    ("electra.projection.bias", "electra.embeddings_project.bias", False, "H"),
)
HEAD = ()  # no classifier


def NAMES(config):
    """Return the rows of a configuration: there is a projection where E and H differ."""
    return (
        ("electra.embeddings.token.weight", "electra.embeddings.word_embeddings.weight", False, "VE"),
        ("electra.embeddings.position.weight", "electra.embeddings.position_embeddings.weight", False, "PE"),
        ("electra.embeddings.segment.weight", "electra.embeddings.token_type_embeddings.weight", False, "SE"),
        ("electra.embeddings.norm.gamma", "electra.embeddings.LayerNorm.weight", False, "E"),
        ("electra.embeddings.norm.beta", "electra.embeddings.LayerNorm.bias", False, "E"),
        *(PROJECTION if config.embedding_size != config.hidden_size else ()),
        *((f"electra.encoder.{{}}.{row[0]}", f"electra.encoder.layer.{{}}.{row[1]}", *row[2:])
          for row in LAYER),
        ("predictions.mlm_head.dense.weight", "generator_predictions.dense.weight", True, "HE"),
        ("predictions.mlm_head.dense.bias", "generator_predictions.dense.bias", False, "E"),
        ("predictions.mlm_head.norm.gamma", "generator_predictions.LayerNorm.weight", False, "E"),
        ("predictions.mlm_head.norm.beta", "generator_predictions.LayerNorm.bias", False, "E"),
        ("predictions.mlm_head.decoder.bias", "generator_lm_head.bias", False, "V"),
        ("rtd_head.dense.weight", "discriminator_predictions.dense.weight", True, "HH"),
        ("rtd_head.dense.bias", "discriminator_predictions.dense.bias", False, "H"),
        ("rtd_head.classifier.weight", "discriminator_predictions.dense_prediction.weight", True, "H1"),
        ("rtd_head.classifier.bias", "discriminator_predictions.dense_prediction.bias", False, "1"),
    )


OPTIONAL_PARTS = {
    "generator_predictions.": "predictions", "generator_lm_head.": "predictions",
    "discriminator_predictions.": "rtd_head",
}
TIED_COPIES = (("generator_lm_head.weight", "electra.embeddings.word_embeddings.weight"),)
UNTIED = (("predictions.mlm_head.decoder.weight", "generator_lm_head.weight", False, "VE"),)
IGNORED = ("electra.embeddings.position_ids",)
RENAMED, OLD_NAMES = {}, ()

# Hugging Face's values where config.json does not say: the sizes of the small ELECTRA.
CONFIG_DEFAULTS = {
    "vocab_size": 30522, "embedding_size": 128, "hidden_size": 256, "num_hidden_layers": 12,
    "num_attention_heads": 4, "intermediate_size": 1024, "max_position_embeddings": 512,
}
CONFIG, VALUES, WRITTEN = {}, {}, {}
SUPPORTED = {"position_embedding_type": "absolute", "is_decoder": False, "add_cross_attention": False}
SIZES = {
    "V": "vocab_size", "E": "embedding_size", "P": "max_position_embeddings", "S": "type_vocab_size",
    "H": "hidden_size", "F": "intermediate_size",
}
