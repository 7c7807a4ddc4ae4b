"""An analogy is right if the fourth word is the nearest, with or without the rule that forbids the others."""

import doctest
import itertools

import numpy as np

import minibert
from minibert.course import word_vectors
from minibert.course.word_vectors import analogies_solved


def test_the_examples_of_the_docstrings():
    results = doctest.testmod(word_vectors)
    assert results.failed == 0 and results.attempted > 2


def test_the_rule_decides_where_the_sum_stays_at_a_given_word():
    words = "array arrays row rows".split()
    near = minibert.WordVectors(words, np.array([[1.0, 0, 0.1], [1, 0.1, 0], [0, 1, 0.1], [0.1, 1, 0]]))
    assert analogies_solved(near, [words[:2], words[2:]]) == (2, 2)
    assert analogies_solved(near, [words[:2], words[2:]], allow_given=True) == (0, 2)


def test_every_two_pairs_ask_in_both_directions():
    pairs = [(f"{word}0", f"{word}1") for word in "abcd"]
    corners = np.array(list(itertools.product((1.0, -1.0), repeat=3)))
    vectors = minibert.WordVectors([word for pair in pairs for word in pair], corners)
    right, asked = analogies_solved(vectors, pairs, allow_given=True)
    assert asked == 12 and right <= asked
