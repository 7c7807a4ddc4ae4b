"""An answer that is right is right in any style: the points follow the verdict of the gradient check.

styles.py has the answers. The vectorised ones are in notebooks/solutions, and tests/notebooks grades them.
"""

import math

import numpy as np
import pytest
from course.exercises.styles import STYLES

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


def answer(name, style):
    forwards, back = STYLES[name]
    return (forwards[style](),) if back is None else (forwards[style], back)


@pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning")
@pytest.mark.parametrize("name, style", ANSWERS)
def test_every_exercise_gives_its_points_for_every_style(name, style):
    result = OF_LESSONS[name].grade(*answer(name, style))
    assert result.points == result.of, str(result)


@pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning")
@pytest.mark.parametrize("name, style", [(name, style) for name, style in ANSWERS if style != "loops"])
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
        assert exercise.shape != () or "running" in STYLES[name][0], name
