"""How all benchmarks measure: turns, ratios, memory in a process of its own."""

import os
import pathlib
import sys

import pytest

from minibert.benchmarks import harness


def test_contestants_take_turns():
    seen = []

    def contestant(name):
        def run(round_number):
            seen.append((name, round_number))
            return 10 * round_number

        return run

    results = harness.take_turns({"a": contestant("a"), "b": contestant("b")}, num_rounds=2, num_warm_up=1)
    assert seen == [("a", -1), ("b", -1), ("a", 0), ("b", 0), ("a", 1), ("b", 1)]
    assert results == {"a": [0, 10], "b": [0, 10]}


def test_steps_are_timed_in_turn_after_two_that_warm_up():
    seen = []
    steps = {name: lambda batch, name=name: seen.append((name, batch)) for name in "ab"}
    seconds = harness.measure_steps(steps, {"x": 1}, num_threads=1, num_rounds=3)
    assert seen == [(name, {"x": 1}) for name in "ab"] * 5
    assert {name: len(times) for name, times in seconds.items()} == {"a": 3, "b": 3}


def test_ratios_are_medians_of_rounds():
    assert harness.median_ratio([1.0, 2.0, 60.0], [1.0, 1.0, 10.0]) == 2.0
    with pytest.raises(ValueError):
        harness.median_ratio([1.0, 2.0], [1.0])


def test_spread():
    assert harness.spread([1.0, 2.0, 1.5]) == "1.500 ± 0.500"
    assert harness.spread([]) == "-"


def test_seconds_of_a_call():
    called = []
    assert harness.seconds_of(called.append, 3) >= 0 and called == [3]


def test_what_is_installed():
    assert harness.is_installed("json", "numpy") and not harness.is_installed("json", "no_such_package")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="peak memory is read from /proc")
def test_memory_of_a_call(tmp_path, monkeypatch):
    """The rise is that of the call, without the memory that was there before; None where a call fails."""
    code = "def prepare(held, used):\n    kept = b'x' * held\n    return lambda: (b'x' * used, kept)\n"
    (tmp_path / "memory_example.py").write_text(code, encoding="utf-8")
    root = str(pathlib.Path(harness.__file__).parent.parent.parent)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([root, str(tmp_path)]))
    rise = harness.measure_memory("memory_example", "prepare", 50_000_000, 10_000_000)
    if rise is None:
        pytest.skip("this system does not let a process reset its peak")
    assert 9_500_000 < rise < 12_000_000
    assert harness.measure_memory("memory_example", "prepare", "x", 10) is None


def test_no_memory_is_measured_on_other_systems(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert harness.measure_memory("memory_example", "prepare", 1, 1) is None
