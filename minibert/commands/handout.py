"""`minibert handout`: the folders of a class, with different numbers for each student."""

import pathlib

from minibert.arguments import path
from minibert.commands.common import quoted, say


def add(commands):
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "handout",
        help="notebooks for a class: different numbers for each student, no solutions",
        description="Write the folders of a class: students/course is the course without solutions, the same "
        "for everybody; students/ID holds the lessons with that student's own numbers, which follow from the "
        "id; instructor holds the solutions and the answers to each student's predictions. `minibert grade` "
        "reads the id in the notebook and uses the same numbers.",
        epilog="example: minibert handout 05 06 --students class.csv --output week2",
    )
    command.set_defaults(run=run)
    command.add_argument("lessons", nargs="+", metavar="LESSON", help="05 or 05_attention")
    command.add_argument(
        "--students", type=pathlib.Path, required=True, metavar="FILE",
        help="a line for each student, the id in its first column: text or CSV",
    )
    command.add_argument(
        "--output", type=path, required=True, metavar="DIR", help="a new folder, or an empty one"
    )
    command.add_argument(
        "--encoding", metavar="NAME",
        help="of the list of students (default: UTF-8, or as its first bytes say, or else this computer's)",
    )


def run(options):
    """Run `minibert handout`."""
    from minibert.course.exercises.handout import find_lessons, hand_out, read_students

    lessons = find_lessons(options.lessons)
    students = read_students(options.students, options.encoding)
    output = pathlib.Path(options.output)
    same_for_all = hand_out(lessons, students, output)
    names = ", ".join(path.stem for path in lessons)
    first = students[0].id if len(students) == 1 else f"{students[0].id} … {students[-1].id}"
    say(f"lessons     {names}")
    say(f"students    {len(students)}: {first}")
    if same_for_all:
        say(f"the same for all (there are no numbers in the task): {', '.join(same_for_all)}")
    say(f"hand out    {output / 'students'}: course to everybody, each other folder to its owner")
    say(f"keep        {output / 'instructor'}: solutions and answers")
    say(f"later       minibert grade {quoted('handed-in')} --csv points.csv")
