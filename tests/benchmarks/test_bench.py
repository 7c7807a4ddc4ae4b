"""`minibert bench`: what it prints, that everybody does the same work, and how times are compared. No test looks at a clock."""

import json
import sys

import numpy as np
import pytest

from minibert import cli, plots
from minibert.benchmarks import bert, growth, race
from minibert.benchmarks.bert import configuration, products_step, random_batch, ratio, table

SMALL = {"vocab_size": 30, "hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 3}


@pytest.fixture
def small(monkeypatch):
    """The presets, all of them small."""
    monkeypatch.setattr(bert, "PRESETS", {"tiny": (3, 8, SMALL), "mini": (2, 5, SMALL)})
    monkeypatch.setattr(growth, "PRESETS", bert.PRESETS)


def test_a_batch_has_fifteen_percent_of_its_tokens_predicted_and_no_padding():
    batch = random_batch(configuration(SMALL), 10, 20)
    assert np.count_nonzero(batch["labels"] >= 0) == 30
    assert batch["attention_mask"].all() and batch["input_ids"].max() < 30


def test_the_products_are_those_of_a_step():
    """The floating-point operations, counted by hand from the sizes."""
    config = configuration(SMALL)
    rows, size, predicted = 3 * 8, 12, 4
    linear = 2 * rows * (4 * size * size + 2 * size * 4 * size) + predicted * (size * size + size * 30) + 3 * (size * size + size * 2)
    attention = 2 * 3 * 8 * 8 * 12   # layers, sequences, T, T, H
    expected = 3 * linear + 6 * attention
    products = bert._products(config, 3, 8, predicted)
    assert sum(left.size * right.shape[-1] for left, right, _ in products) == expected
    products_step(config, 1)(random_batch(config, 3, 8))


@pytest.mark.parametrize("num_threads", [1, 2])
def test_our_step_trains(num_threads):
    config = configuration(SMALL)
    batch = random_batch(config, 4, 8)
    step = bert.minibert_step(config, num_threads)
    model = next(cell.cell_contents for cell in step.__closure__ if isinstance(cell.cell_contents, (bert.DataParallel, bert.BertForPreTraining)))
    model = model.replicas[0] if num_threads > 1 else model
    before = model.forward(**batch)[0].loss
    for _ in range(20):
        step(batch)
    assert model.forward(**batch)[0].loss < before


def test_ratios_are_medians_of_rounds():
    seconds = {"minibert": [1.0, 2.0, 30.0], "products": [1.0, 1.0, 10.0]}
    assert ratio(seconds, "products") == 2.0
    result = {"preset": "tiny", "batch_size": 3, "tokens": 8, **SMALL, "threads": 1, "seconds": seconds,
              "memory": {"minibert": 5_000_000, "products": None}}  # fmt: skip
    lines = list(table(result))
    assert lines[0] == "tiny (B 3, T 8, H 12, 2 layers, V 30), threads: 1, median of 3 steps"
    assert lines[2].split() == ["minibert", "2000.0", "5"] and lines[3].split() == ["products", "1000.0", "2.00"]


def test_the_command(small, capsys, monkeypatch):
    monkeypatch.setattr(bert, "measure_memory", lambda name, preset, num_threads: 2_000_000)
    arguments = ["bench", "--preset", "tiny", "--rounds", "2", "--only", "minibert", "products", "uncut"]
    assert cli.main(arguments) == 0
    printed = capsys.readouterr().out
    assert "tiny (B 3, T 8" in printed and "products" in printed and "mini (" not in printed
    assert cli.main([*arguments, "--json"]) == 0
    (result,) = json.loads(capsys.readouterr().out)["results"]
    assert {name: len(times) for name, times in result["seconds"].items()} == {"minibert": 2, "uncut": 2, "products": 2}
    assert result["memory"] == {"minibert": 2_000_000, "uncut": 2_000_000}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="peak memory is read from /proc")
def test_memory_is_that_of_the_activations():
    """At least what forward keeps: for each layer some twenty arrays (B, T, H), four of them counted for each (B, T, F)."""
    tiny, mini = (bert.measure_memory("minibert", preset, 1) for preset in ("tiny", "mini"))
    if tiny is None:
        pytest.skip("this system does not let a process reset its peak")
    for peak, arrays in ((tiny, 2 * 16 * 64 * 128), (mini, 4 * 16 * 128 * 256)):  # layers times an array (B, T, H), in numbers
        assert 20 * 4 * arrays < peak < 60 * 4 * arrays
    assert bert.measure_memory("nobody", "tiny", 1) is None


def test_growth_draws_every_size(small, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(growth, "SIZES", {"B": ("batch_size", (2, 4)), "H": ("hidden_size", (64, 128))})
    assert cli.main(["bench", "growth", "--rounds", "1", "--output", str(tmp_path / "growth.png"), "--json"]) == 0
    measured = json.loads(capsys.readouterr().out)
    assert {letter: [row[0] for row in rows] for letter, rows in measured.items()} == {"B": [2, 4], "H": [64, 128]}
    assert (tmp_path / "growth.png").stat().st_size > 5000
    axes = plots.cost_growth(measured, growth.NAMES)
    assert [panel.get_xlabel() for panel in axes] == ["B: sequences in a batch", "H: hidden size"]
    np.testing.assert_allclose(axes[0].get_lines()[0].get_ydata(), [1e3 * row[1] for row in measured["B"]])


def test_the_time_to_a_loss_is_read_off_between_evaluations():
    log = [[0, 0, 0.0, 6.0], [10, 100, 2.0, 5.0], [20, 200, 4.0, 4.0], [30, 300, 6.0, 4.5]]
    assert race.time_to(4.5, log) == pytest.approx(3.0)
    assert race.time_to(4.0, log) == pytest.approx(4.0)
    with pytest.raises(ValueError, match="never falls"):
        race.time_to(3.0, log)
    result = race.summary({"one": log, "other": [[0, 0, 0.0, 6.0], [10, 100, 5.0, 4.5]]})
    assert result["loss"] == 4.5 and result["tokens_per_second"] == {"one": 50.0, "other": 20.0}
    assert result["seconds"] == {"one": pytest.approx(3.0), "other": pytest.approx(5.0)}


def test_a_race_without_an_opponent(corpus, capsys, monkeypatch):
    monkeypatch.setattr(race.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setitem(race.PRESETS, "tiny", {"vocab_size": 150, "hidden_size": 12, "num_attention_heads": 3, "seq_length": 16, "batch_size": 4})
    arguments = ["bench", "race", "--corpus", str(corpus), "--steps", "6", "--evaluations", "2", "--threads", "1"]
    assert cli.main(arguments) == 0
    printed = capsys.readouterr().out
    assert "tokens/s" in printed and "transformers is not installed" in printed
    assert cli.main([*arguments, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert [line[0] for line in result["logs"]["minibert"]] == [0, 3, 6]
