"""The race: times read off between evaluations, and a run without an opponent."""

import json

import pytest

from minibert import cli
from minibert.benchmarks import race


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
    sizes = {"vocab_size": 150, "hidden_size": 12, "num_attention_heads": 3}
    monkeypatch.setattr(race, "is_installed", lambda *packages: False)
    monkeypatch.setitem(race.PRESETS, "tiny", {**sizes, "seq_length": 16, "batch_size": 4})
    options = ["--steps", "6", "--evaluations", "2", "--threads", "1"]
    arguments = ["bench", "race", "--corpus", str(corpus), *options]
    assert cli.main(arguments) == 0
    printed = capsys.readouterr().out
    assert "tokens/s" in printed and "transformers is not installed" in printed
    assert cli.main([*arguments, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert [line[0] for line in result["logs"]["minibert"]] == [0, 3, 6]
