"""minibert against the results of PyTorch that make_reference.py stored here. Needs no PyTorch."""

import pathlib
import re

import make_reference
import numpy as np
import pytest

import minibert
from minibert import huggingface
from minibert.files import read_tensors
from minibert.huggingface import CheckpointWarning

HERE = pathlib.Path(__file__).parent


def arrays_of(arrays, prefix):
    """Return the arrays whose names begin with `prefix.`, under what follows it."""
    return {
        name.removeprefix(f"{prefix}."): array
        for name, array in arrays.items()
        if name.startswith(f"{prefix}.")
    }


def assert_gradients_equal(model, theirs, tolerance=1e-9):
    ours = huggingface.state_dict(model, grads=True)
    assert ours.keys() == theirs.keys()
    largest = max(np.abs(gradient).max() for gradient in theirs.values())
    for name in theirs:
        assert ours[name].shape == theirs[name].shape and ours[name].dtype == np.float64
        # A gradient that nearly cancels, as a query's under a saturated softmax, has the rounding of others.
        scale = max(np.abs(theirs[name]).max(), largest / 100, 1e-3)
        error = np.abs(ours[name] - theirs[name]).max() / scale
        assert error <= tolerance, f"{name}: {error:.1e}"


def test_a_small_mistake_in_any_gradient_is_found():
    expected = read_tensors(HERE / "gelu" / "expected.safetensors")
    model = minibert.BertForPreTraining.from_pretrained(HERE / "gelu")
    _, cache = model.forward(**arrays_of(expected, "input"))
    model.backward(cache)
    theirs = arrays_of(expected, "grad")
    for name, gradient in theirs.items():
        if not name.endswith("key.bias"):  # exactly 0: it moves all scores of a query alike
            with pytest.raises(AssertionError, match=re.escape(name)):
                assert_gradients_equal(model, {**theirs, name: gradient * (1 + 1e-6)})


def train(model, batches):
    """Train as make_reference.train does, with our AdamW; return the loss of every step."""
    optimizer = minibert.AdamW(
        model.parameters(), eps=make_reference.EPS, weight_decay=make_reference.WEIGHT_DECAY
    )
    losses = []
    for step in range(make_reference.NUM_STEPS):
        output, cache = model.forward(**batches[step % len(batches)])
        model.zero_grad()
        model.backward(cache)
        optimizer.lr = make_reference.learning_rate(step)
        optimizer.step()
        losses.append(output.loss)
    return np.array(losses)


@pytest.mark.parametrize("case", ["gelu", "gelu_new"])
def test_outputs_and_every_gradient(case):
    expected = read_tensors(HERE / case / "expected.safetensors")
    model = minibert.BertForPreTraining.from_pretrained(HERE / case)
    assert model.config.hidden_act == case
    inputs = arrays_of(expected, "input")
    assert not inputs["attention_mask"].all() and inputs["token_type_ids"].any()

    output, cache = model.forward(**inputs)
    model.backward(cache)
    theirs = arrays_of(expected, "output")
    assert abs(output.loss - theirs["loss"]) <= 1e-10
    assert np.abs(output.seq_relationship_logits - theirs["seq_relationship_logits"]).max() <= 1e-10
    predicted = inputs["labels"] != -100
    assert np.abs(output.prediction_logits - theirs["prediction_logits"][predicted]).max() <= 1e-10
    assert_gradients_equal(model, arrays_of(expected, "grad"))

    del inputs["labels"], inputs["next_sentence_label"]
    output, _ = model.forward(**inputs)  # without labels: the logits of every position, padding too
    assert output.loss is None
    assert np.abs(output.prediction_logits - theirs["prediction_logits"]).max() <= 1e-10


def test_a_hundred_steps_of_training():
    stored = read_tensors(HERE / "trajectory.safetensors")
    inputs = arrays_of(stored, "input")
    batches = [{name: array[k] for name, array in inputs.items()} for k in range(make_reference.NUM_BATCHES)]
    model = minibert.BertForPreTraining.from_pretrained(HERE / "gelu")
    losses = train(model, batches)
    assert losses[-10:].mean() < 0.6 * losses[:10].mean()  # something is learned
    assert np.abs(losses - stored["losses"]).max() <= 1e-10
    final = arrays_of(stored, "final")
    for name, array in huggingface.state_dict(model).items():
        assert np.abs(array - final[name]).max() <= 1e-10, name


def test_a_checkpoint_in_bfloat16_and_several_files():
    expected = read_tensors(HERE / "sharded" / "expected.safetensors")
    assert len(list((HERE / "sharded").glob("model-*.safetensors"))) > 2
    with pytest.warns(CheckpointWarning, match="newly initialised.*: pooler, nsp_head$"):
        model = minibert.BertForPreTraining.from_pretrained(HERE / "sharded", dtype=np.float64)
    output, _ = model.forward(**arrays_of(expected, "input"))
    assert np.abs(output.prediction_logits - expected["output.logits"]).max() <= 1e-10
    with pytest.warns(CheckpointWarning):
        in_short = minibert.BertForPreTraining.from_pretrained(HERE / "sharded")
    for name, parameter in in_short.parameters().items():
        assert parameter.value.dtype == np.float32 and np.array_equal(
            parameter.value, model.parameters()[name].value
        )


def test_the_files_are_small():
    assert sum(path.stat().st_size for path in HERE.rglob("*.safetensors")) < 750_000
