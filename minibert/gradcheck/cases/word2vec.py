"""Word2Vec as it is in the papers: both models, both output layers."""

import numpy as np

from minibert.gradcheck.cases.common import Case, random
from minibert.word_vectors.word2vec_plain import (
    BinaryChoices,
    Context,
    HierarchicalSoftmax,
    NegativeSampling,
    PlainWord2Vec,
)
from minibert.word_vectors.word2vec_text import huffman_tree

D = 3
NOISE = np.array([1, 4, 4, 2, 6])  # 4 is drawn twice, and 2 is a target below
WINDOW = np.array([3, 0, 5, 3])  # 3 occurs twice
ANSWERS = np.array([1.0, 0.0, 0.0, 1.0])


def context():
    return Context(random(8, D))


def negative_sampling():
    return NegativeSampling(random(7, D))


def hierarchical_softmax():
    return HierarchicalSoftmax(random(6, D), huffman_tree(np.array([40, 21, 13, 8, 5, 3, 2])))


def word2vec(output):
    return PlainWord2Vec(random(8, D), output)


CASES = {
    "Context": lambda: Case(context(), [WINDOW]),
    "BinaryChoices": lambda: Case(BinaryChoices(random(7, D)), [random(D), WINDOW], {"labels": ANSWERS}),
    "NegativeSampling": lambda: Case(negative_sampling(), [random(D), 2, NOISE]),
    "NegativeSampling without noise": lambda: Case(negative_sampling(), [random(D), 2, NOISE[:0]]),
    "HierarchicalSoftmax short path": lambda: Case(hierarchical_softmax(), [random(D), 0]),
    "HierarchicalSoftmax long path": lambda: Case(hierarchical_softmax(), [random(D), 6]),
    "PlainWord2Vec skip-gram": lambda: Case(word2vec(negative_sampling()), [WINDOW[:1], 2, NOISE]),
    "PlainWord2Vec CBOW": lambda: Case(word2vec(negative_sampling()), [WINDOW, 2, NOISE]),
    "PlainWord2Vec CBOW, tree": lambda: Case(word2vec(hierarchical_softmax()), [WINDOW, 5]),
}
