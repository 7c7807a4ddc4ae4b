"""Files of word vectors: every bit comes back, those of other programs are read, broken ones are refused."""

import bz2
import gzip
import lzma
import os
import struct
import threading

import numpy as np
import pytest

from minibert.word_vectors import vectors_files
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
    (b"2 3\na 1 2 3\nb 1 2\n", "line 3: expected a word and 3 numbers, separated by spaces, got 'b 1 2'"),
    (b"2 3\na 1 2 3\nb 1 2 3 4\n", "line 3: expected a word and 3 numbers"),
    (b"a 1 2 3\nb 1 two 3\n", "line 2: could not convert string to float"),
    (b"a 1 2 3\nb 1 2\n", "line 2: expected a word and 3 numbers"),
    (b"2 2\na 1 2\n", "line 1: 2 words are announced, but 1 follow"),
    (b"2 2\na 1 2\nb nan 2\n", "word 2 ('b'): a number is infinite or not a number"),
    (b"", "line 1: expected a word"),
    (b"hello\n", "line 1: expected a word and its numbers"),
    (b"2 2\na " + struct.pack("<2f", 1, 2) + b"b " + struct.pack("<f", 1),
     "word 2 of 2: the file ends within it"),
    (b"1 2\na " + struct.pack("<2f", 1, 2) + b"b " + struct.pack("<f", 1), "the file continues for 6 bytes"),
])
def test_malformed_files(tmp_path, content, message):
    path = tmp_path / "vectors"
    path.write_bytes(content)
    with pytest.raises(ValueError) as error:
        WordVectors.load(path)
    assert str(path) in str(error.value) and message in str(error.value)


TEXT = b"2 3\nking 0.5 1 2\nman 1 2 3\n"
ODD_WORDS = ["k\x01ng", "\x00", "#", "#x", "1", "0.5", "-2e3", "nan", "\x85", "\u2028", "\xa0", "\ufeff",
             "\x1c", "é"]


def load(tmp_path, content, **options):
    (tmp_path / "v").write_bytes(content)
    return WordVectors.load(tmp_path / "v", **options)


@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize("content", [
    b"\xef\xbb\xbf" + TEXT, b"\xef\xbb\xbf" + TEXT[4:], b"\n" + TEXT, b"\n \n" + TEXT[4:],
    b"# two words\n" + TEXT, b"# two words\n#\n" + TEXT[4:], b"# 2 3\n" + TEXT[4:],
    TEXT + b"# the end\n\n", TEXT.replace(b" ", b"\t"), TEXT.replace(b" ", b"  "), b"2\t3" + TEXT[3:],
    gzip.compress(TEXT, mtime=0), bz2.compress(TEXT), lzma.compress(TEXT),
], ids=str)
def test_files_of_others(tmp_path, content):
    loaded = load(tmp_path, content)
    assert loaded.words == ["king", "man"] and loaded.vectors.tolist() == [[0.5, 1, 2], [1, 2, 3]]


@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize("binary", [False, True])
def test_we_can_load_what_we_save_whatever_the_words(tmp_path, binary, size):
    for words in (ODD_WORDS, *([word] for word in ODD_WORDS)):
        vectors = np.arange(len(words) * size).reshape(-1, size) / 10
        WordVectors(words, vectors).save(tmp_path / "v", binary=binary)
        loaded = WordVectors.load(tmp_path / "v")
        assert loaded.words == words and loaded.vectors.tolist() == np.float32(vectors).tolist()


def test_a_name_that_ends_in_gz_is_compressed(random, tmp_path):
    random.save(tmp_path / "v.txt.gz")
    random.save(tmp_path / "v.txt")
    assert gzip.decompress((tmp_path / "v.txt.gz").read_bytes()) == (tmp_path / "v.txt").read_bytes()
    assert WordVectors.load(tmp_path / "v.txt.gz").words == random.words


@pytest.mark.parametrize(("content", "words"), [
    (b"2 3\nnew york 0.1 0.2 0.3\nman 1 2 3\n", ["new york", "man"]),
    (b"new york 0.1 0.2 0.3\nman 1 2 3\nwoman 1 2 3\n", ["new york", "man", "woman"]),
    (b"2 3\nwindows 95 0.1 0.2 0.3\nman 1 2 3\n", ["windows 95", "man"]),
    (b"# 0.1 0.2 0.3\nman 1 2 3\n", ["#", "man"]),
    (b"# 0.1 0.2\n", ["#"]),
    (b"100 5\n200 7\n300 8\n", ["100", "200", "300"]),  # not 100 words in 5 dimensions
    (b"3 1\n100 5\n200 7\n300 8\n", ["100", "200", "300"]),
    ("1 2\nnaïve 1 2\n".encode(), ["naïve"]),
])
def test_the_last_fields_of_a_line_are_the_numbers(tmp_path, content, words):
    assert load(tmp_path, content).words == words


@pytest.mark.parametrize(("content", "message"), [
    (b"king 0.1\nqueen 0.1 0.2 0.3\nman 1 2 3\n", "line 1: expected a word and 3 numbers, separated by"),
    (b"2 3 1\n" + TEXT[4:], "line 1: expected a word and 3 numbers"),
    (b"2 3.0\n" + TEXT[4:], "line 1: expected a word and 3 numbers"),
    (b"word x y z\n" + TEXT[4:], "line 1: could not convert string to float"),
    (b"2 50\n" + TEXT[4:],
     "line 2: line 1 announces 50 numbers for each word, and this is not a word with 50"),
    (b"2 3\nking 0.1 0.2 0.3 0.4\nman 1 2 3\n", "line 2: expected a word and 3 numbers"),
    (b"2 3\n 0.1 0.2 0.3\nman 1 2 3\n", "line 2: the word is empty"),
    (b"2 1\n100 5\n200 7\n300 8\n", "line 1: 2 words are announced, but 3 follow"),
    (b"2 5\na " + struct.pack("<2f", 0.3, 2) + b"b " + struct.pack("<2f", 1, 0.7), "line 1 announces 5"),
    (b"1 2\na " + struct.pack("<2f", np.inf, 2), "word 1 of 1 ('a'): a number is infinite"),
    (b"1 2\n " + struct.pack("<2f", 1, 2), "word 1 of 1: the word is empty"),
    (b"1 2\n\xe9 " + struct.pack("<2f", 1, 2), "word 1 of 1: the word is not UTF-8"),
    (b"99999999999999 300\na " + struct.pack("<300f", *range(300)), "word 2 of 99999999999999: the file"),
    (TEXT.decode().encode("utf-16"), "line 1: begins as UTF-16 does: give encoding='utf-16'"),
    (b"2 3\nk\xe9ng 1 2 3\nman 1 2 3\n", "line 2: the word is not UTF-8"),
    (b"PK\x03\x04", "is a zip file; unpack it first"),
    (b"\x80\x04", "is a pickle, as gensim's own `save` writes"),
    (b"1\n2\n", "line 1: expected a word and its numbers"),
    (TEXT.replace(b"\n", b"\r"), "line 1: a carriage return within a line"),
    (TEXT.replace(b"0.5", b"0_5"), "line 2: _ in a number"),
    (TEXT.replace(b"0.5", b"1e39"), "line 2: word 1 ('king'): a number is infinite"),
    (gzip.compress(TEXT, mtime=0)[:-9], "is a compressed file that is cut short or broken"),
    (gzip.compress(TEXT, mtime=0)[:10] + b"garbage", "is a compressed file that is cut short or broken"),
    (bz2.compress(TEXT)[:-9], "is a compressed file that is cut short or broken"),
    (lzma.compress(TEXT)[:-9], "is a compressed file that is cut short or broken"),
])
def test_a_file_that_cannot_be_told_is_refused_with_its_line(tmp_path, content, message):
    with pytest.raises(ValueError) as error:
        load(tmp_path, content)
    assert message in str(error.value)


def test_text_that_is_said_to_be_binary(tmp_path):
    """Its characters would make numbers such as 1.5e-19."""
    with pytest.raises(ValueError, match="line 2: binary=True, but the lines are text: 'king 0.5 1 2'"):
        load(tmp_path, TEXT, binary=True)


@pytest.mark.parametrize("content", [
    b"2 3\na " + struct.pack(">3f", 0.5, 2, 3) + b"b " + struct.pack(">3f", 1, 2, 4),
    b"1 20\na " + np.linspace(-1, 1, 20).astype(">f4").tobytes()])
def test_numbers_with_the_highest_byte_first_are_said_to_make_no_sense(tmp_path, content):
    with pytest.warns(UserWarning, match="make no sense, such as .*: are they float32, with the lowest byte"):
        load(tmp_path, content)


@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize("scale", [0, 1e-30, 1, 1e30])
def test_vectors_of_any_scale_make_sense(tmp_path, scale):
    vectors = np.float32(scale) * np.linspace(-1, 1, 40, dtype=np.float32).reshape(2, 20)
    WordVectors(["a", "b"], vectors).save(tmp_path / "v", binary=True)
    assert WordVectors.load(tmp_path / "v").vectors.tolist() == vectors.tolist()


def test_one_bad_word_does_not_refuse_a_file_of_millions(tmp_path):
    content = b"5 2\nk\xe9ng 1 2\nb 3 nan\n 5 6\nd 1\nman 1 2\n"
    with pytest.warns(UserWarning, match="4 malformed words were left out, the first at line 2"):
        assert load(tmp_path, content, errors="skip").words == ["man"]
    numbers = [struct.pack("<2f", first, 2) for first in (1, np.nan, 3, 4)]
    words = [b"k\xe9ng", b"b", b"", b"man"]
    content = b"4 2\n" + b"".join(word + b" " + vector for word, vector in zip(words, numbers))
    with pytest.warns(UserWarning, match="3 malformed words were left out, the first at word 1 of 4"):
        loaded = load(tmp_path, content, errors="skip")
    assert loaded.words == ["man"] and loaded.vectors.tolist() == [[4, 2]]


def test_a_file_that_was_cut_short_can_be_read_as_far_as_it_goes(tmp_path):
    with pytest.warns(UserWarning, match="3 words are announced, but 2 follow"):
        assert load(tmp_path, b"3 2\na 1 2\nb 1 2\n", errors="skip").words == ["a", "b"]


@pytest.mark.parametrize(("options", "word"), [
    ({"errors": "replace"}, "k\ufffdng"), ({"errors": "ignore"}, "kng"), ({"encoding": "latin-1"}, "kéng")])
@pytest.mark.parametrize("vectors", [
    b"%s 1 2\nman 1 2\n", b"2 2\n%s 1 2\nman 1 2\n",
    b"2 2\n%s " + struct.pack("<2f", 1, 2) + b"man " + struct.pack("<2f", 1, 2)])
def test_words_in_other_encodings(tmp_path, vectors, options, word):
    assert load(tmp_path, vectors % b"k\xe9ng", **options).words == [word, "man"]


def test_wide_encodings(tmp_path):
    assert load(tmp_path, "1 2\n\u2028é 1 2\n".encode("utf-16"), encoding="utf-16").words == ["\u2028é"]


@pytest.mark.parametrize("binary", [False, True])
def test_limit(random, tmp_path, binary):
    random.save(tmp_path / "v", binary=binary)
    loaded = WordVectors.load(tmp_path / "v", limit=2)
    assert loaded.words == random.words[:2] and loaded.vectors.tolist() == random.vectors[:2].tolist()
    assert len(WordVectors.load(tmp_path / "v", limit=99)) == 6


@pytest.mark.parametrize(("options", "message"), [
    ({"limit": 0}, "limit is 0; it must be a whole number of words, 1 or more"),
    ({"limit": 1.5}, "limit is 1.5"), ({"encoding": "utf-9"}, "encoding is 'utf-9'; expected the name"),
    ({"errors": "wrong"}, "errors is 'wrong'; expected 'strict', 'skip', 'replace'")])
def test_options_of_reading(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        load(tmp_path, TEXT, **options)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("content", [TEXT, gzip.compress(TEXT, mtime=0)])
def test_a_pipe(tmp_path, content):
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=[content])
    writer.start()
    assert WordVectors.load(tmp_path / "pipe").words == ["king", "man"]
    writer.join()


@pytest.mark.exhaustive
def test_loading_a_binary_file_takes_little_more_than_its_vectors(tmp_path, peak_of):
    words = [f"word{number}" for number in range(20_000)]
    WordVectors(words, np.ones((20_000, 100))).save(tmp_path / "v", binary=True)
    buffers = 2 * vectors_files.SAMPLE_BYTES + vectors_files.CHUNK_BYTES
    assert peak_of(WordVectors.load, tmp_path / "v") < 1.5 * (tmp_path / "v").stat().st_size + buffers


def test_the_table_grows():
    table = vectors_files.Table(2, 1)
    for number in range(9):
        table.add(str(number), [number, 1])
    words, vectors = table.finish()
    assert words == list("012345678") and vectors.tolist() == [[number, 1] for number in range(9)]


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        WordVectors.load(tmp_path / "none")


@pytest.mark.parametrize("word", ["new york", "", "a\nb", "a\tb", "\ud800"])
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
