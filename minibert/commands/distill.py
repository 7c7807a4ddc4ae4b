"""`minibert distill`: a smaller BERT learns from a larger one."""

import os

from minibert.arguments import add_corpus, add_seed, path, positive
from minibert.commands.common import available_cores, interrupted, resumed, say, tell_end
from minibert.commands.pretrain import corpus_paths

SETTINGS = (  # the options that are fields of the recipe, under the same name
    "student_layers", "temperature", "seed", "threads", "batch_size", "learning_rate",
)


def add(commands):
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "distill",
        help="train a BERT of fewer layers on the answers of another one",
        description="Train a student: a BERT with some of its teacher's layers, which learns from masked "
        "words and from the teacher's answers to them. Leaves the student, its log and its loss curves in "
        "the output directory. Ctrl-C writes a checkpoint first.",
        epilog="example: minibert distill bert-run --layers 1 --output student",
    )
    command.set_defaults(run=run)
    command.add_argument(
        "model", nargs="?", type=path, metavar="DIR",
        help="directory of the teacher, a pretrained BERT; --resume needs none",
    )
    add_corpus(command, default=None)
    command.add_argument(
        "--output", type=path, default="student", metavar="DIR",
        help="directory to write to (default: %(default)s)",
    )
    command.add_argument(
        "--layers", dest="student_layers", type=positive(int), metavar="N",
        help="layers of the student (default: half of the teacher's)",
    )
    command.add_argument(
        "--temperature", type=positive(float), metavar="T",
        help="above 1 shows more of the teacher's less likely answers (default: 2)",
    )
    length = command.add_mutually_exclusive_group()
    length.add_argument(
        "--minutes", type=positive(float), metavar="M", help="time for everything (default: 5; toy: 4)")
    length.add_argument(
        "--steps", type=positive(int), metavar="N", help="number of training steps, instead of --minutes")
    add_seed(command, default=None)
    command.add_argument("--batch-size", type=positive(int), metavar="B", help="sequences in a batch")
    command.add_argument(
        "--learning-rate", type=positive(float), metavar="R",
        help="peak of the learning rate (default: 0.001)",
    )
    command.add_argument(
        "--threads", type=positive(int), metavar="N", help="cores to use (default: all, at most 4)")
    command.add_argument(
        "--resume", action="store_true",
        help="continue the run in the output directory; --steps or --minutes, --threads, --corpus (the same "
        "text elsewhere) and DIR (the same teacher elsewhere) may change",
    )


def run(options):
    """Run `minibert distill`."""
    from minibert import objectives
    from minibert.training import run as runs

    def find(name):
        if name != "distillation":
            raise ValueError(
                f"{options.output} is no run of minibert distill: go on with the command that began it")
        return objectives.find(name)

    given = {name: getattr(options, name) for name in SETTINGS if getattr(options, name) is not None}
    if options.corpus:
        given["corpus"] = corpus_paths(options.corpus)
    if options.steps:
        given["num_steps"] = options.steps
    if options.model:
        given["start"] = os.path.abspath(options.model)
    elif not options.resume:
        raise ValueError("a new run needs DIR, the teacher: a BERT of minibert or Hugging Face")
    try:
        if options.resume:
            evaluation, training = resumed(options.output, given, options.minutes, find)
        else:
            objective = find("distillation")
            recipe = objective.Recipe.of(**{"threads": min(4, available_cores()), **given})
            minutes = options.minutes or recipe.default_minutes
            evaluation, training = runs.begin(options.output, objective, recipe, minutes, say)
    except KeyboardInterrupt as interrupt:
        raise interrupted("distill", options.output, interrupt) from None
    tell_end(options.output, evaluation, training, "student")
