"""GPT and GPT-2 against the results of PyTorch that gpt_reference.py stored here. Needs no PyTorch."""

import gpt_reference
import make_reference
import numpy as np
import pytest
from test_stored import HERE, arrays_of, assert_gradients_equal, train

import minibert
from minibert import huggingface
from minibert.files import read_tensors

both = pytest.mark.parametrize("name", gpt_reference.CLASSES)


def load(name):
    return getattr(minibert, gpt_reference.CLASSES[name]).from_pretrained(HERE / name)


@both
def test_logits_and_every_gradient(name):
    expected = read_tensors(HERE / name / "expected.safetensors")
    model = load(name)
    assert model.config.hidden_act == "gelu_new" and model.config.num_hidden_layers == 2
    inputs, theirs = arrays_of(expected, "input"), arrays_of(expected, "output")
    is_token = inputs["attention_mask"] == 1
    assert not is_token[:, 0].all() and not is_token[:, -1].all()  # padding on both sides
    output, cache = model.forward(**inputs)
    model.backward(cache)
    assert abs(output.loss - theirs["loss"]) <= 1e-10
    predicts = np.roll(inputs["labels"], -1, axis=1) != -100
    predicts[:, -1] = False
    assert np.abs(output.logits - theirs["logits"][predicts]).max() <= 1e-10
    assert_gradients_equal(model, arrays_of(expected, "grad"))
    del inputs["labels"]
    output, _ = model.forward(**inputs)
    assert output.loss is None and np.abs(output.logits - theirs["logits"])[is_token].max() <= 1e-10


@pytest.mark.exhaustive
@both
def test_a_hundred_steps_of_training(name):
    stored = read_tensors(HERE / name / "trajectory.safetensors")
    inputs = arrays_of(stored, "input")
    batches = [{key: array[k] for key, array in inputs.items()} for k in range(make_reference.NUM_BATCHES)]
    model = load(name)
    losses = train(model, batches)
    assert losses[-10:].mean() < 0.8 * losses[:10].mean()  # something is learned
    assert np.abs(losses - stored["losses"]).max() <= 1e-8
    final = arrays_of(stored, "final")
    for key, array in huggingface.state_dict(model).items():
        assert np.abs(array - final[key]).max() <= 1e-8, key
