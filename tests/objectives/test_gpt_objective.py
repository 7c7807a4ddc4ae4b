"""GPT-2 as an objective: windows, labels shifted inside, a run that `minibert generate` goes on with."""

import numpy as np
import pytest
from helpers import quiet

import minibert as mb
from minibert import cli, objectives
from minibert.objectives.gpt import GPTObjective
from minibert.objectives.next_tokens import ByteLevelTokens
from minibert.text import Corpus
from minibert.training import run
from minibert.training.step import Training

SETTINGS = {
    "num_steps": 60, "batch_size": 8, "seq_length": 6, "vocab_size": 300, "hidden_size": 16,
    "learning_rate": 2e-2,
}


@pytest.fixture(scope="module")
def recipe(corpus):
    return lambda **changes: GPTObjective.Recipe.of([str(corpus)], **{**SETTINGS, **changes})


def test_it_learns_more_than_the_unigram_model_knows(recipe):
    training = Training(GPTObjective(recipe(), say=quiet))
    batch = training.objective.batch(3)
    assert batch.input_ids.shape == (8, 7) and np.array_equal(batch.labels[:, 1:], batch.input_ids[:, 1:])
    assert training.model.config.max_position_embeddings == 7 and training.objective.num_tokens(batch) == 48
    matrices = training.objective.hidden_matrices(training.model)
    assert len(matrices) == 2 * 6 and all(name.startswith("blocks.") for name in matrices)
    for step in range(60):
        training.step(step)
    assert training.evaluate().next_loss < training.objective.baselines.unigram_loss - 0.1


@pytest.mark.exhaustive
def test_a_run_ends_with_a_model_that_generates(recipe, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("minibert.plots.save", lambda *arguments, **options: None)
    monkeypatch.setattr(run, "NUM_EVALUATIONS", 1)
    _, training = run.begin(tmp_path / "run", objectives.find("gpt"), recipe(num_steps=2), say=quiet)
    config = mb.GPT2LMHeadModel.from_pretrained(tmp_path / "run").config
    tokenizer = mb.ByteLevelBPETokenizer.from_pretrained(tmp_path / "run")
    assert config.bos_token_id == config.eos_token_id == tokenizer.eos_token_id
    run.resume(tmp_path / "run", objectives.find, quiet, {"num_steps": 3})
    [(command, directory, prompt)] = training.objective.suggestions(tmp_path / "run")
    capsys.readouterr()
    assert cli.main([command, str(directory), prompt.partition(" ")[0], "--tokens", "2"]) == 0
    assert capsys.readouterr().out.startswith("The")


def test_sizes():
    made = GPTObjective.Recipe.of(preset="mini")
    assert (GPTObjective.Recipe.of().optimizer, made.optimizer) == ("muon", "adamw")
    assert (made.hidden_size, made.num_hidden_layers, made.num_attention_heads) == (256, 4, 4)
    with pytest.raises(ValueError, match="this model does not use --embedding-size"):
        GPTObjective.Recipe.of(embedding_size=3)
    for changes in ({"cased": True}, {"alphabet": 3}):
        with pytest.raises(ValueError, match="are of word pieces; GPT-2 reads bytes, and keeps capitals"):
            GPTObjective.Recipe.of(**changes)


def test_the_row_is_the_text(recipe, corpus):
    tokens = GPTObjective(recipe(), say=quiet).tokens
    text = tokens.tokenizer.decode(tokens.examples.row())
    documents = text.split("<|endoftext|>")[1:]
    written = {" ".join(document.split()) for document in corpus.read_text(encoding="utf-8").split("\n\n")}
    assert set(documents) < written and len(documents) > 40


def test_sentences_as_they_are_written():
    corpus = ByteLevelTokens.written(None, Corpus("x", [["A b.", "C\ud800 d."], ["E."]]))
    assert corpus.documents == [["A b.", " C? d."], ["E."]]
