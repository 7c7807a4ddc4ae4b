"""The command `minibert`: every module of commands/ adds itself to the parser."""

import argparse
import importlib
import pkgutil
import signal
import sys

import minibert
from minibert import commands
from minibert.commands.common import complain, fitted, usable_streams


def main(arguments=None):
    """Run a command; return its exit code.

    0, 1 if a check failed, 2 after an error, 128 and the signal's number if it was stopped: 130 by Ctrl-C.
    """
    with usable_streams():
        options = make_parser().parse_args(arguments)
        try:
            return options.run(options) or 0
        except BrokenPipeError:  # the reader, `head` perhaps, has seen enough
            return 0
        except (ValueError, OSError, FloatingPointError) as error:
            named = isinstance(error, OSError) and error.filename is not None and error.strerror
            message = f"{error.filename}: {error.strerror}" if named else error
            complain(f"minibert {options.command}: error: {message}")
            return 2
        except MemoryError as error:
            complain(f"minibert {options.command}: error: not enough memory: {error}")
            return 2
        except KeyboardInterrupt as interrupt:
            complain(f"\nminibert {options.command}: {str(interrupt) or 'interrupted'}")
            return 128 + getattr(interrupt, "signal_number", signal.SIGINT)


class Parser(argparse.ArgumentParser):
    """argparse's, whose errors fit the terminal as its help does."""

    def exit(self, status=0, message=None):
        super().exit(status, message and fitted(message, sys.stderr))


def make_parser():
    """Return the parser of the command line: a subparser for each module of commands/, by name."""
    parser = Parser(
        prog="minibert",
        description="How pretrained language models work, in NumPy, with every gradient written by hand.",
    )
    parser.add_argument("--version", action="version", version=f"minibert {minibert.__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for module in pkgutil.iter_modules(commands.__path__):
        if module.name != "common":
            importlib.import_module(f"minibert.commands.{module.name}").add(subparsers)
    return parser
