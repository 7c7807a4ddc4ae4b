"""What all models check alike: the sizes and rates of a configuration, and arrays of integers."""

import numpy as np

from minibert.layers.feed_forward import ACTIVATIONS

SIZES = (
    "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
    "max_position_embeddings", "type_vocab_size", "embedding_size",
)
PROBABILITIES = (
    "hidden_dropout_prob", "embedding_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout",
)
ABOVE_ZERO = ("initializer_range", "layer_norm_eps")


def check_config(config):
    """Raise ValueError where a size, a rate or the activation of a configuration is none.

    A configuration has those of the names above that its model needs.
    """
    for name in _of(config, SIZES):
        size = getattr(config, name)
        if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 1:
            raise ValueError(f"{name} must be a positive integer, got {size!r}")
    if config.hidden_size % config.num_attention_heads != 0:
        raise ValueError(
            f"hidden_size {config.hidden_size} is not divisible by "
            f"num_attention_heads {config.num_attention_heads}"
        )
    for name in _of(config, PROBABILITIES):
        probability = getattr(config, name)
        is_default = name == "classifier_dropout" and probability is None
        if not is_default and not 0 <= probability < 1:
            raise ValueError(f"{name} must be at least 0 and below 1, got {probability!r}")
    for name in _of(config, ABOVE_ZERO):
        if not getattr(config, name) > 0:
            raise ValueError(f"{name} must be above 0, got {getattr(config, name)!r}")
    if config.hidden_act not in ACTIVATIONS:
        raise ValueError(
            f"hidden_act {config.hidden_act!r} is not supported: choose one of {sorted(ACTIVATIONS)}"
        )


def _of(config, names):
    return [name for name in names if hasattr(config, name)]


def integers(name, array, shape=None):
    """Return `array` as integers of that shape ((B, T) when None), or raise ValueError."""
    array = np.asarray(array)
    if array.dtype.kind not in "iu":
        raise ValueError(f"{name} must be integers, got {array.dtype}")
    if shape is None and (array.ndim != 2 or array.size == 0):
        raise ValueError(
            f"{name} must have the shape (batch, tokens) and hold at least one token, got {array.shape}")
    if shape is not None and array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, expected {shape}")
    return array
