"""Translation as an objective: files of pairs, what is held out, how it is judged, a run that translates."""

import dataclasses
import json
import random
import re

import numpy as np
import pytest
from helpers import quiet

import minibert as mb
from minibert import cli, objectives
from minibert.objectives.translation import TranslationObjective, TranslationScores, split_pairs
from minibert.text.labelled import TextPair
from minibert.training import run
from minibert.training.step import Training

SETTINGS = {
    "num_steps": 60, "batch_size": 8, "seq_length": 12, "vocab_size": 270, "hidden_size": 16,
    "num_hidden_layers": 1, "learning_rate": 1e-2,
}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A file of pairs: letters, and the same twice."""
    rng = random.Random(0)
    sources = ["".join(rng.choices("abcde", k=rng.randint(1, 3))) for _ in range(200)]
    path = tmp_path_factory.mktemp("pairs") / "pairs.tsv"
    path.write_text("".join(f"{source}\t{source}{source}\n" for source in sources), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def recipe(path):
    return lambda **changes: TranslationObjective.Recipe.of(**{"corpus": [str(path)], **SETTINGS, **changes})


def test_it_learns(recipe):
    training = Training(TranslationObjective(recipe(), say=quiet))
    before = training.evaluate()
    for step in range(60):
        training.step(step)
    after = training.evaluate()
    assert after.loss < 0.5 * before.loss and after.accuracy > before.accuracy
    assert training.state is None  # keys and values of a pair are of no use to the next, nor to a checkpoint
    assert len(training.objective.hidden_matrices(training.model)) == 6 + 10


def test_scores_are_those_of_plain_loops(recipe):
    objective = TranslationObjective(recipe(), say=quiet)
    model, end = objective.make_model(), objective.ends.end
    for step, parameter in enumerate(model.parameters().values()):
        parameter.value += np.random.default_rng(step).standard_normal(parameter.value.shape) * 0.3
    [batch] = objective.held_out[0]
    written = [
        mb.generate(model, source[None, mask == 1], max_new_tokens=9, eos_token_id=end)[0, 1:].tolist()
        for source, mask in zip(batch.source_ids, batch.source_mask)
    ]
    labels = batch.labels.copy()
    for row in range(0, len(labels), 2):  # half of them begin as the model does
        labels[row, :3], labels[row, 3:] = written[row][:3], -100
    scores, state = objective.score(model, batch._replace(labels=labels))
    expected = [
        (ids + [-100] * 9)[: (row != -100).sum()] == row[row != -100].tolist()
        for ids, row in zip(written, labels)
    ]
    assert state is None and scores.exact.tolist() == expected and all(expected[::2])
    assert not all(expected)
    output, _ = model.forward(batch.source_ids, batch.target_ids, batch.source_mask)
    log_probs = output.logits - np.log(np.exp(output.logits).sum(axis=-1, keepdims=True))
    losses = [-log_probs[b, t, labels[b, t]] for b, t in np.argwhere(labels >= 0)]
    np.testing.assert_allclose(scores.losses, losses, rtol=0, atol=1e-5)
    evaluation = objective.evaluation(TranslationScores(np.array([1.0, 2]), np.ones(2, bool), np.eye(2)[0]))
    assert evaluation == (1.5, 1.0, 0.5)


def test_no_source_is_on_both_sides():
    pairs = [TextPair(k, source, str(k)) for k, source in enumerate(["A b", "a  B", *"cdefg"] * 9)]
    training, held_out = split_pairs(pairs)
    assert len(training) + len(held_out) == 63 and len({pair.source for pair in held_out}) <= 2
    assert not {pair.source.lower().replace("  ", " ") for pair in training} & {
        pair.source.lower().replace("  ", " ") for pair in held_out}
    for number, found in ((2, "2 pairs, all with the same source"), (1, "one pair")):
        with pytest.raises(ValueError, match=f"holds {found}, so none can be held out: give others, too"):
            split_pairs(pairs[:number])


def test_what_cannot_be_learned_from(recipe, path):
    for changes, message in (
        ({"corpus": ["python-docs"]}, "python-docs holds no translations: give --corpus toy, or files"),
        ({"corpus": ["toy", str(path)]}, "toy holds no pairs of texts for a file beside it: give"),
        ({"seq_length": 1}, "no held-out pair has 1 token or fewer on both sides: give a larger --seq"),
    ):
        with pytest.raises(ValueError, match=message):
            TranslationObjective(recipe(**changes), say=quiet)
    said = []
    TranslationObjective(recipe(seq_length=4), say=said.append)
    left_out = r"note        left out, with more than 4 tokens in a text: \d+ of \d+ training pairs; a larger"
    assert any(re.match(left_out, line) for line in said)
    with pytest.raises(ValueError, match="this model does not use --cased: leave it out"):
        TranslationObjective.Recipe.of(cased=True)


@pytest.mark.exhaustive
def test_a_run_ends_with_a_model_that_translates(recipe, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("minibert.plots.save", lambda *arguments, **options: None)
    monkeypatch.setattr(run, "NUM_EVALUATIONS", 1)
    say = []
    _, training = run.begin(
        tmp_path / "run", objectives.find("transformer"), recipe(num_steps=3), say=say.append)
    run.resume(tmp_path / "run", objectives.find, quiet, {"num_steps": 4})
    assert any("with no source in common" in line for line in say)
    assert {*training.objective.files} < {file.name for file in (tmp_path / "run").iterdir()}
    first = json.loads((tmp_path / "run" / "log.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert {"loss", "accuracy", "exact_match"} == {*first["held_out"]}
    [(command, directory, text)] = training.objective.suggestions(tmp_path / "run")
    capsys.readouterr()
    assert cli.main([command, str(directory), text, "--tokens", "2"]) == 0


def test_the_toy_language(monkeypatch):
    monkeypatch.setattr("minibert.text.toy.fingerprint", lambda: "0" * 12)
    assert objectives.find("transformer").Recipe.of().corpus == ("toy",)
    objective = TranslationObjective(TranslationObjective.Recipe.of(hidden_size=4), say=quiet)
    assert objective.references()["baselines"]["best possible"]["exact_match"] == 1
    table = objective.table(objective.texts.limits)
    assert table[0].split() == ["held-out", "pairs", "model", "limit"]
    assert "a right token costs 0.105 nats" in table[-1]
    objective.recipe = dataclasses.replace(objective.recipe, label_smoothing=0.0)
    assert objective.table(objective.texts.limits) == table[:-1]
    [(_, _, text)] = objective.suggestions("run")
    assert len(text.split()) == 7
