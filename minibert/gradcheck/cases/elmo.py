"""ELMo, part by part and as a whole."""

import numpy as np

from minibert.gradcheck.cases.common import B, Case, T, generator, random, scrambled
from minibert.models.elmo import (
    CharacterEncoder,
    ELMo,
    ELMoConfig,
    Highway,
    MaxConvolution,
    ResidualLSTMs,
    ScalarMix,
)

C, D, F, H, P, J = 6, 3, 5, 3, 2, 3  # characters, their size, filters, cells, projection, layers
X = random(B, T, P)
STATE = tuple((random(B, P, seed=2 + k), random(B, H, seed=4 + k)) for k in range(3))
RNG = np.random.default_rng(5)
# Four distinct words, of which two end in padding characters (261); rows of zeros end two sentences.
WORDS = np.array([
    [259, 98, 98, 260, 261, 261], [259, 99, 260, 261, 261, 261], [259, 98, 99, 100, 98, 260],
    [259, 101, 98, 99, 97, 260],
])
WHICH = np.array([[0, 1, 0, 2, 3], [1, 1, 2, 0, 0], [3, 0, 0, 0, 0], [2, 0, 1, 3, 0]])
LENGTHS = np.array([[5], [3], [1], [4]])
CHARACTER_IDS = np.where((np.arange(T) < LENGTHS)[..., np.newaxis], WORDS[WHICH], 0)  # (B, T, C)
LABELS = np.where((np.arange(T) < LENGTHS)[..., np.newaxis], RNG.integers(11, size=(B, T, 2)), -100)
LABELS[0, 4, 0] = LABELS[:, 0, 1] = -100  # nothing follows the last word, nothing comes before the first


def config(num_hidden_layers=2):
    """Return the ELMoConfig of the cases; of the whole model with more layers than directions."""
    return ELMoConfig(
        vocab_size=11, character_size=D, filters=((1, 2), (2, 1), (3, 2)), hidden_size=H, projection_size=P,
        num_highway_layers=2, num_hidden_layers=num_hidden_layers, cell_clip=0.6, projection_clip=1.5,
        hidden_dropout_prob=0.3,
    )


def convolution():
    return scrambled(MaxConvolution(D, 2, F, rng=generator(), initializer_range=1.0))


def encoder():
    """A CharacterEncoder in which some filters find nothing: their largest score is below 0."""
    layer = scrambled(CharacterEncoder(config(), generator()))
    layer.convolutions[0].bias.value -= 3
    return layer


CASES = {
    "MaxConvolution": lambda: Case(convolution(), [random(B, C, D)]),
    "Highway": lambda: Case(scrambled(Highway(F, rng=generator(), initializer_range=1.0)), [random(B, F)]),
    "CharacterEncoder": lambda: Case(encoder(), [WORDS]),
    "ResidualLSTMs": lambda: Case(
        scrambled(ResidualLSTMs(config(), generator())), [X], {"state": STATE[:2], "rng": generator()}
    ),
    "ScalarMix": lambda: Case(scrambled(ScalarMix(J)), [random(J, B, T, 2 * P + 2)]),
    "ELMo": lambda: Case(
        scrambled(ELMo(config(3))), [CHARACTER_IDS], {"labels": LABELS, "state": STATE, "rng": generator()}
    ),
}
