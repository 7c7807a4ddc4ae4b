"""The cost of a step of XLNet: the same work for everybody, and the table. No test sees a clock."""

import argparse

import numpy as np
import pytest

import minibert as mb
from minibert.benchmarks import xlnet


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """No other contestant, and small sizes."""
    monkeypatch.setattr(xlnet, "is_installed", lambda *packages: False)
    monkeypatch.setattr(xlnet, "CONFIG", mb.XLNetConfig(30, 12, 2, 3))
    for name, size in (("BATCH_SIZE", 3), ("NUM_TOKENS", 8), ("NUM_TARGETS", 2)):
        monkeypatch.setattr(xlnet, name, size)


def test_our_step_trains():
    batch = xlnet.random_batch(xlnet.CONFIG)
    assert batch["target_mapping"].shape == (3, 2, 8) and (batch["labels"] >= 0).all()
    assert (batch["perm_mask"].sum(axis=1) > 0).sum(axis=1).tolist() == [2, 2, 2]
    step = xlnet.minibert_step(xlnet.CONFIG, 1)
    closed = [cell.cell_contents for cell in step.__closure__]
    [model] = [item for item in closed if isinstance(item, mb.XLNetLMHeadModel)]
    before = model.forward(**batch)[0].loss
    for _ in range(20):
        step(batch)
    assert model.forward(**batch)[0].loss < before


def test_the_table_of_steps():
    parser, said = argparse.ArgumentParser(), []
    xlnet.add_options(parser)
    result = xlnet.measure(parser.parse_args(["--rounds", "2"]), said.append)
    assert said[0].startswith("B 3, T 8, 2 predicted, H 12, 2 layers, 3 heads, V 30, threads: 1, median of 2")
    assert "is not installed here" in said[-1] and len(result["seconds"]["minibert"]) == 2
    assert np.isfinite(result["seconds"]["minibert"]).all()
