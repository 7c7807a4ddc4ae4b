"""Run a student's file in its own process and grade it.

Of a notebook, only the part from the heading "Exercises" on is run.
"""

import ast
import collections
import contextlib
import json
import linecache
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
from typing import NamedTuple

import minibert
from minibert.course import exercises
from minibert.course.exercises.kinds import Result
from minibert.files import write_json

HEADING = re.compile(r"^#+\s*Exercises\s*$", re.MULTILINE)
MAGIC = re.compile(r"^\s*[%!].*$", re.MULTILINE)
CHECK = re.compile(r"exercises\.check\(\s*[\"'](\w+)[\"']")
COPY = re.compile(r"( ?\(\d+\)| - (Copy|副本)|-Copy\d+)+$")  # that browsers, Windows and Jupyter add


class Grading(NamedTuple):
    """The points of one file.

    Attributes:
        file:    its path, as it was given.
        student: who handed it in: the id that `exercises.student` was given; without one the file's name,
                 without its ending and without " (1)".
        lesson:  its number, "05": the lesson that most of the checked exercises belong to.
        results: a Result for every exercise of the lesson, in its order.
        errors:  what stopped a cell or the file, one text each.
    """

    file: str
    student: str
    lesson: str
    results: list
    errors: list

    @property
    def points(self):
        return sum(result.points for result in self.results)

    @property
    def of(self):
        return sum(result.of for result in self.results)

    def __str__(self):
        width = max(len(result.name) for result in self.results)
        lines = [f"{pathlib.Path(self.file).name}: lesson {self.lesson}", f"{'exercise':<{width}}  points"]
        for result in self.results:
            verdict = (
                "not done yet"
                if not result.done
                else "right"
                if result.points == result.of
                else _reason(result)
            )
            lines.append(f"{result.name:<{width}}  {result.points} of {result.of}  {verdict}")
        lines.append(f"{'total':<{width}}  {self.points} of {self.of}")
        return "\n".join([*lines, *(f"problem: {error}" for error in self.errors)])

    def as_dict(self):
        """Return what --json prints."""
        return {
            "file": self.file,
            "student": self.student,
            "lesson": self.lesson,
            "points": self.points,
            "of": self.of,
            "exercises": [result._asdict() for result in self.results],
            "errors": self.errors,
        }


def _reason(result):
    """The first line of a message that says that something is wrong."""
    lines = [line for line in result.message.splitlines() if ": right" not in line]
    return lines[0] if lines else ""


def grade(path, timeout=120):
    """Grade a notebook (from the heading "Exercises" on) or a Python file, in a process of its own.

    Args:
        path: an .ipynb or .py file, which checks its answers by `exercises.check`.
        timeout: seconds that the file may take.

    Returns:
        a Grading. An exercise that is not checked counts as not done; of several checks the last counts. If
        a cell takes too long or ends the process, the checks before it count.

    Raises:
        ValueError: not a notebook or Python file, or nothing in it to grade.
        OSError: it cannot be read.
    """
    path = pathlib.Path(path)
    cells = _cells(path)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # Windows: still open elsewhere
        given, found = pathlib.Path(folder, "cells.json"), pathlib.Path(folder, "found.json")
        given.write_text(json.dumps(cells), encoding="utf-8")
        command = [sys.executable, "-m", "minibert.course.exercises.grading", str(given), str(found)]
        trouble = _run_process(command, path.parent, pathlib.Path(folder, "stderr"), timeout)
        answer = {"student": None, "results": [], "errors": [], "cell": path.name}
        if found.exists():
            answer = json.loads(found.read_text(encoding="utf-8"))
    trouble = trouble or (answer["cell"] and "it ended the process that ran it")
    errors = answer["errors"] + ([f"{answer['cell'] or path.name}: {trouble}"] if trouble else [])
    grading = _grading(path, cells, [Result(**result) for result in answer["results"]], errors)
    return grading._replace(student=answer["student"] or grading.student)


def _run_process(command, folder, stderr, timeout):
    """Run a command in a folder, nothing to read and nobody to print to; return why it failed."""
    ours = str(pathlib.Path(minibert.__file__).resolve().parents[1])
    python_path = os.pathsep.join(filter(None, [ours, os.environ.get("PYTHONPATH")]))
    with open(stderr, "wb") as messages:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | {"MPLBACKEND": "Agg", "PYTHONPATH": python_path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=messages,
            start_new_session=True,
        )
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            _end(process)
            return (
                f"still running after {timeout:g} seconds: does it contain an endless loop? "
                "(--timeout gives it more time)"
            )
        except BaseException:
            _end(process)
            raise
    last = stderr.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
    return f"it ended the process that ran it: {(last or [f'exit code {code}'])[0]}" if code else ""


def _end(process):
    """End a process, and where the system knows sessions also what it has started."""
    if os.name == "posix":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def _grading(path, cells, results, errors):
    """Put the results in the order of their lesson, with those that were not checked."""
    lesson_of = {
        exercise.name: number for number, lesson in exercises.lessons().items() for exercise in lesson
    }
    checked = [result.name for result in results] or CHECK.findall("\n".join(code for _, code in cells))
    counts = collections.Counter(lesson_of[name] for name in dict.fromkeys(checked) if name in lesson_of)
    if not counts:
        why = f" Its problem: {errors[0]}" if errors else ""
        raise ValueError(
            f'{path.name} checks no exercise: expected lines such as exercises.check("rms_norm", ...) in a '
            f"notebook of the course or in a Python file.{why}"
        )
    lesson = counts.most_common(1)[0][0]
    others = [result.name for result in results if lesson_of[result.name] != lesson]
    if others:
        names = ", ".join(dict.fromkeys(others))
        errors = [*errors, f"most checks are of lesson {lesson}; these are not and do not count: {names}"]
    last = {result.name: result for result in results}
    ordered = [
        last.get(exercise.name)
        or Result(exercise.name, 0, exercise.of, "It is not checked in this file.", done=False)
        for exercise in exercises.lessons()[lesson]
    ]
    return Grading(str(path), student_by_name(path), lesson, ordered, errors)


def student_by_name(path):
    """Return the student's id that a file's name gives: the name without its ending, and without " (1)"."""
    return COPY.sub("", pathlib.Path(path).stem)


def _cells(path):
    """Return [(name, code)]: the cells of a notebook after its heading, or the whole of a Python file."""
    if path.suffix not in (".ipynb", ".py"):
        raise ValueError(f"{path.name} is neither a notebook (.ipynb) nor a Python file (.py)")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path.name} is not text in UTF-8, as notebooks and Python files are") from None
    if path.suffix == ".py":
        return [(path.name, text)]
    try:
        notebook = json.loads(text)["cells"]
        cells = [(cell["cell_type"], "".join(cell["source"])) for cell in notebook]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError(
            f"{path.name} is not a notebook that can be read: it should be JSON with a list of cells"
        ) from None
    headings = [n for n, (kind, source) in enumerate(cells) if kind == "markdown" and HEADING.search(source)]
    start = headings[0] if headings else 0
    return [
        (f"cell {n + 1}", MAGIC.sub("pass", source))
        for n, (kind, source) in enumerate(cells)
        if n >= start and kind == "code"
    ]


def _main(given, found):
    """Run the cells one after the other in one namespace; store what is known before each and at the end."""
    cells, found = json.loads(pathlib.Path(given).read_text(encoding="utf-8")), pathlib.Path(found)
    namespace, errors = {"__name__": "__main__"}, []
    with open(os.devnull, "w", encoding="utf-8") as nobody, contextlib.redirect_stdout(nobody):
        for name, code in cells:
            _store(found, name, errors)
            linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
            try:
                exec(compile(ast.parse(code, name), name, "exec"), namespace)
            except (Exception, SystemExit) as error:
                errors.append(f"{name}: {type(error).__name__}: {error}")
        _store(found, "", errors)


def _store(found, cell, errors):
    """Write what is known before a cell is run; whole or not at all."""
    results = [result._asdict() for result in exercises.recorded]
    student = exercises.students[-1] if exercises.students else None
    write_json(found, {"student": student, "results": results, "errors": errors, "cell": cell})


if __name__ == "__main__":
    _main(*sys.argv[1:])
