"""Metrics by hand, and the examples of the docstrings."""

import doctest

import numpy as np
import pytest

from minibert.objectives import metrics
from minibert.objectives.metrics import confusion, entities, entity_f1, exact_match, token_f1


def test_the_examples():
    assert doctest.testmod(metrics) == (0, doctest.testmod(metrics).attempted)


def test_one_label_by_hand():
    table = confusion([0, 2, 2, 1, 0], [0, 1, 2, 1, 2], 4)
    assert table.tolist() == [[1, 0, 0, 0], [0, 1, 1, 0], [1, 0, 1, 0], [0, 0, 0, 0]]
    assert metrics.accuracy(table) == 0.6
    np.testing.assert_allclose(metrics.f1_scores(table), [2 / 3, 2 / 3, 1 / 2, 0])
    # the label without examples is left out
    assert metrics.macro_f1(table) == pytest.approx((2 / 3 + 2 / 3 + 1 / 2) / 3)
    # 3 right of 5, predicted 2 1 2, there 1 2 2: (3·5 − 8) / √((25 − 9)(25 − 9))
    assert metrics.matthews(table) == pytest.approx(7 / 16)


def test_matthews_is_the_correlation_of_two_labels():
    rng = np.random.default_rng(0)
    labels, predicted = rng.integers(2, size=(2, 50))
    table = confusion(predicted, labels, 2)
    assert metrics.matthews(table) == pytest.approx(np.corrcoef(predicted, labels)[0, 1])
    assert metrics.matthews(confusion([1, 1, 1], [0, 1, 1], 2)) == 0


def test_answers():
    assert exact_match("The tower!", ["a tower"]) and not exact_match("towers", ["tower"])
    assert token_f1("", ["x"]) == 0 and token_f1("the", ["a"]) == 1
    assert token_f1("red red", ["red"]) == pytest.approx(2 / 3)


@pytest.mark.parametrize("tags, expected", [
    ("I-PER I-PER O I-LOC", [("PER", 0, 2), ("LOC", 3, 4)]),
    ("I-PER B-PER I-PER", [("PER", 0, 1), ("PER", 1, 3)]),
    ("S-PER S-PER B-LOC E-LOC I-LOC", [("PER", 0, 1), ("PER", 1, 2), ("LOC", 2, 4), ("LOC", 4, 5)]),
    ("O PER O LOC LOC", [("PER", 1, 2), ("LOC", 3, 5)]),
    ("B-x-y I-x-y O", [("x-y", 0, 2)]),
    ("O O", []),
])
def test_entities_of_every_scheme(tags, expected):
    assert entities(tags.split()) == expected


def test_entity_f1_counts_type_and_both_ends():
    ours, theirs = ["B-PER O B-LOC I-LOC".split()], ["B-PER O B-LOC O".split()]
    assert entity_f1(ours, theirs) == (0.5, {"LOC": 0.0, "PER": 1.0})
    assert entity_f1([["O"]], [["O"]]) == (1.0, {})
    assert entity_f1([["B-PER"], ["O"]], [["O"], ["B-PER"]])[0] == 0  # another sentence is another entity
