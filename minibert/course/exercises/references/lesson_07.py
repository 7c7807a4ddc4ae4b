"""References of lesson 07, the Transformer."""

import math

import numpy as np

from minibert.course.exercises.variants import Reference
from minibert.layers.softmax import softmax


def steps_in_a_row(T, L, W, N):
    return {
        "lstm": T, "lstm_stack": T + L - 1, "attention_stack": L,
        "window_layers": math.ceil((T - 1) / (W - 1)), "translation": L + N * L,
    }


def draw_sizes(rng):
    """Sizes whose five answers differ; T / W, (T - 1) / W and T / (W - 1) give another number of layers."""
    W, window_layers = int(rng.integers(4, 6)), int(rng.integers(10, 15))
    T, L, N = 1 + window_layers * (W - 1), int(rng.integers(7, 10)), int(rng.integers(10, 16))
    return {"T": T, "L": L, "W": W, "N": N}


def teacher_forcing(sources, targets, start, end, pad):
    num_target, num_source = 1 + max(map(len, targets)), max(map(len, sources))
    target_ids = np.full((len(targets), num_target), pad)
    labels = np.full(target_ids.shape, -100)
    cross = np.zeros((len(sources), num_target, num_source), int)
    for row, (source, target) in enumerate(zip(sources, targets)):
        target_ids[row, :len(target) + 1] = [start, *target]
        labels[row, :len(target) + 1] = [*target, end]
        cross[row, :, :len(source)] = 1
    return {
        "target_ids": target_ids, "labels": labels, "decoder": np.tri(num_target, dtype=int), "cross": cross,
    }


def draw_pairs(rng):
    sources = [rng.integers(5, 20, length).tolist() for length in (4, 7, 2)]
    targets = [rng.integers(5, 20, length).tolist() for length in (5, 1, 3)]
    return [(sources, targets, 3, 1, 4)]


def one_key_for_all(query, key, value, source_mask):
    scores = query @ key[:, np.newaxis].swapaxes(-1, -2) / math.sqrt(query.shape[-1])
    seen = source_mask[:, np.newaxis, np.newaxis] == 1
    return softmax(np.where(seen, scores, np.finfo(float).min)) @ value[:, np.newaxis]


def shift_matrix(size, shift, base):
    """The rotation, from complex numbers: cos + i sin of a position is turned by e^(i angle)."""
    turn = np.exp(1j * shift * base ** (-np.arange(0, size, 2) / size))             # (H/2,)
    matrix = np.zeros((size, size))
    places = np.arange(0, size, 2)
    matrix[places, places] = matrix[places + 1, places + 1] = turn.real
    matrix[places + 1, places], matrix[places, places + 1] = turn.imag, -turn.imag
    return matrix


def draw_shifts(rng):
    return [(12, int(rng.integers(2, 30)), float(rng.integers(20, 90))), (6, -int(rng.integers(2, 30)), 40.0)]


def smoothed_rows(logits, labels, epsilon, pad):
    kept = labels != pad
    shifted = logits[kept] - logits[kept].max(axis=1, keepdims=True)
    log_probs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    others = np.delete(log_probs, pad, axis=1).sum(axis=1)
    of_label = log_probs[np.arange(kept.sum()), labels[kept]]
    share = epsilon / (logits.shape[1] - 2)
    return -((1 - epsilon) * of_label + share * (others - of_label)).mean()


def ended_beams(first, following, end, longest, width, alpha):
    beams = [((token,), score) for token, score in enumerate(first.tolist())]
    for place in range(longest):
        if place:
            beams = [
                beam
                for tokens, score in beams
                for beam in (
                    [(tokens, score)] if tokens[-1] == end
                    else [
                        ((*tokens, token), score + step) for token, step in enumerate(following[tokens[-1]])
                    ]
                )
            ]
        beams = sorted(beams, key=lambda beam: beam[1] / len(beam[0]) ** alpha, reverse=True)[:width]
    return list(beams[0][0]), float(beams[0][1])


def draw_languages(rng):
    logits = 1.5 * rng.standard_normal((8, 7))
    log_probs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return [(log_probs[0], log_probs[1:], 6, 5, *choice) for choice in ((2, 0.0), (3, 0.7), (4, 1.0))]


REFERENCES = {
    "steps_in_a_row": Reference(
        steps_in_a_row, draw_sizes,
        "T = {T} tokens, L = {L} layers, a window of W = {W}, N = {N} written tokens"),
    "teacher_forcing": Reference(teacher_forcing, draw_pairs),
    "one_key_for_all": Reference(one_key_for_all),
    "shift_matrix": Reference(shift_matrix, draw_shifts),
    "smoothed_rows": Reference(smoothed_rows),
    "ended_beams": Reference(ended_beams, draw_languages),
}
