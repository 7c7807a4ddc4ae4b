"""A page each of Russian, Hindi, Chinese, Arabic, Korean and Vietnamese, written for this test.

Both commands run on it, and sentences, words and vocabulary are those of the language.
"""

import pathlib
import unicodedata

import pytest
from helpers import sampled

from minibert import cli
from minibert.text import load_corpus
from minibert.text.tokenizer import WordPieceTokenizer
from minibert.text.words import words_of
from minibert.word_vectors.vectors import WordVectors

PAGES = pathlib.Path(__file__).parent / "languages"
# The number of sentences, three frequent words, and one that needs its marks.
EXPECTED = {
    "russian": (37, ["и", "миша", "бабушка"], "лёд"),
    "hindi": (38, ["में", "और", "मोहन"], "नदी"),
    "chinese": (40, ["里", "河", "爷"], "看"),
    "arabic": (39, ["إلى", "في", "الماء"], "الجدة"),
    "korean": (40, ["민수는", "보았다", "할아버지는"], "마당에"),
    "vietnamese": (37, ["và", "sông", "nước"], "bờ"),
}
LANGUAGES = pytest.mark.parametrize("language", EXPECTED)


@LANGUAGES
def test_sentences_and_words(language):
    num_sentences, frequent, marked = EXPECTED[language]
    corpus = load_corpus(PAGES / f"{language}.txt")
    assert len(corpus.documents) == 6 and len(corpus.sentences) == num_sentences
    assert all(unicodedata.category(sentence[-1])[0] == "P" for sentence in corpus.sentences)
    words = [word for sentence in words_of(corpus) for word in sentence]
    assert all(words.count(word) >= 4 for word in frequent) and marked in words


@LANGUAGES
def test_word_vectors(language, tmp_path, capsys):
    path = tmp_path / "vectors.txt"
    options = ["--vector-size", "8", "--min-count", "2", "--epochs", "2"]
    for command in ("word2vec", "glove"):
        arguments = [command, "--corpus", str(PAGES / f"{language}.txt"), "--output", str(path), *options]
        assert cli.main(arguments) == 0, capsys.readouterr().err
        assert {*EXPECTED[language][1], EXPECTED[language][2]} <= {*WordVectors.load(path).words}


@pytest.mark.parametrize("language", sampled(EXPECTED, every=3))
def test_pretraining(language, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("minibert.plots.save", lambda *arguments: None)
    options = "--steps 2 --batch-size 4 --seq-length 24 --vocab-size 400 --threads 1".split()
    output = tmp_path / "run"
    arguments = ["pretrain", "--corpus", str(PAGES / f"{language}.txt"), "--output", str(output), *options]
    assert cli.main(arguments) == 0, capsys.readouterr().err
    tokenizer = WordPieceTokenizer.from_pretrained(output)
    marked = EXPECTED[language][2]
    pieces = tokenizer.tokenize(marked.upper())
    assert "".join(piece.removeprefix("##") for piece in pieces) == marked  # the marks are kept
    assert tokenizer.decode(tokenizer.encode(EXPECTED[language][1][0]).input_ids) == EXPECTED[language][1][0]
