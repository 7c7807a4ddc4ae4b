"""Examples of the next token: text as it runs on, cut into windows.

A corpus becomes one long row of ids, a [SEP] (or "<|endoftext|>") before each document, in a new order of
documents in each epoch.

    Streams     the row is cut into B streams; batch k + 1 goes on where batch k ended, and a recurrent state
                is carried along (Mikolov et al. 2010; Merity et al. 2017)
    Windows     every window is an example of its own, in random order: for models without a state

labels[b, t] is the token that follows input_ids[b, t]. Both predict every token of the text once.
"""

from typing import NamedTuple

import numpy as np

from minibert.layers.cross_entropy import IGNORE_INDEX
from minibert.text.examples.ends import ends_of

ORDER = 4  # generators are made from [seed, purpose, epoch]; see sentence_pairs.py for 0 to 3


class NextBatch(NamedTuple):
    """The arguments of a language model's forward: int64 arrays."""

    input_ids: np.ndarray  # (B, T)
    labels: np.ndarray  # (B, T): the token that follows, IGNORE_INDEX where nothing is predicted


def shifted_inside(batch):
    """Return a NextBatch for a model that shifts its labels itself, as GPT-2 in transformers: (B, T + 1).

    Such a model compares its answer at place t with labels[b, t + 1]. The same tokens are predicted from the
    same tokens; the last one is an input as well, and its answer is not asked for.
    """
    last = np.where(batch.labels[:, -1:] == IGNORE_INDEX, 0, batch.labels[:, -1:])  # an id, whichever it is
    nothing = np.full_like(last, IGNORE_INDEX)
    return NextBatch(np.hstack([batch.input_ids, last]), np.hstack([nothing, batch.labels]))


class Streams:
    """The next tokens of a tokenized corpus, in streams whose state is carried on.

    Args:
        tokenized: a TokenizedCorpus.
        tokenizer: the tokenizer that made it.
        seq_length: T, tokens in a window: as far as the gradient goes back.
        seed: an int, 0 or more; the same seed gives the same examples in the same order.

    Raises:
        ValueError: seq_length is under 1, seed is negative, or the corpus has fewer than two tokens.
    """

    def __init__(self, tokenized, tokenizer, seq_length=64, seed=0):
        if seq_length < 1:
            raise ValueError(f"seq_length {seq_length} must be 1 or more")
        if seed < 0:
            raise ValueError(f"seed {seed} is negative; give 0 or more")
        self.tokenized, self.seq_length, self.seed = tokenized, seq_length, seed
        self.separator = ends_of(tokenizer).end
        self.num_tokens = len(tokenized.ids) + len(tokenized.document_starts) - 1
        if self.num_tokens < 2:
            raise ValueError("next tokens need a text of two tokens or more")
        self._kept = None  # (epoch, batch size), and the windows of that epoch

    def row(self, epoch=None):
        """Return all ids of an epoch, int64 (N,): its documents in random order, a [SEP] before each.

        None keeps the order of the text.
        """
        starts = self.tokenized.sentence_starts[self.tokenized.document_starts]
        order = np.arange(len(starts) - 1)
        if epoch is not None:
            order = np.random.default_rng([self.seed, ORDER, epoch]).permutation(order)
        parts = []
        for document in order:
            parts += [[self.separator], self.tokenized.ids[starts[document]:starts[document + 1]]]
        return np.concatenate(parts).astype(np.int64)

    def windows_per_epoch(self, batch_size):
        """Return the number of batches of an epoch, 1 or more."""
        return max(1, (self.num_tokens - 1) // (batch_size * self.seq_length))

    def starts_stream(self, step, batch_size):
        """Whether no state is carried into a step: an epoch begins, with other streams."""
        return step % self.windows_per_epoch(batch_size) == 0

    def batch(self, step, batch_size):
        """Return the NextBatch of a training step (0, 1, 2, ...), the same at every call."""
        epoch, index = divmod(step, self.windows_per_epoch(batch_size))
        if self._kept is None or self._kept[0] != (epoch, batch_size):
            self._kept = (epoch, batch_size), self._epoch(epoch, batch_size)
        return self._kept[1][index]

    def _epoch(self, epoch, batch_size):
        """Return the batches of an epoch. What does not fill the last one is left out."""
        return _cut(self.row(epoch), batch_size, self.seq_length, self.windows_per_epoch(batch_size))

    def held_out(self, batch_size):
        """Return one stream: the text in batch_size rows, in NextBatch of seq_length columns.

        Every token is predicted once. The last row is filled up with places where nothing is predicted.
        """
        inputs, labels = _rows(self.row(), -(-(self.num_tokens - 1) // batch_size), batch_size)
        columns = [slice(start, start + self.seq_length)
                   for start in range(0, inputs.shape[1], self.seq_length)]
        return [[NextBatch(inputs[:, some], labels[:, some]) for some in columns]]


class Windows(Streams):
    """The next tokens of a tokenized corpus, in windows that know nothing of each other.

    Each epoch cuts its row of ids at other places. Arguments as of Streams; seq_length is T, the most tokens
    that a prediction sees.
    """

    def starts_stream(self, step, batch_size):
        """Every window is a stream of its own."""
        return True

    def _epoch(self, epoch, batch_size):
        """Return the batches of an epoch: its windows in random order."""
        rng = np.random.default_rng([self.seed, ORDER, epoch, 1])
        row = self.row(epoch)
        row = np.roll(row, -int(rng.integers(min(self.seq_length, len(row)))))
        number = batch_size * self.windows_per_epoch(batch_size)
        [windows] = _cut(row, number, self.seq_length, 1)
        order = rng.permutation(number).reshape(-1, batch_size)
        return [NextBatch(windows.input_ids[rows], windows.labels[rows]) for rows in order]

    def held_out(self, batch_size):
        """Return a list of streams of one NextBatch each; every token is predicted once, as in Streams."""
        inputs, labels = _rows(self.row(), self.seq_length, -(-(self.num_tokens - 1) // self.seq_length))
        rows = [slice(start, start + batch_size) for start in range(0, len(inputs), batch_size)]
        return [[NextBatch(inputs[some], labels[some])] for some in rows]


def _cut(row, batch_size, seq_length, number):
    """Return `number` NextBatch, (batch_size, seq_length) each: the rows of the next go on from this one's.

    A text that is too short for one is repeated.
    """
    length = number * seq_length
    row = np.resize(row, max(len(row), batch_size * length + 1))
    inputs, labels = _rows(row[:batch_size * length + 1], length, batch_size)
    return [NextBatch(inputs[:, start:start + seq_length], labels[:, start:start + seq_length])
            for start in range(0, length, seq_length)]


def _rows(row, length, number):
    """Return inputs and labels, (number, length) each, that cover a row of ids; filled up with 0 and -100."""
    missing = number * length - (len(row) - 1)
    inputs = np.pad(row[:-1], (0, missing))
    labels = np.pad(row[1:], (0, missing), constant_values=IGNORE_INDEX)
    return inputs.reshape(number, length), labels.reshape(number, length)
