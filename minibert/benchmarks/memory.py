"""The cost of less memory: a step of a BERT with recomputed layers, with its batch in parts, and with both.

All train the same model on the same batch, with dropout 0.1 and AdamW in one thread, and take turns. Time is
processor time, so that other programs on the machine change little. The record, kept by forward for backward,
is counted at its peak; the memory of a step is how far the resident set rises during it, above the model, its
gradients and the optimizer's moments.
"""

import functools
import itertools
import statistics
import time

import numpy as np

from minibert.benchmarks.bert import PRESETS, configuration, random_batch
from minibert.benchmarks.harness import add_number, measure_memory, median_ratio, take_turns
from minibert.course.costs import memory
from minibert.layers.cross_entropy import IGNORE_INDEX
from minibert.layers.recomputed import recompute_layers
from minibert.models.bert import BertForPreTraining
from minibert.text.examples import PairBatch
from minibert.training.optimizers import AdamW
from minibert.training.parallel import DataParallel

HELP = "BERT: time and memory of recomputed layers and micro-batches"
DESCRIPTION = (
    "Time a training step of a BERT with less memory, by recomputed layers, by micro-batches and by both, "
    "beside the plain step."
)
PLAIN = "plain"


def add_options(command):
    """Add the options to an argparse parser."""
    command.add_argument(
        "--preset", choices=PRESETS, default="mini", metavar="SIZE",
        help=f"size: {', '.join(PRESETS)} (default: %(default)s)",
    )
    add_number(command, "--micro-batches", 4, "parts of a batch", metavar="K")
    add_number(command, "--rounds", 5, "steps that are timed")


def measure(options, say):
    """Return, for each contestant, the processor seconds of its steps, and the bytes of record and step."""
    from threadpoolctl import threadpool_limits

    batch_size, num_tokens, sizes = PRESETS[options.preset]
    if options.micro_batches > batch_size:
        raise ValueError(
            f"a batch of {options.preset} has {batch_size} sequences: give --micro-batches {batch_size} or "
            "less"
        )
    config = configuration(sizes)
    batch = random_batch(config, batch_size, num_tokens)
    chosen = contestants(options.micro_batches)
    turns = {name: functools.partial(_timed, make_step(config, *how), batch) for name, how in chosen.items()}
    with threadpool_limits(1, "blas"):
        seconds = take_turns(turns, options.rounds, num_warm_up=1)
    results = {
        name: {
            "seconds": seconds[name],
            "record": record(config, batch, *how),
            "memory": measure_memory(__name__, "step_of", options.preset, *how),
        }
        for name, how in chosen.items()
    }
    say(f"{options.preset}: {batch_size} sequences of {num_tokens} tokens, median of {options.rounds} steps")
    for line in table(results):
        say(line)
    return {"numpy": np.__version__, "preset": options.preset, "results": results}


def contestants(num_parts):
    """Return {name: (whether layers are recomputed, parts of a batch)}."""
    parts = f"{num_parts} micro-batches"
    return {
        PLAIN: (False, 1), "recomputed": (True, 1), parts: (False, num_parts), "both": (True, num_parts),
    }


def table(results):
    """Yield a line for each contestant; each number beside its share of the plain step's."""
    plain = results[PLAIN]
    yield f"    {'':<18}{'ms':>8}{'':>8}{'record, MB':>12}{'':>8}{'memory, MB':>12}"
    for name, found in results.items():
        line = f"    {name:<18}{1e3 * statistics.median(found['seconds']):>8.0f}"
        line += f"{median_ratio(found['seconds'], plain['seconds']):>8.2f}"
        line += f"{found['record'] / 1e6:>12.0f}{found['record'] / plain['record']:>8.2f}"
        if found["memory"] and plain["memory"]:
            line += f"{found['memory'] / 1e6:>12.0f}{found['memory'] / plain['memory']:>8.2f}"
        yield line


def record(config, batch, recompute, num_parts):
    """Return the bytes of the record at its peak: those of the largest part."""
    parts = np.array_split(batch["labels"], num_parts)
    return max(
        memory(config, *part.shape, int(np.count_nonzero(part != IGNORE_INDEX)), recompute)["record"]
        for part in parts
    )


def make_step(config, recompute, num_parts):
    """Return a function that makes one training step on a batch, {argument: array}."""
    model = BertForPreTraining(config, seed=0)
    if recompute:
        recompute_layers(model)
    workers, optimizer, steps = DataParallel(model, 1), AdamW(model.parameters(), lr=1e-4), itertools.count()

    def step(batch):
        counts = {"mlm": np.count_nonzero(batch["labels"] != IGNORE_INDEX), "nsp": len(batch["labels"])}
        workers.zero_grad()
        output = workers.accumulate(PairBatch(**batch), num_parts, counts, seed=[0, next(steps)])
        optimizer.step()
        return output.loss

    return step


def step_of(preset, recompute, num_parts):
    """Return a function that makes one training step, for its memory to be measured."""
    from threadpoolctl import threadpool_limits

    batch_size, num_tokens, sizes = PRESETS[preset]
    config = configuration(sizes)
    step = make_step(config, recompute, num_parts)
    threadpool_limits(1, "blas")  # for the rest of the process
    step(random_batch(config, num_parts, 8))  # gradients, moments and libraries are in memory after this
    return functools.partial(step, random_batch(config, batch_size, num_tokens))


def _timed(step, batch, _round_number):
    start = time.process_time()
    step(batch)
    return time.process_time() - start
