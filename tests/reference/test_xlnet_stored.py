"""XLNet against the results of PyTorch that xlnet_reference.py stored here. Needs no PyTorch."""

import make_reference
import numpy as np
import pytest
from test_stored import HERE, arrays_of, assert_gradients_equal, train

import minibert
from minibert import huggingface
from minibert.files import read_tensors

FOLDER = HERE / "xlnet"


def load():
    return minibert.XLNetLMHeadModel.from_pretrained(FOLDER)


def test_both_streams_the_memory_the_logits_and_every_gradient():
    expected = read_tensors(FOLDER / "expected.safetensors")
    model = load()
    assert model.config.num_hidden_layers == 2 and model.config.memory_length is None
    inputs, theirs = arrays_of(expected, "input"), arrays_of(expected, "output")
    is_token = inputs["attention_mask"] == 1
    assert not is_token[:, 0].all() and not is_token[:, -1].all()  # padding on both sides
    output, cache = model.forward(**inputs)
    model.backward(cache)
    assert abs(output.loss - theirs["loss"]) <= 1e-10
    predicted = inputs["labels"] != -100
    assert np.abs(output.logits - theirs["logits"][predicted]).max() <= 1e-10
    num_tokens, rows = is_token.shape[1], cache.transformer.rows
    content, query = arrays_of(expected, "content"), arrays_of(expected, "query")
    for k in range(2):
        assert np.abs(rows[k][:, :num_tokens] - content[str(k)]).max() <= 1e-10
        assert np.abs(rows[k][:, num_tokens:] - query[str(k)]).max() <= 1e-10
    assert np.abs(rows[2] - query["2"]).max() <= 1e-10
    for state, memory in zip(output.state, arrays_of(expected, "memory").values(), strict=True):
        assert np.abs(state - memory).max() <= 1e-10
    assert_gradients_equal(model, arrays_of(expected, "grad"))
    second = arrays_of(expected, "second")
    del second["labels"]
    continued, _ = model.forward(**second, state=output.state)
    assert np.abs(continued.logits - theirs["second"]).max() <= 1e-10


@pytest.mark.exhaustive
def test_a_hundred_steps_of_training():
    stored = read_tensors(FOLDER / "trajectory.safetensors")
    inputs = arrays_of(stored, "input")
    batches = [{key: array[k] for key, array in inputs.items()} for k in range(make_reference.NUM_BATCHES)]
    model = load()
    losses = train(model, batches)
    assert losses[-10:].mean() < 0.8 * losses[:10].mean()  # something is learned
    assert np.abs(losses - stored["losses"]).max() <= 1e-8
    final = arrays_of(stored, "final")
    for key, array in huggingface.state_dict(model).items():
        assert np.abs(array - final[key]).max() <= 1e-8, key
