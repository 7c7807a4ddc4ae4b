"""One file a layer: forward and backward side by side, the derivation in the docstring.

Letters in the comments on shapes: B batch, T tokens, H hidden size, A attention heads, D = H/A head size,
F feed-forward size, V vocabulary, M masked (predicted) tokens, N rows.
"""

from minibert.layers.attention import MultiHeadAttention
from minibert.layers.base import Layer, Parameter
from minibert.layers.cross_entropy import CrossEntropy
from minibert.layers.dropout import Dropout
from minibert.layers.embedding import Embedding
from minibert.layers.encoder_layer import EncoderLayer
from minibert.layers.feed_forward import FeedForward
from minibert.layers.gelu import GELU, TanhGELU
from minibert.layers.head_projection import HeadOutput, HeadProjection
from minibert.layers.layer_norm import LayerNorm
from minibert.layers.linear import Linear
from minibert.layers.locked_dropout import LockedDropout
from minibert.layers.lstm import LSTM, LSTMCell, PlainLSTM
from minibert.layers.recomputed import RecomputedEncoderLayer
from minibert.layers.relative_attention import (
    PositionScores,
    RelativeAttention,
    RelativeShift,
    SegmentScores,
)
from minibert.layers.relu import ReLU
from minibert.layers.rnn import RNN
from minibert.layers.silu import SiLU
from minibert.layers.sinusoidal import SinusoidalPositions
from minibert.layers.smoothed_cross_entropy import SmoothedCrossEntropy
from minibert.layers.squared_error import SquaredError
from minibert.layers.tied_decoder import TiedDecoder
from minibert.layers.tied_output import TiedOutput

__all__ = [
    "CrossEntropy", "Dropout", "Embedding", "EncoderLayer", "FeedForward", "GELU", "HeadOutput",
    "HeadProjection", "LSTM", "LSTMCell", "Layer", "LayerNorm", "Linear", "LockedDropout",
    "MultiHeadAttention", "Parameter", "PlainLSTM", "PositionScores", "RNN", "ReLU",
    "RecomputedEncoderLayer", "RelativeAttention", "RelativeShift", "SegmentScores", "SiLU",
    "SinusoidalPositions", "SmoothedCrossEntropy", "SquaredError", "TanhGELU", "TiedDecoder", "TiedOutput",
]
