"""XLNet as an objective: orders in, predicted words judged, by their exact limit on the toy language."""

import numpy as np
import pytest
from helpers import quiet

import minibert as mb
from minibert import objectives
from minibert.objectives.permutation_lm import PermutationLM, best_answers
from minibert.text import toy
from minibert.text.examples import Permutations
from minibert.text.toy.limits import Limits
from minibert.text.toy.pairs import ToyExamples, split
from minibert.training import run
from minibert.training.log import read_log
from minibert.training.step import Training

SETTINGS = {
    "num_steps": 60, "batch_size": 8, "seq_length": 16, "vocab_size": 80, "hidden_size": 16,
    "num_attention_heads": 2, "learning_rate": 2e-2,
}


@pytest.fixture(scope="module")
def recipe(corpus):
    return lambda **changes: PermutationLM.Recipe.of([str(corpus)], **{**SETTINGS, **changes})


@pytest.fixture(scope="module")
def training(recipe):
    return Training(PermutationLM(recipe(), say=quiet))


def test_the_first_answer_is_the_unigram_models_and_it_learns_more(training):
    objective = training.objective
    before = training.evaluate()
    assert before.loss == pytest.approx(objective.unigram.loss, abs=0.05) and objective.limits is None
    matrices = objective.hidden_matrices(training.model)
    assert len(matrices) == 2 * 7 and all(name.endswith(".weight") for name in matrices)
    for step in range(60):
        training.step(step)
    after = training.evaluate()
    assert after.loss < objective.unigram.loss - 0.05
    text = "\n".join(objective.table(after))
    assert "nats below it" in text and f"{after.loss:.3f}" in text and "unigram" in objective.line(after)


@pytest.mark.exhaustive
def test_a_run_is_resumed_and_its_model_read(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr("minibert.plots.save", lambda *arguments, **options: None)
    monkeypatch.setattr(run, "NUM_EVALUATIONS", 1)
    _, training = run.begin(tmp_path / "run", objectives.find("xlnet"), recipe(num_steps=2), say=quiet)
    run.resume(tmp_path / "run", objectives.find, quiet, {"num_steps": 3})
    model = mb.XLNetLMHeadModel.from_pretrained(tmp_path / "run")
    assert model.config.pad_token_id == training.objective.tokenizer.pad_token_id
    log = read_log(tmp_path / "run" / "log.jsonl")
    assert "loss" in log[-1]["held_out"] and "unigram" in log[0]["baselines"]


# --- the exact limit ---


@pytest.fixture(scope="module")
def limits():
    return Limits(toy.TOY, toy.TOY.tokenizer())


def answers(limits, seed, predicted, number=7):
    """The best answers in 7 rows of the toy language, the batches, and the rows' Pairs."""
    tokenizer = toy.TOY.tokenizer()
    examples = ToyExamples(toy.TOY, tokenizer)
    pairs = examples.held_out_pairs(number)
    orders = Permutations(examples, tokenizer, seed, predicted=predicted)
    batches = [batch for [batch] in orders.permuted([[batch] for batch in split(pairs.batch, 5)])]
    return *best_answers(limits, pairs, batches), batches, pairs


def test_every_order_gives_a_sentence_the_same_probability(limits):
    """With the true model. Each row's losses add up to −log P(row), in whichever order it is read."""
    totals = []
    for seed in range(2):
        best, _, batches, pairs = answers(limits, seed, predicted=1.0)
        counts = np.concatenate([(batch.labels != -100).sum(axis=1) for batch in batches])
        totals.append(np.add.reduceat(best.losses, np.cumsum(counts) - counts))
    nothing = np.zeros(pairs.clean_ids.shape, bool)
    _, of_nothing = limits.given(pairs, nothing)
    _, of_all = limits.given(pairs, ~nothing)
    for total in totals:
        np.testing.assert_allclose(total, of_nothing - of_all, rtol=0, atol=1e-9)


@pytest.mark.exhaustive
def test_the_answers_are_judged_at_their_places(limits):
    best, tags, batches, pairs = answers(limits, 0, predicted=0.3)
    labels = np.concatenate([batch.labels[batch.labels != -100] for batch in batches])
    assert len(best.losses) == len(best.right) == len(tags) == len(labels) and (tags >= 0).all()
    assert best.losses.mean() < answers(limits, 0, predicted=1.0)[0].losses.mean()
    where = np.concatenate([np.nonzero(batch.target_mapping)[2] for batch in batches])
    which = np.concatenate([np.nonzero(batch.labels != -100)[0] + 5 * k for k, batch in enumerate(batches)])
    assert np.array_equal(pairs.clean_ids[which, where + 1], labels)


@pytest.mark.exhaustive
def test_the_toy_language_is_judged_by_its_limit(monkeypatch):
    monkeypatch.setattr("minibert.objectives.permutation_lm.NUM_HELD_OUT", 100)
    said = []
    made = PermutationLM.Recipe.of(["toy"], num_steps=20, batch_size=16)
    training = Training(PermutationLM(made, say=said.append))
    objective = training.objective
    assert f"better than {objective.limits.loss:.3f} nats per word" in said[0]
    for step in range(20):
        training.step(step)
    evaluation = training.evaluate()
    assert objective.limits.loss < objective.unigram.loss and objective.limits.loss < evaluation.loss
    assert set(evaluation.phenomena) == set(objective.limits.phenomena)
    assert "above the limit" in objective.table(evaluation)[-1]
    assert "nats missing" in objective.line(evaluation)


def test_wrong_settings():
    toy_recipe, recipe = PermutationLM.Recipe.of(["toy"]), PermutationLM.Recipe.of(preset="mini")
    assert (toy_recipe.predicted, toy_recipe.optimizer, recipe.optimizer) == (0.5, "muon", "adamw")
    with pytest.raises(ValueError, match="this model does not use --from: leave it out"):
        PermutationLM.Recipe.of(start="x")
    with pytest.raises(ValueError, match="the toy language has a vocabulary and sentences of its own"):
        PermutationLM(PermutationLM.Recipe.of(["toy"], cased=True), say=quiet)
    with pytest.raises(ValueError, match="a pair of toy sentences has up to .* --seq-length 9 is too short"):
        PermutationLM(PermutationLM.Recipe.of(["toy"], seq_length=9), say=quiet)
