"""Wrong answers to the exercises of lesson 06, as students might give them who read the task only."""

import math

import numpy as np
from course.exercises.solutions import solution
from course.exercises.wrong.answers import backward, forward

from minibert.layers import FeedForward, Layer, LayerNorm, MultiHeadAttention


def silu(z):
    return z / (1 + np.exp(-z))


def gelu(x, c=0.044715, factor=math.sqrt(2 / math.pi)):
    return 0.5 * x * (1 + np.tanh(factor * (x + c * x * x * x)))


def gelu_of_exponentials(x):
    power = np.exp(2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x))
    return 0.5 * x * (1 + (power - 1) / (power + 1))


class Block(Layer):
    """A pre-norm block, with one step that can be left out."""

    def __init__(self, wrong=""):
        self.attention_norm, self.feed_forward_norm = LayerNorm(6), LayerNorm(6)
        self.attention, self.feed_forward = MultiHeadAttention(6, 2), FeedForward(6, 7)
        self.wrong = wrong

    def forward(self, x):
        normalized, first = self.attention_norm.forward(x)
        attention, second = self.attention.forward(normalized)
        attended = attention + (normalized if self.wrong == "skip from the norm" else x)
        normalized, third = self.feed_forward_norm.forward(attended)
        feed_forward, fourth = self.feed_forward.forward(normalized)
        return attended + feed_forward, (first, second, third, fourth)

    def backward(self, d_y, cache):
        first, second, third, fourth = cache
        d_attended = self.feed_forward_norm.backward(self.feed_forward.backward(d_y, fourth), third)
        if self.wrong != "second skip":
            d_attended = d_attended + d_y
        d_x = self.attention_norm.backward(self.attention.backward(d_attended, second), first)
        if self.wrong == "d_y for d_attended":
            return d_x + d_y
        return d_x if self.wrong == "first skip" else d_x + d_attended


class BlockWithState(Block):
    """The cache is kept in the layer."""

    def forward(self, x):
        y, self.kept = super().forward(x)
        return y, None

    def backward(self, d_y, cache):
        return super().backward(d_y, self.kept)


ONES = solution("seen_by_ones")[0]

CHANGES = solution("who_changes")[0]

WRONG = {
    "who_changes": {
        "the norms exchanged": (CHANGES | {"layer_norm": 35, "batch_norm": 11},),
        "BatchNorm over the sentences only": (CHANGES | {"batch_norm": 5},),
        "BatchNorm over one sentence": (CHANGES | {"batch_norm": 7},),
        "LayerNorm over the sentence": (CHANGES | {"layer_norm": 77},),
        "the same in use": (CHANGES | {"batch_norm_in_use": 35},),
        "a block within the token": (CHANGES | {"encoder_block": 11},),
        "a block over the batch": (CHANGES | {"encoder_block": 385},),
    },
    "scaled_residual": {
        "no skip": backward("scaled_residual", lambda d_y, g, x, scale: [g[0] - d_y, g[1]]),
        "d_scale not summed over the batch": backward(
            "scaled_residual", lambda d_y, g, x, scale: [g[0], (d_y * np.tanh(x))[0].sum(axis=0)]
        ),
        "d_scale a mean": backward("scaled_residual", lambda d_y, g, x, scale: [g[0], g[1] / 6]),
        "scale squared": backward(
            "scaled_residual", lambda d_y, g, x, scale: [d_y * (1 + scale**2 * (1 - np.tanh(x) ** 2)), g[1]]
        ),
        "tanh of the scaled": forward(lambda x, scale: x + np.tanh(scale * x)),
    },
    "tanh_gelu": {
        "the second factor only": backward(
            "tanh_gelu",
            lambda d_y, g, x: d_y * 0.5 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
        ),
        "u' without the 3": backward("tanh_gelu", lambda d_y, g, x: _gelu_back(d_y, x, cubic=1)),
        "1 + tanh squared": backward("tanh_gelu", lambda d_y, g, x: _gelu_back(d_y, x, sign=1)),
        "u' forgotten": backward("tanh_gelu", lambda d_y, g, x: _gelu_back(d_y, x, slope=1.0)),
        "0.44715": forward(lambda x: gelu(x, c=0.44715)),
        "0.0447": forward(lambda x: gelu(x, c=0.0447)),
        "0.7979": forward(lambda x: gelu(x, factor=0.7979)),
        "straight beyond 3": forward(lambda x: np.where(x > 3, x, np.where(x < -3, 0, gelu(x)))),
        "clipped at 3": forward(lambda x: gelu(np.clip(x, -3, 3))),
        "tanh of exponentials": forward(gelu_of_exponentials),
        "the sigmoid form": forward(lambda x: x / (1 + np.exp(-1.702 * x))),
    },
    "rms_norm": {
        "the mean's way left out": backward(
            "rms_norm", lambda d_y, g, x, gamma: [_rms_direct(d_y, x, gamma), g[1]]
        ),
        "gamma forgotten": backward("rms_norm", lambda d_y, g, x, gamma: [g[0] / gamma, g[1]]),
        "d_gamma per token": backward("rms_norm", lambda d_y, g, x, gamma: [g[0], g[1] / x.shape[1]]),
        "LayerNorm's three ways": backward(
            "rms_norm", lambda d_y, g, x, gamma: [g[0] - g[0].mean(axis=-1, keepdims=True), g[1]]
        ),
        "eps 1e-6": forward(
            lambda x, gamma, eps: gamma * x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + 1e-6)
        ),
        "H - 1": forward(
            lambda x, gamma, eps: gamma * x / np.sqrt((x * x).sum(axis=-1, keepdims=True) / 5 + eps)
        ),
    },
    "seen_by_ones": {
        "all seen": (dict.fromkeys(ONES, "seen"),),
        "all missed": (dict.fromkeys(ONES, "missed"),),
        "factors are seen": (ONES | {"norm_twice": "seen"},),
        "zeros are seen": (ONES | {"softmax_zeros": "seen"},),
    },
    "swiglu": {
        "one way to x": backward(
            "swiglu", lambda d_y, g, x, gate, up, down: [_up_share(d_y, x, gate, up, down), *g[1:]]
        ),
        "silu' = sigmoid": backward(
            "swiglu", lambda d_y, g, x, gate, up, down: [g[0], _gate(d_y, x, gate, up, down), *g[2:]]
        ),
        "gate and up exchanged": backward("swiglu", lambda d_y, g, *inputs: [g[0], g[2], g[1], g[3]]),
        "down without the gate": backward(
            "swiglu", lambda d_y, g, x, gate, up, down: [*g[:3], np.einsum("btf,bth->fh", x @ up, d_y)]
        ),
        "silu of the product": forward(lambda x, gate, up, down: silu((x @ gate) * (x @ up)) @ down),
        "relu": forward(lambda x, gate, up, down: (np.maximum(0, x @ gate) * (x @ up)) @ down),
    },
    "pre_norm_block": {
        "first skip path": (Block("first skip"),),
        "second skip path": (Block("second skip"),),
        "d_y on the first skip path": (Block("d_y for d_attended"),),
        "skip from the norm": (Block("skip from the norm"),),
        "state in the layer": (BlockWithState(),),
    },
}


def _gelu_back(d_y, x, cubic=3, sign=-1, slope=None):
    tanh = np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))
    if slope is None:
        slope = math.sqrt(2 / math.pi) * (1 + cubic * 0.044715 * x * x)
    return d_y * 0.5 * (1 + tanh + x * (1 + sign * tanh * tanh) * slope)


def _rms_direct(d_y, x, gamma):
    return gamma * d_y / np.sqrt((x * x).mean(axis=-1, keepdims=True) + 0.01)


def _up_share(d_y, x, gate, up, down):
    return ((d_y @ down.T) * silu(x @ gate)) @ up.T


def _gate(d_y, x, gate, up, down):
    d_scores = (d_y @ down.T) * (x @ up) / (1 + np.exp(-(x @ gate)))
    return np.einsum("bth,btf->hf", x, d_scores)
