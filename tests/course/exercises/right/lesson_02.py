"""Right answers to the exercises of lesson 02 in other styles than the solution's."""

import math

import numpy as np
from course.exercises.solutions import solution


def counts_from_both_sides(word_ids, vocab_size, window):
    X = np.zeros((vocab_size, vocab_size))
    for i in range(len(word_ids)):
        for j in range(len(word_ids)):
            if 0 < abs(i - j) <= window:
                X[word_ids[i], word_ids[j]] += 1 / abs(i - j)
    return X


def counts_by_add_at(word_ids, vocab_size, window):
    X = np.zeros((vocab_size, vocab_size))
    for distance in range(1, window + 1):
        np.add.at(X, (word_ids[:-distance], word_ids[distance:]), 1 / distance)
    return X + X.T


def counts_by_onehot(ids, size, reach):
    onehot = np.eye(size)[ids]
    steps = np.abs(np.subtract.outer(np.arange(len(ids)), np.arange(len(ids))))
    near = np.where((steps > 0) & (steps <= reach), 1 / np.maximum(steps, 1), 0)
    return onehot.T @ near @ onehot


def adagrad_in_loops(value, gradients, eta):
    result = []
    for d in range(len(value)):
        number, total = float(value[d]), 1.0
        for step in range(len(gradients)):
            total += float(gradients[step, d]) ** 2
            number -= eta * float(gradients[step, d]) / math.sqrt(total)
        result.append(number)
    return np.array(result)


def adagrad_by_cumsum(value, gradients, eta):
    return value - (eta * gradients / np.sqrt(1 + np.cumsum(gradients**2, axis=0))).sum(axis=0)


def adagrad_in_place(x, steps, rate):
    x, sums = x.copy(), np.full(x.shape, 1.0)
    for g in steps:
        sums += g * g
        x -= rate * g * sums**-0.5
    return x


def ppmi_in_loops(counts, k):
    M = np.zeros(counts.shape)
    for i, j in np.ndindex(counts.shape):
        if counts[i, j] > 0:
            pmi = math.log(counts[i, j] * counts.sum() / (counts[i].sum() * counts[:, j].sum()))
            M[i, j] = max(0.0, pmi - math.log(k))
    return M


def ppmi_of_probabilities(counts, k):
    joint = counts / counts.sum()
    with np.errstate(divide="ignore"):
        pmi = np.log(joint) - np.log(joint.sum(axis=1))[:, None] - np.log(joint.sum(axis=0))
    return np.maximum(pmi - np.log(k), 0)


def ppmi_in_place(table, shift):
    result = table * table.sum() / np.outer(table.sum(axis=1), table.sum(axis=0)) / shift
    result[result < 1] = 1
    return np.log(result, out=result)


STAYS = solution("what_stays")[0]

def ratios_in_loops(word_vectors, context_vectors, word_bias, context_bias, i, j):
    ratios = np.zeros(len(context_vectors))
    for k in range(len(context_vectors)):
        for d in range(word_vectors.shape[1]):
            ratios[k] += (word_vectors[i, d] - word_vectors[j, d]) * context_vectors[k, d]
    return ratios


def ratios_of_probabilities(w, c, b, b_context, i, j):
    """P(k|i) = X_ik / X_i."""
    counts = np.exp(w @ c.T + b[:, np.newaxis] + b_context)
    probs = counts / np.exp(b)[:, np.newaxis]
    return np.log(probs[i] / probs[j])


def ratios_as_a_list(word_vectors, context_vectors, _, __, i, j):
    return [float(row @ word_vectors[i] - row @ word_vectors[j]) for row in context_vectors]


RIGHT = {
    "log_ratios": [ratios_in_loops, ratios_of_probabilities, ratios_as_a_list],
    "distance_counts": [counts_from_both_sides, counts_by_add_at, counts_by_onehot],
    "adagrad_steps": [adagrad_in_loops, adagrad_by_cumsum, adagrad_in_place],
    "what_stays": [
        dict(reversed(STAYS.items())),
        {name: np.str_(answer) for name, answer in STAYS.items()},
        {name: "".join(answer) for name, answer in STAYS.items()},
    ],
    "shifted_ppmi": [ppmi_in_loops, ppmi_of_probabilities, ppmi_in_place],
}
