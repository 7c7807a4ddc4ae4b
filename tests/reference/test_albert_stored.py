"""ALBERT against the results of PyTorch that albert_reference.py stored here. Needs no PyTorch."""

import make_reference
import numpy as np
import pytest
from test_stored import HERE, arrays_of, assert_gradients_equal, train

import minibert
from minibert import huggingface
from minibert.files import read_tensors

FOLDER = HERE / "albert"


def test_the_logits_and_every_gradient():
    expected = read_tensors(FOLDER / "expected.safetensors")
    model = minibert.AlbertForPreTraining.from_pretrained(FOLDER)
    assert model.config.num_hidden_layers == 3 and model.config.embedding_size == 5
    inputs, theirs = arrays_of(expected, "input"), arrays_of(expected, "output")
    assert not inputs["attention_mask"].all() and inputs["token_type_ids"].any()
    output, cache = model.forward(**inputs)
    model.backward(cache)
    assert abs(output.loss - theirs["loss"]) <= 1e-10
    assert np.abs(output.sop_logits - theirs["sop_logits"]).max() <= 1e-10
    predicted = inputs["labels"] != -100
    assert np.abs(output.prediction_logits - theirs["prediction_logits"][predicted]).max() <= 1e-10
    assert_gradients_equal(model, arrays_of(expected, "grad"))


@pytest.mark.exhaustive
def test_a_hundred_steps_of_training():
    stored = read_tensors(FOLDER / "trajectory.safetensors")
    inputs = arrays_of(stored, "input")
    batches = [{key: array[k] for key, array in inputs.items()} for k in range(make_reference.NUM_BATCHES)]
    model = minibert.AlbertForPreTraining.from_pretrained(FOLDER)
    losses = train(model, batches)
    assert losses[-10:].mean() < 0.8 * losses[:10].mean()  # something is learned
    assert np.abs(losses - stored["losses"]).max() <= 1e-8
    final = arrays_of(stored, "final")
    for key, array in huggingface.state_dict(model).items():
        assert np.abs(array - final[key]).max() <= 1e-8, key
