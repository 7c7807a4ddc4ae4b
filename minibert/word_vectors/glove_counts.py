"""Co-occurrence counts: how often two words occur near each other, near pairs counting more than far ones.

X_ij = Σ 1/distance over all places where words i and j are at most `window` words apart in one list. X is
symmetric, so one half of it is kept: the entries with i ≤ j. Most of the matrix is empty; the entries are
three flat arrays.
"""

from typing import NamedTuple

import numpy as np

BLOCK = 1 << 16       # words whose pairs are counted at a time
PART = 1 << 20        # pairs that are merged at a time
MIN_PENDING = 1 << 21  # pairs of single blocks that are kept at least before they are merged


class Cooccurrences(NamedTuple):
    """One half of a symmetric matrix, in the order of rows and columns."""

    rows: np.ndarray  # (K,) int32, i
    columns: np.ndarray  # (K,) int32, j ≥ i
    counts: np.ndarray  # (K,) float64, X_ij = X_ji > 0

    @property
    def num_entries(self):
        """The number of entries of the whole matrix."""
        return 2 * len(self.rows) - int((self.rows == self.columns).sum())

    def whole(self):
        """Return rows, columns and counts of the whole matrix: both halves, and the diagonal once."""
        above = self.rows != self.columns
        rows = np.concatenate([self.rows, self.columns[above]])
        columns = np.concatenate([self.columns, self.rows[above]])
        return rows, columns, np.concatenate([self.counts, self.counts[above]])


def count_cooccurrences(word_ids, sentence_ids, window=15, block_size=BLOCK):
    """Count pairs, each with the weight 1/distance, in both directions: a word beside itself counts twice.

    Args:
        word_ids: (T,) integers, the text.
        sentence_ids: (T,) integers, the list of each word; no pair reaches from one list into another.
        window: the largest distance.
        block_size: words whose pairs are counted at a time. More are faster and need more memory.

    Returns:
        Cooccurrences.

    The pairs of a block of text are written as whole numbers, i·V + j with the distance in the lowest bits,
    and sorted: equal pairs are then neighbours, and their weights are summed. The sums of the blocks are
    merged whenever there are as many of them as were merged before: memory grows with the number of different
    pairs and not with the text.
    """
    vocab_size = int(word_ids.max(initial=0)) + 1
    merged = (np.zeros(0, np.int64), np.zeros(0))
    pending, num_pending = [], 0
    for start in range(0, len(word_ids), block_size):
        pairs, sums = _count_block(word_ids, sentence_ids, start, start + block_size, window, vocab_size)
        pending.append((pairs, sums))
        num_pending += len(pairs)
        if num_pending > max(len(merged[0]), MIN_PENDING):
            merged = _merge([merged, *pending])
            pending, num_pending = [], 0
    pairs, sums = _merge([merged, *pending])
    rows, columns = (half.astype(np.int32) for half in np.divmod(pairs, vocab_size))
    sums[rows == columns] *= 2
    return Cooccurrences(rows, columns, sums)


def _count_block(word_ids, sentence_ids, start, end, window, vocab_size):
    """Return the pairs whose first word is in start … end, sorted, and their summed weights.

    A pair is the number i·V + j, i ≤ j.
    """
    coded, num_bits = [], window.bit_length()
    for distance in range(1, window + 1):
        last = min(end, len(word_ids) - distance)
        if last <= start:
            break
        near, far = slice(start, last), slice(start + distance, last + distance)
        is_pair = sentence_ids[near] == sentence_ids[far]
        one = word_ids[near][is_pair].astype(np.int64)
        other = word_ids[far][is_pair].astype(np.int64)
        pairs = np.minimum(one, other) * vocab_size + np.maximum(one, other)
        coded.append(pairs << num_bits | distance)
    coded = np.sort(np.concatenate([np.zeros(0, np.int64), *coded]))
    weight_of = 1 / np.maximum(1, np.arange(1 << num_bits))  # by distance
    distances = coded & ((1 << num_bits) - 1)
    return _sum_equal(coded >> num_bits, weight_of[distances])


def _sum_equal(pairs, weights):
    """Return each of the sorted pairs once, and the sum of its weights."""
    if len(pairs) == 0:
        return pairs, weights
    starts = np.flatnonzero(np.concatenate([[True], pairs[1:] != pairs[:-1]]))
    return pairs[starts], np.add.reduceat(weights, starts)


def _merge(runs):
    """Merge sorted runs of (pairs, sums), a range of pairs at a time to save memory."""
    longest = max((pairs for pairs, _ in runs), key=len)
    num_parts = 1 + sum(len(pairs) for pairs, _ in runs) // PART
    borders = longest[np.arange(1, num_parts) * len(longest) // num_parts] if len(longest) else longest
    cuts = [np.concatenate([[0], np.searchsorted(pairs, borders), [len(pairs)]]) for pairs, _ in runs]
    parts = []
    for part in range(len(borders) + 1):
        ranges = [slice(cut[part], cut[part + 1]) for cut in cuts]
        pairs = np.concatenate([keys[range_] for (keys, _), range_ in zip(runs, ranges)])
        sums = np.concatenate([values[range_] for (_, values), range_ in zip(runs, ranges)])
        order = np.argsort(pairs, kind="stable")
        parts.append(_sum_equal(pairs[order], sums[order]))
    return np.concatenate([pairs for pairs, _ in parts]), np.concatenate([sums for _, sums in parts])
