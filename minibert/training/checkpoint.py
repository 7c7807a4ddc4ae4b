"""Checkpoints of a training run: written whole or not at all, so that a killed run goes on where it was.

A run's directory holds

    run.json             the recipe: written once, before the first step
    log.jsonl            one line a step and one an evaluation
    checkpoint-000400/   model, optimizer moments, what the objective keeps beside them (a vocabulary ...): a
                         set, and a Hugging Face model directory
    config.json, model.safetensors, vocab.txt, ...   the finished model
    loss.png             its loss curves
"""

import dataclasses
import os
import pathlib
import re

import numpy as np

from minibert.files import CheckpointError, flush, read_tensors, remove, write_tensors
from minibert.huggingface import renamed_parameters


def save_checkpoint(directory, step, training):
    """Write DIRECTORY/checkpoint-STEP as a set, then remove the older ones.

    Everything is written and flushed to disk under a temporary name, and the folder is renamed at the end:
    whoever looks sees the whole checkpoint or none of it.

    Args:
        directory: of the run.  step: the number of steps done.  training: a Training.
    """
    directory = pathlib.Path(directory)
    final = directory / f"checkpoint-{step:06d}"
    temporary = directory / f".{final.name}.tmp"
    for killed in directory.glob(".checkpoint-*.tmp"):  # what a killed run was writing
        remove(killed)
    save_model(temporary, training)
    write_tensors(temporary / "optimizer.safetensors", training.optimizer.state_dict())
    if training.state is not None:
        write_tensors(temporary / "state.safetensors", flat_state(training.state))
    for path in (*temporary.iterdir(), temporary):
        flush(path)
    remove(final)  # it is there only if a start was killed before it wrote run.json
    os.rename(temporary, final)
    flush(directory)
    for older, path in checkpoints(directory):
        if older != step:
            remove(path)


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
    for name, parameter in training.optimizer.parameters.items():
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
    """Return [(step, path)] of the checkpoints in a run's directory, oldest first; [] if it is not there."""
    try:
        paths = list(pathlib.Path(directory).glob("checkpoint-*"))
    except FileNotFoundError:  # a run that begins makes its folder, and removes it again, to see that it can
        paths = []
    found = []
    for path in paths:
        match = re.fullmatch(r"checkpoint-(\d+)", path.name)
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
    found = checkpoints(directory)
    if not found:
        raise CheckpointError(
            f"{directory} holds no model: expected config.json, model.safetensors and vocab.txt, "
            "as `minibert pretrain --output` or Hugging Face's save_pretrained write them"
        )
    return found[-1][1]
