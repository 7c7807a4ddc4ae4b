"""Labelled examples: classified texts and pairs, tagged words, answered questions.

    texts       [CLS] text [SEP], or [CLS] text [SEP] pair [SEP]    one label
    sentences   [CLS] pieces of the words [SEP]                     a label at the first piece of each word
    questions   [CLS] question [SEP] part of the context [SEP]      where the answer begins and ends

XLNet reads texts with [CLS] at the end, and padding at the beginning (with_cls_last, LeftPadded).

A text that is longer than the model reads is cut at its end. The words of a long sentence and the context of
a long question are read in several windows instead, so that every word is seen; those of a context overlap.

An example is encoded once. Each epoch takes all of them in another order, those of similar length together,
so that little is padded: the order is random, then stretches of eight batches are sorted by length, then the
batches are shuffled. The batch of a step depends on (seed, step) alone.

Source: Devlin et al. 2018, "BERT", sections 4 and 5.3, and its reference code `run_squad.py` (windows).
"""

from typing import NamedTuple

import numpy as np

from minibert.layers.cross_entropy import IGNORE_INDEX
from minibert.text.examples.permutations import CLS_SEGMENT, PAD_SEGMENT
from minibert.text.tokenizer import longest_first

ORDER = 4  # generators are made from [seed, PURPOSE, epoch]; 0 to 3 are those of sentence_pairs.py
SORTED_TOGETHER = 8  # batches
NUM_INPUTS = 3  # fields of a batch that a model reads; the others are its answers
MAX_QUESTION = 64  # tokens, as in BERT's run_squad.py


class Row(NamedTuple):
    """An example as the model reads it.

    Attributes:
        input_ids, token_type_ids: (T,).
        target: a label; a list of T labels; or (first, last) token of the answer. None if it is not known.
        source: the number of the example that it was made from.
        places: of words, the token of the first piece of each; of a context, {token: (first character, one
            after the last)}; None for texts.
        first: the number of the first word in a window.
    """

    input_ids: list
    token_type_ids: list
    target: object
    source: int
    places: object = None
    first: int = 0


class TextBatch(NamedTuple):
    """The arguments of a model that classifies texts: int64 arrays."""

    input_ids: np.ndarray       # (B, T), then [PAD]
    token_type_ids: np.ndarray  # (B, T)
    attention_mask: np.ndarray  # (B, T): 1 for a token, 0 for [PAD]
    labels: np.ndarray | None   # (B,)


class TagBatch(NamedTuple):
    """The arguments of a model that classifies tokens: int64 arrays."""

    input_ids: np.ndarray       # (B, T), then [PAD]
    token_type_ids: np.ndarray  # (B, T)
    attention_mask: np.ndarray  # (B, T): 1 for a token, 0 for [PAD]
    labels: np.ndarray | None   # (B, T): IGNORE_INDEX but at the first piece of a word


class SpanBatch(NamedTuple):
    """The arguments of a model that finds answers: int64 arrays."""

    input_ids: np.ndarray       # (B, T), then [PAD]
    token_type_ids: np.ndarray  # (B, T): 0 for the question, 1 for the context
    attention_mask: np.ndarray  # (B, T): 1 for a token, 0 for [PAD]
    start_positions: np.ndarray | None  # (B,)
    end_positions: np.ndarray | None  # (B,): the last token of the answer


class LabelledExamples:
    """Batches of Rows.

    Args:
        rows: a list of Rows.
        batch_class: TextBatch, TagBatch or SpanBatch.
        pad_token_id: of the tokenizer.
        seed: an int, 0 or more, of the order.

    Attributes:
        by_length: the rows in the order of held_out.

    Raises:
        ValueError: there are no rows.
    """

    def __init__(self, rows, batch_class, pad_token_id=0, seed=0):
        if not rows:
            raise ValueError("there are no examples: give one row or more")
        self.rows, self.batch_class, self.pad_token_id = rows, batch_class, pad_token_id
        self.lengths = np.array([len(row.input_ids) for row in rows])
        self.by_length = [rows[index] for index in np.argsort(self.lengths, kind="stable")]
        self.epochs = Epochs(self.lengths, seed)

    def steps_per_epoch(self, batch_size):
        """Return the number of batches of an epoch, of which one may be smaller."""
        return self.epochs.num_steps(batch_size)

    def batch(self, step, batch_size):
        """Return the batch of a training step."""
        return self.of([self.rows[index] for index in self.indices(step, batch_size)])

    def indices(self, step, batch_size):
        """Return the numbers of the rows in the batch of a training step."""
        return self.epochs.indices(step, batch_size)

    def held_out(self, batch_size):
        """Return streams of one batch each, all rows from the shortest to the longest."""
        rows = self.by_length
        return [[self.of(rows[start : start + batch_size])] for start in range(0, len(rows), batch_size)]

    def of(self, rows, length=0):
        """Return the batch of some rows, padded to the longest of them, or to a length that is more."""
        length = max(length, *(len(row.input_ids) for row in rows))
        input_ids = padded([row.input_ids for row in rows], length, self.pad_token_id)
        token_type_ids = padded([row.token_type_ids for row in rows], length, 0)
        attention_mask = padded([[1] * len(row.input_ids) for row in rows], length, 0)
        targets = [row.target for row in rows]
        return self.batch_class(
            input_ids, token_type_ids, attention_mask, *_targets(self.batch_class, targets, length)
        )


class LeftPadded(LabelledExamples):
    """LabelledExamples of texts whose padding comes first, with the segment that XLNet gives it."""

    def of(self, rows, length=0):
        """Return the TextBatch of some rows."""
        batch = super().of(rows, length)
        mask = batch.attention_mask                                             # (B, T)
        order = np.argsort(mask, axis=1, kind="stable")                         # (B, T), padding first
        ids, types, mask = (np.take_along_axis(array, order, axis=1) for array in batch[:NUM_INPUTS])
        return TextBatch(ids, np.where(mask == 1, types, PAD_SEGMENT), mask, batch.labels)


class Epochs:
    """The order of examples: another one in each epoch, with those of similar length together.

    Args:
        lengths: (N,), of the examples.
        seed: an int, 0 or more.
    """

    def __init__(self, lengths, seed):
        self.lengths, self.seed = lengths, seed
        self._cached_epoch, self._cached_batches = None, None  # (epoch, batch_size), and its batches

    def num_steps(self, batch_size):
        """Return the number of batches of an epoch, of which one may be smaller."""
        return -(-len(self.lengths) // batch_size)

    def indices(self, step, batch_size):
        """Return the numbers of the examples in the batch of a training step (0, 1, 2, ...)."""
        epoch, number = divmod(step, self.num_steps(batch_size))
        if self._cached_epoch != (epoch, batch_size):
            self._cached_epoch, self._cached_batches = (epoch, batch_size), self._batches(epoch, batch_size)
        return self._cached_batches[number]

    def _batches(self, epoch, batch_size):
        """Return the batches of an epoch: a list of arrays of indices, each example once."""
        rng = np.random.default_rng([self.seed, ORDER, epoch])
        order = rng.permutation(len(self.lengths))
        together = SORTED_TOGETHER * batch_size
        by_length = [
            part[np.argsort(self.lengths[part], kind="stable")]
            for part in (order[start : start + together] for start in range(0, len(order), together))
        ]
        batches = [
            part[start : start + batch_size]
            for part in by_length for start in range(0, len(part), batch_size)
        ]
        return [batches[number] for number in rng.permutation(len(batches))]


def _targets(batch_class, targets, length):
    """Return the fields of a batch that the model must predict, None where they are not known."""
    if targets[0] is None:
        return [None] * (len(batch_class._fields) - NUM_INPUTS)
    if batch_class is TagBatch:
        return [padded(targets, length, IGNORE_INDEX)]
    columns = np.array(targets, np.int64)  # (B,) labels, or (B, 2) positions
    return [columns] if columns.ndim == 1 else [columns[:, 0], columns[:, 1]]


def padded(lists, length, value):
    """Return lists of numbers as the rows of an int64 array (B, length), filled up with a value."""
    array = np.full((len(lists), length), value, np.int64)
    for row, numbers in zip(array, lists):
        row[: len(numbers)] = numbers
    return array


# --- encoding ---


def encode_texts(examples, tokenizer, max_length, label_ids=None):
    """Return the Rows of LabelledTexts, and how many of them are cut.

    Args:
        examples: LabelledTexts (see text/labelled.py).
        tokenizer: a WordPieceTokenizer.
        max_length: tokens at most; of a pair, the longer text is cut first.
        label_ids: {label: number}; None: targets are None.
    """
    rows, num_cut = [], 0
    for source, example in enumerate(examples):
        ids_a, ids_b = tokenizer.ids(example.text), []
        num_special = 2
        if example.pair is not None:
            ids_b, num_special = tokenizer.ids(example.pair), 3
        length_a, length_b = longest_first(len(ids_a), len(ids_b), max_length - num_special)
        num_cut += length_a + length_b < len(ids_a) + len(ids_b)
        first = [tokenizer.cls_token_id, *ids_a[:length_a], tokenizer.sep_token_id]
        second = [] if example.pair is None else [*ids_b[:length_b], tokenizer.sep_token_id]
        target = label_ids[example.label] if label_ids else None
        rows.append(Row(first + second, [0] * len(first) + [1] * len(second), target, source))
    return rows, num_cut


def with_cls_last(rows):
    """Return the Rows of texts in XLNet's form: A [SEP] B [SEP] [CLS], segments 0 (A), 1 (B), 2 ([CLS])."""
    return [
        row._replace(input_ids=[*row.input_ids[1:], row.input_ids[0]],
                     token_type_ids=[*row.token_type_ids[1:], CLS_SEGMENT])
        for row in rows
    ]


def next_token_rows(rows, max_length):
    """Return the Rows of a language model that reads the same texts: targets are the tokens that follow.

    A text of more than max_length tokens is read in windows, each from an empty state. Every token but the
    first of a text is predicted once.
    """
    found = []
    for row in rows:
        ids, number = row.input_ids, len(row.input_ids) - 1
        for start in range(0, number, max_length):
            end = min(start + max_length, number)
            found.append(Row(ids[start:end], [0] * (end - start), ids[start + 1 : end + 1], row.source))
    return found


def encode_tagged(sentences, tokenizer, max_length, label_ids=None):
    """Return the Rows of TaggedWords, and how many sentences need several windows.

    The windows follow each other and hold whole words, so each word has its label once. A word without any
    piece, of control characters alone, is [UNK].

    Args: as of encode_texts.
    """
    rows, num_windowed, room = [], 0, max_length - 2
    for source, (_, words, tags) in enumerate(sentences):
        pieces = [(tokenizer.ids(word) or [tokenizer.unk_token_id])[:room] for word in words]
        labels = [label_ids[tag] for tag in tags] if label_ids else [0] * len(words)
        windows, length = [[]], 0
        for word_ids, label in zip(pieces, labels):
            if length + len(word_ids) > room:
                windows.append([])
                length = 0
            windows[-1].append((word_ids, label))
            length += len(word_ids)
        num_windowed, first = num_windowed + (len(windows) > 1), 0
        for window in windows:
            ids, target, places = [tokenizer.cls_token_id], [IGNORE_INDEX], []
            for word_ids, label in window:
                places.append(len(ids))
                ids += word_ids
                target += [label] + [IGNORE_INDEX] * (len(word_ids) - 1)
            ids.append(tokenizer.sep_token_id)
            target.append(IGNORE_INDEX)
            rows.append(Row(ids, [0] * len(ids), target if label_ids else None, source, places, first))
            first += len(window)
    return rows, num_windowed


def encode_questions(questions, tokenizer, max_length, is_training=False):
    """Return the Rows of Questions, how many contexts need several windows, and how many answers are lost.

    Each window begins half a window after the last one. For training only those with the whole answer are
    taken: a window without it would teach that there is no answer (BERT's run_squad.py leaves them out, too).
    Of a question without an answer all are taken, and its target is [CLS] (Devlin et al. 2018, section 4.3).

    Args:
        questions: Questions (see text/labelled.py).
        tokenizer, max_length: as of encode_texts; a question is cut to 64 tokens, or half of max_length.
        is_training: the target is the first answer of each question. Otherwise all windows are taken, and
            targets are None.
    """
    rows, num_windowed, num_lost = [], 0, 0
    for source, (_, question, context, answers) in enumerate(questions):
        asked = tokenizer.ids(question)[: min(MAX_QUESTION, max_length // 2 - 2)]
        first = [tokenizer.cls_token_id, *asked, tokenizer.sep_token_id]
        ids, offsets = tokenizer.ids_with_offsets(context)
        room = max_length - len(first) - 1
        starts = [0]
        while starts[-1] + room < len(ids):
            starts.append(starts[-1] + max(1, room // 2))
        num_windowed += len(starts) > 1
        answer = pieces_of(offsets, answers[0]) if is_training and answers else None
        is_lost = is_training
        for start in starts:
            window = ids[start : start + room]
            shift, target = len(first) - start, None
            if is_training and not answers:
                target, is_lost = (0, 0), False
            elif is_training:
                if answer is None or not start <= answer[0] <= answer[1] < start + len(window):
                    continue
                target, is_lost = (answer[0] + shift, answer[1] + shift), False
            places = {piece + shift: offsets[piece] for piece in range(start, start + len(window))}
            second = [*window, tokenizer.sep_token_id]
            types = [0] * len(first) + [1] * len(second)
            rows.append(Row(first + second, types, target, source, places))
        num_lost += is_lost
    return rows, num_windowed, num_lost


def pieces_of(offsets, answer):
    """Return the (first, last) piece of an answer (text, first character); None if no piece is within it."""
    text, start = answer
    within = [k for k, (first, last) in enumerate(offsets) if first < start + len(text) and last > start]
    return (within[0], within[-1]) if within else None
