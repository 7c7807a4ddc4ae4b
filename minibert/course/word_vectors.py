"""How lessons 01 and 02 judge word vectors."""

import itertools

import numpy as np


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
