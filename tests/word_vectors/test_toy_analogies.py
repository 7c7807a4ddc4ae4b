"""The toy language plants word families with two crossed factors; Word2Vec solves their analogies."""

import itertools

import pytest

from minibert.text import toy
from minibert.text.toy import grammar
from minibert.text.words import words_of
from minibert.word_vectors.word2vec import Word2Vec

LEMMAS = [line.split() for topic in toy.LEMMAS for line in topic]
PERSONS = grammar.PERSONS  # [sex][rank][age]
TWO_FACTORS = list(itertools.product((0, 1), repeat=2))
FAMILIES = {
    "gender": [(PERSONS[0][rank][age], PERSONS[1][rank][age]) for rank, age in TWO_FACTORS],
    "royalty": [(PERSONS[sex][1][age], PERSONS[sex][0][age]) for sex, age in TWO_FACTORS],
    "number of nouns": [(lemma[0], lemma[1]) for lemma in LEMMAS],
    "number of verbs": [(lemma[2], lemma[3]) for lemma in LEMMAS],
    "tense": [(lemma[2], lemma[4]) for lemma in LEMMAS],
    "capitals": list(zip(grammar.CAPITALS.split(), grammar.COUNTRIES.split())),
}


ANALOGIES = [(*first, *second)
             for pairs in FAMILIES.values() for first, second in itertools.permutations(pairs, 2)]


@pytest.fixture(scope="module")
def sentences():
    return words_of(toy.corpus())


def unsolved(vectors, analogies):
    """Return the analogies (a, b, c, d) whose d is not the nearest word to b - a + c."""
    return [words for words in analogies if vectors.analogy(*words[:3])[0][0] != words[3]]


@pytest.mark.exhaustive
def test_a_short_training_solves_most_planted_analogies(sentences):
    vectors = Word2Vec(sentences, vector_size=50, window=6, sample=1e-2, alpha=0.05, epochs=5)
    assert len(ANALOGIES) == 270
    assert len(unsolved(vectors, ANALOGIES)) < 0.05 * len(ANALOGIES)


@pytest.mark.exhaustive
def test_nearly_every_planted_analogy_is_solved(sentences):
    """All but 3 of 270, as in lesson 01."""
    vectors = Word2Vec(sentences, vector_size=50, window=6, sample=1e-2, epochs=10)
    assert len(unsolved(vectors, ANALOGIES)) <= 3
