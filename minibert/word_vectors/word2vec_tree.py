"""Hierarchical softmax for a batch of N words, with skip-gram and with CBOW.

A Huffman tree is crowded at the top: its T nodes with the largest counts are on nearly every path, and make
up more than half of a text's questions. The rest is below, where two paths seldom meet. So the two are scored
apart:

- the T shared nodes for all N hidden vectors, in one product. visits[i, n] and yes[i, n] say how often the
  targets of h_i pass node n, and how often to its first child;
- the nodes below, E of them on the N paths, each for the hidden vectors in reach of its word alone.

    shared   d_scores = visits · σ(hidden nodesᵀ) − yes                  (N, T)
    below    d_score  = weight · (σ(hidden_i · node_e) − label_e)

Skip-gram: h_i is the vector of word i, and its targets are the words in its window. CBOW: h_i is the mean of
the vectors in the window of word i, and its target is word i.

The text is cut into runs and segments as in word2vec_fast.py.
"""

import numpy as np

from minibert.word_vectors.word2vec_batches import (
    WindowTables,
    add_windows,
    group,
    sigmoid_in_place,
    steps_of,
    sum_groups,
    windows_of,
)

RUNS_IN_A_BATCH = 4  # more would take too large steps at the nodes that are on every path
SHARED = 63  # T: more of them waste more of the product on zeros, fewer make more gathers
TOGETHER = 8  # C: hidden vectors of CBOW that are scored together below; each needs its own questions alone


class Paths:
    """The paths from the root to all words, those of a Huffman tree, in two parts.

    Args:
        tree: a word2vec_text.HuffmanTree; its nodes are numbered in the order of rising counts.
        num_shared: T.

    Attributes:
        num_below: V − 1 − T, the nodes that are not shared: the shared ones are those after them.
        choices: (V, T) int8: 1 where the path to a word goes to the first child of a shared node, −1 where it
            goes to the second, 0 where it does not pass.
        counts: (V,) the number of nodes on the rest of the path; starts: (V,) where it begins in
        nodes, labels: (all of them,).
    """

    def __init__(self, tree, num_shared=SHARED):
        self.num_below = max(len(tree.nodes) - 1 - num_shared, 0)
        is_shared = tree.is_on_path & (tree.nodes >= self.num_below)            # (V, L)
        is_below = tree.is_on_path & ~is_shared                                 # (V, L)
        words, steps = np.nonzero(is_shared)
        self.choices = np.zeros((len(tree.nodes), len(tree.nodes) - 1 - self.num_below), np.int8)
        self.choices[words, tree.nodes[words, steps] - self.num_below] = 2 * tree.labels[words, steps] - 1
        self.counts = is_below.sum(axis=1)
        self.starts = np.cumsum(self.counts) - self.counts
        self.nodes, self.labels = tree.nodes[is_below], tree.labels[is_below]

    def shared(self, word_ids, dtype):
        """Return (N, 2T): 1 where the path to a word goes to the first child of a node; and where it passes.
        """
        choices = self.choices.take(word_ids, axis=0)                           # (N, T)
        return np.concatenate([choices > 0, choices != 0], axis=1).astype(dtype)

    def below(self, word_ids):
        """Return (E,) each: the place of the word in word_ids, the node, and the label of each question."""
        counts = self.counts.take(word_ids)                                     # (N,)
        owner = np.repeat(np.arange(len(word_ids)), counts)
        first = self.starts.take(word_ids) - (np.cumsum(counts) - counts)       # (N,)
        place = np.arange(len(owner)) + first.take(owner)
        return owner, self.nodes.take(place), self.labels.take(place)

    def together(self, below, d_below, d_shared):
        """Return the nodes on any path (U,), and the gradients of each, summed (U, D)."""
        shared = np.arange(self.num_below, self.num_below + len(d_shared))
        if not len(below):
            return shared, d_shared
        groups = group(below)
        return (np.concatenate([groups.distinct, shared]),
                np.concatenate([sum_groups(d_below, groups), d_shared]))


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
    input_rows, vectors_of = 2 * words.distinct, table.reshape(-1, size)        # every other row is an input
    vectors = vectors_of.take(input_rows, axis=0)                               # (U, D)
    d_vectors, rows, d_nodes = model.gradients(vectors, nodes, words, windows)
    vectors_of[input_rows] = vectors + steps_of(d_vectors, rate, size, np.flatnonzero(words.counts > 1))
    nodes[rows] += steps_of(d_nodes, rate, size)


class SkipGramTree:
    """Skip-gram with hierarchical softmax: every word is the input, the words in its window are the targets.

    Args:
        tree: a word2vec_text.HuffmanTree.
        sizes: the Sizes of word2vec_batches.
        shrink_windows: see WindowTables.
        num_shared: T.
        dtype: of the weights.
    """

    is_cbow = False

    def __init__(self, tree, sizes, *, shrink_windows=True, num_shared=SHARED, dtype=np.float32):
        self.paths, self.sizes = Paths(tree, num_shared), sizes
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
        sizes, paths = self.sizes, self.paths
        word_ids = words.distinct.take(words.place)                             # (N,)
        weights_of, rows = self.tables.rows(windows)
        weights = weights_of.take(rows, axis=0)                                 # (N, W)
        inputs = padded_rows(vectors.take(words.place, axis=0), sizes)          # (N + 2·window, D)
        here = slice(sizes.window, sizes.window + len(windows))
        choices = windows_of(padded_rows(paths.shared(word_ids, weights.dtype), sizes), sizes)
        sums = in_segments(weights, sizes) @ choices                            # (N/S, S, 2T)
        d_inputs, d_shared = shared_gradients(inputs[here], nodes[paths.num_below:], sums)
        context = windows_of(inputs, sizes)                                     # (N/S, W, D)
        d_context, below, d_below = gradients_below(paths, word_ids, context, nodes, weights)
        d_from_below = in_segments(np.empty_like(d_inputs), sizes)              # (N/S, S, D)
        add_windows(d_context, d_from_below, sizes)
        d_inputs += d_from_below.reshape(d_inputs.shape)                        # (N, D)
        return sum_groups(d_inputs, words), *paths.together(below, d_below, d_shared)


class CBOWTree:
    """CBOW with hierarchical softmax: the mean of a word's window is the input, the word is the target.

    Args:
        tree, sizes, shrink_windows, num_shared, dtype: as in SkipGramTree.
        has_mean, error: as in word2vec_fast.CBOWSegments.
    """

    is_cbow = True

    def __init__(self, tree, sizes, *, shrink_windows=True, has_mean=True, error="paper", num_shared=SHARED,
                 dtype=np.float32):
        self.paths, self.sizes, self.has_mean, self.error = Paths(tree, num_shared), sizes, has_mean, error
        self.tables = WindowTables(sizes, True, shrink_windows,  # (codes, W) and (codes,)
                                   lambda weights, total: (weights.astype(dtype), total.astype(dtype)))

    def gradients(self, vectors, nodes, words, windows):
        """The gradient of the loss, summed over a batch; arguments and results as in SkipGramTree."""
        sizes, paths = self.sizes, self.paths
        word_ids = words.distinct.take(words.place)                             # (N,)
        (context_weights, total_weights), rows = self.tables.rows(windows)
        window = context_weights.take(rows, axis=0)                             # (N, W)
        mean = window / np.maximum(window.sum(axis=1, keepdims=True), 1)        # (N, W)
        forward_weights, other_weights = (mean, window) if self.has_mean else (window, mean)
        backward_weights = other_weights if self.error == "program" else forward_weights
        weights = total_weights.take(rows)                                      # (N,)
        context = windows_of(padded_rows(vectors.take(words.place, axis=0), sizes), sizes)  # (N/S, W, D)
        hidden = (in_segments(forward_weights, sizes) @ context).reshape(len(rows), -1)     # (N, D)
        choices = weights[:, np.newaxis] * paths.shared(word_ids, weights.dtype)            # (N, 2T)
        d_hidden, d_shared = shared_gradients(hidden, nodes[paths.num_below:], choices)
        one_each = np.tile(np.eye(TOGETHER, dtype=weights.dtype), (len(rows) // TOGETHER, 1))         # (N, C)
        d_from_below, below, d_below = gradients_below(
            paths, word_ids, hidden.reshape(-1, TOGETHER, hidden.shape[1]), nodes,
            weights[:, np.newaxis] * one_each)
        d_hidden += d_from_below.reshape(d_hidden.shape)                        # (N, D)
        d_context = in_segments(backward_weights, sizes).swapaxes(1, 2) @ in_segments(d_hidden, sizes)
        d_inputs = np.empty_like(hidden)
        add_windows(d_context, in_segments(d_inputs, sizes), sizes)
        return sum_groups(d_inputs, words), *paths.together(below, d_below, d_shared)


def shared_gradients(hidden, shared, choices):
    """Return the gradients of the hidden vectors (N, D) and of the shared nodes (T, D).

    Args:
        choices: (N, 2T) or (N/S, S, 2T): how often the targets of each hidden vector go to the first child of
            each node, and how often they pass it.
    """
    yes, visits = np.split(choices.reshape(len(hidden), -1), 2, axis=1)         # (N, T) each
    probs = sigmoid_in_place(hidden @ shared.T)                                 # (N, T)
    d_scores = visits * probs - yes                                             # (N, T)
    d_shared = d_scores.T @ hidden                                              # (T, D)
    d_hidden = d_scores @ shared                                                # (N, D)
    return d_hidden, d_shared


def gradients_below(paths, word_ids, hidden, nodes, weights):
    """Return the gradients of hidden (N/S, C, D), and the nodes below (E',) with theirs (E', D).

    The questions of a segment are scored for all C hidden vectors in its reach. There are P of them, as many
    as in the segment that has the most; the others are filled up with questions of weight 0.

    Args:
        paths: the Paths.  word_ids: (N,), the targets.  nodes: (V - 1, D).
        hidden: (N/S, C, D).
        weights: (N, C), of each target for each hidden vector in reach of its segment.
    """
    owner, below, labels = paths.below(word_ids)                                # (E,) each
    segment = owner * len(hidden) // len(word_ids)                              # (E,)
    counts = np.bincount(segment, minlength=len(hidden))                        # (N/S,)
    shape = len(hidden), counts.max()                                           # (N/S, P)
    place = segment, np.arange(len(owner)) - (counts.cumsum() - counts).take(segment)
    nodes_here = np.zeros(shape, below.dtype)
    nodes_here[place] = below
    labels_here = np.zeros((*shape, 1), labels.dtype)                           # (N/S, P, 1)
    labels_here[place] = labels[:, np.newaxis]
    weights_here = np.zeros((*shape, weights.shape[1]), weights.dtype)          # (N/S, P, C)
    weights_here[place] = weights.take(owner, axis=0)
    node_vectors = nodes.take(nodes_here, axis=0)                               # (N/S, P, D)
    probs = sigmoid_in_place(node_vectors @ hidden.swapaxes(1, 2))              # (N/S, P, C)
    d_scores = weights_here * (probs - labels_here)                             # (N/S, P, C)
    d_nodes = d_scores @ hidden                                                 # (N/S, P, D)
    d_hidden = d_scores.swapaxes(1, 2) @ node_vectors                           # (N/S, C, D)
    return d_hidden, nodes_here.reshape(-1), d_nodes.reshape(-1, nodes.shape[1])


def in_segments(rows, sizes):
    """Return a view (N/S, S, …) of rows (N, …)."""
    return rows.reshape(-1, sizes.segment, *rows.shape[1:])


def padded_rows(rows, sizes):
    """Return rows (N, …) with `window` rows of zeros before and after them: (N + 2·window, …)."""
    padded = np.zeros((len(rows) + 2 * sizes.window, *rows.shape[1:]), rows.dtype)
    padded[sizes.window:sizes.window + len(rows)] = rows
    return padded
