"""Checkpoints of a training run: written whole or not at all, so that a killed run goes on where it was.

A run's directory holds

    run.json             the recipe: written first; --resume records in it what it changes
    log.jsonl            one line a step and one an evaluation
    checkpoint-000400/   model, optimizer moments, what the objective keeps beside them (a vocabulary ...): a
                         set, and a Hugging Face model directory; checkpoint.json says which run wrote it
    config.json, model.safetensors, vocab.txt, ...   the finished model
    loss.png             its loss curves
    best/                the model of the best evaluation so far, where the objective asks for it
    run.lock             while a process trains there

A folder that is called like a checkpoint and was written by somebody else, such as the checkpoint-500 of
another program, is neither read nor removed.
"""

import contextlib
import dataclasses
import os
import pathlib
import re

import numpy as np

from minibert.files import (
    CheckpointError,
    flush,
    read_json,
    read_tensors,
    remove,
    write_json,
    write_tensors,
)
from minibert.huggingface import renamed_parameters
from minibert.huggingface.others import what_is_there

RECORD = "checkpoint.json"
BEST = "best"


def save_checkpoint(directory, step, training, run=None):
    """Write DIRECTORY/checkpoint-STEP as a set, then remove the older ones of the same run.

    Everything is written and flushed to disk under a temporary name, and the folder is renamed at the end:
    whoever looks sees the whole checkpoint or none of it. What cannot be written leaves nothing behind.

    Args:
        directory: of the run.  step: the number of steps done.  training: a Training.
        run: what tells this run from others, as run.json says it.

    Raises:
        CheckpointError: a folder of that name is there, and another program wrote it.
        OSError: it cannot be written, as on a full disk.
    """
    directory = pathlib.Path(directory)
    final = directory / f"checkpoint-{step:06d}"
    temporary = _hidden(final)
    remove_remains(directory)
    if final.exists() and not _is_of(run, final):
        raise CheckpointError(f"{final} is in the way, and this run did not write it: move it away")
    try:
        save_model(temporary, training)
        write_tensors(temporary / "optimizer.safetensors", training.optimizer.state_dict())
        if training.state is not None:
            write_tensors(temporary / "state.safetensors", flat_state(training.state))
        write_json(temporary / RECORD, {"run": run, "step": step})
        for path in (*temporary.iterdir(), temporary):
            flush(path)
        remove(final)  # a start that was killed wrote it
        os.rename(temporary, final)
    except BaseException:
        remove(temporary)
        raise
    flush(directory)
    for older, path in checkpoints(directory):
        if older != step:
            with contextlib.suppress(OSError):  # in use, on Windows: the next checkpoint tries again
                os.rename(path, _hidden(path))  # a kill leaves no half checkpoint that looks like one
                remove(_hidden(path))


def remove_remains(directory):
    """Remove the folders that a killed run was writing or removing."""
    for pattern in (".checkpoint-*.tmp", f".{BEST}.tmp"):
        for folder in pathlib.Path(directory).glob(pattern):
            remove(folder)


def save_best(directory, training):
    """Write the model as DIRECTORY/best, whole or not at all, in place of an earlier one."""
    final = pathlib.Path(directory) / BEST
    temporary = _hidden(final)
    remove(temporary)
    try:
        save_model(temporary, training)
        for path in (*temporary.iterdir(), temporary):
            flush(path)
        remove(final)
        os.rename(temporary, final)
    except BaseException:
        remove(temporary)
        raise
    flush(pathlib.Path(directory))


def take_over(folder, training):
    """Give a Training's model the weights that a folder of the same run holds."""
    stored = type(training.model).from_pretrained(folder).parameters()
    for name, parameter in training.model.parameters().items():
        parameter.value[...] = stored[name].value


def _hidden(path):
    return path.with_name(f".{path.name}.tmp")


def save_model(directory, training):
    """Write a model and what the objective keeps beside it: all that the commands need to use it."""
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    training.objective.save(directory)
    training.model.save_pretrained(directory)


def restore(checkpoint, training):
    """Give a Training the weights, optimizer moments and state that it had when `checkpoint` was written.

    Raises:
        CheckpointError: the checkpoint is damaged, or belongs to another model than run.json describes.
    """
    restored = type(training.model).from_pretrained(checkpoint)
    for name, expected in dataclasses.asdict(training.model.config).items():
        found = getattr(restored.config, name)
        if found != expected:
            raise CheckpointError(
                f"{checkpoint / 'config.json'} does not fit run.json: {name} is {found!r}, "
                f"and {expected!r} by the recipe"
            )
    restored_parameters = restored.parameters()
    for name, parameter in training.model.parameters().items():
        parameter.value[...] = restored_parameters[name].value  # in place: the replicas share these arrays
    load_optimizer(checkpoint, training.optimizer, renamed_parameters(type(training.model)))
    path = checkpoint / "state.safetensors"
    training.state = nested_state(read_tensors(path)) if path.is_file() else None


def load_optimizer(checkpoint, optimizer, renamed):
    """Give an optimizer the moments that it had when `checkpoint` was written.

    Args:
        renamed: {a parameter's name in earlier versions: its name now}.
    """
    state = read_tensors(checkpoint / "optimizer.safetensors")
    for old, new in renamed.items():
        state = {name.replace(old, new): array for name, array in state.items()}
    try:
        optimizer.load_state_dict(state)
    except (KeyError, ValueError) as error:
        raise CheckpointError(
            f"{checkpoint / 'optimizer.safetensors'} does not fit this model: {error}"
        ) from None


def flat_state(state, name="state"):
    """Return {"state.0.1": array} for a nested tuple of arrays."""
    if isinstance(state, np.ndarray):
        return {name: state}
    return {
        key: array
        for index, part in enumerate(state)
        for key, array in flat_state(part, f"{name}.{index}").items()
    }


def nested_state(arrays, name="state"):
    """Undo flat_state."""
    if name in arrays:
        return arrays[name]
    indices = sorted(
        {int(key.removeprefix(f"{name}.").split(".")[0]) for key in arrays if key.startswith(f"{name}.")}
    )
    return tuple(nested_state(arrays, f"{name}.{index}") for index in indices)


def checkpoints(directory):
    """Return [(step, path)] of the checkpoints that the run in a directory wrote, oldest first."""
    directory = pathlib.Path(directory)
    run = run_of(directory)
    return [
        (step, path)
        for step, path in _numbered(directory)
        if path.name == f"checkpoint-{step:06d}" and _is_of(run, path)
    ]


def run_of(directory):
    """Return what tells the run in a directory from others; None for a run of an earlier version."""
    path = pathlib.Path(directory) / "run.json"
    return read_json(path).get("run") if path.is_file() else None


def _is_of(run, checkpoint):
    """Whether that run wrote a checkpoint."""
    if (checkpoint / RECORD).is_file():
        return read_json(checkpoint / RECORD).get("run") == run
    # Earlier versions wrote no record. The Trainer of transformers writes its state into its own.
    return run is None and not (checkpoint / "trainer_state.json").exists()


def _numbered(directory):
    """Return [(number, path)] of all folders called checkpoint-NUMBER, whoever wrote them, by number."""
    try:
        paths = list(directory.glob("checkpoint-*"))
    except FileNotFoundError:  # the folder of a run that fails at its start is removed again
        paths = []
    found = []
    for path in paths:
        match = re.fullmatch(r"checkpoint-([0-9]+)", path.name)
        if match and path.is_dir():
            found.append((int(match[1]), path))
    return sorted(found)


def find_model(directory):
    """Return the folder that holds the model: `directory`, or its newest checkpoint while a run is under way.

    Raises:
        CheckpointError: there is neither.
    """
    directory = pathlib.Path(directory)
    if (directory / "config.json").is_file():
        return directory
    found = checkpoints(directory) or [
        (step, path) for step, path in _numbered(directory) if (path / "config.json").is_file()
    ]
    if not found:
        if directory.is_file():
            raise CheckpointError(f"{directory} is a file: give the folder that holds it")
        found = what_is_there(directory)
        raise CheckpointError(
            f"{directory} holds no model: expected config.json, model.safetensors and vocab.txt, "
            "as `minibert pretrain --output` or Hugging Face's save_pretrained write them"
            f"{found and '; '}{found}"
        )
    return found[-1][1]
