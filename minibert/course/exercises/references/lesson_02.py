"""References of lesson 02, GloVe."""

import numpy as np

from minibert.course.exercises.variants import Reference


def distance_counts(word_ids, vocab_size, window):
    counts = np.zeros((vocab_size, vocab_size))
    for distance in range(1, window + 1):
        for word, other in zip(word_ids[:-distance], word_ids[distance:]):
            counts[word, other] += 1 / distance
            counts[other, word] += 1 / distance
    return counts


def draw_texts(rng):
    return [(rng.integers(0, 4, 9), 6, 3)]


def adagrad_steps(value, gradients, eta):
    squares = 1 + np.cumsum(gradients * gradients, axis=0)
    return value - (eta * gradients / np.sqrt(squares)).sum(axis=0)


def draw_steps(rng):
    return [(rng.standard_normal(5), 2 * rng.standard_normal((3, 5)), round(rng.uniform(0.03, 0.3), 3))]


def shifted_ppmi(counts, k):
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    with np.errstate(divide="ignore"):
        return np.maximum(0, np.log(counts / expected) - np.log(k))


def draw_counts(rng):
    counts = rng.poisson(1.5, (3, 5)).astype(float)
    counts[[0, 1, 2, 0, 1], range(5)] += rng.integers(2, 9, 5)  # no row and no column is empty
    return [(counts / 4, 2)]


def weight_of(counts, x_max):
    return np.minimum(1, (counts / x_max) ** 0.75)


def one_table(vectors, bias, rows, columns, counts, x_max):
    score = (vectors[rows] * vectors[columns]).sum(axis=1) + bias[rows] + bias[columns]
    return (weight_of(counts, x_max) * (score - np.log(counts)) ** 2).sum() / 2


def huber_glove(
    word_vectors, context_vectors, word_bias, context_bias, rows, columns, counts, x_max, kappa
):
    score = (word_vectors[rows] * context_vectors[columns]).sum(axis=1) + word_bias[rows]
    distance = np.abs(score + context_bias[columns] - np.log(counts))
    huber = np.where(distance <= kappa, distance**2 / 2, kappa * (distance - kappa / 2))
    return (weight_of(counts, x_max) * huber).sum()


def log_ratios(word_vectors, context_vectors, word_bias, context_bias, i, j):
    log_probs = word_vectors @ context_vectors.T + context_bias  # log X_ik - b_i
    return log_probs[i] - log_probs[j]


def draw_fit(rng):
    tables = rng.standard_normal((2, 7, 5))
    i, j = rng.choice(7, 2, replace=False).tolist()
    return [(*tables, *rng.standard_normal((2, 7)), i, j)]


REFERENCES = {
    "distance_counts": Reference(distance_counts, draw_texts),
    "log_ratios": Reference(log_ratios, draw_fit),
    "adagrad_steps": Reference(adagrad_steps, draw_steps),
    "shifted_ppmi": Reference(shifted_ppmi, draw_counts),
    "one_table": Reference(one_table),
    "huber_glove": Reference(huber_glove),
}
