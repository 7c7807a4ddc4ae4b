"""An answer that is right is right in any style: the points follow the verdict of the gradient check.

styles.py has the answers in loops and others; the vectorised ones are those of notebooks/solutions, which are
also given as one object with two methods, and with a dict for a cache. right/ has the functions.
"""

import math

import numpy as np
import pytest
from course.exercises.solutions import solution
from course.exercises.styles import STYLES
from helpers import sampled

from minibert.course import exercises
from minibert.course.exercises.kinds import Gradients

X = np.random.default_rng(0).standard_normal((3, 4))
EXPECTED = [float(np.sqrt((X * X).sum()))]
EXERCISE = Gradients("length", (1, 2), lambda rng: (rng.standard_normal((3, 4)),), EXPECTED, shape=())


def vectorised(x):
    length = np.sqrt((x * x).sum())
    return length, (x, length)


def in_loops(x):
    squares = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        squares[place] = x[place] ** 2
    length = np.sqrt(squares.sum())
    return length, (x, length)


def by_norm(x):
    length = np.linalg.norm(np.abs(x))
    return length, (x, length)


def running(x):
    total = 0.0
    for entry in x.reshape(-1):
        total += float(entry) * float(entry)
    return math.sqrt(total), (x, math.sqrt(total))


def backward(d_y, cache):
    x, length = cache
    return d_y * x / length


def wrong(d_y, cache):
    x, length = cache
    return d_y * x


@pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning")
@pytest.mark.parametrize("forward", [vectorised, in_loops, by_norm, running])
def test_every_style_gets_the_points(forward):
    result = EXERCISE.grade(forward, backward)
    assert result.points == 3, str(result)
    assert EXERCISE.grade(forward, wrong).points == 1


# --- the exercises of the lessons ---

OF_LESSONS = {
    exercise.name: exercise
    for lesson in exercises.lessons().values()
    for exercise in lesson
    if isinstance(exercise, Gradients)
}
ANSWERS = [(name, style) for name, (forwards, _) in STYLES.items() for style in forwards]
LONG = [("relative_bias", "loops"), ("pre_norm_block", "loops"), ("rope", "loops")]  # a second or two each


def answer(name, style):
    forwards, back = STYLES[name]
    return (forwards[style](),) if back is None else (forwards[style], back)


@pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning")
@pytest.mark.parametrize(
    "name, style",
    sampled([answer for answer in ANSWERS if answer not in LONG], every=3)
    + [pytest.param(*answer, marks=pytest.mark.exhaustive) for answer in LONG],
)
def test_every_exercise_gives_its_points_for_every_style(name, style):
    result = OF_LESSONS[name].grade(*answer(name, style))
    assert result.points == result.of, str(result)


@pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning")
@pytest.mark.parametrize(
    "name, style", sampled([(name, style) for name, style in ANSWERS if style != "loops"], every=3)
)
def test_no_style_hides_a_small_mistake(name, style):
    """The largest entry of the last gradient is off by one part in ten thousand."""
    forward, right_backward = answer(name, style)

    def backward(d_y, cache):
        gradients = right_backward(d_y, cache)
        each = gradients if isinstance(gradients, tuple) else (gradients,)
        last = [gradient for gradient in each if gradient is not None][-1]
        last.reshape(-1)[np.abs(last).argmax()] *= 1.0001
        return gradients

    result = OF_LESSONS[name].grade(forward, backward)
    assert result.points < result.of and "not right" in result.message, str(result)


def test_every_exercise_has_its_styles():
    """Loops for all; a running sum for every loss."""
    assert set(STYLES) == set(OF_LESSONS)
    for name, exercise in OF_LESSONS.items():
        assert "loops" in STYLES[name][0]
        running = "running" in STYLES[name][0] or not exercise.points[0]  # or the forward is given
        assert exercise.shape != () or running, name


class Pair:
    """A forward and a backward as methods of one object."""

    def __init__(self, forward, backward):
        self.forward, self.backward = forward, backward


def with_a_dict(forward, backward):
    """The cache is a dict with other things in it."""

    def other_forward(*inputs, **constants):
        y, cache = forward(*inputs, **constants)
        return y, {"shapes": [np.shape(entry) for entry in inputs], "kept": cache}

    return other_forward, lambda d_y, cache: backward(d_y, cache["kept"])


@pytest.mark.parametrize("name", sampled(list(OF_LESSONS), every=3))
def test_a_solution_has_its_points_also_as_an_object_with_another_cache(name):
    exercise, answers = OF_LESSONS[name], solution(name)
    styles = [answers]
    if len(answers) == 2 and len(STYLES[name][0]) == 1:  # so that each has four
        styles += [with_a_dict(*answers), (Pair(*answers),)]
    elif len(answers) == 2:
        styles += [(Pair(*with_a_dict(*answers)),)]
    for style in styles:
        result = exercise.grade(*style)
        assert result.points == result.of, str(result)
