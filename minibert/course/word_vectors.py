"""What lessons 01 and 02 share: analogies, correlations, and the tables of GloVe."""

import itertools

import numpy as np

from minibert.layers import Embedding, Layer


def analogies_solved(vectors, pairs, allow_given=False):
    """Return how many of all analogies between two of some pairs are right, and how many there are.

    Args:
        vectors: WordVectors.  pairs: list of (word, word) with one relation.
        allow_given: the three given words may be the answer.

    Example:
        >>> points = np.array([[1.0, 0.1], [1.0, 2.0], [2.0, 0.1], [2.0, 2.0], [-1.0, 5.0]])
        >>> from minibert import WordVectors
        >>> vectors = WordVectors("man woman king queen bee".split(), points)
        >>> analogies_solved(vectors, [("man", "woman"), ("king", "queen")])
        (2, 2)
    """
    right, tasks = 0, list(itertools.permutations(pairs, 2))
    for (first, second), (third, fourth) in tasks:
        if allow_given:
            one, two, three = (
                vectors[word] / np.linalg.norm(vectors[word]) for word in (first, second, third)
            )
            answers = vectors.most_similar(two - one + three, topn=1)
        else:
            answers = vectors.analogy(first, second, third)
        right += answers[0][0] == fourth
    return right, len(tasks)


def log_correlations(counts, *scores):
    """Return the correlation of each table of scores with log counts, over the cells that are not empty.

    Args:
        counts: (V, V).  *scores: (V, V) each.

    Example:
        >>> [round(r, 6) for r in log_correlations(np.array([[1, 0], [2, 4]]), np.array([[1, 9], [3, 5]]))]
        [1.0]
    """
    there = counts > 0
    return [float(np.corrcoef(score[there], np.log(counts[there]))[0, 1]) for score in scores]


class FourTables(Layer):
    """The parameters of GloVe: a vector and a bias of each word, as a word and as context.

    Args:
        vocab_size, vector_size: V, D.
        rng: draws the vectors, with the spread 0.5 / √D; the biases are 0.
        x_max: the count from which on a cell has weight 1; kept for a forward.
        dtype: of the parameters.

    Example:
        >>> tables = FourTables(5, 2, np.random.default_rng(0))
        >>> [parameter.value.shape for parameter in tables.parameters().values()]
        [(5, 2), (5, 2), (5, 1), (5, 1)]
    """

    def __init__(self, vocab_size, vector_size, rng, x_max=10.0, dtype=np.float32):
        spread = 0.5 / np.sqrt(vector_size)
        self.word = Embedding(vocab_size, vector_size, rng=rng, initializer_range=spread, dtype=dtype)
        self.context = Embedding(vocab_size, vector_size, rng=rng, initializer_range=spread, dtype=dtype)
        self.word_bias = Embedding(vocab_size, 1, rng=rng, initializer_range=0.0, dtype=dtype)
        self.context_bias = Embedding(vocab_size, 1, rng=rng, initializer_range=0.0, dtype=dtype)
        self.x_max = x_max
