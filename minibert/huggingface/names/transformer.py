"""The names of a Transformer, ours and those of PyTorch's nn.Transformer; transformers has no such model."""

MODEL_TYPE = "transformer"
MODELS = {"Transformer": ("",)}
BODY, BODY_CLASS, BODY_PARTS = "", "Transformer", ()

# As in bert.py: our name, PyTorch's, transposed, our shape. Query, key and value are one array there.
FEED_FORWARD = (
    ("feed_forward.intermediate.weight", "linear1.weight", True, "HF"),
    ("feed_forward.intermediate.bias", "linear1.bias", False, "F"),
    ("feed_forward.output.weight", "linear2.weight", True, "FH"),
    ("feed_forward.output.bias", "linear2.bias", False, "H"),
)


def attention(ours, theirs):
    """Return the rows of an attention and its names."""
    weights, biases = (
        tuple(f"{ours}.{part}.{kind}" for part in ("query", "key", "value")) for kind in ("weight", "bias"))
    return (
        (weights, f"{theirs}.in_proj_weight", True, "HH"),
        (biases, f"{theirs}.in_proj_bias", False, "H"),
        (f"{ours}.output.weight", f"{theirs}.out_proj.weight", True, "HH"),
        (f"{ours}.output.bias", f"{theirs}.out_proj.bias", False, "H"),
    )


def norm(ours, theirs):
    """Return the rows of a LayerNorm and its names."""
    return (f"{ours}.gamma", f"{theirs}.weight", False, "H"), (f"{ours}.beta", f"{theirs}.bias", False, "H")


def of_layers(stack, rows):
    """Return rows of a layer as rows of each layer of a stack."""
    for ours, theirs, *rest in rows:
        several = (ours,) if isinstance(ours, str) else ours
        yield tuple(f"{stack}.layers.{{}}.{one}" for one in several), f"{stack}.layers.{{}}.{theirs}", *rest


NAMES = (
    ("embeddings.token.weight", "embedding.weight", False, "VH"),
    *of_layers("encoder", (
        *attention("attention", "self_attn"), *norm("attention_norm", "norm1"), *FEED_FORWARD,
        *norm("output_norm", "norm2"),
    )),
    *of_layers("decoder", (
        *attention("attention", "self_attn"), *norm("attention_norm", "norm1"),
        *attention("cross_attention", "multihead_attn"), *norm("cross_norm", "norm2"), *FEED_FORWARD,
        *norm("output_norm", "norm3"),
    )),
)
OPTIONAL_PARTS, RENAMED, OLD_NAMES, UNTIED, TIED_COPIES, IGNORED = {}, {}, (), (), (), ()
CONFIG, VALUES, CONFIG_DEFAULTS, WRITTEN, SUPPORTED = {}, {}, {}, {}, {}
SIZES = {"V": "vocab_size", "H": "hidden_size", "F": "intermediate_size"}
