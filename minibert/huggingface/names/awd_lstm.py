"""The names of an AWDLSTMLanguageModel, ours and those of the authors' program (Merity et al. 2017).

An AWDLSTMForSequenceClassification has the same ones, and a head in the place of the decoder.

There each layer is an nn.LSTM of its own, within a wrapper that drops weights: `rnns.K.module`. The wrapper
keeps the weight from state to gates under the name weight_hh_l0_raw.
"""

from minibert.huggingface.names.rnn import layer_names

MODEL_TYPE = "awd-lstm"
MODELS = {
    "AWDLSTMLanguageModel": ("embedding.", "layers.", "decoder."),
    "AWDLSTMForSequenceClassification": ("embedding.", "layers.", "dense.", "head."),
}
BODY, BODY_CLASS, BODY_PARTS = "", "AWDLSTMLanguageModel", ()


def NAMES(config):
    """Yield the rows of a model."""
    yield "embedding.weight", "encoder.weight", False, "VE"
    input_size = config.embedding_size
    for layer, output_size in enumerate(config.output_sizes):
        theirs = f"rnns.{layer}.module.", "_l0"
        rows = layer_names(theirs, layer, input_size, 4 * output_size, output_size)
        for ours, name, transposed, shape in rows:
            yield ours, name.replace("weight_hh_l0", "weight_hh_l0_raw"), transposed, shape
        input_size = output_size
    yield "decoder.bias", "decoder.bias", False, "V"
    if hasattr(config, "classifier_size"):
        yield from HEAD


HEAD = (  # of the classifier
    ("dense.weight", "dense.weight", True, "QC"),
    ("dense.bias", "dense.bias", False, "C"),
    ("head.classifier.weight", "classifier.weight", True, "CK"),
    ("head.classifier.bias", "classifier.bias", False, "K"),
)
TIED_COPIES = (("decoder.weight", "encoder.weight"),)
SIZES = {
    "V": "vocab_size", "E": "embedding_size", "Q": "pooled_size", "C": "classifier_size", "K": "num_labels",
}
OPTIONAL_PARTS = {"dense.": "dense", "classifier.": "classifier"}
IGNORED, OLD_NAMES, RENAMED = (), (), {}
CONFIG, VALUES, CONFIG_DEFAULTS, WRITTEN, SUPPORTED = {}, {}, {}, {}, {}
