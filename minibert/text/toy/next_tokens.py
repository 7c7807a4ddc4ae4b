"""The next tokens of pairs of the toy language: clean rows, as `Limits.next_token` judges them.

    [CLS] A [SEP] B [SEP]      A and B are neighbours, or from two documents, in half of the rows each

Every token after [CLS] is predicted, both [SEP] included. A row is a stream of its own.
"""

import numpy as np

from minibert.layers.cross_entropy import IGNORE_INDEX
from minibert.text.examples.streams import NextBatch
from minibert.text.examples.words import WordBatch, word_table
from minibert.text.toy.pairs import STEPS_AT_ONCE, ToyExamples


class ToyNextTokens:
    """Next tokens of a toy language; `batch` and `held_out` as in Windows.

    Args:
        language: a Language.  tokenizer: language.tokenizer().  seed: an int, 0 or more.
        num_held_out: pairs for evaluation; None is as many as for BERT.
    """

    def __init__(self, language, tokenizer, seed=0, num_held_out=None):
        self.pairs = ToyExamples(language, tokenizer, seed)
        self.seed, self.num_held_out = seed, num_held_out
        self._drawn = None  # (number of the draw, batch_size) of the rows below
        self._rows = None  # clean ids of STEPS_AT_ONCE batches

    def starts_stream(self, step, batch_size):
        """Every row is a stream of its own."""
        return True

    def batch(self, step, batch_size):
        """Return the NextBatch of a training step (0, 1, 2, ...), the same at every call."""
        number, index = divmod(step, STEPS_AT_ONCE)
        if self._drawn != (number, batch_size):
            self._rows = self.rows(STEPS_AT_ONCE * batch_size, np.random.default_rng([self.seed, 2, number]))
            self._drawn = number, batch_size
        ids, lengths = (array[index * batch_size:(index + 1) * batch_size] for array in self._rows)
        return self.arranged(ids, lengths)

    def rows(self, number, rng):
        """Return the ids of new rows, (number, T), and their lengths, (number,)."""
        pairs = self.pairs.pairs(number, rng)
        return pairs.clean_ids, pairs.batch.attention_mask.sum(axis=1)

    def held_out(self, batch_size):
        """Return a list of streams of one NextBatch each: the rows of held_out_pairs, in order."""
        pairs = self.held_out_pairs()
        ids, lengths = pairs.clean_ids, pairs.batch.attention_mask.sum(axis=1)
        starts = range(0, len(ids), batch_size)
        return [[self.arranged(ids[start:start + batch_size], lengths[start:start + batch_size])]
                for start in starts]

    def held_out_pairs(self):
        """Return the Pairs for evaluation, by length, the same for every seed."""
        return self.pairs.held_out_pairs(self.num_held_out)

    def arranged(self, ids, lengths):
        """Return the batch of rows of ids (B, T), of which `lengths` (B,) are tokens and the rest padding."""
        return next_batch(ids, lengths)


class ToyWords(ToyNextTokens):
    """The words of the same rows, spelt out, and the words on both sides of each to predict; for ELMo.

        [SEP] A [SEP] B [SEP]      a row begins as a text ends, with one border

    Args:
        max_characters: C.  The others are those of ToyNextTokens.
    """

    def __init__(self, language, tokenizer, seed=0, num_held_out=None, max_characters=50):
        super().__init__(language, tokenizer, seed, num_held_out)
        self.border, self.first = tokenizer.sep_token_id, tokenizer.cls_token_id
        self.table = word_table(tokenizer.id_to_token, max_characters)

    def arranged(self, ids, lengths):
        """Return the WordBatch of rows of ids (B, T), of which `lengths` (B,) are tokens."""
        ids = np.where(ids == self.first, self.border, ids)[:, :lengths.max()]
        nothing, place = np.full((len(ids), 1), IGNORE_INDEX), np.arange(ids.shape[1])
        following = np.hstack([ids[:, 1:], nothing])                                # (B, T)
        following = np.where(place < lengths[:, np.newaxis] - 1, following, IGNORE_INDEX)
        previous = np.hstack([nothing, ids[:, :-1]])                                # (B, T)
        previous = np.where(place < lengths[:, np.newaxis], previous, IGNORE_INDEX)
        return WordBatch(self.table[ids], np.stack([following, previous], axis=2))


def next_batch(ids, lengths):
    """Return the NextBatch of rows of ids (B, T), of which `lengths` (B,) are tokens and the rest padding."""
    ids = ids[:, :lengths.max()]
    is_token = np.arange(1, ids.shape[1]) < lengths[:, np.newaxis]
    return NextBatch(ids[:, :-1], np.where(is_token, ids[:, 1:], IGNORE_INDEX))
