"""References of lesson 01, Word2Vec."""

import numpy as np

from minibert.course.exercises.variants import Reference
from minibert.word_vectors.word2vec_plain import softplus

WORDS = np.array(["the", "old", "king", "very", "tiny", "sneezed"])


def window_pairs(words, window):
    places = range(len(words))
    return [(words[i], words[j]) for i in places for j in places if i != j and abs(i - j) <= window]


def draw_sentences(rng):
    return [(rng.choice(WORDS, length).tolist(), window) for length, window in ((7, 2), (5, 3))]


def touched_rows(V, K, C, nodes, target, noise):
    return {
        "pair": 2 + K,
        "first_step": 1 + K,
        "repeated": 1 + len({target, *noise}),
        "cbow": C + 1 + K,
        "softmax": 1 + V,
        "tree": 1 + nodes,
    }


def draw_rows(rng):
    K = int(rng.integers(6, 16))
    return {
        "V": 100 * int(rng.integers(11, 40)),
        "K": K,
        "C": int(rng.choice([3, 5, 6, 7])),
        "nodes": K + int(rng.choice([-2, -1, 2, 3])),
        "target": 4,
        "noise": [4, 2, 2, *rng.integers(1, 10, K - 3).tolist()],
    }


ROWS = (
    "2 · {V} rows; {K} noise words in `pair`, `first_step` and `cbow`; target {target} and noise words "
    "{noise} in `repeated`; {C} words in the mean of `cbow`; {nodes} nodes in `tree`"
)


def cbow(vectors, output_vectors, context_ids, target, negatives):
    hidden = vectors[context_ids].mean(axis=0)
    return softplus(-output_vectors[target] @ hidden) + softplus(output_vectors[negatives] @ hidden).sum()


def margin_ranking(vectors, output_vectors, word, target, negatives, margin):
    hidden = vectors[word]
    return np.maximum(0, margin - output_vectors[target] @ hidden + output_vectors[negatives] @ hidden).sum()


def most_similar(vectors, positive, negative, top):
    unit = vectors / np.sqrt((vectors * vectors).sum(axis=1, keepdims=True))
    best = np.argsort(-(unit @ (unit[positive].sum(axis=0) - unit[negative].sum(axis=0))))
    return best[~np.isin(best, [*positive, *negative])][:top]


def draw_vectors(rng):
    vectors = rng.standard_normal((11, 5)) * rng.uniform(0.3, 4, (11, 1))
    given = rng.permutation(11)[:5].tolist()
    return [(vectors, given[:3], given[3:], 4)]


def noise_words(counts, draws):
    weights = counts**0.75
    return np.searchsorted(np.cumsum(weights / weights.sum()), draws, side="right")


def draw_noise(rng):
    counts = rng.integers(1, 300, 7)
    counts[[0, 4]] = 0
    return [(counts, np.append(0.0, rng.random(9)))]


REFERENCES = {
    "window_pairs": Reference(window_pairs, draw_sentences),
    "touched_rows": Reference(touched_rows, draw_rows, ROWS),
    "cbow": Reference(cbow),
    "margin_ranking": Reference(margin_ranking),
    "most_similar": Reference(most_similar, draw_vectors),
    "noise_words": Reference(noise_words, draw_noise),
}
