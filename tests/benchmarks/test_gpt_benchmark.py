"""The cost of steps and texts of GPT-2: the same work for everybody, and the tables. No test sees a clock."""

import argparse

import numpy as np
import pytest

import minibert as mb
from minibert.benchmarks import generate, gpt

SIZES = {"hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 3, "vocab_size": 30}


@pytest.fixture
def alone(monkeypatch):
    """No other contestant, and small sizes."""
    for module in (gpt, generate):
        monkeypatch.setattr(module, "is_installed", lambda *packages: False)
    monkeypatch.setattr(gpt, "PRESETS", {"tiny": (3, 5, SIZES)})
    monkeypatch.setattr(generate, "PRESETS", {"tiny": SIZES, "mini": SIZES})
    monkeypatch.setattr(generate, "NUM_NEW", 4)


def measured(benchmark, *arguments):
    """What a benchmark returns and says."""
    parser, said = argparse.ArgumentParser(), []
    benchmark.add_options(parser)
    return benchmark.measure(parser.parse_args(arguments), said.append), "\n".join(said)


def test_our_step_trains():
    config = mb.GPT2Config(**SIZES, max_position_embeddings=8)
    ids = np.random.default_rng(0).integers(30, size=(4, 8))
    step = gpt.minibert_step(config, 1)
    model = next(cell.cell_contents for cell in step.__closure__ if hasattr(cell.cell_contents, "blocks"))
    before = model.forward(ids, labels=ids)[0].loss
    for _ in range(20):
        step({"input_ids": ids, "labels": ids})
    assert model.forward(ids, labels=ids)[0].loss < before


def test_the_table_of_steps(alone):
    result, said = measured(gpt, "--rounds", "2")
    assert said.startswith("tiny (B 3, T 5, H 12, 2 layers, V 30), threads: 1, median of 2 steps\n")
    assert "is not installed here" in said and len(result["results"][0]["seconds"]["minibert"]) == 2


def test_the_table_of_texts(alone):
    result, said = measured(generate, "--rounds", "2", "--batch-size", "3", "--preset", "mini")
    assert said.startswith("mini (H 12, 2 layers, V 30), batch 3, threads: 1, median of 2 texts\n")
    assert "the same tokens" in said and [row["batch_size"] for row in result["results"]] == [3]


def test_a_batch_has_a_sequence(capsys):
    with pytest.raises(SystemExit):
        measured(generate, "--batch-size", "0")
    assert "--batch-size: expected a whole number above 0, got '0'" in capsys.readouterr().err


def test_other_tokens_are_told(alone, monkeypatch):
    found = {"minibert": generate.minibert_writer, "other": lambda model: lambda prompts, number: prompts}
    monkeypatch.setattr(generate, "contestants", lambda: found)
    result, said = measured(generate, "--rounds", "1", "--batch-size", "2", "--preset", "tiny")
    assert "other tokens than minibert: {'minibert': True, 'other': False}" in said
