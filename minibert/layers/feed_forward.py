"""The position-wise feed-forward network."""

from typing import NamedTuple

import numpy as np

from minibert.layers.base import Layer, describe_cache
from minibert.layers.gelu import GELU, GELUCache, TanhGELU, TanhGELUCache
from minibert.layers.linear import Linear, LinearCache
from minibert.layers.relu import ReLU, ReLUCache
from minibert.layers.silu import SiLU, SiLUCache

# By Hugging Face's names, of which some mean the same.
ACTIVATIONS = {
    "gelu": GELU, "gelu_python": GELU,
    "gelu_new": TanhGELU, "gelu_fast": TanhGELU, "gelu_accurate": TanhGELU, "gelu_pytorch_tanh": TanhGELU,
    "gelu_python_tanh": TanhGELU,
    "relu": ReLU,
    "silu": SiLU, "swish": SiLU,
}
ActivationCache = GELUCache | TanhGELUCache | ReLUCache | SiLUCache


class FeedForwardCache(NamedTuple):
    intermediate: LinearCache
    activation: ActivationCache
    output: LinearCache
    __repr__ = describe_cache


class FeedForward(Layer):
    """y = act(x W_intermediate + b_intermediate) W_output + b_output, the same for every token.

    (Vaswani et al. 2017, eq. 2, with GELU in the place of ReLU as in BERT.)

    Args:
        hidden_size: H.  intermediate_size: F, usually 4 H.
        hidden_act: "gelu" (exact), "gelu_new" (tanh form), "relu", "silu", or another name in ACTIVATIONS.
        rng, initializer_range, dtype: as in Linear.

    Derivation: a chain of three functions, so backward runs their backwards in the opposite order.
    """

    def __init__(
        self, hidden_size, intermediate_size, *, hidden_act="gelu", rng=None, initializer_range=0.02,
        dtype=np.float32,
    ):
        if hidden_act not in ACTIVATIONS:
            known = sorted(ACTIVATIONS)
            raise ValueError(f"hidden_act {hidden_act!r} is not supported: choose one of {known}")
        rng = np.random.default_rng(0) if rng is None else rng
        given = {"rng": rng, "initializer_range": initializer_range, "dtype": dtype}
        self.intermediate = Linear(hidden_size, intermediate_size, **given)
        self.activation = ACTIVATIONS[hidden_act]()
        self.output = Linear(intermediate_size, hidden_size, **given)

    def forward(self, x):
        """x (..., H) → y (..., H), cache."""
        intermediate, intermediate_cache = self.intermediate.forward(x)             # (..., F)
        activated, activation_cache = self.activation.forward(intermediate)         # (..., F)
        y, output_cache = self.output.forward(activated)                            # (..., H)
        return y, FeedForwardCache(intermediate_cache, activation_cache, output_cache)

    def backward(self, d_y, cache):
        """d_y (..., H) → d_x (..., H)."""
        d_activated = self.output.backward(d_y, cache.output)                       # (..., F)
        d_intermediate = self.activation.backward(d_activated, cache.activation)    # (..., F)
        d_x = self.intermediate.backward(d_intermediate, cache.intermediate)        # (..., H)
        return d_x
