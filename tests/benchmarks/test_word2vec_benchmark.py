"""The benchmark of Word2Vec, with a stand-in for gensim: rounds in turn, medians, the held-out loss."""

import json

import numpy as np
import pytest

from minibert import cli
from minibert.benchmarks import word2vec
from minibert.word_vectors.vectors import WordVectors


@pytest.fixture
def trained(monkeypatch):
    """The trainings that were done, as (by, sg, seed): none of them takes any time."""
    done = []

    def trainer(name, speed):
        def train(sentences, sg, epochs, seed):
            done.append((name, sg, seed))
            vectors = WordVectors(["the", "dog"], np.zeros((2, 3), np.float32), [3, 2])
            return word2vec.Trained(vectors, np.zeros((2, 3), np.float32), speed * seed)

        return train

    monkeypatch.setattr(word2vec, "train_minibert", trainer("minibert", 30))
    monkeypatch.setattr(word2vec, "train_gensim", trainer("gensim", 10))
    monkeypatch.setattr(word2vec, "is_installed", lambda *packages: True)
    return done


def test_all_take_turns(corpus, capsys, trained):
    assert cli.main(["bench", "word2vec", "--corpus", str(corpus), "--rounds", "2", "--json"]) == 0
    results = json.loads(capsys.readouterr().out)["results"]
    first = [("minibert", 1, 1), ("gensim", 1, 1), ("minibert", 0, 1), ("gensim", 0, 1)]
    assert trained == first + [(name, sg, 2) for name, sg, _ in first]
    assert [(row["by"], int(row["model"] == "skip-gram"), row["seed"]) for row in results] == trained
    untrained = (1 + word2vec.NEGATIVE) * np.log(2)  # every score is 0: σ = 1/2
    assert [row["held_out_loss"] for row in results] == pytest.approx([untrained] * 8)


def test_the_table(corpus, capsys, trained):
    arguments = ["bench", "word2vec", "--corpus", str(corpus), "--rounds", "3", "--model", "cbow"]
    assert cli.main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split() for line in lines[-3:]]
    assert rows[0][:3] == ["cbow", "minibert", "60"] and rows[1][:3] == ["cbow", "gensim", "20"]
    assert rows[2] == ["ratio", "3.00"] and "median of 3 rounds" in lines[1]


def test_without_gensim(corpus, capsys, trained, monkeypatch):
    monkeypatch.setattr(word2vec, "is_installed", lambda *packages: False)
    assert cli.main(["bench", "word2vec", "--corpus", str(corpus), "--rounds", "1"]) == 0
    assert "gensim is not installed" in capsys.readouterr().out
    assert {name for name, _, _ in trained} == {"minibert"}


def test_our_training():
    sentences = [["the", "dog", "sees", "the", "cat"]] * 20
    trained = word2vec.train_minibert(sentences, sg=1, epochs=1, seed=1)
    assert trained.output.shape == trained.vectors.vectors.shape == (4, 100)
    assert trained.words_per_second > 0
