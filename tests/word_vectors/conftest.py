"""What the tests of word vectors share."""

import tracemalloc

import numpy as np
import pytest

from minibert.word_vectors.vectors import WordVectors


@pytest.fixture
def royal():
    """Words whose analogy is exact: royalty and sex are two axes."""
    words = ["king", "queen", "man", "woman", "apple", "pear"]
    vectors = [[5, 1, 0], [5, -1, 0], [1, 1, 0], [1, -1, 0], [0, 0.5, 3], [0, 0, 3]]
    return WordVectors(words, np.array(vectors))


@pytest.fixture
def peak_of():
    """A function that returns the largest number of bytes that a call has in memory at once."""
    def measure(function, *arguments):
        tracemalloc.start()
        try:
            function(*arguments)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    return measure
