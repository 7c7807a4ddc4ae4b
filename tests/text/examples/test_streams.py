"""Next tokens: every token once, streams that go on, windows that do not, labels for models that shift."""

import numpy as np
import pytest

from minibert.text import Corpus
from minibert.text.examples import NextBatch, Streams, TokenizedCorpus, Windows, shifted_inside


def predicted(batches):
    """The labels of batches, without places where nothing is predicted."""
    labels = np.concatenate([batch.labels.reshape(-1) for batch in batches])
    return labels[labels != -100]


@pytest.fixture(params=[Streams, Windows])
def kind(request):
    return request.param


def test_the_row_holds_every_document_after_a_separator(text, tokenized):
    tokenizer, corpus = text
    row = Streams(tokenized, tokenizer).row()
    assert row[0] == tokenizer.sep_token_id and np.count_nonzero(row == row[0]) == len(corpus.documents)
    assert np.array_equal(row[row != row[0]], tokenized.ids)
    shuffled = Streams(tokenized, tokenizer, seed=3).row(2)
    documents = [tuple(part) for part in np.split(row, np.flatnonzero(row == row[0]))]
    others = [tuple(part) for part in np.split(shuffled, np.flatnonzero(shuffled == row[0]))]
    assert sorted(documents) == sorted(others) and documents != others


def test_held_out_text_is_predicted_once_and_in_order(text, tokenized, kind):
    examples = kind(tokenized, text[0], seq_length=6)
    streams = examples.held_out(7)
    batches = [batch for stream in streams for batch in stream]
    assert len(predicted(batches)) == examples.num_tokens - 1
    whole = np.hstack([batch.labels for batch in batches]) if kind is Streams else np.vstack(
        [batch.labels for batch in batches])
    assert np.array_equal(whole[whole != -100], examples.row()[1:])
    for batch in batches:
        known = batch.labels[:, 1:] != -100
        assert np.array_equal(batch.input_ids[:, 1:][known], batch.labels[:, :-1][known])


def test_streams_go_on_from_batch_to_batch(text, tokenized):
    examples = Streams(tokenized, text[0], seq_length=6)
    number = examples.windows_per_epoch(7)
    assert number > 3
    for step in range(2 * number - 1):
        one, other = examples.batch(step, 7), examples.batch(step + 1, 7)
        goes_on = np.array_equal(one.labels[:, -1], other.input_ids[:, 0])
        assert goes_on != examples.starts_stream(step + 1, 7)
        assert one.input_ids.shape == one.labels.shape == (7, 6)
    assert examples.starts_stream(0, 7) and examples.starts_stream(number, 7)


def test_windows_are_shuffled_and_cut_at_other_places(text, tokenized):
    examples = Windows(tokenized, text[0], seq_length=6)
    number = examples.windows_per_epoch(7)
    epochs = [[examples.batch(epoch * number + k, 7) for k in range(number)] for epoch in (0, 1)]
    assert all(examples.starts_stream(step, 7) for step in range(3))
    firsts, seconds = [{tuple(row) for batch in epoch for row in batch.input_ids} for epoch in epochs]
    assert len(firsts & seconds) < len(firsts) / 4
    in_text = " ".join(map(str, np.tile(examples.row(0), 2)))
    assert all(" ".join(map(str, window)) in in_text for window in firsts)


def test_a_text_shorter_than_a_batch_is_repeated(text, kind):
    tokenized = TokenizedCorpus(Corpus("short", [["Ba ce di."]]), text[0])
    examples = kind(tokenized, text[0], seq_length=6)
    batch = examples.batch(0, 7)
    assert batch.input_ids.shape == (7, 6) and examples.windows_per_epoch(7) == 1
    assert len(predicted(examples.held_out(7)[0])) == examples.num_tokens - 1


def test_labels_of_a_model_that_shifts_inside():
    batch = NextBatch(np.array([[3, 4, 5], [6, 7, 0]]), np.array([[4, 5, 8], [7, -100, -100]]))
    inside = shifted_inside(batch)
    assert np.array_equal(inside.input_ids, [[3, 4, 5, 8], [6, 7, 0, 0]])
    assert np.array_equal(inside.labels, [[-100, 4, 5, 8], [-100, 7, -100, -100]])
    assert np.array_equal(inside.labels[:, 1:], batch.labels)


@pytest.mark.parametrize("options, message", [
    ({"seq_length": 0}, "seq_length 0 must be 1 or more"), ({"seed": -1}, "seed -1 is negative"),
])
def test_wrong_settings(text, tokenized, kind, options, message):
    with pytest.raises(ValueError, match=message):
        kind(tokenized, text[0], **options)
