"""Each student's numbers: other ones, reproducible from the id, and as strict as everybody's."""

import copy
import re
import unicodedata

import numpy as np
import pytest
from course.exercises.styles import STYLES

from minibert.course import exercises
from minibert.course.exercises.kinds import (
    FORWARD_TOLERANCE,
    Choices,
    Function,
    Gradients,
    Value,
    _difference,
    differs,
)
from minibert.course.exercises.variants import all_references, numbers_of, own, told

EXERCISES = {exercise.name: exercise for lesson in exercises.lessons().values() for exercise in lesson}
# predictions in words, without numbers
THE_SAME_FOR_ALL = {
    "what_stays", "who_can_know", "seen_by_ones", "zero_or_not", "silent_loading", "less_same_more",
}
EVERYBODYS = {  # the numbers of the notebooks' texts
    "gradient_shapes": {"B": 4, "T": 6, "H": 3, "C": 5, "V": 9},
    "touched_rows": {
        "V": 1000, "K": 10, "C": 4, "nodes": 9, "target": 8, "noise": [7, 3, 7, 9, 3, 2, 8, 5, 3, 1],
    },
    "permuted_tokens": {"order": [2, 0, 3, 1]},
    "who_changes": {"B": 5, "T": 7, "H": 11},
    "steps_in_a_row": {"T": 40, "L": 6, "W": 4, "N": 10},
    "reach_of_memory": {"T": 12, "M": 8, "L": 5, "H": 30},
    "lora_memory": {"H": 60, "F": 250, "L": 7, "R": 4},
    "first_loss": {"V": 3000, "B": 4, "T": 40, "M": 24, "few": 30},
    "parts_of_bert": {"V": 30522, "H": 384, "F": 1536, "layers": 6, "P": 512},
    "count_the_labels": {"B": 20, "length": 44, "T": 50},
    "bert_shapes": {"B": 3, "T": 7, "H": 24, "A": 4, "F": 40, "V": 50, "M": 5},
    "baseline_losses": {"pieces": 30522, "is_next": 40, "predicted": 15},
}
SAMPLE = {"cbow", "rms_norm", "z_loss"}  # the others are tried by pytest -m exhaustive
STUDENTS = ["kim", "20240017", "李明"]


def of_kind(kind):
    return [pytest.param(item, id=item.name) for item in EXERCISES.values() if isinstance(item, kind)]


def test_every_exercise_has_a_reference_or_no_numbers():
    assert set(all_references()) == set(EXERCISES) - THE_SAME_FOR_ALL


@pytest.mark.parametrize("exercise", of_kind(Gradients))
def test_a_reference_gives_the_committed_values(exercise):
    inputs, constants = exercise.arguments()
    y = np.asarray(all_references()[exercise.name].function(*inputs, **constants))
    assert exercise.shape in (None, y.shape)
    assert not differs(y, y, exercise.values, FORWARD_TOLERANCE)


@pytest.mark.parametrize("exercise", of_kind(Function))
def test_a_reference_is_right_in_all_committed_cases(exercise):
    function = all_references()[exercise.name].function
    for arguments, expected in exercise.cases:
        assert _difference(function(*copy.deepcopy(arguments)), expected, exercise.tolerance) == ""


@pytest.mark.parametrize("name", EVERYBODYS)
def test_a_reference_gives_the_committed_answer_for_the_numbers_of_the_text(name):
    exercise = EXERCISES[name]
    expected = all_references()[name].function(**EVERYBODYS[name])
    assert _difference(expected, exercise.expected, getattr(exercise, "tolerance", 0)) == ""


@pytest.mark.parametrize("exercise", of_kind(Gradients))
def test_own_numbers_are_others_and_refuse_every_foreseen_mistake(exercise):
    values = [exercise.values, *(own(exercise, student).values for student in STUDENTS)]
    assert len(set(map(tuple, values))) == len(values)
    for student in STUDENTS:
        variant = own(exercise, student)
        for mistake in exercise.mistakes:

            def forward(*inputs, mistake=mistake, **constants):
                return mistake.function(*inputs, **constants), None

            assert variant.grade(forward, print).points == 0, mistake.text


@pytest.mark.parametrize(
    "name",
    [name if name in SAMPLE else pytest.param(name, marks=pytest.mark.exhaustive) for name in STYLES],
)
def test_a_right_answer_has_all_points_with_own_numbers(name):
    forwards, back = STYLES[name]
    style = "vectorised" if "vectorised" in forwards else next(iter(forwards))
    answer = (forwards[style](),) if back is None else (forwards[style], back)
    result = own(EXERCISES[name], STUDENTS[0]).grade(*answer)
    assert result.points == result.of, str(result)


@pytest.mark.parametrize("exercise", of_kind(Function))
def test_cases_of_ones_own_are_added_to_those_of_all(exercise):
    variants = [own(exercise, student) for student in STUDENTS]
    assert all(variant.cases[: len(exercise.cases)] == exercise.cases for variant in variants)
    drawn = [repr(variant.cases[len(exercise.cases) :]) for variant in variants]
    assert len(set(drawn)) == len(drawn)
    right = all_references()[exercise.name].function
    assert all(variant.grade(right).points == exercise.of for variant in variants)


@pytest.mark.parametrize("exercise", of_kind((Value, Choices)))
def test_the_numbers_of_a_prediction_are_told_and_everybodys_answer_is_wrong(exercise):
    for student in STUDENTS:
        variant, numbers = own(exercise, student), numbers_of(exercise, student)
        if exercise.name in THE_SAME_FOR_ALL:
            assert (variant, numbers, told(exercise, student)) == (exercise, None, "")
            continue
        text = told(exercise, student)
        assert all(str(number) in text for number in numbers.values())
        assert variant.grade(variant.expected).points == exercise.of
        assert variant.grade(exercise.expected).points < exercise.of


@pytest.mark.parametrize(
    "name, key, wrong, sentence",
    [
        ("gradient_shapes", "d_bias", lambda B, T, H, C, V: (B, C), "summed over the copies"),
        ("bert_shapes", "activated", lambda B, T, H, A, F, V, M: (B, T, H), "where the network is wide"),
        ("touched_rows", "first_step", lambda K, **others: 2 + K, "now all of these are 0"),
        ("baseline_losses", "untrained", lambda pieces, **others: float(pieces), "That is the perplexity"),
    ],
)
def test_a_foreseen_mistake_is_told_with_own_numbers(name, key, wrong, sentence):
    for student in STUDENTS:
        variant = own(EXERCISES[name], student)
        given = variant.expected | {key: wrong(**numbers_of(EXERCISES[name], student))}
        assert sentence in variant.grade(given).message
    everybodys = {str(size) for size in EVERYBODYS["gradient_shapes"].values()}
    sentences = " ".join(text for _, text in own(EXERCISES["gradient_shapes"], "kim").mistakes)
    assert sentences and not everybodys & set(re.findall(r"\d+", sentences))


def test_the_id_alone_decides_in_whatever_form_it_is_written():
    exercise = EXERCISES["cbow"]
    one, other = (unicodedata.normalize(form, "Zoë 한") for form in ("NFC", "NFD"))
    assert one != other and own(exercise, one).values == own(exercise, f" {other}\n").values
    assert own(exercise, "kim").values != own(exercise, "Kim").values


def test_a_notebook_says_whose_numbers_it_has(monkeypatch, capsys):
    monkeypatch.setattr(exercises, "students", [])
    monkeypatch.setattr(exercises, "recorded", [])
    exercises.student("kim")
    exercises.check("permuted_tokens", own(EXERCISES["permuted_tokens"], "kim").expected)
    printed = capsys.readouterr().out
    assert printed.startswith("The exercises have the numbers of kim.\npermuted_tokens: 2 of 2")
    for wrong in ("  ", 17, None):
        with pytest.raises(ValueError, match="takes the student's id as text"):
            exercises.student(wrong)
