"""Sentence-BERT: vectors of sentences, and checkpoints that were made for them."""

import json
import shutil

import numpy as np
import pytest

from minibert.huggingface import CheckpointError
from minibert.models.sentence_bert import load_encoder, sentence_vectors

SENTENCES = ["The old dog sees the river.", "the OLD dog sees the River .", "A bird"]


@pytest.fixture
def model_copy(finished_run, tmp_path):
    """A copy of a finished model, to be changed."""
    return shutil.copytree(finished_run, tmp_path / "model")


def expected_vector(model, ids):
    """The vector of one sentence, from the definition, token by token."""
    states = model.forward(np.array([ids]))[0].last_hidden_state[0]
    total = sum(states[position] for position in range(len(ids)))
    return total / len(ids) / np.sqrt(sum(number**2 for number in total / len(ids)))


def test_sentence_vectors_are_means_of_length_1_that_ignore_padding(finished_run):
    model, tokenizer, max_length = load_encoder(finished_run)
    model = model.astype(np.float64)
    assert max_length == model.config.max_position_embeddings == 16
    encoding = tokenizer.encode_batch(SENTENCES)
    assert not encoding.attention_mask.all()
    vectors = sentence_vectors(model, encoding)
    assert vectors.shape == (3, 12) and vectors.dtype == np.float64
    for sentence, vector in zip(SENTENCES, vectors):
        assert np.allclose(vector, expected_vector(model, tokenizer.encode(sentence).input_ids), atol=1e-12)
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-12)
    assert np.allclose(vectors[0], vectors[1], atol=1e-12)  # the same tokens
    assert not np.allclose(vectors[0], vectors[2], atol=1e-2)


def test_the_segments_of_an_encoding_count(finished_run):
    model, tokenizer, _ = load_encoder(finished_run)
    one = tokenizer.encode_batch([("A dog", "A bird")])
    other = one._replace(token_type_ids=np.zeros_like(one.token_type_ids))
    assert not np.allclose(sentence_vectors(model, one), sentence_vectors(model, other), atol=1e-4)


# --- what a sentence encoder says of itself ---


def write(path, content):
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def test_a_sentence_encoder_with_a_shorter_length_of_its_own(model_copy):
    for stated, expected in ((9, 9), (500, 16), (None, 16)):
        settings = {"max_seq_length": stated, "do_lower_case": False}
        write(model_copy / "sentence_bert_config.json", settings)
        assert load_encoder(model_copy)[2] == expected


def test_a_sentence_encoder_that_takes_the_mean(model_copy):
    modes = {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}
    modes["word_embedding_dimension"] = 12
    write(model_copy / "1_Pooling" / "config.json", modes)
    (model_copy / "2_Normalize").mkdir()
    load_encoder(model_copy)


@pytest.mark.parametrize("modes", [
    ["pooling_mode_cls_token"], ["pooling_mode_max_tokens", "pooling_mode_mean_tokens"],
])
def test_a_sentence_encoder_that_does_not_take_the_mean(modes, model_copy):
    write(model_copy / "1_Pooling" / "config.json", dict.fromkeys(modes, True))
    with pytest.raises(CheckpointError, match=f"sets {', '.join(modes)}; minibert supports pooling"):
        load_encoder(model_copy)


def test_a_sentence_encoder_that_goes_on_after_the_mean(model_copy):
    (model_copy / "2_Dense").mkdir()
    with pytest.raises(CheckpointError, match="layers after the mean, in 2_Dense; minibert does not support"):
        load_encoder(model_copy)


def test_a_vocabulary_with_more_tokens_than_the_model(model_copy):
    with open(model_copy / "vocab.txt", "a", encoding="utf-8") as file:
        file.write("another\n")
    with pytest.raises(ValueError, match=r"the tokenizer has \d+ tokens, but the model only \d+"):
        load_encoder(model_copy)
