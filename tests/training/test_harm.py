"""What can harm a run from outside: other programs' files, a second process, a full disk, closed streams."""

import errno
import io
import json
import os
import re
import shutil
import signal
import sys

import numpy as np
import pytest
from helpers import contents
from runs import begin, resume

from minibert import plots
from minibert.files import sync
from minibert.training import checkpoint, lock
from minibert.training import run as runs
from minibert.training.errors import RunError
from minibert.training.interrupts import SIGNALS, Interrupt, Stopped
from minibert.training.lock import LOCK_FILE, locked
from minibert.training.log import read_log
from minibert.training.saying import SafeStream
from minibert.training.step import Training


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Runs without pictures and without waiting for the disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("minibert.plots.save", lambda *arguments, **options: None)
        patch.setattr("os.fsync", lambda handle: None)
        yield


def make_folder(path, content="theirs"):
    path.mkdir()
    (path / "model.safetensors").write_text(content, encoding="utf-8")
    (path / "trainer_state.json").write_text("{}", encoding="utf-8")
    return path


# --- files of others ---


@pytest.mark.parametrize("name", ["checkpoint-0", "checkpoint-1", "checkpoint-500", "checkpoint-000000"])
def test_a_folder_with_checkpoints_of_others_is_left_alone(tiny_recipe, tmp_path, name):
    make_folder(tmp_path / name)
    before = contents(tmp_path)
    with pytest.raises(RunError, match=f"holds {name}, which a run would write or remove: choose another"):
        begin(tmp_path, tiny_recipe(num_steps=2))
    assert contents(tmp_path) == before


@pytest.mark.parametrize("name", ["log.jsonl", "vocab.txt", "tokenizer_config.json", "loss.png"])
def test_a_file_that_a_run_would_write_is_left_alone(tiny_recipe, tmp_path, name):
    (tmp_path / name).write_text("theirs", encoding="utf-8")
    with pytest.raises(RunError, match=f"holds {name}, which a run would write"):
        begin(tmp_path, tiny_recipe(num_steps=2))
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text(encoding="utf-8") == "theirs"


def test_checkpoints_of_others_that_come_later_are_neither_read_nor_removed(
    finished_run, tmp_path, tiny_recipe
):
    """Those of transformers' Trainer, under any number; and one of another run of ours."""
    run = shutil.copytree(finished_run, tmp_path / "run")
    others = [make_folder(run / name) for name in ("checkpoint-500", "checkpoint-000500")]
    begin(tmp_path / "other", tiny_recipe(num_steps=1, seed=5))
    others.append(shutil.copytree(tmp_path / "other" / "checkpoint-000001", run / "checkpoint-000600"))
    before = [contents(folder) for folder in others]
    assert [step for step, _ in checkpoint.checkpoints(run)] == [20]
    resume(run, changes={"num_steps": 22})
    assert [contents(folder) for folder in others] == before
    assert [step for step, _ in checkpoint.checkpoints(run)] == [22]


def test_a_checkpoint_in_the_way_is_left_alone(finished_run, tmp_path):
    run = shutil.copytree(finished_run, tmp_path / "run")
    other = make_folder(run / "checkpoint-000021")
    with pytest.raises(checkpoint.CheckpointError, match="checkpoint-000021 is in the way.*move it away"):
        resume(run, changes={"num_steps": 21})
    assert contents(other)["model.safetensors"] == b"theirs"
    assert [step for step, _ in checkpoint.checkpoints(run)] == [20]


def test_what_a_run_was_removing_when_it_was_killed_is_gone_once_it_is_resumed(finished_run, tmp_path):
    """Killed after its last checkpoint, while an older one was removed: no other one clears that up."""
    run = shutil.copytree(finished_run, tmp_path / "run")
    before = contents(run)
    for name in (".checkpoint-000001.tmp", ".best.tmp"):
        (run / name).mkdir()
        (run / name / "config.json").write_text("{", encoding="utf-8")
    resume(run)
    assert contents(run) == before


def test_a_model_of_others_that_came_later_is_not_written_over(finished_run, tmp_path):
    run = shutil.copytree(finished_run, tmp_path / "run")
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    (run / "config.json").write_text(json.dumps(config | {"transformers_version": "5"}), encoding="utf-8")
    before = contents(run)
    with pytest.raises(RunError, match="holds a model that this run did not write"):
        resume(run)
    assert contents(run) == before


def test_the_newest_checkpoint_of_transformers_is_a_model_to_read(tmp_path, finished_run):
    for step in (500, 1500):
        shutil.copytree(finished_run / "checkpoint-000020", tmp_path / f"checkpoint-{step}")
    assert checkpoint.find_model(tmp_path).name == "checkpoint-1500"


# --- a second process ---


HOLD = """
import sys, time
from minibert.training.lock import locked
with locked(sys.argv[1], print):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_process_is_refused_until_the_first_is_gone(spawn, tiny_recipe, tmp_path):
    held = spawn("-c", HOLD, tmp_path)
    assert held.stdout.readline() == b"held\n"
    with pytest.raises(RunError, match=rf"is in use: another process( \({held.pid}\))? trains there; wait"):
        begin(tmp_path, tiny_recipe(num_steps=1))
    assert [path.name for path in tmp_path.iterdir()] == [LOCK_FILE]
    held.kill()
    held.wait()
    assert (tmp_path / LOCK_FILE).exists()  # it says nothing
    begin(tmp_path, tiny_recipe(num_steps=1))
    assert not (tmp_path / LOCK_FILE).exists()


def test_a_lock_holds_within_a_process_too(finished_run, tmp_path):
    run = shutil.copytree(finished_run, tmp_path / "run")
    with locked(run, print):
        with pytest.raises(RunError, match=f"is in use: another process.*{os.getpid()}"):
            resume(run)
    resume(run)


@pytest.mark.parametrize("kind", ["file", "link", "folder"])
def test_a_lock_file_of_somebody_else_is_left_alone(tiny_recipe, tmp_path, kind):
    output, notes = tmp_path / "run", tmp_path / "notes.txt"
    output.mkdir()
    notes.write_text("theirs", encoding="utf-8")
    {
        "file": lambda: shutil.copy(notes, output / LOCK_FILE),
        "link": lambda: os.symlink(notes, output / LOCK_FILE),
        "folder": (output / LOCK_FILE).mkdir,
    }[kind]()
    with pytest.raises(RunError, match="run holds run.lock, which no run wrote: choose another --output, or"):
        begin(output, tiny_recipe(num_steps=1))
    assert os.listdir(output) == [LOCK_FILE]
    assert [path.read_text(encoding="utf-8") for path in tmp_path.rglob("*") if path.is_file()] == (
        ["theirs"] if kind == "folder" else ["theirs", "theirs"]
    )


def test_a_file_system_without_locks(tmp_path, monkeypatch):
    def no_locks(handle):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(lock, "_lock", no_locks)
    lines = []
    with locked(tmp_path / "new", lines.append):
        pass
    assert "without locks: start no second run there" in lines[0]
    assert list(tmp_path.iterdir()) == []


# --- signals ---


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has Ctrl-C alone")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_signals_write_a_checkpoint_first(tiny_recipe, finished_run, tmp_path, monkeypatch, name):
    number = getattr(signal, name)
    inherited = signal.signal(number, signal.SIG_DFL)  # ignored, where the tests run under nohup

    def step(run, step, original=Training.step):
        if step == 6:
            signal.raise_signal(number)
            signal.raise_signal(number)  # as when a terminal is closed
        return original(run, step)

    monkeypatch.setattr(Training, "step", step)
    try:
        with pytest.raises(Stopped, match="stopped after step 7 of 20") as stopped:
            begin(tmp_path, tiny_recipe())
        assert stopped.value.signal_number == number and signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, inherited)
    assert [step for step, _ in checkpoint.checkpoints(tmp_path)] == [7]
    monkeypatch.undo()
    resume(tmp_path)
    assert contents(tmp_path) == contents(finished_run)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_that_is_ignored_stays_ignored(number):
    """SIGHUP under nohup, Ctrl-C in a background job of a script."""
    previous = signal.signal(number, signal.SIG_IGN)
    try:
        with Interrupt() as interrupt:
            assert signal.getsignal(number) is signal.SIG_IGN
            signal.raise_signal(number)
            assert not interrupt.requested
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, previous)


# --- checkpoints by the clock ---


def test_a_checkpoint_at_least_every_five_minutes_and_the_same_numbers(
    tiny_recipe, finished_run, tmp_path, monkeypatch
):
    times, saved = iter(100.0 * np.arange(1000)), []

    def save(directory, step, *arguments, original=checkpoint.save_checkpoint):
        saved.append(step)
        original(directory, step, *arguments)

    monkeypatch.setattr(runs, "NUM_EVALUATIONS", 2)
    monkeypatch.setattr(checkpoint, "save_checkpoint", save)
    begin(tmp_path / "slow", tiny_recipe(), clock=lambda: next(times))
    assert saved == [0, 3, 6, 9, 10, 13, 16, 19, 20]  # two steps and the clock is read again: 300 seconds
    begin(tmp_path / "fast", tiny_recipe(), clock=lambda: 0.0)
    assert saved[9:] == [0, 10, 20]
    assert contents(tmp_path / "slow") == contents(tmp_path / "fast")


# --- pictures, streams, disks ---


def test_a_picture_that_fails_endangers_no_model(tiny_recipe, finished_run, tmp_path, monkeypatch):
    def no_latex(*arguments, **options):
        raise RuntimeError("Failed to process string with tex because latex could not be found\nmore")

    monkeypatch.setattr(plots, "save", no_latex)
    lines = []
    begin(tmp_path, tiny_recipe(), say=lines.append)
    assert lines[-1] == (
        "note        a picture could not be drawn: "
        "Failed to process string with tex because latex could not be found"
    )
    assert contents(tmp_path) == contents(finished_run)


class Closed(io.StringIO):
    """A stream whose reader is gone."""

    def write(self, text=""):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    flush = isatty = write


@pytest.mark.parametrize("stderr", [None, Closed()])
def test_nobody_listens(tiny_recipe, finished_run, tmp_path, monkeypatch, stderr):
    monkeypatch.setattr(sys, "stderr", stderr)
    begin(tmp_path, tiny_recipe(), say=Closed().write)
    assert contents(tmp_path) == contents(finished_run)


def test_a_stream_that_works_is_written_to():
    stream = io.StringIO()
    safe = SafeStream(stream)
    safe.write("a line")
    safe.flush()
    assert stream.getvalue() == "a line" and not safe.isatty() and safe.getvalue() == "a line"


def test_a_file_system_that_cannot_flush(monkeypatch):
    def fsync(handle):
        raise OSError(handle, os.strerror(handle))

    monkeypatch.setattr(os, "fsync", fsync)
    sync(errno.EINVAL)
    with pytest.raises(OSError):
        sync(errno.EIO)


def test_a_full_disk_leaves_nothing_half_and_names_the_file(tiny_recipe, tmp_path, monkeypatch):
    def write_tensors(path, *arguments, original=checkpoint.write_tensors):
        if path.parent.name == ".checkpoint-000004.tmp" and path.name == "optimizer.safetensors":
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        original(path, *arguments)

    monkeypatch.setattr(checkpoint, "write_tensors", write_tensors)
    expected = "optimizer.safetensors'. The last checkpoint is .*checkpoint-000002: make room, then go on"
    with pytest.raises(RunError, match=expected):
        begin(tmp_path, tiny_recipe())
    assert [path.name for path in tmp_path.glob(".*")] == []
    assert [step for step, _ in checkpoint.checkpoints(tmp_path)] == [2]


def test_a_disk_that_is_full_at_the_start(tiny_recipe, finished_run, tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_checkpoint", full)
    with pytest.raises(RunError, match="There is no checkpoint yet: make room, then go on with --resume"):
        begin(tmp_path, tiny_recipe())
    monkeypatch.undo()
    resume(tmp_path)  # from run.json alone
    assert contents(tmp_path) == contents(finished_run)


def test_a_disk_of_another_trouble_is_not_called_full(tiny_recipe, tmp_path, monkeypatch):
    def read_only(*arguments):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(checkpoint, "save_model", read_only)
    with pytest.raises(RunError, match="Read-only.*go on with --resume when it can be") as error:
        begin(tmp_path, tiny_recipe(num_steps=1))
    assert "make room" not in str(error.value)


# --- a log that is damaged ---


def test_a_line_that_is_no_line_loses_no_other(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"step": 1}\n{"st\n\0\0\n3\n{"step": 2}\n{"step": ')
    assert read_log(path) == [{"step": 1}, {"step": 2}]


# --- what may change when a run is resumed ---


def test_more_steps(finished_run, tmp_path):
    run = shutil.copytree(finished_run, tmp_path / "run")
    lines = []
    _, training = resume(run, lines.append, {"num_steps": 24})
    said = "changed     num_steps is 24, 20 until step 20: the learning rate follows the new number"
    assert any(line.startswith(said) for line in lines) and training.recipe.num_steps == 24
    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    assert record["recipe"]["num_steps"] == 24
    assert record["changes"] == [{"after_step": 20, "name": "num_steps", "from": 20, "to": 24}]
    steps = [line["step"] for line in read_log(run / "log.jsonl") if "loss" in line]
    assert steps == list(range(1, 25))
    assert [step for step, _ in checkpoint.checkpoints(run)] == [24]
    before = contents(run)
    resume(run, changes={"num_steps": 24})
    assert contents(run) == before
    with pytest.raises(RunError, match="has done 24 steps: --steps 23 is less; give more"):
        resume(run, changes={"num_steps": 23})


def test_more_minutes_are_as_many_steps(finished_run, tmp_path):
    """The planning leaves no trace: what follows is the run with that number of steps."""
    minutes, steps = (shutil.copytree(finished_run, tmp_path / name) for name in ("minutes", "steps"))
    lines = []
    _, training = resume(minutes, lines.append, minutes=1e-6)
    assert training.recipe.num_steps == 40  # 20 are done, and 20 are the least
    assert [line[:35] for line in lines if line.startswith(("planning", "changed", "resuming"))] == [
        "planning    timing 24 steps",
        "changed     num_steps is 40, 20 unt",
        "resuming    after step 20",
    ]
    resume(steps, changes={"num_steps": 40})
    assert contents(minutes) == contents(steps)


def test_other_threads_and_a_corpus_that_was_moved(finished_run, tmp_path, corpus):
    run = shutil.copytree(finished_run, tmp_path / "run")
    moved = str(shutil.copy(corpus, tmp_path / "moved.txt"))
    lines = []
    resume(run, lines.append, {"threads": 2, "corpus": [moved], "seed": 0, "vocab_size": 150})
    assert [line.split(":")[0] for line in lines if line.startswith("changed")] == [
        "changed     threads is 2, 1 until step 20",
        f"changed     corpus is {[moved]}, {[str(corpus)]} until step 20",
    ]
    recipe = json.loads((run / "run.json").read_text(encoding="utf-8"))["recipe"]
    assert recipe["threads"] == 2 and recipe["corpus"] == [moved]
    other = tmp_path / "other.txt"
    other.write_text(corpus.read_text(encoding="utf-8").replace("dog", "fox"), encoding="utf-8")
    before = contents(run)
    with pytest.raises(RunError, match="corpus has changed"):
        resume(run, changes={"corpus": [str(other)]})
    with pytest.raises(RunError, match=re.escape(
            "with seed 0: leave out --seed, --batch-size (--steps or --minutes, --threads, --micro-batches, "
            "--recompute and --corpus")):
        resume(run, changes={"seed": 1, "batch_size": 3, "threads": 1})
    assert contents(run) == before


def test_without_checkpoints_nothing_is_trained_anew(finished_run, tmp_path):
    run = shutil.copytree(finished_run, tmp_path / "run")
    shutil.rmtree(run / "checkpoint-000020")
    before = contents(run)
    with pytest.raises(RunError, match="its checkpoint is not there any more"):
        resume(run)
    assert contents(run) == before
