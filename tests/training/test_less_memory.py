"""Less memory: a batch in parts trains as the whole batch does, and recomputed layers to the same bits."""

import dataclasses
import shutil

import numpy as np
import pytest
from helpers import contents, quiet
from runs import begin, resume

from minibert.files import read_json, write_json
from minibert.layers import EncoderLayer, RecomputedEncoderLayer
from minibert.layers.walk import is_layer, walk
from minibert.objectives.albert import AlbertObjective
from minibert.objectives.distillation import DistillationObjective
from minibert.objectives.electra import ElectraObjective
from minibert.objectives.masked_lm import MaskedLM
from minibert.training.run import RunError
from minibert.training.step import Training


@pytest.fixture(scope="module", autouse=True)
def quick(finished_run):
    """Runs without the picture and without waiting for the disk, after the one that has both."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("minibert.plots.save", lambda *arguments: None)
        patch.setattr("os.fsync", lambda handle: None)
        yield


@pytest.fixture(scope="module")
def objective_of(tiny_recipe, finished_run):
    """A function that returns a new objective of a class, with changes to the recipe."""

    def make(objective_class, **changes):
        if objective_class is DistillationObjective:
            changes["start"] = str(finished_run)
        recipe = dataclasses.asdict(tiny_recipe(**changes))
        return objective_class(objective_class.Recipe(**recipe), say=quiet)

    return make


@pytest.mark.parametrize(
    "objective_class", [MaskedLM, AlbertObjective, ElectraObjective, DistillationObjective])
def test_an_objective_counts_what_its_model_predicts(objective_of, objective_class):
    objective = objective_of(objective_class)
    for step in (0, 1):
        batch = objective.batch(step)
        output, _ = objective.make_model().forward(*batch, rng=np.random.default_rng(0))
        assert objective.counts(batch) == output.counts


@pytest.mark.parametrize("objective_class", [MaskedLM, AlbertObjective])
def test_three_steps_in_parts_give_the_weights_of_whole_steps(objective_of, objective_class, monkeypatch):
    """test_accumulation.py has the gradients of ELECTRA, whose samples would differ, and of a student."""
    found = []
    for changes in ({}, {"micro_batches": 3}, {"micro_batches": 2, "threads": 2}):
        objective = objective_of(objective_class, dropout=0.0, **changes)
        model = objective.make_model().astype(np.float64)
        monkeypatch.setattr(objective, "make_model", lambda model=model: model)
        training = Training(objective)
        lines = [training.step(step) for step in range(3)]
        found.append((lines, {name: p.value for name, p in model.parameters().items()}))
    (whole, expected), *in_parts = found
    for lines, weights in in_parts:
        for line, whole_line in zip(lines, whole):
            assert line == pytest.approx(whole_line, rel=1e-12)
        for name, value in weights.items():
            if not name.endswith("key.bias"):  # its gradient is 0 but for rounding, and Adam divides by that
                np.testing.assert_allclose(value, expected[name], rtol=0, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("objective_class", [MaskedLM, AlbertObjective, ElectraObjective])
def test_recomputed_layers_train_to_the_same_bits(objective_of, objective_class):
    """With dropout."""
    found = []
    for recompute in (False, True):
        training = Training(objective_of(objective_class, recompute=recompute))
        layers = [layer for _, layer in walk(training.model, is_layer) if isinstance(layer, EncoderLayer)]
        assert {type(layer) for layer in layers} == {RecomputedEncoderLayer if recompute else EncoderLayer}
        lines = [training.step(step) for step in range(3)]
        found.append((lines, {name: p.value for name, p in training.model.parameters().items()}))
    (lines, expected), (other_lines, weights) = found
    assert lines == other_lines
    for name, value in weights.items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)


@pytest.mark.exhaustive
def test_such_a_run_is_resumed_bit_for_bit_and_may_change(tiny_recipe, tmp_path, monkeypatch):
    recipe = tiny_recipe(recompute=True, micro_batches=2)
    begin(tmp_path / "whole", recipe)
    step_of = Training.step

    def step(training, number):
        if number == 7:
            raise KeyboardInterrupt
        return step_of(training, number)

    for name in ("killed", "changed"):
        monkeypatch.setattr(Training, "step", step)
        with pytest.raises(KeyboardInterrupt):
            begin(tmp_path / name, recipe)
        monkeypatch.undo()
    resume(tmp_path / "killed")
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    lines = []
    resume(tmp_path / "changed", lines.append, {"micro_batches": 4, "recompute": False})
    record = read_json(tmp_path / "changed" / "run.json")
    assert [change["name"] for change in record["changes"]] == ["micro_batches", "recompute"]
    assert any("micro_batches is 4, 2 until step 6: the last bits may differ" in line for line in lines)
    with pytest.raises(RunError, match="with seed 0: leave out --seed"):
        resume(tmp_path / "changed", changes={"seed": 1})


def test_a_run_of_a_version_without_parts_has_one(finished_run, tmp_path):
    run = shutil.copytree(finished_run, tmp_path / "run")
    record = read_json(run / "run.json")
    del record["recipe"]["micro_batches"], record["recipe"]["recompute"]
    write_json(run / "run.json", record)
    lines = []
    resume(run, lines.append, {"micro_batches": 1, "recompute": False})
    assert not any(line.startswith("changed") for line in lines)
    resume(run, lines.append, {"micro_batches": 2})
    assert any(line.startswith("changed     micro_batches is 2, 1 until step 20") for line in lines)


def test_there_is_at_least_one_part(tiny_recipe):
    with pytest.raises(ValueError, match="micro_batches must be 1 or more, got 0"):
        tiny_recipe(micro_batches=0)
