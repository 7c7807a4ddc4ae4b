"""The command `minibert`."""

import argparse
import os
import sys

import numpy as np

import minibert
from minibert.objectives import OBJECTIVES
from minibert.commands import bench, embed, glove, grade, neighbours, toy, trace, word2vec


def main(arguments=None):
    """Run a command; return its exit code: 0, 1 if a check found something wrong, 2 after an error, 130 after Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a console that is not UTF-8 shows ? for what it cannot
    options = _parser().parse_args(arguments)
    try:
        return options.run(options) or 0
    except BrokenPipeError:  # the reader, `head` perhaps, has seen enough
        sys.stdout = open(os.devnull, "w", encoding="utf-8")
        return 0
    except (ValueError, OSError, FloatingPointError) as error:
        print(f"minibert {options.command}: error: {error}", file=sys.stderr)
        return 2
    except MemoryError as error:
        print(f"minibert {options.command}: error: not enough memory: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as interrupt:
        print(f"\nminibert {options.command}: {str(interrupt) or 'interrupted'}", file=sys.stderr)
        return 130


def _parser():
    parser = argparse.ArgumentParser(
        prog="minibert", description="How pretrained language models work, in NumPy, with every gradient written by hand."
    )
    parser.add_argument("--version", action="version", version=f"minibert {minibert.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_pretrain(commands)
    _add_fill_mask(commands)
    _add_next_sentence(commands)
    _add_gradcheck(commands)
    for module in (embed, trace, grade, toy, word2vec, glove, neighbours, bench):
        module.add(commands)
    return parser


# --- pretrain ---


def _add_pretrain(commands):
    command = commands.add_parser(
        "pretrain",
        help="train a BERT on text: masked language model and next sentence prediction",
        description="Train a BERT on the documentation of this Python installation, or on text of yours, without a network. "
        "Leaves the model, its log and its loss curves in the output directory. Ctrl-C writes a checkpoint first.",
        epilog="example: minibert pretrain --corpus my-texts/ --output my-bert --minutes 10",
    )
    command.set_defaults(run=_pretrain)
    command.add_argument(
        "--corpus", nargs="+", metavar="NAME|PATH",
        help="python-docs (the default), toy (a small language whose best possible model is known), or UTF-8 text files and "
        "folders of them, a blank line between documents",
    )  # fmt: skip
    command.add_argument("--output", default="bert-run", metavar="DIR", help="directory to write to (default: %(default)s)")
    command.add_argument("--model", choices=OBJECTIVES, help="what to train (default: bert)")
    command.add_argument("--preset", choices=("tiny", "mini", "small"), help="size of the model (default: tiny)")
    length = command.add_mutually_exclusive_group()
    length.add_argument(
        "--minutes", type=_positive(float), metavar="M",
        help="time for everything; turned into a number of steps at the start (default: 5; toy: 2)",
    )  # fmt: skip
    length.add_argument("--steps", type=_positive(int), metavar="N", help="number of training steps, instead of --minutes")
    command.add_argument("--seed", type=int, metavar="S", help="seed of everything that is random (default: 0)")
    command.add_argument("--resume", action="store_true", help="go on with the run in the output directory, as it was begun")
    command.add_argument("--threads", type=_positive(int), metavar="N", help="cores to use (default: all, at most 4)")
    command.add_argument("--batch-size", type=_positive(int), metavar="B", help="sequences in a batch")
    command.add_argument("--seq-length", type=_positive(int), metavar="T", help="tokens in a sequence")
    command.add_argument("--vocab-size", type=_positive(int), metavar="V", help="word pieces in the vocabulary")
    command.add_argument("--learning-rate", type=_positive(float), metavar="R", help="peak of the learning rate")
    command.add_argument("--whole-word", action="store_true", default=None, help="mask whole words, not single pieces")


def _positive(kind):
    """Return a converter for argparse that takes only numbers above zero."""

    def convert(text):
        number = kind(text)
        if not 0 < number < float("inf"):
            raise argparse.ArgumentTypeError(f"{text} is not above zero")
        return number

    convert.__name__ = "number" if kind is float else "whole number"  # what argparse calls it in its message
    return convert


def _pretrain(options):
    from minibert import objectives
    from minibert.text.corpora import PYTHON_DOCS, TOY
    from minibert.training import run
    from minibert.training.checkpoint import checkpoints

    names = ("corpus", "preset", "seed", "threads", "batch_size", "seq_length", "vocab_size", "learning_rate", "whole_word")
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    if options.corpus:  # paths in full, so that the run can be resumed from any folder
        given["corpus"] = [name if name in (PYTHON_DOCS, TOY) else os.path.abspath(name) for name in options.corpus]
    if options.steps:
        given["num_steps"] = options.steps
    if options.resume and (given or options.minutes or options.model):
        flags = ["--model"] * bool(options.model) + [f"--{name}".replace("_", "-").replace("num-", "") for name in given] + ["--minutes"] * bool(options.minutes)
        raise ValueError(f"a resumed run goes on as it was begun: leave out {', '.join(flags)}")
    try:
        if options.resume:
            evaluation, training = run.resume(options.output, objectives.find, _say)
        else:
            objective = objectives.find(options.model or "bert")
            recipe = objective.Recipe.of(**{"threads": min(4, _available_cores()), **given})
            minutes = options.minutes or recipe.default_minutes
            evaluation, training = run.begin(options.output, objective, recipe, minutes, _say)
    except KeyboardInterrupt as interrupt:
        saved = checkpoints(options.output)
        if not saved:
            raise KeyboardInterrupt("interrupted before the first step: nothing was lost") from None
        raise KeyboardInterrupt(
            f"{str(interrupt) or 'stopped at once'}; the last checkpoint is {saved[-1][1]}. "
            f"Go on with: minibert pretrain --output {_quoted(options.output)} --resume"
        ) from None
    _say("")
    for line in training.objective.table(evaluation):
        _say(line)
    _say("")
    pictures = " and ".join(training.objective.pictures)
    _say(f"model, log.jsonl and {pictures} are in {options.output}. Try:")
    for command, *arguments in training.objective.suggestions(options.output):
        _say(f"  minibert {command} {' '.join(map(_quoted, arguments))}")


def _available_cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _say(line):
    print(line, flush=True)


def _quoted(path):
    """Return a path as it is typed in a shell."""
    return f'"{path}"' if " " in path else path


# --- fill-mask and next-sentence ---


def _add_fill_mask(commands):
    command = commands.add_parser(
        "fill-mask",
        help="guess the word behind [MASK]",
        description="Show the likeliest tokens for each [MASK] of a text, and beside them what the unigram model says (the most "
        "frequent tokens of the training text), or an untrained model where the checkpoint stores no frequencies.",
        epilog='example: minibert fill-mask bert-run "A function may [MASK] a value."',
    )
    command.set_defaults(run=_fill_mask)
    command.add_argument("model", metavar="DIR", help="directory of a model or of a run")
    command.add_argument("text", metavar="TEXT", help="text with [MASK] where a token is to be guessed")
    command.add_argument("--top", type=_positive(int), default=5, metavar="N", help="tokens to show (default: %(default)s)")


def _fill_mask(options):
    model, tokenizer, directory = _load(options.model, needed=("cls.predictions.",))
    encoding = tokenizer.encode(options.text)
    masks = np.flatnonzero(encoding.input_ids == tokenizer.mask_token_id)
    if len(masks) == 0:
        raise ValueError('the text has no [MASK]: write [MASK] where a word is to be guessed, as in "a [MASK] of numbers"')
    probs = _mask_probs(model, encoding, masks)
    unigram = _unigram_probs(directory, model)
    baseline = _mask_probs(minibert.BertForPreTraining(model.config), encoding, masks) if unigram is None else None
    for row in range(len(masks)):
        if len(masks) > 1:
            _say(f"[MASK] {row + 1} of {len(masks)}")
        other = unigram if baseline is None else baseline[row]
        _say(f"      {'model':<28}{'unigram' if baseline is None else 'untrained'}")
        for rank, (ours, theirs) in enumerate(zip(_top(probs[row], options.top), _top(other, options.top)), start=1):
            cells = [f"{tokenizer.id_to_token[token]:<18}{p[token]:6.1%}" for p, token in ((probs[row], ours), (other, theirs))]
            _say(f"{rank:>4}  {cells[0]:<28}{cells[1]}")


def _mask_probs(model, encoding, masks):
    """Return the model's distribution at each mask: (masks, V)."""
    from minibert.layers.softmax import softmax

    output, _ = model.forward(encoding.input_ids[np.newaxis], encoding.token_type_ids[np.newaxis])
    return softmax(output.prediction_logits[0, masks])


def _unigram_probs(directory, model):
    from minibert.objectives.masked_lm import load_unigram

    log_probs = load_unigram(directory)
    if log_probs is not None and log_probs.shape != (model.config.vocab_size,):
        raise ValueError(
            f"{directory}: the stored unigram model has {log_probs.size} tokens, the model {model.config.vocab_size}"
        )
    return None if log_probs is None else np.exp(log_probs)


def _top(probs, count):
    return np.argsort(-probs, kind="stable")[:count]


def _add_next_sentence(commands):
    command = commands.add_parser(
        "next-sentence",
        help="tell whether one sentence follows another",
        description="Show the probability that the second text is what follows the first, and not text from elsewhere.",
        epilog='example: minibert next-sentence bert-run "Lists can grow." "Tuples cannot."',
    )
    command.set_defaults(run=_next_sentence)
    command.add_argument("model", metavar="DIR", help="directory of a model or of a run")
    command.add_argument("first", metavar="FIRST", help="the first text")
    command.add_argument("second", metavar="SECOND", help="the text that may follow it")


def _next_sentence(options):
    from minibert.layers.softmax import softmax

    model, tokenizer, _ = _load(options.model, needed=("cls.seq_relationship.", "bert.pooler."))
    encoding = tokenizer.encode(options.first, options.second)
    output, _ = model.forward(encoding.input_ids[np.newaxis], encoding.token_type_ids[np.newaxis])
    follows, elsewhere = softmax(output.seq_relationship_logits)[0]
    _say(f"follows the first     {follows:6.1%}")
    _say(f"comes from elsewhere  {elsewhere:6.1%}")


# --- gradcheck ---


def _add_gradcheck(commands):
    command = commands.add_parser(
        "gradcheck",
        help="check every gradient of every layer and model",
        description="Hold the gradients of the hand-written backward passes against those measured on the forward passes: "
        "for each layer and model, the worst error of each input and parameter in any mode. Exit code 1 when one is wrong.",
        epilog="examples: minibert gradcheck attention --intermediates; minibert gradcheck --exhibit transposed-key",
    )
    command.set_defaults(run=_gradcheck)
    command.add_argument(
        "names", nargs="*", metavar="NAME",
        help="layer or model, or a part of its name, in any case (default: all)",
    )  # fmt: skip
    command.add_argument("--method", choices=("complex", "central"), help="complex step (default) or central differences")
    command.add_argument("--intermediates", action="store_true", help="check every named step of a backward pass too")
    command.add_argument("--model", choices=OBJECTIVES, help="what to train (default: bert)")
    command.add_argument("--preset", choices=("tiny", "base"), help="check a whole BERT of this size in a random direction")
    command.add_argument("--per-tensor", action="store_true", help="with --preset: one direction for each tensor")
    museum = command.add_mutually_exclusive_group()
    museum.add_argument("--exhibit", metavar="NAME", help="a mistake of the bug museum: its story and its check")
    museum.add_argument("--list", action="store_true", help="list all layers, models and exhibits")


def _gradcheck(options):
    from minibert.commands import everything

    if options.per_tensor and not options.preset:
        raise ValueError("--per-tensor goes with --preset: all other checks are made tensor by tensor")
    if options.preset and (options.names or options.method or options.intermediates):
        raise ValueError("--preset is a whole model and the complex step: leave out NAME, --method and --intermediates")
    if options.names and (options.exhibit or options.list):
        raise ValueError("NAME does not go with --exhibit or --list: an exhibit brings its own layer")
    if options.list:
        is_right = everything.list_names(_say)
    elif options.preset:
        is_right = everything.check_preset(options.preset, options.per_tensor, options.exhibit, _say)
    elif options.exhibit:
        is_right = everything.show_exhibit(options.exhibit, options.method or "complex", options.intermediates, _say)
    else:
        is_right = everything.check_everything(options.names, options.method or "complex", options.intermediates, _say)
    return 0 if is_right else 1


def _load(directory, needed=()):
    """Return (model, tokenizer, folder) of a model's or a run's directory; weights with the prefixes `needed` must be there."""
    from minibert.training.checkpoint import find_model

    folder = find_model(directory)
    model, info = minibert.BertForPreTraining.from_pretrained(folder, output_loading_info=True)
    absent = [name for name in info.missing_keys if name.startswith(tuple(needed))]
    if absent:
        raise ValueError(f"{folder} holds no {absent[0]}: it was saved without the head that this command uses")
    if info.missing_keys:
        print(f"note: {folder} holds no {', '.join(info.missing_keys)}: random weights stand in their place", file=sys.stderr)
    tokenizer = minibert.WordPieceTokenizer.from_pretrained(folder)
    if tokenizer.vocab_size != model.config.vocab_size:
        raise ValueError(
            f"{folder}: the tokenizer holds {tokenizer.vocab_size} tokens, but config.json says {model.config.vocab_size}"
        )
    return model, tokenizer, folder
