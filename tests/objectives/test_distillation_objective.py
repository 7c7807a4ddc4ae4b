"""Distillation as an objective: a BERT's folder is the teacher, its answers are in the batch; the command."""

import dataclasses
import shutil

import numpy as np
import pytest
from helpers import quiet

import minibert as mb
from minibert import cli, objectives
from minibert.files import read_json
from minibert.models.distillation import answer_places
from minibert.objectives.distillation import DistillationObjective, fingerprint
from minibert.objectives.masked_lm import MaskedLM
from minibert.text.toy import pairs
from minibert.training import run
from minibert.training.log import read_log
from minibert.training.step import Training


@pytest.fixture(scope="module")
def teacher(corpus, tmp_path_factory):
    """The folder of a BERT of two layers with large random weights, and its vocabulary."""
    folder = tmp_path_factory.mktemp("teacher") / "bert"
    settings = {"num_steps": 1, "seq_length": 16, "vocab_size": 80, "hidden_size": 16, "recipe": "bert"}
    training = Training(MaskedLM(MaskedLM.Recipe.of([str(corpus)], **settings), say=quiet))
    rng = np.random.default_rng(0)
    for parameter in training.model.parameters().values():
        parameter.value += 0.3 * rng.standard_normal(parameter.value.shape).astype(np.float32)
    training.objective.save(folder)
    training.model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def objective(corpus, teacher):
    recipe = DistillationObjective.Recipe.of(
        [str(corpus)], start=str(teacher), num_steps=200, batch_size=8)
    return DistillationObjective(recipe, say=quiet)


def test_a_batch_holds_what_the_teacher_answers(objective):
    batch = objective.batch(0)
    output, _ = objective.teacher.forward(*batch[:4])
    places = answer_places(batch.labels)
    assert np.array_equal(batch.teacher_logits[places], output.prediction_logits)
    states, _ = objective.teacher.bert.forward(*batch[:3])
    assert np.array_equal(batch.teacher_states, states.last_hidden_state)


def test_a_student_of_half_the_layers_comes_near_its_teacher(objective, monkeypatch):
    training = Training(objective)
    student, teacher = training.model.bert, objective.teacher.bert
    assert len(student.encoder) == 1 and len(teacher.encoder) == 2
    first = student.encoder[0].attention.query.weight.value
    assert np.array_equal(first, teacher.encoder[0].attention.query.weight.value)
    batch = objective.batch(0)
    monkeypatch.setattr(objective, "batch", lambda step: batch)
    before = [parameter.value.copy() for parameter in objective.teacher.parameters().values()]
    lines = [training.step(step) for step in range(60)]
    for name in ("soft_loss", "cosine_loss"):
        assert lines[-1][name] < 0.7 * lines[0][name]
    after = [parameter.value for parameter in objective.teacher.parameters().values()]
    assert all(map(np.array_equal, before, after))
    table = objective.table(training.evaluate())
    assert f"{objective.taught.mlm_loss:.3f}" in table[-2] and not any("NSP" in line for line in table)
    assert objective.references()["teacher"]["mlm_loss"] == objective.taught.mlm_loss


@pytest.mark.exhaustive
def test_the_command_writes_a_student_and_goes_on(corpus, teacher, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("minibert.plots.save", lambda *arguments, **options: None)
    monkeypatch.setattr(run, "NUM_EVALUATIONS", 1)
    given = ["--corpus", str(corpus), "--output", str(tmp_path / "student"), "--threads", "1"]
    assert cli.main(["distill", str(teacher), *given, "--steps", "2", "--temperature", "3"]) == 0
    out = capsys.readouterr().out
    assert "2 layers, the student 1" in out and "teacher: MLM loss" in out
    student = mb.BertForPreTraining.from_pretrained(tmp_path / "student")
    assert student.config.num_hidden_layers == 1
    assert cli.main(["distill", "--resume", "--steps", "3", "--output", str(tmp_path / "student")]) == 0
    log = read_log(tmp_path / "student" / "log.jsonl")
    assert log[0]["teacher"]["nsp_accuracy"] is None and max(line["step"] for line in log) == 3
    assert {"soft_loss", "mlm_loss", "cosine_loss"} < [line for line in log if "loss" in line][0].keys()


def test_a_student_has_the_dropout_of_its_teacher(objective, monkeypatch):
    config = dataclasses.replace(
        objective.teacher.config, hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.3)
    monkeypatch.setattr(objective.teacher, "config", config)
    found = objective.make_model().config
    assert found == dataclasses.replace(config, num_hidden_layers=1)


@pytest.mark.exhaustive
def test_a_run_keeps_its_teacher(corpus, teacher, tmp_path, monkeypatch):
    """Moved, it may be named; another one, also in the same folder, is refused before anything is written."""
    monkeypatch.setattr("minibert.plots.save", lambda *arguments, **options: None)
    monkeypatch.setattr(run, "NUM_EVALUATIONS", 1)
    output, moved, other = tmp_path / "student", tmp_path / "moved", tmp_path / "other"
    shutil.copytree(teacher, moved)
    recipe = DistillationObjective.Recipe.of([str(corpus)], start=str(moved), num_steps=1, batch_size=4)
    run.begin(output, DistillationObjective, recipe, say=quiet)
    moved.rename(other)
    changes = {"start": str(other), "num_steps": 2}
    _, training = run.resume(output, objectives.find, quiet, changes)
    record = read_json(output / "run.json")
    assert record["recipe"]["start"] == str(other) and record["recipe"]["num_steps"] == 2
    assert record["recipe"]["teacher"] == fingerprint(training.objective.teacher)
    model = mb.BertForPreTraining.from_pretrained(other)
    model.mlm_head.decoder.bias.value[0] += 1
    model.save_pretrained(other)
    with pytest.raises(ValueError, match="other holds another teacher than this run began with"):
        run.resume(output, objectives.find, quiet, {"num_steps": 3})
    assert read_json(output / "run.json") == record


@pytest.mark.exhaustive
def test_the_toy_language_has_a_limit_for_student_and_teacher(tmp_path, monkeypatch):
    monkeypatch.setattr(pairs, "NUM_HELD_OUT", 300)
    bert = Training(MaskedLM(MaskedLM.Recipe.of(["toy"], num_steps=1, hidden_size=16), say=quiet))
    bert.objective.save(tmp_path)
    bert.model.save_pretrained(tmp_path)
    lines = []
    objective = DistillationObjective(
        DistillationObjective.Recipe.of(["toy"], start=str(tmp_path), num_steps=1), say=lines.append)
    assert f"best possible {objective.limits.mlm_loss:.3f}" in lines[-1] and "NSP" not in lines[-1]
    training = Training(objective)
    training.step(0)
    table = objective.table(training.evaluate())
    assert table[1].startswith("MLM loss, nats per word") and not any("NSP" in line for line in table)


def test_what_cannot_be_distilled(corpus, teacher, tmp_path, capsys):
    with pytest.raises(ValueError, match="a student has 1 to 2 layers, as many as its teacher at most"):
        DistillationObjective.Recipe.of([str(corpus)], start=str(teacher), student_layers=3)
    with pytest.raises(ValueError, match="a student needs start, the folder of its teacher"):
        DistillationObjective.Recipe.of([str(corpus)])
    recipe = DistillationObjective.Recipe.of([str(corpus)], start=str(teacher), teacher="another")
    with pytest.raises(ValueError, match="holds another teacher than this run began with"):
        DistillationObjective(recipe, say=quiet)
    assert cli.main(["distill"]) == 2
    assert "a new run needs DIR, the teacher" in capsys.readouterr().err
    body, _ = mb.BertModel.from_pretrained(teacher, output_loading_info=True)
    body.save_pretrained(tmp_path)
    (tmp_path / "vocab.txt").write_bytes((teacher / "vocab.txt").read_bytes())
    recipe = DistillationObjective.Recipe.of([str(corpus)], start=str(tmp_path))
    with pytest.raises(ValueError, match="has no head for masked words, so it cannot teach them"):
        DistillationObjective(recipe, say=quiet)
