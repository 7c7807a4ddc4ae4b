"""Each kind of exercise: the right answer has all points, and every wrong one is told what is wrong."""

import numpy as np
import pytest

from minibert.course import exercises
from minibert.course.exercises.kinds import Choices, Function, Gradients, Mistake, Value
from minibert.layers import Linear


def scaled(x, gamma, power=2.0):
    """y = γ · x^power summed over the last axis."""
    raised = np.exp(power * np.log(x))
    return (gamma * raised).sum(axis=-1), (x, gamma, raised, power)


def scaled_backward(d_y, cache):
    x, gamma, raised, power = cache
    d_raised = d_y[:, np.newaxis] * gamma
    return d_raised * power * raised / x, (d_y[:, np.newaxis] * raised).sum(axis=0)


def inputs(rng):
    return rng.uniform(0.5, 2, (3, 4)), rng.standard_normal(4)


VALUES = [float(f"{value:.6g}") for value in scaled(*inputs(np.random.default_rng(0)))[0]]
SCALED = Gradients(
    name="scaled",
    points=(1, 3),
    inputs=inputs,
    values=VALUES,
    shape=(3,),
    constants={"power": 2.0},
    mistakes=(Mistake(lambda x, gamma, power: (gamma * x).sum(axis=-1), "the power is missing"),),
    hint="look again",
)


def test_a_right_forward_and_backward_have_all_points():
    result = SCALED.grade(scaled, scaled_backward)
    assert (result.points, result.of, result.done) == (4, 4, True)
    assert str(result).startswith("scaled: 4 of 4 points\n    forward: right")


def no_gain(d_y, cache):
    x, gamma, raised, power = cache
    d_raised = d_y[:, np.newaxis] * np.ones(4)
    return d_raised * power * raised / x, (d_y[:, np.newaxis] * raised).sum(axis=0)


def real_part(x, gamma, power):
    y, cache = scaled(x.real, gamma, power)
    return y, cache


@pytest.mark.parametrize(
    "forward, backward, points, words",
    [
        (scaled, no_gain, 2, ["d_raised", "factor gamma", "Some gradients are right (1 point)"]),
        (
            scaled,
            lambda d_y, cache: scaled_backward(d_y, cache)[0],
            1,
            ["return a tuple of gradients in argument order"],
        ),
        (scaled, lambda d_y, cache: scaled_backward(d_y, cache)[::-1], 1, ["WRONG"]),
        (
            scaled,
            lambda d_y, cache: d_y @ cache[0].T,
            1,
            ["stopped with ValueError", "in the line", "d_y @ cache[0].T"],
        ),
        (scaled, lambda d_y, cache: None, 1, ["in the place of the dots"]),
        (scaled, lambda d_y, cache: (..., ...), 1, ["in the place of the dots"]),
        (real_part, scaled_backward, 4, ["right, by the gradient check"]),  # by whatever method decides
        (lambda x, gamma, power: ((gamma * x).sum(axis=-1), None), no_gain, 0, ["the power is missing"]),
        (lambda x, gamma, power: (2 * scaled(x, gamma)[0], None), no_gain, 0, ["look again", "expected ["]),
        (lambda x, gamma, power: (x, None), no_gain, 0, ["shape (3, 4), expected (3,)"]),
        (lambda x, gamma, power: (x.tolist(), None), no_gain, 0, ["y should be an array of float64"]),
        (lambda x, gamma, power: scaled(x, gamma)[0], no_gain, 0, ["(y, cache)"]),
        (lambda x, gamma: scaled(x, gamma), no_gain, 0, ["stopped with TypeError", "power"]),
    ],
)
def test_a_wrong_answer_is_told_what_is_wrong(forward, backward, points, words):
    result = SCALED.grade(forward, backward)
    assert result.points == points and result.done
    assert all(word in str(result) for word in words), str(result)


def empty(*arguments, **keywords): ...


def not_implemented(*arguments, **keywords):
    raise NotImplementedError


def dots(*arguments, **keywords):
    return ..., ...


def one_step_left(*arguments, **keywords):
    d_scores = ...
    return d_scores @ arguments[0]


@pytest.mark.parametrize("function", [empty, not_implemented, dots, one_step_left])
def test_an_exercise_as_it_was_handed_out_is_not_done_and_not_wrong(function):
    result = SCALED.grade(function, empty)
    assert result.points == 0 and not result.done and "not done yet (4 points)" in str(result)


def by_complex_step(d_y, cache):
    """Ten lines that need no derivation: run the forward on x + ih and read the imaginary part."""
    x, gamma, _, power = cache
    gradients = []
    for k, array in enumerate((x, gamma)):
        gradient = np.zeros(array.shape)
        for place in np.ndindex(array.shape):
            moved = [entry.astype(complex) for entry in (x, gamma)]
            moved[k][place] += 1e-30j
            gradient[place] = (d_y * scaled(*moved, power)[0].imag).sum() / 1e-30
        gradients.append(gradient)
    return tuple(gradients)


def test_a_backward_that_runs_the_forward_has_a_sentence_and_no_points():
    result = SCALED.grade(scaled, by_complex_step)
    assert result.points == 1 and "it runs your forward" in result.message


EDGE = SCALED._replace(edges=[((np.array([[1e9]]), np.array([2.0])), {}, np.array([2e18]), "it overflows")])


def test_a_forward_is_compared_at_edges_too():
    def overflowing(x, gamma, power=2.0):
        return scaled(np.where(x > 1e8, np.inf, x) if x.dtype == float else x, gamma, power)

    assert EDGE.grade(scaled, scaled_backward).points == 4
    result = EDGE.grade(overflowing, scaled_backward)
    assert result.points == 0 and "right for the first data" in result.message
    assert "it overflows" in result.message


def test_an_answer_that_changes_its_inputs_spoils_nothing():
    def greedy(x, gamma, power):
        y, cache = scaled(x.copy(), gamma.copy(), power)
        x[:] = 0
        return y, cache

    assert SCALED.grade(greedy, scaled_backward).points >= 1
    assert SCALED.grade(scaled, scaled_backward).points == 4


def linear_exercise():
    layer = Linear(4, 2)
    rng = np.random.default_rng(1)
    for _, parameter in sorted(layer.parameters().items()):
        parameter.value = 0.5 * rng.standard_normal(parameter.value.shape)
    y, _ = layer.forward(np.random.default_rng(0).standard_normal((3, 4)))
    return Gradients(
        name="linear",
        points=(1, 2),
        inputs=lambda rng: (rng.standard_normal((3, 4)),),
        values=[float(f"{value:.6g}") for value in y.ravel()],
    )


def test_a_layer_is_an_answer_whatever_its_initial_values():
    exercise = linear_exercise()
    assert exercise.grade(Linear(4, 2, rng=np.random.default_rng(5))).points == 3

    class NoBias(Linear):
        def backward(self, d_y, cache):
            grad = self.bias.grad.copy()
            d_x = super().backward(d_y, cache)
            self.bias.grad[:] = grad
            return d_x

    result = exercise.grade(NoBias(4, 2))
    assert result.points == 2 and "bias" in str(result)
    assert "make an instance" in str(exercise.grade(Linear))
    assert not exercise.grade(...).done


def test_a_layer_with_state_is_told_to_use_the_cache():
    class Squared:
        def forward(self, x):
            self.x = x
            return x * x, x

        def backward(self, d_y, cache):
            return 2 * cache * d_y

    class WithState(Squared):
        def backward(self, d_y, cache):
            return super().backward(d_y, self.x)

    exercise = linear_exercise()._replace(values=[0.0158081, 0.130751, 0.00170784])
    assert exercise.grade(Squared()).points == 3
    result = exercise.grade(WithState())
    assert result.points == 1 and "another batch" in result.message and "in self" in result.message


DOUBLE = Function(
    name="double",
    points=2,
    cases=[((np.arange(3.0),), np.array([0.0, 2, 4])), (("ab",), ["ab", "ab"]), ((3,), {"is": 6})],
    mistakes=(Mistake(lambda x: x, "nothing was doubled"),),
    hint="twice",
)


def doubled(x):
    if isinstance(x, str):
        return [x, x]
    return {"is": 6} if isinstance(x, int) else 2 * x


@pytest.mark.parametrize(
    "function, points, words",
    [
        (
            doubled,
            2,
            ["right in all 3 cases"],
        ),
        (lambda x: x, 0, ["nothing was doubled", "expected [0., 2., 4.]", "The numbers differ"]),
        (lambda x: 3 * x, 0, ["twice"]),
        (lambda x: 2 * x if isinstance(x, np.ndarray) else 7, 0, ["expected 2 items"]),
        (lambda x: doubled(x) if isinstance(x, (np.ndarray, str)) else 7, 1, ["expected a dict"]),
        (lambda x: doubled(x) if isinstance(x, (np.ndarray, str)) else 1 / 0, 1, ["given    3"]),
        (lambda x: (2 * x)[:2], 0, ["the shape is (2,), expected (3,)"]),
        (lambda x: 2 * x if not isinstance(x, str) else ["ab"], 0, ["expected 2 items"]),
        (lambda x: 2 * x if not isinstance(x, str) else ["ab", "ba"], 0, ["item 1"]),
        (lambda x: 1 / 0, 0, ["ZeroDivisionError"]),
        (lambda x: np.full(3, np.nan), 0, ["The numbers differ"]),
        (empty, 0, ["not done yet"]),
        (5, 0, ["takes one function"]),
    ],
)
def test_a_function_is_compared_case_by_case(function, points, words):
    result = DOUBLE.grade(function)
    assert result.points == points
    assert all(word in str(result) for word in words), str(result)


SHAPES = Value(
    name="shapes",
    points=2,
    expected={"d_x": (2, 3), "d_bias": (3,)},
    mistakes=(({"d_bias": (2,)}, "that is the batch"),),
)


@pytest.mark.parametrize(
    "answer, points, words",
    [
        ({"d_x": (2, 3), "d_bias": (3,)}, 2, ["all 2 right"]),
        (
            {"d_x": (2, 3), "d_bias": (2,)},
            0,
            ["1 of 2 right", "d_bias: (2,) is not right. that is the batch"],
        ),
        ({"d_x": (2, 3), "d_bias": ...}, 1, ["d_bias: not done yet"]),
        ({"d_x": ..., "d_bias": ...}, 0, ["not done yet (2 points)"]),
        ({"d_x": (2, 3)}, 0, ["keys d_x, d_bias"]),
        (7, 0, ["keys d_x, d_bias"]),
    ],
)
def test_a_dict_is_compared_key_by_key_and_the_answer_is_not_given_away(answer, points, words):
    result = SHAPES.grade(answer)
    assert result.points == points
    assert all(word in str(result) for word in words), str(result)
    assert "(3,)" not in str(result)


@pytest.mark.parametrize(
    "num_right, num_wrong, points", [(6, 0, 4), (5, 1, 2), (5, 0, 3), (3, 3, 0), (2, 4, 0)]
)
def test_a_wrong_entry_of_a_dict_takes_back_a_right_one(num_right, num_wrong, points):
    exercise = Value(name="letters", points=4, expected=dict.fromkeys("abcdef", "zero"))
    given = ["zero"] * num_right + ["not zero"] * num_wrong + [...] * (6 - num_right - num_wrong)
    assert exercise.grade(dict(zip("abcdef", given))).points == points


@pytest.mark.parametrize(
    "expected, right, wrong",
    [
        (0.5, 0.5 + 1e-12, 0.51),
        ("b", "b", "a"),
        (True, True, 1),
        ((2, 3), [2, 3], (3, 2)),
        (np.eye(2), np.eye(2), np.ones((2, 2))),
        (4, 4.0, "4"),
        (["a", 1], ["a", 1], ["a", 2]),
    ],
)
def test_values_of_every_kind(expected, right, wrong):
    exercise = Value(name="value", points=1, expected=expected, hint="think")
    assert exercise.grade(right).points == 1
    assert exercise.grade(wrong).points == 0 and "think" in str(exercise.grade(wrong))
    assert not exercise.grade(...).done and not exercise.grade(None).done


MOVES = Choices(
    name="moves",
    points=2,
    expected={"one": "same", "two": "other", "three": "same", "row": 2, "five": "other", "six": "same"},
    options=("same", "other"),
    questions={"one": "what is added?", "row": "which row?"},
)


@pytest.mark.parametrize(
    "changes, points, words",
    [
        ({}, 2, ["all 6 right"]),
        ({"one": "other"}, 1, ["Not all 6", "one: what is added?", "row: which row?"]),
        ({"one": "other", "row": 1}, 0, ["Not all 6"]),
        ({"two": "Other"}, 1, ["two: 'Other' is none of same, other."]),
        ({"two": ...}, 1, ["Not all 6"]),
        ({"seven": "same"}, 0, ["expected a dict with the keys one, two"]),
        (dict.fromkeys(MOVES.expected, ...), 0, ["not done yet (2 points)"]),
    ],
)
def test_choices_do_not_say_which_are_wrong(changes, points, words):
    result = MOVES.grade(MOVES.expected | changes)
    assert result.points == points
    assert all(word in str(result) for word in words), str(result)


def test_an_unknown_name_is_answered_with_those_that_are_close():
    name = next(iter(exercises.lessons().values()))[0].name
    with pytest.raises(ValueError, match=f"did you mean .*{name}"):
        exercises.check(name + "x", 1)


def test_names_are_unique_and_points_are_given():
    everything = [exercise for lesson in exercises.lessons().values() for exercise in lesson]
    assert len({exercise.name for exercise in everything}) == len(everything)
    assert all(exercise.of > 0 for exercise in everything)


def test_a_function_that_changes_an_argument_which_it_must_not_is_told_so():
    def doubled(x):
        x *= 2
        return x

    cases = [((np.arange(3.0),), np.array([0.0, 2, 4]))]
    assert Function("double", 2, cases).grade(doubled).points == 2
    result = Function("double", 2, cases, unchanged=(0,)).grade(doubled)
    assert result.points == 0 and "Argument 0 (counted from 0) was changed" in result.message


def test_a_function_may_ask_for_a_dtype():
    cases = [((np.arange(3.0),), np.array([0.0, 2, 4]))]
    exercise = Function("double", 2, cases, dtypes=("float32",))
    assert exercise.grade(lambda x: (2 * x).astype(np.float32)).points == 2
    for double, found in ((lambda x: 2 * x, "dtype float64"), (lambda x: (2 * x).tolist(), "a list of 3")):
        result = exercise.grade(double)
        assert result.points == 0
        assert "return them as an array of float32" in result.message and found in result.message
