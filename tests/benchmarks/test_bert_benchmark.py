"""The cost of a step: the same work for everybody, the table, the memory. No test looks at a clock."""

import sys

import numpy as np
import pytest

from minibert.benchmarks import bert, growth
from minibert.benchmarks.bert import configuration, products_step, random_batch, table
from minibert.benchmarks.harness import measure_memory

SMALL = {"vocab_size": 30, "hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 3}


def test_a_batch_has_fifteen_percent_of_its_tokens_predicted_and_no_padding():
    batch = random_batch(configuration(SMALL), 10, 20)
    assert np.count_nonzero(batch["labels"] >= 0) == 30
    assert batch["attention_mask"].all() and batch["input_ids"].max() < 30


def test_the_products_are_those_of_a_step():
    """The floating-point operations, counted by hand from the sizes."""
    config = configuration(SMALL)
    rows, size, predicted = 3 * 8, 12, 4
    linear = 2 * rows * (4 * size * size + 2 * size * 4 * size)
    linear += predicted * (size * size + size * 30) + 3 * (size * size + size * 2)
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
    held = [cell.cell_contents for cell in step.__closure__]
    model = next(item for item in held if isinstance(item, (bert.DataParallel, bert.BertForPreTraining)))
    model = model.replicas[0] if num_threads > 1 else model
    before = model.forward(**batch)[0].loss
    for _ in range(20):
        step(batch)
    assert model.forward(**batch)[0].loss < before


def test_the_table():
    seconds = {"minibert": [1.0, 2.0, 30.0], "products": [1.0, 1.0, 10.0]}
    memory = {"minibert": 5_000_000, "products": None}
    result = {"preset": "tiny", "batch_size": 3, "tokens": 8, **SMALL, "threads": 1}
    lines = list(table({**result, "seconds": seconds, "memory": memory}))
    assert lines[0] == "tiny (B 3, T 8, H 12, 2 layers, V 30), threads: 1, median of 3 steps"
    assert lines[2].split() == ["minibert", "2000.0", "5"]
    assert lines[3].split() == ["products", "1000.0", "2.00"]


def test_of_two_steps_the_second_is_timed():
    """Three calls of two steps: one that warms up and two rounds."""
    config, calls = configuration(SMALL), []
    seconds = bert.measure_steps(config, random_batch(config, 2, 5), 1, 2, ["minibert", "nobody"])
    assert list(seconds) == ["minibert"] and len(seconds["minibert"]) == 2
    contestants = {"minibert": lambda config, num_threads: calls.append}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bert, "contestants", lambda chosen: contestants)
        bert.measure_steps(config, "batch", 1, 2)
    assert calls == ["batch"] * 6


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="peak memory is read from /proc")
@pytest.mark.exhaustive
def test_memory_is_that_of_the_activations():
    """Forward keeps some twenty arrays (B, T, H) for each layer, counting one (B, T, F) as four."""
    for num_layers in (2, 4):
        sizes = {**SMALL, "hidden_size": 126, "num_hidden_layers": num_layers}
        peak = measure_memory("minibert.benchmarks.bert", "step_of", "minibert", 8, 64, sizes, 1)
        if peak is None:
            pytest.skip("this system does not let a process reset its peak")
        arrays = num_layers * 8 * 64 * 126  # numbers in one array (B, T, H) for each layer
        assert 20 * 4 * arrays < peak < 60 * 4 * arrays


def test_growth_changes_one_size_at_a_time(monkeypatch):
    seen = []

    def measure_steps(config, batch, num_threads, num_rounds, chosen):
        shape = batch["input_ids"].shape
        seen.append((*shape, config.hidden_size, config.num_attention_heads, config.vocab_size))
        return {"minibert": [3.0, 1.0, 2.0], "products": [1.0, 1.0, 1.0]}

    monkeypatch.setattr(growth, "measure_steps", measure_steps)
    assert growth.measure_size("num_tokens", (32, 64), 3) == [(32, 2.0, 1.0), (64, 2.0, 1.0)]
    growth.measure_size("hidden_size", (64, 256), 3)
    assert seen == [
        (16, 32, 128, 2, 2000), (16, 64, 128, 2, 2000), (16, 64, 64, 1, 2000), (16, 64, 256, 4, 2000),
    ]
