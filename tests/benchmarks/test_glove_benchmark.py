"""The benchmark of GloVe."""

import json

import pytest

from minibert import cli
from minibert.benchmarks import glove


@pytest.fixture
def printed_by(capsys):
    """A function that runs `minibert bench glove`; returns what it printed."""

    def run(*arguments):
        assert cli.main(["bench", "glove", *map(str, arguments)]) == 0
        return capsys.readouterr().out

    return run


def test_tiles_and_plain_loop(corpus, printed_by):
    arguments = ["--corpus", corpus, "--vector-size", 5, "--epochs", 2, "--plain-words", 100]
    found = json.loads(printed_by(*arguments, "--json"))
    assert found["whole"]["entries"] > 0 and len(found["whole"]["epochs"]) == 2
    assert found["whole"]["microseconds"] > 0 and found["plain"]["plain_microseconds"] > 0
    assert found["plain"]["words"] == 100
    assert 0 < found["plain"]["objective"] and 0 < found["plain"]["plain_objective"]
    assert "plain loop" in printed_by(*arguments)


def test_without_the_plain_loop(corpus, printed_by):
    printed = printed_by("--corpus", corpus, "--vector-size", 5, "--epochs", 1, "--plain-words", 0)
    assert "µs per entry" in printed and "plain loop" not in printed


def test_the_first_words():
    documents = [["a", "b"], ["c"], ["d", "e"], ["f"]]
    assert glove.first_words(documents, 4) == [["a", "b"], ["c"], ["d"]]
    assert glove.first_words(documents, 0) == []
