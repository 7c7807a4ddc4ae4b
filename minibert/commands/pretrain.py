"""`minibert pretrain`: train a language model on text."""

import argparse
import os

from minibert.arguments import add_corpus, add_lines, add_seed, path, positive
from minibert.commands.common import available_cores, interrupted, resumed, say, tell_end
from minibert.objectives import OBJECTIVES

SETTINGS = (  # the options that are fields of the recipe, under the same name
    "corpus", "preset", "recipe", "start",
    "seed", "threads", "batch_size", "seq_length", "vocab_size", "optimizer",
    "learning_rate", "muon_learning_rate", "embedding_start", "whole_word", "lines",
    "cased", "strip_accents", "alphabet", "micro_batches", "recompute",
)


def add(commands):
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "pretrain",
        help="train a model on text: BERT, ALBERT, ELECTRA, ELMo, XLNet, a Transformer, GPT, an LSTM",
        description="Train a BERT, or another model, on the documentation of this Python installation, or on "
        "your own text, without a network. Leaves the model, its log and its loss curves in the output "
        "directory. Ctrl-C, kill and a closed terminal write a checkpoint first.",
        epilog="example: minibert pretrain --corpus my-texts/ --output my-bert --minutes 10",
    )
    command.set_defaults(run=run)
    add_corpus(command, default=None)
    add_lines(command)
    command.add_argument(
        "--output", type=path, default="bert-run", metavar="DIR",
        help="directory to write to (default: %(default)s)",
    )
    command.add_argument(
        "--model", choices=OBJECTIVES, metavar="NAME",
        help=f"model to train: {', '.join(OBJECTIVES)} (default: bert). transformer learns to translate: its "
        "--corpus is toy (the default) or files with a text, a tab and its translation in each line",
    )
    command.add_argument(
        "--preset", choices=("tiny", "mini", "small"), help="size of the model (default: tiny)"
    )
    command.add_argument(
        "--recipe", metavar="NAME",
        help="bert: AdamW from random weights; fast: learns most in the same time (default: fast; "
        "bert with --from)",
    )
    command.add_argument(
        "--from", dest="start", type=path, metavar="DIR",
        help="go on from this BERT, of minibert or Hugging Face, with its vocabulary and sizes",
    )
    length = command.add_mutually_exclusive_group()
    length.add_argument(
        "--minutes", type=positive(float), metavar="M",
        help="time for everything; turned into a number of steps at the start (default: 5; toy: 4); with "
        "--resume, the time for the steps that are left",
    )
    length.add_argument(
        "--steps", type=positive(int), metavar="N", help="number of training steps, instead of --minutes"
    )
    add_seed(command, default=None)
    command.add_argument(
        "--resume", action="store_true",
        help="continue the run in the output directory, with its settings; --steps or --minutes, --threads, "
        "--micro-batches, --recompute and --corpus (the same text elsewhere) may change",
    )
    command.add_argument(
        "--threads", type=positive(int), metavar="N", help="cores to use (default: all, at most 4)"
    )
    command.add_argument("--batch-size", type=positive(int), metavar="B", help="sequences in a batch")
    command.add_argument(
        "--micro-batches", type=positive(int), metavar="K",
        help="parts of a batch that go forward and backward one after the other: less memory, the gradient "
        "of the whole batch (bert, albert, electra)",
    )
    command.add_argument(
        "--recompute", action=argparse.BooleanOptionalAction, default=None,
        help="encoder layers keep their input alone, and run forward again when they go backward: less "
        "memory, more time, the same bits (bert, albert, electra)",
    )
    command.add_argument("--seq-length", type=positive(int), metavar="T", help="tokens in a sequence")
    command.add_argument(
        "--vocab-size", type=positive(int), metavar="V", help="word pieces (ELMo: words) in the vocabulary"
    )
    command.add_argument(
        "--alphabet", type=positive(int), metavar="N",
        help="characters in the vocabulary at most, the most frequent ones; words with others become [UNK] "
        "(default: 1,000, or more where that leaves out much of the text)",
    )
    command.add_argument(
        "--cased", action="store_true", default=None, help="distinguish capital from small letters"
    )
    command.add_argument(
        "--strip-accents", action="store_true", default=None,
        help="drop accents and other combining marks, as BERT's uncased models do",
    )
    command.add_argument(
        "--optimizer", choices=("adamw", "muon"),
        help="adamw, or muon for the hidden matrices and adamw for the rest (default: as in the recipe)",
    )
    command.add_argument(
        "--learning-rate", type=positive(float), metavar="R", help="peak of the learning rate"
    )
    command.add_argument(
        "--muon-learning-rate", type=positive(float), metavar="R",
        help="peak of the learning rate of the hidden matrices, with muon",
    )
    command.add_argument(
        "--embedding-start", choices=("random", "word2vec"),
        help="token embeddings that are random at first, or from Word2Vec (default: as in the recipe)",
    )
    command.add_argument(
        "--whole-word", action="store_true", default=None, help="mask whole words, not single pieces"
    )


def run(options):
    """Run `minibert pretrain`."""
    from minibert import objectives
    from minibert.training import run as runs

    given = _settings(options)
    try:
        if options.resume:
            if options.model:
                raise ValueError("a resumed run keeps its own settings: leave out --model")
            evaluation, training = resumed(options.output, given, options.minutes)
        else:
            objective = objectives.find(options.model or "bert")
            recipe = objective.Recipe.of(**{"threads": min(4, available_cores()), **given})
            minutes = options.minutes or recipe.default_minutes
            evaluation, training = runs.begin(options.output, objective, recipe, minutes, say)
    except KeyboardInterrupt as interrupt:
        raise interrupted("pretrain", options.output, interrupt) from None
    tell_end(options.output, evaluation, training)


def _settings(options):
    """Return the fields of the recipe that the options name."""
    given = {name: getattr(options, name) for name in SETTINGS if getattr(options, name) is not None}
    if options.corpus:
        given["corpus"] = corpus_paths(options.corpus)
    if options.start:
        given["start"] = os.path.abspath(options.start)
    if options.steps:
        given["num_steps"] = options.steps
    return given


def corpus_paths(corpus):
    """Return the names and paths of a corpus, paths in full: a run can then be resumed from any folder."""
    from minibert.objectives.corpora import PYTHON_DOCS, TOY
    from minibert.text.corpora import STANDARD_INPUT

    named = (PYTHON_DOCS, TOY, STANDARD_INPUT)
    return [name if name in named else os.path.abspath(name) for name in corpus]
