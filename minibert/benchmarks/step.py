"""The cost of one training step of any model of OBJECTIVES, with its own data, as in `minibert pretrain`.

A step makes its batch, goes forward and backward, clips, and updates. Memory is how far the resident set
rises during a step, above the model, its gradients and the optimizer's moments.
"""

import functools
import statistics

import numpy as np

from minibert import objectives
from minibert.arguments import add_corpus
from minibert.benchmarks.harness import add_number, measure_memory, seconds_of
from minibert.training.step import Training

HELP = "any model: time and memory of a training step, its data included"
DESCRIPTION = "Time the training step of a model as minibert pretrain does it, its data included."
NUM_WARM_UP = 2


def add_options(command):
    """Add the options to an argparse parser."""
    command.add_argument(
        "--model", choices=objectives.OBJECTIVES, default="bert", metavar="NAME",
        help=f"model: {', '.join(objectives.OBJECTIVES)} (default: %(default)s)",
    )
    add_corpus(command, default=None)
    command.add_argument("--preset", metavar="NAME", help="size of the model (default: its own)")
    command.add_argument("--recipe", metavar="NAME", help="way to train (default: its own)")
    add_number(command, "--threads", 1, "shares that a batch is cut into, a thread for each")
    add_number(command, "--rounds", 20, "steps that are timed")


def measure(options, say):
    """Return the seconds and tokens of every step, and the memory of one in bytes."""
    from threadpoolctl import threadpool_limits

    changes = {name: getattr(options, name) for name in ("corpus", "preset", "recipe", "threads")}
    changes = {name: value for name, value in changes.items() if value is not None}
    training = prepare(options.model, changes)
    with threadpool_limits(1, "blas"):
        seconds, tokens = measure_steps(training, options.rounds)
    num_parameters = sum(parameter.value.size for parameter in training.model.parameters().values())
    memory = measure_memory(__name__, "step_of", options.model, changes)
    say(f"{options.model}, {num_parameters:,} parameters, threads: {options.threads}")
    say(f"{'ms a step':<24}{1e3 * statistics.median(seconds):>10.1f}")
    say(f"{'tokens a second':<24}{sum(tokens) / sum(seconds):>10,.0f}")
    if memory is not None:
        say(f"{'memory of a step, MB':<24}{memory / 1e6:>10.0f}")
    return {
        "numpy": np.__version__, "model": options.model, **changes, "parameters": num_parameters,
        "seconds": seconds, "tokens": tokens, "memory": memory,
    }


def prepare(model, changes):
    """Return the Training of a model, with these changes to its recipe."""
    objective = objectives.find(model)
    return Training(objective(objective.Recipe.of(**changes), say=lambda line: None))


def measure_steps(training, num_rounds):
    """Return the seconds and the tokens of each step, after a few that warm up."""
    seconds, tokens = [], []
    for number in range(NUM_WARM_UP + num_rounds):
        seconds.append(seconds_of(lambda: tokens.append(training.step(number)["tokens"])))
    return seconds[NUM_WARM_UP:], tokens[NUM_WARM_UP:]


def step_of(model, changes):
    """Return a function that makes one training step, for its memory to be measured."""
    training = prepare(model, changes)
    training.step(0)  # gradients, moments and libraries are in memory after this
    return functools.partial(training.step, 1)
