"""Open the debugger on a line of a layer's forward or backward, or where a value first fails a test.

While the `with` lasts, the layer has a copy of the method with `breakpoint()` before that line. File, line
numbers and frames are still those of our code, and breakpoint() opens the reader's debugger: pdb, the one
that PYTHONBREAKPOINT names, that of VS Code or of a notebook.
"""

import ast
import contextlib
import difflib
import functools
import inspect
import itertools
import os
import pathlib
import re
import sys
import textwrap
import types
import weakref
from typing import NamedTuple

import numpy as np

from minibert.layers import base
from minibert.layers.walk import children, is_array, is_layer, is_record, parts, tensors, typed, walk
from minibert.trace import source
from minibert.trace.calls import split
from minibert.trace.view import short

METHODS = ("forward", "backward")
OPTIMIZER_METHODS = ("step", "_update")
MANY = 16  # arrays in a cache that are listed one by one
base.paths = weakref.WeakKeyDictionary()  # a name keeps no model alive
# Whether pdb stops right after the call of breakpoint(), and does not wait until a new line begins.
STOPS_AFTER_CALL = sys.version_info >= (3, 13)
ARRIVED = "_minibert_arrived"  # so begin the copy's names of the notes
# A debugger built on Python's bdb (pdb, ipdb, pdb++, IPython's) then skips the same as ours. Once it is open,
# no function written in Python is called here: `s` would go into it.
STOP = """
if not {arrived}.stopped and {arrived}(locals()):
    _minibert.opened = _minibert.open()
    if isinstance(getattr(_minibert.gettrace(), "__self__", None), _minibert.Bdb):
        _minibert.gettrace().__self__.skip = _minibert.skipped
"""


def not_finite(array):
    """Whether an array holds a NaN or an infinity."""
    return not np.isfinite(array).all()


def negative(array):
    """Whether an array has an entry below 0."""
    return bool((array.real < 0).any())


def positive(array):
    """Whether an array has an entry above 0."""
    return bool((array.real > 0).any())


TESTS = {"not-finite": not_finite, "negative": negative, "positive": positive}


class Place(NamedTuple):
    """A line to stop at.

    Attributes:
        path:   of the layer, "bert.encoder.1.attention".  layer: the layer, or an optimizer or Training.
        method: "forward" or "backward".  line: its number in the file.
        name:   the local that the line assigns; None for the first line of the method.
        use:    which run of the layer within a pass is meant, counted from 0; None for any.
        is_after: whether to stop after the line has run.
    """

    path: str
    layer: object
    method: str
    line: int
    name: str | None
    use: int | None = None
    is_after: bool = False


class Stops(list):
    """The Places where it stopped.

    Attributes:
        arrivals: how often the line was reached, whether or not the condition held.
        tried: how often the condition was tried: at each arrival; of stop_when, where the test was passed.
        errors: {text of the error: how often the condition raised it}.
    """

    def __init__(self):
        super().__init__()
        self.arrivals, self.tried, self.errors = 0, 0, {}


def name(model):
    """Have every layer of a model print its path: `p self` shows "bert.encoder.1.attention: MultiHead…"."""
    for path, layer in walk(model, is_layer):
        if isinstance(layer, base.Layer) and layer is not model:
            base.paths[layer] = path


@contextlib.contextmanager
def stop_at(model, name, when=None, step=None, say=print):
    """Within the `with`, stop once on the line that `name` means, print a note and open the debugger.

    Args:
        model: a model, a layer or an optimizer; or a Training, which has a model, an optimizer and a `step`.
        name: a path as the trace prints it, "bert.encoder.1.attention.d_scores", or the end of one; a
            parameter's gradient, "attention.query.weight.grad"; a layer with a pass, "attention.backward"; a
            class, "MultiHeadAttention.forward". Of several that fit, the first that is reached; a whole path
            comes before the end of another.
        when: a condition on the locals of the line: an expression as text, in which `model` is the model, or
            a function of {name: local}. One that raises is reported, and does not stop.
        step: of a Training: in this step only, as the log counts them, from 1. Of several threads the first
            stops, in its share of the batch.
        say: function that takes the note.

    Yields:
        the Stops: a list that holds the Place where it stopped, and is empty until then.

    Raises:
        ValueError: no layer or line has this name (the message lists the names that exist), the condition is
            no expression, or `step` is given without a Training.

    Example:
        >>> with stop_at(model, "encoder.1.attention.probs", when="probs.max() > 0.9"):     # doctest: +SKIP
        ...     output, cache = model.forward(input_ids)
    """
    with _stopping(model, find_places(model, name), when, None, step, say) as stopped:
        yield stopped


@contextlib.contextmanager
def stop_when(model, test, only=None, when=None, step=None, say=print):
    """Within the `with`, stop once after the first line whose value passes a test.

    Args:
        model: as in stop_at.
        test: "not-finite", "negative" or "positive", of any entry, or a function of an array.
        only: a path, or a part of one, of the values that are looked at: "attention.d_scores",
            "encoder.1.attention"; None for all values of all layers, a parameter's gradient included.
        when: a condition, as in stop_at, on the locals of the value's line, and on `value` itself.
        step, say: as in stop_at.

    Yields:
        the Stops, as stop_at does.

    Raises:
        ValueError: there is no such test, no value has this path, the condition is not an expression, or
            `step` is given without a Training.

    Example:
        >>> with stop_when(model, "not-finite"):                                            # doctest: +SKIP
        ...     output, cache = model.forward(input_ids)
    """
    if not callable(test) and test not in TESTS:
        raise ValueError(f"there is no test {test!r}: choose one of {', '.join(TESTS)}, or give a function")
    with _stopping(model, _all_values(model, only), when, TESTS.get(test, test), step, say) as stopped:
        yield stopped


@contextlib.contextmanager
def _stopping(model, places, when, test, step, say):
    """Install the stops beside those of an outer `with`; take them out at the end."""
    training, model = model, model.model if _is_training(model) else model
    if step is not None and training is model:
        raise ValueError("step= needs a Training (minibert.training.step): give it in place of the model")
    name(model)
    stopped, gate = Stops(), _Gate(step)
    condition = _Condition(when, model, stopped, say)
    groups = {}
    for place in places:
        arrive = _Arrival(model, place, condition, test, stopped, gate, say)
        groups.setdefault((id(place.layer), place.method), []).append((place, arrive))
    methods = [(stops[0][0].layer, stops[0][0].method, stops) for stops in groups.values()]
    is_in_step = step is not None or any(layer is training for layer, *_ in methods)
    if training is not model and is_in_step and "step" in vars(training):
        raise ValueError("an outer stop already waits in a step of this Training: end that `with` first")
    changed = []
    try:
        for layer, method, stops in methods:
            outer = vars(layer).get(method)
            changed.append((layer, method, outer))
            copied = _with_breakpoints(layer, method, [*getattr(outer, "stops", ()), *stops])
            setattr(layer, method, types.MethodType(copied, layer))
        if step is not None:
            changed.append((training, "step", None))
            training.step = gate.around(training.step)
        yield stopped
    finally:
        for layer, method, outer in changed:
            vars(layer).pop(method, None)
            if outer is not None:
                setattr(layer, method, outer)


# --- which lines a name means -------------------------------------------------------------------------------


def _is_training(item):
    return not is_layer(item) and hasattr(item, "optimizer") and hasattr(item, "model")


def _holders(model):
    """Return {path: (object, its methods)} of layers and optimizers; a Training has its own step, too.

    A method without a source has no lines, and is left out.

    Raises:
        ValueError: there is none.
    """
    if _is_training(model):
        outer = {"training": (model, ("step",))}
        return _holders(model.model) | outer | _holders(model.optimizer)
    if not is_layer(model) and hasattr(model, "step"):
        methods = tuple(method for method in OPTIMIZER_METHODS if hasattr(model, method))
        return {"optimizer": (model, methods)}
    if not is_layer(model):
        given = f"the class {model.__name__}: make one" if isinstance(model, type) else type(model).__name__
        raise ValueError(f"stops need a layer, a model, an optimizer or a Training, got {given}")
    holders = {}
    for path, layer in walk(model, is_layer):
        known = [method for method in METHODS if source.is_known(getattr(type(layer), method, None))]
        holders[path] = layer, tuple(known)
    return holders


def find_places(model, name):
    """Return the Places that a name means, at most one for each pass of each layer.

    Raises:
        ValueError: no layer or line has this name; the message lists the names that exist.
    """
    if not isinstance(name, str):
        raise ValueError(f"a place is a path as text, like 'attention.d_scores', got {name!r}")
    keys = [key for key in split(name.strip()) if key != "self"]
    holders = _holders(model)
    for count in range(len(keys), -1, -1):  # the longest beginning that is a layer; then a pass; then a line
        rest, use = keys[count:], None
        of_list = not (rest and rest[0].isdigit())
        fitting = [
            path for path in holders if _is_meant(path, holders[path][0], keys[:count], model, of_list)]
        if count and len(rest) and rest[0].isdigit():  # the second use of a layer: layer.1.x
            use, rest = int(rest[0]), rest[1:]
        methods = tuple(dict.fromkeys(method for path in fitting for method in holders[path][1]))
        one = rest[0] if rest and rest[0] in methods else None
        rest = rest[1:] if one else rest
        if not fitting or not keys or count == 0 and (one or len(rest) > 1 and rest[-1] != "grad"):
            continue
        places = []
        for path in fitting:
            layer, own = holders[path]
            own = (one,) if one in own else () if one else own
            places += [place._replace(use=use) for place in _places(path, layer, own, rest)]
        exact = [place for place in places if split(place.path) == keys[:count]]
        if places:
            return exact or places
        if count and use is None:
            layer, own = holders[fitting[0]]
            raise ValueError(_no_line(fitting[0], layer, (one,) if one else own, ".".join(rest)))
    raise ValueError(_no_layer(holders, name))


def _is_meant(path, layer, keys, model, of_list):
    """Whether keys name a layer: its class, or the end of its path, or (of_list) that of its list's path."""
    own = split(path)
    in_list = own[:-1] if of_list and own and own[-1].isdigit() else own
    is_model = layer is getattr(model, "model", model) and keys == ["model"]
    ends = keys in (own[-len(keys) :], in_list[-len(keys) :])
    return not keys or keys == [type(layer).__name__] or is_model or ends


def _places(path, layer, methods, keys):
    """Return [the Place] of a line in the first of these methods that has it, or of the first line; or []."""
    if not keys:
        return [Place(path, layer, method, _first_line(layer, method), None) for method in methods[:1]]
    wanted = ".".join(keys)
    for method in methods:
        function = getattr(type(layer), method)
        lines = [item for item in source.assignments(function) if item.formula != "None"]
        named = [item for item in lines if split(item.name.removeprefix("self.")) == keys]
        named = named or [item for item in lines if item.formula.startswith(f"{wanted}(")]
        if named:
            return [Place(path, layer, method, named[0].line, named[0].name)]
    for method in methods:
        function = getattr(type(layer), method)
        if keys[0] in list(inspect.signature(function).parameters)[1:]:  # an argument is there from the start
            return [Place(path, layer, method, _first_line(layer, method), None)]
        line = source.line_with(function, f"self.{wanted}.value") or _line_of_field(function, layer, keys[0])
        if line is not None:
            return [Place(path, layer, method, line, None)]
    return []


def _first_line(layer, method):
    return source.first_line(getattr(type(layer), method))


def _line_of_field(function, layer, field):
    """Return the line of forward that gives the cache a field that is not a local, or None."""
    owner = type(layer)
    cache_class = getattr(sys.modules.get(owner.__module__), f"{owner.__name__}Cache", None)
    if function.__name__ != "forward" or field not in getattr(cache_class, "_fields", ()):
        return None
    return source.line_with(function, f"{field}=") or source.line_with(function, cache_class.__name__)


def _all_values(model, only):
    """Return a Place after every line that gives a value a name, of those whose path has `only` in it."""
    if not isinstance(only, str | None):
        raise ValueError(f"only is a path as text, like 'attention.d_scores', got {only!r}")
    wanted = [key for key in split(only or "") if key not in ("self", "cache")]
    found, holders = [], _holders(model)
    for path, (layer, methods) in holders.items():
        for method in methods:
            for item in source.assignments(getattr(type(layer), method)):
                keys = split(path) + split(item.name.removeprefix("self."))
                within = [keys[start : start + len(wanted)] for start in range(len(keys))]
                is_value = item.formula != "None" and (
                    item.name.isidentifier() or item.name.startswith("self.") and item.name.endswith(".grad"))
                if is_value and (not wanted or wanted in within):
                    found.append(Place(path, layer, method, item.line, item.name, is_after=True))
    if not found and only is None:
        raise ValueError(f"there is no line to watch.{_sourceless(holders)}")
    if not found:
        find_places(model, only)  # which lists the names that there are
        raise ValueError(
            f"{only!r} is not a value that a line computes: give a local, as in attention.d_scores")
    return found


def _no_line(path, layer, methods, name):
    """Return the message: no line of these methods assigns this name."""
    known = {}
    for method in methods:
        assigned = source.assignments(getattr(type(layer), method))
        known[method] = list(dict.fromkeys(item.name.removeprefix("self.") for item in assigned))
    similar = difflib.get_close_matches(name, [line for lines in known.values() for line in lines], n=1)
    question = f"; is {similar[0]} meant?" if similar else "."
    listed = [f"\n{path or 'model'}.{method}: {', '.join(lines)}" for method, lines in known.items()]
    listed = "".join(listed) or _sourceless({path: (layer, methods)})
    return f"no line of {path or 'the model'} computes {name!r}{question}{listed}"


def _sourceless(holders):
    """Return a sentence on the classes whose source cannot be read, or ""."""
    names = sorted({type(layer).__name__ for layer, methods in holders.values() if not methods})
    if not names:
        return ""
    return f"\nThe source of {', '.join(names)} cannot be read: write it in a file, or in a notebook's cell."


def _no_layer(holders, name):
    """Return the message: no layer has this name."""
    ends = {"model", *(split(path)[-1] for path in holders if path)}
    ends = {end for end in ends if not end.isdigit()}
    kinds = sorted({type(layer).__name__ for layer, _ in holders.values()})
    wanted = name.removesuffix(".backward").removesuffix(".forward")
    similar = difflib.get_close_matches(wanted, [*ends, *kinds, *holders], n=1)
    question = f"; is {similar[0]}{name[len(wanted) :]} meant?" if similar else "."
    return (
        f"no layer or line is called {name!r}{question}\nlayers: {', '.join(sorted(ends))}\n"
        f"classes: {', '.join(kinds)}\n"
        "Add .forward, .backward or the name of a line, as in attention.d_scores; "
        "encoder.1.attention is one of several."
        f"{_sourceless(holders)}"
    )


# --- the copy with the breakpoints --------------------------------------------------------------------------


def _with_breakpoints(layer, method, stops):
    """Return a copy of the method with STOP before (or after) each line."""
    function = getattr(type(layer), method)
    code = _code_with_stops(function, tuple((place.line, place.is_after) for place, _ in stops))
    arrivals = {f"{ARRIVED}_{number}": arrive for number, (_, arrive) in enumerate(stops)}
    names = {**function.__globals__, **arrivals, "_minibert": _debugger()}
    copied = types.FunctionType(code, names, function.__name__, function.__defaults__, function.__closure__)
    copied.__kwdefaults__, copied.stops = function.__kwdefaults__, stops
    return copied


@functools.lru_cache(maxsize=256)
def _code_with_stops(function, lines):
    """Return the code of the copy; lines are pairs (number, whether to stop after it). Layers share it.

    The call of breakpoint() has the line number of the line before; the part after it, the assignment of its
    result, has that of the line to stop on. So every debugger stops there: the one that waits for a new line,
    and the one that stops right after the call.
    """
    tree = ast.parse("".join(_file(function)))
    lines_after = dict(_lines_after(tree.body))
    for number, (line, is_after) in enumerate(lines):
        stop = ast.parse(STOP.format(arrived=f"{ARRIVED}_{number}")).body[0]
        opening, skipping = stop.body
        _set_line(stop, line if is_after else line - 1)
        for part in (opening.targets[0], skipping):
            _set_line(part, lines_after[line] if is_after and STOPS_AFTER_CALL else line)
        statements, index = _find_statement(tree, line)
        statements.insert(index + is_after, stop)
    return _find_code(compile(tree, function.__code__.co_filename, "exec"), function.__code__.co_qualname)


def _set_line(tree, line):
    for node in ast.walk(tree):
        if hasattr(node, "lineno"):
            node.lineno = node.end_lineno = line


def _lines_after(statements, end=None):
    """Yield (line of a statement, line that runs after it: its own if it is the last of a function)."""
    for statement, following in itertools.zip_longest(statements, statements[1:]):
        after = following.lineno if following else end
        yield statement.lineno, after or statement.lineno
        is_left = isinstance(statement, (ast.For, ast.While, ast.With))  # by its first line
        is_definition = isinstance(statement, (ast.FunctionDef, ast.ClassDef))
        within = statement.lineno if is_left else None if is_definition else after
        yield from _lines_after(getattr(statement, "body", []), within)
        yield from _lines_after(getattr(statement, "orelse", []), after)


def _find_statement(tree, line):
    """Return (the list of statements, the index in it) of the statement that begins on a line."""
    for node in ast.walk(tree):
        for statements in (getattr(node, "body", None), getattr(node, "orelse", None)):
            for index, statement in enumerate(statements if isinstance(statements, list) else ()):
                if statement.lineno != line or isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
                    continue
                if not (isinstance(statement, ast.If) and ARRIVED in ast.unparse(statement.test)):  # ours
                    return statements, index
    raise ValueError(f"no statement begins on line {line}")


def _file(function):
    """Return the lines of the file, or of the notebook's cell, that holds a function."""
    return inspect.findsource(function)[0]


def _debugger():
    """Return the names for STOP: `open` is the reader's debugger, or our pdb; `skipped` are our SKIPPED."""
    import bdb  # only here: no import of minibert loads a debugger

    from minibert.trace import debugger

    return types.SimpleNamespace(
        open=_opener(debugger), gettrace=sys.gettrace, Bdb=bdb.Bdb, skipped=debugger.SKIPPED)


def _opener(ours):
    """Return the function that opens the debugger.

    In a notebook breakpoint() calls debugpy, which ignores it unless the visual debugger is switched on;
    pdb's set_trace() is IPython's there.
    """
    if "PYTHONBREAKPOINT" in os.environ:
        return breakpoint
    debugpy = sys.modules.get("debugpy")
    if debugpy is not None and "ipykernel" in sys.modules and not debugpy.is_client_connected():
        return ours.pdb.set_trace
    if sys.breakpointhook is not sys.__breakpointhook__ or debugpy is not None:
        return breakpoint
    return ours.set_trace


def _find_code(code, name):
    """Return the code of the function of that qualified name within a module's code."""
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            if constant.co_qualname == name:
                return constant
            found = _find_code(constant, name)
            if found:
                return found
    return None


class _Gate:
    """Open in one training step, or always."""

    def __init__(self, step):
        self.step, self.is_open = step, step is None

    def around(self, do_step):
        """Return Training.step with the gate open in the step that is meant."""

        def step(number):
            self.is_open = number + 1 == self.step
            try:
                return do_step(number)
            finally:
                self.is_open = False

        return step


class _Condition:
    """Whether the reader's condition holds; an error is counted and said once, and is not taken for true."""

    def __init__(self, when, model, stopped, say):
        self.when, self.model, self.stopped, self.say = when, model, stopped, say
        self.code = when
        if not (when is None or callable(when) or isinstance(when, str)):
            raise ValueError(f"a condition is an expression as text or a function of locals, got {when!r}")
        if isinstance(when, str):
            try:
                self.code = compile(when.strip(), "<condition>", "eval")
            except SyntaxError as error:
                raise ValueError(f"the condition {when!r} is not a Python expression: {error.msg}") from None

    def holds(self, place, names):
        if self.when is None:
            return True
        try:
            if callable(self.code):
                return bool(self.code(names))
            of_module = getattr(type(place.layer), place.method).__globals__
            return bool(eval(self.code, {"np": np, **of_module, "model": self.model}, dict(names)))
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
            if text not in self.stopped.errors:
                where = f"{place.path or 'the model'}, line {place.line}"
                self.say(f"The condition {self.when!r} raised {text} at {where}, and did not stop there.")
            self.stopped.errors[text] = self.stopped.errors.get(text, 0) + 1
            return False


class _Arrival:
    """Called on the line, with its locals: prints the note and says whether to stop, the first time only."""

    def __init__(self, model, place, condition, test, stopped, gate, say):
        self.model, self.place, self.condition, self.test = model, place, condition, test
        self.stopped, self.gate, self.say = stopped, gate, say
        self.uses = 0

    def __call__(self, names):
        if not self.gate.is_open:
            return False
        frame = sys._getframe(1)
        if self.place.use is not None and not self._is_the_use(names.get("cache"), frame):
            return False
        self.stopped.arrivals += 1
        known = names
        if self.test is not None:
            value = self._value(names)
            if not (is_array(value) and value.dtype.kind in "fc" and self.test(value)):
                return False
            known = {**names, "value": value}
        self.stopped.tried += 1
        if not self.condition.holds(self.place, known):
            return False
        self.stopped.append(self.place)
        self.say(note(self.place, names, _model_cache(self.model, frame)))
        return True

    def _is_the_use(self, cache, frame):
        model_cache = _model_cache(self.model, frame)
        wanted = f"{self.place.path}.{self.place.use}"
        if self.place.method == "backward" and model_cache is not None:
            records = walk(model_cache, is_record, within=parts)
            return any(record is cache and path == wanted for path, record in records)
        self.uses += 1
        return self.uses == self.place.use + 1

    def _value(self, names):
        """Return the value that the line has just made or changed."""
        is_attribute = self.place.name.startswith("self.")
        return eval(self.place.name, {}, dict(names)) if is_attribute else names.get(self.place.name)


def _model_cache(model, frame):
    """Return the cache of the model's own backward, if one is under way in these frames, else None."""
    while frame is not None:
        code = frame.f_code
        is_method = code.co_name == "backward" and code.co_argcount
        if is_method and frame.f_locals.get(code.co_varnames[0]) is model:
            return frame.f_locals.get("cache")
        frame = frame.f_back
    return None


def note(place, names, model_cache=None):
    """Return the text that is printed at a stop: place, formula, names in scope, commands to type next.

    Args:
        place: the Place.  names: its locals.
        model_cache: the cache of the whole model, which tells the path of the layer's cache in it; or None.
    """
    owner = type(place.layer)
    function = getattr(owner, place.method)
    file = "/".join(pathlib.Path(function.__code__.co_filename).parts[-3:])
    line = _file(function)[place.line - 1].partition("  #")[0].strip()
    scope = [f"{name} {_kind(item)}" for name, item in names.items() if item is not place.layer]
    on_line = [item.name for item in source.assignments(function) if item.line == place.line]
    target = place.name or next(iter(on_line), None)
    look = f"{target}.shape and {target} show it" if target and "." not in target else ""
    headline = short(source.headline(owner))
    kind = "layer" if is_layer(place.layer) else owner.__name__
    says = f" The {kind}: {headline}." if headline else ""
    runs = "n runs the next line" if place.is_after else "n runs the line"
    look = f"; {look}" if look and place.is_after else f", then {look}" if look else ""
    text = (
        f"Stopped in the {place.method} of {place.path or 'the model'} ({owner.__name__}; {file}, "
        f"line {place.line}) {'after' if place.is_after else 'before'} the line `{line}`.{says} "
        f"In scope: {', '.join(scope)}; self is the {kind}. Type next: {runs}{look}; "
        "u goes up to the caller, d down again; w shows all callers; s steps into a call; "
        "c continues to the end; q quits."
    )
    lines = ["", *textwrap.wrap(text, 79, break_long_words=False, break_on_hyphens=False)]
    wrong = [path for path, item in children(place.layer) if place.is_after and _is_wrong(item)]
    if wrong:
        lines.append(f"Not finite before the pass: self.{', self.'.join(map(str, wrong))}.")
    documented = inspect.cleandoc(vars(owner).get("__doc__") or "").splitlines()
    gradients = [row for row in documented if re.match(r" .*\bd_\S+ += ", row)]
    if place.method == "backward" and gradients:
        lines += ["Its gradients, from its docstring:", *gradients]
    return "\n".join([*lines, *_paths(names.get("cache"), model_cache), ""])


def _is_wrong(item):
    return isinstance(item, base.Parameter) and not_finite(item.value)


def _kind(item):
    if is_array(item):
        return f"{item.shape}"
    return repr(item) if item is None or isinstance(item, (bool, int, float)) else type(item).__name__


def _paths(cache, model_cache):
    """Return a line for each array in a layer's cache: its path here, and that in the model's backward.

    A cache of many arrays is shortened: each line is one of its own arrays or one of the caches within it.
    """
    if not is_record(cache):
        return []
    whole = {id(item): path for path, item in walk(model_cache, is_record, "cache", typed, within=parts)}
    within = whole.get(id(cache), "cache")
    found = list(tensors(cache))
    if len(found) > MANY:
        records = walk(cache, is_record, "cache", typed, within=parts)
        found = [(path, item) for path, item in [*records, *found] if path.count(".") == 1]
    rows = [(path, within + path.removeprefix("cache"), _kind(item)) for path, item in found]
    if within == "cache":  # the model's own
        return ["Kept by forward:", *(f"  {path:<32} {kind}" for path, _, kind in rows)]
    here, kinds = (max([len(row[place]) for row in rows], default=0) for place in (0, 2))
    lines = [f"  {path:<{here}}  {kind:<{kinds}}  {full}" for path, full, kind in rows]
    return [
        "Kept by forward, here and in the model's backward:",
        *(line if len(line) < 80 else re.sub(r" +(?=\S+$)", "\n" + " " * 8, line) for line in lines),
    ]
