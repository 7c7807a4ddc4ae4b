"""The gradients of Word2Vec, both models and both output layers, against the complex step."""

import numpy as np
import pytest

import minibert as mb
from minibert.word_vectors.word2vec_plain import Context, HierarchicalSoftmax, NegativeSampling, PlainWord2Vec
from minibert.word_vectors.word2vec_text import huffman_tree

V, D = 7, 3
TREE = huffman_tree(np.array([40, 21, 13, 8, 5, 3, 2]))
NEGATIVES = np.array([1, 4, 4, 2, 6])  # 4 is drawn twice, and 2 is a target below
WINDOW = np.array([3, 0, 5, 3])  # 3 occurs twice


def table(rows=V, seed=0):
    return np.random.default_rng(seed).standard_normal((rows, D))


def plain(output):
    return PlainWord2Vec(table(), output)


SAMPLED, TREED = NegativeSampling(table(seed=1)), HierarchicalSoftmax(table(V - 1, seed=2), TREE)
CASES = {
    "Context": (Context(table()), [WINDOW]),
    "NegativeSampling": (SAMPLED, [table()[0], 2, NEGATIVES]),
    "NegativeSampling without noise": (SAMPLED, [table()[0], 2, NEGATIVES[:0]]),
    "NegativeSampling large scores": (SAMPLED, [30 * table()[0], 2, NEGATIVES]),
    "HierarchicalSoftmax short path": (TREED, [table()[0], 0]),
    "HierarchicalSoftmax long path": (TREED, [table()[0], 6]),
    "skip-gram, negative sampling": (plain(SAMPLED), [WINDOW[:1], 2, NEGATIVES]),
    "skip-gram, target is input": (plain(SAMPLED), [np.array([2]), 2, NEGATIVES]),
    "CBOW, negative sampling": (plain(SAMPLED), [WINDOW, 2, NEGATIVES]),
    "skip-gram, hierarchical softmax": (plain(TREED), [WINDOW[:1], 5]),
    "CBOW, hierarchical softmax": (plain(TREED), [WINDOW, 5]),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("method", "tolerance"), [("complex", 1e-12), ("central", 1e-6)])
def test_gradients(case, method, tolerance):
    layer, inputs = CASES[case]
    report = mb.check_gradients(layer, *inputs, method=method)
    assert report.ok and report.max_error <= tolerance, report
    assert {row.name for row in report.rows} >= set(layer.parameters())


def test_loss_is_the_formula():
    """The loss of five noise words, written out with logarithms."""
    hidden = table()[3]
    loss, _ = SAMPLED.forward(hidden, 2, NEGATIVES)
    vectors = SAMPLED.choices.vectors.value
    sigma = 1 / (1 + np.exp(-vectors @ hidden))
    assert loss == pytest.approx(-np.log(sigma[2]) - np.log(1 - sigma[NEGATIVES]).sum(), rel=1e-12)


def test_tree_probabilities_sum_to_one():
    probs = [np.exp(-TREED.forward(table()[3], word)[0]) for word in range(V)]
    assert sum(probs) == pytest.approx(1, abs=1e-12)
