"""The cost of one training step of an LSTM language model, beside PyTorch's nn.LSTM with its fused AdamW.

A step is forward, backward and AdamW on one batch, in float32, without dropout, state None. The decoder is
tied to the embeddings in both.
"""

import functools
import statistics
from typing import NamedTuple

import numpy as np

from minibert.benchmarks.bert import blas_threads
from minibert.benchmarks.harness import add_number, is_installed, median_ratio, seconds_of, take_turns
from minibert.models.recurrent import LSTMConfig, LSTMLanguageModel
from minibert.training.optimizers import AdamW

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
    say(f"    {'B':>4}{'T':>4}{'H':>5}{'V':>7}{'layers':>8}   {'':<16}{'ms a step':>10}{'minibert / it':>15}")
    for size in SIZES:
        seconds = measure_steps(size, options.threads, options.rounds)
        result["sizes"].append({**size._asdict(), "seconds": seconds})
        say("\n".join(lines(size, seconds)))
    if len(seconds) == 1:
        say("PyTorch is not installed here (pip install torch).")
    return result


def lines(size, seconds):
    """Yield a line for each contestant: the time of its step, and ours as a share of it."""
    shown = "".join(f"{number:>{width}}" for number, width in zip(size, (4, 4, 5, 7, 8)))
    for name, times in seconds.items():
        is_ours = name == "minibert"
        share = "" if is_ours else f"{median_ratio(seconds['minibert'], times):>15.2f}"
        time = 1e3 * statistics.median(times)
        yield f"    {shown if is_ours else '':<28}   {name:<16}{time:>10.2f}{share}"


def measure_steps(size, num_threads, num_rounds):
    """Return {contestant: [seconds of a step, one for each round]}; three rounds before these warm up."""
    config = LSTMConfig(
        vocab_size=size.vocab_size, embedding_size=size.hidden_size, hidden_size=size.hidden_size,
        num_hidden_layers=size.num_layers, tie_word_embeddings=True)
    rng = np.random.default_rng(0)
    ids = rng.integers(size.vocab_size, size=(size.batch_size, size.num_steps + 1))
    batch = {"input_ids": ids[:, :-1], "labels": ids[:, 1:].copy()}

    def timed(step, round_number):
        with blas_threads("", num_threads):
            return seconds_of(step, batch)

    turns = {
        name: functools.partial(timed, make(config, num_threads)) for name, make in contestants().items()
    }
    return take_turns(turns, num_rounds, num_warm_up=3)


def contestants():
    """Return {name: function that makes its step, from (config, num_threads)} of those installed."""
    found = {"minibert": minibert_step}
    if is_installed("torch"):
        from minibert.benchmarks import pytorch

        found["PyTorch, fused"] = pytorch.language_model
    return found


def minibert_step(config, num_threads):
    """Return a function that makes one training step on a batch; BLAS has all the threads."""
    model = LSTMLanguageModel(config)
    optimizer = AdamW(model.parameters(), lr=1e-4)

    def step(batch):
        model.zero_grad()
        _, cache = model.forward(**batch)
        model.backward(cache)
        optimizer.step()

    return step
