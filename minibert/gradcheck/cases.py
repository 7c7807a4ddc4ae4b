"""What is checked: every layer and model, in every mode that changes its arithmetic.

`CASES` is {name: (layer, inputs, forward's keyword arguments)}; a name is the layer and its mode, "MultiHeadAttention
padding". All sizes are pairwise different, so that a wrong axis cannot fit. Weights, gains and biases are of size one,
and not 0.02, 1 and 0; ids and segment ids repeat; a row of the batch has nothing to predict. Equal, small and special
numbers hide mistakes.

`at_full_size` builds a BERT as large as the published one for check_directions.

Imported only when it is needed: by `minibert gradcheck`, by tests/gradients and by the bug museum.
"""

from typing import NamedTuple

import numpy as np

from minibert.layers import (
    GELU,
    CrossEntropy,
    Dropout,
    Embedding,
    EncoderLayer,
    FeedForward,
    Layer,
    LayerNorm,
    Linear,
    MultiHeadAttention,
    TanhGELU,
)
from minibert.layers.softmax import softmax, softmax_backward
from minibert.models.bert import BertConfig, BertEmbeddings, BertForPreTraining, BertModel, MLMHead, Pooler
from minibert.word_vectors.glove_plain import GloVeObjective
from minibert.word_vectors.word2vec_plain import Context, HierarchicalSoftmax, NegativeSampling, PlainWord2Vec
from minibert.word_vectors.word2vec_text import huffman_tree

B, T, H, A, F, V = 4, 5, 6, 2, 7, 11  # and D = H/A = 3, M = 8

CONFIG = {"vocab_size": V, "hidden_size": H, "num_hidden_layers": 2, "num_attention_heads": A, "intermediate_size": F,
          "max_position_embeddings": 9, "hidden_dropout_prob": 0.3, "attention_probs_dropout_prob": 0.3}  # fmt: skip

PRESETS = {
    "tiny": {"vocab_size": 4000, "hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2,
             "intermediate_size": 512},
    "base": {"vocab_size": 30522, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
             "intermediate_size": 3072, "max_position_embeddings": 512},
}  # fmt: skip

PADDING = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 1, 0, 0, 0], [1, 1, 1, 1, 0]])  # (B, T)
INPUT_IDS = np.array([[2, 7, 7, 4, 3], [2, 9, 7, 0, 0], [2, 3, 0, 0, 0], [2, 8, 1, 3, 0]])  # 7 stands three times
TOKEN_TYPES = np.array([[0, 0, 0, 1, 1], [0, 0, 1, 0, 0], [0, 1, 0, 0, 0], [0, 0, 0, 1, 0]])
LABELS = np.array([[-100, 5, 0, 4, -100], [-100, 6, 7, -100, -100], [-100] * 5, [-100, 8, 1, 5, -100]])  # 0 is a class
NOTHING = np.full((B, T), -100)
NEXT = np.array([0, 1, 1, 0])
KEY_PADDING = PADDING.astype(bool)[:, np.newaxis, np.newaxis, :]  # (B, 1, 1, T): columns are keys
CAUSAL = np.tril(np.ones((T, T), bool))


def random(*shape, size=1.0, seed=1):
    """Normal numbers, the same at every call."""
    return size * np.random.default_rng([seed, *shape]).standard_normal(shape)


def generator():
    return np.random.default_rng(7)


def scrambled(layer, size=1.0):
    """Give every parameter normal values of that size, gains and biases included, and return the layer."""
    for number, parameter in enumerate(layer.parameters().values()):
        parameter.value = random(*parameter.value.shape, size=size, seed=100 + number)
    return layer


class AppliedTwiceCache(NamedTuple):
    first: NamedTuple
    second: NamedTuple


class AppliedTwice(Layer):
    """y = layer(layer(x)): one set of weights runs twice before it goes backward, as in ALBERT.

    d_once is the gradient of what lies between; each of the two backward passes adds its share to the one .grad.
    """

    def __init__(self, layer):
        self.layer = layer

    def forward(self, x):
        """x → y, the same shape, cache."""
        once, first = self.layer.forward(x)
        y, second = self.layer.forward(once)
        return y, AppliedTwiceCache(first, second)

    def backward(self, d_y, cache):
        """d_y → d_x."""
        d_once = self.layer.backward(d_y, cache.second)
        d_x = self.layer.backward(d_once, cache.first)
        return d_x


class Softmax(Layer):
    """The softmax, in attention a pair of functions, as a layer; its output is all that it needs to go back."""

    def forward(self, scores):
        """scores → probs, the same shape, cache."""
        probs = softmax(scores)
        return probs, probs

    def backward(self, d_probs, cache):
        """d_probs → d_scores."""
        return softmax_backward(d_probs, cache)


def attention(num_heads=A, dropout=0.0):
    return scrambled(MultiHeadAttention(H, num_heads, dropout))


def encoder_layer(num_heads=A, dropout=0.0, **changes):
    return scrambled(EncoderLayer(H, num_heads, F, dropout_prob=dropout, attention_dropout_prob=dropout, **changes))


def config(**changes):
    return BertConfig(**{**CONFIG, **changes})


def model(**changes):
    return scrambled(BertForPreTraining(config(**changes)))


def batch(**changes):
    """What BertForPreTraining.forward takes beside input_ids."""
    given = {"token_type_ids": TOKEN_TYPES, "attention_mask": PADDING, "labels": LABELS, "next_sentence_label": NEXT}
    return given | changes


def glove(x_max):
    return GloVeObjective(random(7, 3), random(8, 3)[1:].copy(), random(7), random(8)[1:].copy(), x_max)


NOISE = np.array([1, 4, 4, 2, 6])  # 4 is drawn twice, and 2 is a target below
WINDOW = np.array([3, 0, 5, 3])  # 3 stands twice
GLOVE_ROWS, GLOVE_COLUMNS = np.array([0, 0, 1, 6, 3, 3, 5, 0, 2, 4, 6]), np.array([1, 2, 0, 6, 3, 5, 3, 1, 2, 2, 0])


def negative_sampling():
    return NegativeSampling(random(7, 5))


def hierarchical_softmax():
    return HierarchicalSoftmax(random(6, 5), huffman_tree(np.array([40, 21, 13, 8, 5, 3, 2])))


CASES = {
    "Linear": (scrambled(Linear(4, 3)), [random(2, 5, 4)], {}),
    "Linear one row": (scrambled(Linear(4, 3)), [random(1, 4)], {}),
    "Linear no batch": (scrambled(Linear(4, 3)), [random(4)], {}),
    "Embedding repeated ids": (scrambled(Embedding(V, H)), [INPUT_IDS], {}),
    "Embedding distinct ids": (scrambled(Embedding(V, H)), [np.array([[4, 1, 8], [0, 10, 5]])], {}),
    "Embedding one id": (scrambled(Embedding(V, H)), [np.array(3)], {}),
    "Embedding ids of one byte": (  # 29·H is more than a byte can hold
        scrambled(Embedding(30, H)), [np.array([[29, 3], [25, 29]], np.int8)], {}),
    "LayerNorm": (scrambled(LayerNorm(H)), [random(B, T, H)], {}),
    "LayerNorm large eps": (scrambled(LayerNorm(H, eps=0.5)), [random(B, T, H)], {}),
    "LayerNorm large gain": (scrambled(LayerNorm(H), size=30.0), [random(B, T, H, size=0.1)], {}),
    "LayerNorm one token": (scrambled(LayerNorm(H)), [random(1, 1, H)], {}),
    "GELU": (GELU(), [random(B, T, F, size=3.0)], {}),
    "TanhGELU": (TanhGELU(), [random(B, T, F, size=3.0)], {}),
    "Softmax": (Softmax(), [random(B, T, V)], {}),
    "Dropout": (Dropout(0.4), [random(B, T, H)], {"rng": generator()}),
    "Dropout off": (Dropout(0.4), [random(B, T, H)], {}),
    "CrossEntropy": (CrossEntropy(), [random(B, T, V), INPUT_IDS], {}),
    "CrossEntropy ignored labels": (CrossEntropy(), [random(B, T, V), LABELS], {}),
    "CrossEntropy nothing to predict": (CrossEntropy(), [random(B, T, V), NOTHING], {}),
    "MultiHeadAttention": (attention(), [random(B, T, H)], {}),
    "MultiHeadAttention padding": (attention(), [random(B, T, H)], {"mask": KEY_PADDING}),
    "MultiHeadAttention causal": (attention(), [random(B, T, H)], {"mask": CAUSAL}),
    "MultiHeadAttention all masked": (attention(), [random(B, T, H)], {"mask": np.zeros((T, T), bool)}),
    "MultiHeadAttention dropout": (attention(dropout=0.3), [random(B, T, H)], {"rng": generator()}),
    "MultiHeadAttention two inputs": (attention(), [random(B, T, H), random(B, 8, H)], {}),
    "MultiHeadAttention one head": (attention(num_heads=1), [random(B, T, H)], {}),
    "MultiHeadAttention one token": (attention(), [random(B, 1, H)], {}),
    "MultiHeadAttention batch of one": (attention(), [random(1, T, H)], {}),
    "FeedForward": (scrambled(FeedForward(H, F)), [random(B, T, H)], {}),
    "FeedForward tanh": (scrambled(FeedForward(H, F, "gelu_new")), [random(B, T, H)], {}),
    "EncoderLayer": (encoder_layer(), [random(B, T, H)], {}),
    "EncoderLayer padding dropout": (
        encoder_layer(dropout=0.3), [random(B, T, H)], {"mask": KEY_PADDING, "rng": generator()}),
    "EncoderLayer one head": (encoder_layer(num_heads=1), [random(B, T, H)], {}),
    "EncoderLayer tanh batch of one": (encoder_layer(hidden_act="gelu_new"), [random(1, T, H)], {}),
    "AppliedTwice Linear": (AppliedTwice(scrambled(Linear(4, 4))), [random(2, 5, 4)], {}),
    "AppliedTwice LayerNorm": (AppliedTwice(scrambled(LayerNorm(H))), [random(B, T, H)], {}),
    "AppliedTwice MultiHeadAttention": (
        AppliedTwice(scrambled(MultiHeadAttention(H, A), size=0.5)), [random(B, T, H)], {}),
    "AppliedTwice EncoderLayer": (AppliedTwice(encoder_layer()), [random(B, T, H)], {}),
    "BertEmbeddings": (scrambled(BertEmbeddings(config(), generator())), [INPUT_IDS, TOKEN_TYPES], {}),
    "BertEmbeddings dropout": (
        scrambled(BertEmbeddings(config(), generator())), [INPUT_IDS, TOKEN_TYPES], {"rng": generator()}),
    "Pooler": (scrambled(Pooler(config(), generator())), [random(B, T, H)], {}),
    "MLMHead": (scrambled(MLMHead(config(), Embedding(V, H).weight, generator())), [random(B, T, H)], {}),
    "MLMHead predicted rows": (scrambled(MLMHead(config(), Embedding(V, H).weight, generator())), [random(8, H)], {}),
    "BertModel": (scrambled(BertModel(config())), [INPUT_IDS, TOKEN_TYPES, PADDING], {}),
    "BertModel dropout": (scrambled(BertModel(config())), [INPUT_IDS, TOKEN_TYPES, PADDING], {"rng": generator()}),
    "BertForPreTraining": (model(), [INPUT_IDS], batch()),
    "BertForPreTraining dropout": (model(), [INPUT_IDS], batch(rng=generator())),
    "BertForPreTraining tanh": (model(hidden_act="gelu_new"), [INPUT_IDS], batch()),
    "BertForPreTraining one head": (model(num_attention_heads=1, num_hidden_layers=1), [INPUT_IDS], batch()),
    "BertForPreTraining no padding": (
        model(num_hidden_layers=1), [INPUT_IDS], batch(attention_mask=None, token_type_ids=None)),
    "BertForPreTraining only MLM": (model(num_hidden_layers=1), [INPUT_IDS], {"labels": LABELS}),
    "BertForPreTraining only NSP": (model(num_hidden_layers=1), [INPUT_IDS], {"next_sentence_label": NEXT}),
    "BertForPreTraining nothing to predict": (model(num_hidden_layers=1), [INPUT_IDS], batch(labels=NOTHING)),
    "BertForPreTraining batch of one": (
        model(num_hidden_layers=1), [INPUT_IDS[:1]], {"labels": LABELS[:1], "next_sentence_label": NEXT[:1]}),
    "BertForPreTraining one token": (
        model(num_hidden_layers=1), [INPUT_IDS[:1, :1]],
        {"labels": np.array([[3]]), "next_sentence_label": np.array([1])}),
    "Context": (Context(random(8, 5)), [WINDOW], {}),
    "NegativeSampling": (negative_sampling(), [random(5), 2, NOISE], {}),
    "NegativeSampling without noise": (negative_sampling(), [random(5), 2, NOISE[:0]], {}),
    "HierarchicalSoftmax short path": (hierarchical_softmax(), [random(5), 0], {}),
    "HierarchicalSoftmax long path": (hierarchical_softmax(), [random(5), 6], {}),
    "PlainWord2Vec skip-gram": (PlainWord2Vec(random(8, 5), negative_sampling()), [WINDOW[:1], 2, NOISE], {}),
    "PlainWord2Vec CBOW": (PlainWord2Vec(random(8, 5), negative_sampling()), [WINDOW, 2, NOISE], {}),
    "PlainWord2Vec CBOW, tree": (PlainWord2Vec(random(8, 5), hierarchical_softmax()), [WINDOW, 5], {}),
    "GloVeObjective": (glove(10.0), [GLOVE_ROWS, GLOVE_COLUMNS, np.linspace(0.3, 25.0, 11)], {}),
    "GloVeObjective below x_max": (glove(100.0), [GLOVE_ROWS, GLOVE_COLUMNS, np.linspace(0.3, 25.0, 11)], {}),
}  # fmt: skip


def at_full_size(preset):
    """Return (model, inputs, forward's keyword arguments) of a BERT as it is used; "base" has 110 million parameters.

    Weights are as large as at the start of training; gains and biases are moved away from 1 and 0. All are float32,
    which halves the memory that the model takes beside the check. 96 tokens, 20 of them padding, 15 % of the others
    predicted; both losses; dropout.
    """
    rng = np.random.default_rng(3)
    model = BertForPreTraining(BertConfig(**PRESETS[preset]))
    for parameter in model.parameters().values():
        if parameter.value.ndim == 1:
            parameter.value += rng.uniform(-0.5, 0.5, parameter.value.shape).astype(np.float32)
    input_ids = rng.integers(model.config.vocab_size, size=(2, 48))
    attention_mask = np.arange(48) < np.array([[48], [28]])
    labels = np.where((rng.random((2, 48)) < 0.15) & attention_mask, input_ids, -100)
    given = {"token_type_ids": np.repeat([[0] * 16 + [1] * 32], 2, axis=0), "attention_mask": attention_mask,
             "labels": labels, "next_sentence_label": np.array([1, 0]), "rng": generator()}  # fmt: skip
    return model, [input_ids], given
