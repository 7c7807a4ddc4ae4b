"""Word vectors: the questions they answer, and what they refuse."""

import numpy as np
import pytest

from minibert.word_vectors.vectors import WordVectors


def test_similarity(royal):
    assert royal.similarity("man", "woman") == pytest.approx(0, abs=1e-7)
    assert royal.similarity("king", "queen") == pytest.approx(24 / 26)
    assert isinstance(royal.similarity("king", "queen"), float)


def test_most_similar_is_ordered_and_leaves_out_the_word(royal):
    answer = royal.most_similar("king", topn=3)
    assert [word for word, _ in answer] == ["queen", "man", "woman"]
    assert [cosine for _, cosine in answer] == pytest.approx([24 / 26, 6 / 52**0.5, 4 / 52**0.5])
    assert len(royal.most_similar("king")) == 5


def test_analogy(royal):
    assert royal.analogy("man", "king", "woman")[0][0] == "queen"
    assert royal.analogy("woman", "queen", "man")[0][0] == "king"
    given = {"man", "king", "woman"}
    assert not given & {word for word, _ in royal.analogy("man", "king", "woman", topn=9)}
    by_sums = royal.most_similar(["king", "woman"], ["man"], topn=3)
    assert royal.analogy("man", "king", "woman", topn=3) == by_sums


def test_vectors_can_be_given_for_words(royal):
    by_vector = royal.most_similar(royal["king"], topn=1)
    assert by_vector[0][0] == "king" and by_vector[0][1] == pytest.approx(1)


def test_lookup(royal):
    assert royal["queen"].tolist() == [5, -1, 0] and royal["queen"].dtype == np.float32
    assert royal[["man", "pear"]].shape == (2, 3)
    assert "king" in royal and "emperor" not in royal and len(royal) == 6


def test_zero_vector_is_like_nothing():
    vectors = WordVectors(["a", "b", "c"], [[0, 0], [1, 0], [1, 1]])
    assert vectors.similarity("a", "b") == 0
    assert vectors.most_similar("b") == [("c", pytest.approx(0.5**0.5)), ("a", 0)]


@pytest.mark.parametrize(("word", "near"), [
    ("kings", "king"), ("King", "king"), ("quean", "queen"), ("aple", "apple")])
def test_unknown_word_names_the_nearest_spelling(royal, word, near):
    with pytest.raises(KeyError) as error:
        royal.most_similar(word)
    assert str(error.value) == f"{word!r} is not among the 6 words; did you mean {near!r}?"


def test_unknown_word_like_nothing(royal):
    with pytest.raises(KeyError, match="no word is spelled like it"):
        royal.similarity("king", "xylophone")


@pytest.mark.parametrize(("arguments", "message"), [
    (([],), "needs a word"), (("king", (), 0), "topn is 0"), ((np.ones(2),), r"shape \(2,\)")])
def test_most_similar_says_what_is_wrong(royal, arguments, message):
    with pytest.raises(ValueError, match=message):
        royal.most_similar(*arguments)


@pytest.mark.parametrize(("words", "vectors", "message"), [
    ([], np.zeros((0, 2)), "no words"), (["a", "a"], np.ones((2, 2)), "duplicate word 'a'"),
    (["a"], np.ones((2, 2)), r"need vectors of shape \(1, D\)"), (["a"], np.ones(1), "need vectors")])
def test_words_and_vectors_must_fit(words, vectors, message):
    with pytest.raises(ValueError, match=message):
        WordVectors(words, vectors)
