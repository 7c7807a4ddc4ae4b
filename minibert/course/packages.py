"""Lesson 13's task on real text: which package of the standard library is a sentence from?

The sentences are those of the docstrings, as `python-docs` has them. The names of the packages are masked.
Training, choice of settings and test have files of their own, and no sentence occurs twice.
"""

import re
from typing import NamedTuple

import numpy as np

from minibert.text.documentation import read_package
from minibert.text.words import split_words

PACKAGES = "asyncio", "email", "http", "importlib", "logging", "tkinter", "unittest", "xml"
NAMES = re.compile("|".join(PACKAGES), re.IGNORECASE)
PARTS = "train", "test", "dev"  # of the files of a package, the largest first: the 1st, 4th ...; 2nd; 3rd


class Sentence(NamedTuple):
    """A sentence with its label: text as it is written, package, and the file it is from."""

    text: str
    package: str
    file: str


def masked(text):
    """Return a text with "package" in the place of the packages' names, also inside a word.

    Example:
        >>> masked("An XMLReader reads XML; see http.client.")
        'An packageReader reads package; see package.client.'
    """
    return NAMES.sub("package", text)


def split_by_file(files_of):
    """Return {part: list of Sentences}, so that no file and no masked sentence is in two parts.

    A sentence of two packages is left out, and of equal sentences of one package the first stays.

    Args:
        files_of: {package: {file: list of str}}.
    """
    found = {}  # {words of a masked sentence: (its part, its Sentences)}
    for package, files in files_of.items():
        by_size = sorted(files, key=lambda file: (-len(files[file]), file))
        for rank, file in enumerate(by_size):
            for text in files[file]:
                key = tuple(word.lower() for word in split_words(masked(text)))
                found.setdefault(key, (PARTS[rank % 3], []))[1].append(Sentence(text, package, file))
    parts = {part: [] for part in PARTS}
    for part, equal in found.values():
        if len({sentence.package for sentence in equal}) == 1:
            parts[part].append(equal[0])
    return parts


def draw(sentences, per_package, seed):
    """Return equally many Sentences of each package; the first n of a seed are among its first n + 1.

    Raises:
        ValueError: a package has fewer.
    """
    rng = np.random.default_rng(seed)
    drawn = []
    for package in dict.fromkeys(sentence.package for sentence in sentences):
        own = [sentence for sentence in sentences if sentence.package == package]
        if len(own) < per_package:
            raise ValueError(f"{package} has {len(own)} sentences, fewer than {per_package}")
        drawn += [own[place] for place in rng.permutation(len(own))[:per_package]]
    return drawn


def read_sentences():
    """Return {part: list of Sentences} of this Python's own packages."""
    return split_by_file({package: read_package(package) for package in PACKAGES})
