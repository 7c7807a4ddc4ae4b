"""The cost of a step of an LSTM: the same work for everybody, and the table. No test looks at a clock."""

import argparse

import numpy as np

from minibert.benchmarks import lstm
from minibert.models.recurrent import LSTMConfig


def test_our_step_trains_every_parameter():
    config = LSTMConfig(30, embedding_size=8, hidden_size=8, tie_word_embeddings=True)
    step = lstm.minibert_step(config, 1)
    model = next(cell.cell_contents for cell in step.__closure__ if hasattr(cell.cell_contents, "decoder"))
    before = {name: parameter.value.copy() for name, parameter in model.parameters().items()}
    ids = np.random.default_rng(0).integers(30, size=(4, 6))
    batch = {"input_ids": ids[:, :-1], "labels": ids[:, 1:]}
    first = model.forward(**batch)[0].loss
    for _ in range(3):
        step(batch)
    assert model.forward(**batch)[0].loss < first
    assert not any(np.array_equal(p.value, before[name]) for name, p in model.parameters().items())


def test_every_size_is_measured_and_shown(monkeypatch):
    monkeypatch.setattr(lstm, "SIZES", (lstm.Size(2, 3, 4, 11, 1), lstm.Size(3, 2, 5, 12, 2)))
    monkeypatch.setattr(lstm, "is_installed", lambda *packages: False)
    said = []
    result = lstm.measure(argparse.Namespace(threads=1, rounds=2), said.append)
    assert [size["num_layers"] for size in result["sizes"]] == [1, 2]
    assert all(len(size["seconds"]["minibert"]) == 2 for size in result["sizes"])
    assert said[1] == "B 2, T 3, H 4, V 11, layers: 1" and "minibert" in said[2]
    assert said[3] == "B 3, T 2, H 5, V 12, layers: 2" and "not installed" in said[-1]
