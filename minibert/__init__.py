"""minibert: how pretrained language models work, in NumPy, with every gradient written by hand and checked.

A name is imported from its module when it is first used (PEP 562): `import minibert` costs nothing and
changes nothing.
"""

import importlib

__version__ = "0.1.0"

_NAMES = {  # module: the names that it gives to `minibert`, a line for each model
    "generation": ("generate",),
    "gradcheck": ("GradientCheckError", "assert_gradients", "check_directions", "check_gradients"),
    "layers": (
        "CrossEntropy", "Dropout", "Embedding", "EncoderLayer", "FeedForward", "GELU", "HeadOutput",
        "HeadProjection", "LSTM", "LSTMCell", "Layer", "LayerNorm", "Linear", "LockedDropout",
        "MultiHeadAttention", "Parameter", "PlainLSTM", "PositionScores", "RNN", "ReLU",
        "RecomputedEncoderLayer", "RelativeAttention", "RelativeShift", "SegmentScores", "SiLU",
        "SinusoidalPositions", "SmoothedCrossEntropy", "SquaredError", "TanhGELU", "TiedDecoder",
        "TiedOutput",
    ),
    "models.albert": ("AlbertConfig", "AlbertForPreTraining", "AlbertModel"),
    "models.bert": ("BertConfig", "BertForPreTraining", "BertModel"),
    "models.distillation": ("Distillation",),
    "models.electra": (
        "ElectraConfig", "ElectraForMaskedLM", "ElectraForPreTraining", "ElectraModel", "ElectraPair",
    ),
    "models.gpt": ("GPT2Config", "GPT2LMHeadModel", "OpenAIGPTConfig", "OpenAIGPTLMHeadModel"),
    "models.heads": (
        "BertForMultipleChoice", "BertForQuestionAnswering", "BertForSequenceClassification",
        "BertForTokenClassification",
    ),
    "models.elmo": ("ELMo", "ELMoConfig"),
    "models.recurrent": (
        "AWDLSTMConfig", "AWDLSTMLanguageModel", "LSTMConfig", "LSTMLanguageModel", "RNNLanguageModel",
    ),
    "models.transformer": ("Transformer", "TransformerConfig"),
    "models.ulmfit": ("AWDLSTMForSequenceClassification", "ULMFiTConfig"),
    "models.xlnet": (
        "XLNetConfig", "XLNetForSequenceClassification", "XLNetLMHeadModel", "XLNetModel",
    ),
    "text.byte_level_bpe": ("ByteLevelBPETokenizer",),
    "text.gpt_tokenizer": ("OpenAIGPTTokenizer",),
    "text.tokenizer": ("WordPieceTokenizer",),
    "training.optimizers": ("AdamW", "Muon"),
    "word_vectors.glove": ("GloVe",),
    "word_vectors.vectors": ("WordVectors",),
    "word_vectors.word2vec": ("Word2Vec",),
}
_PACKAGES = (
    "generation", "gradcheck", "huggingface", "layers", "models", "objectives", "plots", "text", "trace",
    "training", "word_vectors",
)
_MODULES = {name: module for module, names in _NAMES.items() for name in names}

__all__ = sorted([*_MODULES, "huggingface"])


def __getattr__(name):
    """Import a public name, or a package of minibert, when it is first used."""
    if name in _PACKAGES:
        return importlib.import_module(f"minibert.{name}")
    if name not in _MODULES:
        raise AttributeError(f"module 'minibert' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"minibert.{_MODULES[name]}"), name)
    globals()[name] = value  # the next use finds it without this function
    return value


def __dir__():
    return sorted({*globals(), *__all__, *_PACKAGES})
