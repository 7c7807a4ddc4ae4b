"""The Transformer of 2017, part by part and as a whole."""

import numpy as np

from minibert.gradcheck.cases.common import (
    CAUSAL,
    INPUT_IDS,
    LABELS,
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
from minibert.models.transformer import (
    Decoder,
    DecoderLayer,
    Encoder,
    Transformer,
    TransformerConfig,
    TransformerEmbeddings,
)

S = 8  # tokens of the source
X, ENCODED = random(B, T, H), random(B, S, H)
SOURCE_MASK = np.arange(S) < np.array([[8], [5], [3], [7]])  # (B, S)
SOURCE_IDS = np.where(SOURCE_MASK, np.random.default_rng(5).integers(1, V, (B, S)), 0)
KEY_MASK = SOURCE_MASK[:, np.newaxis, np.newaxis]
# Keys and values of 7 tokens before and of the source, for one layer.
STATE = (tuple(tuple(random(B, A, length, H // A, seed=seed) for seed in (2, 3)) for length in (7, S)),)


def config(num_hidden_layers=2):
    return TransformerConfig(
        V, H, num_hidden_layers, A, F, hidden_act="gelu", hidden_dropout_prob=0.3,
        attention_probs_dropout_prob=0.3, label_smoothing=0.2)


CASES = {
    "TransformerEmbeddings": lambda: Case(
        scrambled(TransformerEmbeddings(config(), generator())), [INPUT_IDS, np.arange(T)],
        {"rng": generator()},
    ),
    "DecoderLayer": lambda: Case(
        scrambled(DecoderLayer(config(), generator())), [X, ENCODED],
        {"mask": CAUSAL, "source_mask": KEY_MASK, "rng": generator()},
    ),
    "Encoder": lambda: Case(
        scrambled(Encoder(config(), generator()), 0.5), [ENCODED], {"source_mask": KEY_MASK}
    ),
    "Decoder": lambda: Case(scrambled(Decoder(config(), generator()), 0.5), [X, ENCODED]),
    "Transformer": lambda: Case(
        scrambled(Transformer(config(1))), [SOURCE_IDS, INPUT_IDS],
        {"source_mask": SOURCE_MASK.astype(int), "labels": LABELS, "rng": generator()},
    ),
    "Transformer state": lambda: Case(
        scrambled(Transformer(config(1))), [None, INPUT_IDS],
        {"source_mask": SOURCE_MASK.astype(int), "labels": LABELS, "state": STATE},
    ),
}
