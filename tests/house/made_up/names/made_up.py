"""The made-up model's names; nobody else's."""

MODEL_TYPE = "made-up"
MODELS = {"MadeUpModel": ("",)}
BODY, BODY_CLASS, BODY_PARTS = "", "MadeUpModel", ()
NAMES = (
    ("embedding.weight", "embedding.weight", False, "VH"),
    ("output.weight", "output.weight", True, "HV"),
    ("output.bias", "output.bias", False, "V"),
)
SIZES = {"V": "vocab_size", "H": "hidden_size"}
OPTIONAL_PARTS, TIED_COPIES, IGNORED, OLD_NAMES, RENAMED = {}, (), (), (), {}
CONFIG, VALUES, CONFIG_DEFAULTS, WRITTEN, SUPPORTED = {"hidden_size": "width"}, {}, {}, {}, {}
