"""The objective of language models: what is evaluated, beside which baselines, state, runs of each model."""

import json

import numpy as np
import pytest
from helpers import quiet

import minibert as mb
from minibert import cli, objectives
from minibert.objectives.causal_lm import AWDLSTMObjective, CausalLM, LSTMObjective, RNNObjective
from minibert.text.examples import shifted_inside
from minibert.training import run
from minibert.training.log import read_log
from minibert.training.step import Training

SETTINGS = {
    "num_steps": 60, "batch_size": 4, "seq_length": 6, "vocab_size": 120, "embedding_size": 16,
    "hidden_size": 16, "learning_rate": 2e-2,
}


@pytest.fixture(scope="module")
def recipe(corpus):
    return lambda objective, **changes: objective.Recipe.of([str(corpus)], **{**SETTINGS, **changes})


@pytest.fixture(scope="module")
def lstm(recipe):
    """A Training of an LSTM, 60 steps old."""
    training = Training(LSTMObjective(recipe(LSTMObjective), say=quiet))
    for step in range(60):
        training.step(step)
    return training


def test_each_model_has_its_name():
    for name, objective in (("rnn", RNNObjective), ("lstm", LSTMObjective), ("awd-lstm", AWDLSTMObjective)):
        assert objectives.find(name) is objective and objective.name == name


def test_it_learns_more_than_the_unigram_model_knows(lstm):
    evaluation, baselines = lstm.evaluate(), lstm.objective.baselines
    assert evaluation.next_loss < baselines.unigram_loss - 0.1
    assert baselines.kneser_ney_loss < baselines.unigram_loss - 0.3
    assert 0.1 < evaluation.next_accuracy < 1 and evaluation.phenomena == {}


def test_the_first_answer_is_the_unigram_models(recipe):
    training = Training(LSTMObjective(recipe(LSTMObjective), say=quiet))
    assert training.evaluate().next_loss == pytest.approx(training.objective.baselines.unigram_loss, abs=0.1)


def test_evaluation_carries_the_state_through_the_text(lstm):
    """As one long batch, and not as windows that begin with nothing."""
    [stream] = lstm.objective.held_out
    ids, labels = (np.hstack([batch[k] for batch in stream]) for k in (0, 1))
    output, _ = lstm.model.forward(ids, labels=labels)
    assert lstm.evaluate().next_loss == pytest.approx(float(output.loss), rel=1e-5)
    alone = [lstm.objective.score(lstm.model, batch)[0].losses for batch in stream]
    assert abs(np.concatenate(alone).mean() - output.loss) > 1e-3


def test_the_state_is_dropped_where_an_epoch_begins(lstm):
    objective = lstm.objective
    number = objective.tokens.examples.windows_per_epoch(4)
    starts = [step for step in range(2 * number + 1) if objective.starts_stream(step)]
    assert starts == [0, number, 2 * number]
    assert lstm.state[0][0].shape == (4, 16)


def test_table_and_line(lstm):
    objective, evaluation = lstm.objective, lstm.evaluate()
    text = "\n".join(objective.table(evaluation))
    for number in (evaluation.next_loss, objective.baselines.kneser_ney_loss, np.exp(evaluation.next_loss)):
        assert f"{number:.1f}" in text
    assert "Kneser–Ney of order 5" in text
    assert f"{evaluation.next_loss:.3f} nats per piece (Kneser–Ney" in objective.line(evaluation)


def test_a_model_without_state_is_given_windows_and_its_own_arguments(recipe):
    """As GPT: no state, labels shifted inside."""

    class Windowed(CausalLM):
        name, Recipe, carries_state = "windowed", LSTMObjective.Recipe, False
        arguments = staticmethod(shifted_inside)

    objective = Windowed(recipe(LSTMObjective), say=quiet)
    batch = objective.batch(3)
    assert batch.input_ids.shape == batch.labels.shape == (4, 7) and (batch.labels[:, 0] == -100).all()
    assert objective.starts_stream(3) and objective.num_tokens(batch) == 24
    assert all(len(stream) == 1 for stream in objective.held_out)
    model = LSTMObjective.make_model(Windowed2(objective))
    scores, state = objective.score(model, objective.held_out[0][0])
    assert state is None and len(scores.losses) == (objective.held_out[0][0].labels >= 0).sum()


class Windowed2:
    """What make_model asks of an objective."""

    model_class = mb.LSTMLanguageModel

    def __init__(self, objective):
        self.recipe, self.tokenizer, self.tokens = objective.recipe, objective.tokenizer, objective.tokens

    started = LSTMObjective.started


def test_a_run_of_an_awd_lstm_can_be_used_and_resumed(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr("minibert.plots.save", lambda *arguments, **options: None)
    monkeypatch.setattr(run, "NUM_EVALUATIONS", 1)
    made = recipe(AWDLSTMObjective, num_steps=3, dropout=0.5, threads=2, hidden_size=12)
    run.begin(tmp_path / "whole", AWDLSTMObjective, made, say=quiet)
    training = Training(AWDLSTMObjective(made, say=quiet))
    for step in range(3):
        training.step(step)
    model = mb.AWDLSTMLanguageModel.from_pretrained(tmp_path / "whole")
    assert model.config.weight_dropout_prob == 0.25 and model.config.embedding_dropout_prob == 0.05
    for name, parameter in model.parameters().items():
        assert np.array_equal(parameter.value, training.model.parameters()[name].value), name
    first = read_log(tmp_path / "whole" / "log.jsonl")[0]
    assert first["baselines"]["kneser_ney_loss"] > 0 and "limits" not in first
    assert json.loads((tmp_path / "whole" / "run.json").read_text("utf-8"))["objective"] == "awd-lstm"
    assert mb.WordPieceTokenizer.from_pretrained(tmp_path / "whole").vocab_size == model.config.vocab_size
    [suggestion] = training.objective.suggestions(str(tmp_path / "whole"))
    assert cli.main([*suggestion, "--tokens", "3"]) == 0


@pytest.mark.parametrize("changes, message", [
    ({"preset": "huge"}, "no preset 'huge': choose one of tiny, mini, small"),
    ({"whole_word": True}, "this model does not use --whole-word: leave it out"),
    ({"corpus": "text.txt"}, "corpus must be a list"),
])
def test_wrong_settings(changes, message):
    with pytest.raises(ValueError, match=message):
        LSTMObjective.Recipe.of(**changes)


# --- the toy language ---


def test_defaults_of_the_toy_language():
    recipe = LSTMObjective.Recipe.of(["toy"])
    assert (recipe.default_minutes, recipe.seq_length) == (1.5, 24)
    assert LSTMObjective.Recipe.of().default_minutes == 5.0


@pytest.fixture(scope="module")
def toy():
    """A Training of an LSTM on the toy language, few rows held out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("minibert.text.toy.pairs.NUM_HELD_OUT", 200)
        patch.setattr("minibert.objectives.next_tokens.NUM_ROWS", 400)
        yield Training(LSTMObjective(LSTMObjective.Recipe.of(["toy"], batch_size=16, num_steps=2), say=quiet))


@pytest.mark.exhaustive
def test_the_toy_language_is_judged_by_its_limit(toy):
    objective = toy.objective
    assert 1.2 < objective.limits.next_loss < objective.baselines.kneser_ney_loss
    for step in range(20):
        toy.step(step)
    evaluation = toy.evaluate()
    assert objective.limits.next_loss < evaluation.next_loss < 5
    assert list(evaluation.phenomena) == list(objective.limits.phenomena) == objective.tokens.phenomena
    text = "\n".join(objective.table(evaluation))
    assert f"{evaluation.next_loss / objective.limits.next_loss - 1:.1%} above the limit" in text
    assert "nats missing" in objective.line(evaluation)
    answers = np.concatenate([batch.labels[batch.labels >= 0] for [batch] in objective.held_out])
    assert len(answers) == len(objective.tokens.tags) == len(objective.tokens.kneser_ney)
    ends = objective.tokens.tags < 0
    assert (answers[ends] == objective.tokenizer.sep_token_id).all() and ends.sum() == 400


@pytest.mark.exhaustive
@pytest.mark.parametrize("changes, message", [
    ({"cased": True}, "leave out --cased"), ({"seq_length": 8}, "--seq-length 8 is too short for them"),
])
def test_wrong_settings_of_the_toy_language(changes, message, monkeypatch):
    monkeypatch.setattr("minibert.text.toy.pairs.NUM_HELD_OUT", 20)
    with pytest.raises(ValueError, match=message):
        LSTMObjective(LSTMObjective.Recipe.of(["toy"], **changes), say=quiet)
