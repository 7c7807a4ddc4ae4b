"""Right answers to the exercises of lesson 07 in other styles than the solution's."""

import math

import numpy as np
from course.exercises.solutions import solution

STEPS = solution("steps_in_a_row")[0]


def forced_in_loops(sources, targets, start, end, pad):
    B, T, S = len(targets), max(len(target) for target in targets) + 1, max(map(len, sources))
    target_ids, labels = np.zeros((B, T), int), np.zeros((B, T), int)
    decoder, cross = np.zeros((T, T), int), np.zeros((B, T, S), int)
    for b, t in np.ndindex(B, T):
        target = targets[b]
        target_ids[b, t] = start if t == 0 else target[t - 1] if t <= len(target) else pad
        labels[b, t] = target[t] if t < len(target) else end if t == len(target) else -100
        cross[b, t, :len(sources[b])] = 1
    for t, s in np.ndindex(T, T):
        decoder[t, s] = int(s <= t)
    return {"target_ids": target_ids, "labels": labels, "decoder": decoder, "cross": cross}


def forced_with_lists(sources, targets, start, end, pad):
    T, S = 1 + len(max(targets, key=len)), len(max(sources, key=len))
    cross = []
    for source in sources:
        cross.append([[1] * len(source) + [0] * (S - len(source))] * T)
    return {
        "labels": [target + [end] + [-100] * (T - 1 - len(target)) for target in targets],
        "target_ids": [[start] + target + [pad] * (T - 1 - len(target)) for target in targets],
        "cross": cross,
        "decoder": [[1] * (t + 1) + [0] * (T - 1 - t) for t in range(T)],
    }


def forced_by_comparison(sources, targets, start, end, pad):
    lengths = np.array([len(target) for target in targets])[:, None]
    source_lengths = np.array([len(source) for source in sources])[:, None, None]
    columns = np.arange(lengths.max() + 1)
    padded = np.array([target + [pad] * (len(columns) - len(target)) for target in targets])
    labels = np.where(columns < lengths, padded, np.where(columns == lengths, end, -100))
    first = np.full((len(targets), 1), start)
    target_ids = np.concatenate([first, padded[:, :-1]], axis=1)
    cross = (np.arange(source_lengths.max()) < source_lengths) * np.ones((1, len(columns), 1))
    decoder = np.tril(np.ones((len(columns), len(columns))))
    return dict(target_ids=target_ids, labels=labels, decoder=decoder, cross=cross)


def shift_in_loops(size, shift, base):
    matrix = np.zeros((size, size))
    for i in range(size // 2):
        angle = shift / base ** (2 * i / size)
        matrix[2 * i, 2 * i] = matrix[2 * i + 1, 2 * i + 1] = math.cos(angle)
        matrix[2 * i + 1, 2 * i] = math.sin(angle)
        matrix[2 * i, 2 * i + 1] = -math.sin(angle)
    return matrix


def shift_by_least_squares(size, shift, base):
    """Fitted to the waves of many positions."""
    def waves(positions):
        angles = positions[:, None] * base ** (-np.arange(0, size, 2) / size)
        return np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(len(positions), size)

    positions = np.linspace(0, 40 * base, 4000)
    return np.linalg.lstsq(waves(positions), waves(positions + shift), rcond=None)[0]


def shift_by_kron(size, shift, base):
    angles = shift * np.power(base, -2 * np.arange(size // 2) / size)
    return (np.kron(np.diag(np.cos(angles)), np.eye(2))
            + np.kron(np.diag(np.sin(angles)), np.array([[0, -1], [1, 0]])))


def ended_with_a_dict(first, following, end, longest, width, alpha):
    beams = {(token,): first[token] for token in range(len(first))}

    def cut(beams):
        return dict(sorted(beams.items(), key=lambda item: -item[1] / len(item[0]) ** alpha)[:width])

    beams = cut(beams)
    for _ in range(longest - 1):
        grown = {}
        for tokens, score in beams.items():
            if tokens[-1] == end:
                grown[tokens] = score
            else:
                for token in range(len(first)):
                    grown[tokens + (token,)] = score + following[tokens[-1]][token]
        beams = cut(grown)
    best = next(iter(beams))
    return list(best), beams[best]


def ended_as_lists(first, following, end, longest, width, alpha):
    finished, growing = [], [([token], float(first[token])) for token in range(len(first))]
    for place in range(longest):
        if place:
            growing = [
                (t + [v], s + float(following[t[-1], v])) for t, s in growing for v in range(len(first))
            ]
        every = sorted(finished + growing, key=lambda beam: beam[1] / len(beam[0]) ** alpha)[::-1][:width]
        finished = [beam for beam in every if beam[0][-1] == end]
        growing = [beam for beam in every if beam[0][-1] != end]
        if not growing:
            break
    return every[0]


def ended_as_arrays(first, following, end, longest, width, alpha):
    """After the end the one way on is the end again, and costs nothing; lengths are counted apart."""
    steps = np.where(np.arange(len(first))[:, None] == end, -np.inf, following)
    steps[end, end] = 0.0
    tokens, scores, lengths = np.arange(len(first))[:, None], np.array(first), np.ones(len(first), int)
    order = np.argsort(-scores / lengths**alpha)[:width]
    tokens, scores, lengths = tokens[order], scores[order], lengths[order]
    for _ in range(longest - 1):
        grown = (scores[:, None] + steps[tokens[:, -1]]).ravel()
        counts = np.repeat(lengths + (tokens[:, -1] != end), len(first))
        order = np.argsort(-grown / counts**alpha, kind="stable")[:width]
        tokens = np.column_stack([tokens[order // len(first)], order % len(first)])
        scores, lengths = grown[order], counts[order]
    return tokens[0, :lengths[0]], scores[0]


RIGHT = {
    "steps_in_a_row": [
        dict(reversed(STEPS.items())),
        {name: float(number) for name, number in STEPS.items()},
        {name: np.int64(number) for name, number in STEPS.items()},
    ],
    "teacher_forcing": [forced_in_loops, forced_with_lists, forced_by_comparison],
    "shift_matrix": [shift_in_loops, shift_by_least_squares, shift_by_kron],
    "ended_beams": [ended_with_a_dict, ended_as_lists, ended_as_arrays],
}
