"""The names of an ELMo. The paper's weights are an HDF5 file of another layout; here the names are ours."""

MODEL_TYPE = "elmo"
MODELS = {"ELMo": ("characters.", "ahead.", "back.", "decoder.")}
BODY, BODY_CLASS, BODY_PARTS = "", "ELMo", ()


def NAMES(config):
    """Yield the rows of a model."""
    for name, *shape in _shapes(config):
        yield name, name, False, tuple(shape)


def _shapes(config):
    size, found, projected = config.character_size, config.num_filters, config.projection_size
    yield "characters.embedding.weight", 262, size
    for k, (width, number) in enumerate(config.filters):
        yield f"characters.convolutions.{k}.weight", width * size, number
        yield f"characters.convolutions.{k}.bias", number
    for k in range(config.num_highway_layers):
        for part in ("gate", "transform"):
            yield f"characters.highways.{k}.{part}.weight", found, found
            yield f"characters.highways.{k}.{part}.bias", found
    yield "characters.projection.weight", found, projected
    yield "characters.projection.bias", projected
    num_gates = 4 * config.hidden_size
    for direction in ("ahead", "back"):
        for k in range(config.num_hidden_layers):
            layer = f"{direction}.layers.{k}"
            yield f"{layer}.weight_ih", projected, num_gates
            yield f"{layer}.weight_hh", projected, num_gates
            yield f"{layer}.bias_ih", num_gates
            yield f"{layer}.bias_hh", num_gates
            yield f"{layer}.weight_hr", config.hidden_size, projected
    yield "decoder.weight", config.vocab_size, projected
    yield "decoder.bias", config.vocab_size


SIZES, TIED_COPIES, UNTIED = {}, (), ()
OPTIONAL_PARTS, IGNORED, OLD_NAMES, RENAMED = {}, (), (), {}
CONFIG, VALUES, CONFIG_DEFAULTS, WRITTEN, SUPPORTED = {}, {}, {}, {}, {}
