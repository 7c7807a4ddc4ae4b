"""Word vectors: the questions they answer, and what they refuse."""

import copy
import pickle

import numpy as np
import pytest

from minibert.word_vectors import vectors as vectors_module
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


def test_two_edits_are_found_among_the_first_words():
    vectors = WordVectors(["banana", "cherry"], np.eye(2))
    with pytest.raises(KeyError, match="did you mean 'banana'"):
        vectors["bannanna"]


def test_an_unknown_word_costs_no_search_until_its_message_is_read(royal, monkeypatch):
    monkeypatch.setattr(vectors_module, "nearest_spelling", lambda word, index: 1 / 0)
    with pytest.raises(KeyError) as error:
        royal["kin"]
    assert isinstance(error.value, vectors_module.UnknownWordError)


def test_the_hint_does_not_look_at_every_word(monkeypatch):
    """It tries the edits of the word, and compares letter by letter with the first thousand only."""
    seen = []
    real = vectors_module.difflib.get_close_matches
    monkeypatch.setattr(vectors_module.difflib, "get_close_matches",
                        lambda word, words, **options: seen.append(words) or real(word, words, **options))
    index = {f"w{number}": number for number in range(20_000)}
    assert vectors_module.nearest_spelling("w1234x", index) == "w1234"
    assert vectors_module.nearest_spelling("xyxyz", index) is None
    assert len(seen) == 1 and len(seen[0]) <= vectors_module.SPELLED


@pytest.mark.parametrize("number", [1, 2, 3, 5, 8, 9])
def test_the_largest_values_in_order(number):
    values = np.float32([3, 1, 3, 2, 3, -1, 2, 0])
    expected = np.argsort(-values, kind="stable")[:number]
    assert vectors_module.largest(values, number).tolist() == expected.tolist()


def test_cosines_block_by_block(monkeypatch):
    monkeypatch.setattr(vectors_module, "BLOCK_ROWS", 3)
    table = np.random.default_rng(0).standard_normal((10, 4)).astype(np.float32)
    vectors = WordVectors(list("abcdefghij"), table)
    units = table / np.linalg.norm(table, axis=1, keepdims=True)
    np.testing.assert_allclose(vectors.most_similar("c", topn=None), units @ units[2], rtol=1e-5)


def test_most_similar_makes_no_second_table(peak_of):
    vectors = WordVectors(list(map(str, range(20_000))), np.ones((20_000, 50)))
    assert peak_of(vectors.most_similar, "7") < vectors.vectors.nbytes / 2


# --- what gensim's users write ---


def test_wv_is_the_vectors(royal):
    assert royal.wv is royal


def test_no_topn_gives_all_cosines(royal):
    cosines = royal.most_similar("king", topn=None)
    expected = [royal.similarity("king", word) for word in royal.words]
    np.testing.assert_allclose(cosines, expected, atol=1e-6)


def test_weights(royal):
    direction = royal["king"] / 26**0.5 - 0.5 * royal["man"] / 2**0.5
    by_hand = royal.most_similar(direction, topn=6)
    by_weights = royal.most_similar([("king", 1.0)], [("man", -0.5)], topn=4)
    assert by_weights == [pytest.approx(pair) for pair in by_hand if pair[0] not in ("king", "man")]
    one, other = royal.most_similar([("king", 2), "man"]), royal.most_similar([("king", 1), ("man", 0.5)])
    assert [word for word, _ in one] == [word for word, _ in other]
    assert [cosine for _, cosine in one] == pytest.approx([cosine for _, cosine in other])


def test_restrict_vocab(royal):
    assert [word for word, _ in royal.most_similar("king", restrict_vocab=3)] == ["queen", "man"]
    assert len(royal.most_similar("pear", topn=None, restrict_vocab=3)) == 3


def test_doesnt_match(royal):
    assert royal.doesnt_match(["king", "queen", "apple"]) == "apple"
    with pytest.warns(UserWarning, match="words without a vector are left out: 'tree'"):
        assert royal.doesnt_match(["apple", "pear", "tree", "man"]) == "man"
    for words in ("king queen", [], ["tree"]):
        with pytest.raises(ValueError, match="list of words|words that have a vector"):
            royal.doesnt_match(words)


def test_other_names_of_gensims_say_ours(royal):
    with pytest.raises(AttributeError, match="no attribute 'index_to_key': here it is words"):
        royal.index_to_key
    with pytest.raises(AttributeError, match="no attribute 'build_vocab': here it is done when Word2Vec"):
        royal.build_vocab(["king"])
    with pytest.raises(AttributeError, match="no attribute 'nothing'$"):
        royal.nothing
    assert copy.deepcopy(royal).words == pickle.loads(pickle.dumps(royal)).words == royal.words


@pytest.mark.parametrize(("ask", "message"), [
    (lambda vectors: vectors.most_similar(None), "positive is None; expected a word, a vector, or a list"),
    (lambda vectors: vectors.most_similar("king", negative=5), "negative is 5; expected a word"),
    (lambda vectors: vectors.most_similar([None]), "expected a word, a vector, or a tuple .* got None"),
    (lambda vectors: vectors.most_similar([("king", None)]), r"its weight, a number, got \('king', None\)"),
    (lambda vectors: vectors.doesnt_match(5), "words is 5; it must be a list of words"),
    (lambda vectors: vectors.most_similar("king", topn="3"), "topn is '3'; it must be a whole number"),
    (lambda vectors: vectors[[["king"]]], r"a word must be a str, got \['king'\]"),
    (lambda vectors: vectors[None], "a word must be a str, got None"),
])
def test_arguments_of_another_type(royal, ask, message):
    with pytest.raises(TypeError, match=message):
        ask(royal)


@pytest.mark.parametrize("given", [[("king", float("nan"))], np.array([1, np.inf, 0])], ids=str)
def test_numbers_that_are_not_finite(royal, given):
    with pytest.raises(ValueError, match="a number that is not finite"):
        royal.most_similar(given)


def test_a_loop_over_vectors_is_one_over_the_words(royal):
    assert list(royal) == royal.words


def test_gensim_answers_the_same(royal):
    gensim = pytest.importorskip("gensim")
    theirs = gensim.models.KeyedVectors(3)
    theirs.add_vectors(royal.words, royal.vectors)
    for arguments in (("king",), ([("king", 1.0), ("woman", 0.5)],), (["king"], [("man", -0.5)])):
        for options in ({"topn": 4}, {"restrict_vocab": 3}):
            ours = royal.most_similar(*arguments, **options)
            expected = theirs.most_similar(*arguments, **options)
            assert [word for word, _ in ours] == [word for word, _ in expected]
            np.testing.assert_allclose([pair[1] for pair in ours], [pair[1] for pair in expected], atol=1e-6)
        np.testing.assert_allclose(royal.most_similar(*arguments, topn=None),
                                   theirs.most_similar(*arguments, topn=None), atol=1e-6)
    assert royal.doesnt_match(["king", "queen", "apple"]) == theirs.doesnt_match(["king", "queen", "apple"])


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
