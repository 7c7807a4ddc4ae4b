"""What the stored points of lesson 13 say about labels, and what the guide shows of them."""

import doctest
import json
import pathlib
import re

import numpy as np
import pytest

from minibert.benchmarks.transfer.examples import KINDS
from minibert.benchmarks.transfer.systems import SYSTEMS
from minibert.course import labels

ROOT = pathlib.Path(__file__).parents[2] / "notebooks"


def test_the_examples_of_the_docstrings():
    results = doctest.testmod(labels)
    assert results.failed == 0 and results.attempted >= 4


def test_a_grid_has_the_seeds_in_order_and_no_cell_that_is_not_whole(tmp_path):
    rows = [("sense", 20, 1, 0.5), ("sense", 20, 0, 0.25), ("sense", 20, 1000, 0.75), ("sense", 5, 0, 0.5),
            ("other", 20, 0, 0.5), ("other", 20, 1, 0.5)]
    keys = "task", "labels", "seed", "accuracy"
    path = tmp_path / "points.jsonl"
    path.write_text("".join(json.dumps(dict(zip(keys, row), system="bag")) + "\n" for row in rows), "ascii")
    grid = labels.read_grid(path, num_seeds=2)
    assert list(grid) == ["sense", "other"] and list(grid["sense"]["bag"]) == [20]
    assert grid["sense"]["bag"][20].tolist() == [0.25, 0.5]
    assert list(labels.read_grid(path, tasks=["other"], num_seeds=2)) == ["other"]
    assert labels.read_grid(path) == {"sense": {}, "other": {}}
    assert labels.panels(grid, ["bert", "bag"])["sense"] == {"bag": [(20, 0.375, 0.25, 0.5)]}


def cells(**systems):
    """Return the systems of a task: of each, accuracies (S,) with 10 labels and with 1,000."""
    return {name: dict(zip((10, 1000), map(np.array, found))) for name, found in systems.items()}


MADE_UP = cells(
    bert=([0.5, 0.75], [1.0, 1.0]), bag=([0.5, 0.25], [0.5, 0.5]), scratch=([0.25, 0.25], [1.0, 0.75]))


def test_the_worth_is_measured_against_the_better_of_both():
    found = labels.worth(MADE_UP, "bert", ["bag", "scratch"])
    assert found[10][0].tolist() == [0.0, 0.5]       # the bag is better there
    assert found[1000][0].tolist() == [0.0, 0.25]    # and here the model from scratch
    assert found[10][1] == pytest.approx(100)        # 0.625, halfway from 0.375 to 0.875
    assert np.isinf(found[1000][1])
    assert labels.labels_needed(MADE_UP, ["bag"], 0.3, start=11) == 1000


def test_labels_saved_are_shown_where_every_seed_is_above():
    systems = cells(bert=([0.5, 0.75], [0.75, 1.0]), bag=([0.25, 0.25], [0.5, 0.75]))
    _, row = labels.table_of_worth({"task": systems, "without": {}}, "bert", ["bag"])
    assert row.split() == "task +0.38 x 100.0 +0.25 x 1+".split()
    _, row = labels.table_of_worth({"task": MADE_UP}, "bert", ["bag", "scratch"])
    assert row.split() == "task +0.25 1/2 +0.12 1/2".split()


def tables(grid, order):
    """Yield a table for each task: a system's mean accuracies in a row, and its widest range over seeds."""
    for task, found in grid.items():
        numbers = sorted({number for cells in found.values() for number in cells})
        rows = [[f"*{task}*, labels", *(f"{number:,}" for number in numbers), "widest range (labels)"],
                ["---"] * (len(numbers) + 2)]
        for name in (name for name in order if name in found):
            own = found[name]
            widest = max(own, key=lambda number: np.ptp(own[number]))
            rows.append([
                name, *(f"{own[number].mean():.3f}" if number in own else "" for number in numbers),
                f"{own[widest].min():.3f} to {own[widest].max():.3f} ({widest:,})"])
        yield "".join("|" + "|".join(f" {cell} " for cell in row) + "|\n" for row in rows).replace(
            " --- ", "---")


PACKAGES = "bag-of-words", "minilm-frozen", "new-minilm-frozen", "bert-scratch", "minilm"


@pytest.mark.parametrize("heading, file, tasks, order", [
    ("## What pretraining is worth", "13_transfer.jsonl", list(KINDS), list(SYSTEMS)),
    ("## A real encoder, by labels", "13_packages.jsonl", ["masked", "named"], PACKAGES),
])
def test_the_tables_of_the_guide_are_those_of_the_stored_points(heading, file, tasks, order):
    """Where they differ, the message is the tables to put there."""
    grid = labels.read_grid(ROOT / "data" / file, tasks)
    guide = (ROOT / "guides" / "finetuning.md").read_text("utf-8").split(heading)[1]
    shown = re.findall(r"(?:^\|.*\n)+", guide.split("\n## ")[0], re.MULTILINE)
    expected = list(tables(grid, order))
    assert shown == expected, "\n" + "\n".join(expected)
