"""Other numbers for each student: the same task, on data that follow from the student's id.

A reference computes what is right, so nothing has to be stored or sent: the notebook holds the id, and the
same id gives the same numbers in the student's notebook and in `minibert grade`.
"""

import copy
import functools
import hashlib
import importlib
import pathlib
import re
import unicodedata
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from minibert.course.exercises import references
from minibert.course.exercises.kinds import FORWARD_TOLERANCE, Choices, Function, Gradients, differs, sampled

ATTEMPTS = 100


class Reference(NamedTuple):
    """What an exercise needs to make other numbers of the same task.

    Attributes:
        function: what is right. For Gradients: the function of (*inputs, **constants) that returns y. For a
                  Function: the function itself. For a Value: the function of the task's numbers, by keyword,
                  that returns the expected value.
        draw:     a function of a numpy Generator. For a Function: a list of tuples of arguments, tried beside
                  those that everybody has. For a Value: {name: number}, the task's numbers. Gradients need
                  none: their `inputs` are drawn from another seed.
        text:     for a Value: how the task tells its numbers, for str.format(**numbers).
    """

    function: Callable
    draw: Callable | None = None
    text: str = ""


def own(exercise, student):
    """Return the exercise with the numbers of a student; the exercise itself if it has no Reference.

    Gradients are drawn again until every foreseen mistake gives another y than the right one, so that no
    student's numbers hide a mistake. Everybody's cases of a Function stay: they hold the edges.
    """
    reference = all_references().get(exercise.name)
    if reference is None:
        return exercise
    if isinstance(exercise, Gradients):
        return _own_gradients(exercise, reference, student)
    if isinstance(exercise, Function):
        arguments = reference.draw(_generator(exercise, student))
        drawn = [(given, reference.function(*copy.deepcopy(given))) for given in arguments]
        return exercise._replace(cases=[*exercise.cases, *drawn])
    expected = reference.function(**numbers_of(exercise, student))
    if isinstance(exercise, Choices):
        return exercise._replace(expected=expected)
    return exercise._replace(expected=expected, mistakes=_own_mistakes(exercise, expected))


def numbers_of(exercise, student):
    """Return the numbers of a Value's task for a student, others than everybody's; None if it has none."""
    reference = all_references().get(exercise.name)
    if reference is None or not reference.text:
        return None
    for attempt in range(ATTEMPTS):
        numbers = reference.draw(_generator(exercise, student, attempt))
        if reference.function(**numbers) != exercise.expected:
            return numbers
    raise ValueError(f"{exercise.name}: no draw gives other numbers")


def told(exercise, student):
    """Return the sentence that tells a student the own numbers of a Value's task; "" if it has none."""
    numbers = numbers_of(exercise, student)
    return "" if numbers is None else all_references()[exercise.name].text.format(**numbers)


@functools.cache
def all_references():
    """Return {name of the exercise: Reference}, from the files of references/."""
    names = sorted(path.stem for path in pathlib.Path(references.__path__[0]).glob("lesson_*.py"))
    found = {}
    for name in names:
        found |= importlib.import_module(f"{references.__name__}.{name}").REFERENCES
    return found


def _own_gradients(exercise, reference, student):
    for attempt in range(ATTEMPTS):
        drawn = exercise._replace(seed=_seed(exercise, student, attempt))
        inputs, constants = drawn.arguments()
        y = np.asarray(reference.function(*copy.deepcopy(inputs), **copy.deepcopy(constants)))
        values = sampled(y, len(exercise.values))
        wrong = (mistake.function(*inputs, **constants) for mistake in exercise.mistakes)
        if all(differs(found, y, values, 10 * FORWARD_TOLERANCE) for found in wrong):
            return drawn._replace(values=values.tolist())
    raise ValueError(f"{exercise.name}: in every draw a foreseen mistake gives the right numbers")


def _own_mistakes(exercise, expected):
    """Return the foreseen mistakes of a Value, a dict, with everybody's numbers replaced by one's own.

    A shape of B and C becomes the shape of one's own B and C. A wrong value with a number that no right value
    has is left out, because it would need a formula; so is a sentence that tells one of everybody's numbers.
    """
    found = {}
    for key in expected:
        for old, new in zip(_entries(exercise.expected[key]), _entries(expected[key]), strict=True):
            found.setdefault(old, set()).add(new)
    own_number = {old: new.pop() for old, new in found.items() if len(new) == 1}
    told = {str(old) for old, new in own_number.items() if old != new}
    mistakes = []
    for wrong, text in exercise.mistakes:
        own_wrong = {
            key: tuple(map(own_number.get, value)) if isinstance(value, tuple) else own_number[value]
            for key, value in wrong.items()
            if set(_entries(value)) <= set(own_number)
        }
        if own_wrong and not told & set(re.findall(r"\d+", text)):
            mistakes.append((own_wrong, text))
    return mistakes


def _entries(value):
    return value if isinstance(value, tuple) else (value,)


def _generator(exercise, student, attempt=0):
    return np.random.default_rng(_seed(exercise, student, attempt))


def _seed(exercise, student, attempt=0):
    """Return a seed for a numpy Generator; it depends on the id's characters, not on how they are encoded."""
    text = f"{unicodedata.normalize('NFC', student.strip())}\n{exercise.name}"
    return [int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest()[:8], "little"), attempt]
