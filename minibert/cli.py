"""The command `minibert`: every module of commands/ adds itself to the parser."""

import argparse
import importlib
import os
import pkgutil
import sys

import minibert
from minibert import commands


def main(arguments=None):
    """Run a command; return its exit code: 0, 1 if a check failed, 2 after an error, 130 after Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a console that is not UTF-8 shows ? for what it cannot
    options = make_parser().parse_args(arguments)
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


def make_parser():
    """Return the parser of the command line: a subparser for each module of commands/, by the alphabet."""
    parser = argparse.ArgumentParser(
        prog="minibert",
        description="How pretrained language models work, in NumPy, with every gradient written by hand.",
    )
    parser.add_argument("--version", action="version", version=f"minibert {minibert.__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for module in pkgutil.iter_modules(commands.__path__):
        if module.name != "common":
            importlib.import_module(f"minibert.commands.{module.name}").add(subparsers)
    return parser
