"""The check on layers that strangers wrote: its verdict is the truth, and nothing is left behind.

Then single mistakes are planted into the backward passes of the right layers, one at a time, with the
operators of tests/gradients/mutants.py: a dozen in the plain run, all of them in the exhaustive one, a test
a layer. Each prints how its mistakes were judged:

    pytest -m exhaustive tests/gradcheck/test_strangers.py -vrP
    pytest -m exhaustive tests/gradcheck/test_strangers.py -vrP -k LSTM       # layers with this name
    pytest -m exhaustive tests/gradcheck/test_strangers.py -vrP -k pairs      # layers of one file
"""

import ast
import collections
import copy
import functools
import importlib
import itertools
import pathlib
import sys
import types
import warnings
from typing import NamedTuple

import mutants
import numpy as np
import pytest
from helpers import sampled

import minibert as mb

FOLDER = pathlib.Path(__file__).parent / "strangers"
STYLES = {path.stem.removeprefix("strangers_"): path for path in sorted(FOLDER.glob("strangers_*.py"))}
MODULES = {style: importlib.import_module(f"gradcheck.strangers.strangers_{style}") for style in STYLES}
STRANGERS = {stranger.name: stranger for module in MODULES.values() for stranger in module.LAYERS}
STYLE = {stranger.name: style for style, module in MODULES.items() for stranger in module.LAYERS}
RIGHT = [stranger.name for stranger in STRANGERS.values() if stranger.truth == "right"]


def equivalents():
    """Return {("style function", the changed line): why this changes no gradient}."""
    found = {}
    for paragraph in (FOLDER / "equivalents.txt").read_text(encoding="utf-8").split("\n\n")[1:]:
        reason, *entries = paragraph.strip().splitlines()
        found |= {tuple(entry.strip().split(": ", 1)): reason for entry in entries}
    return found


EQUIVALENT = equivalents()


def check(layer, inputs, kwargs, **options):
    """Return the report of the check."""
    with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):  # strangers divide by zero
        return mb.check_gradients(layer, *inputs, **options, **kwargs)


def state(value, path="", seen=()):
    """Return {path: what it holds} of an object, its attributes, and all that they contain."""
    if isinstance(value, np.ndarray):
        return {path: (value.dtype.str, value.shape, value.tobytes())}
    if isinstance(value, np.random.Generator):
        return {path: str(value.bit_generator.state)}
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, (list, tuple)):
        items = enumerate(value)
    elif hasattr(value, "__dict__") and not isinstance(value, (type, types.FunctionType)):
        items = vars(value).items()
    else:
        return {path: repr(value) if isinstance(value, (int, float, str, type(None))) else type(value)}
    found = {path: type(value)}
    for key, item in items if id(value) not in seen else ():
        found |= state(item, f"{path}.{key}", (*seen, id(value)))
    return found


# --- the verdict is the truth ---


@pytest.mark.parametrize("name", sampled(STRANGERS, every=5))
def test_the_verdict_is_the_truth_and_nothing_is_left_behind(name):
    stranger = STRANGERS[name]
    held = stranger.make(), *copy.deepcopy((stranger.inputs, stranger.kwargs))
    np.random.seed(5)
    before = state(held), str(np.random.get_state())
    report = check(*held)
    assert report.verdict == stranger.truth, f"{stranger.truth}: {stranger.because}\n{report}"
    assert report.ok == (stranger.truth == "right")
    assert (state(held), str(np.random.get_state())) == before


WRONG = [stranger.name for stranger in STRANGERS.values() if stranger.truth == "wrong"]


@pytest.mark.parametrize("name", sampled(WRONG, every=3))
def test_random_directions_call_no_wrong_layer_right(name):
    stranger = STRANGERS[name]
    with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
        report = mb.check_directions(stranger.make(), *stranger.inputs, **stranger.kwargs)
    assert not report.ok, report


def test_the_corpus():
    """Enough layers, styles and scales; both verdicts; a reason for all that is not right."""
    assert sum(len(module.LAYERS) for module in MODULES.values()) == len(STRANGERS) >= 60
    assert len(STYLES) >= 6
    truths = collections.Counter(stranger.truth for stranger in STRANGERS.values())
    assert set(truths) == {"right", "wrong", "undecided"} and truths["wrong"] >= 25
    assert truths["undecided"] <= 6
    for module in MODULES.values():
        assert {"right", "wrong"} <= {stranger.truth for stranger in module.LAYERS}
    for stranger in STRANGERS.values():
        assert bool(stranger.because) == (stranger.truth != "right"), stranger.name
    inputs = [value for stranger in STRANGERS.values() for value in stranger.inputs]
    sizes = [np.abs(value).max() for value in inputs if isinstance(value, np.ndarray)]
    assert min(sizes) < 1e-5 and max(sizes) > 1e6


# --- planted mistakes ---


class Mutant(NamedTuple):
    """One planted mistake: in which file and function, what was done, the line before and after it.

    `place` are the bytes of the file that `text` replaces; `names` are the right layers that run them.
    """

    style: str
    function: str
    line: int
    mistake: str
    before: str
    after: str
    place: tuple
    text: str
    names: tuple

    def __str__(self):
        where = f"strangers_{self.style}.py:{self.line} {self.function}"
        return f"{where}: {self.mistake}\n  - {self.before}\n  + {self.after}"

    @property
    def reason(self):
        return EQUIVALENT.get((f"{self.style} {self.function}", self.after))


def functions_called(run, path):
    """Return {(first line, name): [locals of each call]} of the functions of a file that `run` calls."""
    calls, frames = collections.defaultdict(list), {}

    def on_call(frame, event, value):
        if frame.f_code.co_filename == str(path):
            frames[frame] = {}
            calls[frame.f_code.co_firstlineno, frame.f_code.co_name].append(frames[frame])
            return on_line

    def on_line(frame, event, value):
        frames[frame].update(frame.f_locals)
        return on_line

    sys.settrace(on_call)
    try:
        run()
    finally:
        sys.settrace(None)
    return calls


def run_forward(layer, stranger):
    forward = layer[0] if isinstance(layer, tuple) else layer.forward
    return forward(*copy.deepcopy(stranger.inputs), **copy.deepcopy(stranger.kwargs))


def backward_calls(stranger, path):
    """Return the functions that run in the backward pass only, as functions_called does."""
    layer, made = stranger.make(), []
    in_forward = functions_called(lambda: made.append(run_forward(layer, stranger)), path)
    (result,) = made
    is_pair = isinstance(layer, tuple)
    y, *cache = result if is_pair or STYLE[stranger.name] == "cached" else (result,)
    d_y = tuple(map(np.ones_like, y)) if isinstance(y, tuple) else np.ones_like(y)
    backward = layer[1] if is_pair else layer.backward
    called = functions_called(lambda: backward(d_y, *cache), path)
    return {key: calls for key, calls in called.items() if key not in in_forward}


@functools.cache
def mutants_of(style):
    """Return every Mutant of the backward passes of the right layers of a file, in the order of the code."""
    path = STYLES[style]
    tree = ast.parse(path.read_bytes())
    for parent in ast.walk(tree):
        for child in ast.iter_child_nodes(parent):
            child.parent = parent
    runs = collections.defaultdict(dict)
    for name in (name for name in RIGHT if STYLE[name] == style):
        for key, calls in backward_calls(STRANGERS[name], path).items():
            runs[key][name] = calls
    found = {}
    for function in ast.walk(tree):
        if isinstance(function, (ast.FunctionDef, ast.Lambda)):
            calls_of = runs.get((function.lineno, getattr(function, "name", "<lambda>")), {})
            for mutant in mutants_of_function(style, function, calls_of) if calls_of else ():
                found.setdefault((mutant.function, mutant.line, mutant.after), mutant)
    return list(found.values())


def mutants_of_function(style, function, calls_of):
    """Yield the Mutants of one function; some may be alike."""
    code = STYLES[style].read_bytes()
    calls = [without_sizes(values) for calls in calls_of.values() for values in calls]
    lines = code.splitlines(keepends=True)
    starts = [0, *itertools.accumulate(map(len, lines))]
    body = function.body if isinstance(function, ast.FunctionDef) else [function.body]
    for node in (node for part in body for node in mutants.arithmetic_of(part)):
        for mistake, new in mutants.mistakes(node, function, calls):
            old = node.test if mistake == "condition turned" else node
            first, last = starts[old.lineno - 1], starts[old.end_lineno]
            start, end = first + old.col_offset, starts[old.end_lineno - 1] + old.end_col_offset
            text = new if isinstance(new, str) else ast.unparse(new)
            if isinstance(node, ast.expr) and not isinstance(new, mutants.NEEDS_NO_BRACKETS):
                text = f"({text})"
            before, after = code[first:last], code[first:start] + text.encode() + code[end:last]
            if ast.unparse(node) not in (text, text[1:-1]):
                shown = mutants.shown(before), mutants.shown(after)
                if mistake == "left out":  # several statements of a function may be left out
                    shown = shown[0], f"pass  # {shown[0]}"
                name, names = qualified_name(function), tuple(calls_of)
                yield Mutant(style, name, old.lineno, mistake, *shown, (start, end), text, names)


def without_sizes(values):
    """Return the locals without the integers: one size for another is found by the shapes or is the same."""
    return {name: value for name, value in values.items() if not isinstance(value, int)}


def qualified_name(node):
    """Return "Class.function" or "outer.inner" of a function in the syntax tree."""
    names = []
    while not isinstance(node, ast.Module):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Lambda)):
            names.insert(0, getattr(node, "name", "lambda"))
        node = node.parent
    return ".".join(names)


def mutated(mutant):
    """Return {name: Stranger} of the file with the mistake in it."""
    code = STYLES[mutant.style].read_bytes()
    start, end = mutant.place
    code = code[:start] + mutant.text.encode() + code[end:]
    namespace = {"__name__": f"mutated_{mutant.style}"}
    exec(compile(code, f"{mutant.style}, mutated", "exec"), namespace)
    return {stranger.name: stranger for stranger in namespace["LAYERS"]}


def judge(mutant):
    """Return "exception", "wrong", "undecided", or "right" if no layer notices the mistake.

    A mistake that one layer is undecided about may be found by another that runs the same function.
    """
    verdicts = {"right"}
    with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
        try:
            strangers = mutated(mutant)
            for stranger in (strangers[name] for name in mutant.names):
                held = stranger.make(), stranger.inputs, stranger.kwargs
                verdicts.add(check(*held, intermediates=False).verdict)
                if "wrong" in verdicts:
                    return "wrong"
        except Exception:
            return "exception"
    return "undecided" if "undecided" in verdicts else "right"


def assert_not_called_right(planted):
    verdicts = [judge(mutant) for mutant in planted]
    counts = collections.Counter(verdicts)
    print(f"{len(planted)} mistakes:", ", ".join(f"{verdict} {n}" for verdict, n in counts.most_common()))
    called_right = [str(mutant) for mutant, verdict in zip(planted, verdicts) if verdict == "right"]
    assert not called_right, "\n".join([f"{len(called_right)} mistakes are called right:", *called_right])


@pytest.mark.parametrize("style", sampled(STYLES, every=2))
def test_planted_mistakes_are_not_called_right(style):
    """Three of each style. Every right layer has some, and all that EQUIVALENT lists exist."""
    planted = mutants_of(style)
    assert {name for mutant in planted for name in mutant.names} == {n for n in RIGHT if STYLE[n] == style}
    listed = {(f"{style} {mutant.function}", mutant.after) for mutant in planted if mutant.reason}
    assert listed == {entry for entry in EQUIVALENT if entry[0].startswith(f"{style} ")}
    assert_not_called_right(mutants.sample([mutant for mutant in planted if not mutant.reason], 3, seed=0))


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", RIGHT, ids=lambda name: f"{STYLE[name]}: {name}")
def test_no_planted_mistake_is_called_right(name):
    """A mistake in a function that several layers run belongs to the first of them."""
    own = [mutant for mutant in mutants_of(STYLE[name]) if mutant.names[0] == name]
    assert_not_called_right([mutant for mutant in own if not mutant.reason])
    listed_wrongly = [str(mutant) for mutant in own if mutant.reason and judge(mutant) != "right"]
    assert not listed_wrongly, "\n".join(listed_wrongly)
