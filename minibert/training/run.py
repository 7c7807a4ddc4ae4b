"""A run: a directory, the loop over steps, and what survives a kill."""

import dataclasses
import errno
import hashlib
import json
import os
import pathlib
import platform
import sys
import time

import numpy as np

import minibert
from minibert.files import read_json, remove, sync, write_atomically, write_json
from minibert.training import checkpoint
from minibert.training.errors import RunError
from minibert.training.interrupts import Interrupt, Stopped
from minibert.training.lock import locked
from minibert.training.log import as_line, cut_log, read_log
from minibert.training.memory import keep_freed_memory
from minibert.training.pace import steps_within
from minibert.training.recipe import options
from minibert.training.saying import SafeStream, safely
from minibert.training.step import Training

NUM_EVALUATIONS = 10  # during a run, and as many checkpoints
SECONDS_AT_RISK = 300  # at most, between two checkpoints
RESERVE = 0.07  # of the minutes: for the checkpoints, and for a machine that is busier later on
WRITTEN = ("run.json", "log.jsonl", "config.json", "model.safetensors")  # by every run, in its directory


def begin(output, objective_class, recipe=None, minutes=5.0, say=print, clock=time.monotonic):
    """Train a model and leave it in the directory `output`.

    Args:
        output: directory; minibert/training/checkpoint.py says what it holds afterwards.
        objective_class: what is learned from what, such as objectives.find("bert").
        recipe: an objective_class.Recipe; None is its defaults.
        minutes: the time that the whole call may take, if recipe.num_steps is 0.
        say: function that takes a line of progress; a line that it cannot print is left out.
        clock: function that returns seconds; it says when a checkpoint is due, and changes no number.

    Returns:
        the last evaluation, and the Training.

    Raises:
        RunError: `output` holds a run or a model already, another process trains there, or it cannot be
            written.
        FloatingPointError: the loss became infinite or not a number; the last checkpoint is kept.
        KeyboardInterrupt: Ctrl-C, or another signal that asks to stop; a checkpoint was written first. (A
            second Ctrl-C stops at once, without.)
    """
    started = time.perf_counter()
    output, say = pathlib.Path(output), safely(say)
    keep_freed_memory()
    with locked(output, say), _our_threads():
        check_new(output)
        objective = objective_class(recipe or objective_class.Recipe(), say=say)
        kept = [checkpoint.BEST] if hasattr(objective, "quality") else []
        check_new(output, [*objective.files, *objective.pictures, *kept])
        if objective.recipe.num_steps == 0:
            num_steps = _steps_until(started + 60 * minutes, objective, say)
            objective.recipe = dataclasses.replace(objective.recipe, num_steps=num_steps)
        training = Training(objective)
        record = _new_record(objective)
        try:
            write_json(output / "run.json", record)
            _write_start(output, training, record["run"])
        except OSError as error:
            raise _cannot_write(output, error) from None
        return _finish(output, training, 0, record["run"], say, clock), training


def resume(output, find_objective, say=print, changes=None, clock=time.monotonic, minutes=None):
    """Go on with the run in the directory `output` from its newest checkpoint; without changes it ends with
    the bits it would have had.

    Args:
        output: directory of a run.
        find_objective: function that returns an objective's class by its name, such as objectives.find.
        say, clock: as in begin.
        changes: {field of the recipe: value}. A run may be given another number of steps or threads, or
            another place of the same corpus; run.json records what changes, and after which step.
        minutes: the time that the whole call may take; it becomes a change of num_steps, to the steps that
            are done and as many more as fit. None goes on to the number that the run has.

    Returns, raises: as begin; RunError also if there is no run to resume, its corpus has changed, or a change
    is not possible.
    """
    started = time.perf_counter()
    output, say = pathlib.Path(output), safely(say)
    keep_freed_memory()
    if not (output / "run.json").is_file():
        raise RunError(
            f"{output} holds no run to resume: expected run.json, log.jsonl and a checkpoint folder; "
            "start one without --resume"
        )
    with locked(output, say), _our_threads():
        record = _read_record(output / "run.json")
        objective_class = find_objective(record["objective"])
        recipe = _recipe(objective_class, record, output)
        for name in recipe.may_change:  # a run of an earlier version may lack one
            record["recipe"].setdefault(name, getattr(recipe, name))
        step, newest = _where_to_go_on(output)
        if record["versions"] != _versions():
            now = _versions()
            say(f"note        this run began with {record['versions']}, now {now}: the last bits may differ")
        effects = {**EFFECTS, **objective_class.Recipe.may_change}
        changed = _change(record, changes or {}, step, say, effects)
        objective = objective_class(_recipe(objective_class, record, output), newest, say)
        if record["fingerprint"] not in ("", objective.fingerprint):
            raise RunError(
                f"the corpus has changed since this run began (fingerprint {objective.fingerprint}, then "
                f"{record['fingerprint']}); a resumed run needs the same text: start a new one"
            )
        if minutes is not None:
            num_steps = step + _steps_until(started + 60 * minutes, objective, say, step)
            changed |= _change(record, {"num_steps": num_steps}, step, say, effects)
            objective.recipe = dataclasses.replace(objective.recipe, num_steps=num_steps)
        training = Training(objective)
        try:
            if newest is None:
                _write_start(output, training, record.get("run"))
            else:
                checkpoint.restore(newest, training)
                cut_log(output / "log.jsonl", step)
                checkpoint.remove_remains(output)
            if changed:
                write_json(output / "run.json", record)
        except OSError as error:
            raise _cannot_write(output, error) from None
        say(f"resuming    after step {step:,}")
        return _finish(output, training, step, record.get("run"), say, clock), training


def _steps_until(end, objective, say, done=0):
    """Return the number of further steps, after those that are done, that an objective's model has time for
    until time.perf_counter() is `end`. The trial steps train a model of their own."""
    training = Training(objective)
    return steps_within((1 - RESERVE) * (end - time.perf_counter()), training, NUM_EVALUATIONS, say, done)


def check_new(output, names=()):
    """Raise RunError if `output` holds a run or a model, or one of the files that a run would write."""
    if (output / "run.json").is_file() and (output / "config.json").is_file():
        raise RunError(
            f"{output} holds a finished run: choose another --output, or train it longer with --resume and "
            "more --steps (--epochs, if it is fine-tuned)"
        )
    if (output / "run.json").is_file():
        raise RunError(
            f"{output} holds a run already: add --resume to go on with it, or choose another --output"
        )
    if (output / "config.json").is_file() or (output / "model.safetensors").is_file():
        raise RunError(f"{output} holds a model already: choose another --output")
    taken = [name for name in (*WRITTEN, *names) if os.path.lexists(output / name)]
    taken += sorted(path.name for path in output.glob("checkpoint-[0-9]*"))
    taken += sorted(path.name for path in output.glob(".checkpoint-*.tmp"))
    if taken:
        raise RunError(
            f"{output} holds {taken[0]}, which a run would write or remove: choose another --output"
        )


def _recipe(objective_class, record, output):
    """Return the recipe in a run's record; RunError if this version has no such fields."""
    try:
        return objective_class.Recipe(**record["recipe"])
    except TypeError as error:
        raise RunError(
            f"{output / 'run.json'} was written by another version of minibert: {error}"
        ) from None


def _where_to_go_on(output):
    """Return the step and the folder of the newest checkpoint; (0, None) if a run ended before its first.

    Raises:
        RunError: what is there is no run to go on with.
    """
    found, has_log = checkpoint.checkpoints(output), (output / "log.jsonl").is_file()
    if not found and not (has_log and read_log(output / "log.jsonl")[1:]) and not (
        output / "config.json"
    ).exists():
        return 0, None
    if not found or not has_log:
        raise RunError(
            f"{output} holds no run to resume: {'log.jsonl' if found else 'its checkpoint'} is not there any "
            "more; start one without --resume, in another --output"
        )
    step, newest = found[-1]
    theirs, ours = output / "config.json", newest / "config.json"
    if theirs.is_file() and ours.is_file() and read_json(theirs) != read_json(ours):
        raise RunError(
            f"{output} holds a model that this run did not write, and would write over: move config.json "
            "and the rest of that model to another folder"
        )
    return step, newest


def _change(record, changes, step, say, effects):
    """Put changes of the recipe into a run's record, and say so; return whether there are any.

    Args:
        effects: {field that may change: what that does}.

    Raises:
        RunError: a change would make another run of it.
    """
    recipe = record["recipe"]
    changes = {name: list(value) if isinstance(value, tuple) else value for name, value in changes.items()}
    changes = {name: value for name, value in changes.items() if recipe.get(name) != value}
    fixed = [name for name in changes if name not in effects]
    if fixed:
        raise RunError(
            f"a resumed run goes on as it was begun, with {fixed[0]} {recipe.get(fixed[0])!r}: leave out "
            f"{options(fixed)} ({_changeable(recipe, effects)} may change)"
        )
    if changes.get("num_steps", step) < step:
        raise RunError(
            f"this run has done {step:,} steps: --steps {changes['num_steps']:,} is less; give more"
        )
    for name, value in changes.items():
        say(f"changed     {name} is {value}, {recipe.get(name)} until step {step:,}: {effects[name]}")
        record.setdefault("changes", []).append(
            {"after_step": step, "name": name, "from": recipe.get(name), "to": value}
        )
        recipe[name] = value
    return bool(changes)


def _changeable(recipe, effects):
    """Return the options that may change when a run of a recipe is resumed, given those of _change."""
    if "epochs" in recipe:
        return "--epochs, --threads, and --train and --dev, for files that were moved,"
    more = options(["threads", *(name for name in ("micro_batches", "recompute") if name in effects)])
    return f"--steps or --minutes, {more} and --corpus, for a text that was moved,"


EFFECTS = {  # of what may change in a recipe when a run is resumed
    "num_steps": "the learning rate follows the new number from here on",
    "epochs": "as many passes over the examples",
    "threads": "the last bits may differ",
    "corpus": "the text must be the same",
    "train": "the examples must be the same",
    "dev": "the examples must be the same",
}


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


def _new_record(objective):
    """Return what run.json holds; "run" tells this run's checkpoints from those of others."""
    recipe = dataclasses.asdict(objective.recipe)
    content = {"objective": objective.name, "recipe": recipe, "fingerprint": objective.fingerprint}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return {**content, "versions": _versions(), "run": digest[:12]}


def _write_start(output, training, run):
    """Write the log's first line, and the checkpoint of step 0."""
    first_line = {"step": 0, "held_out": training.evaluate()._asdict(), **training.objective.references()}
    write_atomically(output / "log.jsonl", as_line(first_line).encode("utf-8"))
    checkpoint.save_checkpoint(output, 0, training, run)


def _finish(output, training, first_step, run, say, clock):
    """Do all steps from `first_step` on, and write the finished model; return the last evaluation."""
    objective = training.objective
    num_parameters = sum(parameter.value.size for parameter in training.optimizer.parameters.values())
    threads = objective.recipe.threads
    say(f"model       {num_parameters:,} parameters; {objective.description()}, threads: {threads}")
    try:
        evaluation = _loop(output, training, first_step, run, say, clock)
        if hasattr(objective, "quality"):
            evaluation = _finish_with_best(output, training, evaluation, say)
        else:
            checkpoint.save_model(output, training)
    except OSError as error:
        raise _cannot_write(output, error) from None
    _draw(output, objective, say, is_finished=True)
    return evaluation


def _best(output, objective, kind):
    """Return the step and the evaluation, of a kind, that the log holds as the best; None before the first.

    The earlier of two that are equally good.
    """
    evaluations = [
        (line["step"], kind(**line["held_out"]))
        for line in read_log(output / "log.jsonl") if "held_out" in line and line["step"] > 0
    ]
    return max(evaluations, key=lambda found: objective.quality(found[1]), default=None)


def _finish_with_best(output, training, evaluation, say):
    """Write the model of the best evaluation as the finished one; return that evaluation.

    A run that was finished before, and found no better model since, has it there already.
    """
    step, best = _best(output, training.objective, type(evaluation))
    folder = output / checkpoint.BEST
    if folder.is_dir():
        checkpoint.take_over(folder, training)
    if folder.is_dir() or not (output / "config.json").is_file():
        checkpoint.save_model(output, training)
    remove(folder)
    say(f"best        after step {step:,} of {training.recipe.num_steps:,}: this model is kept")
    return best


def _cannot_write(output, error):
    """Return the RunError for an OSError: what was not written, what is left, and what to do."""
    saved = checkpoint.checkpoints(output)
    is_full = error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", None))
    left = f"The last checkpoint is {saved[-1][1]}" if saved else "There is no checkpoint yet"
    then = "make room, then go on with --resume" if is_full else "go on with --resume when it can be"
    return RunError(f"cannot write to {output}: {error}. {left}: {then}")


def _draw(output, objective, say, is_finished=False):
    """Draw the pictures that are due. The model matters: a picture that fails is told of, and left out."""
    try:
        objective.draw(output, read_log(output / "log.jsonl"), is_finished=is_finished)
    except Exception as error:  # Matplotlib's settings are the reader's: LaTeX, fonts, styles, a full disk
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        say(f"note        a picture could not be drawn: {reason}")


def _loop(output, training, first_step, run, say, clock):
    """Do the steps, with log, evaluations, checkpoints and a progress bar; return the last evaluation."""
    from tqdm import tqdm

    objective, num_steps = training.objective, training.recipe.num_steps
    interval = getattr(objective, "evaluation_steps", None) or max(1, num_steps // NUM_EVALUATIONS)
    evaluation, num_tokens, saved_at = None, 0, clock()
    screen = SafeStream(sys.stderr)
    mininterval = 0.5 if screen.isatty() else 20  # seconds; a log file needs few lines
    with (
        tqdm(
            total=num_steps, initial=first_step, unit="step", mininterval=mininterval, dynamic_ncols=True,
            file=screen,
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
                is_saved = is_due or stop or clock() - saved_at >= SECONDS_AT_RISK
                if is_saved:
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
                if hasattr(objective, "quality") and _best(output, objective, type(evaluation))[0] == done:
                    checkpoint.save_best(output, training)
            if is_saved:
                sync(log.fileno())
                checkpoint.save_checkpoint(output, done, training, run)
                saved_at = clock()
            if is_due:
                bar.clear()
                say(f"step {done:>6}: {objective.line(evaluation)}")
                bar.refresh()
                _draw(output, objective, say)
            if stop and done < num_steps:
                raise Stopped(f"stopped after step {done} of {num_steps}", interrupt.signal_number)
    return evaluation or training.evaluate()
