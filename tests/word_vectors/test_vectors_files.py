"""Files of word vectors: every bit comes back, those of other programs are read, broken ones are refused."""

import struct

import numpy as np
import pytest

from minibert.word_vectors.vectors import WordVectors


@pytest.fixture
def random():
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((6, 7)) * 10.0 ** rng.integers(-30, 30, (6, 7))
    return WordVectors(["naïve", "语言", "a\u2028b", "don't", "-", "100"], vectors)


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
    first, second = struct.pack("<2f", number, 1), struct.pack("<2f", number, number)
    content = b"2 2\n</s> " + first + b"\n" + b"the " + second + b"\n"
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
    with pytest.warns(UserWarning, match="duplicate words 1, for instance 'a'; the first vector"):
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
    (b"2 2\na " + struct.pack("<2f", 1, 2) + b"b " + struct.pack("<f", 1),
     "word 2 of 2: the file ends within it"),
    (b"1 2\na " + struct.pack("<2f", 1, 2) + b"b " + struct.pack("<f", 1), "the file goes on for 6 bytes"),
])
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
