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
from minibert.text.characters import character_ids

# No array has two axes of one length, nor one as long as the number of directions or of layers that it has:
# C characters of size D, F filters, H cells, P projection, J layers to mix, and U = 11 distinct words, one of
# them the padding. Weights of size one would fill the gates: SIZE keeps them open.
C, D, F, H, P, J = 8, 3, 5, 2, 7, 3
FEW, SIZE = 3, 0.5  # steps of the LSTMs alone; of the weights around LSTMs
X = random(B, FEW, P)
STATE = tuple((random(B, P, seed=2 + k), random(B, H, seed=4 + k)) for k in range(3))
RNG = np.random.default_rng(5)
SPELT = ["aa", "b", "aabca", "dabc", "ca", "bd", "dcba", "a", "bbbb", "cdcdca"]  # some end in padding
WORDS = character_ids([SPELT], C)[0]  # (10, C)
WHICH = np.array([[0, 1, 0, 2, 3], [4, 1, 5, 2, 0], [6, 0, 0, 0, 0], [7, 8, 9, 3, 0]])
LENGTHS = np.array([[5], [3], [1], [4]])
CHARACTER_IDS = np.where((np.arange(T) < LENGTHS)[..., np.newaxis], WORDS[WHICH], 0)  # (B, T, C)
LABELS = np.where((np.arange(T) < LENGTHS)[..., np.newaxis], RNG.integers(13, size=(B, T, 2)), -100)
LABELS[0, 4, 0] = LABELS[:, 0, 1] = -100  # nothing follows the last word, nothing comes before the first


def config(num_hidden_layers=2):
    """Return the ELMoConfig of the cases; of the whole model with more layers than directions."""
    return ELMoConfig(
        vocab_size=13, character_size=D, filters=((1, 3), (2, 1), (3, 2)), hidden_size=H, projection_size=P,
        num_highway_layers=2, num_hidden_layers=num_hidden_layers, cell_clip=0.6, projection_clip=1.5,
        hidden_dropout_prob=0.3, max_characters=C,
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
    "CharacterEncoder": lambda: Case(encoder(), [WORDS[:4]]),
    "ResidualLSTMs": lambda: Case(
        scrambled(ResidualLSTMs(config(), generator()), SIZE), [X], {"state": STATE[:2], "rng": generator()}
    ),
    "ScalarMix": lambda: Case(scrambled(ScalarMix(J)), [random(J, B, T, 2 * P)]),
    "ELMo": lambda: Case(
        scrambled(ELMo(config(3)), SIZE), [CHARACTER_IDS],
        {"labels": LABELS, "state": STATE, "rng": generator()},
    ),
}
