"""Analogies with and without the rule that forbids the given words; correlations; the tables of GloVe."""

import doctest
import itertools

import numpy as np

import minibert
from minibert.course import word_vectors
from minibert.course.word_vectors import FourTables, analogies_solved, log_correlations


def test_the_examples_of_the_docstrings():
    results = doctest.testmod(word_vectors)
    assert results.failed == 0 and results.attempted > 5


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


def test_an_empty_cell_does_not_count():
    counts = np.array([[0.0, 1.0], [10.0, 100.0]])
    scores = np.array([[1e9, 1.0], [2.0, 3.0]]), np.array([[-1e9, 3.0], [2.0, 1.0]])
    np.testing.assert_allclose(log_correlations(counts, *scores), [1, -1])


def test_the_tables_are_drawn_and_the_biases_are_zero():
    tables = FourTables(200, 4, np.random.default_rng(0), dtype=np.float64)
    names = ["word.weight", "context.weight", "word_bias.weight", "context_bias.weight"]
    assert list(tables.parameters()) == names
    word, context, *biases = (parameter.value for parameter in tables.parameters().values())
    assert not np.array_equal(word, context)
    assert 0.2 < word.std() < 0.3 and 0.2 < context.std() < 0.3
    assert not any(bias.any() for bias in biases)
