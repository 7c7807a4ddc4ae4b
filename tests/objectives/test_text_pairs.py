"""Pretraining on texts of all kinds: options of the vocabulary, and warnings where little is learned."""

import io
import random

import pytest

from minibert import cli
from minibert.objectives.masked_lm import MaskedLM, MaskedLMRecipe
from minibert.text.tokenizer import WordPieceTokenizer


def made_up(words, num_documents=12, sentences=6, length=8, end="."):
    """Return a text of sentences of random words."""
    generator = random.Random(0)
    documents = [[" ".join(generator.choices(words, k=length)) + end for _ in range(sentences)]
                 for _ in range(num_documents)]
    return "\n\n".join("\n".join(document) for document in documents)


@pytest.fixture
def pretrain(tmp_path):
    """A function that makes a MaskedLM of a text and returns it with what it said."""

    def make(text, checkpoint=None, **changes):
        path = tmp_path / "text.txt"
        path.write_text(text, encoding="utf-8")
        said = []
        settings = {"corpus": [path], "vocab_size": 300, "seq_length": 24, **changes}
        return MaskedLM(MaskedLMRecipe(**settings), checkpoint, said.append), said

    return make


WORDS = ["Haus", "haus", "Bär", "bar", "für", "fur", "grün", "Tür", "ist", "da"]


@pytest.mark.parametrize("changes, tokens", [
    ({}, ["bär", "haus", "für"]),
    ({"cased": True}, ["Bär", "Haus", "für"]),
    ({"strip_accents": True}, ["bar", "haus", "fur"]),
    ({"cased": True, "strip_accents": True}, ["Bar", "Haus", "fur"]),
])
def test_case_and_accents_are_kept_or_dropped_as_asked(pretrain, tmp_path, changes, tokens):
    trained, said = pretrain(made_up(WORDS), **changes)
    assert trained.tokenizer.tokenize("Bär Haus für") == tokens
    trained.save(tmp_path)
    assert WordPieceTokenizer.from_pretrained(tmp_path).tokenize("Bär Haus für") == tokens
    assert not any("warning" in line for line in said)


HAN = [chr(0x4E00 + index) for index in range(1200)]


def test_the_alphabet_is_large_enough_for_chinese_or_as_asked(pretrain):
    text = made_up(HAN, num_documents=40, sentences=12, length=24, end="。").replace(" ", "")
    trained, said = pretrain(text, vocab_size=2000)
    assert trained.tokenizer.vocab_size > 1190 and not any("warning" in line for line in said)
    trained, said = pretrain(text, vocab_size=2000, alphabet=900)
    assert trained.tokenizer.vocab_size == 905
    assert any("of the word pieces are [UNK]" in line and "larger --alphabet" in line for line in said)


def test_a_vocabulary_of_another_language_is_noticed(pretrain, tmp_path):
    WordPieceTokenizer.train(["ab ba abba"] * 5, 30).save_pretrained(tmp_path)
    _, said = pretrain(made_up(["вода", "земля", "небо"]), checkpoint=tmp_path)
    [warning] = [line for line in said if line.startswith("warning")]
    assert f"the vocabulary of {tmp_path} was learned from another text" in warning


def test_whole_words_that_are_too_long_to_be_masked_are_noticed(pretrain):
    words = ["".join(random.Random(seed).choices("abcdefghijklmnopqr", k=9)) for seed in range(200)]
    _, said = pretrain(made_up(words), vocab_size=45, seq_length=12, whole_word=True)
    [warning] = [line for line in said if line.startswith("warning")]
    assert "whole-word masking can choose 0% of the pieces of words: an example of 12 tokens" in warning
    for changes in ({"whole_word": False}, {"seq_length": 64}, {"vocab_size": 2000}):
        settings = {"vocab_size": 45, "seq_length": 12, "whole_word": True, **changes}
        _, said = pretrain(made_up(words), **settings)
        assert not any("warning" in line for line in said)


def test_lines_are_sentences_if_asked(pretrain):
    """BERT's own input format, without full stops."""
    text = made_up(WORDS, end="")
    trained, said = pretrain(text)
    assert "line ends read as ends of sentences" in said[0]
    assert pretrain(text, lines=True)[0].fingerprint == trained.fingerprint
    with pytest.raises(ValueError, match="too small for sentence pairs"):
        pretrain(text, lines=False)


@pytest.mark.parametrize("changes", [
    {"cased": True}, {"strip_accents": True}, {"alphabet": 50}, {"lines": True},
])
def test_the_toy_language_refuses_what_it_would_ignore(changes):
    with pytest.raises(ValueError, match="leave out --cased, --strip-accents, --alphabet and --lines"):
        MaskedLM(MaskedLMRecipe.of(corpus=["toy"], **changes), say=str)


@pytest.mark.parametrize("make", [MaskedLMRecipe, MaskedLMRecipe.of])
def test_a_recipe_refuses_one_path_in_place_of_a_list(make):
    with pytest.raises(ValueError, match="corpus must be a list of names or paths, got '/data/t.txt'"):
        make(corpus="/data/t.txt")


def test_all_commands_read_standard_input(tmp_path, monkeypatch, capsys):
    """Pretraining needs pairs; one line is enough for word vectors."""
    monkeypatch.setattr("minibert.plots.save", lambda *arguments: None)
    small = "--steps 1 --batch-size 2 --seq-length 12 --vocab-size 60 --threads 1".split()
    vectors = ["--output", str(tmp_path / "v.txt"), "--vector-size", "4", "--epochs", "1"]
    one_line = " ".join(WORDS * 20)
    for text, arguments in [(made_up(WORDS), ["pretrain", "--output", str(tmp_path / "run"), *small]),
                            (one_line, ["word2vec", *vectors]), (one_line, ["glove", *vectors])]:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8"))
        assert cli.main([*arguments, "--corpus", "-"]) == 0, capsys.readouterr().err
        assert "standard input" in capsys.readouterr().out
