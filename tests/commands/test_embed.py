"""minibert embed: sentence vectors and their similarity."""

import argparse
import json
import shutil

import numpy as np
import pytest

import minibert
from minibert.commands import embed
from minibert.commands.embed import load_encoder, sentence_vectors
from minibert.huggingface import CheckpointError, CheckpointWarning

SENTENCES = ["The old dog sees the river.", "the OLD dog sees the River .", "A bird"]


def run(*arguments):
    """Run `minibert embed ARGUMENTS`, without what all commands share."""
    parser = argparse.ArgumentParser()
    embed.add(parser.add_subparsers())
    options = parser.parse_args(["embed", *map(str, arguments)])
    options.run(options)


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


def test_what_is_printed(finished_run, capsys, recwarn):
    model, tokenizer, _ = load_encoder(finished_run)
    vectors = np.array([expected_vector(model, tokenizer.encode(sentence).input_ids) for sentence in SENTENCES])
    run(finished_run, *SENTENCES)
    assert not [warning for warning in recwarn if warning.category is CheckpointWarning]  # heads are left aside, without a word
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == "sentence the first 5 of 12 numbers, all of length 1".split()
    for number, (line, sentence, vector) in enumerate(zip(lines[1:4], SENTENCES, vectors), start=1):
        assert line.startswith(f"{number}   {sentence} ")
        assert [float(cell) for cell in line.split()[-5:]] == pytest.approx(vector[:5], abs=6e-5)
    assert lines[4] == "" and lines[5].startswith("similarity (cosine: ") and lines[6].split() == ["1", "2", "3"]
    for number, (line, row) in enumerate(zip(lines[7:], vectors @ vectors.T, strict=True), start=1):
        assert [float(cell) for cell in line.split()] == pytest.approx([number, *row], abs=6e-4)


def test_long_sentences_are_shown_and_read_in_part(finished_run, capsys):
    long = "The dog sees the bird. " * 10
    run(finished_run, long, "  A\n bird ")
    out = capsys.readouterr().out
    notice, header, first, second = out.splitlines()[:4]
    tokenizer = minibert.WordPieceTokenizer.from_pretrained(finished_run)
    assert notice == f"sentence 1 has {len(tokenizer.encode(long).input_ids)} tokens; the model reads the first 16"
    assert first.startswith("1   The dog sees the bird. The dog sees the bird. T...  ") and second.startswith("2   A bird  ")
    assert header.index("the first") == len("1   The dog sees the bird. The dog sees the bird. T...  ")


def test_vectors_in_a_file(finished_run, tmp_path, capsys):
    run(finished_run, "A bird", "", "--output", tmp_path / "vectors.npy")
    vectors = np.load(tmp_path / "vectors.npy")
    model, tokenizer, _ = load_encoder(finished_run)
    assert vectors.dtype == np.float32 and vectors.shape == (2, 12)
    assert np.allclose(vectors[0], expected_vector(model, tokenizer.encode("A bird").input_ids), atol=1e-6)
    assert np.allclose(vectors[1], expected_vector(model, [tokenizer.cls_token_id, tokenizer.sep_token_id]), atol=1e-6)
    with pytest.raises(ValueError, match="vectors.txt: give a file whose name ends in .npy"):
        run(finished_run, "A bird", "--output", tmp_path / "vectors.txt")


def test_a_checkpoint_of_the_encoder_alone(model_copy, capsys):
    model, _, _ = load_encoder(model_copy)
    run(model_copy, "A bird")
    before = capsys.readouterr().out
    model.save_pretrained(model_copy)
    run(model_copy, "A bird")
    assert capsys.readouterr().out == before


# --- what a sentence encoder says of itself ---


def write(path, content):
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def test_a_sentence_encoder_with_a_shorter_length_of_its_own(model_copy):
    for stated, expected in ((9, 9), (500, 16), (None, 16)):
        write(model_copy / "sentence_bert_config.json", {"max_seq_length": stated, "do_lower_case": False})
        assert load_encoder(model_copy)[2] == expected


def test_a_sentence_encoder_that_takes_the_mean(model_copy):
    modes = {"word_embedding_dimension": 12, "pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}
    write(model_copy / "1_Pooling" / "config.json", modes)
    (model_copy / "2_Normalize").mkdir()
    load_encoder(model_copy)


@pytest.mark.parametrize("modes", [["pooling_mode_cls_token"], ["pooling_mode_max_tokens", "pooling_mode_mean_tokens"]])
def test_a_sentence_encoder_that_does_not_take_the_mean(modes, model_copy):
    write(model_copy / "1_Pooling" / "config.json", dict.fromkeys(modes, True))
    with pytest.raises(CheckpointError, match=f"asks for {', '.join(modes)}; minibert embed takes the mean of the tokens"):
        load_encoder(model_copy)


def test_a_sentence_encoder_that_goes_on_after_the_mean(model_copy):
    (model_copy / "2_Dense").mkdir()
    with pytest.raises(CheckpointError, match="goes on after the mean, in 2_Dense; minibert embed stops there"):
        load_encoder(model_copy)


def test_a_vocabulary_with_more_tokens_than_the_model(model_copy):
    with open(model_copy / "vocab.txt", "a", encoding="utf-8") as file:
        file.write("another\n")
    with pytest.raises(ValueError, match=r"the tokenizer has \d+ tokens, but the model only \d+"):
        load_encoder(model_copy)
