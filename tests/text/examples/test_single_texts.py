"""Examples of one text each: stretches of documents, cut anew in each epoch."""

import numpy as np
import pytest

from minibert.layers.cross_entropy import IGNORE_INDEX
from minibert.text.examples import SingleTexts


def test_an_epoch_holds_every_token_once(text, tokenized):
    examples = SingleTexts(tokenized, text[0], seq_length=12)
    for epoch in (0, 1):
        starts, ends, *_ = examples.epoch_pairs(epoch).T
        assert starts.tolist() == [0, *ends[:-1].tolist()] and ends[-1] == len(tokenized.ids)
        assert (ends - starts).max() == 10
    assert not np.array_equal(examples.epoch_pairs(0), examples.epoch_pairs(1))
    documents = tokenized.sentence_starts[tokenized.document_starts]
    assert set(documents[1:].tolist()) <= set(ends.tolist())  # none runs on into the next document


def test_a_batch_is_cls_text_sep(text, tokenized):
    tokenizer = text[0]
    batch = SingleTexts(tokenized, tokenizer, seq_length=12).batch(0, 6)
    assert batch.next_sentence_label is None and not batch.token_type_ids.any()
    for ids, mask, labels in zip(batch.input_ids, batch.attention_mask, batch.labels):
        length = mask.sum()
        original = np.where(labels == IGNORE_INDEX, ids, labels)[1 : length - 1].tolist()
        assert ids[0] == tokenizer.cls_token_id and ids[length - 1] == tokenizer.sep_token_id
        assert (ids[length:] == tokenizer.pad_token_id).all()
        windows = np.lib.stride_tricks.sliding_window_view(tokenized.ids, len(original)).tolist()
        assert original in windows


def test_too_short(text, tokenized):
    with pytest.raises(ValueError, match=r"seq_length 2 has no room for \[CLS\] A \[SEP\]; give 3 or more"):
        SingleTexts(tokenized, text[0], seq_length=2)
