"""Next tokens of the toy language: the rows that the limit judges."""

import numpy as np

from minibert.text.characters import character_ids
from minibert.text.toy import TOY
from minibert.text.toy.next_tokens import ToyNextTokens, ToyWords, next_batch


def test_a_row_predicts_all_after_its_first_token():
    batch = next_batch(np.array([[2, 7, 3, 8, 3, 0], [2, 7, 8, 3, 0, 0]]), np.array([5, 4]))
    assert np.array_equal(batch.input_ids, [[2, 7, 3, 8], [2, 7, 8, 3]])
    assert np.array_equal(batch.labels, [[7, 3, 8, 3], [7, 8, 3, -100]])


def test_a_word_predicts_those_on_both_sides_of_it():
    tokenizer = TOY.tokenizer()
    words = ToyWords(TOY, tokenizer, max_characters=20)
    batch = words.arranged(np.array([[2, 7, 3, 8, 3, 0], [2, 7, 8, 3, 0, 0]]), np.array([5, 4]))
    assert np.array_equal(batch.labels[..., 0], [[7, 3, 8, 3, -100], [7, 8, 3, -100, -100]])
    assert np.array_equal(batch.labels[..., 1], [[-100, 3, 7, 3, 8], [-100, 3, 7, 8, -100]])
    border = character_ids([["[SEP]"]], 20)[0, 0]
    for row, column in ((0, 0), (0, 2), (0, 4), (1, 0), (1, 3)):
        assert np.array_equal(batch.character_ids[row, column], border)
    assert np.array_equal(batch.character_ids[0, 1], character_ids([[TOY.words[2]]], 20)[0, 0])
    assert not batch.character_ids[1, 4].any()


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
