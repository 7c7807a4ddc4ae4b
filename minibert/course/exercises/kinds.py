"""The kinds of exercise: a forward with its backward, a function, a value. Each grades an answer and says what is wrong."""

import copy
import inspect
import pathlib
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minibert.gradcheck import GradientCheckError, check_gradients

FORWARD_TOLERANCE = 1e-5   # relative: committed values have six significant digits
PARAMETER_SCALE = 0.5      # standard deviation of the values that a layer's parameters are given
OURS = (pathlib.Path(__file__).parents[1], pathlib.Path(np.__file__).parent)


class Result(NamedTuple):
    """What an answer is worth, and why.

    Attributes:
        name:    of the exercise.
        points:  given.
        of:      points that can be had.
        message: what is right and what is wrong, for the student; may have several lines.
        done:    False if the exercise is as it was handed out.
    """

    name: str
    points: int
    of: int
    message: str
    done: bool = True

    def __str__(self):
        if not self.done:
            return f"{self.name}: not done yet ({_count(self.of)}). {self.message}"
        head = f"{self.name}: {self.points} of {_count(self.of)}"
        return head + "".join(f"\n    {line}" for line in self.message.splitlines())


class Mistake(NamedTuple):
    """A wrong answer that is often given: the function that computes it, and what to say to who gives it."""

    function: Callable
    text: str


class NotDone(Exception):
    """The answer is as it was handed out: `...`, None, or NotImplementedError."""


class Wrong(Exception):
    """The answer is wrong; the message says how."""


class Gradients(NamedTuple):
    """A forward and its backward: two functions, or a layer.

        y, cache = forward(*inputs, **constants)
        gradients of the inputs, in argument order = backward(d_y, cache)

    The forward is compared with committed numbers; once it is right, the gradient check grades the backward. A layer's
    parameters are filled with seeded numbers first, so that nothing depends on how it initialises them.

    Attributes:
        name, points: (for the forward, for the backward).
        inputs:    function of a numpy Generator: the positional arguments of forward, float64 (or integers).
        values:    the first entries of y for inputs(default_rng(0)), to six digits.
        shape:     of y, if a wrong one should be named; None: not compared.
        constants: keyword arguments of forward, or a function of the Generator that returns them.
        mistakes:  Mistakes: functions of (*inputs, **constants) that return a wrong y.
        hint:      said if the forward is wrong in another way.
    """

    name: str
    points: tuple
    inputs: Callable
    values: list
    shape: tuple | None = None
    constants: Any = None
    mistakes: tuple = ()
    hint: str = ""

    @property
    def of(self):
        return sum(self.points)

    def grade(self, *answers):
        """Return the Result of (forward, backward), or of one layer."""
        of = self.of
        try:
            layer, forward, backward = self._functions(answers)
            cache, d_y = self._check_forward(forward)
        except NotDone as todo:
            return Result(self.name, 0, of, str(todo), done=False)
        except Wrong as wrong:
            return Result(self.name, 0, of, f"forward: {wrong}\nThe backward is graded once the forward is right.")
        first = f"forward: right ({_count(self.points[0])})\n"
        try:
            self._check_backward(layer, backward, d_y, cache)
        except (NotDone, Wrong) as wrong:
            return Result(self.name, self.points[0], of, f"{first}backward: {wrong}")
        return Result(self.name, of, of, f"{first}backward: right, by the gradient check ({_count(self.points[1])})")

    def _functions(self, answers):
        """Return (what check_gradients takes, forward, backward); a layer's parameters are filled."""
        if len(answers) == 2 and all(map(callable, answers)):
            return answers, *answers
        if len(answers) == 1 and answers[0] in (..., None):
            raise NotDone("Give a layer, with parameters, forward and backward.")
        layer = answers[0] if len(answers) == 1 else None
        if inspect.isclass(layer) or not callable(getattr(layer, "forward", None)) or not callable(getattr(layer, "backward", None)):
            raise Wrong(f"check({self.name!r}, ...) takes two functions, forward and backward, or one layer that has both; "
                        f"it was given {', '.join(map(_kind, answers)) or 'nothing'}.")
        rng = np.random.default_rng(1)
        for _, parameter in sorted(layer.parameters().items() if hasattr(layer, "parameters") else ()):
            parameter.value = PARAMETER_SCALE * rng.standard_normal(parameter.value.shape)
            parameter.grad = np.zeros(parameter.value.shape)
        return layer, layer.forward, layer.backward

    def _arguments(self):
        rng = np.random.default_rng(0)
        inputs = self.inputs(rng)
        constants = self.constants(rng) if callable(self.constants) else self.constants or {}
        return inputs, constants

    def _check_forward(self, forward):
        """Run the forward; return its cache and a random d_y."""
        inputs, constants = self._arguments()
        result = _run(forward, *copy.deepcopy(inputs), **copy.deepcopy(constants))
        if not isinstance(result, tuple) or len(result) != 2:
            raise Wrong(f"it should return two things, (y, cache); it returned {_kind(result)}.")
        y, cache = result
        if y is None or y is ...:
            raise NotDone(_TODO)
        if not isinstance(y, (np.ndarray, np.generic, float)) or np.asarray(y).dtype.kind != "f":
            raise Wrong(f"y should be an array of float64; it is {_kind(y)}.")
        y = np.asarray(y)
        if self.shape is not None and y.shape != self.shape:
            raise Wrong(f"y has shape {y.shape}, expected {self.shape}. {self.hint}".rstrip())
        found, expected = y.ravel()[: len(self.values)], np.asarray(self.values)
        if found.shape != expected.shape or not _close(found, expected, FORWARD_TOLERANCE):
            text = next((mistake.text for mistake in self.mistakes if _same(mistake.function, inputs, constants, y)), self.hint)
            raise Wrong(f"the first entries of y are {_numbers(found)}, expected {_numbers(expected)}.\n{text}".rstrip())
        return cache, np.random.default_rng(2).standard_normal(y.shape)[()]

    def _check_backward(self, layer, backward, d_y, cache):
        inputs, constants = self._arguments()
        gradients = _run(backward, d_y, cache, empty_is_todo=any(_is_float(item) for item in inputs))
        if isinstance(gradients, tuple) and any(gradient is ... for gradient in gradients):
            raise NotDone(_TODO)
        try:
            report = check_gradients(layer, *inputs, **constants)
        except GradientCheckError as error:
            raise Wrong(str(error)) from None
        except Exception as error:
            raise Wrong(f"the gradient check, which runs your functions on complex numbers, too, stopped with {_describe(error)}") from None
        if not report.ok:
            raise Wrong(f"not right.\n{report}")


class Function(NamedTuple):
    """A function, compared with the right results of a few cases.

    Attributes:
        name, points.
        cases:     list of (tuple of arguments, expected result): a number, string, array, or list, tuple or dict of them.
        tolerance: of numbers, relative to the largest.
        mistakes:  Mistakes: functions that return a wrong result.
        hint:      said if the result is wrong in another way.
    """

    name: str
    points: int
    cases: list
    tolerance: float = 1e-9
    mistakes: tuple = ()
    hint: str = ""

    @property
    def of(self):
        return self.points

    def grade(self, *answers):
        """Return the Result of a function."""
        try:
            if len(answers) != 1 or not callable(answers[0]):
                raise Wrong(f"check({self.name!r}, ...) takes one function; it was given {', '.join(map(_kind, answers)) or 'nothing'}.")
            for arguments, expected in self.cases:
                self._check(answers[0], arguments, expected)
        except NotDone as todo:
            return Result(self.name, 0, self.points, str(todo), done=False)
        except Wrong as wrong:
            return Result(self.name, 0, self.points, str(wrong))
        return Result(self.name, self.points, self.points, "right" if len(self.cases) == 1 else f"right in all {len(self.cases)} cases")

    def _check(self, function, arguments, expected):
        found = _run(function, *copy.deepcopy(arguments))
        difference = _difference(found, expected, self.tolerance)
        if difference:
            text = next((mistake.text for mistake in self.mistakes if _same(mistake.function, arguments, {}, found)), self.hint)
            given = ", ".join(_show(argument) for argument in arguments)
            raise Wrong(f"given    {given}\nfound    {_show(found)}\nexpected {_show(expected)}\n{difference}\n{text}".rstrip())


class Value(NamedTuple):
    """A value: a prediction, or a result read off. A dict is compared key by key.

    Attributes:
        name, points.
        expected:  number, string, tuple, array or dict.
        tolerance: of numbers, relative to the largest.
        mistakes:  list of (wrong value, what to say); for a dict, of ({key: wrong value}, what to say).
        hint:      said if the value is wrong in another way. The expected value is not shown.
    """

    name: str
    points: int
    expected: Any
    tolerance: float = 1e-9
    mistakes: tuple = ()
    hint: str = ""

    @property
    def of(self):
        return self.points

    def grade(self, *answers):
        """Return the Result of a value."""
        of = self.points
        if len(answers) != 1:
            return Result(self.name, 0, of, f"check({self.name!r}, ...) takes one value; it was given {len(answers)}.")
        answer = answers[0]
        entries = list(answer.values()) if isinstance(answer, dict) else [answer]
        if all(entry is ... or entry is None for entry in entries):
            return Result(self.name, 0, of, "Put your answer in the place of the dots and run the cell again.", done=False)
        if isinstance(self.expected, dict):
            return self._grade_dict(answer)
        if not _difference(answer, self.expected, self.tolerance):
            return Result(self.name, of, of, "right")
        text = next((text for wrong, text in self.mistakes if not _difference(answer, wrong, self.tolerance)), self.hint)
        return Result(self.name, 0, of, f"{_show(answer)} is not right.\n{text}".rstrip())

    def _grade_dict(self, answer):
        of = self.points
        if not isinstance(answer, dict) or set(answer) != set(self.expected):
            return Result(self.name, 0, of, f"expected a dict with the keys {', '.join(map(str, self.expected))}; it is {_kind(answer)}.")
        lines = []
        for key, expected in self.expected.items():
            if _difference(answer[key], expected, self.tolerance):
                known = [text for wrong, text in self.mistakes if key in wrong and not _difference(answer[key], wrong[key], self.tolerance)]
                lines.append(f"{key}: {'not done yet' if answer[key] is ... else f'{_show(answer[key])} is not right'}"
                             + (f". {known[0]}" if known else ""))
        if not lines:
            return Result(self.name, of, of, "right" if len(self.expected) == 1 else f"all {len(self.expected)} right")
        right = len(self.expected) - len(lines)
        return Result(self.name, 0, of, "\n".join([f"{right} of {len(self.expected)} right", *lines, self.hint]).rstrip())


# --- running an answer --------------------------------------------------------------------------------------------------

_TODO = "Write your code in the place of the dots and run the cell again."


def _run(function, *arguments, empty_is_todo=True, **constants):
    """Call a student's function; NotDone if it is empty, Wrong if it stops."""
    try:
        result = function(*arguments, **constants)
    except NotImplementedError:
        raise NotDone(_TODO) from None
    except Exception as error:
        raise Wrong(f"{getattr(function, '__name__', 'the function')} stopped with {_describe(error)}") from None
    if result is ... or (result is None and empty_is_todo):
        raise NotDone(_TODO)
    return result


def _describe(error):
    """Say what an exception is, and on which line of the student's code it came up."""
    text = f"{type(error).__name__}: {error}"
    own = [frame for frame in traceback.extract_tb(error.__traceback__)
           if not any(pathlib.Path(frame.filename).is_relative_to(folder) for folder in OURS)]
    return f"{text}\nin the line: {own[-1].line}" if own and own[-1].line else text


def _same(function, inputs, constants, found):
    """Whether a Mistake's function gives what was found."""
    return not _difference(found, function(*copy.deepcopy(inputs), **copy.deepcopy(constants)), 1e-9)


# --- comparing ----------------------------------------------------------------------------------------------------------


def _difference(found, expected, tolerance):
    """Return "" if they are the same, else a sentence or a reason."""
    if isinstance(expected, dict):
        if not isinstance(found, dict) or set(found) != set(expected):
            return f"expected a dict with the keys {', '.join(map(str, expected))}; it is {_kind(found)}."
        wrong = [key for key in expected if _difference(found[key], expected[key], tolerance)]
        return f"wrong: {', '.join(map(str, wrong))}" if wrong else ""
    if isinstance(expected, str) or expected is None or isinstance(expected, (bool, np.bool_)):
        return "" if type(found) in (type(expected), np.bool_) and found == expected else "They are not the same."
    if isinstance(expected, (list, tuple)) and not all(_is_number(item) for item in expected):
        if not isinstance(found, (list, tuple)) or len(found) != len(expected):
            return f"expected {len(expected)} items; it is {_kind(found)}."
        wrong = [index for index, pair in enumerate(zip(found, expected)) if _difference(*pair, tolerance)]
        return f"wrong: item {', '.join(map(str, wrong))} (counted from 0)" if wrong else ""
    try:
        found, expected = np.asarray(found), np.asarray(expected)
    except ValueError:
        return "It is not one array of numbers."
    if found.dtype.kind not in "iufc":
        return f"expected numbers; it is {_kind(found)}."
    if found.shape != expected.shape:
        return f"the shape is {found.shape}, expected {expected.shape}"
    return "" if _close(found, expected, tolerance) else "The numbers differ."


def _close(found, expected, tolerance):
    """Whether all numbers agree, relative to the largest expected one."""
    scale = np.abs(expected).max(initial=0)
    return bool(np.isfinite(found).all() and np.abs(found - expected).max(initial=0) <= tolerance * max(scale, 1e-3))


def _is_number(item):
    return isinstance(item, (int, float, complex, np.number)) and not isinstance(item, bool)


def _is_float(item):
    return isinstance(item, np.ndarray) and item.dtype.kind == "f"


# --- saying what is there -----------------------------------------------------------------------------------------------


def _count(points):
    return f"{points} point" + "s" * (points != 1)


def _numbers(array):
    return "[" + ", ".join(f"{entry:.6g}" for entry in array) + "]"


def _show(value):
    """A value on few lines, arrays rounded and with their shape."""
    if isinstance(value, np.ndarray):
        text = np.array2string(value, precision=4, suppress_small=True, threshold=24, separator=", ")
        return f"{text}  shape {value.shape}" if value.ndim else text
    if isinstance(value, (float, np.floating)):
        return f"{value:.6g}"
    return repr(value)


def _kind(value):
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and dtype {value.dtype}"
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of {len(value)}"
    if inspect.isclass(value):
        return f"the class {value.__name__} (make an instance: {value.__name__}(...))"
    if callable(value):
        return f"the function {getattr(value, '__name__', '')}".rstrip()
    return "None" if value is None else f"{type(value).__name__} {value!r}"
