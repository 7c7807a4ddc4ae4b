"""A right answer has all points in any style: right/ has three for each exercise, the solution is a fourth.

The exercises with a backward are in styles.py and test_styles.py.
"""

import importlib

import pytest
from course.exercises.solutions import solution

from minibert.course import exercises
from minibert.course.exercises.kinds import Gradients

RIGHT = {
    name: answers
    for lesson in exercises.lessons()
    for name, answers in importlib.import_module(f"course.exercises.right.lesson_{lesson}").RIGHT.items()
}
OTHERS = [
    exercise.name
    for lesson in exercises.lessons().values()
    for exercise in lesson
    if not isinstance(exercise, Gradients)
]


@pytest.mark.parametrize("name", OTHERS)
def test_four_styles_have_all_points(name):
    exercise = exercises.find(name)
    answers = [*solution(name), *RIGHT[name]]
    assert len(answers) >= 4
    for answer in answers:
        result = exercise.grade(answer)
        assert result.points == result.of, f"{getattr(answer, '__name__', answer)}: {result}"
