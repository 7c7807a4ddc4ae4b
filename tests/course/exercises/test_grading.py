"""A student's file is graded in its own process: what counts, what is said, and what cannot be graded."""

import json
import textwrap

import pytest

from minibert import cli
from minibert.course import exercises
from minibert.course.exercises.grading import grade

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
    grading = grade(script(SOFTMAX + CHECK))
    assert (grading.lesson, grading.points, grading.of, grading.errors) == ("05", 2, OF, [])
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
    assert (grading.lesson, grading.points, grading.errors) == ("05_attention", 2, [])


def test_a_cell_that_stops_does_not_cost_the_others_their_points(notebook):
    path = notebook(
        ("markdown", "## Exercises"),
        ("code", SOFTMAX),
        ("code", "1 / 0"),
        ("code", "def f(:"),
        ("code", CHECK),
    )
    grading = grade(path)
    assert grading.points == 2
    assert [error.split(":")[1].strip() for error in grading.errors] == ["ZeroDivisionError", "SyntaxError"]
    assert grading.errors[0].startswith("cell 3") and "A cell stopped" in str(grading)


def test_checked_twice_the_last_time_counts(script):
    assert grade(script(SOFTMAX + CHECK + '\nexercises.check("row_softmax", backward, forward)')).points == 0
    assert grade(script(SOFTMAX + 'exercises.check("row_softmax", backward, forward)\n' + CHECK)).points == 2


@pytest.mark.parametrize(
    "text, message, timeout",
    [
        ("x = 1", "checks no exercise", 120),
        ("while True: pass", "still running after 0.5 seconds", 0.5),
        ("import os; os._exit(3)", "ended the process that ran it: exit code 3", 120),
    ],
)
def test_a_file_that_cannot_be_graded_says_why(script, text, message, timeout):
    with pytest.raises(ValueError, match=message):
        grade(script(text), timeout=timeout)


def test_files_of_another_kind_are_refused(tmp_path, notebook):
    text, broken = tmp_path / "answers.txt", tmp_path / "broken.ipynb"
    text.write_text("x", encoding="utf-8")
    with pytest.raises(ValueError, match="neither a notebook"):
        grade(text)
    broken.write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match="not a notebook that can be read"):
        grade(broken)


def test_the_command_prints_tables_or_json_and_goes_on_after_a_file_that_fails(script, capfd):
    right, wrong, missing = script(SOFTMAX + CHECK, "a.py"), script("x = 1", "b.py"), "c.ipynb"
    assert cli.main(["grade", str(right), str(wrong), missing]) == 1
    printed = capfd.readouterr().out
    assert "a.py: lesson 05" in printed
    assert f"{wrong}: not graded" in printed
    assert "c.ipynb: not graded" in printed
    assert cli.main(["grade", "--json", str(right)]) == 0
    (graded,) = json.loads(capfd.readouterr().out)
    assert (graded["file"], graded["points"], graded["of"]) == (str(right), 2, OF)
    assert graded["exercises"][0]["message"].startswith("forward: right")
