"""Hierarchical softmax for a batch of N words that is one run, with skip-gram and with CBOW.

All U nodes on the path to any word of the batch are scored for all hidden vectors: one product, in which most
entries count nothing. For a target j, yes[j, node] and no[j, node] say whether its path goes through the
node, and to which child. window[i, j] is the weight of the pair of words i and j.

    scores   = hidden nodesᵀ                            (N, U)
    d_scores = (yes + no) · σ(scores) − yes             (N, U)     yes and no summed over the targets of h_i
    d_nodes  = d_scoresᵀ hidden                         (U, D)
    d_hidden = d_scores nodes                           (N, D)

Skip-gram: h_i is the vector of word i, and its targets are the words in its window: yes becomes window yes.
CBOW: h_i is the mean of the vectors in the window of word i, and its target is word i.
"""

from typing import NamedTuple

import numpy as np

from minibert.word_vectors.word2vec_batches import (
    WindowTables,
    group,
    sigmoid_in_place,
    steps_of,
    sum_groups,
)

RUNS_IN_A_BATCH = 1  # because the matrices of a batch grow with the square of it


class Paths(NamedTuple):
    """The paths from the root to the N words of a batch."""

    nodes: np.ndarray  # (U,) integers: the nodes on any of them
    yes: np.ndarray  # (N, U): 1 where the path to a word goes to the first child of a node
    no: np.ndarray  # (N, U): 1 where it goes to the second


def step_tree(model, table, nodes, word_ids, windows, rate):
    """Go one step down the gradient of a batch, in place.

    Args:
        model: SkipGramTree or CBOWTree.
        table: (V, 2D), of which the input vectors are changed.
        nodes: (V - 1, D), the output vectors of the tree's nodes.
        word_ids: (N,).  windows: (N,), a code for each word.
        rate: the learning rate.
    """
    size = nodes.shape[1]
    words = group(word_ids)
    vectors = table[words.distinct, :size]                                      # (U, D)
    d_vectors, rows, d_nodes = model.gradients(vectors, nodes, words, windows)
    table[words.distinct, :size] = vectors + steps_of(d_vectors, rate, size, np.flatnonzero(words.counts > 1))
    nodes[rows] += steps_of(d_nodes, rate, size)


class SkipGramTree:
    """Skip-gram with hierarchical softmax: every word is the input, the words in its window are the targets.

    Args:
        tree: a word2vec_text.HuffmanTree.
        sizes: the Sizes of word2vec_batches.
        shrink_windows: see WindowTables.
        dtype: of the weights.
    """

    is_cbow = False

    def __init__(self, tree, sizes, *, shrink_windows=True, dtype=np.float32):
        self.tree, self.sizes = tree, sizes
        self.tables = WindowTables(sizes, False, shrink_windows,
                                   lambda weights, _: weights.astype(dtype))    # (codes, W)

    def gradients(self, vectors, nodes, words, windows):
        """The gradient of the loss, summed over a batch.

        Args:
            vectors: (U, D), the input vectors of the different words; words: the Groups of the batch.
            nodes: (V - 1, D).  windows: (N,), a code for each word.

        Returns:
            d_vectors (U, D), the nodes on the paths (U',), and their gradients (U', D).
        """
        paths = paths_to(self.tree, words.distinct[words.place], nodes.dtype)
        window = band(*self.tables.rows(windows), self.sizes)                   # (N, N)
        yes, no = window @ paths.yes, window @ paths.no                         # (N, U') each
        inputs = vectors[words.place]                                           # (N, D)
        node_vectors = nodes[paths.nodes]                                       # (U', D)
        probs = sigmoid_in_place(inputs @ node_vectors.T)                       # (N, U')
        d_scores = (yes + no) * probs - yes                                     # (N, U')
        d_nodes = d_scores.T @ inputs                                           # (U', D)
        d_inputs = d_scores @ node_vectors                                      # (N, D)
        return sum_groups(d_inputs, words), paths.nodes, d_nodes


class CBOWTree:
    """CBOW with hierarchical softmax: the mean of a word's window is the input, the word is the target.

    Args:
        tree, sizes, shrink_windows, dtype: as in SkipGramTree.
        has_mean, error: as in word2vec_fast.CBOWSegments.
    """

    is_cbow = True

    def __init__(self, tree, sizes, *, shrink_windows=True, has_mean=True, error="paper", dtype=np.float32):
        self.tree, self.sizes, self.has_mean, self.error = tree, sizes, has_mean, error
        self.tables = WindowTables(sizes, True, shrink_windows,  # (codes, W) and (codes,)
                                   lambda weights, total: (weights.astype(dtype), total.astype(dtype)))

    def gradients(self, vectors, nodes, words, windows):
        """The gradient of the loss, summed over a batch; arguments and results as in SkipGramTree."""
        paths = paths_to(self.tree, words.distinct[words.place], nodes.dtype)
        (context_weights, total_weights), rows = self.tables.rows(windows)
        window = band(context_weights, rows, self.sizes)                        # (N, N)
        mean = window / np.maximum(window.sum(axis=1, keepdims=True), 1)        # (N, N)
        forward_weights, other_weights = (mean, window) if self.has_mean else (window, mean)
        backward_weights = other_weights if self.error == "program" else forward_weights
        weights = total_weights[rows][:, np.newaxis]                            # (N, 1)
        yes, no = weights * paths.yes, weights * paths.no                       # (N, U') each
        inputs = vectors[words.place]                                           # (N, D)
        hidden = forward_weights @ inputs                                       # (N, D)
        node_vectors = nodes[paths.nodes]                                       # (U', D)
        probs = sigmoid_in_place(hidden @ node_vectors.T)                       # (N, U')
        d_scores = (yes + no) * probs - yes                                     # (N, U')
        d_nodes = d_scores.T @ hidden                                           # (U', D)
        d_hidden = d_scores @ node_vectors                                      # (N, D)
        d_inputs = backward_weights.T @ d_hidden                                # (N, D)
        return sum_groups(d_inputs, words), paths.nodes, d_nodes


def paths_to(tree, word_ids, dtype):
    """Return the Paths to words (N,)."""
    is_on_path = tree.is_on_path[word_ids]                                      # (N, L)
    nodes, columns = np.unique(tree.nodes[word_ids][is_on_path], return_inverse=True)
    labels = tree.labels[word_ids][is_on_path]
    rows = np.repeat(np.arange(len(word_ids)), is_on_path.sum(axis=1))
    yes, no = np.zeros((2, len(word_ids), len(nodes)), dtype)
    yes[rows, columns], no[rows, columns] = labels, 1 - labels
    return Paths(nodes, yes, no)


def band(context_weights, rows, sizes):
    """Return the windows of N words as a matrix (N, N): the weight of word j for word i.

    Args:
        context_weights: (codes, W), of `window_tables`.
        rows: (N,), the row of each word in it.
        sizes: the Sizes.
    """
    window, segment = sizes.window, sizes.segment
    num_words, num_columns = len(rows), context_weights.shape[1]
    padded = np.zeros((num_words, num_words + 2 * window), context_weights.dtype)
    first = np.arange(num_words) // segment * segment  # the first column in reach of the segment
    columns = first[:, np.newaxis] + np.arange(num_columns)
    padded[np.arange(num_words)[:, np.newaxis], columns] = context_weights[rows]
    return padded[:, window:window + num_words]
