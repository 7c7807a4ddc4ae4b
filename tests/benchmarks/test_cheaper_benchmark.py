"""`minibert bench cheaper`: runs that end with the clock, their file, and the judge that all share."""

import argparse
import itertools
import json
import pathlib

import numpy as np
import pytest

from minibert import cli
from minibert.benchmarks import cheaper
from minibert.layers.walk import num_bytes
from minibert.objectives import masked_lm
from minibert.training.step import Training

SMALL = {
    "vocab_size": 150, "seq_length": 16, "batch_size": 4, "hidden_size": 12, "num_hidden_layers": 2,
    "num_attention_heads": 3,
}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """A small model, and a processor that does everything in a second."""
    monkeypatch.setitem(masked_lm.PRESETS, "tiny", SMALL)
    monkeypatch.setattr(cheaper.time, "process_time", itertools.count().__next__)


@pytest.fixture
def run(tmp_path, corpus):
    """A function that runs the benchmark with options; returns its result and the lines that it said."""
    def measure(*given):
        parser, said = argparse.ArgumentParser(), []
        cheaper.add_options(parser)
        options = ["--points", tmp_path / "c.jsonl", "--corpus", corpus, "--seconds", 21, *given]
        return cheaper.measure(parser.parse_args(list(map(str, options))), said.append), said

    return measure


def objective(corpus, name, **changes):
    way = cheaper.WAYS[name]
    return way.objective(way.objective.Recipe.of([str(corpus)], **way.changes, **changes), say=str)


def test_a_run_is_a_line_and_is_not_done_twice(run, tmp_path):
    ways = "--recipes", "bert", "electra"
    result, said = run(*ways, "--seeds", 2)
    file = tmp_path / "c.jsonl"
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert [(line["recipe"], line["seed"]) for line in lines] == [
        ("bert", 0), ("electra", 0), ("bert", 1), ("electra", 1)]           # a seed is complete first
    assert result["runs"] == lines and [row["seeds"] for row in result["rows"]] == [2, 2]
    for line in lines:
        assert line["steps"] == 20 and line["curve"][-1] == [21, line["tokens"], line["loss"]]
        seconds, tokens, _ = zip(*line["curve"])
        assert seconds == (1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21) and list(tokens) == sorted(tokens)
        assert tokens[0] == 0 and line["curve"][0][2] > line["loss"]
    assert "rtd_accuracy" in lines[1]["evaluation"] and "nsp_accuracy" in lines[0]["evaluation"]
    before = file.read_bytes()
    again, said_again = run(*ways, "--seeds", 2)
    assert (again, file.read_bytes()) == (result, before)
    assert said_again == [line for line in said if "seed " not in line]
    assert run(*ways, "--show", "--seeds", 1)[0]["runs"] == lines[:2]
    assert run(*ways, "--show", "--seconds", 60)[0] == {"rows": [], "runs": []}


@pytest.mark.exhaustive
def test_every_way_learns(run):
    result, _ = run("--seeds", 1)
    assert [row["recipe"] for row in result["rows"]] == list(cheaper.WAYS)
    for point in result["runs"]:
        assert point["loss"] < point["curve"][0][2]


def test_learning_rate_and_lengths_follow_the_clock(corpus, monkeypatch):
    """Steps become ten times as slow; a tenth of the time warms up, and after half of it pairs are long."""
    clock, seen = [0.0], []
    monkeypatch.setattr(cheaper.time, "process_time", lambda: clock[0])

    def step(self, number):
        share = clock[0] / 100
        seen.append((share, self.recipe.learning_rate_at(number), self.objective.batch(number)))
        clock[0] += 0.1 if clock[0] < 30 else 1.0
        return {"tokens": 1}

    monkeypatch.setattr(Training, "step", step)
    monkeypatch.setattr(cheaper, "masked_loss", lambda model, held_out: 1.0)
    made = cheaper.Run(objective(corpus, "fast", embedding_start="random"), 100, [])
    assert made.steps == made.tokens == len(seen) > 350
    for share, rate, batch in seen[1:]:
        assert rate / 1e-3 == pytest.approx(min(share / 0.1, (1 - share) / 0.9), abs=0.02)
        assert (len(batch.input_ids) == 8) == (share < 0.5)
    assert seen[-1][1] < 2e-5
    sizes = [  # long pairs take more memory than twice as many short ones
        max(cheaper.record_bytes(made.training, examples.batch(number, size)) for number in range(4))
        for examples, size in ((made.training.objective.pairs.short_examples, 8),
                               (made.training.objective.pairs.examples, 4))]
    assert sizes[0] < sizes[1] == made.record_bytes


def test_the_judge_is_berts_evaluation_and_reads_alberts_words(corpus):
    bert, albert = (Training(objective(corpus, name)) for name in ("bert", "albert"))
    held_out = bert.objective.held_out
    assert cheaper.masked_loss(bert.model, held_out) == pytest.approx(bert.evaluate().mlm_loss, rel=1e-6)
    assert albert.objective.tokenizer.vocab == bert.objective.tokenizer.vocab
    for name in ("mask-15", "whole-words"):
        for [ours], [theirs] in zip(objective(corpus, name, seed=3).held_out, held_out, strict=True):
            np.testing.assert_array_equal(ours.labels, theirs.labels)


def test_the_record_has_the_layer_that_is_computed_again(corpus):
    again, whole = (Training(objective(corpus, name)) for name in ("recomputed", "fast"))
    batch = whole.objective.batch(0)
    caches = [training.workers.forward(batch, None, [0, 0])[1] for training in (again, whole)]
    records = [num_bytes(cache) for cache in caches]
    one, other = (cheaper.record_bytes(training, batch) for training in (again, whole))
    of_layers = [num_bytes([layer]) for layer in caches[1].shares[0].bert.encoder]
    of_input = batch.input_ids.size * SMALL["hidden_size"] * 4
    assert other == records[1] and one - records[0] == of_layers[1] - of_input
    assert records[0] < one < other


def test_small_batches_come_first(corpus):
    slow, whole = objective(corpus, "small-batches", num_steps=6), objective(corpus, "fast", num_steps=6)
    assert [len(slow.batch(step).labels) for step in range(6)] == [4, 4, 4, 4, 4, 4]
    assert [len(whole.batch(step).labels) for step in range(6)] == [8, 8, 8, 4, 4, 4]
    np.testing.assert_array_equal(slow.batch(2).labels, whole.batch(2).labels[:4])


def point(recipe, seed, *losses):
    return {
        "recipe": recipe, "corpus": ["python-docs"], "seconds": 300.0, "seed": seed, "steps": 10 + seed,
        "curve": [[100 * k, 0, loss] for k, loss in enumerate(losses)], "loss": losses[-1], "tokens": 7,
        "parameters": 5, "record_bytes": 2_000_000, "evaluation": {}}


def test_the_time_to_berts_loss_is_of_the_same_seed():
    points = [point("bert", 0, 6, 5, 4), point("bert", 1, 6, 5, 3), point("fast", 0, 6, 4, 3),
              point("fast", 1, 6, 5, 2), point("albert", 0, 6, 4, 3), point("albert", 1, 6, 4, 3.5),
              point("electra", 0, 6, 3, 2), point("mask-15", 2, 6, 5, 1), point("adamw", 0, 6, 3, 5)]
    rows = {row["recipe"]: row for row in cheaper.summary(points)}
    assert {name: row["seconds_to_bert"] for name, row in rows.items()} == {
        "bert": 200, "fast": 133.3, "albert": None, "electra": None, "mask-15": None,
        "adamw": 66.7}  # it came to the 4 of bert, and rose again
    assert (rows["fast"]["loss"], rows["fast"]["lowest"], rows["fast"]["highest"]) == (2.5, 2, 3)
    assert rows["bert"]["steps"] == 10 and rows["bert"]["seeds"] == 2
    lines = list(cheaper.table(rows.values()))
    assert lines[2].split() == ["fast", "10", "7", "5", "2.0", "2.500", "(2.000-3.000)", "133"]
    assert lines[4].split()[-1] == "(3.000-3.500)" and list(cheaper.table([])) == []


def test_the_picture_has_every_way_and_six_in_a_panel(tmp_path, capsys):
    assert {name for names in cheaper.PANELS.values() for name in names} == set(cheaper.WAYS)
    assert max(map(len, cheaper.PANELS.values())) == 6
    points = [point("fast", 0, 6, 5), point("fast", 1, 6, 4), point("electra", 0, 6, 3)]
    panels = cheaper.pictured({"runs": points})
    assert {title: list(curves) for title, curves in panels.items()} == {
        "how it learns": ["fast"], "what it learns": ["fast", "electra: generator"]}
    np.testing.assert_array_equal(panels["how it learns"]["fast"][1], [[0, 6], [100, 4]])
    file, picture = tmp_path / "c.jsonl", tmp_path / "c.png"
    options = ["bench", "cheaper", "--show", "--points", str(file), "--picture", str(picture)]
    assert cli.main(options) == 2 and "there is nothing to draw" in capsys.readouterr().err
    file.write_text("".join(json.dumps(point) + "\n" for point in points), "utf-8")
    assert cli.main(options) == 0 and picture.stat().st_size > 5000


def test_another_file_is_refused(run, tmp_path):
    (tmp_path / "c.jsonl").write_text('{"task": "sense"}\n', "utf-8")
    with pytest.raises(ValueError, match="line 1 is not a point"):
        run("--show")


def test_a_time_without_a_step_is_refused(run, tmp_path):
    with pytest.raises(ValueError, match="bert does not come to its first step in 1 s: give more --seconds"):
        run("--recipes", "bert", "--seconds", 1)
    assert (tmp_path / "c.jsonl").read_bytes() == b""


def test_a_text_that_can_be_read_once_is_refused(run, tmp_path):
    with pytest.raises(ValueError, match="standard input can be read once: give --corpus a file"):
        run("--corpus", "-")
    assert not (tmp_path / "c.jsonl").exists()


def test_the_table_of_the_guide_is_that_of_the_stored_runs():
    root = pathlib.Path(__file__).parents[2] / "notebooks"
    runs = cheaper.stored(root / "data" / "15_cheaper.jsonl").found.values()
    assert {(*run["corpus"], run["seconds"]) for run in runs} == {("python-docs", 300)}
    guide = (root / "guides" / "training.md").read_text("utf-8").split("## The same time for every way")[1]
    shown = [line for line in guide.split("\n## ")[0].splitlines() if line.startswith("| `")]
    assert shown == [line_of(row) for row in cheaper.summary(runs)]


def line_of(row):
    time = "" if row["seconds_to_bert"] is None else f"{row['seconds_to_bert']:.0f} "
    return (
        f"| `{row['recipe']}` | {row['seeds']} | {row['steps']:,} | {row['tokens'] / 1e6:.2f} "
        f"| {row['parameters']:,} | {row['record_bytes'] / 1e6:.1f} "
        f"| {row['loss']:.3f} ({row['lowest']:.3f} to {row['highest']:.3f}) | {time}|")
