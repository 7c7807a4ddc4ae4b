"""What is made of the text before training: vocabulary, subsampling, noise, Huffman tree."""

import numpy as np
import pytest

from minibert.word_vectors.word2vec_text import (
    huffman_tree,
    keep_probabilities,
    noise_probabilities,
    read_vocabulary,
)


def test_vocabulary():
    vocabulary = read_vocabulary((line.split() for line in ["b a b", "c", "a b"]), min_count=2)
    assert vocabulary.words == ["b", "a"] and vocabulary.counts.tolist() == [3, 2]
    assert vocabulary.word_ids.tolist() == [0, 1, 0, 1, 0]
    assert vocabulary.sentence_ids.tolist() == [0, 0, 0, 2, 2]
    assert vocabulary.num_words == 6


def test_keep_probabilities():
    counts = np.array([90, 9, 1])
    kept = keep_probabilities(counts, 0.09)
    assert kept.tolist() == pytest.approx([0.1**0.5 + 0.1, 1, 1])
    assert keep_probabilities(counts, 0.09, "paper").tolist() == pytest.approx([0.1**0.5, 1, 1])
    assert keep_probabilities(counts, 0).tolist() == [1, 1, 1]


def test_noise_probabilities():
    assert noise_probabilities(np.array([16, 1])).tolist() == pytest.approx([8 / 9, 1 / 9])


def test_huffman_tree_is_the_shortest():
    counts = np.array([40, 21, 13, 8, 5, 3, 2])
    tree = huffman_tree(counts)
    assert tree.is_on_path.sum(axis=1).tolist() == [1, 2, 3, 4, 5, 6, 6]
    codes = {tuple(labels[on]) for labels, on in zip(tree.labels, tree.is_on_path)}
    assert len(codes) == 7 and tree.nodes.max() == 5
    assert (tree.nodes[:, 0] == 5).all()  # the root is the last node made
