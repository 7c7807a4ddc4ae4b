"""The cost of ELMo's convolutions over characters, beside PyTorch's nn.Conv1d.

The work is forward and backward of all filters with their maximum over the places of a word, in float32, for
500 distinct words of 50 characters, most of them padding. The characters' vectors are given, and have a
gradient.
"""

import functools
from typing import NamedTuple

import numpy as np

from minibert.benchmarks.bert import blas_threads
from minibert.benchmarks.harness import add_number, comparison, is_installed, seconds_of, take_turns
from minibert.layers import Embedding
from minibert.models.elmo import NUM_CHARACTERS, MaxConvolution
from minibert.objectives.elmo import PRESETS, ELMoRecipe
from minibert.text.characters import character_ids

HELP = "ELMo's convolutions over characters: time of forward and backward, beside PyTorch"
DESCRIPTION = (
    "Time forward and backward of ELMo's convolutions over the characters of 500 words, beside PyTorch's "
    "nn.Conv1d, where it is installed. The contestants take turns."
)
NUM_WORDS, LONGEST = 500, 14


class Batch(NamedTuple):
    """The vectors of the words' characters, float32 (N, C, D), and the gradient of the maxima, (N, F)."""

    x: np.ndarray
    d_y: np.ndarray


def add_options(command):
    """Add the options to an argparse parser."""
    add_number(command, "--threads", 1, "threads of BLAS")
    add_number(command, "--rounds", 20, "rounds that are timed for each preset")


def measure(options, say):
    """Time the contestants in turn with the filters of each preset; return a dict with their seconds."""
    result = {"numpy": np.__version__, "threads": options.threads, "presets": {}}
    say(f"convolutions over the characters of {NUM_WORDS} words, threads: {options.threads}, median of "
        f"{options.rounds} rounds")
    for preset in PRESETS:
        recipe = ELMoRecipe.of(preset=preset)
        seconds = measure_rounds(recipe, options.threads, options.rounds)
        result["presets"][preset] = seconds
        shown = ", ".join(f"{number} of width {width}" for width, number in recipe.filters)
        say(f"{preset}: {shown}")
        say("\n".join(comparison(seconds, "ms")))
    if len(seconds) == 1:
        say("PyTorch is not installed here (pip install torch).")
    return result


def measure_rounds(recipe, num_threads, num_rounds):
    """Return {contestant: [seconds, one for each round]}; three rounds before these warm up."""
    batch = random_batch(recipe, NUM_WORDS)

    def timed(step, round_number):
        with blas_threads("", num_threads):
            return seconds_of(step, batch)

    turns = {
        name: functools.partial(timed, make(recipe, num_threads)) for name, make in contestants().items()
    }
    return take_turns(turns, num_rounds, num_warm_up=3)


def random_batch(recipe, num_words):
    """Return the Batch of random words of 1 to LONGEST letters."""
    rng = np.random.default_rng(0)
    letters = rng.integers(ord("a"), ord("z") + 1, size=(num_words, LONGEST), dtype=np.uint8)
    lengths = rng.integers(1, LONGEST + 1, size=num_words)
    words = [row[:length].tobytes().decode("ascii") for row, length in zip(letters, lengths)]
    ids = character_ids([words], recipe.max_characters)[0]                      # (N, C)
    x, _ = Embedding(NUM_CHARACTERS, recipe.character_size, initializer_range=0.1).forward(ids)
    num_filters = sum(number for _, number in recipe.filters)
    return Batch(x, rng.standard_normal((num_words, num_filters)).astype(np.float32))


def contestants():
    """Return {name: function that makes its step, from (recipe, num_threads)} of those installed."""
    found = {"minibert": minibert_step}
    if is_installed("torch"):
        from minibert.benchmarks import pytorch

        found["PyTorch, nn.Conv1d"] = pytorch.convolutions
    return found


def minibert_step(recipe, num_threads):
    """Return a function that goes forward and back with a Batch; it returns d_x (N, C, D)."""
    rng = np.random.default_rng(0)
    layers = [
        MaxConvolution(recipe.character_size, width, number, rng=rng, initializer_range=0.1)
        for width, number in recipe.filters
    ]
    ends = np.cumsum([number for _, number in recipe.filters])

    def step(batch):
        for layer in layers:
            layer.zero_grad()
        caches = [layer.forward(batch.x)[1] for layer in layers]
        d_ys = np.split(batch.d_y, ends[:-1], axis=1)
        return sum(layer.backward(d_y, cache) for layer, d_y, cache in zip(layers, d_ys, caches))

    return step
