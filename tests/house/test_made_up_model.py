"""A new model is new files and one line: trained, killed, resumed, checked, traced, benchmarked; no file is
edited."""

import json
import signal
import time

import numpy as np
import pytest
from helpers import contents
from made_up.__main__ import HERE, move_in
from made_up.model import MadeUpConfig, MadeUpModel
from made_up.objective import Counting, MadeUpRecipe

import minibert as mb
from minibert import objectives, trace
from minibert.training import run
from minibert.training.checkpoint import checkpoints
from minibert.training.log import read_log
from minibert.training.step import Training

move_in()
OPTIONS = ["pretrain", "--model", "made-up", "--steps", "60", "--threads", "2"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The directory of a run that nothing has stopped."""
    directory = tmp_path_factory.mktemp("whole") / "run"
    recipe = MadeUpRecipe(num_steps=60, threads=2)
    run.begin(directory, Counting, recipe, say=lambda line: None)
    return directory


def test_it_learns(whole):
    log = read_log(whole / "log.jsonl")
    assert log[-1]["held_out"]["loss"] < log[0]["held_out"]["loss"] - 0.1
    assert {"loss", "next_loss", "learning_rate", "gradient_norm"} < log[1].keys()
    assert json.loads((whole / "config.json").read_text(encoding="utf-8"))["width"] == 5
    assert (whole / "made_up.json").is_file()


@pytest.mark.exhaustive
def test_killed_and_resumed_it_ends_with_the_same_bits(whole, tmp_path, spawn):
    """Killed in the middle of a stream: the state is in the checkpoint."""
    process = spawn(HERE, *OPTIONS, "--output", tmp_path)
    while process.poll() is None and (not checkpoints(tmp_path) or checkpoints(tmp_path)[-1][0] == 0):
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    process.communicate()
    process = spawn(HERE, "pretrain", "--resume", "--output", tmp_path)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert contents(tmp_path) == contents(whole)


def test_the_state_is_kept_in_the_checkpoint_and_matters(tmp_path):
    training = Training(Counting(MadeUpRecipe(num_steps=9)))
    training.step(0)
    assert training.state[0].shape == (4, 5)
    losses = training.step(1)["loss"]
    training = Training(Counting(MadeUpRecipe(num_steps=9)))
    training.step(0)
    training.state = None
    assert training.step(1)["loss"] != losses


def test_two_threads_pass_the_same_state_on_as_one():
    states = []
    for threads in (1, 2, 3):
        training = Training(Counting(MadeUpRecipe(num_steps=9, threads=threads)))
        for step in (0, 1):
            training.step(step)
        states.append(training.state[0])
    for state in states[1:]:
        np.testing.assert_allclose(state, states[0], rtol=1e-5, atol=1e-6)


def test_muon_steps_the_matrices_that_the_objective_names():
    training = Training(Counting(MadeUpRecipe(num_steps=9, optimizer="muon", weight_decay=0.0)))
    before = training.model.output.weight.value.copy()
    rate = training.step(0)["learning_rate"]
    change = before - training.model.output.weight.value  # (5, 11)
    lengths = np.linalg.svd(change, compute_uv=False)
    expected = rate / 0.05 * 0.02 * np.sqrt(11 / 5)  # the rate of AdamW rises to 0.05, that of Muon to 0.02
    assert ((0.6 * expected < lengths) & (lengths < 1.2 * expected)).all()


def test_held_out_streams_carry_their_state():
    training = Training(Counting(MadeUpRecipe()))
    expected = []
    for stream in training.objective.held_out:
        state = None
        for batch in stream:
            output, _ = training.model.forward(**batch._asdict(), state=state)
            expected.append(output.loss)
            state = output.state
    assert training.evaluate().loss == pytest.approx(np.mean(expected), rel=1e-6)
    alone = [
        training.model.forward(**batch._asdict())[0].loss
        for stream in training.objective.held_out
        for batch in stream
    ]
    assert abs(np.mean(alone) - np.mean(expected)) > 1e-3


def test_it_is_checked_and_traced():
    model = MadeUpModel(MadeUpConfig(11), dtype=np.float64)
    batch = Counting(MadeUpRecipe()).batch(1)
    assert mb.check_gradients(model, batch.input_ids, labels=batch.labels).ok
    seen = trace.watch(model, batch.input_ids, labels=batch.labels)
    assert "d_means" in str(seen) and "output" in str(seen)


def test_the_command_checks_it(spawn):
    process = spawn(HERE, "gradcheck", "MadeUpModel")
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    assert "MadeUpModel" in output.decode() and "right" in output.decode()


@pytest.mark.exhaustive
def test_it_is_benchmarked(spawn):
    process = spawn(HERE, "bench", "step", "--model", "made-up", "--threads", "2", "--rounds", "3", "--json")
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    result = json.loads(output)
    model = MadeUpModel(MadeUpConfig(11))
    assert result["parameters"] == sum(p.value.size for p in model.parameters().values())
    assert result["tokens"] == [4 * 6] * 3 and len(result["seconds"]) == 3 and min(result["seconds"]) > 0


def test_an_option_that_it_has_not(tmp_path, spawn):
    process = spawn(HERE, *OPTIONS, "--whole-word", "--output", tmp_path / "run")
    _, errors = process.communicate()
    assert process.returncode == 2 and "this model does not use --whole-word: leave it out" in errors.decode()


def test_an_objective_that_nobody_knows():
    with pytest.raises(ValueError, match="no objective 'gpt9': choose one of bert"):
        objectives.find("gpt9")
