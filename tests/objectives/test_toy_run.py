"""A run on the toy language: each phenomenon beside its limit, in the log, the table and the picture."""

import json
import re
import shutil

import numpy as np
import pytest
from runs import begin, resume, training_of

from minibert import cli, plots
from minibert.objectives import masked_lm
from minibert.objectives.masked_lm import TOY_RECIPES, MaskedLMRecipe
from minibert.text import toy
from minibert.text.toy import pairs
from minibert.training import run as runs
from minibert.training.log import read_log
from minibert.training.run import RunError
from minibert.training.step import Training


def toy_recipe(**changes):
    return MaskedLMRecipe.of(["toy"], recipe="bert", **changes)


@pytest.fixture(scope="module")
def toy_run(tmp_path_factory):
    """The directory of a run of 20 steps; few evaluations, because each draws fourteen small pictures."""
    directory = tmp_path_factory.mktemp("toy") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairs, "NUM_HELD_OUT", 600)
        patch.setattr(runs, "NUM_EVALUATIONS", 1)
        begin(directory, toy_recipe(num_steps=20, hidden_size=16, batch_size=8))
        yield directory


def test_the_log_holds_the_limits_and_each_phenomenon(toy_run):
    log = read_log(toy_run / "log.jsonl")
    limits = log[0]["limits"]
    assert list(limits["phenomena"]) == toy.TOY.phenomena
    assert (
        0.5
        < limits["mlm_loss"]
        < 1.1
        < log[0]["held_out"]["mlm_loss"]
        < log[0]["baselines"]["unigram_loss"] + 0.5
    )
    evaluations = [line["held_out"] for line in log if "held_out" in line]
    assert len(evaluations) == 2
    for evaluation in evaluations:
        assert list(evaluation["phenomena"]) == toy.TOY.phenomena
        assert evaluation["mlm_loss"] > limits["mlm_loss"]


def test_the_phenomena_add_up_to_the_whole(toy_run):
    run = training_of(toy_recipe(num_steps=1))
    evaluation = run.evaluate()
    objective = run.objective
    shares = [(objective.pairs.tags == tag).mean() for tag in range(len(objective.pairs.phenomena))]
    for value, whole in enumerate(evaluation[:2]):
        parts = [values[value] for values in evaluation.phenomena.values()]
        assert sum(share * part for share, part in zip(shares, parts)) == pytest.approx(whole, rel=1e-9)
    assert objective.limits.phenomena["choice"][1] > evaluation.phenomena["choice"][1]
    assert "best possible" in objective.line(evaluation)


def test_pictures(toy_run):
    assert (toy_run / "phenomena.png").stat().st_size > 20_000 and (toy_run / "loss.png").is_file()
    log = read_log(toy_run / "log.jsonl")
    axes = plots.phenomena(log)
    assert [each.get_title() for each in axes] == toy.TOY.phenomena
    for each, name in zip(axes, toy.TOY.phenomena):
        limit, curve = each.get_lines()
        assert limit.get_ydata()[0] == log[0]["limits"]["phenomena"][name][1]
        assert list(curve.get_xdata()) == [0, 20]
        assert curve.get_ydata()[-1] == log[-1]["held_out"]["phenomena"][name][1]
    assert axes[0].get_ylabel() == "accuracy" and axes[-1].get_xlabel() == "step"
    with pytest.raises(ValueError, match="only the toy language has them"):
        plots.phenomena(log[1:])


def test_a_resumed_run_is_the_same_run(toy_run, tmp_path, monkeypatch):
    real_step = Training.step

    def step(run, number):
        if number == 12:
            raise OSError("no space left")
        return real_step(run, number)

    monkeypatch.setattr(Training, "step", step)
    monkeypatch.setattr(masked_lm.MaskedLM, "draw", lambda *arguments, **options: None)
    recipe = toy_recipe(num_steps=20, hidden_size=16, batch_size=8)
    with pytest.raises(RunError, match="no space left"):
        begin(tmp_path / "run", recipe)
    monkeypatch.setattr(Training, "step", real_step)
    resume(tmp_path / "run")
    for name in ("model.safetensors", "log.jsonl"):
        assert (tmp_path / "run" / name).read_bytes() == (toy_run / name).read_bytes()


def test_the_last_steps_train_on_what_evaluation_asks_for(toy_run):
    objective = training_of(toy_recipe(num_steps=10, settle=0.3)).objective
    asked = [objective.batch(step) for step in range(10)]
    words = [(batch.attention_mask.sum() - 3 * len(batch.labels)) for batch in asked]
    masked = [(batch.labels >= 0).sum() / count for batch, count in zip(asked, words)]
    assert min(masked[:7]) > 0.3 and max(masked[7:]) < 0.2
    not_next = [batch.next_sentence_label.mean() for batch in asked]
    assert np.mean(not_next[:7]) < 0.37 and np.mean(not_next[7:]) > 0.43


def test_a_language_that_has_changed_is_not_resumed(toy_run, tmp_path):
    copy = shutil.copytree(toy_run, tmp_path / "run")
    record = json.loads((copy / "run.json").read_text(encoding="utf-8"))
    (copy / "run.json").write_text(json.dumps({**record, "fingerprint": "0" * 12}), encoding="utf-8")
    with pytest.raises(RunError, match="the corpus has changed"):
        resume(copy)


def test_sequences_that_are_too_short(capfd, tmp_path, toy_run):
    assert (
        cli.main(
            [
                "pretrain",
                "--corpus",
                "toy",
                "--steps",
                "1",
                "--seq-length",
                "12",
                "--output",
                str(tmp_path / "run"),
            ]
        )
        == 2
    )
    assert re.search(r"up to 1\d tokens: --seq-length 12 is too short", capfd.readouterr().err)


def test_the_command_prints_model_and_limit(capfd, tmp_path, toy_run, monkeypatch):
    monkeypatch.setattr(plots, "save", lambda plot, path, *data, **options: path.touch())  # toy_run draws
    options = ["--recipe", "bert", "--steps", "2", "--batch-size", "4", "--output", str(tmp_path / "run")]
    assert cli.main(["pretrain", "--corpus", "toy", *options]) == 0
    output = capfd.readouterr().out
    assert re.search(r"MLM loss, nats per word +\d\.\d{3} +0\.\d{3} +[\d.]+%", output)
    for name in toy.TOY.phenomena:
        assert re.search(rf"  {name} +\d\.\d{{3}} +\d\.\d{{3}} +-?[\d.]+ points", output), name
    assert "phenomena.png" in output and "[MASK]" in output
    recipe = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))["recipe"]
    assert (recipe["hidden_size"], recipe["corpus"]) == (TOY_RECIPES["fast"]["hidden_size"], ["toy"])


def test_toy_documents_on_the_command_line(capfd):
    assert cli.main(["toy", "--sample", "2", "--seed", "3"]) == 0
    documents = capfd.readouterr().out.strip().split("\n\n")
    assert [len(document.splitlines()) for document in documents] == [12, 12]
    assert documents[0].splitlines()[0] == str(toy.TOY.documents(2, seed=3)[0][0])
    assert cli.main(["toy", "--sample", "1", "--tags"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert len(lines) == 36 and "/grammar" in lines[1]
    assert cli.main(["toy", "--sample", "1", "--json"]) == 0
    first = json.loads(capfd.readouterr().out.splitlines()[0])
    assert first["document"] == 0 and len(first["words"]) == len(first["entities"])
    with pytest.raises(SystemExit):
        cli.main(["toy", "--sample", "-1"])


@pytest.mark.exhaustive
def test_limits_depend_on_the_pairs_alone(toy_run):
    objectives = [training_of(toy_recipe(num_steps=1, seed=seed)).objective for seed in (0, 1)]
    assert objectives[0].limits == objectives[1].limits
