"""A run: a directory, the loop over steps, and what survives a kill."""

import dataclasses
import os
import pathlib
import platform
import sys
import time

import numpy as np

import minibert
from minibert.files import read_json, write_json
from minibert.training import checkpoint
from minibert.training.interrupts import Interrupt
from minibert.training.log import as_line, cut_log, read_log
from minibert.training.memory import keep_freed_memory
from minibert.training.pace import steps_within
from minibert.training.step import Training

NUM_EVALUATIONS = 10  # in the course of a run, and as many checkpoints
RESERVE = 0.07  # of the minutes: for the checkpoints, and for a machine that is busier later on


class RunError(ValueError):
    """A run that cannot be started or resumed; the message says why and what to do."""


def begin(output, objective_class, recipe=None, minutes=5.0, say=print):
    """Train a model and leave it in the directory `output`.

    Args:
        output: directory; minibert/training/checkpoint.py says what it holds afterwards.
        objective_class: what is learned from what, such as objectives.find("bert").
        recipe: an objective_class.Recipe; None is its defaults.
        minutes: the time that the whole call may take, if recipe.num_steps is 0.
        say: function that takes a line of progress.

    Returns:
        the last evaluation, and the Training.

    Raises:
        RunError: `output` holds a run or a model already, or cannot be written.
        FloatingPointError: the loss became infinite or not a number; the last checkpoint is kept.
        KeyboardInterrupt: Ctrl-C; a checkpoint was written first. (A second Ctrl-C stops at once, without.)
    """
    started = time.perf_counter()
    output = pathlib.Path(output)
    check_new(output)
    keep_freed_memory()
    with _our_threads():
        objective = objective_class(recipe or objective_class.Recipe(), say=say)
        training = Training(objective)
        if objective.recipe.num_steps == 0:
            seconds = (1 - RESERVE) * (60 * minutes - (time.perf_counter() - started))
            num_steps = steps_within(seconds, training, NUM_EVALUATIONS, say)
            objective.recipe = dataclasses.replace(objective.recipe, num_steps=num_steps)
            training = Training(objective)
        _write_start(output, training)
        return _finish(output, training, 0, say), training


def resume(output, find_objective, say=print):
    """Go on with the run in the directory `output` from its newest checkpoint; it ends with the bits it would
    have had.

    Args:
        output: directory of a run.
        find_objective: function that returns an objective's class by its name, such as objectives.find.
        say: function that takes a line of progress.

    Returns, raises: as begin; RunError also if there is no run to resume, or its corpus has changed.
    """
    output = pathlib.Path(output)
    keep_freed_memory()
    found = checkpoint.checkpoints(output)
    if not (output / "run.json").is_file() or not (output / "log.jsonl").is_file() or not found:
        raise RunError(
            f"{output} holds no run to resume: expected run.json, log.jsonl and a checkpoint folder; "
            "start one without --resume"
        )
    record = _read_record(output / "run.json")
    step, newest = found[-1]
    if record["versions"] != _versions():
        now = _versions()
        say(f"note        this run began with {record['versions']}, now {now}: the last bits may differ")
    with _our_threads():
        objective_class = find_objective(record["objective"])
        try:
            recipe = objective_class.Recipe(**record["recipe"])
        except TypeError as error:
            raise RunError(
                f"{output / 'run.json'} was written by another version of minibert: {error}"
            ) from None
        objective = objective_class(recipe, checkpoint=newest, say=say)
        if record["fingerprint"] not in ("", objective.fingerprint):
            raise RunError(
                f"the corpus has changed since this run began (fingerprint {objective.fingerprint}, then "
                f"{record['fingerprint']}); a resumed run needs the same text: start a new one"
            )
        training = Training(objective)
        checkpoint.restore(newest, training)
        cut_log(output / "log.jsonl", step)
        say(f"resuming    after step {step:,}")
        return _finish(output, training, step, say), training


def check_new(output):
    """Raise RunError if `output` holds a run or a model, or cannot be written; leave it as it was."""
    if (output / "run.json").is_file() and (output / "config.json").is_file():
        raise RunError(f"{output} holds a finished run: choose another --output")
    if (output / "run.json").is_file():
        raise RunError(
            f"{output} holds a run already: add --resume to go on with it, or choose another --output"
        )
    if (output / "config.json").is_file() or (output / "model.safetensors").is_file():
        raise RunError(f"{output} holds a model already: choose another --output")
    if any(step > 0 for step, _ in checkpoint.checkpoints(output)):
        raise RunError(f"{output} holds checkpoints of a run without its run.json: choose another --output")
    if output.is_file():
        raise RunError(f"{output} is a file: choose another --output, for a directory")
    existed = output.exists()
    try:
        output.mkdir(parents=True, exist_ok=True)
        (output / ".writable").touch()
        (output / ".writable").unlink()
    except OSError as error:
        raise RunError(
            f"cannot write to the output directory {output} ({error.strerror}): choose another --output"
        ) from None
    if not existed:
        output.rmdir()


def _our_threads():
    """One BLAS thread in each of our own threads, and no NumPy warnings: check_loss names what overflows."""
    from contextlib import ExitStack

    from threadpoolctl import threadpool_limits

    stack = ExitStack()
    stack.enter_context(threadpool_limits(1, "blas"))
    stack.enter_context(np.errstate(over="ignore", invalid="ignore"))
    return stack


def _versions():
    return {"minibert": minibert.__version__, "numpy": np.__version__, "python": platform.python_version()}


def _read_record(path):
    """Return what run.json holds: objective, recipe, fingerprint, versions."""
    content = read_json(path)
    if "recipe" in content:
        return content
    # Before there were several objectives, run.json was the recipe itself.
    recipe = {name: value for name, value in content.items() if name not in ("fingerprint", "versions")}
    return {
        "objective": "bert",
        "recipe": recipe,
        "fingerprint": content.get("fingerprint", ""),
        "versions": content.get("versions"),
    }


def _write_start(output, training):
    """Write the log's first line, the checkpoint of step 0, and run.json."""
    objective = training.objective
    output.mkdir(parents=True, exist_ok=True)
    first_line = {"step": 0, "held_out": training.evaluate()._asdict(), **objective.references()}
    (output / "log.jsonl").write_text(as_line(first_line), encoding="utf-8", newline="\n")
    checkpoint.save_checkpoint(output, 0, training)
    write_json(
        output / "run.json",
        {
            "objective": objective.name,
            "recipe": dataclasses.asdict(objective.recipe),
            "fingerprint": objective.fingerprint,
            "versions": _versions(),
        },
    )


def _finish(output, training, first_step, say):
    """Do all steps from `first_step` on, and write the finished model; return the last evaluation."""
    objective = training.objective
    num_parameters = sum(parameter.value.size for parameter in training.optimizer.parameters.values())
    threads = objective.recipe.threads
    say(f"model       {num_parameters:,} parameters; {objective.description()}, threads: {threads}")
    try:
        evaluation = _loop(output, training, first_step)
        checkpoint.save_model(output, training)
        objective.draw(output, read_log(output / "log.jsonl"), is_finished=True)
    except OSError as error:  # a full disk, as a rule
        raise RunError(
            f"cannot write to {output}: {error}. The last checkpoint is "
            f"{checkpoint.checkpoints(output)[-1][1]}: make room, then go on with --resume"
        ) from None
    return evaluation


def _loop(output, training, first_step):
    """Do the steps, with log, evaluations, checkpoints and a progress bar; return the last evaluation."""
    from tqdm import tqdm

    objective, num_steps = training.objective, training.recipe.num_steps
    interval = max(1, num_steps // NUM_EVALUATIONS)
    evaluation, num_tokens = None, 0
    mininterval = 0.5 if sys.stderr.isatty() else 20  # seconds; a log file needs few lines
    with (
        tqdm(
            total=num_steps, initial=first_step, unit="step", mininterval=mininterval, dynamic_ncols=True
        ) as bar,
        open(
            output / "log.jsonl", "a", buffering=1, encoding="utf-8", newline="\n"
        ) as log,  # written line by line
        Interrupt() as interrupt,
    ):
        for step in range(first_step, num_steps):
            done = step + 1
            is_due = done % interval == 0 or done == num_steps  # time for an evaluation and a checkpoint
            try:
                line = training.step(step)
                stop = interrupt.requested  # read once: it may be set at any moment
                if is_due or stop:
                    training.check_parameters()
                if is_due:
                    evaluation = training.evaluate()
            except FloatingPointError as error:
                last = checkpoint.checkpoints(output)[-1][1]
                raise FloatingPointError(
                    f"step {done}: {error}. The last good checkpoint is {last}; "
                    "start a new run with a lower --learning-rate"
                ) from None
            log.write(as_line(line))
            num_tokens += line["tokens"]
            tokens_per_second = num_tokens / max(bar.format_dict["elapsed"], 1e-9)
            bar.set_postfix_str(f"loss {line['loss']:.3f}, {tokens_per_second:,.0f} tokens/s", refresh=False)
            bar.update()
            if is_due:
                log.write(as_line({"step": done, "held_out": evaluation._asdict()}))
                bar.write(f"step {done:>6}: {objective.line(evaluation)}")
                objective.draw(output, read_log(output / "log.jsonl"))
            if is_due or stop:
                os.fsync(log.fileno())
                checkpoint.save_checkpoint(output, done, training)
            if stop and done < num_steps:
                raise KeyboardInterrupt(f"stopped after step {done} of {num_steps}")
    return evaluation or training.evaluate()
