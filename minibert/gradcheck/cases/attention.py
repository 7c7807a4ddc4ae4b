"""Multi-head attention, with the masks and inputs that it may be given."""

import numpy as np

from minibert.gradcheck.cases.common import (
    CAUSAL,
    KEY_PADDING,
    A,
    B,
    Case,
    H,
    T,
    generator,
    random,
    scrambled,
)
from minibert.layers import MultiHeadAttention

X = random(B, T, H)
OTHER = random(B, 8, H)  # keys and values of another sequence, 8 tokens long
# Keys and values of 7 earlier tokens.
STATE = random(B, A, 7, H // A, seed=2), random(B, A, 7, H // A, seed=3)


def attention(num_heads=A, dropout=0.0):
    return scrambled(MultiHeadAttention(H, num_heads, dropout_prob=dropout))


CASES = {
    "MultiHeadAttention": lambda: Case(attention(), [X]),
    "MultiHeadAttention padding": lambda: Case(attention(), [X], {"mask": KEY_PADDING}),
    "MultiHeadAttention causal": lambda: Case(attention(), [X], {"mask": CAUSAL}),
    "MultiHeadAttention all masked": lambda: Case(attention(), [X], {"mask": np.zeros((T, T), bool)}),
    "MultiHeadAttention dropout": lambda: Case(attention(dropout=0.3), [X], {"rng": generator()}),
    "MultiHeadAttention two inputs": lambda: Case(attention(), [X, OTHER]),
    "MultiHeadAttention state": lambda: Case(attention(), [X], {"state": STATE}),
    "MultiHeadAttention one head": lambda: Case(attention(num_heads=1), [X]),
    "MultiHeadAttention one token": lambda: Case(attention(), [random(B, 1, H)]),
    "MultiHeadAttention batch of one": lambda: Case(attention(), [random(1, T, H)]),
}
