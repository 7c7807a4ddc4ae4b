"""`pretrain --from`: going on from a BERT checkpoint, ours or Hugging Face's, on another text."""

import json
import shutil

import numpy as np
import pytest
from helpers import contents, quiet
from runs import begin, resume, training_of

import minibert
from minibert import cli
from minibert.objectives.masked_lm import MaskedLM, MaskedLMRecipe
from minibert.text.corpora import CorpusError, load_corpus, split_held_out_texts
from minibert.training.log import read_log


@pytest.fixture(scope="module", autouse=True)
def quick(finished_run):
    """Runs without pictures and without waiting for the disk: the finished run was done with both."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("minibert.plots.save", lambda plot, path, *data, **options: path.touch())
        patch.setattr("os.fsync", lambda handle: None)
        yield


@pytest.fixture(scope="module")
def other_text(tmp_path_factory, corpus):
    path = tmp_path_factory.mktemp("text") / "other.txt"
    path.write_text(corpus.read_text(encoding="utf-8").replace("dog", "fox"), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def one_document(tmp_path_factory, corpus):
    """The same sentences without a blank line: there are no pairs."""
    path = tmp_path_factory.mktemp("text") / "one.txt"
    path.write_text(corpus.read_text(encoding="utf-8").replace("\n\n", " "), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def recipe_from(finished_run, other_text):
    """A function that returns the recipe of a short run from the finished one, with changes."""

    def make(**changes):
        given = {"corpus": [str(other_text)], "start": str(finished_run), "num_steps": 4, "batch_size": 5}
        return MaskedLMRecipe.of(**{**given, **changes})

    return make


def test_it_starts_with_the_weights_and_the_tokenizer(recipe_from, finished_run):
    training = training_of(recipe_from())
    expected = minibert.BertForPreTraining.from_pretrained(finished_run)
    assert training.model.config == expected.config
    for name, parameter in training.model.parameters().items():
        np.testing.assert_array_equal(parameter.value, expected.parameters()[name].value)
    theirs = minibert.WordPieceTokenizer.from_pretrained(finished_run)
    assert training.objective.tokenizer.id_to_token == theirs.id_to_token
    recipe = training.recipe
    assert recipe.recipe == "bert" and recipe_from(recipe="fast").optimizer == "muon"
    assert (recipe.seq_length, recipe.vocab_size, recipe.hidden_size, recipe.dropout) == (16, 150, 12, 0.1)


@pytest.mark.exhaustive
def test_a_run_from_a_checkpoint_needs_it_no_more_once_it_has_begun(recipe_from, finished_run, tmp_path):
    copy = shutil.copytree(finished_run, tmp_path / "copy")
    begin(tmp_path / "whole", recipe_from(start=str(copy)))
    begin(tmp_path / "run", recipe_from(start=str(copy), num_steps=2))
    shutil.rmtree(copy)
    resume(tmp_path / "run", changes={"num_steps": 4})
    assert len(read_log(tmp_path / "run" / "log.jsonl")) > 5
    weights = contents(tmp_path / "run")["model.safetensors"]
    assert weights != contents(finished_run)["model.safetensors"]
    assert len(weights) == len(contents(tmp_path / "whole")["model.safetensors"])


def test_a_checkpoint_without_heads_and_with_a_padded_vocabulary(recipe_from, finished_run, tmp_path):
    """As of transformers' BertModel; the rows to spare are kept, and no word piece is drawn from them."""
    folder = shutil.copytree(finished_run, tmp_path / "bare")
    old = minibert.BertForPreTraining.from_pretrained(finished_run)
    config = minibert.BertConfig(**{**vars(old.config), "vocab_size": 160, "hidden_act": "relu"})
    encoder = minibert.BertModel(config, seed=3)
    encoder.save_pretrained(folder)
    lines = []
    _, training = begin(tmp_path / "run", recipe_from(start=str(folder)), say=lines.append)
    [said] = [line for line in lines if line.startswith("start")]
    assert said.startswith(f"start       {folder}; with random weights: cls.predictions.")
    assert "cls.seq_relationship.bias" in said
    assert training.model.config == config and training.objective.tokenizer.vocab_size == 150
    assert cli.main(["fill-mask", str(tmp_path / "run"), "The [MASK]."]) == 0


def test_masked_words_alone_where_there_are_no_pairs(recipe_from, one_document, tmp_path, capfd):
    lines = []
    recipe = recipe_from(corpus=[str(one_document)])
    evaluation, training = begin(tmp_path / "run", recipe, say=lines.append)
    note = "note        no sentence pairs can be made of this text: examples are single texts, and no pairs"
    assert note in lines
    assert evaluation.nsp_loss is evaluation.nsp_accuracy is None and evaluation.mlm_loss > 0
    assert "NSP" not in training.objective.line(evaluation)
    assert "NSP" not in "".join(training.objective.table(evaluation))
    log = read_log(tmp_path / "run" / "log.jsonl")
    assert "nsp_loss" not in log[1] and log[0]["baselines"]["majority_accuracy"] is None
    assert (tmp_path / "run" / "loss.png").is_file()
    batch = training.objective.batch(0)
    tokenizer = training.objective.tokenizer
    assert batch.next_sentence_label is None and not batch.token_type_ids.any()
    assert ((batch.input_ids == tokenizer.sep_token_id).sum(axis=1) == 1).all()
    assert (batch.input_ids[:, 0] == tokenizer.cls_token_id).all() and batch.input_ids.shape[1] <= 16
    begin(tmp_path / "twice", recipe)
    assert contents(tmp_path / "twice") == contents(tmp_path / "run")


def test_a_model_of_one_segment_learns_masked_words_alone(recipe_from, finished_run, tmp_path):
    folder = shutil.copytree(finished_run, tmp_path / "one")
    old = minibert.BertForPreTraining.from_pretrained(finished_run)
    minibert.BertForPreTraining(
        minibert.BertConfig(**{**vars(old.config), "type_vocab_size": 1})
    ).save_pretrained(folder)
    lines = []
    objective = MaskedLM(recipe_from(start=str(folder)), say=lines.append)
    assert objective.baselines.majority_accuracy is None
    assert any(f"{folder} reads one text: examples are single texts" in line for line in lines)


@pytest.mark.parametrize("changes, message", [
    ({"vocab_size": 90, "cased": True}, "vocabulary, sizes, weights: leave out --vocab-size, --cased"),
    ({"preset": "mini"}, "has its sizes: leave out --preset mini"),
    ({"seq_length": 17}, "reads 16 tokens: --seq-length 17 is more"),
    ({"start": "/nowhere"}, "/nowhere holds no model"),
])
def test_what_a_checkpoint_decides(recipe_from, changes, message):
    with pytest.raises(ValueError, match=message):
        recipe_from(**changes)


@pytest.mark.exhaustive
def test_the_toy_language_has_words_of_its_own(recipe_from):
    with pytest.raises(ValueError, match="the toy language has a vocabulary of its own, and .* another one"):
        MaskedLM(recipe_from(corpus=["toy"]), say=quiet)


def test_the_command(finished_run, other_text, tmp_path, capfd):
    options = ["--corpus", str(other_text), "--output", str(tmp_path / "run"), "--steps", "2"]
    assert cli.main(["pretrain", "--from", str(finished_run), *options, "--batch-size", "4"]) == 0
    recipe = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))["recipe"]
    assert recipe["start"] == str(finished_run) and recipe["learning_rate"] == 1e-4
    capfd.readouterr()
    assert cli.main(["pretrain", "--output", str(tmp_path / "run"), "--resume", "--from", str(tmp_path)]) == 2
    assert "leave out --from" in capfd.readouterr().err


def test_held_out_sentences_of_one_text(one_document, tmp_path):
    training, held_out = split_held_out_texts(load_corpus([str(one_document)]))
    assert len(training.documents) == len(held_out.documents) == 1
    assert not set(training.sentences) & set(held_out.sentences) and held_out.sentences
    path = tmp_path / "tiny.txt"
    path.write_text("One sentence.", encoding="utf-8")
    with pytest.raises(CorpusError, match="too small to hold out text .* it has 1 sentences; give more text"):
        split_held_out_texts(load_corpus([str(path)]))
