"""ELMo as two language models: words in and out, both directions judged, a run that `embed` reads."""

import numpy as np
import pytest
from helpers import quiet

import minibert as mb
from minibert import cli, objectives
from minibert.objectives.elmo import ELMoObjective, TextWords
from minibert.objectives.next_tokens import TextTokens
from minibert.text.characters import character_ids
from minibert.training import run
from minibert.training.log import read_log
from minibert.training.step import Training

SETTINGS = {
    "num_steps": 100, "batch_size": 4, "seq_length": 6, "vocab_size": 24, "character_size": 3,
    "filters": ((1, 4), (2, 5)), "hidden_size": 10, "projection_size": 8, "max_characters": 9,
    "learning_rate": 2e-2,
}


@pytest.fixture(scope="module")
def recipe(corpus):
    return lambda **changes: ELMoObjective.Recipe.of([str(corpus)], **{**SETTINGS, **changes})


@pytest.fixture(scope="module")
def trained(recipe):
    """A Training, 100 steps old, with enough held-out text to judge it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TextWords, "held_out_share", 0.05)
        training = Training(ELMoObjective(recipe(), say=quiet))
    for step in range(100):
        training.step(step)
    return training


def test_any_word_is_read_and_frequent_words_are_predicted(trained):
    objective = trained.objective
    words, (training, _) = objective.tokenizer.id_to_token, objective.tokens.texts
    assert len(words) == 24 and words[:5] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    batch = objective.batch(1)
    known = {tuple(spelt) for spelt in character_ids([words], 9)[0]}
    unknown = [tuple(spelt) not in known for spelt in batch.character_ids[:, 1:].reshape(-1, 9)]
    assert np.array_equal(batch.labels[:, :-1, 0].reshape(-1) == 1, unknown) and 0 < sum(unknown) < 15
    every = {word for sentence in training.sentences for word in objective.tokenizer.words(sentence)}
    assert every - {*words}


def test_both_directions_learn_more_than_the_unigram_model_knows(trained):
    objective, evaluation = trained.objective, trained.evaluate()
    unigram, kneser_ney = objective.baselines.unigram_loss, objective.baselines.kneser_ney_loss
    assert max(evaluation.ahead_loss, evaluation.back_loss) < unigram - 0.1 and kneser_ney < unigram - 0.3
    number = objective.tokens.num_ahead
    weights = number, len(objective.tokens.kneser_ney) - number
    mean = np.average([evaluation.ahead_loss, evaluation.back_loss], weights=weights)
    assert evaluation.next_loss == pytest.approx(mean, abs=1e-6)
    text = "\n".join(objective.table(evaluation))
    assert f"From left to right: {evaluation.ahead_loss:.3f} nats per word (Kneser–Ney" in text
    assert "nats per word" in objective.line(evaluation) and "piece" not in text


def test_the_first_answer_is_the_unigram_models(recipe):
    training = Training(ELMoObjective(recipe(), say=quiet))
    assert training.evaluate().next_loss == pytest.approx(training.objective.baselines.unigram_loss, abs=0.1)
    matrices = training.objective.hidden_matrices(training.model)
    assert "ahead.layers.0.weight_hh" in matrices and "characters.embedding.weight" not in matrices


def test_only_the_direction_ahead_carries_its_state(trained):
    """As one long batch it answers alike; the direction back would see more there."""
    [stream] = trained.objective.held_out
    whole = [np.hstack([batch[k] for batch in stream]) for k in (0, 1)]
    output, _ = trained.model.forward(whole[0], labels=np.where([True, False], whole[1], -100))
    assert trained.evaluate().ahead_loss == pytest.approx(float(output.loss), rel=1e-5)
    assert trained.state[1][0].shape == (4, 8)


@pytest.mark.exhaustive
def test_a_run_ends_with_a_model_that_embeds(recipe, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("minibert.plots.save", lambda *arguments, **options: None)
    monkeypatch.setattr(run, "NUM_EVALUATIONS", 1)
    made = recipe(num_steps=2)
    _, training = run.begin(tmp_path / "run", objectives.find("elmo"), made, say=quiet)
    model = mb.ELMo.from_pretrained(tmp_path / "run")
    assert model.config.max_characters == 9 and model.config.filters == SETTINGS["filters"]
    again = ELMoObjective(made, tmp_path / "run", say=quiet)
    assert again.tokenizer.id_to_token == training.objective.tokenizer.id_to_token
    assert "ahead_loss" in read_log(tmp_path / "run" / "log.jsonl")[-1]["held_out"]
    [(command, directory, *sentences)] = training.objective.suggestions(tmp_path / "run")
    capsys.readouterr()
    assert cli.main([command, str(directory), *sentences]) == 0
    assert capsys.readouterr().out.startswith("ELMo: the mean over the layers 0 to 2\n")


def test_its_evaluation_reads_less_text_than_that_of_other_language_models(recipe, monkeypatch):
    """An evaluation predicts each word from both sides: two fifths of the usual share is held out."""
    assert TextWords.held_out_share == pytest.approx(0.4 * TextTokens.held_out_share)
    texts = []
    for share in (0.1, 0.3):
        monkeypatch.setattr(TextWords, "held_out_share", share)
        texts.append(TextWords(recipe(), None, quiet, True).texts[1])
    assert 0 < texts[0].num_words < 0.6 * texts[1].num_words


def test_defaults_and_wrong_settings():
    assert ELMoObjective.Recipe.of(["toy"]).max_characters == 16
    assert ELMoObjective.Recipe.of(preset="mini").projection_size == 128
    with pytest.raises(ValueError, match="--alphabet 9 is of word pieces; ELMo reads bytes: leave it out"):
        ELMoObjective.Recipe.of(alphabet=9)


@pytest.mark.exhaustive
def test_the_toy_language_is_judged_by_the_limits_of_both_directions(monkeypatch):
    monkeypatch.setattr("minibert.objectives.elmo.ToyPairWords.num_held_out", 200)
    for module in ("next_tokens", "elmo"):
        monkeypatch.setattr(f"minibert.objectives.{module}.NUM_ROWS", 400)
    changes = {**SETTINGS, "batch_size": 16, "num_steps": 20, "seq_length": 24}
    del changes["vocab_size"]
    training = Training(ELMoObjective(ELMoObjective.Recipe.of(["toy"], **changes), say=quiet))
    objective = training.objective
    limits, tokens = objective.limits, objective.tokens
    assert limits.ahead_loss == pytest.approx(limits.back_loss, abs=1e-9)
    assert limits.next_loss < objective.baselines.kneser_ney_loss
    for step in range(20):
        training.step(step)
    evaluation = training.evaluate()
    assert limits.next_loss < evaluation.next_loss < 5
    sides = [np.concatenate([objective.answers(batch._replace(labels=batch.labels[..., side:side + 1]))
                             for [batch] in objective.held_out]) for side in (0, 1)]
    answers = np.concatenate(sides)
    assert len(sides[0]) == tokens.num_ahead and len(answers) == len(tokens.tags) == len(tokens.kneser_ney)
    assert np.array_equal(answers == objective.tokenizer.sep_token_id, tokens.tags < 0)
    assert "(limit " in objective.table(evaluation)[-1]
