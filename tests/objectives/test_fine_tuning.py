"""Fine-tuning runs: every task, the best model kept, resumed to the bit, frozen layers, what is said."""

import json
import types

import labelled_files
import numpy as np
import pytest
from helpers import assert_all_close, contents, made_once, quiet

from minibert import huggingface, objectives
from minibert.models.heads import SpanOutput
from minibert.objectives.fine_tuning import FineTuning, FineTuningRecipe, make_task
from minibert.objectives.frozen import AboveFrozen, state_batch
from minibert.objectives.span_extraction import Scores, SpanExtraction
from minibert.text.labelled import LabelledError, Question
from minibert.training import checkpoint, run
from minibert.training.log import read_log
from minibert.training.step import Training


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """The folder of a tiny BERT and of labelled files; no test changes it."""
    return made_once(tmp_path_factory, "labelled", labelled_files.write)


@pytest.fixture
def recipe_of(files):
    """A function that returns the recipe of a task, of 3 epochs of 4 steps."""
    def make(task="classify", **changes):
        suffix = labelled_files.FILES[task]
        given = {"start": str(files / "bert"), "train": str(files / f"{task}-train.{suffix}"),
                 "dev": str(files / f"{task}-dev.{suffix}"), "batch_size": 6, "learning_rate": 3e-3}
        return FineTuningRecipe.of(task=task, **{**given, **changes})

    return make


def begin(output, recipe, say=quiet):
    return run.begin(output, FineTuning, recipe, say=say)


@pytest.fixture(autouse=True)
def without_pictures(monkeypatch):
    monkeypatch.setattr("minibert.plots.save", lambda plot, path, log, *names: path.touch())


@pytest.mark.parametrize("task", [
    "tag", *(pytest.param(task, marks=pytest.mark.exhaustive) for task in ("classify", "pairs", "span"))])
def test_every_task_is_a_run(recipe_of, tmp_path, task):
    evaluation, training = begin(tmp_path, recipe_of(task))
    lines = read_log(tmp_path / "log.jsonl")
    assert [line["step"] for line in lines if "held_out" in line] == [0, 4, 8, 12]
    assert lines[0]["baselines"] and all("gradient_norm" in line for line in lines if "loss" in line)
    assert {path.name for path in tmp_path.iterdir()} >= {"config.json", "learning_curves.png", "vocab.txt"}
    assert not (tmp_path / "best").exists()
    kept = training.objective.task.model_class.from_pretrained(tmp_path)
    training.workers.replicas[0].__dict__.update(kept.__dict__)
    assert training.evaluate() == evaluation  # of the model that is left
    table = training.objective.table(evaluation)
    assert table[0].startswith("held-out examples") and len(table) >= 3


def test_the_best_model_is_kept(recipe_of, tmp_path, monkeypatch):
    models = {}
    original = Training.evaluate

    def evaluate(training):
        number = len(models)
        models[number] = {name: p.value.copy() for name, p in training.model.parameters().items()}
        return original(training)

    monkeypatch.setattr(Training, "evaluate", evaluate)
    monkeypatch.setattr(FineTuning, "quality", lambda self, found: found.loss)  # the last is not it
    said = []
    evaluation, training = begin(tmp_path, recipe_of(learning_rate=0.3), said.append)
    losses = {
        line["step"]: line["held_out"]["loss"] for line in read_log(tmp_path / "log.jsonl")
        if "held_out" in line and line["step"]
    }
    step = max(losses, key=losses.get)
    assert evaluation.loss == losses[step] and step < 12
    assert f"best        after step {step} of 12: this model is kept" in said
    kept = training.objective.task.model_class.from_pretrained(tmp_path).parameters()
    for name, parameter in kept.items():
        np.testing.assert_array_equal(parameter.value, models[step // 4][name])


class Killed(BaseException):
    """Stands for kill -9: nothing catches it."""


@pytest.mark.exhaustive
@pytest.mark.parametrize("step", [5, 11])
def test_a_killed_run_goes_on_to_the_bit(recipe_of, files, tmp_path, monkeypatch, step):
    begin(tmp_path / "whole", recipe_of(epochs=2 if step < 8 else 3))

    def kill(training, number, original=Training.step):
        if number == step:
            raise Killed
        return original(training, number)

    monkeypatch.setattr(Training, "step", kill)
    with pytest.raises(Killed):
        begin(tmp_path / "killed", recipe_of(epochs=2 if step < 8 else 3))
    assert (tmp_path / "killed" / "best" / "config.json").is_file()
    monkeypatch.undo()
    run.resume(tmp_path / "killed", objectives.find, quiet)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


@pytest.mark.exhaustive
def test_a_finished_run_goes_on_for_more_epochs(recipe_of, tmp_path):
    begin(tmp_path, recipe_of(epochs=1))
    run.resume(tmp_path, objectives.find, quiet, {"epochs": 2, "num_steps": 8})
    assert checkpoint.checkpoints(tmp_path)[-1][0] == 8 and not (tmp_path / "best").exists()


# --- layers ---


def trained(recipe):
    """Return which parameters two steps change."""
    training = Training(FineTuning(recipe, say=quiet))
    before = {name: p.value.copy() for name, p in training.model.parameters().items()}
    for number in range(2):
        training.step(number)
    after = training.model.parameters()
    return {name for name, value in before.items() if not np.array_equal(after[name].value, value)}


def test_frozen_layers_stay_as_they_are(recipe_of):
    changed = trained(recipe_of(freeze=1))
    assert {".".join(name.split(".")[:3]) for name in changed} == {
        "bert.encoder.1", "bert.pooler.dense", "head.classifier.weight", "head.classifier.bias"}
    changed = trained(recipe_of("tag", freeze=-1))
    assert changed == {"head.classifier.weight", "head.classifier.bias"}


def test_frozen_layers_have_no_dropout(recipe_of):
    model = FineTuning(recipe_of(freeze=1), say=quiet).make_model()
    batch = {"input_ids": np.array([[2, 7, 8, 3]])}
    (_, one), (_, other) = (model.bert.forward(**batch, rng=np.random.default_rng(k)) for k in (0, 1))
    same = [
        np.array_equal(a.output_norm.normalized, b.output_norm.normalized)
        for a, b in zip(one.encoder, other.encoder)
    ]
    assert same == [True, False]


@pytest.mark.parametrize("task", ["classify", "tag", "span"])
def test_states_that_are_computed_once_give_the_same_gradients(recipe_of, task):
    objective = FineTuning(recipe_of(task, freeze=-1), say=quiet)
    model = objective.make_model()
    part = objective.part(model)
    assert isinstance(part, AboveFrozen) and part.head is model.head
    numbers = np.argsort(objective.examples.lengths)[::5].tolist()  # short ones and long ones
    whole = objective.examples.of([objective.examples.rows[n] for n in numbers])
    states = state_batch(objective.states, objective.examples, numbers)
    assert type(objective.batch(2)) is type(states)
    results = []
    for learner, batch in ((model, whole), (part, states)):
        model.zero_grad()
        output, cache = learner.forward(**batch._asdict())
        learner.backward(cache)
        grads = huggingface.state_dict(model, grads=True)
        results.append({"logits": output[-2], "loss": output.loss} | {
            name: grad for name, grad in grads.items() if "encoder" not in name and "embeddings" not in name})
    assert_all_close(*results, tolerance=1e-5)
    assert objective.held_out[0][0]._fields == ("states", "batch")
    scores = [objective.score(part, batch)[0] for [batch] in objective.held_out]
    plain = [objective.score(model, batch)[0] for [batch] in objective.held_out_rows.held_out(12)]
    for one, other in zip(scores, plain, strict=True):
        for mine, theirs in zip(one, other, strict=True):
            np.testing.assert_allclose(mine, theirs, atol=1e-5)


def test_rates_by_layer_and_new_layers(recipe_of, files):
    objective = FineTuning(recipe_of(layer_decay=0.5, reinit=1), say=quiet)
    model = objective.make_model()
    assert objective.make_optimizer(model).ratios == [1.0, 0.5, 0.25, 0.125]
    theirs, _ = objective.task.model_class.from_pretrained(files / "bert", output_loading_info=True)
    same = {
        name for name, p in theirs.parameters().items()
        if p.value.ndim == 2 and name.startswith("bert.")
        and np.array_equal(p.value, model.parameters()[name].value)
    }
    assert {name.split(".")[1] + name.split(".")[2] for name in same} == {
        "embeddingstoken", "embeddingsposition", "embeddingssegment", "encoder0"}


@pytest.mark.parametrize("changes, message", [
    ({"freeze": 3}, "has 2 layers: --freeze 3 or --reinit 0 is more"),
    ({"freeze": 1, "reinit": 2}, "--freeze 1 and --reinit 2 overlap in a model of 2 layers"),
    ({"max_length": 99}, "reads 24 tokens: --max-length 99 is more"),
    ({"max_length": 4, "task": "pairs"}, "--max-length 4 leaves no room .*: --task pairs needs 5 tokens or"),
    ({"pair_column": "b"}, "--pair-column has no meaning for --task classify: leave it out"),
    ({"task": "tag", "label_column": "b"}, "--label-column has no meaning for --task tag: leave it out"),
    ({"task": "classify", "dev": "nothing.tsv"}, "nothing.tsv does not exist"),
])
def test_options_that_do_not_fit(recipe_of, changes, message):
    with pytest.raises(ValueError, match=message):
        FineTuning(recipe_of(**changes), say=quiet)


@pytest.mark.exhaustive
@pytest.mark.parametrize("task", ["classify", "pairs", "tag"])
def test_the_least_length_has_room(recipe_of, task):
    least = make_task(task).least_length
    with pytest.raises(ValueError, match=f"--task {task} needs {least} tokens or more"):
        FineTuning(recipe_of(task, max_length=least - 1), say=quiet)
    objective = FineTuning(recipe_of(task, max_length=least), say=quiet)
    assert objective.examples.lengths.max() == objective.held_out_rows.lengths.max() == least
    training = Training(objective)
    assert training.step(0)["loss"] > 0 and training.evaluate()


def test_a_head_of_other_labels_is_new(recipe_of, tmp_path):
    start, said = tmp_path / "tuned", []
    first = FineTuning(recipe_of(), say=quiet)
    first.make_model().save_pretrained(start)
    first.save(start)
    same, other = tmp_path / "same.tsv", tmp_path / "other.tsv"
    same.write_text("text\tlabel\nshe\tpositive\ntom\tnegative\n", encoding="utf-8")
    other.write_text("text\tlabel\nshe\tgood\ntom\tbad\n", encoding="utf-8")
    kept, new, drawn = (
        FineTuning(recipe_of(start=str(start), train=str(path), dev=str(path), seed=seed), say=said.append)
        .make_model().head.classifier.weight.value for path, seed in ((same, 5), (other, 0), (other, 5)))
    before = type(first).make_model(first).head.classifier.weight.value
    np.testing.assert_array_equal(kept, before)
    np.testing.assert_array_equal(new, before)  # the same seed
    assert not np.isclose(drawn, before).any()
    starts = [line for line in said if line.startswith("start")]
    assert "new" not in starts[0]
    assert starts[1].endswith("; new: the head, because its labels were negative, positive")


def test_answers_that_fit_into_no_window(recipe_of):
    with pytest.raises(LabelledError, match="no answer in .* fits into a window of 6 tokens: give a larger"):
        FineTuning(recipe_of("span", max_length=6), say=quiet)  # answers of three words, and windows of two
    with pytest.raises(ValueError, match="--task span needs 6 tokens or more"):
        FineTuning(recipe_of("span", max_length=5), say=quiet)
    context = "then she watered the tiny carrots"
    questions = [Question(1, "what", context, [(answer, context.index(answer))])
                 for answer in ("she", "the tiny carrots")]
    objective = FineTuning(recipe_of("span"), say=quiet)
    rows, note = objective.task.encode(questions, objective.tokenizer, 6, is_training=True)
    assert {row.source for row in rows} == {0} and note.endswith(
        "; 1 of 2 answers are in no window as a whole and are left out")


def test_there_may_be_no_answer(recipe_of, tmp_path):
    """[CLS] against the best stretch, each over all windows; without such training examples never."""
    path = tmp_path / "some.jsonl"
    rows = [{"question": "who", "context": "ann met tom", "answers": ["ann"][:k]} for k in (0, 1)]
    rows[1]["answers"] = [{"text": "ann", "answer_start": 0}]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    objective = FineTuning(recipe_of("span", train=str(path), dev=str(path)), say=quiet)
    task = objective.task
    assert objective.recipe.may_be_nothing and objective.examples.rows[0].target == (0, 0)
    assert objective.baselines["no answer"].exact_match == objective.baselines["one place"].f1 == 0.5

    question = objective.held_out_examples[1]
    rows = 2 * [objective.held_out_rows.rows[1]]  # two windows
    first = min(rows[0].places)
    rows = [row._replace(source=0) for row in rows]
    for nothing, found in (([3.0, 1.0], "ann"), ([1.0, 3.0], "ann"), ([3.0, 2.5], "")):
        scores = Scores(np.full(2, first), np.full(2, first), np.array([1.0, 2.0]), np.array(nothing))
        assert task.evaluation(scores, rows, [question], []).exact_match == (found == "ann")
        length = len(rows[0].input_ids)
        logits = np.full((2, length), -9.0)
        logits[:, first], logits[:, 0] = scores.logits / 2, scores.nothing / 2
        model = types.SimpleNamespace(
            forward=lambda logits=logits, **batch: (SpanOutput(None, None, None, logits, logits, {}), None))
        [answer] = task.answers(model, [question], rows, objective.tokenizer)
        assert answer.text == found and 0 < answer.probability < 1
    [answer] = SpanExtraction().answers(model, [question], rows, objective.tokenizer)
    assert answer.text == "ann" and SpanExtraction().evaluation(scores, rows, [question], []).exact_match == 1


def test_a_narrow_model_takes_larger_steps(files):
    assert FineTuningRecipe.of(start=str(files / "bert")).learning_rate == 5e-5 * 768 / 12


# --- what the examples are like ---


def objective_of(recipe_of, tmp_path, training, held_out=None):
    """Return the objective of texts, {text: label} lists, and what it says."""
    said, paths = [], {}
    for name, rows in (("train", training), ("dev", held_out)):
        if rows is not None:
            paths[name] = tmp_path / f"{name}.tsv"
            text = "".join(f"{a}\t{b}\n" for a, b in [("text", "label"), *rows])
            paths[name].write_text(text, encoding="utf-8")
    given = {"train": str(paths["train"]), "dev": str(paths.get("dev", ""))}
    return FineTuning(recipe_of(**given), say=said.append), "\n".join(said)


GOOD, BAD = [("she loved the lamp", "yes")], [("she hated the lamp", "no")]


def test_balance_duplicates_and_labels_that_cannot_be_learned(recipe_of, tmp_path):
    objective, said = objective_of(
        recipe_of, tmp_path, 3 * GOOD + BAD + [("She  loved the lamp", "no")], GOOD + [("tom", "maybe")])
    assert "labels      yes 3 (60%), no 2 (40%)" in said
    assert "note        1 of the examples to learn from occur with different labels" in said
    assert "note        1 of 2 held-out examples are also among those to learn from" in said
    assert "note        the label 'maybe' occurs among the held-out examples only (1)" in said
    assert objective.labels == ["maybe", "no", "yes"]
    assert objective.baselines["majority"].accuracy == 0.5


def test_long_texts_are_cut_and_it_is_said(recipe_of, tmp_path):
    long = [("she loved the lamp " * 9, "yes")]
    _, said = objective_of(recipe_of, tmp_path, GOOD + BAD + long, GOOD)
    assert "note        1 of 3 texts have more than 24 tokens: the end is cut off" in said


def test_one_label_and_labels_that_are_none(recipe_of, tmp_path):
    with pytest.raises(LabelledError, match="has one label only, 'yes': give examples of two"):
        objective_of(recipe_of, tmp_path, 3 * GOOD, GOOD)
    with pytest.raises(LabelledError, match="has 12 labels in 12 examples, as if they were numbers or names"):
        objective_of(recipe_of, tmp_path, [(f"tom {k}", str(k)) for k in range(12)], GOOD)


def test_numbers_are_in_order_of_size(recipe_of, tmp_path):
    objective, _ = objective_of(recipe_of, tmp_path, [("a", "10"), ("b", "9"), ("c", "x")], GOOD)
    assert objective.labels == ["9", "10", "x", "yes"]


def test_a_tenth_is_held_out_and_equal_texts_stay_together(recipe_of, tmp_path):
    rows = [(f"tom saw {k % 20} lamps", "yes" if k % 2 else "no") for k in range(60)]
    objective, said = objective_of(recipe_of, tmp_path, rows)
    training, held_out = ({example.text for example in examples}
                          for examples in (objective.training, objective.held_out_examples))
    assert not training & held_out and len(objective.held_out_examples) == 6
    path = tmp_path / "train.tsv"
    assert f"54 to learn from, 6 held out: of {path}, equal ones together; --dev FILE gives others" in said
    with pytest.raises(LabelledError, match="holds 5 examples, all alike, so none can be held out: give"):
        objective_of(recipe_of, tmp_path, 5 * GOOD)
    with pytest.raises(LabelledError, match="holds one example, so none can be held out: give others, too"):
        objective_of(recipe_of, tmp_path, GOOD)
