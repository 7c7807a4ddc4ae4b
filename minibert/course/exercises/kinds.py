"""The kinds of exercise: a forward with its backward, a function, a value, a row of choices.

Each grades an answer, and says where the mistake is. What is partly right has part of the points: the leading
cases of a function, the right gradients of a backward, the right entries of a dict, rounded down.

A backward that runs the checked forward has no points, because a derivative measured by running it passes
every check. This cannot catch a copy of the forward under another name, or a helper that both call.
"""

import copy
import inspect
import pathlib
import sys
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minibert.gradcheck import GradientCheckError, check_gradients

FORWARD_TOLERANCE = 1e-5  # relative: committed values have six significant digits
PARAMETER_SCALE = 0.5  # standard deviation of the values that a layer's parameters are given
OURS = (pathlib.Path(__file__).parents[1], pathlib.Path(np.__file__).parent)


class Result(NamedTuple):
    """The points of an answer, and why.

    Attributes:
        name:    of the exercise.
        points:  earned.
        of:      points in all.
        message: for the student: which part is right, and where the mistake is; may have several lines.
        done:    False if the exercise is still as it was handed out.
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
    """A common wrong answer: the function that computes it, and the sentence for a student who gives it."""

    function: Callable
    text: str


class NotDone(Exception):
    """The answer is still as it was handed out: `...`, None, or NotImplementedError."""


class Wrong(Exception):
    """The answer is wrong; the message says how, and `share` how much of it is right all the same."""

    def __init__(self, text, share=0.0):
        super().__init__(text)
        self.share = share


class Gradients(NamedTuple):
    """A forward and its backward: two functions, or a layer.

        y, cache = forward(*inputs, **constants)
        gradients of the inputs, in argument order = backward(d_y, cache)

    The forward is compared with committed numbers; once it is right, the gradient check grades the backward.
    A layer's parameters are filled with seeded numbers first, so that their initial values do not matter.

    Attributes:
        name, points: (for the forward, for the backward); 0 for a forward that is given.
        inputs:    function of a numpy Generator: the positional arguments of forward, float64 (or integers).
        values:    entries of y for inputs(default_rng(seed)), from the first to the last, to six digits.
        shape:     of y, to report a wrong one; None: not compared.
        constants: keyword arguments of forward, or a function of the Generator that returns them.
        mistakes:  Mistakes: functions of (*inputs, **constants) that return a wrong y.
        hint:      printed if the forward is wrong in another way.
        seed:      of the Generator; `values` belong to it.
        edges:     list of (inputs, constants, y, sentence): further data for the forward alone, such as
                   scores so large that exp overflows; the sentence is for those who fail there only.
    """

    name: str
    points: tuple
    inputs: Callable
    values: list
    shape: tuple | None = None
    constants: Any = None
    mistakes: tuple = ()
    hint: str = ""
    seed: Any = 0
    edges: tuple = ()

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
            return Result(
                self.name, 0, of, f"forward: {wrong}\nThe backward is graded once the forward is right."
            )
        first = f"forward: right ({_count(self.points[0])})\n" if self.points[0] else ""
        try:
            self._check_backward(layer, forward, backward, d_y, cache)
        except NotDone as todo:
            return Result(self.name, self.points[0], of, f"{first}backward: {todo}", self.points[0] > 0)
        except Wrong as wrong:
            partly = int(self.points[1] * wrong.share)
            earned = f"\nSome gradients are right ({_count(partly)})." if partly else ""
            return Result(self.name, self.points[0] + partly, of, f"{first}backward: {wrong}{earned}")
        return Result(
            self.name, of, of, f"{first}backward: right, by the gradient check ({_count(self.points[1])})"
        )

    def _functions(self, answers):
        """Return (the argument of check_gradients, forward, backward); a layer's parameters are filled."""
        if len(answers) == 2 and all(map(callable, answers)):
            return answers, *answers
        if len(answers) == 1 and answers[0] in (..., None):
            raise NotDone("Give a layer, with parameters, forward and backward.")
        layer = answers[0] if len(answers) == 1 else None
        methods = [getattr(layer, name, None) for name in ("forward", "backward")]
        if inspect.isclass(layer) or not all(map(callable, methods)):
            raise Wrong(
                f"check({self.name!r}, ...) takes two functions, forward and backward, or one layer that has "
                f"both; it was given {_kinds(answers)}."
            )
        rng = np.random.default_rng(1)
        for _, parameter in sorted(layer.parameters().items() if hasattr(layer, "parameters") else ()):
            parameter.value = PARAMETER_SCALE * rng.standard_normal(parameter.value.shape)
            parameter.grad = np.zeros(parameter.value.shape)
        return layer, layer.forward, layer.backward

    def arguments(self):
        """Return (inputs, constants) of forward, drawn from the seed; new arrays at each call."""
        rng = np.random.default_rng(self.seed)
        inputs = self.inputs(rng)
        constants = self.constants(rng) if callable(self.constants) else self.constants or {}
        return inputs, constants

    def _check_forward(self, forward):
        """Run the forward; return its cache and a random d_y."""
        inputs, constants = self.arguments()
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
        if not y.size:
            raise Wrong(f"y is empty: its shape is {y.shape}.")
        places = sampled(np.arange(y.size), len(self.values))
        found, expected = y.ravel()[places], np.asarray(self.values)
        if not _close(found, expected, FORWARD_TOLERANCE):
            text = _text_of(self, inputs, constants, y)
            numbers = f"{_numbers(found)}, expected {_numbers(expected)}"
            raise Wrong(f"y.ravel()[{places.tolist()}] is {numbers}.\n{text}".rstrip())
        self._check_edges(forward)
        return cache, np.random.default_rng(2).standard_normal(y.shape)[()]

    def _check_edges(self, forward):
        for inputs, constants, expected, sentence in self.edges:
            result = _run(forward, *copy.deepcopy(inputs), **copy.deepcopy(constants))
            y = result[0] if isinstance(result, tuple) and len(result) == 2 else result
            if _difference(y, expected, FORWARD_TOLERANCE):
                given = ", ".join(map(_show, inputs))
                lines = [
                    "right for the first data, not at an edge.",
                    f"given    {given}",
                    f"found    {_show(y)}",
                    f"expected {_show(expected)}",
                    sentence,
                ]
                raise Wrong("\n".join(lines))

    def _check_backward(self, layer, forward, backward, d_y, cache):
        inputs, constants = self.arguments()
        empty_is_todo = any(_is_float(item) for item in inputs)
        with _Watch(forward) as watch:
            gradients = _run(backward, d_y, cache, empty_is_todo=empty_is_todo)
        if isinstance(gradients, tuple) and any(gradient is ... for gradient in gradients):
            raise NotDone(_TODO)
        if watch.seen:
            raise Wrong(_RUNS_FORWARD)
        try:
            report = check_gradients(layer, *inputs, **constants)
        except GradientCheckError as error:
            raise Wrong(str(error)) from None
        except Exception as error:
            text = "the gradient check, which runs your functions on complex numbers, too, stopped with"
            raise Wrong(f"{text} {_describe(error)}") from None
        if report.verdict == "undecided":
            raise Wrong(f"the gradient check cannot decide.\n{report}")
        if report.verdict == "wrong":
            rows = [row.verdict == "right" for row in report.rows if row.max_numeric > 1e-9]
            share = 0 if report.problems else sum(rows) / max(len(rows), 1)
            raise Wrong(f"not right.\n{report}", share)
        if not isinstance(layer, tuple):
            self._check_no_state(layer, d_y)

    def _check_no_state(self, layer, d_y):
        """Another batch between a layer's forward and its backward must change nothing."""
        inputs, constants = self.arguments()
        others = [item[..., ::-1].copy() if _is_float(item) else item for item in inputs]
        expected = layer.backward(d_y, layer.forward(*inputs, **constants)[1])
        _, cache = layer.forward(*self.arguments()[0], **constants)
        layer.forward(*others, **constants)
        if _difference(layer.backward(d_y, cache), expected, 1e-9):
            raise Wrong(_HAS_STATE)


class Function(NamedTuple):
    """A function, compared with the right results of a few cases.

    Attributes:
        name, points.
        cases:     list of (tuple of arguments, expected result), tried in this order; a result is a number,
                   string or array, or a list, tuple or dict of them.
        tolerance: of numbers, relative to the largest.
        mistakes:  Mistakes: functions that return a wrong result.
        hint:      printed if the result is wrong in another way.
        unchanged: places of the arguments that the function must not change, counted from 0.
        integers:  whether the result has to be an array of integers, such as ids.
        dtypes:    of the result, or of the first items of a tuple; none means that any will do.
    """

    name: str
    points: int
    cases: list
    tolerance: float = 1e-9
    mistakes: tuple = ()
    hint: str = ""
    unchanged: tuple = ()
    integers: bool = False
    dtypes: tuple = ()

    @property
    def of(self):
        return self.points

    def grade(self, *answers):
        """Return the Result of a function."""
        try:
            if len(answers) != 1 or not callable(answers[0]):
                raise Wrong(f"check({self.name!r}, ...) takes one function; it was given {_kinds(answers)}.")
            for number, (arguments, expected) in enumerate(self.cases):
                self._check(answers[0], arguments, expected, number)
        except NotDone as todo:
            return Result(self.name, 0, self.points, str(todo), done=False)
        except Wrong as wrong:
            return Result(self.name, int(self.points * wrong.share), self.points, str(wrong))
        text = "right" if len(self.cases) == 1 else f"right in all {len(self.cases)} cases"
        return Result(self.name, self.points, self.points, text)

    def _check(self, function, arguments, expected, number):
        """Compare one case; those before it are right, and so the answer is right up to here."""
        share = number / len(self.cases)
        handed = copy.deepcopy(arguments)
        try:
            found = _run(function, *handed)
        except Wrong as wrong:
            given = ", ".join(_show(argument) for argument in arguments)
            raise Wrong(f"given    {given}\n{wrong}", share) from None
        changed = [place for place in self.unchanged if _difference(handed[place], arguments[place], 0)]
        if changed:
            raise Wrong(f"Argument {changed[0]} (counted from 0) was changed; work on a copy of it.", share)
        difference = _difference(found, expected, self.tolerance)
        if difference:
            text = _text_of(self, arguments, {}, found)
            given = ", ".join(_show(argument) for argument in arguments)
            lines = [
                f"given    {given}",
                f"found    {_show(found)}",
                f"expected {_show(expected)}",
                difference,
                text,
            ]
            raise Wrong("\n".join(lines).rstrip(), share)
        dtype = np.asarray(found).dtype if self.integers else None
        if dtype is not None and dtype.kind not in "iu":
            raise Wrong(f"The numbers are right, but of dtype {dtype}: ids must be integers.", share)
        for item, dtype in zip(found if len(self.dtypes) > 1 else [found], self.dtypes):
            if getattr(item, "dtype", None) != dtype:
                text = f"The numbers are right: return them as an array of {dtype}. It is {_kind(item)}."
                raise Wrong(text, share)


class Value(NamedTuple):
    """A value: a prediction, or a result read off. A dict is compared key by key.

    A dict earns part of the points: each wrong entry takes back a right one, so that guessing between two
    answers earns nothing on average. An entry that is left as dots takes nothing back.

    Attributes:
        name, points.
        expected:  number, string, tuple, array or dict.
        tolerance: of numbers, relative to the largest.
        mistakes:  list of (wrong value, sentence); for a dict, of ({key: wrong value}, sentence).
        hint:      printed if the value is wrong in another way. The expected value is not shown.
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
            text = f"check({self.name!r}, ...) takes one value; it was given {len(answers)}."
            return Result(self.name, 0, of, text)
        answer = answers[0]
        entries = list(answer.values()) if isinstance(answer, dict) else [answer]
        if all(entry is ... or entry is None for entry in entries):
            text = "Put your answer in the place of the dots and run the cell again."
            return Result(self.name, 0, of, text, done=False)
        if isinstance(self.expected, dict):
            return self._grade_dict(answer)
        if not _difference(answer, self.expected, self.tolerance):
            return Result(self.name, of, of, "right")
        known = [text for wrong, text in self.mistakes if not _difference(answer, wrong, self.tolerance)]
        text = known[0] if known else self.hint
        return Result(self.name, 0, of, f"{_show(answer)} is not right.\n{text}".rstrip())

    def _grade_dict(self, answer):
        of = self.points
        if not isinstance(answer, dict) or set(answer) != set(self.expected):
            keys = ", ".join(map(str, self.expected))
            return Result(self.name, 0, of, f"expected a dict with the keys {keys}; it is {_kind(answer)}.")
        lines = []
        for key, expected in self.expected.items():
            if _difference(answer[key], expected, self.tolerance):
                lines.append(f"{key}: {self._text_of_entry(key, answer[key])}")
        if not lines:
            text = "right" if len(self.expected) == 1 else f"all {len(self.expected)} right"
            return Result(self.name, of, of, text)
        num_right = len(self.expected) - len(lines)
        num_wrong = sum(given is not ... and given is not None for given in answer.values()) - num_right
        points = of * max(0, num_right - num_wrong) // len(self.expected)
        right = f"{num_right} of {len(self.expected)} right"
        return Result(self.name, points, of, "\n".join([right, *lines, self.hint]).rstrip())

    def _text_of_entry(self, key, given):
        """Return the sentence about one wrong entry of a dict."""
        text = "not done yet" if given is ... else f"{_show(given)} is not right"
        for wrong, sentence in self.mistakes:
            if key in wrong and not _difference(given, wrong[key], self.tolerance):
                return f"{text}. {sentence}"
        return text


class Choices(NamedTuple):
    """Several questions, each answered by one of a few words.

    Which entries are wrong is not said, because with two words to choose from that would be the answer. What
    counts is what is right beyond guessing.

    Attributes:
        name, points.
        expected:  {entry: answer}; an answer is one of the options, or a number or tuple.
        options:   the words to choose from.
        questions: {entry: what to ask oneself}; all are printed while an entry is wrong.
    """

    name: str
    points: int
    expected: dict
    options: tuple
    questions: dict

    @property
    def of(self):
        return self.points

    def grade(self, *answers):
        """Return the Result of a dict."""
        of, answer = self.points, answers[0] if len(answers) == 1 else answers
        if answer is ... or isinstance(answer, dict) and all(entry is ... for entry in answer.values()):
            text = "Put your answers in the place of the dots and run the cell again."
            return Result(self.name, 0, of, text, done=False)
        if not isinstance(answer, dict) or set(answer) != set(self.expected):
            keys = ", ".join(self.expected)
            return Result(self.name, 0, of, f"expected a dict with the keys {keys}; it is {_kind(answer)}.")
        count = len(self.expected)
        num_right = sum(not _difference(answer[key], self.expected[key], 0) for key in self.expected)
        if num_right == count:
            return Result(self.name, of, of, f"all {count} right")
        guessed = count / len(self.options)
        points = int(of * max(0, num_right - guessed) / (count - guessed))
        lines = [
            f"{key}: {_show(answer[key])} is none of {', '.join(self.options)}."
            for key, expected in self.expected.items()
            if expected in self.options and answer[key] is not ... and str(answer[key]) not in self.options
        ]
        lines += [f"Not all {count} are right; you have to find out which. For each, ask yourself:"]
        lines += [f"{key}: {question}" for key, question in self.questions.items()]
        return Result(self.name, points, of, "\n".join(lines))


# --- running an answer ---

_RUNS_FORWARD = (
    "it runs your forward. A derivative that is measured by running the forward passes every check and "
    "derives nothing, so it has no points. Keep in the cache what backward needs."
)
_HAS_STATE = (
    "right, until the forward runs on another batch before it. Keep what backward needs in the cache, and "
    "not in self."
)
_TODO = "Write your code in the place of the dots and run the cell again."


def _run(function, *arguments, empty_is_todo=True, **constants):
    """Call a student's function; NotDone if it is empty, Wrong if it stops."""
    try:
        result = function(*arguments, **constants)
    except NotImplementedError:
        raise NotDone(_TODO) from None
    except Exception as error:
        if _used_dots(error):
            raise NotDone(_TODO) from None
        name = getattr(function, "__name__", "the function")
        raise Wrong(f"{name} stopped with {_describe(error)}") from None
    if result is ... or (result is None and empty_is_todo):
        raise NotDone(_TODO)
    return result


def _used_dots(error):
    """Whether an answer stopped because it computes with dots that are still in the place of a step."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    own = [frame for frame in frames if not _is_ours(pathlib.Path(frame.f_code.co_filename))]
    return any(value is ... for frame in own for value in frame.f_locals.values())


class _Watch:
    """Whether the code of a function is run inside a with block: `seen`."""

    def __init__(self, function):
        self.code = getattr(function, "__code__", None)
        self.seen = False

    def __enter__(self):
        self.before = sys.getprofile()
        sys.setprofile(self._called)
        return self

    def _called(self, frame, event, argument):
        self.seen = self.seen or event == "call" and frame.f_code is self.code

    def __exit__(self, *error):
        sys.setprofile(self.before if callable(self.before) else None)  # cProfile's cannot be set again


def _describe(error):
    """Return the text of an exception, and the line of the student's code that raised it."""
    text = f"{type(error).__name__}: {error}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not _is_ours(pathlib.Path(frame.filename))]
    return f"{text}\nin the line: {own[-1].line}" if own and own[-1].line else text


def _is_ours(path):
    """Whether a source file belongs to minibert or NumPy."""
    return any(path.is_relative_to(folder) for folder in OURS)


def _text_of(exercise, inputs, constants, found):
    """Return the sentence of the Mistake whose function gives this result; the hint if there is none."""
    for mistake in exercise.mistakes:
        try:
            wrong = mistake.function(*copy.deepcopy(inputs), **copy.deepcopy(constants))
        except ArithmeticError:
            continue  # this mistake stops on these data, and the answer did not
        if not _difference(found, wrong, 1e-9):
            return mistake.text
    return exercise.hint


# --- comparing ---


def _difference(found, expected, tolerance):
    """Return "" if they are the same, else a sentence or a reason."""
    if isinstance(expected, dict):
        if not isinstance(found, dict) or set(found) != set(expected):
            return f"expected a dict with the keys {', '.join(map(str, expected))}; it is {_kind(found)}."
        wrong = [key for key in expected if _difference(found[key], expected[key], tolerance)]
        return f"wrong: {', '.join(map(str, wrong))}" if wrong else ""
    if isinstance(expected, str) or expected is None or isinstance(expected, (bool, np.bool_)):
        same = isinstance(found, (type(expected), np.bool_)) and found == expected
        return "" if same else "They are not the same."
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
    scale = max(np.abs(expected).max(initial=0), 1e-3)
    return bool(np.isfinite(found).all() and np.abs(found - expected).max(initial=0) <= tolerance * scale)


def differs(found, y, values, tolerance):
    """Whether a result has another shape than y, or other entries in the places of these values."""
    found = np.asarray(found)
    return found.shape != y.shape or not _close(sampled(found, len(values)), values, tolerance)


def sampled(y, count):
    """Return entries of an array, spread evenly from the first to the last."""
    return y.ravel()[np.linspace(0, y.size - 1, count).astype(int)]


def _is_number(item):
    return isinstance(item, (int, float, complex, np.number)) and not isinstance(item, bool)


def _is_float(item):
    return isinstance(item, np.ndarray) and item.dtype.kind == "f"


# --- the texts of values ---


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
    return getattr(value, "__name__", repr(value))


def _kinds(values):
    return ", ".join(map(_kind, values)) or "nothing"


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
