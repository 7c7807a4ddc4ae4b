"""`minibert embed`: sentence vectors and their similarity, as they are printed and written."""

import numpy as np
import pytest

import minibert
from minibert import cli
from minibert.huggingface import CheckpointWarning
from minibert.models.sentence_bert import load_encoder, sentence_vectors
from minibert.text.characters import character_ids

SENTENCES = ["The old dog sees the river.", "the OLD dog sees the River .", "A bird"]


def run(*arguments):
    assert cli.main(["embed", *map(str, arguments)]) == 0


def vector_of(directory, sentence):
    """The vector of one sentence of a model."""
    model, tokenizer, max_length = load_encoder(directory)
    return sentence_vectors(model, tokenizer.encode_batch([sentence], max_length))[0]


def test_what_is_printed(finished_run, capsys, recwarn):
    vectors = np.array([vector_of(finished_run, sentence) for sentence in SENTENCES])
    run(finished_run, *SENTENCES)
    assert not [warning for warning in recwarn if warning.category is CheckpointWarning]  # of unused heads
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == "sentence the first 5 of 12 numbers, all of length 1".split()
    for number, (line, sentence, vector) in enumerate(zip(lines[1:4], SENTENCES, vectors), start=1):
        assert line.startswith(f"{number}   {sentence} ")
        assert [float(cell) for cell in line.split()[-5:]] == pytest.approx(vector[:5], abs=6e-5)
    assert lines[4] == "" and lines[5].startswith("similarity (cosine: ")
    assert lines[6].split() == ["1", "2", "3"]
    for number, (line, row) in enumerate(zip(lines[7:], vectors @ vectors.T, strict=True), start=1):
        assert [float(cell) for cell in line.split()] == pytest.approx([number, *row], abs=6e-4)


def test_long_sentences_are_shown_and_read_in_part(finished_run, capsys):
    long = "The dog sees the bird. " * 10
    run(finished_run, long, "  A\n bird ")
    out = capsys.readouterr().out
    notice, header, first, second = out.splitlines()[:4]
    tokenizer = minibert.WordPieceTokenizer.from_pretrained(finished_run)
    num_tokens = len(tokenizer.encode(long).input_ids)
    assert notice == f"sentence 1 has {num_tokens} tokens; the model reads the first 16"
    assert first.startswith("1   The dog sees the bird. The dog sees the bird. T...  ")
    assert second.startswith("2   A bird  ")
    assert header.index("the first") == len("1   The dog sees the bird. The dog sees the bird. T...  ")


def test_vectors_in_a_file(finished_run, tmp_path, failing):
    run(finished_run, "A bird", "", "--output", tmp_path / "vectors.npy")
    vectors = np.load(tmp_path / "vectors.npy")
    assert vectors.dtype == np.float32 and vectors.shape == (2, 12)
    assert np.allclose(vectors, [vector_of(finished_run, "A bird"), vector_of(finished_run, "")], atol=1e-6)
    error = failing("embed", finished_run, "A bird", "--output", tmp_path / "vectors.txt")
    assert "vectors.txt: give a file whose name ends in .npy" in error


def test_a_run_under_way(model_copy, capsys):
    for path in model_copy.iterdir():
        if path.is_file():
            path.unlink()  # the finished model; its last checkpoint stays
    run(model_copy, "A bird")
    assert "1   A bird" in capsys.readouterr().out


def test_a_checkpoint_of_the_encoder_alone(model_copy, capsys):
    model, _, _ = load_encoder(model_copy)
    run(model_copy, "A bird")
    before = capsys.readouterr().out
    model.save_pretrained(model_copy)
    run(model_copy, "A bird")
    assert capsys.readouterr().out == before


# --- ELMo ---


@pytest.fixture
def elmo(tmp_path):
    """The directory of an ELMo that no text has changed."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the"]
    config = minibert.ELMoConfig(
        vocab_size=6, filters=((1, 3), (2, 4)), hidden_size=5, projection_size=7, max_characters=9,
        initializer_range=1.0)
    minibert.ELMo(config).save_pretrained(tmp_path)
    minibert.WordPieceTokenizer(words).save_pretrained(tmp_path)
    return tmp_path


@pytest.mark.parametrize("layer", [None, 0, 2])
def test_vectors_of_an_elmo(elmo, layer, capsys):
    """The mean over the words of a layer, or of the mean over layers; the words are between borders."""
    file = elmo / "vectors.npy"
    which = [] if layer is None else ["--layer", layer]
    run(elmo, "The dog sees a mint .", "a", "--output", file, *which)
    out = capsys.readouterr().out
    says = "the mean over the layers 0 to 2" if layer is None else f"layer {layer} of 0 to 2"
    assert out.startswith(f"ELMo: {says}\n") and "the first 5 of 14 numbers" in out
    model, words = minibert.ELMo.from_pretrained(elmo), "the dog sees a mint .".split()
    layers = model.forward(character_ids([["[SEP]", *words, "[SEP]"]], 9))[0].layers[:, 0, 1:-1]
    states = layers.mean(axis=0) if layer is None else layers[layer]
    expected = states.mean(axis=0) / np.linalg.norm(states.mean(axis=0))
    np.testing.assert_allclose(np.load(file)[0], expected, atol=1e-6)


def test_what_an_elmo_cannot_embed(elmo, finished_run, failing):
    assert "--layer 3: this ELMo has layers 0 to 2; give" in failing("embed", elmo, "a", "--layer", "3")
    assert "sentence 2 has no word, and ELMo reads words: give" in failing("embed", elmo, "a", " ")
    said = failing("embed", finished_run, "a", "--layer", "1")
    assert "--layer 1 is for an ELMo, and" in said and "holds none: leave it out" in said
    assert "holds ELMo, which this command cannot use" in failing("generate", elmo, "a")
