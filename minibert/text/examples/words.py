"""Words as characters, and the words on both sides of each to predict: what ELMo learns from."""

from typing import NamedTuple

import numpy as np

from minibert.layers.cross_entropy import IGNORE_INDEX
from minibert.text.characters import character_ids


class WordBatch(NamedTuple):
    """The arguments of ELMo.forward: int64 arrays."""

    character_ids: np.ndarray  # (B, T, C): 0 for padding
    labels: np.ndarray  # (B, T, 2): the next word and the one before, IGNORE_INDEX where nothing is predicted


class SpelledWords:
    """Streams of words, spelt out; `batch`, `starts_stream` and `held_out` as in Streams.

    A word is read by its characters, whatever it is; it is predicted as one of V words, of which one is
    [UNK].

    Args:
        words: Streams of the text, with ids below V.
        spelt: Streams of the same text, with ids that are rows of the table.
        table: int (W, C), of `word_table`.
    """

    def __init__(self, words, spelt, table):
        self.words, self.spelt, self.table = words, spelt, table

    def starts_stream(self, step, batch_size):
        """Whether no state is carried into a step."""
        return self.words.starts_stream(step, batch_size)

    def batch(self, step, batch_size):
        """Return the WordBatch of a training step (0, 1, 2, ...), the same at every call."""
        words, spelt = self.words.batch(step, batch_size), self.spelt.batch(step, batch_size)
        if self.starts_stream(step, batch_size):
            return self._both_sides(words, spelt, np.full((batch_size, 1), IGNORE_INDEX))
        before = self.words.batch(step - 1, batch_size)
        return self._both_sides(words, spelt, before.input_ids[:, -1:])

    def held_out(self, batch_size):
        """Return one stream of WordBatch. Except at the ends, each word is predicted once from each side."""
        [words], [spelt] = self.words.held_out(batch_size), self.spelt.held_out(batch_size)
        of_row_above = np.insert(words[-1].input_ids[:-1, -1], 0, IGNORE_INDEX)     # (B,)
        first = [of_row_above[:, np.newaxis], *(batch.input_ids[:, -1:] for batch in words[:-1])]
        return [[self._both_sides(*batches) for batches in zip(words, spelt, first)]]

    def _both_sides(self, words, spelt, first):
        """Return the WordBatch of a NextBatch; `first` (B, 1) are the words before it."""
        previous = np.hstack([first, words.input_ids[:, :-1]])                      # (B, T)
        previous = np.where(spelt.input_ids == 0, IGNORE_INDEX, previous)
        return WordBatch(self.table[spelt.input_ids], np.stack([words.labels, previous], axis=2))


def word_table(words, max_characters):
    """Return the characters of words, int64 (W, C), by their number; number 0 is padding, zeros."""
    table = character_ids([words], max_characters)[0]
    table[0] = 0
    return table
