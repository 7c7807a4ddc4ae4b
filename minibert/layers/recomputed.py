"""An encoder layer that keeps its input alone, and computes the rest again when it goes backward."""

import copy
from typing import NamedTuple

import numpy as np

from minibert.layers.base import describe_cache
from minibert.layers.encoder_layer import EncoderLayer
from minibert.layers.walk import walk


class RecomputedEncoderLayerCache(NamedTuple):
    x: np.ndarray  # (B, T, H)
    mask: np.ndarray | None
    rng: np.random.Generator | None  # as it was before the forward pass
    __repr__ = describe_cache


class RecomputedEncoderLayer(EncoderLayer):
    """An EncoderLayer whose record is its input: memory for one more forward pass (Chen et al. 2016).

        model.bert.encoder = [RecomputedEncoderLayer(layer) for layer in model.bert.encoder]

    Dropout needs the masks of the first pass: a copy of the generator, taken before, draws them again. So
    every bit of y, d_x and the gradients is that of the layer.

    Args:
        layer: an EncoderLayer of an encoder (BERT, ALBERT, ELECTRA, Transformer); its sublayers and
            Parameters are shared, and names stay as they are. Not of a GPT, whose state is in the record;
            and `hidden_states` of models/bert.py finds no states in this record.
    """

    def __init__(self, layer):
        if not isinstance(layer, EncoderLayer):
            raise ValueError(f"layer must be an EncoderLayer, got {type(layer).__name__}")
        vars(self).update(vars(layer))

    def forward(self, x, mask=None, rng=None, *state):
        """x (B, T, H), mask and rng as in EncoderLayer → y (B, T, H), cache."""
        if state:
            raise ValueError("a recomputed layer passes no state on, as a GPT needs: use the EncoderLayer")
        before = copy.deepcopy(rng)
        y, _ = EncoderLayer.forward(self, x, mask, rng)                     # (B, T, H)
        return y, RecomputedEncoderLayerCache(x, mask, before)

    def backward(self, d_y, cache):
        """d_y (B, T, H) → d_x (B, T, H)."""
        rng = copy.deepcopy(cache.rng)  # this backward may not be the last
        _, layer_cache = EncoderLayer.forward(self, cache.x, cache.mask, rng)
        d_x = EncoderLayer.backward(self, d_y, layer_cache)                 # (B, T, H)
        return d_x


def recompute_layers(model):
    """Have every EncoderLayer of a model, wherever it is, keep its input alone; the model is changed.

    Only the class of the layers is another one then: parameters and names stay.
    """
    for _, layer in walk(model, lambda item: type(item) is EncoderLayer):
        layer.__class__ = RecomputedEncoderLayer
