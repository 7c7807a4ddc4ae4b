"""The examples of the toy language: their distribution, the selected tokens, and the batch of a step."""

from collections import Counter

import numpy as np
import pytest

from minibert.layers.cross_entropy import IGNORE_INDEX
from minibert.text import toy
from minibert.text.toy.pairs import NUM_HELD_OUT, SAME_TOPIC, ToyExamples, split


@pytest.mark.exhaustive
def test_samples_have_the_probabilities_of_the_enumeration(tiny):
    language, tokenizer, probs = tiny
    number = 200_000
    pairs = ToyExamples(language, tokenizer).pairs(number, np.random.default_rng(4))
    rows, row_counts = np.unique(np.column_stack([pairs.batch.next_sentence_label, pairs.clean_ids]),
                                 axis=0, return_counts=True)
    counts = Counter()
    for (label, _, *ids), count in zip(rows.tolist(), row_counts.tolist()):
        middle = ids.index(tokenizer.sep_token_id)
        end = ids.index(tokenizer.sep_token_id, middle + 1)
        counts[tuple(ids[:middle]), tuple(ids[middle + 1:end]), label] += count
    assert counts.total() == number and set(counts) <= set(probs)
    chi_square = sum((counts[key] - number * p) ** 2 / (number * p) for key, p in probs.items())
    assert abs(chi_square - len(probs)) < 5 * np.sqrt(2 * len(probs))


def test_selection_and_corruption():
    language = toy.TOY
    tokenizer = language.tokenizer()
    pairs = ToyExamples(language, tokenizer).held_out_pairs(4000)
    input_ids, labels = pairs.batch.input_ids, pairs.batch.labels
    words = pairs.tags >= 0
    selected = labels != IGNORE_INDEX
    assert not selected[~words].any()
    assert (labels[selected] == pairs.clean_ids[selected]).all()
    assert (input_ids[~selected] == pairs.clean_ids[~selected]).all()
    assert selected[words].mean() == pytest.approx(0.15, abs=0.003)
    assert (input_ids[selected] == tokenizer.mask_token_id).mean() == pytest.approx(0.8, abs=0.015)
    assert (input_ids[selected] == pairs.clean_ids[selected]).mean() == pytest.approx(0.1, abs=0.01)
    counts, num_words = selected.sum(axis=1), words.sum(axis=1)
    assert counts.min() == 0  # each token is selected independently of the others
    assert counts.var() == pytest.approx(num_words.mean() * 0.15 * 0.85, rel=0.1)
    same_topic = (pairs.topics[:, 0] == pairs.topics[:, 1])[pairs.batch.next_sentence_label == 1].mean()
    by_chance = (language.grammar.variables["topic"] ** 2).sum()
    assert same_topic == pytest.approx(SAME_TOPIC + (1 - SAME_TOPIC) * by_chance, abs=0.03)


def test_the_batch_of_a_step_is_always_the_same():
    language = toy.TOY
    tokenizer = language.tokenizer()
    one, other = ToyExamples(language, tokenizer, seed=1), ToyExamples(language, tokenizer, seed=1)
    later = one.batch(70, 8)
    one.batch(3, 8)
    for a, b in zip(one.batch(70, 8), other.batch(70, 8)):
        assert np.array_equal(a, b)
    assert all(np.array_equal(a, b) for a, b in zip(later, other.batch(70, 8)))
    assert not np.array_equal(one.batch(71, 8).input_ids, later.input_ids)
    of_another_seed = ToyExamples(language, tokenizer, seed=2).batch(70, 8)
    assert not np.array_equal(of_another_seed.input_ids, later.input_ids)


def test_held_out_streams_are_the_held_out_pairs_in_order(tiny):
    """Each stream is one batch, since no state is passed on between pairs; the seed changes nothing."""
    language, tokenizer, _ = tiny
    streams = ToyExamples(language, tokenizer, seed=1).held_out(1000)
    assert [len(stream) for stream in streams] == [1] * len(streams)
    batches = [batch for stream in streams for batch in stream]
    assert [len(batch.labels) for batch in batches] == [1000] * 8 + [NUM_HELD_OUT - 8000]
    pairs = ToyExamples(language, tokenizer, seed=2).held_out_pairs(NUM_HELD_OUT)
    lengths = pairs.batch.attention_mask.sum(axis=1)
    assert (np.diff(lengths) >= 0).all()
    for batch, expected in zip(batches, split(pairs.batch, 1000), strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(batch, expected, strict=True))
        assert batch.input_ids.shape[1] == batch.attention_mask.sum(axis=1).max()
