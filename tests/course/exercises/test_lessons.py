"""Every wrong answer that an exercise of the course foresees is told its own sentence."""

import copy
import pathlib
import re

import numpy as np
import pytest

from minibert.course import exercises
from minibert.course.exercises.kinds import Choices, Function, Gradients, Value

EXERCISES = [exercise for lesson in exercises.lessons().values() for exercise in lesson]
GRADED_BY_MISTAKES = [exercise for exercise in EXERCISES if not isinstance(exercise, Choices)]


def no_backward(d_y, cache):
    raise AssertionError("the backward of a wrong forward was run")


def answers(exercise, mistake):
    """The answer of a student who makes this mistake, and the sentence for it."""
    if isinstance(exercise, Function):
        return (mistake.function,), mistake.text
    if isinstance(exercise, Gradients):

        def forward(*inputs, **constants):
            return mistake.function(*inputs, **constants), None

        return (forward, no_backward), mistake.text
    wrong, text = mistake
    if isinstance(wrong, dict):
        return (copy.deepcopy(exercise.expected) | wrong,), text
    return (wrong,), text


@pytest.mark.parametrize("exercise", GRADED_BY_MISTAKES, ids=lambda exercise: exercise.name)
def test_a_foreseen_mistake_is_told_by_its_own_sentence(exercise):
    for mistake in exercise.mistakes:
        given, text = answers(exercise, mistake)
        result = exercise.grade(*given)
        assert result.points < result.of and result.done, text
        assert text in result.message


@pytest.mark.parametrize("number", exercises.lessons())
def test_a_lesson_file_can_be_read_without_its_notebook(number):
    """Above each exercise a comment gives its task."""
    path = pathlib.Path(exercises.__file__).with_name(f"lesson_{number}.py")
    pattern = r"^ +# Task: .{20,}(?:\n +# .*)*\n +\w+\(\n +name=\"(\w+)\""
    tasks = re.findall(pattern, path.read_text(encoding="utf-8"), re.MULTILINE)
    assert tasks == [exercise.name for exercise in exercises.lessons()[number]]


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.name)
def test_an_exercise_helps_whoever_is_wrong_in_another_way(exercise):
    if isinstance(exercise, Choices):
        assert set(exercise.questions) == set(exercise.expected)
        return
    assert exercise.hint or isinstance(exercise, Value) and isinstance(exercise.expected, dict)
    assert exercise.mistakes or isinstance(exercise, Gradients), "no wrong answer is foreseen"


@pytest.mark.parametrize(
    "exercise",
    [item for item in EXERCISES if isinstance(item, Choices)],
    ids=lambda exercise: exercise.name,
)
def test_changing_one_choice_after_the_other_tells_nothing(exercise):
    """All answers with one wrong entry get the same message; a wrong one more never adds a point."""
    messages, points = set(), []
    wrong = dict(exercise.expected)
    for key, right in exercise.expected.items():
        other = next(option for option in exercise.options if option != right)
        result = exercise.grade(exercise.expected | {key: other})
        messages.add(result.message)
        wrong[key] = other
        points.append(exercise.grade(wrong).points)
    assert len(messages) == 1
    assert points == sorted(points, reverse=True) and points[-1] == 0


@pytest.mark.parametrize(
    "exercise",
    [item for item in EXERCISES if isinstance(item, Gradients)],
    ids=lambda exercise: exercise.name,
)
def test_inputs_are_drawn_again_alike(exercise):
    first, second = exercise.inputs(np.random.default_rng(0)), exercise.inputs(np.random.default_rng(0))
    assert all(np.array_equal(one, other) for one, other in zip(first, second, strict=True))
