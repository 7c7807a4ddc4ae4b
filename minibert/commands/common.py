"""The parts that commands share: printing, loading a model, and the options of `word2vec` and `glove`."""

import contextlib
import os
import re
import shlex
import shutil
import sys
import textwrap

from minibert.arguments import add_corpus, add_seed, path, positive


def say(line=""):
    """Print a line at once, so that a reader of a pipe or a log file sees the progress."""
    print(fitted(line, sys.stdout), flush=True)


def columns(stream, most):
    """Return the width of a terminal, `most` at most; `most` if the stream is not one."""
    return min(most, shutil.get_terminal_size().columns) if stream.isatty() else most


def fitted(text, stream):
    """Return a text with its lines wrapped to the width of a terminal; as it is if the stream is not one.

    A line that is a command to be copied stays whole.
    """
    if not stream.isatty():
        return text
    lines = []
    for line in str(text).split("\n"):
        if line.startswith("  minibert "):
            lines.append(line)
            continue
        indent = " " * (len(line) - len(line.lstrip()) + 4)
        lines += textwrap.wrap(
            line, shutil.get_terminal_size().columns, subsequent_indent=indent, replace_whitespace=False,
            break_long_words=False, break_on_hyphens=False,
        ) or [""]
    return "\n".join(lines)


def complain(message):
    """Print an error or a note, if anybody can read it."""
    with contextlib.suppress(OSError, ValueError):
        print(fitted(message, sys.stderr), file=sys.stderr, flush=True)


@contextlib.contextmanager
def usable_streams():
    """See to it that standard output and error can be written to while a command runs."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # it was closed before the start, as for a daemon
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a console shows ? for a character that it lacks
    try:
        yield
    finally:
        for name in ("stdout", "stderr"):
            try:
                getattr(sys, name).flush()
            except (OSError, ValueError):  # nobody reads it any more: Python would complain at its end
                setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))


def quoted(text):
    """Return a path or a word as it is typed in a shell, so that a printed command can be copied.

    On Windows it is in double quotes unless it is plain, as cmd and PowerShell both take it.
    """
    text = str(text)
    if os.name != "nt":
        return shlex.quote(text)
    if re.fullmatch(r"[\w.:\\/+=,@~-]+", text):
        return text
    text = re.sub(r'(\\*)"', r'\1\1\\"', text)  # a backslash counts only before a quote
    text = re.sub(r"(\\+)$", r"\1\1", text)
    return f'"{text}"'


def load_corpus(names, lines=None):
    """Return the Corpus of these names and paths; see add_corpus and add_lines."""
    from minibert.objectives import corpora

    return corpora.load_corpus(names, lines)


# --- runs ---


def available_cores():
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def interrupted(command, output, interrupt, run=None):
    """Return the interrupt that says what Ctrl-C, or another signal, left behind.

    Args:
        command: that goes on with --resume.  output: its directory.
        run: directory of the run, if it is another.
    """
    import signal

    from minibert.training.checkpoint import checkpoints
    from minibert.training.interrupts import Stopped

    run = run or output
    number, saved = getattr(interrupt, "signal_number", signal.SIGINT), checkpoints(run)
    if not os.path.isfile(os.path.join(run, "run.json")) or not saved:
        return Stopped("interrupted before the first step: nothing was lost", number)
    by = "" if number == signal.SIGINT else f" by {signal.Signals(number).name}"
    return Stopped(
        f"{str(interrupt) or 'stopped at once'}{by}; the last checkpoint is {saved[-1][1]}. "
        f"Go on with:\n  minibert {command} --output {quoted(output)} --resume",
        number,
    )


def resumed(output, given, minutes, find=None):
    """Go on with a run; return its last evaluation and its Training.

    Args:
        output: directory of the run.  given: {field of the recipe: what was chosen}.
        minutes: the time that it may take; None goes on to the number of steps that it has.
        find: function that returns an objective's class by its name; None is objectives.find.
    """
    from minibert import objectives
    from minibert.text.corpora import CorpusError
    from minibert.training import run as runs

    try:
        return runs.resume(output, find or objectives.find, say, given, minutes=minutes)
    except CorpusError as error:
        raise ValueError(f"{error}; if the text was moved, add its new place to --resume: --corpus") from None


def tell_end(output, evaluation, training, what="model"):
    """Print how a run ended, which files it left, and what to try on the model; nobody needs to listen."""
    from minibert.training.saying import safely

    tell = safely(say)
    for line in ("", *training.objective.table(evaluation), ""):
        tell(line)
    pictures = [name for name in training.objective.pictures if os.path.isfile(f"{output}/{name}")]
    files = [what, "log.jsonl", *pictures]
    suggestions = training.objective.suggestions(output)
    tell(f"{', '.join(files[:-1])} and {files[-1]} are in {output}.{' Try:' if suggestions else ''}")
    for command, *arguments in suggestions:
        tell(f"  minibert {command} {' '.join(map(quoted, arguments))}")


# --- BERT ---


def load_model(directory, needed=()):
    """Load a BERT and its tokenizer from a model's or a run's directory.

    Args:
        directory: path of the directory.
        needed: prefixes of Hugging Face names ("cls.predictions.") of tensors that must be in the checkpoint.

    Returns:
        (BertForPreTraining, WordPieceTokenizer, path of the folder that they were found in).

    Raises:
        ValueError: there is no model, it is broken, or it lacks a tensor that is needed.
    """
    from minibert.models.bert import BertForPreTraining
    from minibert.text.tokenizer import WordPieceTokenizer
    from minibert.training.checkpoint import find_model

    folder = find_model(directory)
    model, info = BertForPreTraining.from_pretrained(folder, output_loading_info=True)
    absent = [name for name in info.missing_keys if name.startswith(tuple(needed))]
    if absent:
        raise ValueError(f"{folder} holds no {absent[0]}: it was saved without the head of this command")
    if info.missing_keys:
        missing = ", ".join(info.missing_keys)
        complain(f"note: {folder} holds no {missing}: random weights are used")
    tokenizer = WordPieceTokenizer.from_pretrained(folder)
    if tokenizer.vocab_size > model.config.vocab_size:  # fewer: some models have rows to spare
        raise ValueError(
            f"{folder}: the tokenizer has {tokenizer.vocab_size} tokens, but config.json says "
            f"{model.config.vocab_size}"
        )
    return model, tokenizer, folder


def encoded(model, tokenizer, text, pair=None):
    """Return the Encoding of a text or a pair, cut to what the model reads; say so where it is."""
    whole, most = tokenizer.encode(text, pair), model.config.max_position_embeddings
    num_tokens = len(whole.input_ids)
    if num_tokens <= most:
        return whole
    what = "the text has" if pair is None else "the texts have"
    complain(f"note: {what} {num_tokens:,} tokens; the model reads {most}, and the end is cut off")
    return tokenizer.encode(text, pair, max_length=most)


# --- word vectors ---


def add_vector_options(command, vector_size, window, epochs):
    """Add the options of `word2vec` and `glove`, with the defaults of each."""
    add_corpus(command)
    command.add_argument(
        "--output", type=path, default="vectors.txt", metavar="FILE",
        help="file to write (default: %(default)s)",
    )
    command.add_argument("--binary", action="store_true", help="write the binary format, a third as large")
    for flag, metavar, default, text in (
        ("--vector-size", "D", vector_size, "numbers in a vector"),
        ("--window", "N", window, "largest distance of two words that count as neighbours"),
        ("--min-count", "N", 5, "leave out words that occur less often"),
        ("--epochs", "N", epochs, "passes over the training data"),
    ):
        command.add_argument(
            flag, type=positive(int), default=default, metavar=metavar,
            help=f"{text} (default: %(default)s)",
        )
    add_seed(command)


def check_folder(path, option="--output"):
    """Raise ValueError if the folder of a file to write does not exist: better before the work."""
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise ValueError(f"{option} {path}: there is no folder {folder}; make it first")


def say_where(vectors, path):
    """Print where the vectors are, and a command to try with a frequent word that is longer than "the"."""
    word = next((word for word in vectors.words if word.isalpha() and len(word) > 4), vectors.words[0])
    say(f"The vectors are in {path}. Try: minibert neighbours {quoted(path)} {quoted(word)}")


class ProgressBar:
    """A progress bar that appears with the first report, where the output is a terminal.

    Args:
        unit: the thing counted: "word".
        total: how many there are; None until `reach` says it.
    """

    def __init__(self, unit, total=None):
        self.unit, self.total, self.bar = unit, total, None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.bar is not None:
            self.bar.close()

    def advance(self, count):
        """Report `count` more."""
        from tqdm import tqdm

        if self.bar is None:
            self.bar = tqdm(
                total=self.total, unit=self.unit, unit_scale=True, dynamic_ncols=True, leave=False,
                disable=None,  # where the output is not a terminal
            )
        self.bar.update(count)

    def reach(self, count, total):
        """Report that `count` of `total` are done."""
        self.total = total
        self.advance(count - (0 if self.bar is None else self.bar.n))
