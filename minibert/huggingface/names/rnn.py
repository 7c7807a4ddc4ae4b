"""The names of an RNNLanguageModel, ours and those of PyTorch's nn.RNN.

Hugging Face has no such models. The names are those of PyTorch's example `word_language_model`: encoder, rnn,
decoder. A matrix of PyTorch is (out, in), ours are (in, out); the gates of an LSTM have the same order.
"""

MODEL_TYPE = "rnn"
MODELS = {"RNNLanguageModel": ("embedding.", "layers.", "decoder.")}
BODY, BODY_CLASS, BODY_PARTS = "", "RNNLanguageModel", ()


def layer_names(theirs, layer, input_size, num_gates, output_size):
    """Yield the rows of one recurrent layer; `theirs` is the beginning and end of PyTorch's names."""
    before, after = theirs
    for ours, transposed, shape in (
        ("weight_ih", True, (input_size, num_gates)),
        ("weight_hh", True, (output_size, num_gates)),
        ("bias_ih", False, (num_gates,)),
        ("bias_hh", False, (num_gates,)),
    ):
        yield f"layers.{layer}.{ours}", f"{before}{ours}{after}", transposed, shape


def names_with(num_gates):
    """Return NAMES for layers with so many gates: a function of the configuration."""

    def names(config):
        yield "embedding.weight", "encoder.weight", False, "VE"
        input_size = config.embedding_size
        for layer, output_size in enumerate(config.output_sizes):
            theirs = "rnn.", f"_l{layer}"
            yield from layer_names(theirs, layer, input_size, num_gates * output_size, output_size)
            input_size = output_size
        yield "decoder.bias", "decoder.bias", False, "V"

    return names


NAMES = names_with(1)
UNTIED = (
    ("decoder.weight", "decoder.weight", False, "VH"),
    ("decoder.bias", "decoder.bias", False, "V"),
)
TIED_COPIES = (("decoder.weight", "encoder.weight"),)
SIZES = {"V": "vocab_size", "E": "embedding_size", "H": "hidden_size"}
OPTIONAL_PARTS, IGNORED, OLD_NAMES, RENAMED = {}, (), (), {}
CONFIG, VALUES, CONFIG_DEFAULTS, WRITTEN, SUPPORTED = {}, {}, {}, {}, {}
