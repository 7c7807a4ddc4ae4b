"""What the tests of examples share: a small corpus, its tokenizer, and both together."""

import numpy as np
import pytest

from minibert.text import Corpus, WordPieceTokenizer
from minibert.text.examples import TokenizedCorpus


@pytest.fixture(scope="module")
def text():
    """A tokenizer and a corpus: 60 documents of 1 to 12 sentences, random words of one to three pieces."""
    rng = np.random.default_rng(0)
    syllables = ["ba", "ce", "di", "fo", "gu", "la", "me", "ni"]
    words = ["".join(rng.choice(syllables, size=rng.integers(1, 4))) for _ in range(300)]
    documents = [[" ".join(rng.choice(words, size=rng.integers(3, 12))) + "." for _ in range(1 + number % 12)]
                 for number in range(60)]
    corpus = Corpus("random words", documents)
    return WordPieceTokenizer.train(corpus.sentences, vocab_size=120), corpus


@pytest.fixture(scope="module")
def tokenized(text):
    tokenizer, corpus = text
    return TokenizedCorpus(corpus, tokenizer)
