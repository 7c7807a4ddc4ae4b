"""`minibert bench`: how fast it is, beside others."""

from minibert.benchmarks import bert, glove, growth, race, word2vec


def add(commands):
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "bench",
        help="measure how fast a model trains",
        description="Time a training step of a BERT, beside its matrix products alone and, where they are installed, Hugging Face's "
        "model and a lean one under PyTorch. With a NAME: another benchmark.",
        epilog="examples: minibert bench --preset tiny mini; minibert bench word2vec --similarity wordsim353.txt",
    )
    bert.add_options(command)
    subcommands = command.add_subparsers(dest="benchmark", metavar="NAME", required=False)
    for benchmark in (race, growth, word2vec, glove):
        benchmark.add(subcommands)
