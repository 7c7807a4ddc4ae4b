"""Wrong answers to the exercises of lesson 01, as students might give them who read the task only."""

import numpy as np
from course.exercises.solutions import solution
from course.exercises.wrong.answers import backward, forward


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def pairs_by_spelling(words, window):
    """words.index finds the first place of a word."""
    pairs = []
    for word in words:
        place = words.index(word)
        for j in range(max(0, place - window), min(len(words), place + window + 1)):
            if j != place:
                pairs.append((word, words[j]))
    return pairs


def pairs_left_then_right(words, window):
    """Nearest first."""
    pairs = []
    for i, word in enumerate(words):
        for distance in range(1, window + 1):
            pairs += [(word, words[j]) for j in (i - distance, i + distance) if 0 <= j < len(words)]
    return pairs


def pairs_of_full_windows(words, window):
    places = range(window, len(words) - window)
    return [(words[i], words[j]) for i in places for j in range(i - window, i + window + 1) if i != j]


def pairs_as_a_set(words, window):
    places = range(len(words))
    pairs = [(words[i], words[j]) for i in places for j in places if i != j and abs(i - j) <= window]
    return list(dict.fromkeys(pairs))


def cbow_d_vectors(d_y, g, vectors, output, context_ids, target, negatives, by=None):
    """d_vectors in which each context id gets its share once."""
    d_vectors = np.zeros(vectors.shape)
    uses = np.bincount(context_ids, minlength=len(vectors))[:, np.newaxis]
    d_vectors[context_ids] = (g[0] / np.maximum(uses, 1))[context_ids]
    return d_vectors


def cbow_target_overwrites(d_y, g, vectors, output, context_ids, target, negatives):
    hidden = vectors[context_ids].mean(axis=0)
    d_output = g[1].copy()
    d_output[target] = d_y * (sigmoid(output[target] @ hidden) - 1) * hidden
    return [g[0], d_output]


def cbow_noise_overwrites(d_y, g, vectors, output, context_ids, target, negatives):
    hidden = vectors[context_ids].mean(axis=0)
    d_output = np.zeros(output.shape)
    d_output[target] = d_y * (sigmoid(output[target] @ hidden) - 1) * hidden
    d_output[negatives] += d_y * sigmoid(output[negatives] @ hidden)[:, np.newaxis] * hidden
    return [g[0], d_output]


def cbow_noise_that_is_the_target_skipped(vectors, output, context_ids, target, negatives):
    hidden = vectors[context_ids].mean(axis=0)
    noise = negatives[negatives != target]
    return -np.log(sigmoid(output[target] @ hidden)) - np.log(sigmoid(-(output[noise] @ hidden))).sum()


def margin_all_active(d_y, g, vectors, output, word, target, negatives):
    d_vectors, d_output = np.zeros(vectors.shape), np.zeros(output.shape)
    d_vectors[word] = d_y * (output[negatives] - output[target]).sum(axis=0)
    np.add.at(d_output, negatives, d_y * vectors[word])
    d_output[target] -= d_y * len(negatives) * vectors[word]
    return [d_vectors, d_output]


def margin_target_once(d_y, g, vectors, output, word, target, negatives):
    """The target is pulled once, not once for each active noise word."""
    d_output = g[1].copy()
    gaps = 1.5 + (output[negatives] - output[target]) @ vectors[word]
    d_output[target] += d_y * ((gaps > 0).sum() - 1) * vectors[word]
    return [g[0], d_output]


def most_similar_set(vectors, positive, negative, top):
    """All the words in the order of the vocabulary."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = unit @ (unit[positive].sum(axis=0) - unit[negative].sum(axis=0))
    cosines[[*positive, *negative]] = -np.inf
    return np.sort(np.argsort(cosines)[::-1][:top])


def most_similar_to_each(vectors, positive, negative, top):
    """The mean of the cosines of unscaled vectors, columns scaled for rows."""
    unit = vectors / np.linalg.norm(vectors, axis=0)
    cosines = unit @ (unit[positive].sum(axis=0) - unit[negative].sum(axis=0))
    ranked = [word for word in np.argsort(-cosines) if word not in positive and word not in negative]
    return ranked[:top]


def most_similar_cut_first(vectors, positive, negative, top):
    """Takes top words, then leaves out those given: too few remain."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    ranked = np.argsort(-(unit @ (unit[positive].sum(axis=0) - unit[negative].sum(axis=0))))[:top]
    return [word for word in ranked if word not in positive and word not in negative]


def most_similar_by_distance(vectors, positive, negative, top):
    direction = vectors[positive].sum(axis=0) - vectors[negative].sum(axis=0)
    ranked = np.argsort(((vectors - direction) ** 2).sum(axis=1))
    return [word for word in ranked if word not in positive and word not in negative][:top]


def noise_by_rounding(counts, draws):
    """Places in a table of repeated words, as the C program has it, but a short one."""
    weights = counts**0.75
    repeats = np.round(weights / weights.sum() * 10).astype(int)
    table = np.repeat(np.arange(len(counts)), repeats)
    return table[(draws * len(table)).astype(int)]


def noise_from_the_most_frequent(counts, draws):
    """The right intervals, of the sorted words."""
    order = np.argsort(-counts)
    weights = counts[order] ** 0.75
    return order[np.searchsorted(np.cumsum(weights / weights.sum()), draws, side="right")]


def noise_not_below_one(counts, draws):
    """A count of 0 is taken for 1."""
    weights = np.maximum(counts, 1) ** 0.75
    return np.searchsorted(np.cumsum(weights / weights.sum()), draws, side="right")


def noise_of_logarithms(counts, draws):
    weights = np.log(1 + counts)
    return np.searchsorted(np.cumsum(weights / weights.sum()), draws, side="right")


ROWS = solution("touched_rows")[0]

def noise(weights, draws):
    return np.searchsorted(np.cumsum(weights) / weights.sum(), draws, side="right")


WRONG = {
    "window_pairs": {
        "index of the word": (pairs_by_spelling,),
        "nearest first": (pairs_left_then_right,),
        "full windows only": (pairs_of_full_windows,),
        "each pair once": (pairs_as_a_set,),
    },
    "touched_rows": {
        "noise is not moved": (ROWS | {"pair": 2},),
        "the first step moves the centre": (ROWS | {"first_step": 12},),
        "the noise words of both": (ROWS | {"repeated": 10},),
        "the centre of the tree forgotten": (ROWS | {"tree": 9},),
    },
    "cbow": {
        "= for a word that is twice in the window": backward(
            "cbow", lambda d_y, g, *inputs: [cbow_d_vectors(d_y, g, *inputs), g[1]]
        ),
        "the target's row is overwritten": backward("cbow", cbow_target_overwrites),
        "+= with repeated noise": backward("cbow", cbow_noise_overwrites),
        "not divided by C": backward("cbow", lambda d_y, g, *inputs: [g[0] * len(inputs[2]), g[1]]),
        "noise that is the target left out": forward(cbow_noise_that_is_the_target_skipped),
        "divided by the width of the vectors": forward(
            lambda v, u, c, target, negatives: (
                -np.log(sigmoid(u[target] @ v[c].sum(axis=0) / v.shape[1]))
                - np.log(sigmoid(-(u[negatives] @ v[c].sum(axis=0) / v.shape[1]))).sum()
            )
        ),
    },
    "margin_ranking": {
        "noise that is far below moves, too": backward("margin_ranking", margin_all_active),
        "the target is pulled once": backward("margin_ranking", margin_target_once),
        "d_loss not used": backward("margin_ranking", lambda d_y, g, *inputs: [g[0] / d_y, g[1] / d_y]),
        "the centre does not move": backward("margin_ranking", lambda d_y, g, *inputs: [0 * g[0], g[1]]),
        "squared": forward(
            lambda v, u, w, target, negatives, margin: (
                np.maximum(0, margin + (u[negatives] - u[target]) @ v[w]) ** 2
            ).sum()
        ),
    },
    "most_similar": {
        "in the order of the vocabulary": (most_similar_set,),
        "columns scaled": (most_similar_to_each,),
        "cut before the given are left out": (most_similar_cut_first,),
        "by distance": (most_similar_by_distance,),
    },
    "noise_words": {
        "a table of ten places": (noise_by_rounding,),
        "sorted by count": (noise_from_the_most_frequent,),
        "0 counts 1": (noise_not_below_one,),
        "logarithms": (noise_of_logarithms,),
        "in the order of the ids": (lambda counts, draws: np.sort(noise(counts**0.75, draws)),),
        "whole numbers": (lambda counts, draws: noise((counts**0.75).astype(int), draws),),
    },
}
