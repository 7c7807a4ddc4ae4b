"""Right answers to the exercises of lesson 01 in other styles than the solution's."""

import numpy as np
from course.exercises.solutions import solution


def pairs_by_comprehension(words, window):
    places = range(len(words))
    return [(words[i], words[j]) for i in places for j in places if 0 < abs(i - j) <= window]


def pairs_by_slices(sentence, size):
    pairs = []
    for i, centre in enumerate(sentence):
        neighbours = sentence[max(0, i - size) : i] + sentence[i + 1 : i + 1 + size]
        pairs.extend((centre, neighbour) for neighbour in neighbours)
    return pairs


def pairs_by_padding(words, window):
    padded = [None] * window + list(words) + [None] * window
    pairs = []
    for i in range(window, len(words) + window):
        around = padded[i - window : i] + padded[i + 1 : i + window + 1]
        pairs += [(padded[i], other) for other in around if other is not None]
    return pairs


def cosine(first, second):
    return float(first @ second / np.sqrt((first @ first) * (second @ second)))


def similar_in_loops(vectors, positive, negative, top):
    direction = np.zeros(vectors.shape[1])
    for word in positive:
        direction += vectors[word] / np.linalg.norm(vectors[word])
    for word in negative:
        direction -= vectors[word] / np.linalg.norm(vectors[word])
    others = [word for word in range(len(vectors)) if word not in positive + negative]
    return sorted(others, key=lambda word: -cosine(vectors[word], direction))[:top]


def similar_in_place(vectors, positive, negative, top):
    unit = vectors.copy()
    unit /= np.linalg.norm(unit, axis=1)[:, np.newaxis]
    scores = unit @ (unit[positive].mean(axis=0) * len(positive) - sum(unit[word] for word in negative))
    scores[positive + negative] = -np.inf
    return np.argsort(scores)[::-1][: min(top, len(vectors) - len(positive) - len(negative))]


def similar_with_weights(table, plus, minus, how_many):
    unit = table / np.sqrt(np.einsum("vd,vd->v", table, table))[:, None]
    weights = np.zeros(len(table))
    weights[plus], weights[minus] = 1, -1
    ranked = [int(word) for word in np.argsort(-unit @ (weights @ unit)) if weights[word] == 0]
    return tuple(ranked[:how_many])


def noise_in_loops(counts, draws):
    weights = [float(count) ** 0.75 for count in counts]
    ids = []
    for draw in draws:
        cumulative = 0.0
        for word, weight in enumerate(weights):
            cumulative += weight / sum(weights)
            if cumulative > draw:
                ids.append(word)
                break
    return ids


def noise_by_comparing(counts, draws):
    probabilities = counts**0.75 / np.sum(counts**0.75)
    return (np.cumsum(probabilities) <= draws[:, np.newaxis]).sum(axis=1)


def noise_by_argmax(frequencies, uniform):
    borders = np.cumsum(np.sqrt(np.sqrt(frequencies.astype(float) ** 3)))
    return np.array([np.argmax(borders > u * borders[-1]) for u in uniform])


ROWS = solution("touched_rows")[0]

RIGHT = {
    "window_pairs": [pairs_by_comprehension, pairs_by_slices, pairs_by_padding],
    "touched_rows": [
        dict(reversed(ROWS.items())),
        {name: float(rows) for name, rows in ROWS.items()},
        {name: np.int64(rows) for name, rows in ROWS.items()},
    ],
    "most_similar": [similar_in_loops, similar_in_place, similar_with_weights],
    "noise_words": [noise_in_loops, noise_by_comparing, noise_by_argmax],
}
