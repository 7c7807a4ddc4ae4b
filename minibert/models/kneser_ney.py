"""Interpolated Kneser–Ney: the best n-gram model, and what a neural language model has to beat.

Sources: Kneser & Ney 1995, "Improved backing-off for m-gram language modeling"; Chen & Goodman 1998, "An
empirical study of smoothing techniques for language modeling", sections 3 and 4.1.6 (three discounts).
"""

from typing import NamedTuple

import numpy as np


class Level(NamedTuple):
    """The counts of words after histories of one length; histories are numbered, K of them.

    Attributes:
        grams: int64 sorted: a gram one token longer than a history is gram · (V + 1) + the token before it;
            its place here is its number. None for the longest histories.
        pairs: int64 sorted: history · V + word, of those that occur.
        discounted: (pairs,), the count minus its discount.
        totals: (K,), the counts of all words after a history.
        freed: (K,), the discounts of all words after a history: what the shorter history shares out.
    """

    grams: np.ndarray | None
    pairs: np.ndarray
    discounted: np.ndarray
    totals: np.ndarray
    freed: np.ndarray


class KneserNey:
    """P(word | the order − 1 tokens before it), from counts.

        P_m(w | history) = (c(history w) − D(c))/c(history ·) + freed(history)/c(history ·) · P_{m−1}(w | …)

    The history of P_{m−1} is one token shorter; P of no history mixes with 1/V. What is discounted from the
    words that occurred after a history, freed = Σ_w D(c(history w)), goes to all words in proportion to
    P_{m−1}; so every distribution sums to one. An unknown history leaves the answer to the shorter one.

    The longest histories count how often a word follows. Shorter ones count how many *different* tokens come
    before (history w): "Francisco" is frequent, but follows only "San", so it is an unlikely word elsewhere.

    The discounts of counts 1, 2 and 3 or more are estimated from the number n_k of pairs of count k:
    D_k = k − (k + 1) · n₁/(n₁ + 2 n₂) · n_{k+1}/n_k, and n₁/(n₁ + 2 n₂) where that is not within 0 … k.

    Args:
        texts: a list of int arrays of ids below vocab_size. The first token of a text is history only.
        vocab_size: V.  order: 1 is the unigram model.

    Raises:
        ValueError: order is under 1, or there is no token to predict.
    """

    def __init__(self, texts, vocab_size, order=5):
        if order < 1:
            raise ValueError(f"order {order} must be 1 or more")
        self.vocab_size, self.order = vocab_size, order
        ids, predicted = self._joined(texts)
        if not predicted.size:
            raise ValueError("an n-gram model needs a text of two tokens or more")
        histories, all_grams = [np.zeros(len(ids), np.int64)], []  # of m tokens, by m
        for length in range(1, order):
            keys = self._keys(histories[-1], ids, length)
            grams, number = np.unique(keys, return_inverse=True)
            histories.append(number)
            all_grams.append(grams)
        self.levels, counts, longer_first = [None] * order, None, None
        for length in reversed(range(order)):
            keys = histories[length][predicted] * vocab_size + ids[predicted]
            pairs, first, number, occurrences = np.unique(
                keys, return_index=True, return_inverse=True, return_counts=True)
            if counts is not None:  # a shorter history: one for each pair of the longer one
                occurrences = np.bincount(number[longer_first], minlength=len(pairs))
            longer_first, counts = first, occurrences
            grams = all_grams[length] if length < order - 1 else None
            self.levels[length] = _level(grams, pairs, counts, vocab_size, histories[length].max() + 1)

    def log_probs(self, texts):
        """Return log P of each token of each text but its first, in one array (N,), in nats."""
        ids, predicted = self._joined(texts)
        probs = np.full(len(predicted), 1 / self.vocab_size)
        history = np.zeros(len(ids), np.int64)
        for length, level in enumerate(self.levels):
            probs = _mixed(level, history[predicted], ids[predicted], probs, self.vocab_size)
            if level.grams is not None:
                history = _number(level.grams, self._keys(history, ids, length + 1))
        return np.log(probs)

    def probs(self, history):
        """Return P(each word | the tokens of a text so far), (V,); the text begins with history[0]."""
        words = np.arange(self.vocab_size)
        return np.exp([self.log_probs([np.append(history, word)])[-1] for word in words])

    def _joined(self, texts):
        """Return the ids of all texts in one array, start symbols before each, and the places to predict."""
        start = np.full(self.order - 1, self.vocab_size)
        ids = np.concatenate([part for text in texts for part in (start, text)] or [start]).astype(np.int64)
        lengths = np.array([len(start) + len(text) for text in texts], int)
        is_predicted = np.ones(len(ids), bool)
        for offset in range(self.order):
            is_predicted[(np.cumsum(lengths) - lengths)[lengths > offset] + offset] = False
        return ids, np.flatnonzero(is_predicted)

    def _keys(self, history, ids, length):
        """Return the key of the history of `length` tokens before each place; −1 where there is none."""
        before = np.full(len(ids), self.vocab_size, np.int64)
        before[length:] = ids[:-length]
        return np.where(history < 0, -1, history * (self.vocab_size + 1) + before)


def _level(grams, pairs, counts, vocab_size, num_histories):
    """Return the Level of pairs with these counts."""
    number_of = np.bincount(np.minimum(counts, 5), minlength=5)  # number_of[k]: how many pairs have count k
    discounts = _discounts(number_of[1:5].astype(float))
    of_pairs = discounts[np.minimum(counts, 3) - 1]
    history = pairs // vocab_size
    return Level(
        grams=grams, pairs=pairs, discounted=counts - of_pairs,
        totals=np.bincount(history, counts, num_histories),
        freed=np.bincount(history, of_pairs, num_histories))


def _discounts(numbers):
    """Return the discounts of counts 1, 2 and 3 or more, for n₁ to n₄."""
    plain = numbers[0] / (numbers[0] + 2 * numbers[1]) if numbers[0] else 0.5
    k = np.arange(1, 4)
    ratios = np.divide(numbers[1:], numbers[:3], out=np.full(3, np.nan), where=numbers[:3] > 0)
    found = k - (k + 1) * plain * ratios
    return np.where((found >= 0) & (found <= k), found, plain)


def _mixed(level, history, words, shorter, vocab_size):
    """Return P(words | histories), given that of the shorter histories; a history of −1 is unknown."""
    pair = _number(level.pairs, np.where(history < 0, -1, history * vocab_size + words))
    total = np.where(history < 0, 0, level.totals[history])
    own = np.where(pair < 0, 0, level.discounted[pair])
    mixed = own + level.freed[history] * shorter
    return np.divide(mixed, total, out=shorter.copy(), where=total > 0)


def _number(known, keys):
    """Return the place of each key in the sorted array `known`, −1 where it is not there."""
    place = np.minimum(np.searchsorted(known, keys), len(known) - 1)
    return np.where(known[place] == keys, place, -1)
