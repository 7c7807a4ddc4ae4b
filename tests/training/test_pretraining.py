"""The training loop: the same bits every time, what is evaluated, what is logged, and clear errors when it cannot go on."""

import json
import math
import os
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

from minibert.models.bert import BertForPreTraining
from minibert.text.corpora import CorpusError, load_corpus, split_held_out
from minibert.text.examples import Batch
from minibert.text.tokenizer import BasicTokenizer, WordPieceTokenizer
from minibert.training import checkpoint, pretraining
from minibert.training.pretraining import Pretraining, RunError, pretrain, read_log


def quiet(line):
    pass


@pytest.fixture(scope="module", autouse=True)
def quick(finished_run):
    """Runs without the picture and without waiting for the disk: the finished run was done with both."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("minibert.plots.save", lambda *arguments: None)
        patch.setattr("os.fsync", lambda handle: None)
        yield


def contents(directory):
    """Return {relative path: bytes} of everything in a run's directory but the picture."""
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*") if path.is_file() and path.name != "loss.png"
    }  # fmt: skip


# --- the same bits every time ---

@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_recipe_gives_the_same_bits(tiny_recipe, tmp_path, threads):
    for name in ("a", "b"):
        pretrain(tmp_path / name, tiny_recipe(threads=threads), say=quiet)
    a, b = contents(tmp_path / "a"), contents(tmp_path / "b")
    assert a.keys() == b.keys()
    assert {"log.jsonl", "run.json", "model.safetensors", "checkpoint-000020/optimizer.safetensors"} <= a.keys()
    assert [name for name in a if a[name] != b[name]] == []


def test_another_seed_gives_other_weights(tiny_recipe, finished_run, tmp_path):
    pretrain(tmp_path / "run", tiny_recipe(seed=1), say=quiet)
    assert contents(tmp_path / "run")["model.safetensors"] != contents(finished_run)["model.safetensors"]


def test_every_step_draws_its_dropout_anew(tiny_recipe, monkeypatch):
    seeds = []
    run = Pretraining(tiny_recipe(), say=quiet)
    monkeypatch.setattr(run.workers, "forward_backward", lambda batch, seed: (seeds.append(tuple(seed)), 0.0, 0.0))
    for step in (0, 1, 2):
        run.step(step)
    assert len(set(seeds)) == 3


def test_minutes_become_steps_once(tiny_recipe, tmp_path):
    """Trial steps leave no trace: a run by --minutes equals the run of that many --steps."""
    planned = tiny_recipe(num_steps=0)
    pretrain(tmp_path / "minutes", planned, minutes=1e-6, say=quiet)
    assert planned.num_steps == 20  # the least that is trained
    pretrain(tmp_path / "steps", tiny_recipe(num_steps=20), say=quiet)
    assert contents(tmp_path / "minutes") == contents(tmp_path / "steps")


# --- interrupted and resumed ---

class Killed(BaseException):
    """Stands for kill -9: nothing catches it."""


@pytest.fixture
def kill_at_step(monkeypatch):
    """A function that has the next run end at that step, before anything of it is done."""
    def kill_at(number):
        def step(run, step, original=Pretraining.step):
            if step == number:
                raise Killed
            return original(run, step)

        monkeypatch.setattr(Pretraining, "step", step)

    yield kill_at


@pytest.mark.parametrize("step", [0, 1, 7, 8, 19])
def test_resuming_gives_the_bits_of_an_uninterrupted_run(tiny_recipe, finished_run, tmp_path, kill_at_step, monkeypatch, step):
    kill_at_step(step)
    with pytest.raises(Killed):
        pretrain(tmp_path, tiny_recipe(), say=quiet)
    monkeypatch.undo()
    assert checkpoint.checkpoints(tmp_path)[-1][0] == step - step % 2  # one every second step
    pretrain(tmp_path, resume=True, say=quiet)
    assert contents(tmp_path) == contents(finished_run)


def test_a_kill_while_a_checkpoint_is_written_is_survived(tiny_recipe, finished_run, tmp_path, kill_at_step, monkeypatch):
    kill_at_step(10)
    with pytest.raises(Killed):
        pretrain(tmp_path, tiny_recipe(), say=quiet)
    monkeypatch.undo()
    for name in (".checkpoint-000012.tmp", ".checkpoint-000011.tmp"):  # one at its time, one after Ctrl-C
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_bytes(b"half of")
    with open(tmp_path / "log.jsonl", "a", encoding="utf-8") as log:
        log.write('{"step": 11, "loss": 9.9}\n{"step": 12, "lo')
    pretrain(tmp_path, resume=True, say=quiet)
    assert contents(tmp_path) == contents(finished_run)  # and so the .tmp folders are gone


def test_a_kill_before_the_old_checkpoint_is_removed_is_survived(tiny_recipe, finished_run, tmp_path, monkeypatch):
    def remove(folder, original=checkpoint.remove):
        if folder.name == "checkpoint-000008" and folder.exists():
            (folder / "model.safetensors").unlink()  # half removed
            raise Killed
        original(folder)

    monkeypatch.setattr(checkpoint, "remove", remove)
    with pytest.raises(Killed):
        pretrain(tmp_path, tiny_recipe(), say=quiet)
    monkeypatch.undo()
    assert [step for step, _ in checkpoint.checkpoints(tmp_path)] == [8, 10]
    pretrain(tmp_path, resume=True, say=quiet)
    assert contents(tmp_path) == contents(finished_run)


@pytest.mark.parametrize("function", ["pretraining.write_json", "checkpoint.save_model"])
def test_a_kill_after_the_last_step_or_before_the_first_is_survived(tiny_recipe, finished_run, tmp_path, monkeypatch, function):
    """write_json writes run.json, the last thing before the first step; save_model the finished model."""
    module_name, name = function.split(".")
    module = {"pretraining": pretraining, "checkpoint": checkpoint}[module_name]

    def kill(path, *arguments, original=getattr(module, name)):
        if path in (tmp_path / "run.json", tmp_path):
            raise Killed
        original(path, *arguments)

    monkeypatch.setattr(module, name, kill)
    with pytest.raises(Killed):
        pretrain(tmp_path, tiny_recipe(), say=quiet)
    monkeypatch.undo()
    started = (tmp_path / "run.json").exists()
    pretrain(tmp_path, None if started else tiny_recipe(), resume=started, say=quiet)
    assert contents(tmp_path) == contents(finished_run)


def test_resuming_a_finished_run_changes_nothing(finished_run, tmp_path, copy_of):
    copy = copy_of(finished_run)
    evaluation, _ = pretrain(copy, resume=True, say=quiet)
    assert contents(copy) == contents(finished_run)
    assert evaluation._asdict() == read_log(copy / "log.jsonl")[-1]["held_out"]


# --- evaluation ---

@pytest.fixture(scope="module")
def run(tiny_recipe):
    return Pretraining(tiny_recipe(threads=2), say=quiet)


def test_evaluation_is_the_plain_mean_over_all_held_out_examples(run, monkeypatch):
    for parameter in run.model.parameters().values():  # so that not all predictions are alike
        parameter.value += np.random.default_rng(0).normal(0, 0.3, parameter.value.shape).astype(np.float32)
    # Batches of different sizes: the mean over examples is not the mean of the batches' means.
    parts = (slice(0, 1), slice(1, 3), slice(3, None))
    pieces = [Batch(*(array[part] for array in batch)) for batch in run.held_out for part in parts]
    monkeypatch.setattr(run, "held_out", [piece for piece in pieces if len(piece.input_ids)])
    assert len({len(batch.input_ids) for batch in run.held_out}) > 1
    mlm_losses, mlm_right, nsp_losses, nsp_right = [], [], [], []
    model = run.model.astype(np.float64)
    for batch in run.held_out:
        output, _ = model.forward(batch.input_ids, batch.token_type_ids, batch.attention_mask)
        for row, column in np.argwhere(batch.labels != -100):
            logits, label = output.prediction_logits[row, column], batch.labels[row, column]
            mlm_losses.append(np.log(np.exp(logits).sum()) - logits[label])
            mlm_right.append(logits.argmax() == label)
        for logits, label in zip(output.seq_relationship_logits, batch.next_sentence_label):
            nsp_losses.append(np.log(np.exp(logits).sum()) - logits[label])
            nsp_right.append(logits.argmax() == label)
    evaluation = run.evaluate()
    assert 0 < evaluation.nsp_accuracy < 1
    expected = [np.mean(mlm_losses), np.mean(mlm_right), np.mean(nsp_losses), np.mean(nsp_right)]
    np.testing.assert_allclose(evaluation[:4], expected, rtol=1e-5)
    assert evaluation.phenomena == {}


def test_evaluation_does_not_depend_on_the_threads_nor_change_the_model(tiny_recipe):
    evaluations = set()
    for threads in (1, 2, 3):
        run = Pretraining(tiny_recipe(threads=threads), say=quiet)
        before = {name: p.value.copy() for name, p in run.model.parameters().items()}
        evaluations |= {run.evaluate()[:4], run.evaluate()[:4]}
        assert all(np.array_equal(before[name], p.value) for name, p in run.model.parameters().items())
    assert len(evaluations) == 1


def test_baselines_by_hand():
    ignored = -100
    batches = [
        Batch(None, None, None, np.array([[ignored, 0, 0], [2, ignored, ignored]]), np.array([1, 1])),
        Batch(None, None, None, np.array([[1, ignored]]), np.array([0])),
    ]
    run = SimpleNamespace(unigram=np.log([1 / 2, 1 / 4, 1 / 8, 1 / 8]), held_out=batches)
    baselines = Pretraining._baselines(run, pieces_per_word=1.5)
    assert baselines.unigram_loss == pytest.approx((1 + 1 + 3 + 2) / 4 * math.log(2), rel=1e-12)
    assert baselines.majority_accuracy == pytest.approx(2 / 3)
    assert baselines.pieces_per_word == 1.5
    run.held_out = [Batch(None, None, None, np.array([[0]]), np.array([0]))]
    assert Pretraining._baselines(run, 1.5).majority_accuracy == 1.0


def test_baselines_of_a_run_are_counted_in_its_text(run, corpus):
    training, held_out = split_held_out(load_corpus([str(corpus)]))
    counts = Counter(token for sentence in training.sentences for token in run.tokenizer.tokenize(sentence))
    total = counts.total() + run.tokenizer.vocab_size
    losses = [
        -math.log((counts[run.tokenizer.id_to_token[label]] + 1) / total)
        for batch in run.held_out for label in batch.labels.ravel() if label != -100
    ]  # fmt: skip
    assert run.baselines.unigram_loss == pytest.approx(sum(losses) / len(losses), rel=1e-9)
    num_words = sum(len(BasicTokenizer().words(sentence)) for sentence in held_out.sentences)
    num_pieces = sum(len(run.tokenizer.tokenize(sentence)) for sentence in held_out.sentences)
    assert run.baselines.pieces_per_word == pytest.approx(num_pieces / num_words)


def test_training_learns_more_than_the_baseline(tiny_recipe, tmp_path):
    evaluation, run = pretrain(
        tmp_path / "run", tiny_recipe(num_steps=150, hidden_size=24, batch_size=16, learning_rate=1e-2, dropout=0.0), say=quiet)
    assert evaluation.mlm_loss < run.baselines.unigram_loss - 0.2


# --- the log ---

def test_the_log(finished_run):
    log = read_log(finished_run / "log.jsonl")
    assert log[0].keys() == {"step", "held_out", "baselines"} and log[0]["step"] == 0
    steps = [line for line in log[1:] if "loss" in line]
    assert [line["step"] for line in steps] == list(range(1, 21))
    for line in steps:  # and nothing else: no time, no speed
        assert line.keys() == {"step", "tokens", "loss", "mlm_loss", "nsp_loss", "learning_rate", "gradient_norm"}
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
        "run.json", "log.jsonl", "loss.png", "config.json", "model.safetensors", "vocab.txt", "tokenizer_config.json",
        "special_tokens_map.json", "unigram.safetensors", "checkpoint-000020",
    }  # fmt: skip
    final, last = (BertForPreTraining.from_pretrained(folder) for folder in (finished_run, finished_run / "checkpoint-000020"))
    for ours, theirs in zip(final.parameters().values(), last.parameters().values()):
        assert np.array_equal(ours.value, theirs.value)
    recipe = json.loads((finished_run / "run.json").read_text(encoding="utf-8"))
    assert recipe["num_steps"] == 20 and len(recipe["fingerprint"]) == 12 and "numpy" in recipe["versions"]


def test_the_log_is_on_disk_before_its_checkpoint(tiny_recipe, tmp_path, monkeypatch):
    flushed, seen = [], []

    def save_checkpoint(directory, step, *arguments):
        log = directory / "log.jsonl"
        assert read_log(log)[-1]["step"] == step
        assert step == 0 or flushed[-1] == log.stat().st_ino
        seen.append(step)

    monkeypatch.setattr("os.fsync", lambda handle: flushed.append(os.fstat(handle).st_ino))
    monkeypatch.setattr(checkpoint, "save_checkpoint", save_checkpoint)
    monkeypatch.setattr(checkpoint, "checkpoints", lambda directory: [(0, directory)])
    pretrain(tmp_path, tiny_recipe(num_steps=6), say=quiet)
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


@pytest.mark.filterwarnings("error")  # no warnings of NumPy's before our message
@pytest.mark.parametrize("learning_rate, name", [(1e30, "cache."), (1e39, "bert.")])
def test_a_rate_that_is_far_too_high(tiny_recipe, tmp_path, learning_rate, name):
    with pytest.raises(FloatingPointError) as error:
        pretrain(tmp_path, tiny_recipe(learning_rate=learning_rate), say=quiet)
    message = str(error.value)
    assert message.startswith("step ") and f"the first array that is not finite is {name}" in message
    assert f"last good checkpoint is {tmp_path / 'checkpoint-'}" in message and "--learning-rate" in message
    assert_finite_checkpoint(tmp_path, 0)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("bad_step, kept", [(8, 6), (7, 6), (20, 18)])
def test_a_bad_update_never_gets_into_a_checkpoint(tiny_recipe, tmp_path, monkeypatch, bad_step, kept):
    """Right before a checkpoint, before a step, and in the last step."""
    def step(run, step, original=Pretraining.step):
        line = original(run, step)
        if step + 1 == bad_step:
            run.model.parameters()["bert.pooler.dense.weight"].value[1, 2] = np.inf
        return line

    monkeypatch.setattr(Pretraining, "step", step)
    with pytest.raises(FloatingPointError, match=r"bert\.pooler\.dense\.weight.*last good checkpoint is .*checkpoint-0000"):
        pretrain(tmp_path, tiny_recipe(), say=quiet)
    assert_finite_checkpoint(tmp_path, kept)


def test_a_held_out_loss_that_is_not_finite_ends_the_run(tiny_recipe, tmp_path, monkeypatch):
    def step(run, step, original=Pretraining.step):
        line = original(run, step)
        if step + 1 == 8:
            run.model.bert.encoder[1].attention.key.weight.value[...] = 3e38  # finite, but what is computed with it is not
        return line

    monkeypatch.setattr(Pretraining, "step", step)
    with pytest.raises(FloatingPointError, match=r"step 8: .*cache\.bert\.encoder\[1\]\.attention"):
        pretrain(tmp_path, tiny_recipe(), say=quiet)
    assert_finite_checkpoint(tmp_path, 6)


def test_a_bad_update_before_an_interrupt_never_gets_into_a_checkpoint(tiny_recipe, tmp_path, monkeypatch):
    def step(run, step, original=Pretraining.step):
        line = original(run, step)
        if step + 1 == 7:
            run.model.parameters()["nsp_head.bias"].value[...] = np.nan
            monkeypatch.setattr(pretraining._Interrupt, "requested", True, raising=False)
        return line

    monkeypatch.setattr(pretraining._Interrupt, "__enter__", lambda self: self)
    monkeypatch.setattr(pretraining._Interrupt, "__exit__", lambda self, *exception: None)
    monkeypatch.setattr(pretraining._Interrupt, "requested", False, raising=False)
    monkeypatch.setattr(Pretraining, "step", step)
    with pytest.raises(FloatingPointError, match="step 7: .*nsp_head.bias"):
        pretrain(tmp_path, tiny_recipe(), say=quiet)
    assert_finite_checkpoint(tmp_path, 6)


def test_a_gradient_that_is_not_finite_is_named_and_changes_nothing(run, monkeypatch):
    def forward_backward(batch, seed, original=run.workers.forward_backward):
        losses = original(batch, seed)
        run.model.parameters()["mlm_head.dense.bias"].grad[3] = np.inf
        run.model.parameters()["bert.embeddings.token.weight"].grad[3] = np.nan  # further from the loss
        return losses

    before = {name: p.value.copy() for name, p in run.model.parameters().items()}
    monkeypatch.setattr(run.workers, "forward_backward", forward_backward)
    with pytest.raises(FloatingPointError, match="mlm_head.dense.bias"):
        run.step(0)
    assert all(np.array_equal(before[name], p.value) for name, p in run.model.parameters().items())


def test_trial_steps_that_blow_up_say_what_to_do(tiny_recipe, tmp_path):
    with pytest.raises(FloatingPointError, match="trial step .*--learning-rate"):
        pretrain(tmp_path / "run", tiny_recipe(num_steps=0, learning_rate=1e30), minutes=0.01, say=quiet)
    assert not (tmp_path / "run").exists()


# --- disk trouble ---

def full_disk(*arguments):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("broken", ["write_tensors", "flush"])
def test_a_checkpoint_that_cannot_be_written_leaves_the_last_one(tiny_recipe, finished_run, tmp_path, monkeypatch, broken):
    def step(run, step, original=Pretraining.step):
        if step == 13:
            monkeypatch.setattr(checkpoint, broken, full_disk)
        return original(run, step)

    monkeypatch.setattr(Pretraining, "step", step)
    with pytest.raises(RunError, match="No space left on device.*checkpoint-000012.*--resume"):
        pretrain(tmp_path, tiny_recipe(), say=quiet)
    assert [step for step, _ in checkpoint.checkpoints(tmp_path)] == [12]
    monkeypatch.undo()
    pretrain(tmp_path, resume=True, say=quiet)
    assert contents(tmp_path) == contents(finished_run)


def test_a_finished_model_that_cannot_be_written_is_written_on_resume(tiny_recipe, finished_run, tmp_path, monkeypatch):
    def save_model(directory, *arguments, original=checkpoint.save_model):
        if directory == tmp_path:
            full_disk()
        original(directory, *arguments)

    monkeypatch.setattr(checkpoint, "save_model", save_model)
    with pytest.raises(RunError, match="No space left on device.*checkpoint-000020.*--resume"):
        pretrain(tmp_path, tiny_recipe(), say=quiet)
    monkeypatch.undo()
    pretrain(tmp_path, resume=True, say=quiet)
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
        pretrain(copy, tiny_recipe(), say=quiet)
    (copy / "run.json").rename(copy / "hidden.json")
    with pytest.raises(RunError, match="holds a model already: choose another"):
        pretrain(copy, tiny_recipe(), say=quiet)
    (copy / "hidden.json").rename(copy / "run.json")
    (copy / "config.json").unlink()
    with pytest.raises(RunError, match="holds a run already: add --resume.*choose another"):
        pretrain(copy, tiny_recipe(), say=quiet)
    (copy / "run.json").unlink()
    (copy / "model.safetensors").unlink()
    with pytest.raises(RunError, match="holds checkpoints of a run without its run.json"):
        pretrain(copy, tiny_recipe(), say=quiet)
    after = contents(copy)
    assert after == {name: before[name] for name in after}
    assert before.keys() - after.keys() == {"run.json", "config.json", "model.safetensors"}


def test_an_output_that_cannot_be_written(tiny_recipe, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(RunError, match="file is a file"):
        pretrain(tmp_path / "file", tiny_recipe(), say=quiet)
    with pytest.raises(RunError, match="cannot write to the output directory .*below"):
        pretrain(tmp_path / "file" / "below", tiny_recipe(), say=quiet)


def test_a_corpus_that_fails_leaves_no_directory(tiny_recipe, tmp_path):
    with pytest.raises(CorpusError, match="does not exist"):
        pretrain(tmp_path / "run", tiny_recipe(corpus=[str(tmp_path / "none")]), say=quiet)
    assert list(tmp_path.iterdir()) == []


def test_there_is_no_run_to_resume(tmp_path, finished_run, copy_of):
    for directory in (tmp_path / "none", tmp_path):
        with pytest.raises(RunError, match="no run to resume.*without --resume"):
            pretrain(directory, resume=True, say=quiet)
    copy = copy_of(finished_run)
    (copy / "log.jsonl").unlink()
    with pytest.raises(RunError, match="no run to resume.*log.jsonl"):
        pretrain(copy, resume=True, say=quiet)


@pytest.mark.parametrize("content, message", [
    ("{", "run.json is not valid JSON"), ("[1]", "must hold a JSON object"), ('{"corpus": [], "colour": 1}', "another version.*colour"),
    ("\x80", "run.json is not valid JSON"),
])  # fmt: skip
def test_a_run_json_that_is_broken(finished_run, copy_of, content, message):
    copy = copy_of(finished_run)
    (copy / "run.json").write_text(content, encoding="latin-1")
    with pytest.raises(ValueError, match=message):
        pretrain(copy, resume=True, say=quiet)


def test_a_corpus_that_has_changed(tiny_recipe, tmp_path, corpus):
    mine = tmp_path / "mine.txt"
    mine.write_bytes(corpus.read_bytes())
    pretrain(tmp_path / "run", tiny_recipe(corpus=[str(mine)], num_steps=2), say=quiet)
    mine.write_bytes(corpus.read_bytes().replace(b"dog", b"fox"))
    before = contents(tmp_path / "run")
    with pytest.raises(RunError, match="corpus has changed since this run began.*start a new one"):
        pretrain(tmp_path / "run", resume=True, say=quiet)
    assert contents(tmp_path / "run") == before


@pytest.mark.parametrize("name, damage, message", [
    ("vocab.txt", None, "vocab.txt"),
    ("model.safetensors", None, "model.safetensors does not exist"),
    ("model.safetensors", 1000, "model.safetensors cannot be read"),
    ("optimizer.safetensors", None, "optimizer.safetensors does not exist: the checkpoint is incomplete$"),
    ("optimizer.safetensors", 1000, "optimizer.safetensors cannot be read"),
    ("config.json", 30, "config.json is not valid JSON"),
])  # fmt: skip
def test_a_checkpoint_that_is_damaged(finished_run, copy_of, name, damage, message):
    copy = copy_of(finished_run)
    path = copy / "checkpoint-000020" / name
    content = path.read_bytes()
    path.unlink()
    if damage is not None:
        path.write_bytes(content[:damage])
    with pytest.raises(ValueError, match=message):
        pretrain(copy, resume=True, say=quiet)


@pytest.mark.parametrize("changes, message", [
    ({"num_hidden_layers": 1}, "num_hidden_layers is 2, and 1 by the recipe"),
    ({"num_hidden_layers": 3}, "num_hidden_layers is 2, and 3 by the recipe"),
    ({"hidden_size": 24}, "hidden_size is 12, and 24 by the recipe"),
    ({"seq_length": 15}, "max_position_embeddings is 16, and 15 by the recipe"),
])  # fmt: skip
def test_a_checkpoint_of_another_model(finished_run, copy_of, changes, message):
    copy = copy_of(finished_run)
    recipe = json.loads((copy / "run.json").read_text(encoding="utf-8"))
    (copy / "run.json").write_text(json.dumps({**recipe, **changes}), encoding="utf-8")
    with pytest.raises(checkpoint.CheckpointError, match=f"does not fit run.json: {message}"):
        pretrain(copy, resume=True, say=quiet)


def test_optimizer_moments_of_another_model(finished_run, copy_of, tiny_recipe, tmp_path):
    copy = copy_of(finished_run)
    pretrain(tmp_path / "other", tiny_recipe(num_hidden_layers=1, num_steps=2), say=quiet)
    other = tmp_path / "other" / "checkpoint-000002"
    (other / "optimizer.safetensors").replace(copy / "checkpoint-000020" / "optimizer.safetensors")
    with pytest.raises(checkpoint.CheckpointError, match=r"does not fit this model.*encoder\.1"):
        pretrain(copy, resume=True, say=quiet)


def test_hidden_size_must_be_divisible_by_heads(tiny_recipe, tmp_path):
    with pytest.raises(ValueError, match="hidden_size 13 is not divisible by num_attention_heads 3"):
        pretrain(tmp_path / "run", tiny_recipe(hidden_size=13), say=quiet)


@pytest.mark.parametrize("changes, message", [
    ({"seq_length": 4}, "seq_length 4 has no room.*give 5 or more"),
    ({"vocab_size": 10}, "vocab_size 10 is too small.*at least"),
    ({"seed": -1}, "seed -1 is negative"),
    ({"dropout": 1.0}, "hidden_dropout_prob must be at least 0 and below 1"),
])  # fmt: skip
def test_a_recipe_that_cannot_work(tiny_recipe, tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        pretrain(tmp_path / "run", tiny_recipe(**changes), say=quiet)
    assert not (tmp_path / "run").exists()


def test_a_note_when_versions_have_changed(finished_run, copy_of):
    copy = copy_of(finished_run)
    recipe = json.loads((copy / "run.json").read_text(encoding="utf-8"))
    recipe["versions"]["numpy"] = "1.0"
    (copy / "run.json").write_text(json.dumps(recipe), encoding="utf-8")
    lines = []
    pretrain(copy, resume=True, say=lines.append)
    assert any("'numpy': '1.0'" in line and "may differ" in line for line in lines)


def test_the_vocabulary_of_a_resumed_run_is_not_learned_anew(finished_run, copy_of, monkeypatch):
    def train(*arguments):
        raise AssertionError("learned anew")

    monkeypatch.setattr(WordPieceTokenizer, "train", train)
    pretrain(copy_of(finished_run), resume=True, say=quiet)
