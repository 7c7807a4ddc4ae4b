"""The toy language plants word families with two crossed factors; Word2Vec solves every analogy that they make."""

import itertools

import pytest

from minibert.text import toy
from minibert.text.corpora import load_corpus
from minibert.text.toy import grammar
from minibert.text.words import words_of
from minibert.word_vectors.word2vec import Word2Vec

LEMMAS = [line.split() for topic in toy.LEMMAS for line in topic]
PERSONS = {(sex, rank, age): grammar.PERSONS[sex][rank][age] for sex, rank, age in itertools.product((0, 1), repeat=3)}
FAMILIES = {
    "gender": [(PERSONS[0, rank, age], PERSONS[1, rank, age]) for rank, age in itertools.product((0, 1), repeat=2)],
    "royalty": [(PERSONS[sex, 1, age], PERSONS[sex, 0, age]) for sex, age in itertools.product((0, 1), repeat=2)],
    "number of nouns": [(lemma[0], lemma[1]) for lemma in LEMMAS],
    "number of verbs": [(lemma[2], lemma[3]) for lemma in LEMMAS],
    "tense": [(lemma[2], lemma[4]) for lemma in LEMMAS],
    "capitals": list(zip(grammar.CAPITALS.split(), grammar.COUNTRIES.split())),
}


@pytest.fixture(scope="module")
def vectors():
    return Word2Vec(words_of(load_corpus(["toy"])), vector_size=50, window=6, sample=1e-2, epochs=10)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_planted_analogy_is_solved(vectors, family):
    for (first, second), (third, fourth) in itertools.permutations(FAMILIES[family], 2):
        assert vectors.analogy(first, second, third)[0][0] == fourth, (first, second, third)
