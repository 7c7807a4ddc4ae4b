"""The guide to the toy language says what is so: its table of phenomena, and its numbers."""

import pathlib
import re

import pytest

import minibert
import minibert.cli
from minibert.text import toy
from minibert.text.toy.sentences import Sentences

GUIDE = pathlib.Path(minibert.__file__).parents[1] / "notebooks" / "guides" / "toy.md"
TEXT = GUIDE.read_text(encoding="utf-8")


def test_the_table_has_an_example_of_every_phenomenon():
    """In the likeliest plan of each example, the phenomenon decides the words in bold."""
    table = re.search(r"\| phenomenon .*?\n\n", TEXT, re.DOTALL)[0].splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table if line]
    assert sorted(name for name, _, _ in rows) == sorted(toy.TOY.phenomena)
    sentences = Sentences(toy.TOY)
    for name, _, example in rows:
        marked = example.lower().strip(".?").split()
        words = [word.strip("*") for word in marked]
        ids = [toy.TOY.words.index(word) for word in words]
        probs = sentences.of_plans.copy()
        for place, word in enumerate(ids):
            probs *= toy.TOY.word_probs[toy.TOY.rows[:, place], word]
        plan = probs.argmax()
        assert probs[plan] > 0, example
        for word, tag in zip(marked, toy.TOY.tags[plan]):
            if word.startswith("**"):
                assert toy.TOY.phenomena[tag] == name, (example, word)
        assert "**" in example


def test_its_size_is_that_of_the_language(documents):
    size = f"{len(toy.TOY.words)} words, seven in a sentence, twelve sentences in a document"
    assert size in " ".join(TEXT.split())
    assert {len(sentence.words) for document in documents for sentence in document} == {7}


@pytest.mark.exhaustive
def test_the_tasks_are_those_that_the_command_prints(capsys):
    assert minibert.cli.main(["toy", "--tasks"]) == 0
    assert capsys.readouterr().out in TEXT
