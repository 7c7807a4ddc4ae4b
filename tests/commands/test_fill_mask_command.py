"""`minibert fill-mask`."""

import json

import numpy as np
import pytest
import safetensors.numpy

import minibert
from minibert import cli
from minibert.layers.softmax import softmax
from minibert.objectives.masked_lm import load_unigram


def columns(lines):
    """Return the (token, percentage) pairs of the two columns of a fill-mask table."""
    rows = [line.split() for line in lines]
    ours = [(row[1], float(row[2].rstrip("%"))) for row in rows]
    others = [(row[3], float(row[4].rstrip("%"))) for row in rows]
    return ours, others


def test_fill_mask(finished_run, output_of):
    text = "The [MASK] dog sees the river."
    header, *lines = output_of("fill-mask", finished_run, text)
    assert header.split() == ["model", "unigram"]
    ours, unigrams = columns(lines)
    assert len(ours) == 5

    model = minibert.BertForPreTraining.from_pretrained(finished_run)
    tokenizer = minibert.WordPieceTokenizer.from_pretrained(finished_run)
    encoding = tokenizer.encode(text)
    output, _ = model.forward(encoding.input_ids[np.newaxis])
    position = encoding.input_ids.tolist().index(tokenizer.mask_token_id)
    expected = softmax(output.prediction_logits[0, position]), np.exp(load_unigram(finished_run))
    for column, probs in zip((ours, unigrams), expected):
        best = sorted(range(len(probs)), key=lambda index: -probs[index])[:5]
        assert [token for token, _ in column] == [tokenizer.id_to_token[index] for index in best]
        percentages = [float(f"{100 * probs[index]:.1f}") for index in best]
        assert [percentage for _, percentage in column] == percentages
    assert unigrams[0][0] == "the"


def test_fill_mask_lists_all_tokens_if_asked(finished_run, output_of):
    vocabulary = minibert.WordPieceTokenizer.from_pretrained(finished_run).id_to_token
    _, *lines = output_of("fill-mask", finished_run, "The [MASK].", "--top", len(vocabulary) + 5)
    for column in columns(lines):
        assert sorted(token for token, _ in column) == sorted(vocabulary)
        percentages = [percentage for _, percentage in column]
        assert percentages == sorted(percentages, reverse=True)
        assert sum(percentages) == pytest.approx(100, abs=0.05 * len(vocabulary))  # each is rounded to 0.1


def test_fill_mask_with_several_masks(finished_run, output_of):
    lines = output_of("fill-mask", finished_run, "The [MASK] dog [MASK] the river.", "--top", 2)
    assert [line for line in lines if "of" in line] == ["[MASK] 1 of 2", "[MASK] 2 of 2"]
    assert len(lines) == 2 * (1 + 1 + 2)


def test_fill_mask_without_frequencies_compares_with_an_untrained_model(model_copy, output_of):
    (model_copy / "unigram.safetensors").unlink()
    header, *lines = output_of("fill-mask", model_copy, "The [MASK].", "--top", 200)
    assert header.split() == ["model", "untrained"]
    ours, untrained = columns(lines)
    assert sum(percentage for _, percentage in untrained) == pytest.approx(100, abs=8)
    assert ours != untrained


def test_a_run_under_way_can_be_asked(model_copy, output_of):
    for path in model_copy.iterdir():
        if path.is_file():
            path.unlink()
    assert len(output_of("fill-mask", model_copy, "The [MASK].")) == 6


def test_a_unigram_model_of_another_vocabulary(failing, model_copy):
    safetensors.numpy.save_file({"log_probs": np.zeros(3)}, model_copy / "unigram.safetensors")
    error = failing("fill-mask", model_copy, "The [MASK] dog.")
    assert "the stored unigram model has 3 tokens, the model" in error


def test_texts_that_do_not_fit(failing, finished_run):
    assert "has no [MASK]: write [MASK] where" in failing("fill-mask", finished_run, "The mask dog.")
    error = failing("fill-mask", finished_run, "the " * 20 + "[MASK]")
    assert "the [MASK] is behind the 16 tokens that the model reads: give a shorter text" in error


def test_a_long_text_is_cut_with_a_note(finished_run, capfd):
    answers = []
    for text in ("[MASK] " + "the " * 20, "[MASK] " + "the " * 13):
        assert cli.main(["fill-mask", str(finished_run), text]) == 0
        answers.append(capfd.readouterr())
    assert answers[0].out == answers[1].out
    assert answers[0].err == "note: the text has 23 tokens; the model reads 16, and the end is cut off\n"


def test_rows_of_a_padded_vocabulary_have_no_token(finished_run, model_copy, output_of):
    """As of NVIDIA's models, and of resize_token_embeddings(pad_to_multiple_of=64)."""
    pad_vocabulary(model_copy, 192)
    text = "The [MASK] dog."
    lines = output_of("fill-mask", model_copy, text, "--top", 200)
    model = minibert.BertForPreTraining.from_pretrained(model_copy)
    encoding = minibert.WordPieceTokenizer.from_pretrained(model_copy).encode(text)
    logits = model.forward(encoding.input_ids[np.newaxis])[0].prediction_logits[0, 2]
    assert len(logits) == 192 and len(lines) == 151  # a line for each token, and the first
    likeliest = float(lines[1].split()[2].rstrip("%"))
    assert likeliest == pytest.approx(100 * softmax(logits)[:150].max(), abs=0.051)
    (model_copy / "unigram.safetensors").unlink()  # and beside an untrained model
    assert len(output_of("fill-mask", model_copy, text, "--top", 200)) == 151
    assert len(output_of("next-sentence", model_copy, "The dog.", "The cat.")) == 2
    assert output_of("embed", model_copy, "The dog.") == output_of("embed", finished_run, "The dog.")
    assert output_of("trace", model_copy, text, "--only", "nsp_head")


def pad_vocabulary(folder, vocab_size):
    tensors = safetensors.numpy.load_file(folder / "model.safetensors")
    for name, fill in (("bert.embeddings.word_embeddings.weight", 1.0), ("cls.predictions.bias", 9.0)):
        missing = vocab_size - len(tensors[name])
        rows = np.full((missing, *tensors[name].shape[1:]), fill, np.float32)
        tensors[name] = np.concatenate([tensors[name], rows])
    safetensors.numpy.save_file(tensors, folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps(config | {"vocab_size": vocab_size}), encoding="utf-8")
