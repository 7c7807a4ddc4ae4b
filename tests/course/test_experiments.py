"""The functions of a notebook run elsewhere, and what five seeds gave is stored and looked up."""

import doctest
import json
import pathlib

import pytest

import minibert
from minibert.course import experiments

LESSONS = pathlib.Path(minibert.__file__).parents[1] / "notebooks"
SCRIPTS = [path for path in LESSONS.glob("data/*.py") if "store(__file__" in path.read_text("utf-8")]


def test_the_examples_of_the_docstrings():
    results = doctest.testmod(experiments)
    assert results.failed == 0 and results.attempted > 5


def test_definitions_run_nothing_but_imports_functions_and_classes(tmp_path):
    lines = "import math\nx = 1 / 0\nprint(x)\ndef twice(y):\n    return 2 * y * math.pi\ntwice(x)\n"
    text = {"cell_type": "markdown", "source": ["def"]}
    code = {"cell_type": "code", "source": lines.splitlines(keepends=True)}
    (tmp_path / "lesson.ipynb").write_text(json.dumps({"cells": [text, code]}), encoding="utf-8")
    found = experiments.definitions(tmp_path / "lesson.ipynb")
    assert found["twice"](0.5) == found["math"].pi and "x" not in found


def test_a_seed_has_a_line_of_its_own(tmp_path):
    experiments.store(tmp_path / "made.py", lambda seed: {"loss": seed / 3}, seeds=(0, 7))
    assert (tmp_path / "made.json").read_text("ascii") == '{\n"0": {"loss": 0.0},\n"7": {"loss": 2.3333}\n}\n'


def test_a_script_that_stops_keeps_the_seeds_before(tmp_path):
    with pytest.raises(ZeroDivisionError):
        experiments.store(tmp_path / "made.py", lambda seed: {"loss": 1 / (2 - seed)})
    assert experiments.over_seeds(tmp_path / "made.json")("loss").tolist() == [0.5, 1.0]


def test_there_are_scripts_that_store():
    assert SCRIPTS


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_what_a_script_stored_has_five_seeds_and_is_quoted_in_its_lesson(script):
    stored = json.loads(script.with_suffix(".json").read_text("ascii"))
    assert list(stored) == list("01234")
    (lesson,) = LESSONS.glob(f"{script.stem[:2]}_*.ipynb")
    assert f"data/{script.stem}.json" in lesson.read_text("utf-8")
