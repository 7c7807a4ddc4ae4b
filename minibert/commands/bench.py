"""`minibert bench`: how fast it is, beside others."""

from minibert.benchmarks import glove, word2vec


def add(commands):
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "bench",
        help="measure how fast a model trains",
        description="Train a model and measure it, on one thread, beside other libraries where they are installed.",
        epilog="example: minibert bench word2vec --similarity wordsim353.txt",
    )
    subcommands = command.add_subparsers(dest="benchmark", metavar="NAME", required=True)
    word2vec.add(subcommands)
    glove.add(subcommands)
