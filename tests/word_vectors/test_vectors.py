"""Word vectors: questions, files and evaluation."""

import struct

import numpy as np
import pytest

from minibert.word_vectors import evaluation
from minibert.word_vectors.vectors import WordVectors


@pytest.fixture
def royal():
    """Words whose analogy is exact: royalty and sex are two axes."""
    words = ["king", "queen", "man", "woman", "apple", "pear"]
    vectors = [[5, 1, 0], [5, -1, 0], [1, 1, 0], [1, -1, 0], [0, 0.5, 3], [0, 0, 3]]
    return WordVectors(words, np.array(vectors))


@pytest.fixture
def random():
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((6, 7)) * 10.0 ** rng.integers(-30, 30, (6, 7))
    return WordVectors(["naïve", "语言", "a\u2028b", "don't", "-", "100"], vectors)


# --- questions ---


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
    assert royal.analogy("man", "king", "woman", topn=3) == royal.most_similar(["king", "woman"], ["man"], topn=3)


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


@pytest.mark.parametrize(("word", "near"), [("kings", "king"), ("King", "king"), ("quean", "queen"), ("aple", "apple")])
def test_unknown_word_names_the_nearest_spelling(royal, word, near):
    with pytest.raises(KeyError) as error:
        royal.most_similar(word)
    assert str(error.value) == f"{word!r} is not among the 6 words; did you mean {near!r}?"


def test_unknown_word_like_nothing(royal):
    with pytest.raises(KeyError, match="no word is spelled like it"):
        royal.similarity("king", "xylophone")


@pytest.mark.parametrize(("arguments", "message"), [
    (([],), "needs a word"), (("king", (), 0), "topn is 0"), ((np.ones(2),), r"shape \(2,\)")])  # fmt: skip
def test_most_similar_says_what_is_wrong(royal, arguments, message):
    with pytest.raises(ValueError, match=message):
        royal.most_similar(*arguments)


@pytest.mark.parametrize(("words", "vectors", "message"), [
    ([], np.zeros((0, 2)), "no words"), (["a", "a"], np.ones((2, 2)), "'a' stands twice"),
    (["a"], np.ones((2, 2)), r"need vectors of shape \(1, D\)"), (["a"], np.ones(1), "need vectors")])  # fmt: skip
def test_words_and_vectors_must_fit(words, vectors, message):
    with pytest.raises(ValueError, match=message):
        WordVectors(words, vectors)


# --- files ---


@pytest.mark.parametrize("binary", [False, True])
def test_files_give_back_every_bit(random, tmp_path, binary):
    random.save(tmp_path / "vectors", binary=binary)
    for loaded in (WordVectors.load(tmp_path / "vectors"), WordVectors.load(tmp_path / "vectors", binary)):
        assert loaded.words == random.words
        assert loaded.vectors.tobytes() == random.vectors.tobytes()


def test_text_is_the_word2vec_format(tmp_path):
    WordVectors(["a", "b"], [[1, -0.5], [0.1, 2e-7]]).save(tmp_path / "v.txt")
    assert (tmp_path / "v.txt").read_bytes() == b"2 2\na 1 -0.5\nb 0.100000001 2.00000002e-07\n"


def test_binary_is_the_word2vec_format(tmp_path):
    WordVectors(["a", "é"], [[1, -0.5], [0.1, 2]]).save(tmp_path / "v.bin", binary=True)
    expected = b"2 2\na " + struct.pack("<2f", 1, -0.5) + "é ".encode() + struct.pack("<2f", 0.1, 2)
    assert (tmp_path / "v.bin").read_bytes() == expected


def test_binary_of_the_c_program_is_read(tmp_path):
    """It ends every vector with a line feed; ten is a line feed's code, and a byte of these numbers."""
    number = struct.unpack("<f", b"\n\n\n\n")[0]
    content = b"2 2\n</s> " + struct.pack("<2f", number, 1) + b"\n" + b"the " + struct.pack("<2f", number, number) + b"\n"
    (tmp_path / "v.bin").write_bytes(content)
    loaded = WordVectors.load(tmp_path / "v.bin")
    assert loaded.words == ["</s>", "the"]
    assert loaded.vectors.tolist() == [[number, 1], [number, number]]


def test_glove_has_no_header_and_words_with_spaces(tmp_path):
    (tmp_path / "glove.txt").write_text("the 0.5 -1 2\n. . . 1 2 3\nof 1e-3 4 5\n", encoding="utf-8")
    loaded = WordVectors.load(tmp_path / "glove.txt")
    assert loaded.words == ["the", ". . .", "of"]
    np.testing.assert_array_equal(loaded.vectors, np.float32([[0.5, -1, 2], [1, 2, 3], [1e-3, 4, 5]]))


def test_text_of_others_is_read(tmp_path):
    """Windows line ends, spaces at the end of a line (the C program), a blank last line."""
    (tmp_path / "v.txt").write_bytes(b"2 2\r\na 1 2 \r\nb 3 4 \r\n\r\n")
    loaded = WordVectors.load(tmp_path / "v.txt")
    assert loaded.words == ["a", "b"] and loaded.vectors.tolist() == [[1, 2], [3, 4]]


def test_first_of_two_equal_words_is_kept(tmp_path):
    (tmp_path / "v.txt").write_text("3 1\na 1\nb 2\na 3\n", encoding="utf-8")
    with pytest.warns(UserWarning, match="'a' is one"):
        loaded = WordVectors.load(tmp_path / "v.txt")
    assert loaded.words == ["a", "b"] and loaded.vectors.tolist() == [[1], [2]]


@pytest.mark.parametrize(("content", "message"), [
    (b"2 3\na 1 2 3\nb 1 2\n", "line 3: expected a word and 3 numbers, with one space between, got 'b 1 2'"),
    (b"2 3\na 1 2 3\nb 1 2 3 4\n", "line 3: expected a word and 3 numbers"),
    (b"a 1 2 3\nb 1 two 3\n", "line 2: could not convert string to float"),
    (b"a 1 2 3\nb 1 2\n", "line 2: expected a word and 3 numbers"),
    (b"2 2\na 1 2\n", "line 1: 2 words are announced, but 1 follow"),
    (b"2 2\na 1 2\nb nan 2\n", "word 2 ('b'): a number is infinite or not a number"),
    (b"", "line 1: expected a word"),
    (b"hello\n", "line 1: expected a word and its numbers"),
    (b"2 2\na " + struct.pack("<2f", 1, 2) + b"b " + struct.pack("<f", 1), "word 2 of 2: the file ends within it"),
    (b"1 2\na " + struct.pack("<2f", 1, 2) + b"b " + struct.pack("<f", 1), "the file goes on for 6 bytes"),
])  # fmt: skip
def test_malformed_files(tmp_path, content, message):
    path = tmp_path / "vectors"
    path.write_bytes(content)
    with pytest.raises(ValueError) as error:
        WordVectors.load(path)
    assert str(path) in str(error.value) and message in str(error.value)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        WordVectors.load(tmp_path / "none")


@pytest.mark.parametrize("word", ["new york", "", "a\nb"])
def test_words_that_a_file_cannot_hold(tmp_path, word):
    with pytest.raises(ValueError, match="a space ends the word"):
        WordVectors([word], [[1.0]]).save(tmp_path / "v")
    assert not (tmp_path / "v").exists()


@pytest.mark.parametrize("binary", [False, True])
def test_gensim_opens_ours_and_we_open_gensims(random, tmp_path, binary):
    gensim = pytest.importorskip("gensim")
    random.save(tmp_path / "ours", binary=binary)
    theirs = gensim.models.KeyedVectors.load_word2vec_format(tmp_path / "ours", binary=binary)
    assert theirs.index_to_key == random.words and theirs.vectors.tobytes() == random.vectors.tobytes()
    theirs.save_word2vec_format(tmp_path / "theirs", binary=binary)
    loaded = WordVectors.load(tmp_path / "theirs")
    assert loaded.words == random.words and loaded.vectors.tobytes() == random.vectors.tobytes()


# --- evaluation ---


def test_ranks_share_the_mean_of_ties():
    assert evaluation.ranks(np.array([3, 1, 3, 2, 3])).tolist() == [4, 1, 4, 2, 4]


def test_spearman():
    """The value with ties was computed by scipy.stats.spearmanr (1.17.1)."""
    assert evaluation.spearman([1, 2, 3], [10, 100, 1000]) == pytest.approx(1)
    assert evaluation.spearman([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
    assert evaluation.spearman([1, 2, 2, 4, 5], [2, 1, 3, 3, 9]) == pytest.approx(0.7631578947368421)
    assert np.isnan(evaluation.spearman([1], [1])) and np.isnan(evaluation.spearman([1, 1], [1, 2]))


@pytest.mark.parametrize("lines", [
    "# a comment\nWord 1,Word 2,Human (mean)\nking,queen,9\nMan,woman,7\napple,king,1\napple,tree,5\n",
    "king\tqueen\t9\nMan\twoman\t7\napple\tking\t1\napple\ttree\t5\n",
    "king queen 9\nMan woman 7\napple king 1\napple tree 5\n",
    "word1\tword2\tPOS\tSimLex999\nking\tqueen\tN\t9\nMan\twoman\tN\t7\napple\tking\tN\t1\napple\ttree\tN\t5\n",
])  # fmt: skip
def test_similarity_files(royal, tmp_path, lines):
    (tmp_path / "pairs").write_text(lines, encoding="utf-8")
    result = royal.evaluate_similarity(tmp_path / "pairs")
    cosines = [24 / 26, 0, royal.similarity("apple", "king")]
    assert result.spearman == pytest.approx(evaluation.spearman(cosines, [9, 7, 1]))
    assert (result.num_pairs, result.num_missing, result.missing_words) == (3, 1, ["tree"])


def test_analogy_files(royal, tmp_path):
    text = ": royal\nman king woman queen\nMan King Woman Queen\nking man queen apple\n"
    text += ": fruit\nking man apple pear\na b c d\n"
    (tmp_path / "questions").write_text(text, encoding="utf-8")
    results = royal.evaluate_analogies(tmp_path / "questions")
    assert [result.name for result in results] == ["royal", "fruit", "total"]
    assert tuple(results[0])[1:] == (2, 3, 0) and results[0].accuracy == pytest.approx(2 / 3)
    assert tuple(results[1])[2:] == (1, 1)
    assert tuple(results[2])[2:] == (4, 1) and results[2].num_correct == results[0].num_correct + results[1].num_correct


@pytest.mark.parametrize(("method", "text", "message"), [
    ("evaluate_similarity", "a b 1\na b\n", "line 2: expected two words and a rating, got 'a b'"),
    ("evaluate_similarity", "", "holds no pairs"),
    ("evaluate_analogies", ": s\na b c d\na b c\n", "line 3: expected four words"),
    ("evaluate_analogies", ": s\n", "holds no questions"),
])  # fmt: skip
def test_malformed_questions(royal, tmp_path, method, text, message):
    (tmp_path / "file").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        getattr(royal, method)(tmp_path / "file")
