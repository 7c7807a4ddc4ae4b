"""What several test files share: a small text, a small recipe, a finished run, and the command in a process of its own."""

import os
import pathlib
import random
import subprocess
import sys

import pytest
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
    path = tmp_path_factory.mktemp("corpus") / "text.txt"
    path.write_text(make_text(50), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def tiny_recipe(corpus):
    """A function that returns a Recipe for a run of a few hundredths of a second, with the changes that are asked for."""

    def make(**changes):
        sizes = {"vocab_size": 150, "hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 3, "seq_length": 16}
        rates = {"learning_rate": 2e-3, "warmup": 0.1, "dropout": 0.1, "mlm_probability": 0.15}  # whatever the defaults become
        return MaskedLMRecipe(**{"corpus": [str(corpus)], "num_steps": 20, "batch_size": 5, **sizes, **rates, **changes})

    return make


@pytest.fixture(scope="session")
def finished_run(tiny_recipe, tmp_path_factory):
    """The directory of a run that is done; a test that changes something in it copies it first."""
    directory = tmp_path_factory.mktemp("finished") / "run"
    begin(directory, tiny_recipe())
    return directory


@pytest.fixture(scope="session")
def spawn():
    """A function that starts `python ARGUMENTS` as a process of its own and returns its Popen; env is added to ours."""
    started = []

    def start(*arguments, **env):
        root = str(pathlib.Path(__file__).parent.parent)
        python_path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
        process = subprocess.Popen(
            [sys.executable, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": python_path, **env},
        )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()
