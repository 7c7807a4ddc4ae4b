"""Word2Vec as it is in the papers: one pair at a time, forward and backward, to be read and checked.

Skip-gram: a word predicts each of its neighbours. CBOW: the neighbours of a word together predict it. In
both, some input words make a hidden vector h, and h predicts one target word:

    h    = v_w                      skip-gram: the input vector of one word
    h    = (1/C) Σ_w v_w            CBOW: the mean of those of C words
    loss = NegativeSampling(h, target, negatives)  or  HierarchicalSoftmax(h, target)

`PlainWord2Vec` joins the two steps. word2vec_fast.py trains with the same gradients, many pairs at a time.

Sources: T. Mikolov, K. Chen, G. Corrado, J. Dean, "Efficient estimation of word representations in vector
space", 2013 (2013a: the two models); T. Mikolov, I. Sutskever, K. Chen, G. Corrado, J. Dean, "Distributed
representations of words and phrases and their compositionality", 2013 (2013b: the two output layers, section
2.1 and 2.2).
"""

from typing import NamedTuple

import numpy as np

from minibert.layers.base import Layer, Parameter, describe_cache


class ContextCache(NamedTuple):
    word_ids: np.ndarray  # (C,) integers
    __repr__ = describe_cache


class Context(Layer):
    """h = (1/C) Σ_w v_w: the mean of the input vectors of C words; for one word, its vector.

    Args:
        vectors: (V, D), the input vectors.

    Derivation. Each v_w enters h with the factor 1/C, so d_v_w = d_h / C; a word that occurs twice in the
    window is in the sum twice, and receives both parts. The C program and gensim leave out the 1/C in the
    backward pass and add d_h to each word, which makes CBOW's input vectors learn C times as fast. That is
    not the gradient of any loss; training offers it (cbow_error="program"), and this layer is the gradient.
    """

    def __init__(self, vectors):
        self.vectors = Parameter(vectors)

    def forward(self, word_ids):
        """word_ids (C,) integers → hidden (D,), cache."""
        hidden = self.vectors.value[word_ids].sum(axis=0) / len(word_ids)       # (D,)
        return hidden, ContextCache(word_ids)

    def backward(self, d_hidden, cache):
        """Add to vectors.grad; returns None, since integers have no gradient."""
        word_ids = cache.word_ids
        d_vector = d_hidden / len(word_ids)                                     # (D,)
        for word_id in word_ids:
            self.vectors.grad[word_id] += d_vector


class BinaryChoicesCache(NamedTuple):
    hidden: np.ndarray  # (D,)
    rows: np.ndarray  # (K,) integers: the rows of the table, one for each choice
    labels: np.ndarray  # (K,): 1 = yes, 0 = no
    output: np.ndarray  # (K, D): the output vectors in these rows
    probs: np.ndarray  # (K,): σ(hidden · output), the probability given to yes
    __repr__ = describe_cache


class BinaryChoices(Layer):
    """loss = −Σ_k log P(label_k), with P(1) = σ(h·u_k), P(0) = σ(−h·u_k): K logistic regressions on one h.

    Both output layers of Word2Vec make their loss of it. They differ in the choices: between the target and
    noise words, or between the branches of a tree.

    Args:
        vectors: (rows, D), the output vectors u.

    Derivation, with s_k = h·u_k and σ'(s) = σ(s)(1 − σ(s)). For a label 1, d/ds of −log σ(s) is
    −(1 − σ(s)) = σ(s) − 1; for a label 0, d/ds of −log σ(−s) is 1 − σ(−s) = σ(s) − 0. In one line, as in any
    logistic regression:

        d_scores = probs − labels             (K,)
        d_h      = Σ_k d_scores_k u_k         (D,)
        d_u_k    = d_scores_k h               (K, D); a row that occurs twice receives both
    """

    def __init__(self, vectors):
        self.vectors = Parameter(vectors)

    def forward(self, hidden, rows, labels):
        """hidden (D,), rows (K,) integers, labels (K,) of 1 and 0 → loss, a scalar, cache."""
        output = self.vectors.value[rows]                                       # (K, D)
        scores = output @ hidden                                                # (K,)
        signed_scores = scores * (2 * labels - 1)                               # (K,)
        loss = softplus(-signed_scores).sum()  # −log σ(s) = log(1 + exp(−s))
        probs = 1 / (1 + np.exp(-scores))                                       # (K,)
        return loss, BinaryChoicesCache(hidden=hidden, rows=rows, labels=labels, output=output, probs=probs)

    def backward(self, d_loss, cache):
        """d_loss → d_hidden (D,), None, None; adds to vectors.grad."""
        d_scores = d_loss * (cache.probs - cache.labels)                        # (K,)
        d_output = d_scores[:, np.newaxis] * cache.hidden                       # (K, D)
        d_hidden = d_scores @ cache.output                                      # (D,)
        for row, d_vector in zip(cache.rows, d_output):
            self.vectors.grad[row] += d_vector
        return d_hidden, None, None


class OutputCache(NamedTuple):
    choices: BinaryChoicesCache
    __repr__ = describe_cache


class NegativeSampling(Layer):
    """loss = −log σ(h·u_target) − Σ_k log σ(−h·u_negative_k): tell the target from noise (2013b, equation 4).

    The caller draws the noise words, because a gradient belongs to given draws. A noise word that equals the
    target counts like any other, as in the paper; the C program skips it: leave it out of `negatives`.

    Args:
        vectors: (V, D), the output vectors.
    """

    def __init__(self, vectors):
        self.choices = BinaryChoices(vectors)

    def forward(self, hidden, target, negatives):
        """hidden (D,), target integer, negatives (K,) integers → loss, a scalar, cache."""
        rows = np.concatenate([[target], negatives]).astype(np.intp)            # (1 + K,)
        labels = (np.arange(len(rows)) == 0).astype(hidden.real.dtype)          # (1 + K,): 1, 0, 0, ...
        loss, choices_cache = self.choices.forward(hidden, rows, labels)
        return loss, OutputCache(choices_cache)

    def backward(self, d_loss, cache):
        """d_loss → d_hidden (D,), None, None; adds to choices.vectors.grad."""
        d_hidden, _, _ = self.choices.backward(d_loss, cache.choices)           # (D,)
        return d_hidden, None, None


class HierarchicalSoftmax(Layer):
    """loss = −log P(target), P the product of the decisions on the path from the root to the target.

    Each inner node n of a Huffman tree has an output vector. The path goes to its first child with
    probability σ(h·u_n), to its second with 1 − σ(h·u_n). These products sum to one over all words, so this
    is a softmax at the cost of log2(V) terms in place of V (2013b, section 2.1).

    Args:
        vectors: (V - 1, D), one for each inner node.
        tree: a word2vec_text.HuffmanTree.
    """

    def __init__(self, vectors, tree):
        self.choices = BinaryChoices(vectors)
        self.tree = tree

    def forward(self, hidden, target):
        """hidden (D,), target integer → loss, a scalar, cache."""
        is_on_path = self.tree.is_on_path[target]                               # (L,)
        nodes = self.tree.nodes[target][is_on_path]                             # (K,)
        labels = self.tree.labels[target][is_on_path].astype(hidden.real.dtype)  # (K,)
        loss, choices_cache = self.choices.forward(hidden, nodes, labels)
        return loss, OutputCache(choices_cache)

    def backward(self, d_loss, cache):
        """d_loss → d_hidden (D,), None; adds to choices.vectors.grad."""
        d_hidden, _, _ = self.choices.backward(d_loss, cache.choices)           # (D,)
        return d_hidden, None


class PlainWord2VecCache(NamedTuple):
    context: ContextCache
    output: OutputCache
    __repr__ = describe_cache


class PlainWord2Vec(Layer):
    """One step of Word2Vec: some input words, one target word, and a loss.

    Args:
        vectors: (V, D), the input vectors.
        output: NegativeSampling or HierarchicalSoftmax.
    """

    def __init__(self, vectors, output):
        self.context = Context(vectors)
        self.output = output

    def forward(self, word_ids, target, *negatives):
        """Predict one target.

        Args:
            word_ids: (C,), one word for skip-gram, the window for CBOW.
            target: integer.
            negatives: (K,), for NegativeSampling only.

        Returns:
            loss, cache.
        """
        hidden, context_cache = self.context.forward(word_ids)                  # (D,)
        loss, output_cache = self.output.forward(hidden, target, *negatives)
        return loss, PlainWord2VecCache(context_cache, output_cache)

    def backward(self, d_loss, cache):
        """Add to the gradients of both tables; returns None, since integers have no gradient."""
        d_hidden = self.output.backward(d_loss, cache.output)[0]                # (D,)
        self.context.backward(d_hidden, cache.context)


def softplus(x):
    """log(1 + exp(x)), elementwise, without overflow."""
    positive_part = x * (x.real > 0)
    return positive_part + np.log(np.exp(-positive_part) + np.exp(x - positive_part))
