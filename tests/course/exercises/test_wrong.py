"""Wrong answers that a reader of the task might give are refused. wrong/ has at least four for each "
"exercise."""

import importlib

import pytest
from helpers import sampled

from minibert.course import exercises
from minibert.course.exercises.kinds import Gradients

WRONG = {
    name: answers
    for lesson in exercises.lessons()
    for name, answers in importlib.import_module(f"course.exercises.wrong.lesson_{lesson}").WRONG.items()
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    "name, label", sampled([(name, label) for name, answers in WRONG.items() for label in answers], every=4)
)
def test_a_wrong_answer_has_not_all_points(name, label):
    exercise, answers = exercises.find(name), WRONG[name][label]
    result = exercise.grade(*answers)
    assert result.done and result.points < result.of, str(result)
    assert "stopped with" not in result.message, "a wrong answer of these should run: " + str(result)
    if (
        isinstance(exercise, Gradients)
        and answers[-1].__class__.__name__ == "function"
        and answers[-1].__name__ == "wrong"
    ):
        assert "not right" in result.message and result.points >= exercise.points[0]


def test_every_exercise_has_four():
    everything = [exercise.name for lesson in exercises.lessons().values() for exercise in lesson]
    assert [name for name in everything if len(WRONG.get(name, ())) < 4] == []
    assert set(WRONG) <= set(everything)
