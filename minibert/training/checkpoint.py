"""Checkpoints of a training run: written whole or not at all, so that a killed run goes on where it was.

A run's directory holds

    run.json             the recipe: written once, before the first step
    log.jsonl            one line a step and one an evaluation
    checkpoint-000400/   model, tokenizer, optimizer moments and the step: a set, and a Hugging Face model directory
    config.json, model.safetensors, vocab.txt, ...   the finished model
    loss.png             its loss curves
"""

import os
import pathlib
import re

from minibert.files import CheckpointError, flush, read_tensors, remove, write_tensors

UNIGRAM_FILE = "unigram.safetensors"


def save_checkpoint(directory, step, model, tokenizer, optimizer, unigram_log_probs):
    """Write DIRECTORY/checkpoint-STEP as a set, then remove the older ones.

    Everything is written and flushed to disk under a temporary name, and the folder is renamed at the end: whoever looks
    sees the whole checkpoint or none of it.
    """
    directory = pathlib.Path(directory)
    final = directory / f"checkpoint-{step:06d}"
    temporary = directory / f".{final.name}.tmp"
    for killed in directory.glob(".checkpoint-*.tmp"):  # what a killed run was writing
        remove(killed)
    save_model(temporary, model, tokenizer, unigram_log_probs)
    write_tensors(temporary / "optimizer.safetensors", optimizer.state_dict())
    for path in (*temporary.iterdir(), temporary):
        flush(path)
    remove(final)  # it is there only if a start was killed before it wrote run.json
    os.rename(temporary, final)
    flush(directory)
    for older, path in checkpoints(directory):
        if older != step:
            remove(path)


def save_model(directory, model, tokenizer, unigram_log_probs):
    """Write what the commands need to use a model: weights, vocabulary, and the unigram model to compare it with."""
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(directory, model_max_length=model.config.max_position_embeddings)
    write_tensors(directory / UNIGRAM_FILE, {"log_probs": unigram_log_probs})
    model.save_pretrained(directory)


def load_optimizer(checkpoint, optimizer):
    """Give an optimizer the moments that it had when `checkpoint` was written."""
    state = read_tensors(checkpoint / "optimizer.safetensors")
    try:
        optimizer.load_state_dict(state)
    except (KeyError, ValueError) as error:
        raise CheckpointError(f"{checkpoint / 'optimizer.safetensors'} does not fit this model: {error}") from None


def load_unigram(directory):
    """Return the log probabilities (V,) of the unigram model stored beside a model, or None."""
    path = pathlib.Path(directory) / UNIGRAM_FILE
    return read_tensors(path).get("log_probs") if path.is_file() else None


def checkpoints(directory):
    """Return [(step, path)] of the checkpoints in a run's directory, oldest first."""
    found = []
    for path in pathlib.Path(directory).glob("checkpoint-*"):
        match = re.fullmatch(r"checkpoint-(\d+)", path.name)
        if match and path.is_dir():
            found.append((int(match[1]), path))
    return sorted(found)


def find_model(directory):
    """Return the folder that holds the model: `directory` itself, or its newest checkpoint while a run is under way.

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
