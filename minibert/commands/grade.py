"""`minibert grade`: the points of a student's notebook."""

import json

from minibert.arguments import positive
from minibert.commands.common import say


def add(commands):
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "grade",
        help="the points of a notebook's exercises",
        description='Run the exercises of a notebook (its cells from the heading "Exercises" on) or of a '
        "Python file, each file in a process of its own, and print the points. The code of the files is "
        "run: grade files of people you trust, or in a container.",
        epilog="examples: minibert grade notebooks/05_attention.ipynb; "
        "minibert grade --json handed-in/*.ipynb",
    )
    command.set_defaults(run=run)
    command.add_argument(
        "files", nargs="+", metavar="FILE",
        help="a notebook (.ipynb) or Python file (.py) with exercises.check(...)",
    )
    command.add_argument(
        "--json", action="store_true", help="print a list with an object for each file, for a script"
    )
    command.add_argument(
        "--timeout", type=positive(float), default=120, metavar="S",
        help="seconds that a file may take (default: %(default)s)",
    )


def run(options):
    """Run `minibert grade`; return 1 if a file could not be graded, else 0."""
    from minibert.course.exercises.grading import grade

    gradings, failures = [], []
    for path in options.files:
        try:
            gradings.append(grade(path, options.timeout))
        except (ValueError, OSError) as error:
            failures.append({"file": path, "error": str(error)})
    if options.json:
        say(json.dumps([*(grading.as_dict() for grading in gradings), *failures], indent=1))
    else:
        not_graded = [f"{failure['file']}: not graded: {failure['error']}" for failure in failures]
        say("\n\n".join([*map(str, gradings), *not_graded]))
    return 1 if failures else 0
