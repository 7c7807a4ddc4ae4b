"""Basic tokenization: a text becomes words and punctuation marks, normalised."""

import unicodedata

import pytest

from minibert.text.basic_tokenizer import BasicTokenizer


@pytest.mark.parametrize("text, words", [
    ("Héllo WÖRLD Ångström", ["hello", "world", "angstrom"]),
    ("it's $5+3.", ["it", "'", "s", "$", "5", "+", "3", "."]),
    ("«a»—b…", ["«", "a", "»", "—", "b", "…"]),
    ("中文and日本のテスト", ["中", "文", "and", "日", "本", "のテスト"]),
    ("한국", [unicodedata.normalize("NFD", "한국")]),
    ("a\tb\nc\rd\u00a0e\u2028f\u3000g", list("abcdefg")),
    ("a\x00b\x0bc\x0cd\x1ce\x1ff\x85g\u200bh\ufeffi\ufffdj\ue000k", ["abcdefghijk"]),
    ("ΣΑΣ İI", ["σασ", "ii"]),
    ("a\u037eb", ["a", ";", "b"]),      # the Greek question mark decomposes to a semicolon
    ("e\u0301\u0301x 👍🏽", ["ex", "👍🏽"]),
    ("[MASK] [mask][SEP]", ["[MASK]", "[", "mask", "]", "[SEP]"]),
    ("", []),
    (" \n ", []),
])
def test_basic_tokenization_lower_cased(text, words):
    assert BasicTokenizer().words(text) == words


def test_basic_tokenization_cased_keeps_case_and_accents():
    assert BasicTokenizer(do_lower_case=False).words("Héllo, WÖRLD!") == ["Héllo", ",", "WÖRLD", "!"]


def test_accents_and_cjk_are_options_of_their_own():
    assert BasicTokenizer(do_lower_case=True, strip_accents=False).words("ÉTÉ") == ["été"]
    assert BasicTokenizer(do_lower_case=False, strip_accents=True).words("ÉTÉ") == ["ETE"]
    assert BasicTokenizer(tokenize_chinese_chars=False).words("中文") == ["中文"]
