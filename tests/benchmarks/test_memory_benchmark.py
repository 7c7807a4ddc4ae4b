"""Less memory: the same training in all four ways, and the table. No test looks at a clock."""

import argparse
import json

import pytest

from minibert.benchmarks import memory
from minibert.benchmarks.bert import configuration, random_batch
from minibert.course import costs
from minibert.layers.recomputed import recompute_layers
from minibert.models.bert import BertForPreTraining

SMALL = {"vocab_size": 30, "hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 3}


def test_all_train_the_same(monkeypatch):
    """The first loss is before any step; dropout's masks differ where the parts do, and nowhere else."""
    config, losses = configuration(SMALL), {}
    batch = random_batch(config, 6, 8)
    changed = []

    def recompute(model):
        changed.append(name)
        recompute_layers(model)

    monkeypatch.setattr(memory, "recompute_layers", recompute)
    for name, how in memory.contestants(3).items():
        step = memory.make_step(config, *how)
        losses[name] = [step(batch) for _ in range(3)]
    assert changed == ["recomputed", "both"]
    without_dropout, _ = BertForPreTraining(config).forward(**batch)
    assert losses["plain"][0] != pytest.approx(without_dropout.loss, rel=1e-6)
    assert losses["plain"] == losses["recomputed"] and losses["3 micro-batches"] == losses["both"]
    assert losses["plain"] == pytest.approx(losses["both"], rel=0.1)


def test_the_record_is_that_of_the_largest_part():
    config = configuration(SMALL)
    batch = random_batch(config, 6, 8)
    plain, recomputed, parts, both = (
        memory.record(config, batch, *how) for how in memory.contestants(3).values())
    assert both < recomputed < plain and both < parts
    assert plain / 3 < parts < plain / 2  # a part that has more tokens to predict than another
    expected = costs.memory(config, 2, 8, 0)["record"], costs.memory(config, 2, 8, 1)["record"]
    batch["labels"][...] = -100
    found = [memory.record(config, batch, False, 3)]
    batch["labels"][5, 3] = 7  # in the last part
    assert (*found, memory.record(config, batch, False, 3)) == expected


def test_every_way_is_measured_and_shown(monkeypatch):
    monkeypatch.setitem(memory.PRESETS, "tiny", (4, 8, SMALL))
    monkeypatch.setattr(memory, "measure_memory", lambda module, function, *how: 2e6 / how[2])
    said = []
    result = memory.measure(argparse.Namespace(preset="tiny", micro_batches=2, rounds=2), said.append)
    assert list(result["results"]) == ["plain", "recomputed", "2 micro-batches", "both"]
    assert all(len(found["seconds"]) == 2 for found in result["results"].values())
    assert said[0] == "tiny: 4 sequences of 8 tokens, median of 2 steps"
    assert said[2].split()[2:] == ["1.00", "0", "1.00", "2", "1.00"]
    plain, recomputed, parts, _ = (found["record"] for found in result["results"].values())
    name, *_, of_record, _, of_memory = said[3].split()
    assert (name, of_record, of_memory) == ("recomputed", f"{recomputed / plain:.2f}", "1.00")
    assert said[4].split()[-3::2] == [f"{parts / plain:.2f}", "0.50"]
    assert json.loads(json.dumps(result)) == result  # for --json


def test_a_batch_has_no_more_parts_than_sequences():
    with pytest.raises(ValueError, match="a batch of tiny has 16 sequences: give --micro-batches 16 or less"):
        memory.measure(argparse.Namespace(preset="tiny", micro_batches=17, rounds=1), str)


def test_a_step_to_be_measured_in_its_own_process(monkeypatch):
    monkeypatch.setitem(memory.PRESETS, "tiny", (4, 8, SMALL))
    step = memory.step_of("tiny", True, 2)
    assert step() != step()
