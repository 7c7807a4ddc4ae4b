"""Run a student's file in its own process and grade it.

Of a notebook, only the part from the heading "Exercises" on is run.
"""

import ast
import contextlib
import io
import json
import linecache
import os
import pathlib
import re
import subprocess
import sys
import tempfile
from typing import NamedTuple

from minibert.course import exercises
from minibert.course.exercises.kinds import Result

HEADING = re.compile(r"^#+\s*Exercises\s*$", re.MULTILINE)
MAGIC = re.compile(r"^\s*[%!].*$", re.MULTILINE)


class Grading(NamedTuple):
    """The points of one file.

    Attributes:
        file:    its path, as it was given.
        lesson:  "05_attention" if the file is named like it, else "05".
        results: a Result for every exercise of the lesson, in its order.
        errors:  the exceptions that stopped a cell, one text each.
    """

    file: str
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
        return "\n".join([*lines, *(f"A cell stopped: {error}" for error in self.errors)])

    def as_dict(self):
        """Return what --json prints."""
        return {
            "file": self.file,
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
        a Grading. An exercise that is not checked counts as not done; of several checks the last counts.

    Raises:
        ValueError: not a notebook or Python file, nothing in it to grade, or it took too long.
        OSError: it cannot be read.
    """
    path = pathlib.Path(path)
    cells = _cells(path)
    with tempfile.TemporaryDirectory() as folder:
        given, found = pathlib.Path(folder, "cells.json"), pathlib.Path(folder, "found.json")
        given.write_text(json.dumps(cells), encoding="utf-8")
        command = [sys.executable, "-m", "minibert.course.exercises.grading", str(given), str(found)]
        package = str(pathlib.Path(exercises.__file__).parents[2])
        python_path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
        environment = os.environ | {"MPLBACKEND": "Agg", "PYTHONPATH": python_path}
        try:
            done = subprocess.run(
                command,
                cwd=path.parent or ".",
                env=environment,
                timeout=timeout,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
            )
        except subprocess.TimeoutExpired:
            raise ValueError(
                f"{path.name} was still running after {timeout:g} seconds: does it contain an endless loop? "
                "(--timeout gives it more time)"
            ) from None
        if not found.exists():
            last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
            raise ValueError(f"{path.name} ended the process that ran it: {last[0]}")
        answers = json.loads(found.read_text(encoding="utf-8"))
    return _grading(path, [Result(**result) for result in answers["results"]], answers["errors"])


def _grading(path, results, errors):
    """Put the results in the order of their lesson, with those that were not checked."""
    numbers = [
        number
        for number, lesson in exercises.lessons().items()
        if {exercise.name for exercise in lesson} & {result.name for result in results}
    ]
    named = re.match(r"(\d\d)_", path.name)
    if named and named[1] in exercises.lessons():
        number = named[1]
    elif numbers:
        number = numbers[0]
    else:
        why = f" A cell stopped: {errors[0]}" if errors else ""
        raise ValueError(
            f'{path.name} checks no exercise: expected lines such as exercises.check("rms_norm", ...) in a '
            f"notebook of the course or in a Python file.{why}"
        )
    last = {result.name: result for result in results}
    ordered = [
        last.get(exercise.name)
        or Result(exercise.name, 0, exercise.of, "It is not checked in this file.", done=False)
        for exercise in exercises.lessons()[number]
    ]
    return Grading(str(path), path.stem if named else number, ordered, errors)


def _cells(path):
    """Return [(name, code)]: the cells of a notebook after its heading, or the whole of a Python file."""
    if path.suffix not in (".ipynb", ".py"):
        raise ValueError(f"{path.name} is neither a notebook (.ipynb) nor a Python file (.py)")
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return [(path.name, text)]
    try:
        notebook = json.loads(text)["cells"]
        cells = [(cell["cell_type"], "".join(cell["source"])) for cell in notebook]
    except (ValueError, KeyError, TypeError):
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


def _run(cells):
    """Run the cells one after the other in one namespace; return (results, errors)."""
    namespace, errors = {"__name__": "__main__"}, []
    for name, code in cells:
        linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
        try:
            exec(compile(ast.parse(code, name), name, "exec"), namespace)
        except Exception as error:
            errors.append(f"{name}: {type(error).__name__}: {error}")
    return exercises.recorded, errors


def _main(given, found):
    cells = json.loads(pathlib.Path(given).read_text(encoding="utf-8"))
    with contextlib.redirect_stdout(io.StringIO()):
        results, errors = _run(cells)
    answer = {"results": [result._asdict() for result in results], "errors": errors}
    pathlib.Path(found).write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    _main(*sys.argv[1:])
