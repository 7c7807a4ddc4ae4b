"""An answer that is right is right in any style: the points follow the verdict of the gradient check."""

import math

import numpy as np
import pytest

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
