"""The names of an LSTMLanguageModel, ours and those of PyTorch's nn.LSTM; see rnn.py."""

from minibert.huggingface.names.rnn import names_with

MODEL_TYPE = "lstm"
MODELS = {"LSTMLanguageModel": ("embedding.", "layers.", "decoder.")}
BODY, BODY_CLASS, BODY_PARTS = "", "LSTMLanguageModel", ()
NAMES = names_with(4)
UNTIED = (
    ("decoder.weight", "decoder.weight", False, "VH"),
    ("decoder.bias", "decoder.bias", False, "V"),
)
TIED_COPIES = (("decoder.weight", "encoder.weight"),)
SIZES = {"V": "vocab_size", "E": "embedding_size", "H": "hidden_size"}
OPTIONAL_PARTS, IGNORED, OLD_NAMES, RENAMED = {}, (), (), {}
CONFIG, VALUES, CONFIG_DEFAULTS, WRITTEN, SUPPORTED = {}, {}, {}, {}, {}
