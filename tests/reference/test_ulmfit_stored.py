"""ULMFiT's classifier against the results of PyTorch that make_reference.py stored."""

import pathlib

import numpy as np
import ulmfit_reference as reference

import minibert as mb
from minibert import huggingface
from minibert.files import read_tensors, write_tensors

HERE = pathlib.Path(__file__).parent
OF_TORCH = "weight_hh_l0", "weight_hh_l0_raw"  # the name there, and in the authors' files


def part(stored, name):
    start = f"{name}."
    return {
        key.removeprefix(start).replace(*OF_TORCH): array
        for key, array in stored.items() if key.startswith(start)
    }


def test_the_classifier_its_gradients_and_its_training(tmp_path):
    stored = read_tensors(HERE / "ulmfit.safetensors")
    config = mb.ULMFiTConfig(
        reference.V, reference.E, reference.H, num_hidden_layers=2, classifier_size=reference.C,
        num_labels=reference.K)
    mb.AWDLSTMForSequenceClassification(config).save_pretrained(tmp_path)
    write_tensors(tmp_path / "model.safetensors", part(stored, "weight"), {"format": "pt"})
    model = mb.AWDLSTMForSequenceClassification.from_pretrained(tmp_path)
    output, cache = model.forward(**reference.batch(0))
    assert output.logits.dtype == np.float64 and abs(output.loss - stored["loss"]) <= 1e-12
    assert np.abs(output.logits - stored["logits"]).max() <= 1e-12
    model.backward(cache)
    ours, gradients = huggingface.state_dict(model, grads=True), part(stored, "grad")
    assert ours.keys() == gradients.keys()
    for name, gradient in gradients.items():
        assert np.abs(ours[name] - gradient).max() <= 1e-10, name
    optimizer = mb.AdamW(model.parameters(), lr=1e-2, eps=1e-6, weight_decay=0.0)
    losses = []
    for step in range(reference.NUM_STEPS):
        output, cache = model.forward(**reference.batch(step % reference.NUM_BATCHES))
        model.zero_grad()
        model.backward(cache)
        optimizer.step()
        losses.append(output.loss)
    assert np.mean(losses[-4:]) < 0.9 * np.mean(losses[:4])  # something is learned
    assert np.abs(losses - stored["losses"]).max() <= 1e-8
