"""Runs: the same bits every time, the log, and clear errors when a run cannot go on."""

import json
import os

import numpy as np
import pytest
from helpers import contents, sampled
from runs import begin, resume, training_of

from minibert.files import read_tensors, write_tensors
from minibert.models.bert import BertForPreTraining
from minibert.text.corpora import CorpusError
from minibert.text.tokenizer import WordPieceTokenizer
from minibert.training import checkpoint, interrupts
from minibert.training import run as runs
from minibert.training.log import read_log
from minibert.training.run import RunError
from minibert.training.step import Training


@pytest.fixture(scope="module", autouse=True)
def quick(finished_run):
    """Runs without the picture and without waiting for the disk: the finished run was done with both."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("minibert.plots.save", lambda *arguments: None)
        patch.setattr("os.fsync", lambda handle: None)
        yield


# --- the same bits every time ---


@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_recipe_gives_the_same_bits(tiny_recipe, tmp_path, threads):
    for name in ("a", "b"):
        begin(tmp_path / name, tiny_recipe(threads=threads))
    a, b = contents(tmp_path / "a"), contents(tmp_path / "b")
    assert a.keys() == b.keys()
    assert {
        "log.jsonl",
        "run.json",
        "model.safetensors",
        "checkpoint-000020/optimizer.safetensors",
    } <= a.keys()
    assert [name for name in a if a[name] != b[name]] == []


def test_another_seed_gives_other_weights(tiny_recipe, finished_run, tmp_path):
    begin(tmp_path / "run", tiny_recipe(seed=1))
    assert contents(tmp_path / "run")["model.safetensors"] != contents(finished_run)["model.safetensors"]


def test_every_step_draws_its_dropout_anew(tiny_recipe, monkeypatch):
    seeds = []
    run = training_of(tiny_recipe())

    def forward(batch, state, seed, original=run.workers.forward):
        seeds.append(tuple(seed))
        return original(batch, state, seed)

    monkeypatch.setattr(run.workers, "forward", forward)
    for step in (0, 1, 2):
        run.step(step)
    assert len(set(seeds)) == 3


def test_minutes_become_steps_once(tiny_recipe, tmp_path):
    """Trial steps leave no trace: a run by --minutes equals the run of that many --steps."""
    planned = tiny_recipe(num_steps=0)
    _, training = begin(tmp_path / "minutes", planned, minutes=1e-6)
    assert (planned.num_steps, training.recipe.num_steps) == (0, 20)  # the least that is trained
    begin(tmp_path / "steps", tiny_recipe(num_steps=20))
    assert contents(tmp_path / "minutes") == contents(tmp_path / "steps")


# --- interrupted and resumed ---


class Killed(BaseException):
    """Stands for kill -9: nothing catches it."""


@pytest.fixture
def kill_at_step(monkeypatch):
    """A function that has the next run end at that step, before anything of it is done."""

    def kill_at(number):
        def step(run, step, original=Training.step):
            if step == number:
                raise Killed
            return original(run, step)

        monkeypatch.setattr(Training, "step", step)

    yield kill_at


@pytest.mark.parametrize("step", sampled([1, 0, 7, 8, 19], every=3))
def test_resuming_gives_the_bits_of_an_uninterrupted_run(
    tiny_recipe, finished_run, tmp_path, kill_at_step, monkeypatch, step
):
    kill_at_step(step)
    with pytest.raises(Killed):
        begin(tmp_path, tiny_recipe())
    monkeypatch.undo()
    assert checkpoint.checkpoints(tmp_path)[-1][0] == step - step % 2  # one every second step
    resume(tmp_path)
    assert contents(tmp_path) == contents(finished_run)


def test_a_kill_while_a_checkpoint_is_written_is_survived(
    tiny_recipe, finished_run, tmp_path, kill_at_step, monkeypatch
):
    kill_at_step(10)
    with pytest.raises(Killed):
        begin(tmp_path, tiny_recipe())
    monkeypatch.undo()
    for name in (".checkpoint-000012.tmp", ".checkpoint-000011.tmp"):  # one at its time, one after Ctrl-C
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_bytes(b"half of")
    with open(tmp_path / "log.jsonl", "a", encoding="utf-8") as log:
        log.write('{"step": 11, "loss": 9.9}\n{"step": 12, "lo')
    resume(tmp_path)
    assert contents(tmp_path) == contents(finished_run)  # and so the .tmp folders are gone


def test_a_kill_before_the_old_checkpoint_is_removed_is_survived(
    tiny_recipe, finished_run, tmp_path, monkeypatch
):
    def remove(folder, original=checkpoint.remove):
        if folder.name == ".checkpoint-000008.tmp" and folder.exists():
            (folder / "model.safetensors").unlink()  # half removed
            raise Killed
        original(folder)

    monkeypatch.setattr(checkpoint, "remove", remove)
    with pytest.raises(Killed):
        begin(tmp_path, tiny_recipe())
    monkeypatch.undo()
    assert [step for step, _ in checkpoint.checkpoints(tmp_path)] == [10]
    assert (tmp_path / ".checkpoint-000008.tmp").is_dir()
    resume(tmp_path)
    assert contents(tmp_path) == contents(finished_run)


@pytest.mark.parametrize("function", ["run.write_json", "checkpoint.save_model"])
def test_a_kill_after_the_last_step_or_before_the_first_is_survived(
    tiny_recipe, finished_run, tmp_path, monkeypatch, function
):
    """write_json writes run.json, the last thing before the first step; save_model the finished model."""
    module_name, name = function.split(".")
    module = {"run": runs, "checkpoint": checkpoint}[module_name]

    def kill(path, *arguments, original=getattr(module, name)):
        if path in (tmp_path / "run.json", tmp_path):
            raise Killed
        original(path, *arguments)

    monkeypatch.setattr(module, name, kill)
    with pytest.raises(Killed):
        begin(tmp_path, tiny_recipe())
    monkeypatch.undo()
    if (tmp_path / "run.json").exists():
        resume(tmp_path)
    else:
        begin(tmp_path, tiny_recipe())
    assert contents(tmp_path) == contents(finished_run)


def test_a_run_of_an_earlier_version_goes_on(tiny_recipe, finished_run, tmp_path, kill_at_step, monkeypatch):
    """run.json was the recipe itself, and the decoder's bias had another name."""
    kill_at_step(13)
    with pytest.raises(Killed):
        begin(tmp_path, tiny_recipe())
    monkeypatch.undo()
    record = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    for name in ("recipe", "optimizer", "muon_learning_rate", "embedding_start"):
        del record["recipe"][name]  # there was AdamW, from random weights
    older = {**record["recipe"], "fingerprint": record["fingerprint"], "versions": record["versions"]}
    (tmp_path / "run.json").write_text(json.dumps(older), encoding="utf-8")
    (tmp_path / "checkpoint-000012" / "checkpoint.json").unlink()
    path = tmp_path / "checkpoint-000012" / "optimizer.safetensors"
    moments = {
        name.replace("mlm_head.decoder.bias", "mlm_head.decoder_bias"): array
        for name, array in read_tensors(path).items()
    }
    assert "first_moment.mlm_head.decoder_bias" in moments
    write_tensors(path, moments)
    resume(tmp_path)
    ours, whole = contents(tmp_path), contents(finished_run)
    assert {name for name in whole if ours[name] != whole[name]} == {
        "run.json", "checkpoint-000020/checkpoint.json",
    }


def test_muon_and_word2vec_are_resumed_bit_for_bit(tiny_recipe, tmp_path, kill_at_step, monkeypatch):
    """The momentum of Muon is in the checkpoint; Word2Vec is part of the start, and not of a resumed run."""
    recipe = tiny_recipe(optimizer="muon", embedding_start="word2vec", threads=2)
    begin(tmp_path / "whole", recipe)
    kill_at_step(7)
    with pytest.raises(Killed):
        begin(tmp_path / "killed", recipe)
    monkeypatch.undo()
    monkeypatch.setattr("minibert.objectives.masked_lm.word2vec_rows", None)
    resume(tmp_path / "killed")
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    record = json.loads((tmp_path / "killed" / "run.json").read_text(encoding="utf-8"))["recipe"]
    assert (record["optimizer"], record["embedding_start"]) == ("muon", "word2vec")


def test_resuming_a_finished_run_changes_nothing(finished_run, tmp_path, copy_of):
    copy = copy_of(finished_run)
    evaluation, _ = resume(copy)
    assert contents(copy) == contents(finished_run)
    assert evaluation._asdict() == read_log(copy / "log.jsonl")[-1]["held_out"]


# --- evaluation ---


def test_evaluation_does_not_depend_on_the_threads_nor_change_the_model(tiny_recipe):
    evaluations = set()
    for threads in (1, 2, 3):
        run = training_of(tiny_recipe(threads=threads))
        before = {name: p.value.copy() for name, p in run.model.parameters().items()}
        evaluations |= {run.evaluate()[:4], run.evaluate()[:4]}
        assert all(np.array_equal(before[name], p.value) for name, p in run.model.parameters().items())
    assert len(evaluations) == 1


# --- the log ---


def test_the_log(finished_run):
    log = read_log(finished_run / "log.jsonl")
    assert log[0].keys() == {"step", "held_out", "baselines"} and log[0]["step"] == 0
    steps = [line for line in log[1:] if "loss" in line]
    assert [line["step"] for line in steps] == list(range(1, 21))
    for line in steps:  # and nothing else: no time, no speed
        assert line.keys() == {
            "step",
            "tokens",
            "loss",
            "mlm_loss",
            "nsp_loss",
            "learning_rate",
            "gradient_norm",
        }
        assert line["loss"] == pytest.approx(line["mlm_loss"] + line["nsp_loss"], rel=1e-6)
    rates = [line["learning_rate"] for line in steps]
    assert rates[:4] == [1e-3, 2e-3, 2e-3, 2e-3 * 17 / 18] and rates[-1] == pytest.approx(2e-3 / 18)
    evaluated = [line for line in log[1:] if "held_out" in line]
    assert [line["step"] for line in evaluated] == list(range(2, 21, 2))
    assert all(line.keys() == {"step", "held_out"} for line in evaluated)
    assert len(log) == 1 + len(steps) + len(evaluated)


def test_what_a_finished_run_leaves(finished_run):
    names = {path.name for path in finished_run.iterdir()}
    assert names == {
        "run.json",
        "log.jsonl",
        "loss.png",
        "config.json",
        "model.safetensors",
        "vocab.txt",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "unigram.safetensors",
        "checkpoint-000020",
    }
    final, last = (
        BertForPreTraining.from_pretrained(folder)
        for folder in (finished_run, finished_run / "checkpoint-000020")
    )
    for ours, theirs in zip(final.parameters().values(), last.parameters().values()):
        assert np.array_equal(ours.value, theirs.value)
    record = json.loads((finished_run / "run.json").read_text(encoding="utf-8"))
    assert record["objective"] == "bert" and record["recipe"]["num_steps"] == 20
    assert len(record["fingerprint"]) == 12 and "numpy" in record["versions"]


def test_the_log_is_on_disk_before_its_checkpoint(tiny_recipe, tmp_path, monkeypatch):
    flushed, seen = [], []

    def save_checkpoint(directory, step, training, run):
        log = directory / "log.jsonl"
        assert read_log(log)[-1]["step"] == step
        assert step == 0 or flushed[-1] == log.stat().st_ino
        seen.append(step)

    monkeypatch.setattr("os.fsync", lambda handle: flushed.append(os.fstat(handle).st_ino))
    monkeypatch.setattr(checkpoint, "save_checkpoint", save_checkpoint)
    monkeypatch.setattr(checkpoint, "checkpoints", lambda directory: [(0, directory)])
    begin(tmp_path, tiny_recipe(num_steps=6))
    assert seen == [0, 1, 2, 3, 4, 5, 6]


def test_read_log_stops_at_a_line_that_was_cut_off(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n{"st', encoding="utf-8")
    assert read_log(path) == [{"step": 1}, {"step": 2}]


# --- losses that are not finite ---


def assert_finite_checkpoint(directory, step):
    [(found, folder)] = checkpoint.checkpoints(directory)
    assert found == step
    for parameter in BertForPreTraining.from_pretrained(folder).parameters().values():
        assert np.isfinite(parameter.value).all()
    assert not (directory / "model.safetensors").exists()
    assert not list(directory.glob(".checkpoint-*"))


@pytest.mark.filterwarnings("error::RuntimeWarning")  # no warnings of NumPy's before our message
@pytest.mark.parametrize("learning_rate, name", [(1e30, "cache."), (1e39, "bert.")])
def test_a_rate_that_is_far_too_high(tiny_recipe, tmp_path, learning_rate, name):
    with pytest.raises(FloatingPointError) as error:
        begin(tmp_path, tiny_recipe(learning_rate=learning_rate))
    message = str(error.value)
    assert message.startswith("step ") and f"the first array that is not finite is {name}" in message
    assert f"last good checkpoint is {tmp_path / 'checkpoint-'}" in message and "--learning-rate" in message
    assert_finite_checkpoint(tmp_path, 0)


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("bad_step, kept", sampled([(8, 6), (7, 6), (20, 18)], every=2))
def test_a_bad_update_never_gets_into_a_checkpoint(tiny_recipe, tmp_path, monkeypatch, bad_step, kept):
    """Right before a checkpoint, before a step, and in the last step."""

    def step(run, step, original=Training.step):
        line = original(run, step)
        if step + 1 == bad_step:
            run.model.parameters()["bert.pooler.dense.weight"].value[1, 2] = np.inf
        return line

    monkeypatch.setattr(Training, "step", step)
    with pytest.raises(
        FloatingPointError, match=r"bert\.pooler\.dense\.weight.*last good checkpoint is .*checkpoint-0000"
    ):
        begin(tmp_path, tiny_recipe())
    assert_finite_checkpoint(tmp_path, kept)


def test_a_held_out_loss_that_is_not_finite_ends_the_run(tiny_recipe, tmp_path, monkeypatch):
    def step(run, step, original=Training.step):
        line = original(run, step)
        if step + 1 == 8:
            run.model.bert.encoder[1].attention.key.weight.value[...] = (
                3e38  # finite, but what is computed with it is not
            )
        return line

    monkeypatch.setattr(Training, "step", step)
    with pytest.raises(FloatingPointError, match=r"step 8: .*cache\.bert\.encoder\[1\]\.attention"):
        begin(tmp_path, tiny_recipe())
    assert_finite_checkpoint(tmp_path, 6)


def test_a_bad_update_before_an_interrupt_never_gets_into_a_checkpoint(tiny_recipe, tmp_path, monkeypatch):
    def step(run, step, original=Training.step):
        line = original(run, step)
        if step + 1 == 7:
            run.model.parameters()["nsp_head.bias"].value[...] = np.nan
            monkeypatch.setattr(interrupts.Interrupt, "requested", True, raising=False)
        return line

    monkeypatch.setattr(interrupts.Interrupt, "__enter__", lambda self: self)
    monkeypatch.setattr(interrupts.Interrupt, "__exit__", lambda self, *exception: None)
    monkeypatch.setattr(interrupts.Interrupt, "requested", False, raising=False)
    monkeypatch.setattr(Training, "step", step)
    with pytest.raises(FloatingPointError, match="step 7: .*nsp_head.bias"):
        begin(tmp_path, tiny_recipe())
    assert_finite_checkpoint(tmp_path, 6)


@pytest.fixture(scope="module")
def run(tiny_recipe):
    return training_of(tiny_recipe(threads=2))


def test_a_gradient_that_is_not_finite_is_named_and_changes_nothing(run, monkeypatch):
    def backward(caches, original=run.workers.backward):
        original(caches)
        run.model.parameters()["mlm_head.dense.bias"].grad[3] = np.inf
        run.model.parameters()["bert.embeddings.token.weight"].grad[3] = np.nan  # further from the loss

    before = {name: p.value.copy() for name, p in run.model.parameters().items()}
    monkeypatch.setattr(run.workers, "backward", backward)
    with pytest.raises(FloatingPointError, match="mlm_head.dense.bias"):
        run.step(0)
    assert all(np.array_equal(before[name], p.value) for name, p in run.model.parameters().items())


def test_trial_steps_that_blow_up_say_what_to_do(tiny_recipe, tmp_path):
    with pytest.raises(FloatingPointError, match="trial step .*--learning-rate"):
        begin(tmp_path / "run", tiny_recipe(num_steps=0, learning_rate=1e30), minutes=0.01)
    assert not (tmp_path / "run").exists()


# --- disk trouble ---


def full_disk(*arguments):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("broken", ["write_tensors", "flush"])
def test_a_checkpoint_that_cannot_be_written_leaves_the_last_one(
    tiny_recipe, finished_run, tmp_path, monkeypatch, broken
):
    def step(run, step, original=Training.step):
        if step == 13:
            monkeypatch.setattr(checkpoint, broken, full_disk)
        return original(run, step)

    monkeypatch.setattr(Training, "step", step)
    with pytest.raises(RunError, match="No space left on device.*checkpoint-000012.*--resume"):
        begin(tmp_path, tiny_recipe())
    assert [step for step, _ in checkpoint.checkpoints(tmp_path)] == [12]
    monkeypatch.undo()
    resume(tmp_path)
    assert contents(tmp_path) == contents(finished_run)


def test_a_finished_model_that_cannot_be_written_is_written_on_resume(
    tiny_recipe, finished_run, tmp_path, monkeypatch
):
    def save_model(directory, *arguments, original=checkpoint.save_model):
        if directory == tmp_path:
            full_disk()
        original(directory, *arguments)

    monkeypatch.setattr(checkpoint, "save_model", save_model)
    with pytest.raises(RunError, match="No space left on device.*checkpoint-000020.*--resume"):
        begin(tmp_path, tiny_recipe())
    monkeypatch.undo()
    resume(tmp_path)
    assert contents(tmp_path) == contents(finished_run)


# --- runs that cannot be started or resumed ---


@pytest.fixture
def copy_of(tmp_path):
    """A function that copies a run's directory, so that it can be changed."""
    import shutil

    return lambda directory: shutil.copytree(directory, tmp_path / "copy")


def test_a_directory_with_a_run_or_a_model_is_left_alone(tiny_recipe, finished_run, copy_of):
    copy = copy_of(finished_run)
    before = contents(copy)
    with pytest.raises(RunError, match="holds a finished run: choose another"):
        begin(copy, tiny_recipe())
    (copy / "run.json").rename(copy / "hidden.json")
    with pytest.raises(RunError, match="holds a model already: choose another"):
        begin(copy, tiny_recipe())
    (copy / "hidden.json").rename(copy / "run.json")
    (copy / "config.json").unlink()
    with pytest.raises(RunError, match="holds a run already: add --resume.*choose another"):
        begin(copy, tiny_recipe())
    (copy / "run.json").unlink()
    (copy / "model.safetensors").unlink()
    (copy / "log.jsonl").unlink()
    with pytest.raises(RunError, match="holds checkpoint-000020, which a run would write or remove: choose"):
        begin(copy, tiny_recipe())
    removed = {"run.json", "config.json", "model.safetensors", "log.jsonl"}
    assert contents(copy) == {name: content for name, content in before.items() if name not in removed}


def test_an_output_that_cannot_be_written(tiny_recipe, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(RunError, match="file is a file"):
        begin(tmp_path / "file", tiny_recipe())
    with pytest.raises(RunError, match="cannot write to the output directory .*below"):
        begin(tmp_path / "file" / "below", tiny_recipe())


def test_a_corpus_that_fails_leaves_no_directory(tiny_recipe, tmp_path):
    with pytest.raises(CorpusError, match="does not exist"):
        begin(tmp_path / "run", tiny_recipe(corpus=[str(tmp_path / "none")]))
    assert list(tmp_path.iterdir()) == []


def test_there_is_no_run_to_resume(tmp_path, finished_run, copy_of):
    for directory in (tmp_path / "none", tmp_path):
        with pytest.raises(RunError, match="no run to resume.*without --resume"):
            resume(directory)
    copy = copy_of(finished_run)
    (copy / "log.jsonl").unlink()
    with pytest.raises(RunError, match="no run to resume.*log.jsonl"):
        resume(copy)


@pytest.mark.parametrize(
    "content, message",
    [
        ("{", "run.json is not valid JSON"),
        ("[1]", "must hold a JSON object"),
        ('{"corpus": [], "colour": 1}', "another version.*colour"),
        ("\x80", "run.json is not valid JSON"),
    ],
)
def test_a_run_json_that_is_broken(finished_run, copy_of, content, message):
    copy = copy_of(finished_run)
    (copy / "run.json").write_text(content, encoding="latin-1")
    with pytest.raises(ValueError, match=message):
        resume(copy)


def test_a_corpus_that_has_changed(tiny_recipe, tmp_path, corpus):
    mine = tmp_path / "mine.txt"
    mine.write_bytes(corpus.read_bytes())
    begin(tmp_path / "run", tiny_recipe(corpus=[str(mine)], num_steps=2))
    mine.write_bytes(corpus.read_bytes().replace(b"dog", b"fox"))
    before = contents(tmp_path / "run")
    with pytest.raises(RunError, match="corpus has changed since this run began.*start a new one"):
        resume(tmp_path / "run")
    assert contents(tmp_path / "run") == before


@pytest.mark.parametrize(
    "name, damage, message",
    [
        ("vocab.txt", None, "vocab.txt"),
        ("model.safetensors", None, "model.safetensors does not exist"),
        ("model.safetensors", 1000, "model.safetensors cannot be read"),
        (
            "optimizer.safetensors",
            None,
            "optimizer.safetensors does not exist: the checkpoint is incomplete$",
        ),
        ("optimizer.safetensors", 1000, "optimizer.safetensors cannot be read"),
        ("config.json", 30, "config.json is not valid JSON"),
    ],
)
def test_a_checkpoint_that_is_damaged(finished_run, copy_of, name, damage, message):
    copy = copy_of(finished_run)
    path = copy / "checkpoint-000020" / name
    content = path.read_bytes()
    path.unlink()
    if damage is not None:
        path.write_bytes(content[:damage])
    with pytest.raises(ValueError, match=message):
        resume(copy)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"num_hidden_layers": 1}, "num_hidden_layers is 2, and 1 by the recipe"),
        ({"num_hidden_layers": 3}, "num_hidden_layers is 2, and 3 by the recipe"),
        ({"hidden_size": 24}, "hidden_size is 12, and 24 by the recipe"),
        ({"seq_length": 15}, "max_position_embeddings is 16, and 15 by the recipe"),
    ],
)
def test_a_checkpoint_of_another_model(finished_run, copy_of, changes, message):
    copy = copy_of(finished_run)
    record = json.loads((copy / "run.json").read_text(encoding="utf-8"))
    record["recipe"] |= changes
    (copy / "run.json").write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(checkpoint.CheckpointError, match=f"does not fit run.json: {message}"):
        resume(copy)


def test_optimizer_moments_of_another_model(finished_run, copy_of, tiny_recipe, tmp_path):
    copy = copy_of(finished_run)
    begin(tmp_path / "other", tiny_recipe(num_hidden_layers=1, num_steps=2))
    other = tmp_path / "other" / "checkpoint-000002"
    (other / "optimizer.safetensors").replace(copy / "checkpoint-000020" / "optimizer.safetensors")
    with pytest.raises(checkpoint.CheckpointError, match=r"does not fit this model.*encoder\.1"):
        resume(copy)


def test_hidden_size_must_be_divisible_by_heads(tiny_recipe, tmp_path):
    with pytest.raises(ValueError, match="hidden_size 13 is not divisible by num_attention_heads 3"):
        begin(tmp_path / "run", tiny_recipe(hidden_size=13))


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"seq_length": 4}, "seq_length 4 has no room.*give 5 or more"),
        ({"vocab_size": 10}, "vocab_size 10 is too small.*at least"),
        ({"seed": -1}, "seed -1 is negative"),
        ({"dropout": 1.0}, "hidden_dropout_prob must be at least 0 and below 1"),
    ],
)
def test_a_recipe_that_cannot_work(tiny_recipe, tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        begin(tmp_path / "run", tiny_recipe(**changes))
    assert not (tmp_path / "run").exists()


def test_a_note_when_versions_have_changed(finished_run, copy_of):
    copy = copy_of(finished_run)
    recipe = json.loads((copy / "run.json").read_text(encoding="utf-8"))
    recipe["versions"]["numpy"] = "1.0"
    (copy / "run.json").write_text(json.dumps(recipe), encoding="utf-8")
    lines = []
    resume(copy, lines.append)
    assert any("'numpy': '1.0'" in line and "may differ" in line for line in lines)


def test_the_vocabulary_of_a_resumed_run_is_not_learned_anew(finished_run, copy_of, monkeypatch):
    def train(*arguments):
        raise AssertionError("learned anew")

    monkeypatch.setattr(WordPieceTokenizer, "train", train)
    resume(copy_of(finished_run))
