"""The tiny language with all its texts, and documents of the toy language."""

import pytest
from tiny_language import TINY, pair_probs

from minibert.text import toy


@pytest.fixture(scope="session")
def tiny():
    """(language, tokenizer, {(ids of A, ids of B, label): probability})."""
    language = toy.Language(TINY)
    tokenizer = language.tokenizer()

    def ids(words):
        return tuple(tokenizer.vocab[word] for word in words)

    probs = {(ids(a), ids(b), label): p for (a, b, label), p in pair_probs(TINY).items()}
    return language, tokenizer, probs


@pytest.fixture(scope="session")
def documents():
    """300 documents of the toy language."""
    return toy.TOY.documents(300, seed=0)
