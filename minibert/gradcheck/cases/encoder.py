"""The encoder layer; and layers that run twice with one set of weights."""

from typing import NamedTuple

from minibert.gradcheck.cases.common import KEY_PADDING, A, B, Case, F, H, T, generator, random, scrambled
from minibert.layers import (
    EncoderLayer,
    Layer,
    LayerNorm,
    Linear,
    MultiHeadAttention,
    RecomputedEncoderLayer,
)
from minibert.layers.base import describe_cache

X = random(B, T, H)


class AppliedTwiceCache(NamedTuple):
    layer: list  # two records: it ran twice
    __repr__ = describe_cache


class AppliedTwice(Layer):
    """y = layer(layer(x)): one set of weights runs twice before it goes backward, as in ALBERT.

    d_once is the gradient of the value between the two; each backward pass adds its share to the one .grad.
    """

    def __init__(self, layer):
        self.layer = layer

    def forward(self, x):
        """x → y, the same shape, cache."""
        once, first = self.layer.forward(x)
        y, second = self.layer.forward(once)
        return y, AppliedTwiceCache([first, second])

    def backward(self, d_y, cache):
        """d_y → d_x."""
        first, second = cache.layer
        d_once = self.layer.backward(d_y, second)
        d_x = self.layer.backward(d_once, first)
        return d_x


def encoder_layer(num_heads=A, dropout=0.0, **changes):
    return scrambled(
        EncoderLayer(H, num_heads, F, dropout_prob=dropout, attention_dropout_prob=dropout, **changes)
    )


CASES = {
    "EncoderLayer": lambda: Case(encoder_layer(), [X]),
    "EncoderLayer padding dropout": lambda: Case(
        encoder_layer(dropout=0.3), [X], {"mask": KEY_PADDING, "rng": generator()}
    ),
    "EncoderLayer one head": lambda: Case(encoder_layer(num_heads=1), [X]),
    "EncoderLayer tanh batch of one": lambda: Case(encoder_layer(hidden_act="gelu_new"), [random(1, T, H)]),
    "RecomputedEncoderLayer": lambda: Case(
        RecomputedEncoderLayer(encoder_layer(dropout=0.3)), [X], {"mask": KEY_PADDING, "rng": generator()}
    ),
    "AppliedTwice Linear": lambda: Case(AppliedTwice(scrambled(Linear(4, 4))), [random(2, 5, 4)]),
    "AppliedTwice LayerNorm": lambda: Case(AppliedTwice(scrambled(LayerNorm(H))), [X]),
    "AppliedTwice MultiHeadAttention": lambda: Case(
        AppliedTwice(scrambled(MultiHeadAttention(H, A), size=0.5)), [X]
    ),
    "AppliedTwice EncoderLayer": lambda: Case(AppliedTwice(encoder_layer()), [X]),
}
