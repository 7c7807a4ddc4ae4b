"""The layers from which all models are made."""

import numpy as np

from minibert.gradcheck.cases.common import (
    INPUT_IDS,
    LABELS,
    NOTHING,
    B,
    Case,
    F,
    H,
    T,
    V,
    generator,
    random,
    scrambled,
)
from minibert.layers import (
    GELU,
    CrossEntropy,
    Dropout,
    Embedding,
    FeedForward,
    Layer,
    LayerNorm,
    Linear,
    ReLU,
    SiLU,
    SinusoidalPositions,
    SmoothedCrossEntropy,
    SquaredError,
    TanhGELU,
    TiedDecoder,
    TiedOutput,
)
from minibert.layers.softmax import softmax, softmax_backward


class Softmax(Layer):
    """The softmax, in attention a pair of functions, as a layer; its cache is its output."""

    def forward(self, scores):
        """scores → probs, the same shape, cache."""
        probs = softmax(scores)
        return probs, probs

    def backward(self, d_probs, cache):
        """d_probs → d_scores."""
        return softmax_backward(d_probs, cache)


CASES = {
    "Linear": lambda: Case(scrambled(Linear(4, 3)), [random(2, 5, 4)]),
    "Linear one row": lambda: Case(scrambled(Linear(4, 3)), [random(1, 4)]),
    "Linear no batch": lambda: Case(scrambled(Linear(4, 3)), [random(4)]),
    "Embedding repeated ids": lambda: Case(scrambled(Embedding(V, H)), [INPUT_IDS]),
    "Embedding distinct ids": lambda: Case(scrambled(Embedding(V, H)), [np.array([[4, 1, 8], [0, 10, 5]])]),
    "Embedding one id": lambda: Case(scrambled(Embedding(V, H)), [np.array(3)]),
    "Embedding ids of one byte": lambda: Case(  # 29·H is more than a byte can hold
        scrambled(Embedding(30, H)), [np.array([[29, 3, 7], [25, 29, 1]], np.int8)]
    ),
    "TiedDecoder": lambda: Case(scrambled(TiedDecoder(Embedding(V, H).weight)), [random(B, T, H)]),
    "TiedDecoder one row": lambda: Case(scrambled(TiedDecoder(Embedding(V, H).weight)), [random(1, H)]),
    "TiedOutput": lambda: Case(scrambled(TiedOutput(Embedding(V, H).weight)), [random(B, T, H)]),
    "LayerNorm": lambda: Case(scrambled(LayerNorm(H)), [random(B, T, H)]),
    "LayerNorm large eps": lambda: Case(scrambled(LayerNorm(H, eps=0.5)), [random(B, T, H)]),
    "LayerNorm large gain": lambda: Case(scrambled(LayerNorm(H), size=30.0), [random(B, T, H, size=0.1)]),
    "LayerNorm one token": lambda: Case(scrambled(LayerNorm(H)), [random(1, 1, H)]),
    "GELU": lambda: Case(GELU(), [random(B, T, F, size=3.0)]),
    "TanhGELU": lambda: Case(TanhGELU(), [random(B, T, F, size=3.0)]),
    "ReLU": lambda: Case(ReLU(), [random(B, T, F, size=3.0)]),
    "SiLU": lambda: Case(SiLU(), [random(B, T, F, size=3.0)]),
    "Softmax": lambda: Case(Softmax(), [random(B, T, V)]),
    "Dropout": lambda: Case(Dropout(0.4), [random(B, T, H)], {"rng": generator()}),
    "Dropout off": lambda: Case(Dropout(0.4), [random(B, T, H)]),
    "FeedForward": lambda: Case(scrambled(FeedForward(H, F)), [random(B, T, H)]),
    "FeedForward tanh": lambda: Case(scrambled(FeedForward(H, F, hidden_act="gelu_new")), [random(B, T, H)]),
    "FeedForward relu": lambda: Case(scrambled(FeedForward(H, F, hidden_act="relu")), [random(B, T, H)]),
    "FeedForward silu": lambda: Case(scrambled(FeedForward(H, F, hidden_act="silu")), [random(B, T, H)]),
    "CrossEntropy": lambda: Case(CrossEntropy(), [random(B, T, V), INPUT_IDS]),
    "CrossEntropy ignored labels": lambda: Case(CrossEntropy(), [random(B, T, V), LABELS]),
    "SinusoidalPositions": lambda: Case(SinusoidalPositions(H), [random(B, T, H), np.arange(T)]),
    "SmoothedCrossEntropy": lambda: Case(SmoothedCrossEntropy(0.3), [random(B, T, V), LABELS]),
    "SmoothedCrossEntropy one row": lambda: Case(SmoothedCrossEntropy(0.3), [random(1, V), np.array([3])]),
    "SmoothedCrossEntropy nothing to predict": lambda: Case(
        SmoothedCrossEntropy(0.3), [random(B, T, V), NOTHING]
    ),
    "CrossEntropy nothing to predict": lambda: Case(CrossEntropy(), [random(B, T, V), NOTHING]),
    "SquaredError": lambda: Case(SquaredError(), [random(B, F), random(B, F, seed=2)]),
}
