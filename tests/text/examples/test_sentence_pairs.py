"""Sentence pairs: how they are cut from the corpus, and batches that depend on the step alone."""

import numpy as np
import pytest

from minibert.layers.cross_entropy import IGNORE_INDEX
from minibert.text import Corpus
from minibert.text.examples import SentencePairs, TokenizedCorpus


def make_examples(text, tokenized, **options):
    return SentencePairs(tokenized, text[0], **{"seq_length": 32, **options})


def document_of(tokenized, positions):
    """The number of the document that each position of the flat array belongs to."""
    starts = tokenized.sentence_starts[tokenized.document_starts]
    return np.searchsorted(starts, positions, side="right") - 1


def original_ids(batch):
    return np.where(batch.labels != IGNORE_INDEX, batch.labels, batch.input_ids)


# --- sentence pairs ---

@pytest.mark.parametrize("epoch", range(3))
def test_pairs(text, tokenized, epoch):
    examples = make_examples(text, tokenized)
    a_start, a_end, b_start, b_end, not_next = examples.epoch_pairs(epoch).T
    assert (a_start < a_end).all() and (b_start < b_end).all()
    assert (a_end - a_start + b_end - b_start <= 32 - 3).all()
    document_a, document_b = document_of(tokenized, a_start), document_of(tokenized, b_start)
    assert (document_a == document_of(tokenized, a_end - 1)).all()
    assert (document_b == document_of(tokenized, b_end - 1)).all()
    assert set(not_next) == {0, 1}
    assert (document_a == document_b).tolist() == (not_next == 0).tolist()
    whole = (a_end - a_start + b_end - b_start) < 32 - 3  # those that nothing was cut from
    is_next = not_next == 0
    assert (is_next & whole).sum() > 5 and (a_end[is_next] == b_start[is_next]).all()
    assert np.isin(a_end, tokenized.sentence_starts).all()  # the boundary is never cut off
    assert np.isin(a_start[whole], tokenized.sentence_starts).all()
    assert np.isin(b_end[whole], tokenized.sentence_starts).all()
    assert not np.isin(a_start, tokenized.sentence_starts).all()  # A is shortened at the front
    assert not np.isin(b_end, tokenized.sentence_starts).all()    # and B at the back


def test_epochs_have_different_pairs(text, tokenized):
    examples = make_examples(text, tokenized)
    assert not np.array_equal(examples.epoch_pairs(0), examples.epoch_pairs(1))
    assert np.array_equal(examples.epoch_pairs(1), make_examples(text, tokenized).epoch_pairs(1))


def test_every_document_gives_examples(text, tokenized):
    """Also those of one sentence, which are always "not next"."""
    a_start, _, _, _, not_next = make_examples(text, tokenized).epoch_pairs(0).T
    document = document_of(tokenized, a_start)
    assert set(document) == set(range(60))
    single = np.isin(document, np.flatnonzero(np.diff(tokenized.document_starts) == 1))
    assert single.any() and not_next[single].all()


def test_next_sentences_are_used_once_and_put_back(text, tokenized):
    """Each sentence of a document is in A or in a true B: what a random B replaced is used later."""
    examples = make_examples(text, tokenized, seq_length=10_000, short_seq_prob=0.0)
    used = np.zeros(len(tokenized.ids), int)
    for a_start, a_end, b_start, b_end, not_next in examples.epoch_pairs(0):
        used[a_start:a_end] += 1
        if not not_next:
            used[b_start:b_end] += 1
    assert (used == 1).all()


def test_next_sentence_probability(text, tokenized):
    never = make_examples(text, tokenized, next_sentence_probability=0.0)
    assert never.majority_baseline() == 1.0
    examples = make_examples(text, tokenized)
    not_next = examples.epoch_pairs(0)[:, 4].mean()
    assert not_next > 0.5  # because of the chunks of one sentence
    assert examples.majority_baseline() == pytest.approx(not_next)


def test_short_sequences(text, tokenized):
    short = make_examples(text, tokenized, short_seq_prob=1.0)
    usual = make_examples(text, tokenized, short_seq_prob=0.0)
    assert len(short.epoch_pairs(0)) > 1.2 * len(usual.epoch_pairs(0))


def test_another_document_with_only_two(text):
    corpus = Corpus("two", [["ba ce.", "di fo."], ["gu la.", "me ni."]])
    examples = make_examples(text, TokenizedCorpus(corpus, text[0]), next_sentence_probability=0.0)
    pairs = np.concatenate([examples.epoch_pairs(epoch) for epoch in range(20)])
    for a_start, _, b_start, _, not_next in pairs:
        assert not_next == 1 and (a_start < 6) != (b_start < 6)


def test_errors(text, tokenized):
    single = TokenizedCorpus(Corpus("one", [["ba.", "ce."]]), text[0])
    with pytest.raises(ValueError, match="two documents or more, got 1; give more text"):
        make_examples(text, single)
    with pytest.raises(ValueError, match="seq_length 4 has no room"):
        make_examples(text, tokenized, seq_length=4)
    with pytest.raises(ValueError, match="seed -1 is negative"):
        make_examples(text, tokenized, seed=-1)


# --- batches ---

def test_a_batch_is_made_of_its_pairs(text, tokenized):
    """Every array of a batch, against a loop over the pairs in plain Python."""
    tokenizer = text[0]
    examples = make_examples(text, tokenized)
    pairs = examples.epoch_pairs(0)[:7]
    batch = examples._make_batch(pairs, np.random.default_rng(0))
    rows = []
    for a_start, a_end, b_start, b_end, _ in pairs:
        text_a, text_b = tokenized.ids[a_start:a_end].tolist(), tokenized.ids[b_start:b_end].tolist()
        ids = [tokenizer.cls_token_id, *text_a, tokenizer.sep_token_id, *text_b, tokenizer.sep_token_id]
        rows.append((ids, [0] * (len(text_a) + 2) + [1] * (len(text_b) + 1)))
    longest = max(len(ids) for ids, _ in rows)
    assert {array.dtype for array in batch} == {np.dtype(np.int64)}
    assert [array.shape for array in batch] == [(7, longest)] * 4 + [(7,)]
    for row, (ids, types) in enumerate(rows):
        padding = [0] * (longest - len(ids))
        assert original_ids(batch)[row].tolist() == ids + [tokenizer.pad_token_id] * len(padding)
        assert batch.token_type_ids[row].tolist() == types + padding
        assert batch.attention_mask[row].tolist() == [1] * len(ids) + padding
    assert batch.next_sentence_label.tolist() == pairs[:, 4].tolist()


def test_a_batch_depends_on_its_step_alone(text, tokenized):
    in_order = make_examples(text, tokenized)
    batches = [in_order.batch(step, 8) for step in range(60)]
    assert 60 * 8 > 2 * in_order.examples_per_epoch  # three epochs, at least
    for step in [59, 0, 17, 38, 3]:
        again = make_examples(text, tokenized).batch(step, 8)
        assert all((array == expected).all() for array, expected in zip(again, batches[step], strict=True))
    other_seed = make_examples(text, tokenized, seed=1).batch(0, 8)
    assert other_seed.input_ids.shape != batches[0].input_ids.shape or (
        other_seed.input_ids != batches[0].input_ids).any()


def test_an_epoch_holds_each_example_once(text, tokenized):
    examples = make_examples(text, tokenized)
    num_batches = examples.examples_per_epoch // 8
    pairs = examples._epoch_batches(0, num_batches, 8).reshape(-1, 5)
    unique = {tuple(pair) for pair in pairs.tolist()}
    assert len(unique) == len(pairs) == 8 * num_batches
    assert unique <= {tuple(pair) for pair in examples.epoch_pairs(0).tolist()}


def test_masks_are_drawn_anew(text, tokenized, monkeypatch):
    """The same pairs at all steps of two epochs: the same text each time, and never the same masks."""
    examples = make_examples(text, tokenized)
    pairs = examples.epoch_pairs(0)[:8]
    monkeypatch.setattr(examples, "_epoch_batches",
                        lambda epoch, num_batches, batch_size: [pairs] * num_batches)
    batches = [examples.batch(step, 8) for step in range(2 * (examples.examples_per_epoch // 8))]
    assert all((original_ids(batch) == original_ids(batches[0])).all() for batch in batches)
    assert len({batch.labels.tobytes() for batch in batches}) == len(batches)


def test_sorting_saves_padding(text, tokenized):
    examples = make_examples(text, tokenized)
    batches = [examples.batch(step, 4) for step in range(examples.examples_per_epoch // 4)]
    shuffled = np.random.default_rng(0).permutation(examples.epoch_pairs(0))
    unsorted = [examples._make_batch(shuffled[start:start + 4], np.random.default_rng(0))
                for start in range(0, len(shuffled) - 4, 4)]
    padding, unsorted_padding = (np.mean([1 - batch.attention_mask.mean() for batch in some])
                                 for some in (batches, unsorted))
    assert padding < 0.7 * unsorted_padding


def test_a_corpus_smaller_than_a_batch(text):
    corpus = Corpus("two", [["ba ce.", "di fo."], ["gu la.", "me ni."]])
    examples = make_examples(text, TokenizedCorpus(corpus, text[0]))
    for step in range(5):
        assert examples.batch(step, 16).input_ids.shape[0] == 16


def test_held_out_streams_are_the_examples_of_an_epoch_by_length(text, tokenized):
    """Each stream is one batch: no state is passed on between pairs."""
    examples = make_examples(text, tokenized)
    streams = examples.held_out(16)
    assert [len(stream) for stream in streams] == [1] * len(streams)
    batches = [batch for [batch] in streams]
    assert [len(batch.labels) for batch in batches[:-1]] == [16] * (len(batches) - 1)
    assert sum(len(batch.labels) for batch in batches) == examples.examples_per_epoch
    lengths = np.concatenate([batch.attention_mask.sum(axis=1) for batch in batches])
    assert (np.diff(lengths) >= 0).all()
    again = [batch for [batch] in make_examples(text, tokenized).held_out(16)]
    assert all((array == expected).all() for batch, other in zip(batches, again, strict=True)
               for array, expected in zip(batch, other, strict=True))
    assert [len(batch.labels) for [batch] in examples.held_out(16, max_examples=40)] == [16, 16, 8]


def test_whole_word_batches(text, tokenized):
    tokenizer = text[0]
    examples = make_examples(text, tokenized, whole_word=True)
    continuation = np.array([token.startswith("##") for token in tokenizer.id_to_token])
    for step in range(20):
        batch = examples.batch(step, 8)
        ids, chosen = original_ids(batch), batch.labels != IGNORE_INDEX
        inside = continuation[ids[:, 1:]] & (ids[:, :-1] > 4)  # ids 0 to 4 are the special tokens
        assert (chosen[:, 1:] == chosen[:, :-1])[inside].all()


def test_batches_never_predict_special_tokens(text, tokenized):
    for whole_word in (False, True):
        examples = make_examples(text, tokenized, whole_word=whole_word, mlm_probability=0.9)
        for step in range(10):
            batch = examples.batch(step, 8)
            assert not np.isin(original_ids(batch)[batch.labels != IGNORE_INDEX], range(5)).any()
            if not whole_word:
                lengths = batch.attention_mask.sum(axis=1)
                expected = np.minimum(np.rint(0.9 * lengths), lengths - 3)
                assert (batch.labels != IGNORE_INDEX).sum(axis=1).tolist() == expected.tolist()
