"""Where each piece is in the text: in every language, with accents, control characters and special tokens."""

import pathlib

import pytest
from helpers import sampled

from minibert.text import WordPieceTokenizer
from minibert.text.basic_tokenizer import SPECIAL_TOKENS

LANGUAGES = pathlib.Path(__file__).with_name("languages")
PIECES = ["the", "una", "##ffa", "##ble", "cat", "cafe", "##s", "s", ",", ".", "世", "界", "[", "]", "mask"]


@pytest.fixture(scope="module")
def tokenizer():
    return WordPieceTokenizer([*SPECIAL_TOKENS, *PIECES])


def pieces_in(tokenizer, text):
    ids, offsets = tokenizer.ids_with_offsets(text)
    assert ids == tokenizer.ids(text)
    return [(tokenizer.id_to_token[index], text[first:last]) for index, (first, last) in zip(ids, offsets)]


@pytest.mark.parametrize("text, expected", [
    ("The unaffable cat.",
     [("the", "The"), ("una", "una"), ("##ffa", "ffa"), ("##ble", "ble"), ("cat", "cat"), (".", ".")]),
    ("  CAFÉS,\tcafés", [("cafe", "CAFÉ"), ("##s", "S"), (",", ","), ("cafe", "café"), ("##s", "s")]),
    ("cafe\u0301s", [("cafe", "cafe"), ("##s", "s")]),
    ("the\u00a0c\u200bat\x00", [("the", "the"), ("cat", "c\u200bat")]),
    ("世界dog", [("世", "世"), ("界", "界"), ("[UNK]", "dog")]),
    ("the [MASK], cat", [("the", "the"), ("[MASK]", "[MASK]"), (",", ","), ("cat", "cat")]),
    ("", []),
])
def test_by_hand(tokenizer, text, expected):
    assert pieces_in(tokenizer, text) == expected


@pytest.mark.parametrize("name", sampled(sorted(path.name for path in LANGUAGES.glob("*.txt")), every=4))
def test_pieces_of_other_languages_follow_each_other(name):
    text = (LANGUAGES / name).read_text(encoding="utf-8")
    for options in ({}, {"do_lower_case": False}):
        tokenizer = WordPieceTokenizer.train(text.split("\n"), 900, min_frequency=1, **options)
        ids, offsets = tokenizer.ids_with_offsets(text)
        assert ids == tokenizer.ids(text)
        assert all(first < last for first, last in offsets)
        ends = [offset[0] for offset in offsets]
        assert ends == sorted(ends) and len({*offsets}) > 0.9 * len(offsets)
