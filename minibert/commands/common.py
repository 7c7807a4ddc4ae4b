"""The parts that commands share: printing, loading a model, and the options of `word2vec` and `glove`."""

import os
import shlex
import subprocess
import sys

from minibert.arguments import add_corpus, add_seed, positive


def say(line=""):
    """Print a line at once, so that a reader of a pipe or a log file sees the progress."""
    print(line, flush=True)


def quoted(text):
    """Return a path or a word as it is typed in a shell, so that a printed command can be copied."""
    return subprocess.list2cmdline([str(text)]) if os.name == "nt" else shlex.quote(str(text))


def load_corpus(names, lines=None):
    """Return the Corpus of these names and paths; see add_corpus and add_lines."""
    from minibert.objectives import corpora

    return corpora.load_corpus(names, lines)


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
        print(f"note: {folder} holds no {missing}: random weights are used", file=sys.stderr)
    tokenizer = WordPieceTokenizer.from_pretrained(folder)
    if tokenizer.vocab_size != model.config.vocab_size:
        raise ValueError(
            f"{folder}: the tokenizer has {tokenizer.vocab_size} tokens, but config.json says "
            f"{model.config.vocab_size}"
        )
    return model, tokenizer, folder


# --- word vectors ---


def add_vector_options(command, vector_size, window, epochs):
    """Add the options of `word2vec` and `glove`, with the defaults of each."""
    add_corpus(command)
    command.add_argument(
        "--output", default="vectors.txt", metavar="FILE", help="file to write (default: %(default)s)"
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
                disable=None,  # where the output is no terminal
            )
        self.bar.update(count)

    def reach(self, count, total):
        """Report that `count` of `total` are done."""
        self.total = total
        self.advance(count - (0 if self.bar is None else self.bar.n))
