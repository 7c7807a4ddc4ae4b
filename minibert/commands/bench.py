"""`minibert bench`: how fast it is, beside others. Every module of benchmarks/ is one, except its helpers."""

import importlib
import json
import pathlib
import pkgutil

from minibert.commands.common import say

HELPERS = ("harness", "points", "pytorch", "pytorch_gpt")  # modules of benchmarks/ that are none
DEFAULT = "bert"


def add(commands):
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "bench",
        help="measure how fast a model trains",
        description="Measure how fast minibert trains, beside other programs where they are installed. "
        f"Without a NAME: {DEFAULT}.",
        epilog="examples: minibert bench --preset tiny mini; minibert bench bert --help; "
        "minibert bench word2vec --similarity wordsim353.txt",
    )
    command.set_defaults(run=run)
    parse = command.parse_known_args

    def parse_late(arguments, namespace=None):
        """Import the benchmarks only when this command is used: `minibert --help` does not need them."""
        add_benchmarks(command)
        begins_with_option = not arguments or arguments[0].startswith("-")
        if begins_with_option and arguments[:1] not in (["-h"], ["--help"]):
            arguments = [DEFAULT, *arguments]
        return parse(arguments, namespace)

    command.parse_known_args = parse_late


def add_benchmarks(command):
    """Add a subcommand for each benchmark: its options, and --json."""
    from minibert import benchmarks

    subparsers = command.add_subparsers(dest="benchmark", metavar="NAME", required=True)
    for module in pkgutil.iter_modules(benchmarks.__path__):
        if module.name not in HELPERS:
            benchmark = importlib.import_module(f"minibert.benchmarks.{module.name}")
            subcommand = subparsers.add_parser(
                module.name, help=benchmark.HELP, description=benchmark.DESCRIPTION
            )
            benchmark.add_options(subcommand)
            subcommand.add_argument("--json", action="store_true", help="print one JSON object instead")
            subcommand.set_defaults(measure=benchmark.measure)


def run(options):
    """Run `minibert bench`."""
    from minibert.training.memory import keep_freed_memory

    keep_freed_memory()
    tell = _say_nothing if options.json else say
    draws = options.benchmark in PICTURES and options.picture
    if draws:
        prepare_picture(options.picture, getattr(options, "points", None))
    result = options.measure(options, tell)
    if draws:
        PICTURES[options.benchmark](result, options.picture)
        tell(f"The picture is in {options.picture}.")
    if options.json:
        say(json.dumps(result, indent=1))


def prepare_picture(path, points=None):
    """Make the folder of a picture if it is not there.

    Args:
        path: of the picture.
        points: path of the benchmark's file of points, if it has one.

    Raises:
        ValueError, OSError: the picture cannot be there. Better now than after the benchmark.
    """
    file = pathlib.Path(path)
    if file.is_dir():
        raise ValueError(f"{path} is a folder: give the picture a file")
    if points is not None and file.resolve() == pathlib.Path(points).resolve():
        raise ValueError(f"{path} is the file of the points: give the picture another one")
    file.parent.mkdir(parents=True, exist_ok=True)


def _say_nothing(line=""):
    pass


def _draw_growth(growth, path):
    from minibert import plots
    from minibert.benchmarks.growth import NAMES

    plots.save(plots.cost_growth, path, growth, NAMES, size=(12, 3.6))


def _draw_transfer(result, path):
    from minibert import plots
    from minibert.benchmarks.transfer import pictured

    plots.save(plots.accuracy_by_labels, path, *pictured(result))


def _draw_cheaper(result, path):
    from minibert import plots
    from minibert.benchmarks.cheaper import pictured

    plots.save(plots.loss_by_time, path, pictured(result))


# benchmark: function of its result and the path of a picture
PICTURES = {"cheaper": _draw_cheaper, "growth": _draw_growth, "transfer": _draw_transfer}
