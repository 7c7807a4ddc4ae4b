"""Words on both sides: what is read, what is predicted, and where one batch goes on from another."""

import numpy as np
import pytest

from minibert.text.examples import SpelledWords, Streams, word_table


@pytest.fixture
def words(text, tokenized):
    """SpelledWords, and the Streams of ids that they spell out."""
    tokenizer = text[0]
    spelt = Streams(tokenized, tokenizer, seq_length=6, seed=3)
    return SpelledWords(spelt, spelt, word_table(tokenizer.id_to_token, 12)), spelt


def joined(batches, which):
    """An array of batches, side by side: (B, all columns)."""
    return np.concatenate([batch[which] for batch in batches], axis=1)


def test_training_batches_go_on_from_each_other(words):
    examples, streams = words
    number = streams.windows_per_epoch(4)
    batches = [examples.batch(step, 4) for step in range(number, 2 * number)]  # the second epoch
    ids = joined([streams.batch(step, 4) for step in range(number, 2 * number)], 0)
    labels = joined(batches, 1)
    assert np.array_equal(joined(batches, 0), examples.table[ids])
    assert np.array_equal(labels[:, 1:, 1], ids[:, :-1]) and (labels[:, 0, 1] == -100).all()
    assert np.array_equal(labels[:, :-1, 0], ids[:, 1:])


def test_held_out_words_are_predicted_once_from_either_side(words):
    examples, streams = words
    [batches] = examples.held_out(7)
    labels, row = joined(batches, 1), streams.row()
    ahead, back = (labels[..., side][labels[..., side] != -100] for side in (0, 1))
    assert np.array_equal(ahead, row[1:]) and np.array_equal(back, row[:-2])
    is_padding = (joined(batches, 0) == 0).all(axis=2)
    assert is_padding.any() and (labels[is_padding] == -100).all()


def test_a_table_of_words():
    table = word_table(["[PAD]", "ab", "[SEP]"], 5)
    assert table.tolist() == [[0] * 5, [259, 98, 99, 260, 261], [259, 258, 260, 261, 261]]
