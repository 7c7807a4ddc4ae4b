"""Recurrent layers and language models, with all that changes their arithmetic."""

from minibert.gradcheck.cases.common import (
    INPUT_IDS,
    LABELS,
    B,
    Case,
    T,
    V,
    generator,
    random,
    scrambled,
)
from minibert.layers import LSTM, RNN, LockedDropout, LSTMCell, PlainLSTM
from minibert.models.recurrent import (
    AWDLSTMConfig,
    AWDLSTMLanguageModel,
    DroppedEmbedding,
    LSTMConfig,
    LSTMLanguageModel,
    RNNLanguageModel,
)

D, H, P = 3, 2, 7  # and 4H = 8
X = random(B, T, D)
HIDDEN, CELL = random(B, H, seed=2), random(B, H, seed=3)
PROJECTED = random(B, P, seed=4)


def lstm(**options):
    return scrambled(LSTM(D, H, **options))


SIZES = {"vocab_size": V, "embedding_size": D, "hidden_size": H}


def model(model_class, **changes):
    return scrambled(model_class(LSTMConfig(**(SIZES | changes))))


def awd_lstm():
    return scrambled(AWDLSTMLanguageModel(AWDLSTMConfig(**SIZES, num_hidden_layers=2)))


CASES = {
    "LockedDropout": lambda: Case(LockedDropout(0.4), [X], {"rng": generator()}),
    "LockedDropout off": lambda: Case(LockedDropout(0.4), [X]),
    "RNN": lambda: Case(scrambled(RNN(D, H)), [X, HIDDEN]),
    "RNN no state": lambda: Case(scrambled(RNN(D, H)), [X]),
    "RNN one step": lambda: Case(scrambled(RNN(D, H)), [X[:, :1], HIDDEN]),
    "LSTMCell": lambda: Case(scrambled(LSTMCell(D, H)), [X[:, 0], (HIDDEN, CELL)]),
    "PlainLSTM": lambda: Case(scrambled(PlainLSTM(D, H)), [X, (HIDDEN, CELL)]),
    "LSTM": lambda: Case(lstm(), [X, (HIDDEN, CELL)]),
    "LSTM no state": lambda: Case(lstm(), [X]),
    "LSTM one step": lambda: Case(lstm(), [X[:, :1], (HIDDEN, CELL)]),
    "LSTM weight dropout": lambda: Case(
        lstm(weight_dropout=0.4), [X, (HIDDEN, CELL)], {"rng": generator()}
    ),
    "LSTM projection": lambda: Case(lstm(projection_size=P), [X, (PROJECTED, CELL)]),
    "LSTM projection clipped": lambda: Case(
        lstm(projection_size=P, cell_clip=0.6, projection_clip=0.5), [X, (PROJECTED, CELL)]
    ),
    "DroppedEmbedding": lambda: Case(
        scrambled(DroppedEmbedding(V, D, dropout_prob=0.4)), [INPUT_IDS], {"rng": generator()}
    ),
    "RNNLanguageModel": lambda: Case(
        model(RNNLanguageModel, hidden_dropout_prob=0.3), [INPUT_IDS],
        {"labels": LABELS, "state": (HIDDEN,), "rng": generator()}
    ),
    "LSTMLanguageModel tied": lambda: Case(
        model(LSTMLanguageModel, embedding_size=H, num_hidden_layers=2, tie_word_embeddings=True),
        [INPUT_IDS], {"labels": LABELS}
    ),
    "LSTMLanguageModel": lambda: Case(
        model(LSTMLanguageModel), [INPUT_IDS], {"labels": LABELS, "state": ((HIDDEN, CELL),)}
    ),
    "AWDLSTMLanguageModel": lambda: Case(awd_lstm(), [INPUT_IDS], {"labels": LABELS, "rng": generator()}),
}
