"""Open the debugger on a line of a layer's forward or backward.

A copy of the method in which `breakpoint()` stands before that line takes its place in the one layer that is meant, for as
long as the `with` lasts. The file, the line numbers and the frames stay those of our code, and breakpoint() opens
whatever debugger the reader has: pdb, what PYTHONBREAKPOINT names, that of VS Code or of a notebook.
"""

import ast
import contextlib
import difflib
import functools
import inspect
import os
import pathlib
import pdb
import re
import sys
import textwrap
import types
from typing import NamedTuple

import numpy as np

from minibert.gradcheck.intermediates import sublayers
from minibert.layers.walk import join, nodes, tensors
from minibert.trace import source
from minibert.trace.record import typed
from minibert.trace.view import short

METHODS = ("forward", "backward")
MANY = 16  # arrays in a cache that are listed one by one
ARRIVED, OPEN = "_minibert_arrived", "_minibert_opens"  # names under which the copy finds the note and the debugger


class Place(NamedTuple):
    """A line to stop at.

    Attributes:
        path:   of the layer, "bert.encoder[1].attention".  layer: the layer.
        method: "forward" or "backward".  line: its number in the file.
        name:   what the line computes; None for the first line of the method.
        cache:  the path of the cache that was asked for, "nsp_loss", where one layer has several; else None.
    """

    path: str
    layer: object
    method: str
    line: int
    name: str | None
    cache: str | None = None


@contextlib.contextmanager
def stop_at(model, name, say=print):
    """Within the `with`, stop once on the line that `name` means, print a note and open the debugger.

    Args:
        model: a model or layer.
        name: a layer with a pass or a line, or a line alone: "attention.backward", "bert.encoder[1].attention.d_scores",
            "MultiHeadAttention.forward", "d_scores". Of several that fit, the one that is reached first.
        say: function that takes the note.

    Yields:
        a list that holds the Place where it stopped, and is empty until then.

    Raises:
        ValueError: nothing is called that; the message names what there is.

    Example:
        >>> with stop_at(model, "encoder[1].attention.probs"):                      # doctest: +SKIP
        ...     output, cache = model.forward(input_ids)
    """
    stopped = []
    places = find_places(model, name)
    try:
        for place in places:
            arrive = _Arrival(model, place, stopped, say)
            setattr(place.layer, place.method, types.MethodType(_with_breakpoint(place, arrive), place.layer))
        yield stopped
    finally:
        for place in places:
            vars(place.layer).pop(place.method, None)


# --- which lines a name means -----------------------------------------------------------------------------------------


def find_places(model, name):
    """Return the Places that a name means, at most one for each pass of each layer; ValueError names what there is."""
    parts = _parts(name.strip())
    layers = {typed(path): layer for path, layer in sublayers(model)}
    for count in range(len(parts), -1, -1):  # the longest beginning that is a layer; then a pass; then a line
        fitting = {path: cache for path, layer in layers.items() for cache in _called(path, layer, parts[:count], model)}
        methods, rest = METHODS, parts[count:]
        if rest and rest[0] in METHODS:
            methods, rest = (rest[0],), rest[1:]
        if not fitting or not parts or (count == 0 and (methods != METHODS or len(rest) > 1)):
            continue
        line = ".".join(rest)  # self.weight.grad
        places = [place._replace(cache=cache) for path, cache in fitting.items()
                  for place in _places(path, layers[path], methods, line)]  # fmt: skip
        if places:
            return places
        if count:
            raise ValueError(_no_line(next(iter(fitting)), layers[next(iter(fitting))], methods, line))
    raise ValueError(_no_layer(layers, name))


def _parts(path):
    """"encoder[1].attention" and "encoder.1.attention" are ["encoder", "[1]", "attention"]."""
    plain = path.replace("[", ".").replace("]", "")
    return [f"[{part}]" if part.isdigit() else part for part in plain.split(".")] if path else []


def _called(path, layer, parts, model):
    """Return what is meant of a layer, in a list, if these parts call it so: the path of one of its several caches, or None.

    A layer is called by its class, or by the end of its path or of its cache's path; no parts at all call every layer.
    """
    if not parts or parts in ([type(layer).__name__], ["model"] if layer is model else None) or _parts(path)[-len(parts):] == parts:
        return [None]
    names = cache_names(model, path)
    found = [name for name in names if _parts(name)[-len(parts):] == parts]
    return found if len(names) > 1 else [None] * len(found)


def cache_names(model, path):
    """Return the paths under which a layer's caches lie, one for each use in a pass: "attention.query_projection" for
    the layer "attention.query", "mlm_loss" and "nsp_loss" for "cross_entropy"."""
    parent, names = model, [""]
    for part in _parts(path):
        fields = [part] if part.startswith("[") else [f".{field}" for field in _fields_of(type(parent), part) or [part]]
        names = [name + field for name in names for field in fields]
        parent = parent[int(part[1:-1])] if part.startswith("[") else getattr(parent, part, None)
    return [name.removeprefix(".") for name in names]


@functools.lru_cache(maxsize=None)
def _fields_of(owner, attribute):
    """Return the fields of owner's cache that hold caches of `self.attribute`."""
    forward = getattr(owner, "forward", None)
    cache_class = getattr(sys.modules.get(owner.__module__), f"{owner.__name__}Cache", None)
    if forward is None or cache_class is None:
        return []
    calls = {field: source.call_of(forward, local) for field, local in source.fields(forward, cache_class).items()}
    return [field for field, call in calls.items() if call and ast.unparse(call.value.func) == f"self.{attribute}.forward"]


def _places(path, layer, methods, name):
    """Return the Place of a line in the first of these methods that has it, or of the first line, in a list."""
    if not name:
        return [Place(path, layer, methods[0], source.first_line(getattr(type(layer), methods[0])), None)]
    for method in methods:
        lines = [item for item in source.assignments(getattr(type(layer), method)) if item.formula != "None"]
        named = [item for item in lines if item.name == name] or [item for item in lines if item.formula.startswith(f"{name}(")]
        if named:
            return [Place(path, layer, method, named[0].line, named[0].name)]
    return []


def _no_line(path, layer, methods, name):
    known = {method: list(dict.fromkeys(item.name for item in source.assignments(getattr(type(layer), method)))) for method in methods}
    similar = difflib.get_close_matches(name, [line for lines in known.values() for line in lines], n=1)
    return f"no line of {path or 'the model'} computes {name!r}" + (f"; is {similar[0]} meant?" if similar else ".") + "".join(
        f"\n{join(path or 'model', method)}: {', '.join(lines)}" for method, lines in known.items()
    )  # fmt: skip


def _no_layer(layers, name):
    ends = {path.replace("[", ".[").split(".")[-1] for path in layers if path and not path.endswith("]")} | {"model"}
    kinds = sorted({type(layer).__name__ for layer in layers.values()})
    wanted = name.removesuffix(".backward").removesuffix(".forward")
    similar = difflib.get_close_matches(wanted, [*ends, *kinds, *layers], n=1)
    return (
        f"no layer or line is called {name!r}" + (f"; is {similar[0]}{name[len(wanted):]} meant?" if similar else ".")
        + f"\nlayers: {', '.join(sorted(ends))}\nclasses: {', '.join(kinds)}"
        "\nAdd .forward, .backward or the name of a line, as in attention.d_scores; encoder[1].attention is one of several."
    )  # fmt: skip


# --- the copy with the breakpoint -------------------------------------------------------------------------------------


def _with_breakpoint(place, arrive):
    """Return a copy of the method with `if arrive(locals()): breakpoint()` before the line (or pdb: see _debugger).

    Its line number is that of the line before, so that a debugger which stops on the next line stops on ours. From
    Python 3.13 on, pdb stops where breakpoint() stands, and so it has the number of our line.
    """
    function = getattr(type(place.layer), place.method)
    tree = ast.parse("".join(_file(function)))
    stop = ast.parse(f"if {ARRIVED}(locals()):\n    {OPEN}()").body[0]
    number = place.line if sys.version_info >= (3, 13) else place.line - 1
    for node in ast.walk(stop):
        if hasattr(node, "lineno"):
            node.lineno = node.end_lineno = number
    statements, index = next(
        (statements, index) for node in ast.walk(tree) for field in ("body", "orelse")
        if isinstance(statements := getattr(node, field, None), list)
        for index, statement in enumerate(statements)
        if statement.lineno == place.line and not isinstance(statement, (ast.FunctionDef, ast.ClassDef))
    )  # fmt: skip
    statements.insert(index, stop)
    code = _find_code(compile(tree, function.__code__.co_filename, "exec"), function.__code__.co_qualname)
    names = {**function.__globals__, ARRIVED: arrive, OPEN: _debugger()}
    copied = types.FunctionType(code, names, function.__name__, function.__defaults__, function.__closure__)
    copied.__kwdefaults__ = function.__kwdefaults__
    return copied


def _file(function):
    """Return the lines of the file, or of the notebook's cell, that a function stands in."""
    return inspect.findsource(function)[0]


def _debugger():
    """Return what opens the debugger: breakpoint(), or pdb's set_trace() where breakpoint() would do nothing.

    In a notebook breakpoint() is handed over to debugpy, which ignores it unless the visual debugger is switched on.
    """
    debugpy = sys.modules.get("debugpy")
    is_ignored = debugpy is not None and "ipykernel" in sys.modules and not debugpy.is_client_connected()
    return pdb.set_trace if is_ignored and "PYTHONBREAKPOINT" not in os.environ else breakpoint


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


class _Arrival:
    """Called on the line, with its locals: prints the note, and says whether to stop (the first time only)."""

    def __init__(self, model, place, stopped, say):
        self.model, self.place, self.stopped, self.say = model, place, stopped, say

    def __call__(self, names):
        model_cache = _model_cache(self.model, sys._getframe(1))
        if self.stopped or not self._is_the_cache(names.get("cache"), model_cache):
            return False
        self.stopped.append(self.place)
        self.say(note(self.place, names, model_cache))
        return True

    def _is_the_cache(self, cache, model_cache):
        if self.place.cache is None or self.place.method == "forward" or model_cache is None:
            return True
        return any(item is cache and path == f"cache.{self.place.cache}" for path, item in nodes(model_cache))


def _model_cache(model, frame):
    """Return the cache of the model's own backward, if one is under way in these frames, else None."""
    while frame is not None:
        code = frame.f_code
        if code.co_name == "backward" and code.co_argcount and frame.f_locals.get(code.co_varnames[0]) is model:
            return frame.f_locals.get("cache")
        frame = frame.f_back
    return None


def note(place, names, model_cache=None):
    """Return what is printed at a stop: where this is, the formula, what is in scope, what to type next.

    Args:
        place: the Place.  names: its locals.
        model_cache: the cache of the whole model, to tell the path of the layer's cache in it; or None.
    """
    owner = type(place.layer)
    function = getattr(owner, place.method)
    path = pathlib.Path(function.__code__.co_filename)
    line = _file(function)[place.line - 1].partition("  #")[0].strip()
    scope = [f"{name} {_kind(item)}" for name, item in names.items() if item is not place.layer]
    target = place.name or next((item.name for item in source.assignments(function) if item.line == place.line), None)
    look = f"n runs the line, then {target}.shape and {target} show it" if target and "." not in target else "n runs the line"
    text = (
        f"Stopped in the {place.method} of {place.path or 'the model'} ({owner.__name__}; {'/'.join(path.parts[-3:])}, line "
        f"{place.line}) before the line `{line}`. The layer: {short(source.headline(owner))}. In scope: {', '.join(scope)}; self "
        f"is the layer. Type next: {look}; u goes up to the caller, d down again; w shows all callers; s steps into a call; "
        "c goes on to the end; q quits."
    )
    lines = ["", *textwrap.wrap(text, 110, break_long_words=False, break_on_hyphens=False)]
    gradients = [row for row in (inspect.getdoc(owner) or "").splitlines() if re.match(r" .*\bd_\S+ += ", row)]
    if place.method == "backward" and gradients:
        lines += ["Its gradients, from its docstring:", *gradients]
    return "\n".join([*lines, *_paths(names.get("cache"), model_cache), ""])


def _kind(item):
    if isinstance(item, (np.ndarray, np.generic)):
        return f"{item.shape}"
    return repr(item) if item is None or isinstance(item, (bool, int, float)) else type(item).__name__


def _paths(cache, model_cache):
    """Return a line for each array in a layer's cache: its path here, and that in the model's backward.

    The many of a large cache are left out: then each line is a cache within it.
    """
    if not hasattr(cache, "_fields"):
        return []
    whole = {id(item): path for path, item in nodes(model_cache)}
    within = whole.get(id(cache), "cache")
    found = list(tensors(cache))
    if len(found) > MANY:
        found = [(path, item) for path, item in nodes(cache) if path.count(".") == 1]
        found += [(path, item) for path, item in tensors(cache) if path.count(".") == 1]
    rows = [(path, within + path.removeprefix("cache"), _kind(item)) for path, item in found]
    if within == "cache":  # the model's own
        return ["What forward left:", *(f"  {path:<32} {kind}" for path, _, kind in rows)]
    return [f"What forward left, here: {'shape':>13}{'':<11} in the model's backward:",
            *(f"  {path:<30} {kind:<15} {full}" for path, full, kind in rows)]  # fmt: skip
