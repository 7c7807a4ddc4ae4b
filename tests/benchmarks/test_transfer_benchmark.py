"""`minibert bench transfer`: a tiny grid, its file, and every system on every kind of task."""

import argparse
import functools
import json
import pathlib
import types

import numpy as np
import pytest

import minibert as mb
from minibert.benchmarks import transfer
from minibert.benchmarks.transfer import examples, gpt, pretrained, systems
from minibert.text.examples.labelled import Row, TextBatch

limits_of = functools.cache(transfer.limits_of)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Few examples, and two epochs."""
    for name, number in (("MOST_LABELS", 40), ("NUM_DEV", 20), ("NUM_TEST", 30)):
        monkeypatch.setattr(examples, name, number)
    monkeypatch.setattr(transfer, "NUM_TEXTS", 24)
    monkeypatch.setattr(systems, "num_epochs", lambda num_labels: 2)
    monkeypatch.setattr(transfer, "limits_of", limits_of)


@pytest.fixture
def run(tmp_path):
    """A function that runs the benchmark with options; returns its result and the lines that it said."""
    def measure(*given, file="t.jsonl"):
        parser, said = argparse.ArgumentParser(), []
        transfer.add_options(parser)
        options = parser.parse_args([*map(str, given), "--points", str(tmp_path / file)])
        return transfer.measure(options, said.append), said

    return measure


CHEAP = ("--systems", "majority", "bag-of-words", "--tasks", "sense", "entities", "--labels", 12, 5)


def test_a_grid_is_a_line_a_point_and_is_not_computed_twice(run, tmp_path):
    result, said = run(*CHEAP, "--seeds", 2)
    file = tmp_path / "t.jsonl"
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert len(lines) == 2 * 2 * (2 + 6 + 2)  # tasks, labels; majority; settings and seeds of the bag
    assert {line["seed"] for line in lines} == {0, 1, transfer.TUNING_SEED}
    [row] = [row for row in result["rows"]
             if (row["task"], row["system"], row["labels"]) == ("sense", "bag-of-words", 12)]
    found = [line["accuracy"] for line in lines
             if line["seed"] < 2 and (line["task"], line["system"], line["labels"]) == (
                 "sense", "bag-of-words", 12)]
    assert (row["seeds"], row["lowest"], row["highest"]) == (2, min(found), max(found))
    assert row["mean"] == pytest.approx(np.mean(found), abs=1e-4)
    cell = f"{row['mean']:.3f} ({row['lowest']:.3f}-{row['highest']:.3f})"
    assert any(line.startswith("bag-of-words") and line.endswith(cell) for line in said)
    assert any(line.startswith("sense: the best possible 0.864") for line in said)
    before = file.read_bytes()
    again, said_again = run(*CHEAP, "--seeds", 2)
    assert (again, file.read_bytes()) == (result, before)
    assert said_again == [line for line in said if "seed " not in line]
    third, _ = run(*CHEAP, "--seeds", 3)
    assert {row["seeds"] for row in third["rows"]} == {3}
    assert file.read_bytes().startswith(before)


def test_a_name_given_twice_is_a_row_once(run):
    twice = ("--systems", "majority", "majority", "--tasks", "sense", "sense", "--labels", 5, 5, "--seeds", 1)
    result, _ = run(*twice)
    assert len(result["rows"]) == 1


def test_show_computes_nothing(run, tmp_path):
    result, said = run(*CHEAP, "--show")
    assert result["rows"] == [] and said == [f"There are no such points in {tmp_path / 't.jsonl'}."]
    assert not (tmp_path / "t.jsonl").exists()
    with pytest.raises(ValueError, match="there is nothing to draw: .*t.jsonl has no such points"):
        run(*CHEAP, "--show", "--picture", "p.png")


def test_a_file_that_cannot_be_written_is_found_before_the_first_point(run, tmp_path, monkeypatch):
    one = ("--systems", "majority", "--tasks", "sense", "--labels", 5, "--seeds", 1)
    result, _ = run(*one, file="new/folder/t.jsonl")
    assert len(result["rows"]) == 1 and (tmp_path / "new" / "folder" / "t.jsonl").is_file()
    monkeypatch.setattr(systems.Majority, "accuracy", None)  # nothing is computed from here on
    for more in ((), ("--show",)):
        with pytest.raises(ValueError, match="new is a folder: give --points a file"):
            run(*one, *more, file="new")
    (tmp_path / "file").write_text("mine", "utf-8")
    with pytest.raises(OSError):
        run(*one, file="file/t.jsonl")
    assert (tmp_path / "file").read_text("utf-8") == "mine"


def test_the_setting_is_the_best_on_the_dev_examples_and_from_few_labels(run, tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "MOST_TUNED", 5)
    run("--systems", "bag-of-words", "--tasks", "sense", "--labels", 20, "--seeds", 1)
    *tried, last = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text("utf-8").splitlines()]
    assert [(line["labels"], line["seed"]) for line in tried] == [(5, transfer.TUNING_SEED)] * 6
    best = max(tried, key=lambda line: line["accuracy"])
    assert (last["labels"], last["seed"], last["setting"]) == (20, 0, best["setting"])


def point(seed=0, **changes):
    return {"task": "sense", "system": "majority", "labels": 5, "seed": seed, "setting": None,
            "accuracy": 0.5, "seconds": 0.1, **changes}


def test_a_line_that_was_cut_off_is_dropped(tmp_path):
    file, said = tmp_path / "p.jsonl", []
    whole = "".join(json.dumps(point(seed)) + "\n" for seed in (0, 1))
    file.write_text(whole + '{"task": "sen', "utf-8")
    known = transfer.stored(file, said.append)
    assert len(known.found) == 2 and file.read_text("utf-8") == whole + '{"task": "sen'  # untouched
    assert said == [f"note  the last line of {file} is cut off, as by a run that was stopped: it does not "
                    "count, and its point is computed again"]
    known.make_writable()
    assert file.read_text("utf-8") == whole
    file.write_text(whole.rstrip("\n"), "utf-8")  # only the line end is missing
    known = transfer.stored(file, said.append)
    known.add(point(2))
    assert len(known.found) == 3 and file.read_text("utf-8") == whole + json.dumps(point(2)) + "\n"
    assert len(said) == 1


@pytest.mark.parametrize("content, reason", [
    ("Dear diary,\nit rained.", "line 1 is not a point"),
    ("Dear diary", "the last line of"),
    (json.dumps(point()) + "\n[3]\n" + json.dumps(point(1)) + "\n", "line 2 is not a point"),
    (json.dumps({"task": "sense"}) + "\n", "line 1 is not a point"),
    (json.dumps({"task": "sense"}), "the last line of"),
    ('{"task": "paint the house', "the last line of"),
    (json.dumps(point(seed="0")) + "\n", "line 1 is not a point"),
    (json.dumps(point(accuracy=None)) + "\n", "line 1 is not a point"),
])
def test_another_file_is_refused_and_left_alone(tmp_path, content, reason):
    file = tmp_path / "p.jsonl"
    file.write_text(content, "utf-8")
    with pytest.raises(ValueError, match=reason):
        transfer.stored(file, print)
    assert file.read_text("utf-8") == content


def test_labels_out_of_range_are_refused(run, capsys):
    for number in (2, 5001):
        with pytest.raises(SystemExit):
            run("--labels", number)
        assert f"expected 3 to 5000 labels, got {number}" in capsys.readouterr().err


def test_no_seed_learns_from_the_sentences_that_judge(run, tmp_path, capsys):
    with pytest.raises(SystemExit):
        run("--show", "--seeds", 101)
    assert "expected 100 seeds at most, got 101" in capsys.readouterr().err
    run("--show", "--seeds", 100)
    files = examples.Files(tmp_path)
    for seed, judging in ((100, files.dev("sense")), (101, files.test("sense"))):
        learning, judging = (
            set(pathlib.Path(path).read_text("utf-8").splitlines())
            for path in (files.training("sense", 40, seed), judging))
        assert judging <= learning  # so they are no seeds of the benchmark


@pytest.mark.parametrize("task", ["sense", "entities"])
def test_the_first_examples_have_every_label(task):
    found = examples.drawn(task, 40, 1)
    labels = [example.label if task == "entities" else (example.label,) for example in found]
    assert set().union(*labels[:3]) == set().union(*labels)
    assert sorted(map(str, found)) == sorted(map(str, examples.examples(examples.TOY, task, 40, 1)))
    assert found[3:] != examples.examples(examples.TOY, task, 40, 1)[3:]


def test_a_pretrained_model_is_made_once(tmp_path, monkeypatch):
    made, said = [], []
    monkeypatch.setattr(pretrained, "make", lambda name, seed, folder: made.append(name) or "fine")
    models = pretrained.Pretrained(tmp_path / "models", said.append)
    assert models.path("gpt", 3) == models.path("gpt", 3) == str(tmp_path / "models" / "gpt-3")
    assert made == ["gpt"] and said[0].startswith("pretrained gpt, seed 3: fine (")

    def fail(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(pretrained, "make", fail)
    with pytest.raises(KeyboardInterrupt):
        models.path("bert", 0)
    assert [folder.name for folder in (tmp_path / "models").iterdir()] == ["gpt-3"]


def test_two_commands_may_make_the_same_model(tmp_path, monkeypatch):
    def make_late(name, seed, folder):
        (tmp_path / "gpt-0").mkdir()
        (tmp_path / "gpt-0" / "model").write_text("theirs", "utf-8")
        return make_one(name, seed, folder)

    def make_one(name, seed, folder):
        (folder / "model").write_text("ours", "utf-8")
        return "fine"

    models = pretrained.Pretrained(tmp_path, pretrained.silent)
    monkeypatch.setattr(pretrained, "make", make_late)
    assert pathlib.Path(models.path("gpt", 0), "model").read_text("utf-8") == "theirs"
    monkeypatch.setattr(pretrained, "make", make_one)
    assert pathlib.Path(models.path("bert", 0), "model").read_text("utf-8") == "ours"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bert-0", "gpt-0"]
    (tmp_path / "usual").mkdir()
    assert (tmp_path / "bert-0").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_gpt_is_asked_for_the_label_after_the_text():
    text, tags = [2, 9, 8, 3], Row([2, 9, 8, 3], [0] * 4, [-100, 1, 2, -100], 1)
    rows = gpt.AnsweredRows([Row(text, [0] * 4, 1, 0), tags, Row([2, 9, 3], [0] * 3, 0, 2)], TextBatch)
    batch = rows.of(rows.rows)
    assert batch.input_ids.tolist() == [[2, 9, 8, 3, 0], [2, 9, 8, 3, 0], [2, 9, 3, 0, 0]]
    assert batch.labels.tolist() == [
        [-100, -100, -100, -100, 1], [-100, -100, 1, 4, -100], [-100, -100, -100, 0, -100]]


def test_gpt_answers_with_a_label_of_the_task():
    logits = np.zeros((2, 6))
    logits[:, gpt.ANSWERS] = [[1, 2, 9], [2, 1, 9]]
    batch = gpt.NextBatch(None, np.array([[-100, -100, gpt.ANSWERS[1]], [-100, gpt.ANSWERS[1], -100]]))
    two = gpt.answer_scores(types.SimpleNamespace(logits=logits), batch, 2)
    assert two.predicted.tolist() == [1, 0] and two.labels.tolist() == [1, 1]
    assert np.allclose(two.losses, [np.log1p(np.exp(-1)), np.log1p(np.exp(1))])
    three = gpt.answer_scores(types.SimpleNamespace(logits=logits), batch, 3)
    assert three.predicted.tolist() == [2, 2] and three.labels.tolist() == [1, 1]


def make_new(name, seed, folder):
    """Write a small BERT or GPT that has learned nothing, in place of pretrained.make."""
    tokenizer = examples.TOY.tokenizer()
    sizes = {"vocab_size": tokenizer.vocab_size, "hidden_size": 16, "num_hidden_layers": 1,
             "num_attention_heads": 2, "max_position_embeddings": 25, "initializer_range": 0.1}
    if name == "gpt":
        model = mb.GPT2LMHeadModel(mb.GPT2Config(**sizes), seed)
    else:
        model = mb.BertForPreTraining(mb.BertConfig(**sizes, intermediate_size=32), seed)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def check_system(name, kind, folder, models):
    """Let a system learn a task of a kind, twice, from and on the same 20 examples."""
    task = next(task for task, its in examples.KINDS.items() if its == kind)
    files, system = examples.Files(folder), systems.SYSTEMS[name]
    train = files.training(task, 20, 0)
    work = systems.Work(kind, train, train, 20, files.training(task, 24, 0), 0,
                        pretrained.Pretrained(models, pretrained.silent))
    found = system.accuracy(work, system.settings[-1])
    assert 0 < found <= 1 and system.accuracy(work, system.settings[-1]) == found
    assert len(system.settings) in (1, 6)


@pytest.mark.parametrize("name, kind", [("bert-frozen", "pairs"), ("bert", "classify"), ("gpt", "tag")])
def test_a_system_learns(name, kind, tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "make", make_new)
    check_system(name, kind, tmp_path, tmp_path / "models")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """The folder of models that are pretrained for two steps."""
    return tmp_path_factory.mktemp("models")


@pytest.mark.exhaustive
@pytest.mark.parametrize("name, kind", [
    (name, kind) for name, system in systems.SYSTEMS.items() for kind in system.kinds
])
def test_every_system_on_every_kind_of_task(name, kind, tmp_path, models, monkeypatch):
    monkeypatch.setattr(pretrained, "NUM_DOCUMENTS", 1000)
    monkeypatch.setattr(pretrained, "EPOCHS", 1)
    for model, steps in pretrained.STEPS.items():
        monkeypatch.setitem(pretrained.STEPS, model, min(2, steps))
    check_system(name, kind, tmp_path, models)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["bert", "gpt"])
def test_who_is_fine_tuned_can_learn_20_labels_by_heart(name, tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "make", make_new)
    monkeypatch.setattr(systems, "num_epochs", lambda num_labels: 40)
    files, system = examples.Files(tmp_path), systems.SYSTEMS[name]
    train = files.training("acceptability", 20, 0)
    work = systems.Work("classify", train, train, 20, train, 0,
                        pretrained.Pretrained(tmp_path / "models", pretrained.silent))
    assert max(system.accuracy(work, setting) for setting in system.settings[-2:]) == 1


@pytest.mark.exhaustive
def test_masks_alone_leave_the_next_sentence_head_alone():
    recipe = pretrained.MaskedOnly.Recipe.of(["toy"], num_steps=4, batch_size=8, weight_decay=0.0)
    training = pretrained.trained(pretrained.MaskedOnly(recipe, say=pretrained.silent))
    fresh = training.objective.make_model().parameters()
    for name, parameter in training.model.parameters().items():
        is_same = np.array_equal(parameter.value, fresh[name].value)
        assert is_same == name.startswith(("nsp_head", "bert.pooler")), name


def test_the_picture_has_six_systems_at_most(tmp_path):
    from minibert import plots

    names = list(systems.SYSTEMS)
    rows = [{"task": "sense", "system": name, "labels": labels, "seeds": 1, "mean": 0.5, "lowest": 0.4,
             "highest": 0.7} for name in names for labels in (5, 20)]
    result = {"limits": {"sense": limits_of("sense")}, "rows": rows}
    panels, limits = transfer.pictured(result)
    assert list(panels["sense"]) == ["bag-of-words", "elmo", "ulmfit", "gpt", "bert", "bert-scratch"]
    assert set(transfer.PICTURED) == set(names) and limits == {"sense": pytest.approx(0.864, abs=1e-3)}
    few = {**result, "rows": rows[:4]}
    panels, limits = transfer.pictured(few)
    assert panels == {"sense": {name: [(5, 0.5, 0.4, 0.7), (20, 0.5, 0.4, 0.7)] for name in names[:2]}}
    [axes] = plots.accuracy_by_labels(panels, limits)
    assert len(axes.containers) == 2 and axes.get_lines()[-1].get_ydata()[0] == limits["sense"]
