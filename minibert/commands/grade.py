"""`minibert grade`: the points of students' notebooks."""

import collections
import csv
import glob
import io
import json
import pathlib

from minibert.arguments import positive
from minibert.commands.common import check_folder, say


def add(commands):
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "grade",
        help="the points of a notebook's exercises",
        description='Run the exercises of notebooks (their cells from the heading "Exercises" on) or Python '
        "files, each file in a process of its own, and print the points. The exercises that a file checks "
        "tell its lesson. The code of the files is run: grade files of people you trust, or in a container.",
        epilog="examples: minibert grade notebooks/05_attention.ipynb; "
        "minibert grade handed-in --csv points.csv",
    )
    command.set_defaults(run=run)
    command.add_argument(
        "files", nargs="+", metavar="FILE",
        help="a notebook (.ipynb) or Python file (.py) with exercises.check(...); a pattern such as "
        "handed-in/*.ipynb, also where the shell leaves it as it is; or a folder: all notebooks in it",
    )
    command.add_argument(
        "--csv", metavar="TABLE",
        help="write a table with a line for each file, which Excel opens with names in any language",
    )
    command.add_argument(
        "--students", type=pathlib.Path, metavar="LIST",
        help="the list that `minibert handout` was given: the table has its order, also a line for whoever "
        "handed in nothing, and ids that are not in the list are named",
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
    if options.csv:
        check_folder(options.csv, "--csv")
    students = read_ids(options.students) if options.students else []
    rows = []
    try:
        for path in expanded(options.files):
            row, text = graded(path, options.timeout)
            if not options.json:
                say(f"\n{text}" if rows else text)
            rows.append(row)
    finally:  # also after Ctrl-C: the points so far are not lost
        remarks = mark_repeated(rows)
        if students:
            rows, others = by_list(rows, students)
            remarks += others
        if options.json:
            say(json.dumps(rows, indent=1))
        elif remarks:
            say("\n" + "\n".join(remarks))
        if options.csv and rows:
            write_csv(options.csv, rows)
    return 1 if any("error" in row for row in rows) else 0


def expanded(names):
    """Return the paths that these names of files, patterns and folders stand for, each once.

    cmd and PowerShell hand patterns over as they are. A file whose name looks like a pattern is that file. A
    name without a file stays in the list, so that it is reported.
    """
    paths = {}
    for name in names:
        path = pathlib.Path(name)
        if path.is_dir():
            found = [found for found in path.rglob("*.ipynb") if not is_hidden(found.relative_to(path))]
        elif path.exists() or not glob.has_magic(name):
            found = [path]
        else:
            found = map(pathlib.Path, glob.glob(name, recursive=True))
        found = sorted(found) or [path]
        paths |= {path.resolve(): path for path in found}
    return list(paths.values())


def is_hidden(path):
    """Whether a name in the path begins with a dot: .ipynb_checkpoints, or ._05.ipynb of a Mac's zip."""
    return any(name.startswith(".") for name in path.parts)


def graded(path, timeout):
    """Return the object that --json prints for a file, and the text that is printed without it."""
    from minibert.course.exercises.grading import grade, student_by_name

    try:
        if path.is_dir():
            raise ValueError("there is no notebook (.ipynb) in this folder")
        grading = grade(path, timeout)
        return grading.as_dict(), str(grading)
    except FileNotFoundError:
        problem = "no file fits this pattern" if glob.has_magic(str(path)) else "there is no such file"
    except (ValueError, OSError) as error:
        problem = str(error)
    row = {"file": str(path), "student": student_by_name(path), "error": problem}
    return row, f"{path}: not graded: {problem}"


def mark_repeated(rows):
    """Add to the errors of files of one student and lesson that there are several; return the sentences."""
    same = collections.defaultdict(list)
    for row in rows:
        if "error" not in row:
            same[row["student"].casefold(), row["lesson"]].append(row)
    sentences = []
    for (_, lesson), group in same.items():
        if len(group) > 1:
            files = ", ".join(row["file"] for row in group)
            student = group[0]["student"]
            sentences.append(f"{student} has {len(group)} files of lesson {lesson}, not one: {files}")
            for row in group:
                row["errors"] = [*row["errors"], sentences[-1]]
    return sentences


def read_ids(path):
    """Return the ids of a list of students."""
    from minibert.course.exercises.handout import read_students

    return [student.id for student in read_students(path)]


def by_list(rows, students):
    """Return the rows in the order of a list of students, with those who handed in nothing; and remarks."""
    place = {student: number for number, student in enumerate(students)}
    remarks = []
    for row in rows:
        if row["student"] not in place:
            remarks.append(f"{row['student']} is not in the list of students: {row['file']}")
            row.setdefault("errors", []).append("no student of the list has this id")
    absent = sorted(set(students) - {row["student"] for row in rows}, key=place.get)
    if absent:
        remarks.append(f"{len(absent)} of {len(students)} handed in nothing: {', '.join(absent)}")
    rows = rows + [{"student": student, "errors": ["nothing was handed in"]} for student in absent]
    return sorted(rows, key=lambda row: place.get(row["student"], len(place))), remarks


def write_csv(path, rows):
    """Write the table: UTF-8 with a byte-order mark, by which Excel knows the encoding, and CRLF."""
    from minibert.files import write_atomically

    columns = ["student", "lesson", "points", "of", "problem", "file"]
    lines = []
    for row in rows:
        line = {name: row.get(name, "") for name in columns}
        line["problem"] = "; ".join(filter(None, [row.get("error"), *row.get("errors", ())]))
        line |= {exercise["name"]: exercise["points"] for exercise in row.get("exercises", ())}
        lines.append({name: inert(value) for name, value in line.items()})
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(dict.fromkeys(name for line in lines for name in line)))
    writer.writeheader()
    writer.writerows(lines)
    content = text.getvalue().encode("utf-8", "backslashreplace")
    try:
        write_atomically(pathlib.Path(path), b"\xef\xbb\xbf" + content)
    except PermissionError:
        raise ValueError(
            f"--csv {path} cannot be written: is it open in another program, such as Excel? Close it there, "
            "or give another name"
        ) from None


def inert(value):
    """Return text so that a spreadsheet shows it: a leading = + - or @ would make it a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(tuple("=+-@\t\r")) else value
