"""Distances of dependencies, counted by hand in a few sentences, and found again in the texts."""

import doctest
import sys

import pytest

from minibert.text import toy
from minibert.text.toy.dependencies import dependencies


def distances(variable, target, *kinds):
    return {(found.source, found.distance) for found in dependencies(toy.TOY, *kinds)
            if (found.variable, found.target) == (variable, target)}


def test_by_hand():
    # everyone said the {homograph} was {very} {sense};  the {homograph} was {sense} that {look} day
    assert distances("pick", "{sense}", "sense") == {("{homograph}", 3), ("{homograph}", 2)}
    # {surely} {name} is my {kin} from {capital}: the name tells the gender
    assert ("{name}", 3) in distances("hero", "{kin}", "intro")
    # did {who} {how} hide the {look} {item}: the item is the last word, in the answer, too
    assert distances("item", "{item}", "question", "answer") == {("{item}", 7)}
    assert distances("item", "{item}", "question") == set()  # nothing before it in its sentence
    assert {distance for _, distance in distances("hero", "{pronoun}", "question", "answer")} == {7}
    # the {noun} {near} the {look} {other} {verb}: the other noun has a number of its own
    assert distances("number", "{verb}", "agreement") == {("{noun}", 4), ("{noun}", 5)}
    # the number of one sentence says nothing in the next
    assert distances("number", "{noun}", "agreement", "agreement") == {("{which}", 1), ("{which}", 2)}


def test_what_is_tied_says_the_same(documents):
    """An item that a dependency ties to another, seven words before, is that item."""
    seen = 0
    for document in documents[:100]:
        for first, second in zip(document, document[1:]):
            if (first.kind, second.kind) == ("question", "answer"):
                words = first.words + second.words
                assert words[-1] == words[-1 - 7]
                seen += 1
    assert seen > 20


def test_the_example_in_the_docstring():
    assert doctest.testmod(sys.modules[dependencies.__module__]) == (0, 2)


def test_wrong_kinds():
    with pytest.raises(ValueError, match=r"kinds of sentences are intro, .*; got joke"):
        dependencies(toy.TOY, "question", "joke")
    with pytest.raises(ValueError, match="kinds question, intro never follow each other"):
        dependencies(toy.TOY, "question", "intro")
