"""A class's folders: notebooks with each student's own numbers and no solutions, and the instructor's copy.

    OUTPUT/students/course/          the course without solutions, the same for everybody
    OUTPUT/students/kim/             one notebook for each lesson, with kim's numbers
    OUTPUT/instructor/               solutions, the answers of each student's predictions, the list of files
"""

import codecs
import csv
import io
import json
import locale
import pathlib
import re
import shutil
from typing import NamedTuple

import minibert
from minibert.course import exercises
from minibert.course.exercises.grading import CHECK, HEADING
from minibert.course.exercises.variants import all_references, numbers_of, own, told

ROOT = pathlib.Path(minibert.__file__).parents[1]
COURSE = "course"  # the folder that is the same for everybody
OF_THE_COURSE = ["minibert", "notebooks", "setup.cfg", "pyproject.toml", "LICENSE", "CITATION.cff"]
OF_THE_COURSE += ["tests/test_yours.py", "tests/training/test_muon.py"]  # the guides point to them
KEPT_BACK = ["solutions", "TEACHING.md", "execute.py", "__pycache__", "*.pyc", ".*"]  # not handed out
IMPORT = "from minibert.course import exercises"
HEADINGS = ("id", "student", "student id", "student_id", "studentid", "学号")
NOT_IN_NAMES = re.compile(r'[<>:"/\\|?*\x00-\x1f]')  # of files, on Windows
DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)
README = """\
# The course

Install it in a virtual environment, in this folder: `python -m pip install -e ".[notebooks]"`
([notebooks/guides/install.md](notebooks/guides/install.md) has every system). Put the notebook with your name
into the folder notebooks, open it there, and do its exercises. They have numbers of your own.
"""


class Student(NamedTuple):
    """A student: the id, and the name of the folder, which is the id where a file may be called so."""

    id: str
    folder: str


def read_students(path, encoding=None):
    """Return the Students of a list: a line for each, the id in its first column.

    Args:
        path: a text or CSV file; columns are separated by commas, semicolons or tabs. A first line such as
            "id" or "学号" is a heading.
        encoding: of the file; None: by its byte-order mark, else UTF-8, else that of this computer.

    Raises:
        ValueError: it cannot be decoded, holds no student, or one twice.
    """
    text = _decoded(path.read_bytes(), path, encoding)
    unquoted = re.sub(r'"[^"]*"', "", text)
    delimiter = max(",;\t", key=unquoted.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    ids = [row[0].strip() for row in rows if row and row[0].strip()]
    if ids and ids[0].casefold() in HEADINGS:
        del ids[0]
    if not ids:
        raise ValueError(f"{path} names no student: expected a line for each, the id in its first column")
    twice = sorted({name for name in ids if ids.count(name) > 1})
    if twice:
        raise ValueError(f"{path} names a student twice: {', '.join(twice)}; an id belongs to one student")
    students, taken = [], {COURSE}
    for name in ids:
        folder = _free(_as_file_name(name), taken)
        taken.add(folder.casefold())
        students.append(Student(name, folder))
    return students


def _decoded(content, path, encoding):
    marks = [(codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")]
    by_mark = [name for mark, name in marks if content.startswith(mark)]
    tried = [encoding] if encoding else by_mark or ["utf-8", locale.getencoding()]
    for name in tried:
        try:
            return content.decode(name)
        except LookupError:
            raise ValueError(f"--encoding {name}: Python knows no such encoding") from None
        except UnicodeDecodeError:
            pass
    raise ValueError(
        f"{path} is not text in {' or '.join(dict.fromkeys(tried))}; save it as UTF-8, or say --encoding, "
        "such as gbk"
    )


def _as_file_name(name):
    """Return a name that every system accepts for a file."""
    name = NOT_IN_NAMES.sub("_", name)[:60].rstrip(". ")
    return f"_{name}" if not name or DEVICES.match(name) or name.startswith(".") else name


def _free(name, taken):
    """Return the name, with a number if one that differs by capitals only is taken."""
    numbered = (f"{name}-{number}" if number else name for number in range(len(taken) + 1))
    return next(name for name in numbered if name.casefold() not in taken)


def find_lessons(names):
    """Return the paths of lessons that are named like "05" or "05_attention", each once."""
    lessons = {path.stem[:2]: path for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))}
    if not lessons:
        raise ValueError(
            f"there are no lessons in {ROOT / 'notebooks'}: minibert must be installed by pip install -e ."
        )
    found = {}
    for name in names:
        path = lessons.get(name[:2])
        if path is None or name.removesuffix(".ipynb") not in (path.stem[:2], path.stem):
            raise ValueError(f"there is no lesson {name!r}; there are {', '.join(lessons)}")
        found[path] = None
    return list(found)


def hand_out(lessons, students, output):
    """Write the folders of a class.

    Args:
        lessons: paths of notebooks.
        students: list of Student.
        output: path of a folder that is empty or not there.

    Returns:
        the names of the exercises whose numbers are everybody's.

    Raises:
        ValueError: the folder holds something, or a notebook has no place for the student's id.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise ValueError(f"--output {output} holds something already; name a new folder")
    notebooks = {path: json.loads(path.read_text(encoding="utf-8")) for path in lessons}
    for student in students:
        for path, notebook in notebooks.items():
            target = output / "students" / student.folder / f"{path.stem}_{student.folder}.ipynb"
            _write_notebook(target, own_notebook(notebook, student.id, path.name))
    _copy_course(output / "students" / COURSE)
    solutions = output / "instructor" / "solutions"
    solutions.mkdir(parents=True)
    for path in lessons:
        shutil.copy(path.parent / "solutions" / path.name, solutions)
    tasks = [exercise for path in lessons for exercise in exercises.lessons()[path.stem[:2]]]
    _write_table(output / "instructor" / "students.csv", [("student", "folder"), *students])
    _write_table(output / "instructor" / "answers.csv", _answers(tasks, students))
    return [exercise.name for exercise in tasks if exercise.name not in all_references()]


def own_notebook(notebook, student, name):
    """Return a copy of a lesson with a student's id, the numbers of predictions, and no answers' outputs."""
    cells = json.loads(json.dumps(notebook))["cells"]
    sources = ["".join(cell["source"]) for cell in cells]
    texts = [text if cell["cell_type"] == "markdown" else "" for cell, text in zip(cells, sources)]
    start = next((n for n, text in enumerate(texts) if HEADING.search(text)), len(cells))
    place = next((n for n in range(start, len(cells)) if IMPORT in sources[n].splitlines()), None)
    if place is None:
        raise ValueError(f'{name} has no line {IMPORT!r} below its heading "Exercises"')
    sources[place] += f"\n\nexercises.student({json.dumps(student, ensure_ascii=False)})"
    for n in range(place, len(cells)):
        for task in CHECK.findall(sources[n]) if cells[n]["cell_type"] == "code" else ():
            numbers = told(exercises.find(task), student)
            if numbers:
                task_text = max(k for k in range(n) if cells[k]["cell_type"] == "markdown")
                sources[task_text] = _told_below_the_task(sources[task_text], task, numbers)
        if cells[n]["cell_type"] == "code":
            cells[n] |= {"outputs": [], "execution_count": None}
    for cell, text in zip(cells, sources):
        cell["source"] = text.splitlines(keepends=True)
    return notebook | {"cells": cells}


def _told_below_the_task(text, task, numbers):
    """Return a text, which may hold several tasks, with the own numbers at the end of that task."""
    begin = max(text.find(f"### {task}:"), 0)
    end = text.find("\n\n### ", begin)
    end = len(text) if end < 0 else end
    return f"{text[:end]}\n\n**Your own numbers**, in place of those of the text: {numbers}.{text[end:]}"


def _answers(tasks, students):
    """Return the rows of the table of predictions: whose, which, with which numbers, and what is right."""
    rows = [("student", "exercise", "numbers", "answer")]
    for student in students:
        for exercise in tasks:
            if numbers_of(exercise, student.id) is not None:
                answer = own(exercise, student.id).expected
                rows.append((student.id, exercise.name, told(exercise, student.id), repr(answer)))
    return rows


def _copy_course(target):
    """Copy what students need of the checkout, without what answers the exercises."""
    target.mkdir(parents=True)
    for name in OF_THE_COURSE:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns(*KEPT_BACK))
        elif source.exists():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target / name)
    (target / "README.md").write_text(README, encoding="utf-8")


def _write_notebook(path, notebook):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")


def _write_table(path, rows):
    """Write a CSV file that Excel opens in every locale: UTF-8 with a byte-order mark."""
    with open(path, "w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows(rows)
