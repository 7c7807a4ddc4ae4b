"""GloVe as it is in the paper: the objective with its gradient, and the loop over its entries.

X_ij is how often word j occurs near word i. GloVe looks for vectors whose products are the logarithms of
these counts:

    J = ½ Σ_ij f(X_ij) (w_i·c_j + b_i + b′_j − log X_ij)²          over the entries with X_ij > 0

Only these entries, because log 0 = −∞: a version that sums over a whole matrix has NaN in its first step.

glove.py trains with the same gradients, many entries at a time.

Source: J. Pennington, R. Socher, C. Manning, "GloVe: Global vectors for word representation", 2014, equations
8 and 9. The factor ½, which the paper does not print, is that of the authors' program.
"""

import math
from typing import NamedTuple

import numpy as np

from minibert.layers.base import Layer, Parameter, describe_cache
from minibert.layers.embedding import add_rows


class GloVeObjectiveCache(NamedTuple):
    rows: np.ndarray  # (K,) integers
    columns: np.ndarray  # (K,) integers
    counts: np.ndarray  # (K,)
    word_vector: np.ndarray  # (K, D): that of each row's word
    context_vector: np.ndarray  # (K, D): that of each column's word as a context
    capped: np.ndarray  # (K,): the counts, x_max where they are larger
    weight: np.ndarray  # (K,): f(X)
    difference: np.ndarray  # (K,): w·c + b + b′ − log x
    __repr__ = describe_cache


class GloVeObjective(Layer):
    """loss = ½ Σ_k f(x_k) (w_i·c_j + b_i + b′_j − log x_k)², i = rows[k], j = columns[k], over K entries.

        f(x) = (x / x_max)^α below x_max, 1 from there on

    Frequent pairs are known more exactly and so weigh more, but those of grammatical words must not outweigh
    all others.

    Args:
        word_vectors: w (V, D), the vectors of words.  context_vectors: c (V, D), those of words as the
            context of others.
        word_bias: b (V,).  context_bias: b′ (V,).
        x_max, alpha: of the weighting f.

    Derivation. With difference = w·c + b + b′ − log x and loss = Σ ½ weight · difference²:

        ∂loss / ∂difference = weight · difference  →   d_difference, and
        ∂difference / ∂w = c                       →   d_word_vector    = d_difference · c      (K, D)
        ∂difference / ∂c = w                       →   d_context_vector = d_difference · w      (K, D)
        ∂difference / ∂b = ∂difference / ∂b′ = 1   →   d_bias           = d_difference          (K,)
        ∂difference / ∂log x = −1                  →   d_log_count      = −d_difference         (K,)
        ∂loss / ∂weight = ½ difference²            →   d_weight                                 (K,)

    Word i occurs in many entries: row i of the gradient is the sum of its d_word_vector. The counts are data,
    and training has no use for their gradient; it is here to check the weighting as well. With
    f = exp(α (log x − log x_max)), f′ = α f / x below x_max, and 0 from there on.
    """

    def __init__(self, word_vectors, context_vectors, word_bias, context_bias, x_max=100.0, alpha=0.75):
        self.word_vectors = Parameter(word_vectors)
        self.context_vectors = Parameter(context_vectors)
        self.word_bias = Parameter(word_bias)
        self.context_bias = Parameter(context_bias)
        self.x_max = x_max
        self.alpha = alpha

    def forward(self, rows, columns, counts):
        """rows, columns (K,) integers, counts (K,), all positive or ValueError → loss, a scalar, cache."""
        if not (counts.real > 0).all():
            raise ValueError(f"counts must be positive, got {counts.real.min()}: log 0 is −∞; leave out the "
                             "pairs that were never seen")
        word_vector = self.word_vectors.value[rows]                             # (K, D)
        context_vector = self.context_vectors.value[columns]                    # (K, D)
        bias = self.word_bias.value[rows] + self.context_bias.value[columns]    # (K,)
        log_count = np.log(counts)                                              # (K,)
        capped = np.where(counts.real < self.x_max, counts, self.x_max)         # (K,)
        weight = np.exp(self.alpha * (np.log(capped) - math.log(self.x_max)))   # (K,)
        difference = (word_vector * context_vector).sum(axis=1) + bias - log_count  # (K,)
        loss = (weight * difference * difference).sum() / 2
        return loss, GloVeObjectiveCache(
            rows=rows, columns=columns, counts=counts, word_vector=word_vector, context_vector=context_vector,
            capped=capped, weight=weight, difference=difference)

    def backward(self, d_loss, cache):
        """d_loss, a scalar → None, None, d_counts (K,); adds to the gradients of the four parameters."""
        rows, columns, counts = cache.rows, cache.columns, cache.counts
        word_vector, context_vector = cache.word_vector, cache.context_vector
        capped, weight, difference = cache.capped, cache.weight, cache.difference
        d_difference = d_loss * weight * difference                             # (K,)
        d_weight = d_loss * difference * difference / 2                         # (K,)
        d_word_vector = d_difference[:, np.newaxis] * context_vector            # (K, D)
        d_context_vector = d_difference[:, np.newaxis] * word_vector            # (K, D)
        d_bias = d_difference                                                   # (K,)
        d_log_count = -d_difference                                             # (K,)
        d_capped = d_weight * self.alpha * weight / capped                      # (K,)
        d_counts = d_log_count / counts + np.where(counts.real < self.x_max, d_capped, 0)  # (K,)
        add_rows(self.word_vectors.grad, rows, d_word_vector)
        add_rows(self.context_vectors.grad, columns, d_context_vector)
        np.add.at(self.word_bias.grad, rows, d_bias)
        np.add.at(self.context_bias.grad, columns, d_bias)
        return None, None, d_counts


def start_as_the_program(vocab_size, vector_size, rng, x_max=100.0, alpha=0.75):
    """Return a GloVeObjective that starts as the authors' C program: within ±0.5/D (its divisor is D + 1)."""
    shapes = [(vocab_size, vector_size), (vocab_size, vector_size), vocab_size, vocab_size]
    return GloVeObjective(*(rng.uniform(-0.5, 0.5, shape) / vector_size for shape in shapes), x_max, alpha)


def train_entry_by_entry(objective, rows, columns, counts, eta=0.05, epochs=1, rng=None):
    """Train as the paper does: one entry after the other, in random order, with AdaGrad.

    A few thousand entries a second.

    AdaGrad (Duchi et al. 2011) divides the rate of every number by the root of its squared gradients, which
    begin at 1:

        squares ← squares + d_w²          w ← w − eta · d_w / √squares

    The parameters are changed in place; AdaGrad's squares begin at 1 with every call.
    """
    rng = np.random.default_rng(0) if rng is None else rng
    # The vectors of words and contexts, and their biases.
    tables = [parameter.value for parameter in objective.parameters().values()]
    squares = [np.ones_like(table) for table in tables]
    log_counts = np.log(counts)
    weights = np.minimum(1, (counts / objective.x_max) ** objective.alpha)
    for _ in range(epochs):
        for entry in rng.permutation(len(counts)):
            row, column = rows[entry], columns[entry]
            places = row, column, row, column
            word, neighbour, word_bias, context_bias = (table[at] for table, at in zip(tables, places))
            d_difference = weights[entry] * (word @ neighbour + word_bias + context_bias - log_counts[entry])
            gradients = [d_difference * neighbour, d_difference * word, d_difference, d_difference]
            for table, square, at, gradient in zip(tables, squares, places, gradients):
                square[at] += gradient * gradient
                table[at] -= eta * gradient / np.sqrt(square[at])
