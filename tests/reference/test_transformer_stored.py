"""The Transformer against the results of PyTorch that transformer_reference.py stored. Needs no PyTorch."""

import make_reference
import numpy as np
import pytest
from test_stored import HERE, arrays_of, assert_gradients_equal, train

import minibert
from minibert import huggingface
from minibert.files import read_tensors

FOLDER = HERE / "transformer"


def test_logits_and_every_gradient():
    expected = read_tensors(FOLDER / "expected.safetensors")
    model = minibert.Transformer.from_pretrained(FOLDER)
    inputs, theirs = arrays_of(expected, "input"), arrays_of(expected, "output")
    assert not inputs["source_mask"].all() and (inputs["labels"] == -100).any()
    output, cache = model.forward(**inputs)
    model.backward(cache)
    assert abs(output.loss - theirs["loss"]) <= 1e-10
    assert np.abs(output.logits - theirs["logits"][inputs["labels"] != -100]).max() <= 1e-10
    assert_gradients_equal(model, arrays_of(expected, "grad"))
    del inputs["labels"]
    output, _ = model.forward(**inputs)
    assert output.loss is None and np.abs(output.logits - theirs["logits"]).max() <= 1e-10


@pytest.mark.exhaustive
def test_a_hundred_steps_of_training():
    stored = read_tensors(FOLDER / "trajectory.safetensors")
    inputs = arrays_of(stored, "input")
    batches = [{key: array[k] for key, array in inputs.items()} for k in range(make_reference.NUM_BATCHES)]
    model = minibert.Transformer.from_pretrained(FOLDER)
    losses = train(model, batches)
    assert losses[-10:].mean() < losses[:10].mean() - 0.3  # something is learned
    assert np.abs(losses - stored["losses"]).max() <= 1e-8
    final = arrays_of(stored, "final")
    for key, array in huggingface.state_dict(model).items():
        assert np.abs(array - final[key]).max() <= 1e-8, key
