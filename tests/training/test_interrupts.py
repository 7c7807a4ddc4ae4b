"""Runs that kill -9 or Ctrl-C stops end with the same bits once they are resumed."""

import dataclasses
import json
import os
import pathlib
import random
import re
import shlex
import shutil
import signal
import sys
import time

import pytest
from helpers import contents
from runs import begin, resume

from minibert.cli import main
from minibert.training.checkpoint import checkpoints
from minibert.training.interrupts import Interrupt
from minibert.training.log import read_log

LENGTH = 40  # steps; a checkpoint every fourth
OPTIONS = [
    "--steps",
    str(LENGTH),
    "--seq-length",
    "16",
    "--batch-size",
    "4",
    "--vocab-size",
    "110",
    "--threads",
    "2",
]


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Runs of this process do not wait for the disk, nor draw."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("minibert.plots.save", lambda *arguments, **options: None)
        patch.setattr("os.fsync", lambda handle: None)
        yield


@pytest.fixture(scope="module")
def uninterrupted(corpus, tmp_path_factory):
    directory = tmp_path_factory.mktemp("uninterrupted") / "run"
    assert main(["pretrain", "--corpus", str(corpus), "--output", str(directory), *OPTIONS]) == 0
    return contents(directory)


@pytest.fixture
def start(spawn, corpus):
    """A function that starts a run; it returns the process once the log is past a checkpoint."""

    def start_run(directory):
        process = spawn("-m", "minibert", "pretrain", "--corpus", corpus, "--output", directory, *OPTIONS)
        while process.poll() is None:
            saved = checkpoints(directory)
            if saved and saved[-1][0] > 0 and read_log(directory / "log.jsonl")[-1]["step"] > saved[-1][0]:
                return process
            time.sleep(0.001)
        raise AssertionError(f"the run was over before it could be stopped: {process.communicate()}")

    return start_run


@pytest.mark.exhaustive
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no kill -9")
def test_kill_9_and_resume(start, uninterrupted, tmp_path):
    process = start(tmp_path)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "model.safetensors").exists()
    assert 0 < checkpoints(tmp_path)[-1][0] < LENGTH
    assert main(["pretrain", "--output", str(tmp_path), "--resume"]) == 0
    assert contents(tmp_path) == uninterrupted


BEGIN_OR_RESUME = """
import json, os, pathlib, sys
os.fsync = lambda handle: None  # a kill loses nothing that was written; a power cut is not tried here
from runs import begin, resume
from minibert.objectives.masked_lm import MaskedLMRecipe

output = pathlib.Path(sys.argv[1])
if (output / "run.json").exists():
    resume(output)
else:
    begin(output, MaskedLMRecipe(**json.loads(sys.argv[2])))
"""


def kill_and_resume(spawn, recipe, expected, directory, seed, count):
    """Kill a small run `count` times, at moments that `seed` draws, and resume it; return the steps.

    Most are within a step or a checkpoint, some at the start; some are of a run that was resumed.
    """
    rng, steps = random.Random(seed), []
    given = json.dumps(dataclasses.asdict(recipe))
    root = pathlib.Path(__file__).parents[2]
    env = {"PYTHONPATH": f"{root}{os.pathsep}{root / 'tests'}"}
    output = None
    while len(steps) < count:
        if output is None or rng.random() < 0.5:
            output = directory / f"run-{len(steps)}"
        process = spawn("-c", BEGIN_OR_RESUME, output, given, **env)
        target, log = rng.randint(-3, recipe.num_steps - 1), output / "log.jsonl"
        while target >= 0 and process.poll() is None:
            if log.exists() and max((line["step"] for line in read_log(log)), default=0) >= target:
                break
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.02) if target >= 0 else rng.uniform(0, 2))
        process.kill()
        process.communicate()
        steps.append(checkpoints(output)[-1][0] if checkpoints(output) else None)
        whole = shutil.copytree(output, directory / "whole") if output.exists() else directory / "whole"
        if (whole / "run.json").exists():
            resume(whole)
        else:
            begin(whole, recipe)
        assert contents(whole) == expected, steps
        shutil.rmtree(whole)
    return steps


@pytest.fixture(scope="module")
def muon_recipe(tiny_recipe):
    return tiny_recipe(num_steps=60, optimizer="muon", embedding_start="word2vec", threads=2)


@pytest.fixture(scope="module")
def muon_run(muon_recipe, tmp_path_factory):
    directory = tmp_path_factory.mktemp("muon") / "run"
    begin(directory, muon_recipe)
    return contents(directory)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no kill -9")
def test_kill_9_at_a_moment(spawn, tiny_recipe, finished_run, tmp_path):
    kill_and_resume(spawn, tiny_recipe(), contents(finished_run), tmp_path, seed=1, count=1)


@pytest.mark.exhaustive
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no kill -9")
def test_kill_9_at_fifty_moments(spawn, muon_recipe, muon_run, tmp_path):
    steps = kill_and_resume(spawn, muon_recipe, muon_run, tmp_path, seed=0, count=50)
    assert len(set(steps)) > 5, steps
    print("checkpoints after the kills:", steps)


@pytest.fixture
def python_handles_ctrl_c():
    """Also where pytest itself was started in the background, with Ctrl-C ignored."""
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, previous)


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to one process there")
@pytest.mark.exhaustive
def test_ctrl_c_and_resume(python_handles_ctrl_c, start, uninterrupted, tmp_path, capfd):
    output = tmp_path / "my run"
    process = start(output)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate()
    message = "\n".join(stderr.decode("utf-8").splitlines()[-2:])
    assert process.returncode == 130, message
    [(step, folder)] = checkpoints(output)
    assert step < LENGTH
    assert message.startswith(
        f"minibert pretrain: stopped after step {step} of {LENGTH}; the last checkpoint is {folder}."
    )
    assert read_log(output / "log.jsonl")[-1]["step"] == step
    program, *arguments = shlex.split(re.search("Go on with:\n(.*)", message)[1])  # as a reader would type it
    assert program == "minibert"
    assert main(arguments) == 0
    assert contents(output) == uninterrupted


def test_a_second_ctrl_c_stops_at_once(python_handles_ctrl_c):
    with pytest.raises(KeyboardInterrupt):
        with Interrupt() as interrupt:
            assert not interrupt.requested
            signal.raise_signal(signal.SIGINT)
            assert interrupt.requested
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_is_given_back(python_handles_ctrl_c):
    with Interrupt():
        pass
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
