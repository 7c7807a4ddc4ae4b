"""The labelled examples of the comparison: files of the toy language, and how all systems read them."""

import functools
import pathlib

import numpy as np

from minibert.objectives.fine_tuning import make_task
from minibert.text.toy import TOY
from minibert.text.toy.tasks import as_file, examples

KINDS = {  # {task of the toy language: the kind of task that `minibert finetune` calls it}
    "acceptability": "classify", "sentiment": "classify", "sense": "classify", "entities": "tag",
    "same opinion": "pairs",
}
MOST_LABELS = 5000  # sentences that a seed draws; the first n of them have labels, for every n
LEAST_LABELS = 3  # so that every label occurs
NUM_DEV, NUM_TEST, NUM_TEXTS = 300, 2000, 1000
FIRST_SEED = 100  # of the toy language; seed s of the benchmark draws with FIRST_SEED + s
DEV_SEED, TEST_SEED = 200, 201
MOST_SEEDS = DEV_SEED - FIRST_SEED  # seed 100 would learn from the dev examples, 101 from the test's


class Files:
    """Files of labelled examples in a folder; each is written when it is first asked for."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self._drawn = functools.lru_cache(maxsize=2)(drawn)
        self._paths = {}

    def training(self, task, num_labels, seed):
        """Return the path of the first num_labels examples of a seed."""
        return self._path(task, num_labels, MOST_LABELS, FIRST_SEED + seed)

    def dev(self, task):
        """Return the path of the examples that choose settings."""
        return self._path(task, NUM_DEV, NUM_DEV, DEV_SEED)

    def test(self, task):
        """Return the path of the examples that judge."""
        return self._path(task, NUM_TEST, NUM_TEST, TEST_SEED)

    def _path(self, task, number, num_drawn, seed):
        key = task, number, seed
        if key not in self._paths:
            path = self.folder / f"{task} {number} {seed}.txt"
            path = path.with_suffix(".conll" if KINDS[task] == "tag" else ".tsv")
            found = self._drawn(task, num_drawn, seed)[:number]
            path.write_text(as_file(task, found), encoding="utf-8")
            self._paths[key] = str(path)
        return self._paths[key]


def drawn(task, number, seed):
    """Return Examples in random order; those that bring a label that none before has come first.

    (The generator makes them document by document, so its first 20 would share their topics.)
    """
    found = examples(TOY, task, number, seed)
    order = np.random.default_rng(seed).permutation(number)
    first, others, seen = [], [], set()
    for example in (found[place] for place in order):
        labels = set(example.label) if KINDS[task] == "tag" else {example.label}
        (first if labels - seen else others).append(example)
        seen |= labels
    return first + others


@functools.lru_cache(maxsize=16)
def read(kind, path):
    """Return the examples of a file: LabelledTexts, or TaggedWords."""
    return make_task(kind).read(path)


def answers_of(examples):
    """Return all labels of examples in a list; of tagged sentences those of each word."""
    is_tagged = hasattr(examples[0], "tags")
    return [tag for example in examples for tag in example.tags] if is_tagged else [
        example.label for example in examples]


def numbered(labels, names):
    """Return labels as the numbers (N,) of their names."""
    return np.array([names.index(label) for label in labels])
