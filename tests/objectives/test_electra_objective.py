"""ELECTRA as an objective: the generator beside limits or baselines, the discriminator beside its task."""

import numpy as np
import pytest
from helpers import quiet

import minibert as mb
from minibert import objectives, plots
from minibert.objectives.electra import ElectraObjective
from minibert.text.toy import pairs
from minibert.training import run
from minibert.training.errors import RunError
from minibert.training.log import read_log
from minibert.training.step import Training

SETTINGS = {
    "num_steps": 200, "batch_size": 8, "seq_length": 16, "vocab_size": 80, "hidden_size": 16,
    "num_attention_heads": 4, "learning_rate": 2e-2,
}


@pytest.fixture(scope="module")
def recipe(corpus):
    return lambda **changes: ElectraObjective.Recipe.of([str(corpus)], **{**SETTINGS, **changes})


def test_it_begins_as_the_unigram_model_and_learns_a_batch_by_heart(recipe, monkeypatch):
    training = Training(ElectraObjective(recipe(), say=quiet))
    objective, model, before = training.objective, training.model, training.evaluate()
    assert before.mlm_loss == pytest.approx(objective.baselines.unigram_loss, abs=0.1)
    assert before.rtd_loss == pytest.approx(np.log(2), abs=0.05)
    assert 0 < before.replaced < 0.3
    assert model.generator.config.hidden_size == 4 and model.config.hidden_size == 16
    matrices = objective.hidden_matrices(model)
    assert {"generator.electra.projection.weight", "discriminator.rtd_head.dense.weight"} < matrices.keys()
    assert not any(part in name for name in matrices for part in ("embeddings", "decoder", "classifier"))
    batch = objective.batch(0)
    assert batch._fields == ("input_ids", "token_type_ids", "attention_mask", "labels")
    monkeypatch.setattr(objective, "batch", lambda step: batch)
    lines = [training.step(step) for step in range(80)]
    for name in ("mlm_loss", "rtd_loss"):
        assert lines[-1][name] < 0.7 * lines[0][name]
    after = training.evaluate()
    assert f"RTD accuracy {after.rtd_accuracy:.3f} ({1 - after.replaced:.3f} by" in objective.line(after)
    assert any(f"{after.rtd_loss:.3f}" in line for line in objective.table(after))
    assert training.evaluate() == after  # the samples' noise is the same


@pytest.mark.exhaustive
def test_a_run_is_resumed_and_both_models_are_read(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "NUM_EVALUATIONS", 1)
    folder = tmp_path / "run"
    run.begin(folder, objectives.find("electra"), recipe(num_steps=2), say=quiet)
    run.resume(folder, objectives.find, quiet, {"num_steps": 3})
    model, alone = mb.ElectraPair.from_pretrained(folder), mb.ElectraForPreTraining.from_pretrained(folder)
    assert alone.config == model.config and model.generator.config.hidden_size == 4
    log = read_log(folder / "log.jsonl")
    assert "found" in log[-1]["held_out"]
    _, right = plots.loss_curves(log)
    assert right.get_title() == "Replaced token detection: accuracy"


def test_a_folder_called_generator_is_not_overwritten(recipe, tmp_path):
    (tmp_path / "generator").mkdir()
    with pytest.raises(RunError, match="holds generator, which a run would write or remove: choose another"):
        run.begin(tmp_path, ElectraObjective, recipe(num_steps=1), say=quiet)
    assert [path.name for path in tmp_path.iterdir()] == ["generator"]


@pytest.mark.exhaustive
def test_the_toy_language_has_a_limit_for_the_generator(monkeypatch):
    monkeypatch.setattr(pairs, "NUM_HELD_OUT", 300)
    objective = ElectraObjective(ElectraObjective.Recipe.of(["toy"], num_steps=1, hidden_size=16), say=quiet)
    limits = objective.limits
    assert limits.mlm_loss < objective.baselines.unigram_loss - 1 and limits.rtd_accuracy is None
    evaluation = Training(objective).evaluate()
    assert evaluation.mlm_loss > limits.mlm_loss
    assert f"(best possible {limits.mlm_loss:.3f})" in objective.line(evaluation)


def test_it_starts_from_no_checkpoint():
    with pytest.raises(ValueError, match="--from goes on from a BERT: leave it out, or leave out --model"):
        ElectraObjective.Recipe.of(start="somewhere")
