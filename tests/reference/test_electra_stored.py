"""ELECTRA against the results of PyTorch that electra_reference.py stored here. Needs no PyTorch."""

import make_reference
import numpy as np
import pytest
from test_stored import HERE, arrays_of, assert_gradients_equal, train

import minibert
from minibert import huggingface
from minibert.files import read_tensors

FOLDER = HERE / "electra"


@pytest.mark.parametrize("part, name, asked", [
    ("generator", "ElectraForMaskedLM", lambda inputs: inputs["labels"] != -100),
    ("discriminator", "ElectraForPreTraining", lambda inputs: inputs["attention_mask"] == 1),
])
def test_the_logits_and_every_gradient(part, name, asked):
    expected = read_tensors(FOLDER / part / "expected.safetensors")
    model = getattr(minibert, name).from_pretrained(FOLDER / part)
    assert model.config.embedding_size == 5 != model.config.hidden_size
    inputs, theirs = arrays_of(expected, "input"), arrays_of(expected, "output")
    assert not inputs["attention_mask"].all() and inputs["token_type_ids"].any()
    output, cache = model.forward(**inputs)
    model.backward(cache)
    assert abs(output.loss - theirs["loss"]) <= 1e-10
    assert np.abs(output.logits - theirs["logits"][asked(inputs)]).max() <= 1e-10
    assert_gradients_equal(model, arrays_of(expected, "grad"))


@pytest.mark.exhaustive
def test_a_hundred_steps_of_training():
    stored = read_tensors(FOLDER / "trajectory.safetensors")
    inputs = arrays_of(stored, "input")
    batches = [{key: array[k] for key, array in inputs.items()} for k in range(make_reference.NUM_BATCHES)]
    model = minibert.ElectraForPreTraining.from_pretrained(FOLDER / "discriminator")
    losses = train(model, batches)
    assert losses[-10:].mean() < 0.8 * losses[:10].mean()  # something is learned
    assert np.abs(losses - stored["losses"]).max() <= 1e-8
    final = arrays_of(stored, "final")
    for key, array in huggingface.state_dict(model).items():
        assert np.abs(array - final[key]).max() <= 1e-8, key
