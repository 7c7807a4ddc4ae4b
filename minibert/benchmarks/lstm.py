"""The cost of one training step of an LSTM language model, beside PyTorch's nn.LSTM with its fused AdamW.

A step is forward, backward and AdamW on one batch, in float32, without dropout, state None. The decoder is
tied to the embeddings in both.
"""

from typing import NamedTuple

import numpy as np

from minibert.benchmarks.harness import (
    add_number,
    comparison,
    is_installed,
    measure_steps,
    training_step,
)
from minibert.models.recurrent import LSTMConfig, LSTMLanguageModel

HELP = "an LSTM language model: time of a step, beside PyTorch"
DESCRIPTION = (
    "Time a training step of an LSTM language model at four sizes, beside PyTorch's nn.LSTM with its fused "
    "AdamW, where it is installed. The contestants take turns, a step each."
)


class Size(NamedTuple):
    """Rows B, steps T, hidden size H, words V, and LSTMs one above the other."""

    batch_size: int
    num_steps: int
    hidden_size: int
    vocab_size: int
    num_layers: int


SIZES = (
    Size(32, 35, 256, 4000, 1), Size(32, 35, 256, 4000, 2), Size(20, 35, 650, 10000, 1),
    Size(128, 8, 64, 300, 1),
)


def add_options(command):
    """Add the options to an argparse parser."""
    add_number(command, "--threads", 1, "threads of BLAS")
    add_number(command, "--rounds", 20, "steps that are timed at each size")


def measure(options, say):
    """Time the contestants in turn at each size; return a dict: the seconds of each, one for each round."""
    result = {"numpy": np.__version__, "threads": options.threads, "sizes": []}
    say(f"a step of an LSTM language model, threads: {options.threads}, median of {options.rounds} steps")
    for size in SIZES:
        config, batch = configuration(size), random_batch(size)
        steps = {name: make(config, options.threads) for name, make in contestants().items()}
        seconds = measure_steps(steps, batch, options.threads, options.rounds)
        result["sizes"].append({**size._asdict(), "seconds": seconds})
        say(
            f"B {size.batch_size}, T {size.num_steps}, H {size.hidden_size}, V {size.vocab_size}, "
            f"layers: {size.num_layers}"
        )
        say("\n".join(comparison(seconds, "ms a step")))
    if len(seconds) == 1:
        say("PyTorch is not installed here (pip install torch).")
    return result


def configuration(size):
    """Return the LSTMConfig of a Size."""
    return LSTMConfig(
        vocab_size=size.vocab_size, embedding_size=size.hidden_size, hidden_size=size.hidden_size,
        num_hidden_layers=size.num_layers, tie_word_embeddings=True)


def random_batch(size):
    """Return {argument: array} of a batch."""
    rng = np.random.default_rng(0)
    ids = rng.integers(size.vocab_size, size=(size.batch_size, size.num_steps + 1))
    return {"input_ids": ids[:, :-1], "labels": ids[:, 1:].copy()}


def contestants():
    """Return {name: function that makes its step, from (config, num_threads)} of those installed."""
    found = {"minibert": minibert_step}
    if is_installed("torch"):
        from minibert.benchmarks import pytorch

        found["PyTorch, fused"] = pytorch.language_model
    return found


def minibert_step(config, num_threads):
    """Return a function that makes one training step on a batch; BLAS has all the threads."""
    return training_step(LSTMLanguageModel(config), 1e-4)
