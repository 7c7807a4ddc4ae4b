"""Arguments that commands and benchmarks share, with one wording for wrong ones. Needs argparse alone."""

import argparse
import os

NAMES = {int: "a whole number", float: "a number"}


def positive(kind):
    """Return a type for argparse: numbers above 0 of that kind, int or float."""
    return _number(kind, lambda number: 0 < number < float("inf"), "above 0")


def not_negative(kind):
    """Return a type for argparse: numbers of that kind, int or float, that are 0 or more."""
    return _number(kind, lambda number: 0 <= number < float("inf"), "of 0 or more")


def _number(kind, is_allowed, range_name):
    def convert(text):
        try:
            number = kind(text)
        except ValueError:
            number = None
        if number is None or not is_allowed(number):
            raise argparse.ArgumentTypeError(f"expected {NAMES[kind]} {range_name}, got {text!r}")
        return number

    return convert


def path(text):
    """Return the path of a file or folder; a type for argparse.

    An empty one, as of a variable that is not set, would mean the current folder and is refused. One that
    begins with a dash becomes ./-dash, so that it is no option in a command that is printed.
    """
    if not text.strip():
        raise argparse.ArgumentTypeError(
            f"expected a path, got {text!r}: for the current folder give {os.curdir}"
        )
    return os.path.join(os.curdir, text) if text.startswith("-") else text


def add_corpus(command, default=("python-docs",)):
    """Add --corpus, a list of names and paths as `load_corpus` takes it."""
    command.add_argument(
        "--corpus", nargs="+", default=default and list(default), metavar="NAME|PATH",
        help="python-docs (the default), toy (a small language whose best possible model is known), or "
        "UTF-8 text files and folders of them, with a blank line between documents; - is standard input",
    )


def add_lines(command):
    """Add --lines and --no-lines, which decide the meaning of a line end in a text file."""
    command.add_argument(
        "--lines", action=argparse.BooleanOptionalAction, default=None,
        help="a line of a text file is a sentence; --no-lines: line ends are spaces (default: as the "
        "text looks)",
    )


def add_seed(command, default=0):
    """Add --seed."""
    command.add_argument(
        "--seed", type=not_negative(int), default=default, metavar="S",
        help="seed of everything that is random (default: 0)",
    )
