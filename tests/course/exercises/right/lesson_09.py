"""Right answers to the exercises of lesson 09 in other styles than the solution's."""

import math
from collections import Counter

import numpy as np
from course.exercises.solutions import solution


def match_by_recursion(word, vocab, start=0):
    if start == len(word):
        return []
    for end in range(len(word), start, -1):
        piece = ("##" if start else "") + word[start:end]
        if piece in vocab:
            rest = match_by_recursion(word, vocab, end)
            return ["[UNK]"] if rest == ["[UNK]"] else [piece, *rest]
    return ["[UNK]"]


def match_by_shortening(word, vocab):
    known, pieces = set(vocab), []
    while word:
        piece = word
        while piece and ("##" * bool(pieces)) + piece not in known:
            piece = piece[:-1]
        if not piece:
            return ["[UNK]"]
        pieces.append("##" * bool(pieces) + piece)
        word = word[len(piece) :]
    return pieces


def match_by_longest_prefix(text, pieces_known):
    found, place = [], 0
    while place < len(text):
        mark = "##" if place else ""
        fitting = [p for p in pieces_known if p.startswith(mark) and text.startswith(p[len(mark) :], place)]
        fitting = [p for p in fitting if len(p) > len(mark) and (mark or not p.startswith("##"))]
        if not fitting:
            return ["[UNK]"]
        best = max(fitting, key=len)
        found.append(best)
        place += len(best) - len(mark)
    return found


def most_frequent(words):
    pairs = Counter()
    for symbols, count in words.items():
        for first, second in zip(symbols, symbols[1:]):
            pairs[first, second] += count
    return min(pairs, key=lambda pair: (-pairs[pair], pair))


def merge_with_lists(words):
    pair, new_words = most_frequent(words), {}
    for symbols, count in words.items():
        rest, merged = list(symbols), []
        while rest:
            if tuple(rest[:2]) == pair:
                merged.append(rest.pop(0) + rest.pop(0))
            else:
                merged.append(rest.pop(0))
        new_words[tuple(merged)] = count
    return pair, new_words


def merge_with_strings(words):
    """With a separator that no symbol holds, and a symbol of its own for each occurrence."""
    pair = most_frequent(words)
    new_words = {}
    for symbols, count in words.items():
        text = "".join(f"<{symbol}>" for symbol in symbols).replace(
            f"<{pair[0]}><{pair[1]}>", f"<{''.join(pair)}>"
        )
        new_words[tuple(text[1:-1].split("><"))] = count
    return pair, new_words


def merge_in_place(words):
    counted = {}
    for symbols in words:
        for k in range(len(symbols) - 1):
            counted.setdefault(symbols[k : k + 2], []).append(words[symbols])
    best = sorted(counted, key=lambda pair: (-sum(counted[pair]), pair))[0]
    new = {}
    for symbols, count in words.items():
        symbols, k = list(symbols), 0
        while k < len(symbols) - 1:
            if (symbols[k], symbols[k + 1]) == best:
                symbols[k : k + 2] = ["".join(best)]
            k += 1
        new[tuple(symbols)] = count
    return best, new


def share_by_recursion(lengths, chunk, p_next, memory=None):
    memory = {} if memory is None else memory

    def expected(left):
        if left == 0:
            return np.zeros(2)
        if left not in memory:
            size = min(chunk, left)
            if size == 1:
                memory[left] = np.ones(2) + expected(left - 1)
            else:
                rest = sum(expected(left - used) for used in range(1, size)) / (size - 1)
                memory[left] = (
                    np.array([1, 1 - p_next]) + p_next * expected(left - size) + (1 - p_next) * rest
                )
        return memory[left]

    pairs, not_next = sum(expected(length) for length in lengths)
    return not_next / pairs


def share_by_tables(lengths, chunk, p_next):
    P, F = [0.0], [0.0]
    for left in range(1, max(lengths) + 1):
        size = min(left, chunk)
        if size == 1:
            P.append(1 + P[-1])
            F.append(1 + F[-1])
            continue
        P.append(1 + p_next * P[left - size] + (1 - p_next) * np.mean(P[left - size + 1 : left]))
        F.append(1 - p_next + p_next * F[left - size] + (1 - p_next) * np.mean(F[left - size + 1 : left]))
    return sum(F[n] for n in lengths) / sum(P[n] for n in lengths)


def share_by_solving(lengths, chunk, p_next):
    """A linear system for all numbers of sentences left."""
    n = max(lengths) + 1
    moves, gains = np.zeros((n, n)), np.zeros((n, 2))
    for left in range(1, n):
        size = min(left, chunk)
        gains[left] = 1, 1 if size == 1 else 1 - p_next
        if size == 1:
            moves[left, left - 1] = 1
        else:
            moves[left, left - size] += p_next
            moves[left, left - size + 1 : left] += (1 - p_next) / (size - 1)
    expected = np.linalg.solve(np.eye(n) - moves, gains)[lengths].sum(axis=0)
    return expected[1] / expected[0]


def spans_with_a_list(ids, candidates, spans, budget, random_ids, mask_token_id):
    masked, labels, taken = list(ids), [-100] * len(ids), []
    for start, length, draw in spans:
        places = list(range(start, start + length))
        fits = start + length <= len(ids) and len(taken) + length <= budget
        if not fits or any(not candidates[t] or t in taken for t in places):
            continue
        taken += places
        for t in places:
            labels[t] = ids[t]
            masked[t] = mask_token_id if draw < 0.8 else random_ids[t] if draw < 0.9 else ids[t]
    return masked, labels


def spans_by_labels(ids, candidates, spans, budget, random_ids, mask_token_id):
    masked, labels = np.array(ids), np.full(ids.shape, -100)
    for start, length, draw in spans:
        inside = (np.arange(len(ids)) >= start) & (np.arange(len(ids)) < start + length)
        free = candidates & (labels == -100)
        if inside.sum() < length or not free[inside].all() or (labels != -100).sum() + length > budget:
            continue
        labels[inside] = ids[inside]
        source = np.full(ids.shape, mask_token_id) if draw < 0.8 else random_ids if draw < 0.9 else ids
        masked[inside] = source[inside]
    return masked, labels


def spans_with_a_helper(ids, allowed, spans, budget, other_ids, mask_id):
    hidden, targets, free = ids.copy(), -100 * np.ones(len(ids), int), allowed.copy()

    def fits(start, stop):
        return stop <= len(ids) and free[start:stop].all() and stop - start <= budget

    for start, length, draw in spans:
        stop = start + length
        if fits(start, stop):
            budget, free[start:stop] = budget - length, False
            targets[start:stop] = ids[start:stop]
            if draw < 0.9:
                hidden[start:stop] = mask_id if draw < 0.8 else other_ids[start:stop]
    return hidden, targets


def draws_by_trying(right, wrong, z):
    n = 1
    while z * math.sqrt(right * (1 - right) / n) > abs(right - wrong):
        n += 1
    return n


def draws_by_deviation(right, wrong, z):
    deviation = (right - right**2) ** 0.5
    return int(np.ceil((z * deviation / (wrong - right)) ** 2))


def draws_by_search(p, q, how_far):
    counts = np.arange(1, 10**5)
    errors = how_far * np.sqrt(p * (1 - p) / counts)
    return counts[np.argmax(errors <= abs(p - q))]


COUNTS = solution("count_the_labels")[0]

RIGHT = {
    "longest_match": [match_by_recursion, match_by_shortening, match_by_longest_prefix],
    "count_the_labels": [
        dict(reversed(COUNTS.items())),
        {name: float(count) for name, count in COUNTS.items()},
        {name: np.round(count) for name, count in COUNTS.items()},
    ],
    "merge_step": [merge_with_lists, merge_with_strings, merge_in_place],
    "not_next_share": [share_by_recursion, share_by_tables, share_by_solving],
    "draws_needed": [draws_by_trying, draws_by_deviation, draws_by_search],
    "span_mask": [spans_with_a_list, spans_by_labels, spans_with_a_helper],
}
