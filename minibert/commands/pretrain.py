"""`minibert pretrain`: train a BERT on text."""

import os

from minibert.arguments import add_corpus, add_seed, positive
from minibert.commands.common import quoted, say

SETTINGS = (  # the options that are fields of the recipe, under the same name
    "corpus", "preset", "seed", "threads", "batch_size", "seq_length", "vocab_size", "learning_rate",
    "whole_word",
)


def add(commands):
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "pretrain",
        help="train a BERT on text: masked language model and next sentence prediction",
        description="Train a BERT on the documentation of this Python installation, or on text of yours, "
        "without a network. Leaves the model, its log and its loss curves in the output directory. Ctrl-C "
        "writes a checkpoint first.",
        epilog="example: minibert pretrain --corpus my-texts/ --output my-bert --minutes 10",
    )
    command.set_defaults(run=run)
    add_corpus(command, default=None)
    command.add_argument(
        "--output", default="bert-run", metavar="DIR", help="directory to write to (default: %(default)s)"
    )
    command.add_argument(
        "--preset", choices=("tiny", "mini", "small"), help="size of the model (default: tiny)"
    )
    length = command.add_mutually_exclusive_group()
    length.add_argument(
        "--minutes", type=positive(float), metavar="M",
        help="time for everything; turned into a number of steps at the start (default: 5; toy: 2)",
    )
    length.add_argument(
        "--steps", type=positive(int), metavar="N", help="number of training steps, instead of --minutes"
    )
    add_seed(command, default=None)
    command.add_argument(
        "--resume", action="store_true", help="go on with the run in the output directory, as it was begun"
    )
    command.add_argument(
        "--threads", type=positive(int), metavar="N", help="cores to use (default: all, at most 4)"
    )
    command.add_argument("--batch-size", type=positive(int), metavar="B", help="sequences in a batch")
    command.add_argument("--seq-length", type=positive(int), metavar="T", help="tokens in a sequence")
    command.add_argument(
        "--vocab-size", type=positive(int), metavar="V", help="word pieces in the vocabulary"
    )
    command.add_argument(
        "--learning-rate", type=positive(float), metavar="R", help="peak of the learning rate"
    )
    command.add_argument(
        "--whole-word", action="store_true", default=None, help="mask whole words, not single pieces"
    )


def run(options):
    """Run `minibert pretrain`."""
    from minibert.text.corpora import TOY
    from minibert.training.memory import keep_freed_memory
    from minibert.training.pretraining import pretrain

    keep_freed_memory()
    recipe = _recipe(options)
    minutes = options.minutes or (2.0 if options.corpus == [TOY] else 5.0)
    try:
        evaluation, done = pretrain(options.output, recipe, minutes, options.resume, say=say)
    except KeyboardInterrupt as interrupt:
        raise _interrupted(options.output, interrupt) from None
    say()
    if done.limits:
        _say_limits(evaluation, done.limits)
        pictures, sentence = "loss.png and phenomena.png", "Today many ducks beside the tree [MASK]"
    else:
        _say_baselines(evaluation, done.baselines)
        pictures, sentence = "loss.png", "Return the number of [MASK] in the list."
    say()
    say(f"model, log.jsonl and {pictures} are in {options.output}. Try:")
    say(f'  minibert fill-mask {quoted(options.output)} "{sentence}"')


def _recipe(options):
    """Return the Recipe that the options describe, or None for a run that is resumed."""
    from minibert.text.corpora import PYTHON_DOCS, TOY
    from minibert.training.pretraining import PRESETS, TOY_RECIPE, Recipe

    given = {name: getattr(options, name) for name in SETTINGS if getattr(options, name) is not None}
    if options.corpus:  # paths in full, so that the run can be resumed from any folder
        named = (PYTHON_DOCS, TOY)
        given["corpus"] = [name if name in named else os.path.abspath(name) for name in options.corpus]
    if options.resume:
        _refuse_settings([*given, *(name for name in ("steps", "minutes") if getattr(options, name))])
        return None
    if options.steps:
        given["num_steps"] = options.steps
    defaults = {"corpus": [PYTHON_DOCS], "threads": min(4, _available_cores())}
    for_toy = TOY_RECIPE if options.corpus == [TOY] else {}
    return Recipe(**{**defaults, **for_toy, **PRESETS[options.preset or "tiny"], **given})


def _refuse_settings(names):
    if names:
        flags = ", ".join("--" + name.replace("_", "-") for name in names)
        raise ValueError(f"a resumed run goes on as it was begun: leave out {flags}")


def _available_cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _interrupted(output, interrupt):
    """Return the KeyboardInterrupt that says what Ctrl-C left behind."""
    from minibert.training.checkpoint import checkpoints

    saved = checkpoints(output)
    if not saved:
        return KeyboardInterrupt("interrupted before the first step: nothing was lost")
    return KeyboardInterrupt(
        f"{str(interrupt) or 'stopped at once'}; the last checkpoint is {saved[-1][1]}. "
        f"Go on with: minibert pretrain --output {quoted(output)} --resume"
    )


def _say_baselines(evaluation, baselines):
    """Print a model beside the models that need no training."""
    loss, unigram = evaluation.mlm_loss, baselines.unigram_loss
    per_word = baselines.pieces_per_word
    comparison = f"unigram model; {abs(unigram - loss):.3f} nats {'below' if loss <= unigram else 'above'} it"
    say(f"{'held-out text':<28}{'model':>9}{'baseline':>10}")
    say(f"{'MLM loss, nats per piece':<28}{loss:>9.3f}{unigram:>10.3f}   {comparison}")
    say(f"{'MLM loss, nats per word':<28}{loss * per_word:>9.3f}{unigram * per_word:>10.3f}")
    say(f"{'MLM accuracy':<28}{evaluation.mlm_accuracy:>9.3f}")
    majority = f"{baselines.majority_accuracy:>10.3f}   always the same answer"
    say(f"{'NSP accuracy':<28}{evaluation.nsp_accuracy:>9.3f}{majority}")


def _say_limits(evaluation, limits):
    """Print a model of the toy language beside the best possible one."""
    say(f"{'held-out pairs':<28}{'model':>9}{'limit':>9}{'gap':>9}")
    for name, loss, limit in (
        ("MLM loss, nats per word", evaluation.mlm_loss, limits.mlm_loss),
        ("NSP loss, nats per pair", evaluation.nsp_loss, limits.nsp_loss),
    ):
        say(f"{name:<28}{loss:>9.3f}{limit:>9.3f}{loss / limit - 1:>8.1%}")
    accuracies = [
        ("MLM accuracy", evaluation.mlm_accuracy, limits.mlm_accuracy),
        ("NSP accuracy", evaluation.nsp_accuracy, limits.nsp_accuracy),
    ]
    for name, (_, accuracy) in evaluation.phenomena.items():
        accuracies.append((f"  {name}", accuracy, limits.phenomena[name][1]))
    for name, accuracy, limit in accuracies:
        say(f"{name:<28}{accuracy:>9.3f}{limit:>9.3f}{100 * (limit - accuracy):>8.1f} points")
