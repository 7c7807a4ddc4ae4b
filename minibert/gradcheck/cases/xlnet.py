"""XLNet, part by part and as a whole: content rows and query rows, state, segments, padding, dropout."""

import numpy as np

from minibert.gradcheck.cases.common import (
    INPUT_IDS,
    PADDING,
    TOKEN_TYPES,
    A,
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
    HeadOutput,
    HeadProjection,
    PositionScores,
    RelativeAttention,
    RelativeShift,
    SegmentScores,
)
from minibert.layers.relative_attention import Sight, distance_waves
from minibert.models.xlnet import (
    XLNetConfig,
    XLNetEmbeddings,
    XLNetForSequenceClassification,
    XLNetLayer,
    XLNetLMHeadModel,
    XLNetModel,
    XLNetSummary,
    check_inputs,
)

# M query rows, S tokens in a state; R = T + M rows ask, of K = S + T keys, at P = K + T − 1 distances.
M, S = 8, 9
D, K, R, P = H // A, S + T, T + M, S + 2 * T - 1

ON_THE_LEFT = np.array([[False], [True], [True], [False]])  # where the padding of a sequence is
IDS = np.where(ON_THE_LEFT, INPUT_IDS[:, ::-1], INPUT_IDS)                      # (B, T)
MASK = np.where(ON_THE_LEFT, PADDING[:, ::-1], PADDING)                         # (B, T)
TYPES = np.where(MASK, TOKEN_TYPES, 3)                                          # (B, T)
OLD_AND_NEW = np.hstack([np.ones((B, S), int), MASK])                           # (B, K)
OLD_AND_NEW[0, 0] = 0
# The place of each target, −1 for none. Tokens of rank 0 are seen by all, others by those of a higher rank.
# So the first target of the first sequence sees nothing at all.
TARGETS = np.array([[3, 1, 4, 0, -1, -1, 2, -1], [2, 3] + [-1] * 6, [3] + [-1] * 7, [1, -1, 3, 2] + [-1] * 4])
RANKS = np.array([[4, 2, 5, 1, 3], [0, 0, 1, 2, 0], [0, 0, 0, 1, 0], [0, 2, 3, 1, 0]])     # (B, T)
MAPPING = (TARGETS[:, :, np.newaxis] == np.arange(T)).astype(int)               # (B, M, T)
IS_LATER = RANKS[:, np.newaxis] >= RANKS[:, :, np.newaxis]                      # (B, T, T): j not before i
PERM_MASK = (IS_LATER & (RANKS > 0)[:, np.newaxis]).astype(int)                 # (B, T, T)
LABELS = np.where(TARGETS >= 0, np.take_along_axis(IDS, np.maximum(TARGETS, 0), axis=1), -100)
LABELS[2] = -100  # a sequence with nothing to predict
STATE = tuple(random(B, S, H, seed=seed) for seed in (2, 3))  # for two layers
STREAMS = {"perm_mask": PERM_MASK, "target_mapping": MAPPING}
CLASSES = np.array([2, -100, 0, 1])  # (B,)


def config(**changes):
    sizes = {
        "hidden_size": H, "num_hidden_layers": 2, "num_attention_heads": A, "intermediate_size": F,
        "hidden_dropout_prob": 0.3, "num_labels": 3,
    }
    return XLNetConfig(V, **sizes | changes)


def sight(**given):
    """Return the Sight of all rows, as the model makes it."""
    arguments = dict.fromkeys(("token_type_ids", "attention_mask", "perm_mask", "target_mapping", "state"))
    return check_inputs(config(), IDS, **arguments | given).sights[0]


def model(model_class, size=0.7, **changes):
    return scrambled(model_class(config(**changes)), size)


X, QUERY_HEADS, CONTENT = random(B, R, H), random(B, A, R, D), random(B, T, H)
SIGHT = sight(token_type_ids=TYPES, attention_mask=OLD_AND_NEW, state=STATE, **STREAMS)
WAVES, FEW_WAVES = (distance_waves(T, num_keys, H, np.float64) for num_keys in (K, T))
CAUSAL = Sight(np.arange(T)[np.newaxis], np.tril(np.ones((T, T), bool))[np.newaxis, np.newaxis])

CASES = {
    "HeadProjection": lambda: Case(scrambled(HeadProjection(H, A)), [CONTENT]),
    "HeadOutput": lambda: Case(scrambled(HeadOutput(H, A)), [random(B, A, T, D)]),
    "RelativeShift": lambda: Case(RelativeShift(), [random(B, A, R, P), SIGHT.places, K]),
    "PositionScores": lambda: Case(
        scrambled(PositionScores(H, A)), [QUERY_HEADS, WAVES, SIGHT.places, K]
    ),
    "SegmentScores": lambda: Case(scrambled(SegmentScores(A, D)), [QUERY_HEADS, SIGHT.is_other]),
    "RelativeAttention": lambda: Case(
        scrambled(RelativeAttention(H, A, dropout_prob=0.3)), [X, CONTENT, WAVES, SIGHT],
        {"state": STATE[0], "rng": generator()},
    ),
    "RelativeAttention causal": lambda: Case(
        scrambled(RelativeAttention(H, A)), [CONTENT, CONTENT, FEW_WAVES, CAUSAL]
    ),
    "XLNetEmbeddings": lambda: Case(
        scrambled(XLNetEmbeddings(config(), generator())), [IDS, M], {"rng": generator()}
    ),
    "XLNetLayer": lambda: Case(
        scrambled(XLNetLayer(config(), generator())), [random(B, T, H, seed=4), CONTENT, FEW_WAVES, CAUSAL],
        {"rng": generator()},
    ),
    "XLNetSummary": lambda: Case(
        scrambled(XLNetSummary(config(), generator())), [CONTENT, np.array([4, 2, 3, 0])]
    ),
    "XLNetModel": lambda: Case(
        model(XLNetModel, memory_length=4), [IDS], {"attention_mask": MASK, "rng": generator()}
    ),
    "XLNetModel state": lambda: Case(
        model(XLNetModel, memory_length=9), [IDS],
        {"token_type_ids": TYPES, "attention_mask": OLD_AND_NEW, "state": STATE, **STREAMS},
    ),
    "XLNetLMHeadModel": lambda: Case(
        model(XLNetLMHeadModel), [IDS],
        {"token_type_ids": TYPES, "attention_mask": MASK, "labels": LABELS, "rng": generator(), **STREAMS},
    ),
    "XLNetLMHeadModel state": lambda: Case(
        model(XLNetLMHeadModel), [IDS],
        {"attention_mask": OLD_AND_NEW, "labels": LABELS, "state": STATE, **STREAMS},
    ),
    "XLNetLMHeadModel no targets": lambda: Case(
        model(XLNetLMHeadModel, num_hidden_layers=1, hidden_act="gelu_new"), [IDS], {"labels": IDS}
    ),
    "XLNetForSequenceClassification": lambda: Case(
        model(XLNetForSequenceClassification, num_hidden_layers=1), [IDS],
        {"token_type_ids": TYPES, "attention_mask": MASK, "labels": CLASSES, "rng": generator()},
    ),
}
