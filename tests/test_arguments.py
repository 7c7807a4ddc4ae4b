"""The types of numbers on the command line, and the options that many commands have."""

import argparse

import pytest

from minibert.arguments import add_corpus, add_lines, add_seed, not_negative, positive
from minibert.text.corpora import PYTHON_DOCS


@pytest.mark.parametrize("convert, text, number", [
    (positive(int), "3", 3), (positive(float), "2.5", 2.5), (positive(float), "1e-3", 1e-3),
    (not_negative(int), "0", 0), (not_negative(float), "0", 0.0), (not_negative(int), "7", 7),
])
def test_numbers(convert, text, number):
    assert convert(text) == number and type(convert(text)) is type(number)


@pytest.mark.parametrize("convert, texts, expected", [
    (positive(int), ["0", "-2", "1.5", "x", "", "nan"], "a whole number above 0"),
    (positive(float), ["0", "-2.5", "inf", "nan", "two"], "a number above 0"),
    (not_negative(int), ["-1", "0.5", "x"], "a whole number of 0 or more"),
    (not_negative(float), ["-0.1", "inf", "nan", "x"], "a number of 0 or more"),
])
def test_wrong_numbers(convert, texts, expected):
    for text in texts:
        with pytest.raises(argparse.ArgumentTypeError) as error:
            convert(text)
        assert str(error.value) == f"expected {expected}, got {text!r}"


def test_corpus_and_seed():
    command = argparse.ArgumentParser()
    add_corpus(command)
    add_seed(command)
    assert vars(command.parse_args([])) == {"corpus": [PYTHON_DOCS], "seed": 0}
    given = command.parse_args(["--corpus", "toy", "a.txt", "--seed", "3"])
    assert vars(given) == {"corpus": ["toy", "a.txt"], "seed": 3}


def test_no_corpus_and_no_seed_unless_they_are_given():
    command = argparse.ArgumentParser()
    add_corpus(command, default=None)
    add_seed(command, default=None)
    assert vars(command.parse_args([])) == {"corpus": None, "seed": None}


@pytest.mark.parametrize("given, lines", [([], None), (["--lines"], True), (["--no-lines"], False)])
def test_lines_are_chosen_by_the_text_unless_told(given, lines):
    command = argparse.ArgumentParser()
    add_lines(command)
    assert command.parse_args(given).lines is lines
