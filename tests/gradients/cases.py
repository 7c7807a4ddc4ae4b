"""What is checked: every layer and model, in every mode that changes its arithmetic.

A case is a function that returns (layer, inputs, forward's keyword arguments). All sizes are pairwise different, weights are of size
one and not 0.02, gains are far from 1 and biases far from 0: small or equal numbers hide mistakes.
"""

import numpy as np

from minibert.layers import (
    GELU,
    CrossEntropy,
    Dropout,
    Embedding,
    EncoderLayer,
    FeedForward,
    LayerNorm,
    Linear,
    MultiHeadAttention,
    TanhGELU,
)
from minibert.models.bert import BertConfig, BertEmbeddings, BertForPreTraining, BertModel, MLMHead, Pooler

B, T, H, A, F, V = 2, 5, 6, 3, 7, 11

CONFIG = {"vocab_size": V, "hidden_size": H, "num_hidden_layers": 2, "num_attention_heads": A, "intermediate_size": F,
          "max_position_embeddings": 8}  # fmt: skip


def random(*shape, seed=1):
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def scrambled(layer):
    """Give every parameter values of size one, gains and biases included."""
    for number, parameter in enumerate(layer.parameters().values()):
        parameter.value = random(*parameter.value.shape, seed=100 + number)
    return layer


def generator():
    return np.random.default_rng(7)


def config(**changes):
    return BertConfig(**{**CONFIG, **changes})


PADDING = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
INPUT_IDS = np.array([[2, 7, 7, 4, 3], [2, 9, 7, 0, 0]])  # 7 stands three times
TOKEN_TYPES = np.array([[0, 0, 0, 1, 1], [0, 0, 1, 0, 0]])
LABELS = np.array([[-100, 5, -100, 4, -100], [-100, -100, 7, -100, -100]])
NEXT = np.array([0, 1])


def inputs(**changes):
    return {"token_type_ids": TOKEN_TYPES, "attention_mask": PADDING, "labels": LABELS, "next_sentence_label": NEXT, **changes}


def attention(num_heads=A, dropout=0.0):
    return scrambled(MultiHeadAttention(H, num_heads, dropout))


def encoder_layer(dropout=0.0, **changes):
    return scrambled(EncoderLayer(H, A, F, dropout_prob=dropout, attention_dropout_prob=dropout, **changes))


KEY_PADDING = PADDING.astype(bool)[:, None, None, :]
CAUSAL = np.tril(np.ones((T, T), bool))

CASES = {
    "Linear": (scrambled(Linear(4, 3)), [random(B, T, 4)], {}),
    "Linear one row": (scrambled(Linear(4, 3)), [random(1, 4)], {}),
    "Embedding repeated ids": (scrambled(Embedding(V, H)), [INPUT_IDS], {}),
    "LayerNorm": (scrambled(LayerNorm(H)), [random(B, T, H)], {}),
    "LayerNorm large eps": (scrambled(LayerNorm(H, eps=0.5)), [random(B, T, H)], {}),
    "LayerNorm one token": (scrambled(LayerNorm(H)), [random(1, 1, H)], {}),
    "GELU": (GELU(), [3 * random(B, T, F)], {}),
    "TanhGELU": (TanhGELU(), [3 * random(B, T, F)], {}),
    "Dropout": (Dropout(0.4), [random(B, T, H)], {"rng": generator()}),
    "Dropout off": (Dropout(0.4), [random(B, T, H)], {}),
    "CrossEntropy": (CrossEntropy(), [random(B, T, V), np.abs(INPUT_IDS)], {}),
    "CrossEntropy ignored labels": (CrossEntropy(), [random(B, T, V), LABELS], {}),
    "CrossEntropy nothing to predict": (CrossEntropy(), [random(B, T, V), np.full((B, T), -100)], {}),
    "MultiHeadAttention": (attention(), [random(B, T, H)], {}),
    "MultiHeadAttention padding": (attention(), [random(B, T, H)], {"mask": KEY_PADDING}),
    "MultiHeadAttention causal": (attention(), [random(B, T, H)], {"mask": CAUSAL}),
    "MultiHeadAttention all masked": (attention(), [random(B, T, H)], {"mask": np.zeros((T, T), bool)}),
    "MultiHeadAttention dropout": (attention(dropout=0.3), [random(B, T, H)], {"rng": generator()}),
    "MultiHeadAttention two inputs": (attention(), [random(B, T, H), random(B, 4, H)], {}),
    "MultiHeadAttention one head": (attention(num_heads=1), [random(B, T, H)], {}),
    "MultiHeadAttention one token": (attention(), [random(B, 1, H)], {}),
    "FeedForward": (scrambled(FeedForward(H, F)), [random(B, T, H)], {}),
    "FeedForward tanh": (scrambled(FeedForward(H, F, "gelu_new")), [random(B, T, H)], {}),
    "EncoderLayer": (encoder_layer(), [random(B, T, H)], {}),
    "EncoderLayer padding dropout": (encoder_layer(0.3), [random(B, T, H)], {"mask": KEY_PADDING, "rng": generator()}),
    "EncoderLayer tanh batch of one": (encoder_layer(hidden_act="gelu_new"), [random(1, T, H)], {}),
    "BertEmbeddings": (scrambled(BertEmbeddings(config(), generator())), [INPUT_IDS, TOKEN_TYPES], {"rng": generator()}),
    "Pooler": (scrambled(Pooler(config(), generator())), [random(B, T, H)], {}),
    "MLMHead": (scrambled(MLMHead(config(), Embedding(V, H).weight, generator())), [random(B, T, H)], {}),
    "BertModel": (scrambled(BertModel(config())), [INPUT_IDS, TOKEN_TYPES, PADDING], {"rng": generator()}),
    "BertForPreTraining": (scrambled(BertForPreTraining(config())), [INPUT_IDS], inputs()),
    "BertForPreTraining dropout": (scrambled(BertForPreTraining(config())), [INPUT_IDS], inputs(rng=generator())),
    "BertForPreTraining tanh": (scrambled(BertForPreTraining(config(hidden_act="gelu_new"))), [INPUT_IDS], inputs()),
    "BertForPreTraining only MLM": (scrambled(BertForPreTraining(config())), [INPUT_IDS], {"labels": LABELS}),
    "BertForPreTraining only NSP": (scrambled(BertForPreTraining(config())), [INPUT_IDS], {"next_sentence_label": NEXT}),
    "BertForPreTraining nothing to predict": (
        scrambled(BertForPreTraining(config())), [INPUT_IDS], inputs(labels=np.full((B, T), -100))),
    "BertForPreTraining one token": (
        scrambled(BertForPreTraining(config())), [INPUT_IDS[:1, :1]],
        {"labels": np.array([[3]]), "next_sentence_label": np.array([1])}),
}  # fmt: skip
