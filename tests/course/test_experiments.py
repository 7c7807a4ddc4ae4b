"""The functions of a notebook run elsewhere, and what five seeds gave is stored and looked up."""

import doctest
import json
import pathlib

import minibert
from minibert.course import experiments

DATA = pathlib.Path(minibert.__file__).parents[1] / "notebooks" / "data"


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
