"""BERT with each head against what PyTorch made of it, which heads_reference.py stored. Needs no PyTorch."""

import heads_reference
import numpy as np
import pytest
from test_stored import HERE, arrays_of, assert_gradients_equal

import minibert
from minibert import huggingface
from minibert.files import read_tensors
from minibert.training.layerwise import layer_groups, layerwise_adamw


@pytest.fixture(scope="module")
def stored():
    return read_tensors(HERE / "heads.safetensors")


def out_of_a_row(numbers, like):
    """Undo heads_reference.in_a_row, with the shapes of other arrays."""
    assert numbers.size == sum(array.size for array in like.values())
    ends = np.cumsum([like[name].size for name in sorted(like)])
    parts = np.split(numbers, ends[:-1])
    return {name: part.reshape(like[name].shape) for name, part in zip(sorted(like), parts)}


def our_model(case):
    model_class, changes = heads_reference.CASES[case]
    config = minibert.BertConfig(**heads_reference.SIZES | changes)
    model = getattr(minibert, model_class)(config, dtype=np.float64)
    parameters = model.parameters()
    for name, (theirs, transposed) in huggingface.tensor_names(model).items():
        value = parameters[name].value
        drawn = heads_reference.weights(theirs, value.shape[::-1] if transposed else value.shape)
        value[...] = drawn.T if transposed else drawn
    return model


@pytest.mark.parametrize("case", heads_reference.CASES)
def test_the_loss_the_logits_and_every_gradient(case, stored):
    expected = arrays_of(stored, case)
    model, batch = our_model(case), heads_reference.batch_of(case)
    output, cache = model.forward(**batch)
    model.backward(cache)
    assert abs(output.loss - expected["loss"]) <= 1e-10
    gradients = huggingface.state_dict(model, grads=True)
    assert_gradients_equal(model, out_of_a_row(expected["grad"], gradients))

    inputs = {name: batch[name] for name in ("input_ids", "token_type_ids", "attention_mask")}
    logits = heads_reference.logits_of(model.forward(**inputs)[0])
    assert len(logits) == (2 if case == "span" else 1)
    for name, array in logits.items():
        assert np.abs(array - expected[name]).max() <= 1e-10, name


def test_some_answers_are_ignored():
    assert (heads_reference.batch_of("tokens")["labels"] == -100).any()
    batch = heads_reference.batch_of("span")
    num_tokens = batch["input_ids"].shape[1]
    assert ((batch["end_positions"] >= num_tokens) > (batch["start_positions"] >= num_tokens)).any()


def test_a_hundred_steps_of_fine_tuning(stored):
    """With a rate for each layer."""
    model = our_model("sequence")
    optimizer = layerwise_adamw(
        layer_groups(model), heads_reference.LEARNING_RATE, heads_reference.LAYER_DECAY,
        eps=heads_reference.EPS, weight_decay=heads_reference.WEIGHT_DECAY,
    )
    losses = []
    for step in range(heads_reference.NUM_STEPS):
        batch = heads_reference.batch_of("sequence", step % heads_reference.NUM_BATCHES)
        output, cache = model.forward(**batch)
        model.zero_grad()
        model.backward(cache)
        optimizer.lr = heads_reference.learning_rate(step)
        optimizer.step()
        losses.append(output.loss)
    assert np.mean(losses[-10:]) < 0.75 * np.mean(losses[:10])
    expected = arrays_of(stored, "trained")
    assert np.abs(losses - expected["losses"]).max() <= 1e-8
    weights = huggingface.state_dict(model)
    final = out_of_a_row(expected["final"], weights)
    for name, array in weights.items():
        assert np.abs(array - final[name]).max() <= 1e-8, name
