"""Corpora: reading files, fingerprints, and held-out text."""

import bz2
import gzip
import io
import lzma
import os
import threading

import pytest

from minibert.text import Corpus, CorpusError, check_pairs, load_corpus, read_files, split_held_out

TWO_DOCUMENTS = "One is here. Two is there.\nAnd three\nfollows!\n\n\nAnother document? Yes.\n"


# --- files ---

def test_read_a_file(tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes(b"\xef\xbb\xbf" + TWO_DOCUMENTS.replace("\n", "\r\n").encode("utf-8"))
    corpus = read_files([path])
    assert corpus.documents == [["One is here.", "Two is there.", "And three follows!"],
                                ["Another document?", "Yes."]]
    assert corpus.sentences[-1] == "Yes." and corpus.num_words == 12


def test_an_ideograph_is_a_word():
    assert Corpus("x", [["天气很暖和。", "The 天 气."], ["One two."]]).num_words == 6 + 4 + 2


def test_read_a_folder_in_order_without_hidden_files(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / ".git").mkdir()
    files = {"c.md": "Last one. It is.", "a.txt": "First one. It is.", "b/x.rst": "Second one.",
             ".hidden": "Not this.", ".git/config": "Nor this.", "empty.txt": ""}
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    first_sentences = [document[0] for document in read_files([tmp_path]).documents]
    assert first_sentences == ["First one.", "Second one.", "Last one."]


def test_load_corpus_joins_files_that_are_too_small_alone(tmp_path):
    for name in "ab":
        (tmp_path / name).write_text(f"This is {name}. It has two sentences.", encoding="utf-8")
    corpus = load_corpus([str(tmp_path / "a"), str(tmp_path / "b")])
    assert len(corpus.documents) == 2
    alone = load_corpus([str(tmp_path / "a")])
    assert alone.documents == [["This is a.", "It has two sentences."]]
    with pytest.raises(CorpusError, match="too small for sentence pairs: documents 1, "):
        check_pairs(alone)


@pytest.mark.parametrize("content, message", [
    (b"", "is empty; give a text"),
    (b" \n\n \n", "is empty; give a text"),
    (b"PNG\0\0\1", "text.txt is binary, .* NUL bytes; give text files saved as UTF-8"),
    ("Text. Text.".encode("utf-16-le"), "is binary, or in UTF-16"),
    ("Text. Text.".encode("utf-32"), "is binary, or in UTF-16 or UTF-32"),
    (gzip.compress(b"Text.", mtime=0)[:-9], "text.txt is a compressed file that is cut short or broken"),
    (bz2.compress(b"Text. Text.")[:-9], "text.txt is a compressed file that is cut short or broken"),
    (lzma.compress(b"Text. Text.")[:-9], "text.txt is a compressed file that is cut short or broken"),
    ("Grüße. ".encode("latin-1"), r"text.txt is not UTF-8: byte 0xfc at offset 2; save it again"),
    (b"One document. Two sentences.", "documents 1, sentences in the longest 2; give two documents"),
    (b"Two documents.\n\nNo two sentences.", "documents 2, sentences in the longest 1; give two documents"),
])
def test_errors_of_files(tmp_path, content, message):
    (tmp_path / "text.txt").write_bytes(content)
    for path in [tmp_path, tmp_path / "text.txt"]:
        with pytest.raises(CorpusError, match=message):
            check_pairs(load_corpus([path]))


@pytest.mark.parametrize("written", [
    gzip.compress, bz2.compress, lzma.compress, lambda content: content.decode().encode("utf-16"),
    lambda content: content.replace(b"\n", b"\r\n"), lambda content: content.replace(b"\n", b"\r"),
    lambda content: b"\xef\xbb\xbf" + content,
])
def test_a_text_is_the_same_however_it_is_stored(tmp_path, written):
    (tmp_path / "text").write_bytes(written("BZhou is né. It is.\n\n\n\nThree. Four.\n".encode()))
    assert load_corpus(tmp_path).documents == [["BZhou is né.", "It is."], ["Three.", "Four."]]


def test_errors_of_paths(tmp_path):
    with pytest.raises(CorpusError, match="the name of a corpus is empty"):
        read_files("")
    with pytest.raises(CorpusError, match="missing.txt does not exist; give python-docs, a text file"):
        read_files([tmp_path / "missing.txt"])
    with pytest.raises(CorpusError, match="holds no files"):
        read_files([tmp_path])
    assert issubclass(CorpusError, ValueError)


@pytest.mark.parametrize("read", [read_files, load_corpus])
def test_one_path_is_a_list_of_one(tmp_path, read):
    """A string must never be read letter by letter: "/" is the whole file system, and "." this folder."""
    path = tmp_path / "t.txt"
    path.write_text(TWO_DOCUMENTS, encoding="utf-8")
    assert read(str(path)).documents == read(path).documents == read([path]).documents
    with pytest.raises(CorpusError, match="corpus no/such.txt does not exist"):
        read("no/such.txt")


@pytest.mark.parametrize("documents", ["A text.", ["A text.", "Another."]])
def test_a_corpus_refuses_strings_in_place_of_lists(documents):
    with pytest.raises(ValueError, match="takes a list of documents, each a list of sentences; got a string"):
        Corpus("letters", documents)


# --- standard input and pipes ---

def test_standard_input(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(TWO_DOCUMENTS.encode()), encoding="utf-8"))
    corpus = load_corpus(["-"])
    assert corpus.name == "standard input" and len(corpus.documents) == 2
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff"), encoding="utf-8"))
    with pytest.raises(CorpusError, match="corpus standard input is not UTF-8: byte 0xff at offset 0"):
        read_files("-")
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(CorpusError, match="is standard input, but it is closed"):
        read_files("-")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=[TWO_DOCUMENTS])
    writer.start()
    assert len(read_files([pipe]).documents) == 2
    writer.join()


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="needs devices")
def test_a_device_that_never_ends_is_refused():
    with pytest.raises(CorpusError, match="corpus /dev/zero is a device; give a text file"):
        read_files(["/dev/zero"])
    with pytest.raises(CorpusError, match="is empty"):
        read_files([os.devnull])


# --- fingerprints ---

def test_the_fingerprint_is_that_of_the_text():
    documents = [["One.", "Two."], ["Three."]]
    assert Corpus("x", documents).fingerprint == Corpus("y", documents).fingerprint == "01acecb9c98d"
    others = [[["One.", "Two.", "Three."]], [["One."], ["Two.", "Three."]], [["One.", "Two."], ["Three"]]]
    assert len({Corpus("x", other).fingerprint for other in [documents, *others]}) == 4
    assert Corpus("x", [["a lone surrogate: \ud800"]]).fingerprint


# --- held-out text ---

def _documents(number):
    return [[f"Sentence {index} of document {document}." for index in range(4)] for document in range(number)]


def test_held_out_documents_share_no_sentence_with_training():
    documents = _documents(100)
    # All documents share two sentences, which differ in spacing and in case.
    for index, document in enumerate(documents):
        cases = zip("heading", format(index, "07b"))
        document.append("See" + " " * index + " here.")
        document.append("".join(letter.upper() if bit == "1" else letter for letter, bit in cases))
    training, held_out = split_held_out(Corpus("text", documents), fraction=0.1, seed=1)
    seen = {" ".join(sentence.casefold().split()) for sentence in training.sentences}
    assert not seen & {" ".join(sentence.casefold().split()) for sentence in held_out.sentences}
    assert len(training.documents) + len(held_out.documents) == 100
    assert 5 <= len(held_out.documents) <= 10 and all(len(document) == 4 for document in held_out.documents)
    assert all(document in documents for document in training.documents)  # whole documents


def test_the_split_depends_on_the_seed_and_not_on_the_order():
    documents = _documents(200)
    corpus, reversed_corpus = Corpus("text", documents), Corpus("text", documents[::-1])
    held_out = split_held_out(corpus)[1].documents
    assert held_out == split_held_out(corpus)[1].documents
    assert sorted(held_out) == sorted(split_held_out(reversed_corpus)[1].documents)
    assert held_out != split_held_out(corpus, seed=1)[1].documents


def test_a_document_that_is_too_long_is_not_held_out():
    documents = [*_documents(40), [f"Long sentence number {index}." for index in range(300)]]
    for seed in range(60):
        training, held_out = split_held_out(Corpus("text", documents), seed=seed)
        assert documents[-1] in training.documents and len(held_out.documents) >= 2


@pytest.mark.parametrize("number", [5, 8, 20])
def test_small_corpora_have_two_held_out_documents(number):
    training, held_out = split_held_out(Corpus("text", _documents(number)))
    assert len(held_out.documents) >= 2 and len(training.documents) >= 2


@pytest.mark.parametrize("documents", [
    _documents(3),
    [["One sentence only."]] * 50 + _documents(1),
    [["The same.", "In all."]] * 50,
])
def test_too_small_to_hold_out(documents):
    with pytest.raises(CorpusError, match="too small to hold out text for evaluation: .* give more text"):
        split_held_out(Corpus("text", documents))
