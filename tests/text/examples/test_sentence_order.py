"""ALBERT's examples: neighbouring segments, half of them swapped, and nothing from elsewhere."""

import numpy as np
import pytest

from minibert.text.examples import SentenceOrder
from minibert.text.toy import TOY
from minibert.text.toy.order import ToyOrder


@pytest.fixture(scope="module")
def examples(text, tokenized):
    return SentenceOrder(tokenized, text[0], seq_length=16, seed=0)


def test_segments_are_neighbours_of_one_document(examples):
    """In the order of the text where the label is 0; the earlier one comes second where it is 1."""
    pairs, tokenized = examples.epoch_pairs(0), examples.tokenized
    labels = pairs[:, 4]
    assert 0.4 < labels.mean() < 0.6
    first = np.where(labels[:, np.newaxis] == 0, pairs[:, :2], pairs[:, 2:4])
    second = np.where(labels[:, np.newaxis] == 0, pairs[:, 2:4], pairs[:, :2])
    assert np.array_equal(first[:, 1], second[:, 0])  # no gap between them
    assert (first[:, 0] < first[:, 1]).all() and (second[:, 0] < second[:, 1]).all()
    borders = tokenized.sentence_starts[tokenized.document_starts]
    ends = first[:, 0], second[:, 1] - 1
    assert np.array_equal(*(np.searchsorted(borders, places, side="right") for places in ends))
    assert (pairs[:, 1] - pairs[:, 0] + pairs[:, 3] - pairs[:, 2] <= 13).all()


def test_a_long_sentence_is_split_within(text, tokenized):
    """Segments of five tokens at most: most sentences fill an example alone, and none is left out for it."""
    examples = SentenceOrder(tokenized, text[0], seq_length=5, short_seq_prob=0.0)
    pairs, starts = examples.epoch_pairs(0), set(tokenized.sentence_starts.tolist())
    borders = np.where(pairs[:, 4] == 0, pairs[:, 1], pairs[:, 0])
    assert any(border not in starts for border in borders.tolist())


def test_the_batch_of_a_swapped_pair_begins_with_the_later_segment(examples):
    batch, ids = examples.batch(0, 40), examples.tokenized.ids
    spans = {tuple(row[:4]): row[4] for row in examples.epoch_pairs(0).tolist()}
    clean = np.where(batch.labels == -100, batch.input_ids, batch.labels)
    found = 0
    for row, label, types, mask in zip(
        clean, batch.sentence_order_label, batch.token_type_ids, batch.attention_mask
    ):
        a, b = row[(types == 0) & (mask == 1)][1:-1], row[types == 1][:-1]
        found += any(
            label == swapped and np.array_equal(a, ids[slice(*span[:2])])
            and np.array_equal(b, ids[slice(*span[2:])])
            for span, swapped in spans.items()
        )
    assert found == 40


def test_toy_pairs_are_neighbours_with_one_topic():
    pairs = ToyOrder(TOY, TOY.tokenizer()).pairs(4000, np.random.default_rng(0))
    is_swapped = pairs.batch.next_sentence_label == 1
    assert 0.45 < is_swapped.mean() < 0.55 and np.array_equal(pairs.topics[:, 0], pairs.topics[:, 1])
    in_order = np.where(is_swapped[:, np.newaxis], pairs.plans[:, ::-1], pairs.plans)
    states = TOY.state[in_order]
    assert (TOY.next_states[states[:, 0], states[:, 1]] > 0).all()
    assert (TOY.next_states[states[:, 1], states[:, 0]] == 0).any()  # what the order can be told by
