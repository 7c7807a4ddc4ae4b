"""Labelled examples: what is encoded, cut and windowed, and batches of similar length."""

import collections

import numpy as np
import pytest

from minibert.layers.cross_entropy import IGNORE_INDEX
from minibert.text import WordPieceTokenizer
from minibert.text.basic_tokenizer import SPECIAL_TOKENS
from minibert.text.examples.labelled import (
    LabelledExamples,
    TextBatch,
    encode_questions,
    encode_tagged,
    encode_texts,
    pieces_of,
)
from minibert.text.labelled import LabelledText, Question, TaggedWords

PIECES = ["ann", "tom", "sing", "##s", "in", "rome", "who", "?", "."]


@pytest.fixture(scope="module")
def tokenizer():
    return WordPieceTokenizer([*SPECIAL_TOKENS, *PIECES])


def tokens(tokenizer, row):
    return " ".join(tokenizer.id_to_token[index] for index in row.input_ids)


def test_texts_and_pairs(tokenizer):
    examples = [LabelledText(2, "Ann sings.", None, "yes"), LabelledText(3, "Ann", "Tom sings", "no")]
    (one, two), num_cut = encode_texts(examples, tokenizer, 8, {"no": 0, "yes": 1})
    assert tokens(tokenizer, one) == "[CLS] ann sing ##s . [SEP]" and one.target == 1 and num_cut == 0
    assert tokens(tokenizer, two) == "[CLS] ann [SEP] tom sing ##s [SEP]" and two.target == 0
    assert two.token_type_ids == [0, 0, 0, 1, 1, 1, 1]
    (one, two), num_cut = encode_texts(examples, tokenizer, 5)
    assert tokens(tokenizer, one) == "[CLS] ann sing ##s [SEP]" and one.target is None and num_cut == 2
    assert tokens(tokenizer, two) == "[CLS] ann [SEP] tom [SEP]"


def test_the_first_piece_of_a_word_has_its_label(tokenizer):
    examples = [TaggedWords(1, ["Ann", "sings", "\x00", "."], ["B", "O", "O", "O"])]
    [row], num_windowed = encode_tagged(examples, tokenizer, 9, {"O": 0, "B": 1})
    assert tokens(tokenizer, row) == "[CLS] ann sing ##s [UNK] . [SEP]" and num_windowed == 0
    assert row.target == [-100, 1, 0, -100, 0, 0, -100] and row.places == [1, 2, 4, 5]


def test_long_sentences_are_read_in_windows_of_whole_words(tokenizer):
    words = ["Ann", "sings", "in", "Rome", "."]
    examples = [TaggedWords(1, words, ["B", "O", "O", "B", "O"])]
    rows, num_windowed = encode_tagged(examples, tokenizer, 4, {"O": 0, "B": 1})
    assert [tokens(tokenizer, row) for row in rows] == [
        "[CLS] ann [SEP]", "[CLS] sing ##s [SEP]", "[CLS] in rome [SEP]", "[CLS] . [SEP]"]
    assert num_windowed == 1 and {row.source for row in rows} == {0}
    assert [row.target[place] for row in rows for place in row.places] == [1, 0, 0, 1, 0]


def test_answers_are_found_by_their_characters(tokenizer):
    question = Question(1, "Who sings?", "In Rome  Tom sings.", [("Tom sings", 9)])
    [row], num_windowed, num_lost = encode_questions([question], tokenizer, 20, is_training=True)
    assert tokens(tokenizer, row) == "[CLS] who sing ##s ? [SEP] in rome tom sing ##s . [SEP]"
    assert row.target == (8, 10) and (num_windowed, num_lost) == (0, 0)
    first, last = row.places[8][0], row.places[10][1]
    assert question.context[first:last] == "Tom sings" and set(row.places) == set(range(6, 12))
    assert row.token_type_ids == [0] * 6 + [1] * 7


def test_windows_of_a_context_and_answers_outside_them(tokenizer):
    context = "Ann. Tom. Ann sings. Rome"
    question = Question(1, "Who?", context, [("Rome", context.index("Rome"))])
    rows, num_windowed, num_lost = encode_questions([question], tokenizer, 10, is_training=True)
    assert [tokens(tokenizer, row) for row in rows] == ["[CLS] who ? [SEP] ann sing ##s . rome [SEP]"]
    assert rows[0].target == (8, 8) and (num_windowed, num_lost) == (1, 0)  # not (0, 0) in the others
    rows, _, _ = encode_questions([question], tokenizer, 10)
    assert len(rows) == 3 and {row.target for row in rows} == {None}
    assert {place for row in rows for place in row.places.values()} == {
        *tokenizer.ids_with_offsets(context)[1]}
    empty = question._replace(answers=[])
    rows, _, num_lost = encode_questions([empty], tokenizer, 10, is_training=True)
    assert len(rows) == 3 and {row.target for row in rows} == {(0, 0)} and num_lost == 0
    long = Question(1, "Who?", context, [(context, 0)])
    assert encode_questions([long], tokenizer, 10, is_training=True) == ([], 1, 1)


def test_an_answer_between_pieces():
    assert pieces_of([(0, 3), (4, 8)], ("nn si", 1)) == (0, 1)
    assert pieces_of([(0, 3), (4, 8)], (" ", 3)) is None


@pytest.fixture
def examples(tokenizer):
    rng = np.random.default_rng(0)
    texts = [LabelledText(k, " ".join(["ann"] * rng.integers(1, 12)), None, "x") for k in range(83)]
    return LabelledExamples(encode_texts(texts, tokenizer, 16, {"x": 0})[0], TextBatch, seed=3)


def test_an_epoch_has_every_example_once_in_an_order_of_its_own(examples):
    steps = examples.steps_per_epoch(4)
    assert steps == 21
    epochs = [[list(examples.indices(epoch * steps + k, 4)) for k in range(steps)] for epoch in range(2)]
    for epoch in epochs:
        assert sorted(index for batch in epoch for index in batch) == list(range(83))
    assert epochs[0] != epochs[1]


def test_a_batch_holds_texts_of_similar_length(examples):
    padding = [1 - examples.batch(step, 4).attention_mask.mean() for step in range(21)]
    in_order = [1 - examples.of(examples.rows[k : k + 4]).attention_mask.mean() for k in range(0, 80, 4)]
    assert np.mean(padding) < 0.4 * np.mean(in_order)
    batch = examples.batch(5, 4)
    assert batch.input_ids.shape == batch.token_type_ids.shape and batch.labels.tolist() == [0] * 4
    assert (batch.input_ids[batch.attention_mask == 0] == 0).all()


def test_held_out_rows_are_all_there_in_order_of_length(examples):
    streams = examples.held_out(8)
    lengths = [int(n) for [batch] in streams for n in batch.attention_mask.sum(axis=1)]
    assert lengths == [len(row.input_ids) for row in examples.by_length] == sorted(lengths)
    assert collections.Counter(lengths) == collections.Counter(examples.lengths.tolist())


def test_labels_of_tags_are_padded_with_the_index_that_is_ignored(tokenizer):
    from minibert.text.examples import TagBatch

    sentences = [TaggedWords(1, ["Ann"], ["O"]), TaggedWords(2, ["Ann", "sings"], ["O", "O"])]
    rows, _ = encode_tagged(sentences, tokenizer, 9, {"O": 0})
    batch = LabelledExamples(rows, TagBatch).of(rows)
    assert batch.labels.tolist() == [[-100, 0, -100, -100, -100], [-100, 0, 0, -100, -100]]
    assert batch.labels[batch.attention_mask == 0].tolist() == [IGNORE_INDEX] * 2
