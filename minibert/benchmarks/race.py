"""`minibert bench race`: the whole loop, data included, beside Hugging Face's model: tokens a second, and who learns faster.

Both start from the same weights and see the same batches, learning rates, clipping and weight decay; dropout masks differ.
Evaluations on held-out text are not timed. The time to a loss is read off between two evaluations; the loss that is compared
is the lowest one that both reach. Ours runs first and makes the batches; theirs finds those of the last epoch made already.
"""

import importlib.util
import json
import time

import numpy as np

from minibert.text.corpora import PYTHON_DOCS
from minibert.training.schedules import linear_schedule
from minibert.objectives.masked_lm import PRESETS


def add(subcommands):
    """Add the benchmark to argparse's subparsers."""
    command = subcommands.add_parser(
        "race",
        help="the whole loop: tokens a second, and the time to a held-out loss",
        description="Pretrain with minibert and, where transformers is installed, with its eager model, on the same batches.",
    )
    command.set_defaults(run=run)
    command.add_argument("--corpus", nargs="+", default=[PYTHON_DOCS], metavar="NAME|PATH", help="as for minibert pretrain")
    command.add_argument("--preset", choices=PRESETS, default="tiny", help="sizes, as for minibert pretrain (default: tiny)")
    command.add_argument("--steps", type=int, default=600, metavar="N", help="training steps (default: %(default)s)")
    command.add_argument("--threads", type=int, default=2, metavar="N", help="of each (default: %(default)s)")
    command.add_argument("--dropout", type=float, default=0.1, metavar="P", help="all probabilities (default: %(default)s)")
    command.add_argument("--evaluations", type=int, default=12, metavar="N", help="in the course of a run (default: %(default)s)")
    command.add_argument("--json", action="store_true", help="print one JSON object")


def run(options):
    """Run `minibert bench race`."""
    from threadpoolctl import threadpool_limits

    recipe = Recipe(options.corpus, **PRESETS[options.preset], num_steps=options.steps, threads=options.threads, dropout=options.dropout)
    say = (lambda line: None) if options.json else print
    with threadpool_limits(1, "blas"):
        ours = Pretraining(recipe, say=say)
        race = None
        if importlib.util.find_spec("torch") and importlib.util.find_spec("transformers"):
            import torch

            from minibert.benchmarks.pytorch import Race

            torch.set_num_threads(options.threads)
            race = Race(ours)
        logs = {"minibert": follow(ours, ours.step, lambda: ours.evaluate().mlm_loss, options)}
    if race:
        def their_step(step):
            num_warmup_steps = max(1, round(recipe.warmup * recipe.num_steps))
            race.step(ours.data.batch(step, recipe.batch_size), linear_schedule(step, recipe.num_steps, num_warmup_steps, recipe.learning_rate))

        logs["hugging-face"] = follow(ours, their_step, race.evaluate, options)
    result = summary(logs)
    if options.json:
        print(json.dumps({**vars(recipe), **result, "logs": logs}, indent=1))
        return
    print(f"\n{'':<14}{'tokens/s':>10}{'s to a held-out loss of ' + format(result['loss'], '.3f'):>34}")
    for name in logs:
        print(f"{name:<14}{result['tokens_per_second'][name]:>10,.0f}{result['seconds'][name]:>34.1f}")
    if race:
        print(f"minibert takes {result['seconds']['minibert'] / result['seconds']['hugging-face']:.2f} of Hugging Face's time")
    else:
        print("transformers is not installed: pip install torch transformers to see it beside")


def follow(data, step, evaluate, options):
    """Do all steps; return [[steps, tokens, seconds, held-out loss]], one for each evaluation."""
    interval = max(1, options.steps // options.evaluations)
    log, seconds, num_tokens = [[0, 0, 0.0, evaluate()]], 0.0, 0
    for number in range(options.steps):
        start = time.perf_counter()
        step(number)
        seconds += time.perf_counter() - start
        num_tokens += int(data.data.batch(number, data.recipe.batch_size).attention_mask.sum())
        if (number + 1) % interval == 0 or number + 1 == options.steps:
            log.append([number + 1, num_tokens, seconds, evaluate()])
    return log


def summary(logs):
    """Return the loss that all reach, the seconds each took to it, and tokens a second of each."""
    loss = max(min(line[3] for line in log) for log in logs.values())
    return {
        "loss": loss,
        "seconds": {name: time_to(loss, log) for name, log in logs.items()},
        "tokens_per_second": {name: log[-1][1] / log[-1][2] for name, log in logs.items()},
    }


def time_to(loss, log):
    """The seconds at which a log first comes down to a loss, on straight lines between its evaluations."""
    for before, after in zip(log, log[1:]):
        if after[3] <= loss:
            return float(np.interp(-loss, [-before[3], -after[3]], [before[2], after[2]]))
    raise ValueError(f"the loss never falls to {loss}")
