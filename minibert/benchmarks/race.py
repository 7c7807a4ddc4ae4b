"""The whole loop, data included, beside Hugging Face's model: tokens a second, and the time to a loss.

Both start from the same weights and see the same batches, learning rates, clipping and weight decay; dropout
masks differ. Evaluations on held-out text are not timed. The time to a loss is read off between two
evaluations; the loss that is compared is the lowest one that both reach. Ours runs first and makes the
batches; theirs finds those of the last epoch made already.
"""

import numpy as np

from minibert.arguments import add_corpus, not_negative
from minibert.benchmarks.harness import add_number, is_installed, seconds_of
from minibert.objectives.masked_lm import PRESETS, MaskedLM
from minibert.training.step import Training

HELP = "the whole loop: tokens a second, and the time to a held-out loss"
DESCRIPTION = (
    "Pretrain with minibert and, where transformers is installed, with its eager model, on the same batches."
)


def add_options(command):
    """Add the options to an argparse parser."""
    add_corpus(command)
    command.add_argument(
        "--preset", choices=PRESETS, default="tiny",
        help="sizes, as for minibert pretrain (default: %(default)s)",
    )
    add_number(command, "--steps", 600, "training steps")
    add_number(command, "--threads", 2, "threads of each")
    command.add_argument(
        "--dropout", type=not_negative(float), default=0.1, metavar="P",
        help="all dropout probabilities (default: %(default)s)",
    )
    add_number(command, "--evaluations", 12, "evaluations during a run")


def measure(options, say):
    """Train both; return the recipe, the summary, and the log of each."""
    from threadpoolctl import threadpool_limits

    recipe = MaskedLM.Recipe.of(
        options.corpus, options.preset, "bert", num_steps=options.steps, threads=options.threads,
        dropout=options.dropout,
    )
    with threadpool_limits(1, "blas"):
        ours = Training(MaskedLM(recipe, say=say))
        theirs = opponent(ours, options.threads)
        logs = {"minibert": follow(ours, ours.step, lambda: ours.evaluate().mlm_loss, options)}
    if theirs is not None:
        def their_step(step):
            theirs.step(ours.objective.batch(step), recipe.learning_rate_at(step))

        logs["hugging-face"] = follow(ours, their_step, theirs.evaluate, options)
    result = summary(logs)
    title = f"s to a held-out loss of {result['loss']:.3f}"
    say(f"\n{'':<14}{'tokens/s':>10}{title:>34}")
    for name in logs:
        say(f"{name:<14}{result['tokens_per_second'][name]:>10,.0f}{result['seconds'][name]:>34.1f}")
    if theirs is not None:
        ratio = result["seconds"]["minibert"] / result["seconds"]["hugging-face"]
        say(f"minibert takes {ratio:.2f} of Hugging Face's time")
    else:
        say("transformers is not installed: pip install torch transformers for a comparison")
    return {**vars(recipe), **result, "logs": logs}


def opponent(ours, num_threads):
    """Return transformers' model at our starting point, or None where it is not installed."""
    if not is_installed("torch", "transformers"):
        return None
    import torch

    from minibert.benchmarks.pytorch import Race

    torch.set_num_threads(num_threads)
    return Race(ours)


def follow(run, step, evaluate, options):
    """Do all steps; return [[steps, tokens, seconds, held-out loss]], one for each evaluation."""
    interval = max(1, options.steps // options.evaluations)
    log, seconds, num_tokens = [[0, 0, 0.0, evaluate()]], 0.0, 0
    for number in range(options.steps):
        seconds += seconds_of(step, number)
        num_tokens += run.objective.num_tokens(run.objective.batch(number))
        if (number + 1) % interval == 0 or number + 1 == options.steps:
            log.append([number + 1, num_tokens, seconds, evaluate()])
    return log


def summary(logs):
    """Return the loss that all reach, the seconds that each took to reach it, and tokens a second of each."""
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
