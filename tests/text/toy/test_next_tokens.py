"""Next tokens of the toy language: the rows that the limit judges."""

import numpy as np

from minibert.text.toy import TOY
from minibert.text.toy.next_tokens import ToyNextTokens, next_batch


def test_a_row_predicts_all_after_its_first_token():
    batch = next_batch(np.array([[2, 7, 3, 8, 3, 0], [2, 7, 8, 3, 0, 0]]), np.array([5, 4]))
    assert np.array_equal(batch.input_ids, [[2, 7, 3, 8], [2, 7, 8, 3]])
    assert np.array_equal(batch.labels, [[7, 3, 8, 3], [7, 8, 3, -100]])


def test_batches_are_clean_and_of_the_language(monkeypatch):
    monkeypatch.setattr("minibert.text.toy.next_tokens.STEPS_AT_ONCE", 2)
    tokenizer = TOY.tokenizer()
    batch = ToyNextTokens(TOY, tokenizer).batch(3, 7)
    assert len(batch.input_ids) == 7 and (batch.input_ids[:, 0] == tokenizer.cls_token_id).all()
    assert not (batch.input_ids == tokenizer.mask_token_id).any()
    for row in batch.labels:
        tokens = row[row != -100]
        assert np.count_nonzero(tokens == tokenizer.sep_token_id) == 2
        assert tokens[-1] == tokenizer.sep_token_id
