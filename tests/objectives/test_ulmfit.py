"""ULMFiT's stages: rates, unfreezing, what each reads, killed and resumed to the bit, what is refused."""

import dataclasses
import json
import types

import numpy as np
import pytest
from helpers import contents, made_once, quiet

import minibert as mb
from minibert import objectives
from minibert.models.ulmfit import AWDLSTMForSequenceClassification
from minibert.objectives import ulmfit
from minibert.text.examples.labelled import Row, next_token_rows
from minibert.text.toy import TOY
from minibert.text.toy.tasks import as_file, examples
from minibert.training import run
from minibert.training.layerwise import layer_groups
from minibert.training.log import read_log
from minibert.training.step import Training


def write(directory):
    """Write two labelled files, and a tiny AWD-LSTM to DIRECTORY/lstm."""
    tokenizer = TOY.tokenizer()
    for name, number, seed in (("train", 24, 1), ("dev", 12, 2)):
        text = as_file("sentiment", examples(TOY, "sentiment", number, seed))
        (directory / f"{name}.tsv").write_text(text, encoding="utf-8")
    config = mb.AWDLSTMConfig(
        tokenizer.vocab_size, embedding_size=6, hidden_size=8, num_hidden_layers=2, initializer_range=0.3)
    mb.AWDLSTMLanguageModel(config, seed=5).save_pretrained(directory / "lstm")
    tokenizer.save_pretrained(directory / "lstm")


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """The folder of a tiny AWD-LSTM and of labelled files; no test changes it."""
    return made_once(tmp_path_factory, "ulmfit", write)


@pytest.fixture(autouse=True)
def without_pictures(monkeypatch):
    monkeypatch.setattr("minibert.plots.save", lambda plot, path, log, *names: path.touch())


@pytest.fixture(scope="session")
def recipe_of(files):
    """A function that returns a recipe: 2 epochs of stage 2, 5 of stage 3, 2 steps each."""
    def make(**changes):
        given = {"start": str(files / "lstm"), "train": str(files / "train.tsv"),
                 "dev": str(files / "dev.tsv"), "batch_size": 12, "epochs": 5, "language_model_epochs": 2}
        return ulmfit.ULMFiTRecipe.of(**{**given, **changes})

    return make


@pytest.fixture(scope="module")
def whole(recipe_of, tmp_path_factory):
    """A finished run: its folder, its last evaluation, its Training, what it said."""
    folder, said = tmp_path_factory.mktemp("whole"), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("minibert.plots.save", lambda plot, path, log, *names: path.touch())
        evaluation, training = ulmfit.begin(folder, recipe_of(), say=said.append)
    return folder, evaluation, training, said


def test_both_stages(whole):
    folder, evaluation, training, said = whole
    second, third = (
        [line["step"] for line in read_log(directory / "log.jsonl") if "held_out" in line]
        for directory in (folder / "language-model", folder)
    )
    assert second == [0, 2, 4] and third == [0, 2, 4, 6, 8, 10]
    starts = [line.split()[0] for line in said]
    assert starts.count("stage") == 2 and starts.count("examples") == starts.count("labels") == 1
    assert "at first only the head" in next(line for line in said[::-1] if line.startswith("model"))
    language_model = mb.AWDLSTMLanguageModel.from_pretrained(folder / "language-model")
    kept = AWDLSTMForSequenceClassification.from_pretrained(folder)
    rates = [model.config.input_dropout_prob for model in (language_model, kept)]
    assert rates == [0.1 * 0.25, 0.1 * 0.4] and kept.config.id2label == {0: "negative", 1: "positive"}
    training.workers.replicas[0].__dict__.update(kept.__dict__)
    assert training.evaluate() == evaluation
    assert training.objective.table(evaluation)[0].endswith("bag of words")


def test_stage_three_begins_with_the_model_of_stage_two(whole, recipe_of):
    folder = whole[0] / "language-model"
    theirs = mb.AWDLSTMLanguageModel.from_pretrained(folder).parameters()
    recipe = recipe_of(language_model=str(folder))
    ours = ulmfit.ULMFiT(recipe, say=quiet).make_model().parameters()
    for name in theirs.keys() - {"decoder.bias"}:
        np.testing.assert_array_equal(ours[name].value, theirs[name].value)


@pytest.mark.parametrize("unfreeze", ["gradual", "all"])
def test_frozen_groups_keep_their_bits_for_an_epoch_each(recipe_of, unfreeze):
    training = Training(ulmfit.ULMFiT(recipe_of(unfreeze=unfreeze, epochs=4, freeze=1), say=quiet))
    groups = layer_groups(training.model)
    assert len(groups) == 4  # embeddings and layer 0 are frozen for good
    for step in range(4):
        before = {name: p.value.copy() for name, p in training.model.parameters().items()}
        training.step(step)
        moved = [
            any((p.value != before[name]).any() for name, p in group.items()) for group in groups
        ]
        assert moved == [False, False, unfreeze == "all" or step >= 2, True]


def test_the_rates_of_the_layers(recipe_of):
    """2.6 times less for each group down; in stage 2 the embeddings are the decoder's, too."""
    classifier = Training(ulmfit.ULMFiT(recipe_of(layer_decay=1 / 2.6, unfreeze="all"), say=quiet))
    recipe = dataclasses.replace(ulmfit.LanguageModelRecipe.before(recipe_of()), num_steps=100)
    second = Training(ulmfit.TargetLanguageModel(recipe, say=quiet))
    for training, lowest, top in (
        (classifier, "embedding.weight", "dense.weight"), (second, "layers.0.weight_ih", "embedding.weight")
    ):
        optimizers = training.optimizer.optimizers
        assert top in optimizers[0].parameters and lowest in optimizers[-1].parameters
        ratios = [each.lr / optimizers[0].lr for each in optimizers]
        np.testing.assert_allclose(ratios, [2.6**-k for k in range(len(optimizers))])
        assert all(each.betas == (0.7, 0.99) for each in optimizers)
    rates = [recipe.learning_rate_at(step) for step in range(100)]
    assert np.argmax(rates) == 10 and max(rates) == pytest.approx(0.004) and min(rates) > 0


def test_a_language_model_reads_every_token_once(recipe_of):
    recipe = ulmfit.LanguageModelRecipe.before(recipe_of(max_length=5))
    objective = ulmfit.TargetLanguageModel(recipe, say=quiet)
    whole = ulmfit.TargetLanguageModel(ulmfit.LanguageModelRecipe.before(recipe_of()), say=quiet)
    assert max(len(row.input_ids) for row in objective.examples.rows) == 5
    counts = [sum(objective.num_tokens(found.batch(k, 12)) for k in range(found.steps_per_epoch(12)))
              for found in (objective.examples, whole.examples)]
    assert counts[0] == counts[1]
    rows = next_token_rows([Row([2, 7, 8, 9, 3], [0] * 5, 1, 0)], 3)
    assert [(row.input_ids, row.target) for row in rows] == [([2, 7, 8], [7, 8, 9]), ([9], [3])]


def test_more_texts_without_labels(recipe_of, tmp_path):
    more, said = tmp_path / "more.tsv", []
    more.write_text("text\nthe old king\nperhaps the cook saw a fish\n", encoding="utf-8")
    recipe = ulmfit.LanguageModelRecipe.before(recipe_of(unlabelled=str(more)))
    objective = ulmfit.TargetLanguageModel(recipe, say=said.append)
    assert len(objective.examples.rows) == 24 + 2 and objective.labels == ["negative", "positive"]
    assert any(line.startswith("unlabelled  2 more texts for") for line in said)


def killed(monkeypatch, tmp_path, recipe, name, step, **changes):
    """Begin a run, or resume it with changes, and end it at a step of the objective of that name."""
    class Killed(BaseException):
        """Stands for kill -9: nothing catches it."""

    def kill(training, number, original=Training.step):
        if training.objective.name == name and number == step:
            raise Killed
        return original(training, number)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "step", kill)
        with pytest.raises(Killed):
            if changes:
                ulmfit.resume(tmp_path, objectives.find, quiet, changes)
            ulmfit.begin(tmp_path, recipe, say=quiet)


@pytest.mark.parametrize(("name", "step"), [
    ("ulmfit-language-model", 3),
    *(pytest.param("ulmfit", step, marks=pytest.mark.exhaustive) for step in (0, 5, 8)),
])
def test_a_killed_run_goes_on_to_the_bit(whole, recipe_of, tmp_path, monkeypatch, name, step):
    killed(monkeypatch, tmp_path, recipe_of(), name, step)
    ulmfit.resume(tmp_path, objectives.find, quiet)
    ours, theirs = contents(tmp_path), contents(whole[0])
    assert ours.keys() == theirs.keys()
    for file in ours:  # run.json says where the model of stage 2 is, and checkpoint.json whose run it is
        assert ours[file] == theirs[file] or file.endswith(("run.json", "checkpoint.json")), file


@pytest.mark.exhaustive
def test_new_top_layers_survive_a_kill(recipe_of, tmp_path, monkeypatch):
    """They begin anew once, and not again when the run is resumed before they are unfrozen."""
    recipe = recipe_of(reinit=2, language_model_epochs=0)
    ulmfit.begin(tmp_path / "whole", recipe, say=quiet)
    killed(monkeypatch, tmp_path / "killed", recipe, "ulmfit", 7)
    ulmfit.resume(tmp_path / "killed", objectives.find, quiet)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


@pytest.mark.exhaustive
def test_changes_while_stage_two_is_under_way(recipe_of, tmp_path, monkeypatch):
    killed(monkeypatch, tmp_path, recipe_of(), "ulmfit-language-model", 3)
    assert ulmfit.directory_under_way(tmp_path) == tmp_path / "language-model"
    with pytest.raises(run.RunError, match="unfreeze 'gradual': leave out --unfreeze"):
        ulmfit.resume(tmp_path, objectives.find, quiet, {"unfreeze": "all"})
    killed(monkeypatch, tmp_path, None, "ulmfit-language-model", 3, epochs=1)
    ulmfit.resume(tmp_path, objectives.find, quiet)
    recipe = json.loads((tmp_path / "run.json").read_text("utf-8"))["recipe"]
    assert recipe["epochs"] == 1 and recipe["num_steps"] == 2


def test_changes_of_an_earlier_resumption_reach_stage_three(recipe_of, tmp_path, monkeypatch):
    """Stage 2 was resumed with changes, stopped again, and resumed without options."""
    stage_two = dataclasses.replace(
        ulmfit.LanguageModelRecipe.before(recipe_of()), train="moved.tsv", threads=3, classifier_epochs=7)
    training = types.SimpleNamespace(recipe=stage_two)
    (tmp_path / "language-model").mkdir()
    (tmp_path / "language-model" / "run.json").write_text("{}", "utf-8")
    monkeypatch.setattr(run, "resume", lambda *arguments: (None, training))
    monkeypatch.setattr(run, "begin", lambda output, objective, recipe, say: recipe)
    recipe = ulmfit.resume(tmp_path, objectives.find, quiet)
    assert (recipe.train, recipe.threads, recipe.epochs) == ("moved.tsv", 3, 7)
    assert recipe.language_model == str(tmp_path / "language-model")


@pytest.mark.parametrize("labels", [["negative", "positive"], ["acceptable", "spoiled"]])
def test_a_classifier_of_other_labels_gets_a_new_head(whole, recipe_of, files, tmp_path, labels):
    text = (files / "train.tsv").read_text(encoding="utf-8")
    train = tmp_path / "train.tsv"
    train.write_text(text.replace("negative", labels[0]).replace("positive", labels[1]), encoding="utf-8")
    recipe = recipe_of(start=str(whole[0]), train=str(train), dev=str(train), language_model_epochs=0)
    theirs = AWDLSTMForSequenceClassification.from_pretrained(whole[0]).parameters()
    for name, parameter in ulmfit.ULMFiT(recipe, say=quiet).make_model().parameters().items():
        is_kept = labels[0] == "negative" or not name.startswith(("dense.", "head."))
        assert np.array_equal(parameter.value, theirs[name].value) == is_kept, name


def test_what_is_refused(recipe_of, tmp_path):
    with pytest.raises(ValueError, match="--max-length 2 leaves no room beside .* needs 3 tokens or more"):
        ulmfit.ULMFiT(recipe_of(max_length=2), say=quiet)
    with pytest.raises(ValueError, match="an AWD-LSTM learns --task classify or pairs, not tag"):
        recipe_of(task="tag")
    with pytest.raises(ValueError, match="no way 'none' to unfreeze: choose gradual or all"):
        recipe_of(unfreeze="none")
    with pytest.raises(ValueError, match="dropout 2 is a factor .* largest is 0.5: give .* less than 2"):
        recipe_of(dropout=2)


@pytest.mark.parametrize("file, changes, message", [
    ("config.json", {}, "holds a model already"),
    ("vocab.txt", {}, "holds vocab.txt, which a run would write"),
    ("best", {}, "holds best, which a run would write"),
    ("notes.txt", {"freeze": 9}, "has 2 layers: --freeze 9"),
])
def test_what_stage_three_refuses_is_refused_before_stage_two(recipe_of, tmp_path, file, changes, message):
    (tmp_path / file).write_text("{}", "utf-8")
    with pytest.raises((run.RunError, ValueError), match=message):
        ulmfit.begin(tmp_path, recipe_of(**changes), say=quiet)
    assert not (tmp_path / "language-model").exists()
