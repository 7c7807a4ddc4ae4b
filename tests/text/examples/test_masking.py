"""Masking: how many tokens are chosen in a row, which ones, and what replaces them."""

import numpy as np
import pytest

from minibert.layers.cross_entropy import IGNORE_INDEX
from minibert.text.examples import mask_tokens

MASK_ID = 4


def masked(rows=2000, tokens=50, vocab_size=1000, seed=0, **options):
    """Mask rows of ids of 500 to 999, with a candidate everywhere but at the first and the last five."""
    rng = np.random.default_rng(seed)
    input_ids = rng.integers(500, vocab_size, size=(rows, tokens))
    candidates = np.ones((rows, tokens), bool)
    candidates[:, 0] = candidates[:, -5:] = False
    masked_ids, labels = mask_tokens(input_ids, candidates, rng, vocab_size, MASK_ID, **options)
    return input_ids, candidates, masked_ids, labels


def within(count, number, probability):
    """Whether a binomial count is within 4 standard deviations of what is expected."""
    return abs(count - number * probability) < 4 * np.sqrt(number * probability * (1 - probability))


def test_masking_is_80_10_10():
    input_ids, candidates, masked_ids, labels = masked()
    chosen = labels != IGNORE_INDEX
    assert not (chosen & ~candidates).any()
    assert (labels[chosen] == input_ids[chosen]).all()
    assert (masked_ids[~chosen] == input_ids[~chosen]).all()
    number = chosen.sum()
    is_mask, is_same = masked_ids[chosen] == MASK_ID, masked_ids[chosen] == input_ids[chosen]
    assert within(is_mask.sum(), number, 0.8 + 0.1 / 1000)
    assert within(is_same.sum(), number, 0.1 + 0.1 / 1000)
    random_ids = masked_ids[chosen][~is_mask & ~is_same]
    assert within((random_ids < 500).sum(), len(random_ids), 0.5)


def test_random_tokens_come_from_the_whole_vocabulary():
    masked_ids, _ = mask_tokens(np.full((20, 100), 7), np.ones((20, 100), bool), np.random.default_rng(0),
                                vocab_size=10, mask_token_id=MASK_ID, mlm_probability=1.0)
    assert set(masked_ids.ravel()) == set(range(10))  # special tokens included


def test_masking_is_uniform_over_candidates():
    _, candidates, _, labels = masked()
    per_place = (labels != IGNORE_INDEX).sum(axis=0)
    assert all(within(count, 2000, 7 / 44) for count in per_place[candidates[0]])


@pytest.mark.parametrize("options, expected", [
    ({}, 7),                                  # 0.15 * 44 candidates = 6.6
    ({"lengths": np.full(2000, 50)}, 8),      # 0.15 * 50 = 7.5, rounded to the even number as Python does
    ({"lengths": np.full(2000, 3)}, 1),       # one at least
    ({"mlm_probability": 0.4}, 18),
    ({"mlm_probability": 1.0}, 44),
    ({"max_predictions_per_seq": 5}, 5),
])
def test_number_of_predictions(options, expected):
    _, _, _, labels = masked(**options)
    assert ((labels != IGNORE_INDEX).sum(axis=1) == expected).all()


def test_mask_tokens_leaves_its_input_alone():
    input_ids = np.full((3, 10), 7)
    masked_ids, _ = mask_tokens(input_ids, np.ones((3, 10), bool), np.random.default_rng(0), 100, MASK_ID,
                                mlm_probability=1.0)
    assert (input_ids == 7).all() and (masked_ids != 7).any()


def test_a_row_without_candidates_gets_no_predictions():
    candidates = np.array([[False, False, False], [False, True, False]])
    for word_starts in (None, np.ones((2, 3), bool)):
        _, labels = mask_tokens(np.full((2, 3), 7), candidates, np.random.default_rng(0), 100, MASK_ID,
                                word_starts=word_starts)
        assert labels.tolist() == [[IGNORE_INDEX] * 3, [IGNORE_INDEX, 7, IGNORE_INDEX]]


def test_whole_words_are_masked_together():
    rng = np.random.default_rng(3)
    word_starts = rng.random((2000, 50)) < 0.6
    _, candidates, _, labels = masked(word_starts=word_starts)
    chosen = labels != IGNORE_INDEX
    # The same word as the token before it.
    continues = ~word_starts[:, 1:] & candidates[:, 1:] & candidates[:, :-1]
    assert (chosen[:, 1:] == chosen[:, :-1])[continues].all()
    assert not (chosen & ~candidates).any()
    counts = chosen.sum(axis=1)
    assert counts.max() == 7 and counts.mean() > 6.8  # never too many, and hardly ever too few
    _, _, _, labels = masked(word_starts=word_starts, max_predictions_per_seq=3)
    assert (labels != IGNORE_INDEX).sum(axis=1).max() == 3
