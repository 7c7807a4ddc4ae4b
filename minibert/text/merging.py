"""Learning the pieces of a vocabulary: the most frequent pair of neighbours becomes one, again and again.

Counting all pairs anew for each merge would take hours. Instead, the text is one flat array of pieces in
which a merge looks only at the places of its pair, all of them at once: it changes the counts of the pairs
there, and a heap gives the most frequent pair. Counts in the heap may be out of date: a pair is checked when
it comes to the top, and put back with its new count.

Source: Sennrich et al. 2016, "Neural Machine Translation of Rare Words with Subword Units", section 3.2.
"""

import heapq
from collections import defaultdict

import numpy as np

CONTINUATION = "##"  # begins a piece that continues a word
BORDER = -1          # between two words


def merge_pairs(counts, alphabet, num_merges, min_frequency):
    """Return the pieces made by merging the most frequent pair of neighbours, `num_merges` pieces at most.

    There are fewer pieces where no pair occurs `min_frequency` times; see `merges`.
    """
    merged_pieces = {}  # used as an ordered set: two different pairs may make the same piece
    for _, _, merged in merges(counts, alphabet, min_frequency) if num_merges > 0 else ():
        merged_pieces[merged] = None
        if len(merged_pieces) == num_merges:
            break
    return list(merged_pieces)


def merges(counts, alphabet, min_frequency, continuation=CONTINUATION):
    """Yield (left piece, right piece, the piece made of both): the most frequent pair, again and again.

    Of equally frequent pairs the first by code points is taken; a run such as "a a a" is merged from the
    left. The end is where no pair occurs `min_frequency` times.

    Args:
        counts: {word: count}.
        alphabet: the pieces that words are made of at the start. Words with other characters are left out:
            they become [UNK] whatever is merged.
        continuation: begins a piece that continues a word; "" for none.
    """
    text = _Text(counts, alphabet, continuation)
    heap = [(-count, *text.names(pair), pair) for pair, count in text.pair_counts.items()
            if count >= min_frequency]
    heapq.heapify(heap)  # the smallest first: the highest count, then the first pair by code points
    while heap:
        negative_count, left, right, pair = heapq.heappop(heap)
        count = text.pair_counts[pair]
        if count != -negative_count:
            if count >= min_frequency:
                heapq.heappush(heap, (-count, left, right, pair))
            continue
        merged = left + right.removeprefix(continuation)
        yield left, right, merged
        for new_pair in text.merge(pair, merged):
            if text.pair_counts[new_pair] >= min_frequency:
                heapq.heappush(heap, (-text.pair_counts[new_pair], *text.names(new_pair), new_pair))


class _Text:
    """Words as one array of pieces, each place with the places of its neighbours.

    A pair is the tuple of the numbers of two pieces; it is at the place of its left piece.

    Attributes:
        pieces: the names of the pieces, by number.
        pair_counts: {pair: how often it occurs in the text}.
    """

    def __init__(self, counts, alphabet, continuation):
        self.pieces = list(alphabet)
        self._numbers = {piece: number for number, piece in enumerate(self.pieces)}
        flat, weights = [BORDER], [0]
        for word, count in sorted(counts.items()):
            numbers = [self._numbers.get(character if place == 0 else continuation + character)
                       for place, character in enumerate(word)]
            if len(numbers) > 1 and None not in numbers:
                flat += [*numbers, BORDER]
                weights += [count] * (len(numbers) + 1)
        self._at = np.array(flat, np.int64)            # (N,), the piece at each place; BORDER between words
        self._weight = np.array(weights, np.int64)     # (N,), how often the word there occurs
        places = np.arange(len(flat))
        self._next = np.minimum(places + 1, len(flat) - 1)  # (N,), the place of the piece on the right
        self._previous = np.maximum(places - 1, 0)          # (N,)
        self.pair_counts = defaultdict(int)
        self._places = defaultdict(list)  # pair -> arrays of the places where it is, or was once
        self._count(places[:-1], 1)

    def names(self, pair):
        """Return the names of the two pieces of a pair."""
        return self.pieces[pair[0]], self.pieces[pair[1]]

    def _count(self, places, sign):
        """Add to the counts of the pairs at these places (sign 1; also note the places), or subtract (-1).

        Returns:
            the pairs: a list.
        """
        left, right = self._at[places], self._at[self._next[places]]
        inside = (left != BORDER) & (right != BORDER)
        places = places[inside]
        if not len(places):
            return []
        keys = left[inside] * len(self.pieces) + right[inside]  # a number for each pair
        order = np.argsort(keys, kind="stable")
        keys, places = keys[order], places[order]
        starts = np.flatnonzero(np.diff(keys, prepend=-1))  # of the runs of equal pairs
        totals = np.add.reduceat(self._weight[places], starts).tolist()
        pairs = [divmod(key, len(self.pieces)) for key in keys[starts].tolist()]
        for pair, total in zip(pairs, totals):
            self.pair_counts[pair] += sign * total
        if sign == 1:
            for pair, run in zip(pairs, np.split(places, starts[1:])):
                self._places[pair].append(run)
        return pairs

    def merge(self, pair, merged):
        """Replace a pair by the piece `merged` everywhere; return the pairs that hold it now."""
        if merged not in self._numbers:
            self._numbers[merged] = len(self.pieces)
            self.pieces.append(merged)
        left, right = pair
        noted = self._places.pop(pair)
        places = np.unique(np.concatenate(noted)) if len(noted) > 1 else np.sort(noted[0])
        places = places[(self._at[places] == left) & (self._at[self._next[places]] == right)]
        if left == right:
            places = places[_every_other(places, self._next)]
        ends = self._next[places]
        before, after = self._previous[places], self._next[ends]

        self._count(np.unique(np.concatenate([before, places, ends])), -1)
        self._at[places] = self._numbers[merged]
        self._at[ends] = BORDER  # no place of a word any more
        self._next[places] = after
        self._previous[after] = places
        return self._count(np.unique(np.concatenate([self._previous[places], places])), 1)


def _every_other(places, following):
    """Return bool: the first, third, ... of each run of places in which each follows the one before it."""
    starts_run = np.append(True, following[places[:-1]] != places[1:])[:len(places)]
    index = np.arange(len(places))
    return (index - np.maximum.accumulate(np.where(starts_run, index, 0))) % 2 == 0
