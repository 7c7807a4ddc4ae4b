"""WordPieceTokenizer against stored ids of transformers' BertTokenizer. Needs no transformers."""

import json
import pathlib
import unicodedata

import pytest
from make_tokenizer_reference import (
    CASED,
    OTHER_OPTIONS,
    STEM,
    UNCASED,
    code_points,
    vocabulary_of,
    words_with_mark,
)

from minibert.text.basic_tokenizer import BasicTokenizer
from minibert.text.tokenizer import WordPieceTokenizer

HERE = pathlib.Path(__file__).parent
# Code points that may differ, and why. There are none: see LATER_THAN_8 in basic_tokenizer.py.
EXCEPTIONS = {}


@pytest.fixture(scope="module")
def stored():
    return json.loads((HERE / "texts.json").read_text(encoding="ascii"))


@pytest.fixture(scope="module")
def vocab(stored):
    return vocabulary_of(stored)


def stored_results():
    """Return {code point: (its uncased result, its cased result)}, as `code_point_lines` writes them."""
    results = {}
    for line in (HERE / "code_points.txt").read_text(encoding="ascii").splitlines():
        numbers, *both = line.split(" ")
        first, _, last = numbers.partition("-")
        results.update(dict.fromkeys(range(int(first, 16), int(last or first, 16) + 1), both))
    return results


def words_of(number, result):
    """The words that "a" + character + "b" becomes."""
    character = chr(number)
    if result[0] in "+-" and len(result) > 1:
        result = f"{number + int(result):X}"
    symbols = {
        "=": character,
        "-": "",
        "_": " ",
        "|": f" {character} ",
        "%": unicodedata.normalize("NFD", character),
    }
    middle = (
        symbols[result] if result in symbols else "".join(chr(int(part, 16)) for part in result.split("."))
    )
    return f"a{middle}b".split(" ")


@pytest.mark.parametrize("column, options", [
    pytest.param(0, UNCASED, id="uncased"),
    pytest.param(1, CASED, id="cased", marks=pytest.mark.exhaustive),
])
@pytest.mark.parametrize("end, at_least", [
    pytest.param(0x10000, 55_000, id="basic plane"),
    pytest.param(0x110000, 280_000, id="all planes", marks=pytest.mark.exhaustive),
])
def test_every_code_point(end, at_least, column, options):
    results = stored_results()
    tokenizer = BasicTokenizer(**options)
    numbers = [number for number in code_points() if number < end]
    assert len(numbers) > at_least

    def expected_words(number):
        return words_of(number, results[number][column]) if number in results else [f"a{chr(number)}b"]

    wrong = {}
    for start in range(0, len(numbers), 1000):  # a thousand in one text; one by one only if they differ
        group = [number for number in numbers[start : start + 1000] if number not in EXCEPTIONS]
        expected = [expected_words(number) for number in group]
        text = " ".join(f"a{chr(number)}b" for number in group)
        if tokenizer.words(text) != [word for words in expected for word in words]:
            for number, expected_of_one in zip(group, expected):
                words = tokenizer.words(f"a{chr(number)}b")
                if words != expected_of_one:
                    wrong[f"U+{number:04X}"] = (words, expected_of_one)
            assert wrong, f"U+{group[0]:04X} to U+{group[-1]:04X}: one text has other words than its parts"
    assert not wrong, f"{len(wrong)} code points differ, such as {dict(list(wrong.items())[:5])}"


def test_marks_are_sorted_as_in_unicode_9(stored):
    """One character says nothing about the order of two: NFD sorts by the classes of Unicode 9.0, too."""
    moving = {int(number, 16) for number in stored["moving_marks"][0]}
    words = BasicTokenizer().words
    wrong = []
    for number in (number for number in code_points() if unicodedata.category(chr(number))[0] == "M"):
        first, second = words_with_mark(words, number)
        if first != [f"a{STEM}b"] and (first == second) != (number in moving):
            wrong.append(f"U+{number:04X}")
    assert not wrong


@pytest.mark.parametrize("name", ["generated", "languages"])
@pytest.mark.parametrize("column, options", list(enumerate([UNCASED, CASED])), ids=["uncased", "cased"])
def test_texts(stored, vocab, name, column, options):
    tokenizer = WordPieceTokenizer(vocab, **options)
    for text, *both in stored[name]:
        assert tokenizer.ids(text) == both[column], f"{text!r}: {tokenizer.tokenize(text)}"


@pytest.mark.parametrize("column, options", list(enumerate(OTHER_OPTIONS)))
def test_texts_under_other_options(stored, vocab, column, options):
    tokenizer = WordPieceTokenizer(vocab, **options)
    for text, *ids in stored["options"]:
        assert tokenizer.ids(text) == ids[column], f"{text!r}: {tokenizer.tokenize(text)}"


def test_pairs_are_truncated_longest_first(stored, vocab):
    tokenizer = WordPieceTokenizer(vocab)
    for text, pair, max_length, input_ids, token_type_ids in stored["pairs"]:
        encoding = tokenizer.encode(text, pair, max_length=max_length)
        assert encoding.input_ids.tolist() == input_ids
        assert encoding.token_type_ids.tolist() == token_type_ids


def test_what_transformers_saved_is_read(stored):
    tokenizer = WordPieceTokenizer.from_pretrained(HERE / "saved")
    assert not tokenizer.do_lower_case and tokenizer.strip_accents and not tokenizer.tokenize_chinese_chars
    assert tokenizer.extra_special_tokens == ["[E1]"] and tokenizer.id_to_token[-1] == "[E1]"
    for text, ids in stored["saved"]:
        assert tokenizer.ids(text) == ids, f"{text!r}: {tokenizer.tokenize(text)}"
