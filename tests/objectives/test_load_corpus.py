"""The corpora that a command may name: the toy language, python-docs, paths, and several of these."""

import pytest

from minibert.objectives.corpora import PYTHON_DOCS, TOY, load_corpus
from minibert.text import CorpusError, check_pairs, corpora, toy


@pytest.fixture
def small_corpora(monkeypatch, tmp_path):
    """python-docs and toy are a document each, and there is a file of one document."""
    toy_text = corpora.Corpus("toy", [["A toy.", "It is small."]])
    documentation = [["A list is a sequence.", "It has a length."]]
    monkeypatch.setattr(corpora, "read_documentation", lambda: documentation)
    monkeypatch.setattr(toy, "corpus", lambda: toy_text)
    path = tmp_path / "text.txt"
    path.write_text("One is here. Two is there.", encoding="utf-8")
    return path


def test_names_and_paths_are_joined_in_their_order(small_corpora):
    corpus = load_corpus([TOY, str(small_corpora), PYTHON_DOCS])
    assert corpus.name == f"toy, {small_corpora}, python-docs"
    first_sentences = [document[0] for document in corpus.documents]
    assert first_sentences == ["A toy.", "One is here.", "A list is a sequence."]


def test_the_whole_must_be_large_enough_for_pairs(small_corpora):
    assert len(check_pairs(load_corpus(["toy", "python-docs"])).documents) == 2
    with pytest.raises(CorpusError, match="corpus toy is too small for sentence pairs: documents 1, "):
        check_pairs(load_corpus("toy"))


def test_lines_are_those_of_files(small_corpora):
    corpus = load_corpus([TOY, small_corpora], lines=True)
    assert corpus.documents == [["A toy.", "It is small."], ["One is here. Two is there."]]


def test_a_path_that_does_not_exist(tmp_path):
    missing = tmp_path / "missing.txt"
    with pytest.raises(CorpusError) as error:
        load_corpus([missing])
    assert str(error.value) == (
        f"corpus {missing} does not exist; give python-docs, toy, a text file, or a folder of text files"
    )
