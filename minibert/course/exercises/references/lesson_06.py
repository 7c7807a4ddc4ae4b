"""References of lesson 06, the encoder block."""

import math

import numpy as np

from minibert.course.exercises.lesson_06 import filled_sublayers
from minibert.course.exercises.variants import Reference


def scaled_residual(x, scale):
    return x + scale * np.tanh(x)


def tanh_gelu(x):
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))


def rms_norm(x, gamma, eps):
    return gamma * x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + eps)


def swiglu(x, gate, up, down):
    scores = x @ gate
    return (scores / (1 + np.exp(-scores)) * (x @ up)) @ down


def pre_norm_block(x):
    block = filled_sublayers()
    attended = x + block.attention.forward(block.attention_norm.forward(x)[0])[0]
    return attended + block.feed_forward.forward(block.output_norm.forward(attended)[0])[0]


def who_changes(B, T, H):
    return {"layer_norm": H, "batch_norm": B * T, "batch_norm_in_use": 1, "encoder_block": T * H}


def draw_batch(rng):
    return dict(zip("BTH", rng.permutation(np.arange(3, 14))[:3].tolist()))


REFERENCES = {
    "scaled_residual": Reference(scaled_residual),
    "tanh_gelu": Reference(tanh_gelu),
    "rms_norm": Reference(rms_norm),
    "who_changes": Reference(who_changes, draw_batch, "B = {B}, T = {T}, H = {H}"),
    "swiglu": Reference(swiglu),
    "pre_norm_block": Reference(pre_norm_block),
}
