"""Co-occurrence counts: by hand, by a loop over pairs, and in blocks of any size."""

import numpy as np
import pytest

from minibert.word_vectors.glove_counts import count_cooccurrences


def make_text(num_words=400, vocab_size=90, seed=0):
    """(word ids, sentence ids): words drawn in proportion to 1/rank, in lists of some ten."""
    rng = np.random.default_rng(seed)
    probs = 1 / np.arange(1, vocab_size + 1)
    word_ids = rng.choice(vocab_size, num_words, p=probs / probs.sum())
    sentence_ids = np.sort(rng.integers(0, num_words // 10, num_words))
    return word_ids, sentence_ids


def matrix(cooccurrences, vocab_size):
    dense = np.zeros((vocab_size, vocab_size))
    rows, columns, counts = cooccurrences.whole()
    np.add.at(dense, (rows, columns), counts)
    return dense


def count_by_hand(word_ids, sentence_ids, window, vocab_size):
    dense = np.zeros((vocab_size, vocab_size))
    for place, word in enumerate(word_ids):
        for other in range(max(0, place - window), min(len(word_ids), place + window + 1)):
            if other != place and sentence_ids[other] == sentence_ids[place]:
                dense[word, word_ids[other]] += 1 / abs(other - place)
    return dense


def test_counts_by_hand():
    counts = count_cooccurrences(np.array([0, 1, 0, 2, 1]), np.array([0, 0, 0, 0, 1]), window=2)
    entries = list(zip(counts.rows, counts.columns, counts.counts))
    assert entries == [(0, 0, 1.0), (0, 1, 2.0), (0, 2, 1.0), (1, 2, 0.5)]
    assert counts.num_entries == 7
    assert matrix(counts, 3).tolist() == [[1, 2, 1], [2, 0, 0.5], [1, 0.5, 0]]


@pytest.mark.parametrize("window", [1, 3, 15, 16])
@pytest.mark.parametrize("block_size", [1, 7, 100, 10**6])
def test_counts_do_not_depend_on_blocks(window, block_size, monkeypatch):
    monkeypatch.setattr("minibert.word_vectors.glove_counts.MIN_PENDING", 50)   # merges in between
    monkeypatch.setattr("minibert.word_vectors.glove_counts.PART", 40)          # in several parts
    word_ids, sentence_ids = make_text()
    counts = count_cooccurrences(word_ids, sentence_ids, window, block_size)
    expected = count_by_hand(word_ids, sentence_ids, window, 90)
    np.testing.assert_allclose(matrix(counts, 90), expected, rtol=1e-12)
    pairs = counts.rows.astype(int) * 90 + counts.columns
    assert (np.diff(pairs) > 0).all() and (counts.rows <= counts.columns).all()


def test_no_pair_to_count():
    counts = count_cooccurrences(np.array([0, 1, 2]), np.array([0, 1, 2]))
    assert len(counts.counts) == counts.num_entries == 0
