"""An XLNet that is fine-tuned: [CLS] at the end, padding on the left, resumed to the bit, what is refused."""

import numpy as np
import pytest
from helpers import contents, made_once, quiet

import minibert as mb
from minibert import objectives
from minibert.models.xlnet import XLNetForSequenceClassification
from minibert.objectives.fine_tuning import FineTuning
from minibert.objectives.ulmfit import ULMFiT
from minibert.objectives.xlnet_fine_tuning import XLNetFineTuning
from minibert.text.labelled import LabelledText
from minibert.text.toy import TOY
from minibert.text.toy.tasks import as_file, examples
from minibert.training import run
from minibert.training.step import Training


def write(directory):
    """Write two files of labelled pairs, and a tiny XLNet to DIRECTORY/xlnet."""
    tokenizer = TOY.tokenizer()
    for name, number, seed in (("train", 24, 1), ("dev", 12, 2)):
        text = as_file("same opinion", examples(TOY, "same opinion", number, seed))
        (directory / f"{name}.tsv").write_text(text, encoding="utf-8")
    config = mb.XLNetConfig(
        tokenizer.vocab_size, hidden_size=12, num_attention_heads=3, intermediate_size=16,
        initializer_range=0.2, pad_token_id=tokenizer.pad_token_id)
    mb.XLNetLMHeadModel(config, seed=5).save_pretrained(directory / "xlnet")
    tokenizer.save_pretrained(directory / "xlnet")


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """The folder of a tiny XLNet and of labelled files; no test changes it."""
    return made_once(tmp_path_factory, "xlnet", write)


@pytest.fixture(autouse=True)
def without_pictures(monkeypatch):
    monkeypatch.setattr("minibert.plots.save", lambda plot, path, log, *names: path.touch())


@pytest.fixture
def recipe_of(files):
    """A function that returns a recipe of 2 epochs of 4 steps."""
    def make(**changes):
        given = {"start": str(files / "xlnet"), "train": str(files / "train.tsv"), "task": "pairs",
                 "dev": str(files / "dev.tsv"), "batch_size": 6, "epochs": 2, "learning_rate": 3e-3}
        return XLNetFineTuning.Recipe.of(**{**given, **changes})

    return make


def test_texts_end_with_cls_and_begin_with_padding(recipe_of):
    objective, tokenizer = XLNetFineTuning(recipe_of(), say=quiet), TOY.tokenizer()
    pairs = [LabelledText(1, "she loved the map", "tom hated the lamp", None),
             LabelledText(2, "he", "she", None)]
    rows, _ = objective.task.encode(pairs, tokenizer, 20)
    batch = objective.task.batches(rows, tokenizer).of(rows)
    words = [" ".join(tokenizer.id_to_token[index] for index in row) for row in batch.input_ids]
    assert words == ["she loved the map [SEP] tom hated the lamp [SEP] [CLS]",
                     "[PAD] [PAD] [PAD] [PAD] [PAD] [PAD] he [SEP] she [SEP] [CLS]"]
    assert batch.token_type_ids.tolist() == [[0] * 5 + [1] * 5 + [2], [3] * 6 + [0, 0, 1, 1, 2]]
    assert batch.attention_mask.tolist() == [[1] * 11, [0] * 6 + [1] * 5]
    [single], _ = objective.task.encode([LabelledText(1, "she loved the map", None, None)], tokenizer, 5)
    assert [tokenizer.id_to_token[index] for index in single.input_ids] == "she loved the [SEP] [CLS]".split()
    assert single.token_type_ids == [0, 0, 0, 0, 2]


def test_padding_does_not_change_the_answer(recipe_of):
    objective = XLNetFineTuning(recipe_of(), say=quiet)
    model, rows = objective.make_model().astype(np.float64), objective.examples.rows[:3]
    together = model.forward(**objective.examples.of(rows, 24)._asdict())[0].logits
    alone = [model.forward(**objective.examples.of([row])._asdict())[0].logits[0] for row in rows]
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-12)


def test_a_run_leaves_a_classifier(recipe_of, tmp_path):
    said = []
    evaluation, training = run.begin(tmp_path, XLNetFineTuning, recipe_of(epochs=1), say=said.append)
    start = next(line for line in said if line.startswith("start"))
    assert "new: sequence_summary.summary.weight" in start and "logits_proj.bias" in start
    assert "the head, because" not in start
    model = XLNetForSequenceClassification.from_pretrained(tmp_path)
    assert list(model.config.id2label.values()) == training.objective.labels
    training.workers.replicas[0].__dict__.update(model.__dict__)
    assert training.evaluate() == evaluation  # of the model that is left
    assert objectives.fine_tuning_of(tmp_path) is XLNetFineTuning


@pytest.mark.exhaustive
def test_a_killed_run_goes_on_to_the_bit(recipe_of, tmp_path, monkeypatch):
    run.begin(tmp_path / "whole", XLNetFineTuning, recipe_of(), say=quiet)

    def kill(training, number, original=Training.step):
        if number == 5:
            raise KeyboardInterrupt
        return original(training, number)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Training, "step", kill)
        run.begin(tmp_path / "killed", XLNetFineTuning, recipe_of(), say=quiet)
    run.resume(tmp_path / "killed", objectives.find, quiet)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def test_a_classifier_of_other_labels_gets_a_new_head(recipe_of, tmp_path):
    config = mb.XLNetConfig(TOY.tokenizer().vocab_size, hidden_size=12, id2label={0: "x", 1: "y"})
    mb.XLNetForSequenceClassification(config).save_pretrained(tmp_path)
    TOY.tokenizer().save_pretrained(tmp_path)
    said = []
    XLNetFineTuning(recipe_of(start=str(tmp_path)), say=said.append).make_model()
    assert any("the head, because its labels were x, y" in line for line in said)


def test_a_rate_for_each_layer_and_frozen_layers(recipe_of):
    objective = XLNetFineTuning(recipe_of(layer_decay=0.5), say=quiet)
    optimizer = objective.make_optimizer(objective.make_model())
    rates = {name: each.lr for each in optimizer.optimizers for name in each.parameters}
    assert rates["head.classifier.bias"] == rates["summary.dense.bias"] == 3e-3
    assert rates["transformer.layers.1.attention.query.weight"] == 1.5e-3
    assert rates["transformer.embeddings.token.weight"] == 3e-3 / 8
    training = Training(XLNetFineTuning(recipe_of(freeze=1), say=quiet))
    assert not any(name.startswith(("transformer.embeddings", "transformer.layers.0"))
                   for name in training.optimizer.parameters)
    body = training.model.transformer
    dropouts = (body.embeddings.dropout, body.wave_dropout, body.layers[0].output_dropout,
                body.layers[1].output_dropout)
    assert [layer.probability > 0 for layer in dropouts] == [False, False, False, True]


def test_the_model_type_chooses_the_objective(files, tmp_path):
    assert objectives.fine_tuning_of(files / "xlnet") is XLNetFineTuning
    for model_type, expected in (("bert", FineTuning), ("awd-lstm", ULMFiT)):
        (tmp_path / "config.json").write_text(f'{{"model_type": "{model_type}"}}', "utf-8")
        (tmp_path / "model.safetensors").touch()
        assert objectives.fine_tuning_of(tmp_path) is expected


@pytest.mark.parametrize("changes, message", [
    ({"task": "tag"}, "an XLNet learns --task classify or pairs, not tag"),
    ({"task": "classify", "pair_column": "x"}, "--pair-column has no meaning for --task classify"),
    ({"max_length": 4}, "--task pairs needs 5 tokens or more"),
    ({"freeze": 2, "reinit": 1}, "overlap in a model of 2 layers"),
])
def test_what_is_refused(recipe_of, changes, message):
    with pytest.raises(ValueError, match=message):
        XLNetFineTuning(recipe_of(**changes), say=quiet)
