"""ALBERT as an objective: masked words and the order of segments, judged beside limits or baselines."""

import numpy as np
import pytest
from helpers import quiet

import minibert as mb
from minibert import objectives, plots
from minibert.objectives.albert import AlbertObjective
from minibert.text.toy import pairs
from minibert.training import run
from minibert.training.log import read_log
from minibert.training.step import Training

SETTINGS = {
    "num_steps": 40, "batch_size": 8, "seq_length": 16, "vocab_size": 80, "hidden_size": 16,
    "num_attention_heads": 2, "learning_rate": 2e-2,
}


@pytest.fixture(scope="module")
def recipe(corpus):
    return lambda **changes: AlbertObjective.Recipe.of([str(corpus)], **{**SETTINGS, **changes})


def test_it_begins_as_the_unigram_model_and_learns_a_batch_by_heart(recipe, monkeypatch):
    training = Training(AlbertObjective(recipe(num_steps=200), say=quiet))
    objective, before = training.objective, training.evaluate()
    assert before.mlm_loss == pytest.approx(objective.baselines.unigram_loss, abs=0.1)
    assert training.model.config.embedding_size == 8  # half of hidden_size
    matrices = objective.hidden_matrices(training.model)
    assert {"albert.projection.weight", "albert.pooler.dense.weight"} < matrices.keys()
    assert not any("embeddings" in name or "decoder" in name or "sop_head" in name for name in matrices)
    batch = objective.batch(0)
    monkeypatch.setattr(objective, "batch", lambda step: batch)
    lines = [training.step(step) for step in range(80)]
    for name in ("mlm_loss", "sop_loss"):
        assert lines[-1][name] < 0.7 * lines[0][name]
    after = training.evaluate()
    assert f"SOP accuracy {after.sop_accuracy:.3f} (majority" in objective.line(after)
    assert any(line.startswith("SOP accuracy") for line in objective.table(after))


def test_embeddings_may_start_from_vectors_of_their_size(recipe):
    objective = AlbertObjective(recipe(embedding_start="word2vec", initializer_range=0.05), say=quiet)
    rows, vectors = objective.word2vec_rows
    assert vectors.shape == (len(rows), 8)
    table = objective.make_model().albert.embeddings.token.weight.value
    np.testing.assert_allclose(table[rows], 0.05 * vectors, rtol=1e-6)


@pytest.mark.exhaustive
def test_a_run_is_resumed_and_its_model_read(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "NUM_EVALUATIONS", 1)
    run.begin(tmp_path / "run", objectives.find("albert"), recipe(num_steps=2), say=quiet)
    run.resume(tmp_path / "run", objectives.find, quiet, {"num_steps": 3})
    model = mb.AlbertForPreTraining.from_pretrained(tmp_path / "run")
    log = read_log(tmp_path / "run" / "log.jsonl")
    assert model.config.embedding_size == 8 and "sop_accuracy" in log[-1]["held_out"]
    _, right = plots.loss_curves(log)
    assert right.get_title() == "Sentence order prediction: accuracy"


@pytest.mark.exhaustive
def test_the_toy_language_has_limits(monkeypatch):
    """No swapped pair tells by its topic; scripts and mentions do, so the limit is far from certainty."""
    monkeypatch.setattr(pairs, "NUM_HELD_OUT", 300)
    objective = AlbertObjective(AlbertObjective.Recipe.of(["toy"], num_steps=1, hidden_size=16), say=quiet)
    limits = objective.limits
    assert 0.8 < limits.sop_accuracy < 0.95 and limits.mlm_loss < objective.baselines.unigram_loss - 1
    evaluation = Training(objective).evaluate()
    assert evaluation.sop_loss > limits.sop_loss and "SOP accuracy" in objective.line(evaluation)


def test_it_starts_from_no_checkpoint():
    with pytest.raises(ValueError, match="--from goes on from a BERT: leave it out, or leave out --model"):
        AlbertObjective.Recipe.of(start="somewhere")
