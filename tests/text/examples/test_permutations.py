"""Orders: which words are chosen, who sees whom, and how the text is laid out."""

import numpy as np
import pytest

from minibert.layers.cross_entropy import IGNORE_INDEX
from minibert.text.examples import Permutations, SentencePairs, SingleTexts
from minibert.text.examples.permutations import choose_spans, order_mask, targets


@pytest.fixture(scope="module", params=[SentencePairs, SingleTexts])
def both(request, text, tokenized):
    """(pair batch, permutation batch, tokenizer) of the same step."""
    examples = request.param(tokenized, text[0], seq_length=100, seed=3)
    batch = examples.batch(2, 30)
    assert not batch.attention_mask.all()
    return batch, Permutations(examples, text[0], seed=3).batch(2, 30), text[0]


def test_the_text_is_whole_and_its_first_token_comes_last(both):
    pairs, batch, tokenizer = both
    lengths = pairs.attention_mask.sum(axis=1)
    for row, length in enumerate(lengths):
        clean = np.where(pairs.labels == IGNORE_INDEX, pairs.input_ids, pairs.labels)[row, :length]
        expected = [*clean[1:], tokenizer.cls_token_id]
        assert batch.input_ids[row, :length].tolist() == expected
        assert batch.token_type_ids[row, :length].tolist() == [*pairs.token_type_ids[row, 1:length], 2]
        assert set(batch.input_ids[row, length:].tolist()) <= {tokenizer.pad_token_id}
        assert set(batch.token_type_ids[row, length:].tolist()) <= {3}
    assert np.array_equal(batch.attention_mask, pairs.attention_mask)


def test_labels_are_the_tokens_at_their_places(both):
    _, batch, tokenizer = both
    rows, which, places = np.nonzero(batch.target_mapping)
    assert np.array_equal(batch.input_ids[rows, places], batch.labels[rows, which])
    assert np.array_equal(batch.target_mapping.any(axis=-1), batch.labels != IGNORE_INDEX)
    special = {tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id}
    assert not special & set(batch.labels.ravel().tolist())
    assert batch.target_mapping.any(axis=(1, 2)).all()


def test_targets_see_the_others_and_the_targets_before_them(both):
    """Of n targets in a row, one sees none of them, one sees one, ..., the last all but itself."""
    _, batch, _ = both
    is_target = batch.target_mapping.any(axis=1)
    for row, hidden in enumerate(batch.perm_mask):
        chosen = np.flatnonzero(is_target[row])
        assert not hidden[:, ~is_target[row]].any()  # all see those that are no targets
        assert hidden[~is_target[row]][:, chosen].all()  # which see no target
        seen = (~hidden[np.ix_(chosen, chosen)]).sum(axis=1)
        assert sorted(seen) == list(range(len(chosen)))


def test_an_order_by_hand():
    """Token 2 is predicted first, then token 0; token 1 is seen by all."""
    [mask] = order_mask(np.array([[5, 0, 2]]))
    assert mask.astype(int).tolist() == [[1, 0, 0], [1, 0, 1], [1, 0, 1]]
    mapping, labels = targets(np.array([[7, 8, 9], [4, 5, 6]]), np.array([[1, 0, 1], [0, 1, 0]], bool))
    assert mapping.astype(int).tolist() == [[[1, 0, 0], [0, 0, 1]], [[0, 1, 0], [0, 0, 0]]]
    assert labels.tolist() == [[7, 9], [5, IGNORE_INDEX]]


def test_spans_of_whole_words():
    """Words of one to three pieces: each is chosen whole; a span ends at another kind of token."""
    rng = np.random.default_rng(0)
    starts = rng.random((400, 60)) < 0.5
    is_word = np.ones_like(starts)
    is_word[:, 30] = False
    chosen = choose_spans(is_word, starts, rng, predicted=0.25, longest_span=3)
    assert not chosen[:, 30].any()
    continues = ~starts & is_word
    continues[:, [0, 31]] = False  # these two begin a word, whatever they look like
    assert np.array_equal(chosen[:, 1:][continues[:, 1:]], chosen[:, :-1][continues[:, 1:]])
    assert abs(chosen.mean() - 0.25) < 0.02


def test_how_long_the_spans_are():
    """1 to 5 words, a span of n words 1/n times as likely as one of a word; a sixth of the words."""
    rng, is_word = np.random.default_rng(1), np.ones((300, 600), bool)
    chosen = choose_spans(is_word, is_word, rng)
    assert abs(chosen.mean() - 1 / 6) < 0.005
    borders = np.diff(np.pad(chosen, ((0, 0), (1, 1))).astype(int), axis=1)
    lengths = np.nonzero(borders == -1)[1] - np.nonzero(borders == 1)[1]
    shares = np.bincount(lengths, minlength=6)[1:6] / len(lengths)
    expected = 1 / np.arange(1, 6) / (1 / np.arange(1, 6)).sum()
    assert np.abs(shares - expected).max() < 0.03  # neighbouring spans may meet


@pytest.mark.parametrize("predicted", [0.01, 1.0])
def test_at_least_one_word_and_at_most_all(predicted):
    is_word = np.array([[True] * 5, [False, True, False, False, False], [True] * 3 + [False] * 2])
    chosen = choose_spans(is_word, is_word, np.random.default_rng(0), predicted)
    expected = is_word.sum(axis=1) if predicted == 1 else [1, 1, 1]
    assert chosen.sum(axis=1).tolist() == list(expected) and not (chosen & ~is_word).any()


def test_wrong_shares(text, tokenized):
    examples = SingleTexts(tokenized, text[0], seq_length=32)
    for options in ({"predicted": 0}, {"predicted": 1.1}, {"longest_span": 0}):
        with pytest.raises(ValueError, match="predicted must be above 0 and at most 1, and longest_span"):
            Permutations(examples, text[0], **options)
