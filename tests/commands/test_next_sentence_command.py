"""`minibert next-sentence`."""

import json

import numpy as np
import pytest
import safetensors.numpy

import minibert
from minibert import cli
from minibert.layers.softmax import softmax


def test_next_sentence(finished_run, output_of):
    first, second = "The dog sees.", "The bird."
    lines = output_of("next-sentence", finished_run, first, second)
    assert len(lines) == 2
    assert lines[0].startswith("follows the first ") and lines[1].startswith("comes from elsewhere ")
    percentages = [float(line.split()[-1].rstrip("%")) for line in lines]
    assert sum(percentages) == pytest.approx(100, abs=0.11)

    model = minibert.BertForPreTraining.from_pretrained(finished_run)
    encoding = minibert.WordPieceTokenizer.from_pretrained(finished_run).encode(first, second)
    output, _ = model.forward(encoding.input_ids[np.newaxis], encoding.token_type_ids[np.newaxis])
    assert percentages == pytest.approx(100 * softmax(output.seq_relationship_logits)[0], abs=0.051)


def test_long_texts_are_cut_with_a_note(finished_run, capfd):
    """Of 13 tokens beside [CLS] and two [SEP], the shorter text keeps at most a half."""
    answers = []
    for texts in (["the " * 10, "the " * 20], ["the " * 6, "the " * 7]):
        assert cli.main(["next-sentence", str(finished_run), *texts]) == 0
        answers.append(capfd.readouterr())
    assert answers[0].out == answers[1].out
    assert answers[0].err == "note: the texts have 33 tokens; the model reads 16, and the end is cut off\n"


def test_a_model_that_reads_one_text(failing, model_copy):
    path = model_copy / "model.safetensors"
    tensors = safetensors.numpy.load_file(path)
    tensors["bert.embeddings.token_type_embeddings.weight"] = np.ones((1, 12), np.float32)
    safetensors.numpy.save_file(tensors, path)
    config = json.loads((model_copy / "config.json").read_text(encoding="utf-8"))
    (model_copy / "config.json").write_text(json.dumps(config | {"type_vocab_size": 1}), encoding="utf-8")
    error = failing("next-sentence", model_copy, "The dog.", "The cat.")
    assert "reads one text, no pair: its config.json says type_vocab_size 1" in error
