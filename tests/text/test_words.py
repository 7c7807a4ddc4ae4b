"""Words: what counts as one, and how a corpus becomes lists of them."""

import pytest

from minibert.text import Corpus
from minibert.text.words import split_words, words_of


@pytest.mark.parametrize("text, words", [
    ("The cat, the Dog; and (so) on.", ["the", "cat", "the", "dog", "and", "so", "on"]),
    ("Don't use 'quotes' or students' marks.", ["don't", "use", "quotes", "or", "students", "marks"]),
    ("Don’t ‘quote’ it’s", ["don't", "quote", "it's"]),
    ("os.path.join default_factory __init__ x2", ["os", "path", "join", "default_factory", "__init__", "x2"]),
    ("state-of-the-art 3.14", ["state", "of", "the", "art", "3", "14"]),
    ("Ça va, Ünal? ΛΌΓΟΣ", ["ça", "va", "ünal", "λόγος"]),
    ("cafe\u0301", ["café"]),
    ("语言model模型", ["语", "言", "model", "模", "型"]),
    ("𠀀𠀁", ["𠀀", "𠀁"]),
    ("İSTANBUL Iğdır", ["istanbul", "iğdır"]),
    ("e\u0323\u0300k", ["ẹ̀k"]),                          # one mark joins its letter, one follows
    ("a\u200cb\u200c c\u200d d\u200be", ["a\u200cb", "c", "d", "e"]),  # U+200B is a space
    ("hy\u00adphen \ufeffa \u200fב\u200f w\u2060ord", ["hyphen", "a", "ב", "word"]),  # invisible
    ("র\u200d\u09cdয", ["র\u200d\u09cdয"]),                # a joiner between a letter and a mark
    ("葛\U000e0100城", ["葛\U000e0100", "城"]),             # a variant of an ideograph
    ("❤\ufe0f \u0301 x", ["x"]),                            # marks without a letter
    ("צה\"ל ג׳ירפה \"שלום\"", ["צה\"ל", "ג׳ירפה", "שלום"]),
    ("... -- ?! ''", []),
    ("a\ud800b", ["a", "b"]),
    ("", []),
])
def test_split_words(text, words):
    assert split_words(text) == words


def test_words_of_a_corpus():
    corpus = Corpus("test", [["One is here.", "...", "Two!"], ["?"], ["Three is."]])
    assert words_of(corpus) == [["one", "is", "here"], ["two"], ["three", "is"]]
    assert words_of(corpus, whole_documents=True) == [["one", "is", "here", "two"], ["three", "is"]]
