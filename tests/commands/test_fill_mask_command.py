"""`minibert fill-mask`."""


import numpy as np
import pytest
import safetensors.numpy

import minibert
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
    error = failing("fill-mask", finished_run, "[MASK] " + "the " * 20)
    assert "sequence of 23 tokens is longer than max_position_embeddings 16" in error
