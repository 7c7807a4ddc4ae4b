"""A student's file is graded in its own process: what counts, what is said, and what cannot be graded."""

import json
import pathlib
import textwrap
import time

import pytest

import minibert
from minibert.course import exercises
from minibert.course.exercises.grading import _grading, grade, student_by_name
from minibert.course.exercises.kinds import Result

SOFTMAX = """
import numpy as np
from minibert.course import exercises

def forward(scores):
    exponentials = np.exp(scores - scores.real.max(axis=-1, keepdims=True))
    probs = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return probs, probs

def backward(d_probs, probs):
    return probs * (d_probs - (probs * d_probs).sum(axis=-1, keepdims=True))
"""
CHECK = 'exercises.check("row_softmax", forward, backward)'
OF = sum(exercise.of for exercise in exercises.lessons()["05"])


@pytest.fixture
def notebook(tmp_path):
    """A function that writes a notebook of ("markdown" or "code", source) cells and returns its path."""

    def write(*cells, name="handed_in.ipynb"):
        path = tmp_path / name
        cells = [{"cell_type": kind, "source": source.splitlines(keepends=True)} for kind, source in cells]
        content = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        path.write_text(json.dumps(content), encoding="utf-8")
        return path

    return write


@pytest.fixture
def script(tmp_path):
    """A function that writes a Python file and returns its path."""

    def write(text, name="handed_in.py"):
        path = tmp_path / name
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    return write


def test_what_is_not_checked_counts_as_not_done(script):
    grading = grade(script(SOFTMAX + CHECK, "12_06_attention_kim (1).py"))
    assert (grading.lesson, grading.points, grading.of, grading.errors) == ("05", 2, OF, [])
    assert grading.student == "12_06_attention_kim"
    names = [exercise.name for exercise in exercises.lessons()["05"]]
    assert [result.name for result in grading.results] == names
    assert [result.done for result in grading.results] == [True] + [False] * (len(grading.results) - 1)
    assert f"2 of {OF}" in str(grading) and "row_softmax" in str(grading) and "not done yet" in str(grading)


def test_only_the_cells_from_the_exercises_on_are_run_without_magics(notebook):
    path = notebook(
        ("code", "raise SystemError('the lesson is not run')"),
        ("markdown", "text\n\n## Exercises\n\nhere"),
        ("code", "%matplotlib inline\n!pip list\n" + SOFTMAX),
        ("code", CHECK),
        name="05_attention.ipynb",
    )
    grading = grade(path)
    assert (grading.lesson, grading.points, grading.errors) == ("05", 2, [])


def test_a_cell_that_stops_does_not_cost_the_others_their_points(notebook):
    path = notebook(
        ("markdown", "## Exercises"),
        ("code", SOFTMAX),
        ("code", "1 / 0"),
        ("code", "def f(:"),
        ("code", "input()"),
        ("code", "raise SystemExit(4)"),
        ("code", CHECK),
    )
    grading = grade(path)
    assert grading.points == 2
    names = [error.split(":")[1].strip() for error in grading.errors]
    assert names == ["ZeroDivisionError", "SyntaxError", "EOFError", "SystemExit"]
    assert grading.errors[0].startswith("cell 3") and "problem: cell 3: ZeroDivisionError" in str(grading)


def test_the_minibert_that_grades_is_the_one_that_runs(script, tmp_path, monkeypatch):
    """Also where another one is installed, and PYTHONPATH names a folder that depends on where one is."""
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    grading = grade(script(SOFTMAX + CHECK + "\nimport minibert; raise ValueError(minibert.__file__)"))
    assert grading.errors == [f"handed_in.py: ValueError: {pathlib.Path(minibert.__file__).resolve()}"]


@pytest.mark.exhaustive
def test_checked_twice_the_last_time_counts(script):
    assert grade(script(SOFTMAX + CHECK + '\nexercises.check("row_softmax", backward, forward)')).points == 0
    assert grade(script(SOFTMAX + 'exercises.check("row_softmax", backward, forward)\n' + CHECK)).points == 2


def test_a_cell_that_ends_the_process_does_not_cost_the_points_before_it(notebook):
    path = notebook(("code", SOFTMAX), ("code", CHECK), ("code", "import os; os._exit(3)"), ("code", CHECK))
    grading = grade(path)
    assert grading.points == 2
    assert grading.errors == ["cell 3: it ended the process that ran it: exit code 3"]


def test_an_endless_loop_ends_in_time_with_the_processes_that_it_started(script):
    path = script(
        "import subprocess, sys\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "while True: pass"
    )
    start = time.monotonic()
    with pytest.raises(ValueError, match="checks no exercise.* still running after 1.5 seconds"):
        grade(path, timeout=1.5)
    assert time.monotonic() - start < 20


def test_a_file_without_checks_is_refused(script):
    with pytest.raises(ValueError, match="checks no exercise"):
        grade(script("x = 1"))


def test_the_lesson_is_that_of_most_checks_and_what_does_not_count_is_said():
    results = [Result(name, 1, 1, "right") for name in ("one_head", "one_head", "rms_norm", "swiglu")]
    grading = _grading(pathlib.Path("05_kim.py"), [], results, [])
    assert (grading.lesson, grading.points) == ("06", 2)
    assert grading.errors == ["most checks are of lesson 06; these are not and do not count: one_head"]


def test_where_nothing_could_be_checked_the_source_tells_the_lesson():
    """A first cell that fails, so that `exercises` is no name: no points, and the reason."""
    grading = _grading(pathlib.Path("kim.py"), [("kim.py", CHECK)], [], ["kim.py: ImportError: no"])
    assert (grading.lesson, grading.points, grading.errors) == ("05", 0, ["kim.py: ImportError: no"])


@pytest.mark.parametrize("name", ["kim", "kim (1)", "kim(12)", "kim - Copy", "kim - 副本 (2)", "kim-Copy1"])
def test_copies_have_the_name_of_the_original(name):
    assert student_by_name(f"handed in/{name}.ipynb") == "kim"


def test_files_of_another_kind_are_refused(tmp_path, notebook):
    text, broken = tmp_path / "answers.txt", tmp_path / "broken.ipynb"
    text.write_text("x", encoding="utf-8")
    with pytest.raises(ValueError, match="neither a notebook"):
        grade(text)
    for content in ("{", "", "[1]", '{"cells": [1]}', "[" * 100_000):
        broken.write_text(content, encoding="utf-8")
        with pytest.raises(ValueError, match="not a notebook that can be read"):
            grade(broken)
    broken.write_bytes("{}".encode("utf-16"))
    with pytest.raises(ValueError, match="broken.ipynb is not text in UTF-8"):
        grade(broken)
