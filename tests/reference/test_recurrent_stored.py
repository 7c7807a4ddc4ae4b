"""Recurrent layers and models against the results of PyTorch that make_reference.py stored."""

import pathlib

import numpy as np
import pytest
import recurrent_reference as reference

import minibert as mb
from minibert import huggingface
from minibert.files import read_tensors
from minibert.models.elmo import MaxConvolution

HERE = pathlib.Path(__file__).parent


def of(stored, owner, part=""):
    """Return the arrays of a layer or model, of one part."""
    start = f"{owner}/{part}"
    return {name.removeprefix(start): array for name, array in stored.items() if name.startswith(start)}


def in_our_layout(array):
    return array.T if array.ndim == 2 else array


def check_layer(name, stored):
    theirs, weights = of(stored, name), of(stored, name, "weight.")
    options = {"projection_size": reference.P} if name == "projected" else {}
    layer_class = mb.RNN if name == "rnn" else mb.LSTM
    layer = layer_class(reference.D, reference.H, dtype=np.float64, **options)
    parameters = layer.parameters()
    assert {f"{ours}_l0" for ours in parameters} == weights.keys()
    for ours, parameter in parameters.items():
        parameter.value[...] = in_our_layout(weights[f"{ours}_l0"])
    x, state, d_y, d_state = reference.arguments_of(name)
    is_rnn = name == "rnn"
    (y, last), cache = layer.forward(x, state[0] if is_rnn else state)
    d_x, d_first = layer.backward((d_y, d_state[0] if is_rnn else d_state), cache)
    last, d_first = ([last], [d_first]) if is_rnn else (last, d_first)
    assert np.abs(y - theirs["y"]).max() <= 1e-12
    for number in range(len(state)):
        assert np.abs(last[number] - theirs[f"last.{number}"]).max() <= 1e-12
        assert np.abs(d_first[number] - theirs[f"d_state.{number}"]).max() <= 1e-10
    assert np.abs(d_x - theirs["d_x"]).max() <= 1e-10
    for ours, parameter in parameters.items():
        assert np.abs(parameter.grad - in_our_layout(theirs[f"grad.{ours}_l0"])).max() <= 1e-10, ours


def loaded(name, stored, directory):
    """Return our model, read from a checkpoint with PyTorch's names."""
    config = mb.LSTMConfig(reference.V, reference.D, reference.H, num_hidden_layers=2)
    model_class = getattr(mb, name)
    model_class(config).save_pretrained(directory)
    mb.files.write_tensors(directory / "model.safetensors", of(stored, name, "weight."), {"format": "pt"})
    model = model_class.from_pretrained(directory)
    assert model.decoder.weight.value.dtype == np.float64
    return model


def check_model(name, stored, directory):
    model, theirs = loaded(name, stored, directory), of(stored, name)
    input_ids, labels = reference.batch(0)
    output, cache = model.forward(input_ids, labels=labels)
    assert abs(output.loss - theirs["loss"]) <= 1e-12
    assert np.abs(model.forward(input_ids)[0].logits - theirs["logits"]).max() <= 1e-12
    model.backward(cache)
    ours, gradients = huggingface.state_dict(model, grads=True), of(stored, name, "grad.")
    assert ours.keys() == gradients.keys()
    for key, gradient in gradients.items():
        assert np.abs(ours[key] - gradient).max() <= 1e-10, key
    optimizer = mb.AdamW(model.parameters(), lr=1e-2, eps=1e-6, weight_decay=0.0)
    losses = []
    for step in range(reference.NUM_STEPS):
        input_ids, labels = reference.batch(step % reference.NUM_BATCHES)
        output, cache = model.forward(input_ids, labels=labels)
        model.zero_grad()
        model.backward(cache)
        optimizer.step()
        losses.append(output.loss)
    assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5])  # something is learned
    assert np.abs(losses - theirs["losses"]).max() <= 1e-8


@pytest.fixture(scope="module")
def stored():
    return read_tensors(HERE / "recurrent.safetensors")


@pytest.mark.parametrize("name", reference.LAYERS)
def test_outputs_and_every_gradient_of_a_layer(name, stored):
    check_layer(name, stored)


def test_a_convolution_with_a_maximum_over_places(stored):
    """As nn.Conv1d and max: a weight there is (filters, size, width), ours (width · size, filters)."""
    theirs, width, size = of(stored, "convolution"), reference.P, reference.D
    rng = np.random.default_rng(0)
    layer = MaxConvolution(size, width, reference.H, rng=rng, initializer_range=1.0, dtype=np.float64)

    def ours(weight):
        return weight.transpose(2, 1, 0).reshape(width * size, reference.H)

    layer.weight.value[...], layer.bias.value[...] = ours(theirs["weight.weight"]), theirs["weight.bias"]
    y, cache = layer.forward(reference.random(reference.B, reference.T, size, seed=20))
    d_x = layer.backward(reference.random(reference.B, reference.H, seed=25), cache)
    assert np.abs(y - theirs["y"]).max() <= 1e-12
    for found, expected in (
        (d_x, theirs["d_x"]), (layer.weight.grad, ours(theirs["grad.weight"])),
        (layer.bias.grad, theirs["grad.bias"]),
    ):
        assert np.abs(found - expected).max() <= 1e-10


@pytest.mark.parametrize("name", reference.MODELS)
def test_a_model_its_gradients_and_a_hundred_steps(name, stored, tmp_path):
    check_model(name, stored, tmp_path)
