"""BERT's names, ours and Hugging Face's."""

MODEL_TYPE = "bert"  # in config.json
# The classes of this type, and the beginnings of the names (ours) that each has. A body alone has no prefix.
WITHOUT_POOLER = ("bert.embeddings.", "bert.encoder.")
MODELS = {
    "BertModel": ("bert.",),
    "BertForPreTraining": ("bert.", "mlm_head.", "nsp_head."),
    "Distillation": ("bert.", "mlm_head."),  # of a student
    "BertForSequenceClassification": ("bert.", "head.classifier."),
    "BertForTokenClassification": (*WITHOUT_POOLER, "head.classifier."),
    "BertForQuestionAnswering": (*WITHOUT_POOLER, "head.qa_outputs."),
    "BertForMultipleChoice": ("bert.", "head.scorer."),
}
BODY, BODY_CLASS, BODY_PARTS = "bert.", "BertModel", ("embeddings.", "encoder.", "pooler.")

# Our name, Hugging Face's name, whether the array is transposed between them (their dense weights are
# (out, in), ours are (in, out)), and our shape: V vocabulary, P positions, S segments, H hidden size,
# F feed-forward size, K labels.
LAYER = (  # of each layer, in bert.encoder.{} of ours and bert.encoder.layer.{} of theirs
    ("attention.query.weight", "attention.self.query.weight", True, "HH"),
    ("attention.query.bias", "attention.self.query.bias", False, "H"),
    ("attention.key.weight", "attention.self.key.weight", True, "HH"),
    ("attention.key.bias", "attention.self.key.bias", False, "H"),
    ("attention.value.weight", "attention.self.value.weight", True, "HH"),
    ("attention.value.bias", "attention.self.value.bias", False, "H"),
    ("attention.output.weight", "attention.output.dense.weight", True, "HH"),
    ("attention.output.bias", "attention.output.dense.bias", False, "H"),
    ("attention_norm.gamma", "attention.output.LayerNorm.weight", False, "H"),
    ("attention_norm.beta", "attention.output.LayerNorm.bias", False, "H"),
    ("feed_forward.intermediate.weight", "intermediate.dense.weight", True, "HF"),
    ("feed_forward.intermediate.bias", "intermediate.dense.bias", False, "F"),
    ("feed_forward.output.weight", "output.dense.weight", True, "FH"),
    ("feed_forward.output.bias", "output.dense.bias", False, "H"),
    ("output_norm.gamma", "output.LayerNorm.weight", False, "H"),
    ("output_norm.beta", "output.LayerNorm.bias", False, "H"),
)
NAMES = (
    ("bert.embeddings.token.weight", "bert.embeddings.word_embeddings.weight", False, "VH"),
    ("bert.embeddings.position.weight", "bert.embeddings.position_embeddings.weight", False, "PH"),
    ("bert.embeddings.segment.weight", "bert.embeddings.token_type_embeddings.weight", False, "SH"),
    ("bert.embeddings.norm.gamma", "bert.embeddings.LayerNorm.weight", False, "H"),
    ("bert.embeddings.norm.beta", "bert.embeddings.LayerNorm.bias", False, "H"),
    *((f"bert.encoder.{{}}.{row[0]}", f"bert.encoder.layer.{{}}.{row[1]}", *row[2:]) for row in LAYER),
    ("bert.pooler.dense.weight", "bert.pooler.dense.weight", True, "HH"),
    ("bert.pooler.dense.bias", "bert.pooler.dense.bias", False, "H"),
    ("mlm_head.dense.weight", "cls.predictions.transform.dense.weight", True, "HH"),
    ("mlm_head.dense.bias", "cls.predictions.transform.dense.bias", False, "H"),
    ("mlm_head.norm.gamma", "cls.predictions.transform.LayerNorm.weight", False, "H"),
    ("mlm_head.norm.beta", "cls.predictions.transform.LayerNorm.bias", False, "H"),
    ("mlm_head.decoder.bias", "cls.predictions.bias", False, "V"),
    ("nsp_head.weight", "cls.seq_relationship.weight", True, "H2"),
    ("nsp_head.bias", "cls.seq_relationship.bias", False, "2"),
    ("head.classifier.weight", "classifier.weight", True, "HK"),
    ("head.classifier.bias", "classifier.bias", False, "K"),
    ("head.qa_outputs.weight", "qa_outputs.weight", True, "H2"),
    ("head.qa_outputs.bias", "qa_outputs.bias", False, "2"),
    ("head.scorer.weight", "classifier.weight", True, "H1"),
    ("head.scorer.bias", "classifier.bias", False, "1"),
)
# Parts that a checkpoint may lack, each as a whole (it is newly initialised then): the beginning of its
# names, and its name.
OPTIONAL_PARTS = {
    "bert.pooler.": "pooler", "cls.predictions.": "mlm_head", "cls.seq_relationship.": "nsp_head",
    "classifier.": "classifier", "qa_outputs.": "qa_outputs",
}

# The decoder shares the token embeddings and its bias; some checkpoints store them again under these names.
TIED_COPIES = (
    ("cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight"),
    ("cls.predictions.decoder.bias", "cls.predictions.bias"),
)
# A decoder that shares nothing (tie_word_embeddings false): its rows, in the place of those of NAMES.
UNTIED = (
    ("mlm_head.decoder.weight", "cls.predictions.decoder.weight", False, "VH"),
    ("mlm_head.decoder.bias", "cls.predictions.decoder.bias", False, "V"),
)
IGNORED = ("bert.embeddings.position_ids",)  # 0, 1, 2, ...: a buffer that older versions stored

# Hugging Face's values where config.json does not say: the sizes of BERT-base. Our BertConfig is smaller.
CONFIG_DEFAULTS = {
    "vocab_size": 30522, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
    "intermediate_size": 3072, "max_position_embeddings": 512,
}
# Our names of earlier versions, in the optimizer states of their runs.
RENAMED = {"mlm_head.decoder_bias": "mlm_head.decoder.bias"}

CONFIG = {}  # our name of a size: theirs, where they differ
VALUES = {}  # our name of a size: {a value of theirs: ours}, where they differ
WRITTEN = {"position_embedding_type": "absolute"}  # beside the sizes
SUPPORTED = {"position_embedding_type": "absolute", "is_decoder": False, "add_cross_attention": False}

# The letters of the shapes above.
SIZES = {
    "V": "vocab_size", "P": "max_position_embeddings", "S": "type_vocab_size", "H": "hidden_size",
    "F": "intermediate_size", "K": "num_labels",
}
# Files converted from the first BERT, bert-base-uncased too, say gamma and beta.
OLD_NAMES = (("LayerNorm.gamma", "LayerNorm.weight"), ("LayerNorm.beta", "LayerNorm.bias"))
