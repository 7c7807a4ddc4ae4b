"""References of lesson 09, from text to batches."""

import math
from collections import Counter

import numpy as np

from minibert.course.exercises.variants import Reference
from minibert.layers.cross_entropy import IGNORE_INDEX


def longest_match(word, vocab):
    pieces, start = [], 0
    while start < len(word):
        marked = [("##" if start else "") + word[start:end] for end in range(len(word), start, -1)]
        piece = next((piece for piece in marked if piece in vocab), None)
        if piece is None:
            return ["[UNK]"]
        pieces.append(piece)
        start += len(piece.removeprefix("##"))
    return pieces


def draw_words(rng):
    word = "".join(rng.choice(list("abc"), 8))
    cuts = [sorted(rng.choice(9, 2, replace=False)) for _ in range(6)]
    pieces = [("##" if begin else "") + word[begin:end] for begin, end in cuts]
    letters = ["a", "b", "c", "##a", "##b", "##c"]
    return [(word, [*letters, *pieces]), (word, [*letters[:-1], *pieces])]


def count_the_labels(B, length, T):
    predicted = B * round(0.15 * length)
    return {
        "predicted": predicted,
        "mask": 0.8 * predicted,
        "not_mask": 0.2 * predicted,
        "ignored": B * T - predicted,
    }


def draw_batch(rng):
    length = int(rng.choice([38, 39, 46, 47, 52, 53, 59]))  # 0.15 · length is not halfway between two numbers
    return {"B": 5 * int(rng.integers(3, 13)), "length": length, "T": length + int(rng.integers(3, 12))}


def merge_step(words):
    pairs = Counter()
    for symbols, count in words.items():
        for pair in zip(symbols, symbols[1:]):
            pairs[pair] += count
    best = min(pairs, key=lambda pair: (-pairs[pair], pair))
    return best, {_joined(symbols, best): count for symbols, count in words.items()}


def _joined(symbols, pair):
    joined = []
    for symbol in symbols:
        if joined and (joined[-1], symbol) == pair:
            joined[-1] += symbol
        else:
            joined.append(symbol)
    return tuple(joined)


def draw_counted_words(rng):
    words = [(*rng.choice(list("abc"), length).tolist(), "_") for length in (3, 4, 5, 6)]
    return [({word: int(rng.integers(1, 7)) for word in words},)]


def not_next_share(lengths, chunk, p_next):
    pairs, not_next = [0.0], [0.0]
    for left in range(1, max(lengths) + 1):
        size = min(chunk, left)
        p, used = (0.0, [1]) if size == 1 else (p_next, range(1, size))
        pairs.append(1 + p * pairs[left - size] + (1 - p) * np.mean([pairs[left - k] for k in used]))
        rest = np.mean([not_next[left - k] for k in used])
        not_next.append(p * not_next[left - size] + (1 - p) * (1 + rest))
    return float(sum(not_next[n] for n in lengths) / sum(pairs[n] for n in lengths))


def draw_documents(rng):
    return [(rng.integers(1, 10, 3).tolist(), int(rng.integers(2, 6)), round(rng.uniform(0.3, 0.8), 2))]


def span_mask(ids, candidates, spans, budget, random_ids, mask_token_id):
    masked, labels = ids.copy(), np.full(len(ids), IGNORE_INDEX)
    for start, length, draw in spans:
        place = slice(start, start + length)
        num_predicted = np.count_nonzero(labels != IGNORE_INDEX)
        taken = (labels[place] != IGNORE_INDEX).any() or num_predicted + length > budget
        if taken or start + length > len(ids) or not candidates[place].all():
            continue
        labels[place] = ids[place]
        if draw < 0.9:
            masked[place] = mask_token_id if draw < 0.8 else random_ids[place]
    return masked, labels


def draw_spans(rng):
    ids = rng.permutation(np.arange(10, 60))[:14]
    ids[[0, 6, 13]] = 2, 3, 3
    spans = [
        (int(rng.integers(0, 13)), int(rng.integers(1, 4)), round(rng.uniform(0, 1), 2)) for _ in range(8)
    ]
    return [(ids, ~np.isin(ids, (2, 3)), spans, budget, rng.integers(60, 90, 14), 4) for budget in (4, 7)]


def draws_needed(right, wrong, z):
    return math.ceil(z**2 * right * (1 - right) / (right - wrong) ** 2)


def draw_probabilities(rng):
    return [(right, right + rng.uniform(0.02, 0.1), 3) for right in rng.uniform(0.1, 0.8, 2)]


def weighted_mlm_loss(logits, labels, token_weights):
    predicted = labels != IGNORE_INDEX
    rows, targets = logits[predicted], labels[predicted]
    losses = np.log(np.exp(rows).sum(axis=-1)) - rows[np.arange(len(rows)), targets]
    return (token_weights[targets] * losses).sum() / token_weights[targets].sum()


REFERENCES = {
    "longest_match": Reference(longest_match, draw_words),
    "count_the_labels": Reference(
        count_the_labels, draw_batch, "B = {B} pairs of {length} tokens (`lengths`), padded to T = {T}"
    ),
    "merge_step": Reference(merge_step, draw_counted_words),
    "not_next_share": Reference(not_next_share, draw_documents),
    "span_mask": Reference(span_mask, draw_spans),
    "draws_needed": Reference(draws_needed, draw_probabilities),
    "weighted_mlm_loss": Reference(weighted_mlm_loss),
}
