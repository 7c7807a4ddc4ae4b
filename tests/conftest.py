"""Fixtures of many test files: a small text, a small recipe, a finished run, processes."""

import os
import pathlib
import random
import subprocess
import sys

import pytest
from helpers import made_once
from runs import begin

from minibert.objectives.masked_lm import MaskedLMRecipe

NOUNS = "dog cat bird horse child teacher student river garden book letter song café λόγος 语言".split()
VERBS = "sees likes finds follows writes reads paints opens".split()
ADJECTIVES = "old small red quiet bright happy green broken".split()


def make_text(num_documents, seed=0):
    """Return documents of a few sentences each, about three nouns each, with a blank line between them."""
    rng = random.Random(seed)
    documents = []
    for _ in range(num_documents):
        topic = rng.sample(NOUNS, 3)
        sentences = [
            f"The {rng.choice(ADJECTIVES)} {rng.choice(topic)} {rng.choice(VERBS)} the {rng.choice(topic)}."
            for _ in range(rng.randint(3, 7))
        ]
        documents.append(" ".join(sentences))
    return "\n\n".join(documents) + "\n"


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """The path of a text file of 50 documents; no test changes it."""

    def make(directory):
        (directory / "text.txt").write_text(make_text(50), encoding="utf-8")

    return made_once(tmp_path_factory, "corpus", make) / "text.txt"


@pytest.fixture(scope="session")
def tiny_recipe(corpus):
    """A function that returns a Recipe for a run of a few hundredths of a second, with the given changes."""

    settings = {
        "corpus": [str(corpus)],
        "num_steps": 20,
        "batch_size": 5,
        "seq_length": 16,
        "vocab_size": 150,
        "hidden_size": 12,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "learning_rate": 2e-3,
        "warmup": 0.1,
        "dropout": 0.1,
        "mlm_probability": 0.15,
    }

    def make(**changes):
        return MaskedLMRecipe(**{**settings, **changes})

    return make


@pytest.fixture(scope="session")
def finished_run(tiny_recipe, tmp_path_factory):
    """The directory of a finished run; a test that changes something in it copies it first."""

    def make(directory):
        begin(directory / "run", tiny_recipe())

    return made_once(tmp_path_factory, "finished", make) / "run"


@pytest.fixture(scope="session")
def spawn():
    """A function that starts `python ARGUMENTS`, keywords as environment variables; returns its Popen."""
    started = []

    def start(*arguments, **env):
        root = str(pathlib.Path(__file__).parent.parent)
        python_path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
        process = subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": python_path, **env},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()
