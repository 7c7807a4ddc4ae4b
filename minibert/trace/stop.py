"""Open the debugger on a line of a layer's forward or backward.

While the `with` lasts, the layer has a copy of the method with `breakpoint()` before that line. File, line
numbers and frames are still those of our code, and breakpoint() opens the reader's debugger: pdb, the one
that PYTHONBREAKPOINT names, that of VS Code or of a notebook.
"""

import ast
import contextlib
import difflib
import functools
import inspect
import os
import pathlib
import re
import sys
import textwrap
import types
from typing import NamedTuple

from minibert.layers.walk import children, is_array, is_layer, is_record, parts, tensors, typed, walk
from minibert.trace import source
from minibert.trace.view import short

METHODS = ("forward", "backward")
MANY = 16  # arrays in a cache that are listed one by one
ARRIVED, OPEN = "_minibert_arrived", "_minibert_opens"  # the copy's names of the note and of the debugger


class Place(NamedTuple):
    """A line to stop at.

    Attributes:
        path:   of the layer, "bert.encoder[1].attention".  layer: the layer.
        method: "forward" or "backward".  line: its number in the file.
        name:   the local that the line assigns; None for the first line of the method.
        cache:  the path of the cache that is meant, "nsp_loss", if the layer has several; else None.
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
        name: a layer with a pass or a line, or a line alone: "attention.backward", "d_scores",
            "MultiHeadAttention.forward", "bert.encoder[1].attention.d_scores". Of several that fit, the first
            that is reached.
        say: function that takes the note.

    Yields:
        a list that holds the Place where it stopped, and is empty until then.

    Raises:
        ValueError: no layer or line has this name; the message lists the names that exist.

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


# --- which lines a name means -------------------------------------------------------------------------------


def find_places(model, name):
    """Return the Places that a name means, at most one for each pass of each layer.

    Raises:
        ValueError: no layer or line has this name; the message lists the names that exist.
    """
    keys = split(name.strip())
    layers = dict(walk(model, is_layer, join=typed))
    for count in range(len(keys), -1, -1):  # the longest beginning that is a layer; then a pass; then a line
        fitting = {}
        for path, layer in layers.items():
            for cache in _caches_meant(path, layer, keys[:count], model):
                fitting[path] = cache
        methods, rest = METHODS, keys[count:]
        if rest and rest[0] in METHODS:
            methods, rest = (rest[0],), rest[1:]
        if not fitting or not keys or (count == 0 and (methods != METHODS or len(rest) > 1)):
            continue
        line = ".".join(rest)  # self.weight.grad
        places = []
        for path, cache in fitting.items():
            places += [place._replace(cache=cache) for place in _places(path, layers[path], methods, line)]
        if places:
            return places
        if count:
            first = next(iter(fitting))
            raise ValueError(_no_line(first, layers[first], methods, line))
    raise ValueError(_no_layer(layers, name))


def split(path):
    """Return the keys of a path, dotted or typed: "encoder[1].attention" is ["encoder", "1", "attention"]."""
    return re.findall(r"""[^\[\]"'.]+""", path)


def _caches_meant(path, layer, keys, model):
    """Return the paths of those of a layer's several caches that these keys name, or [None] for the layer.

    A layer is named by its class, or by the end of its path or of its cache's path. No keys name every layer.
    """
    is_model = layer is model and keys == ["model"]
    if not keys or keys == [type(layer).__name__] or is_model or split(path)[-len(keys) :] == keys:
        return [None]
    names = cache_names(model, path)
    found = [name for name in names if split(name)[-len(keys) :] == keys]
    return found if len(names) > 1 else [None] * len(found)


def cache_names(model, path):
    """Return the paths of a layer's caches, one for each use in a pass.

    "attention.query" has "attention.query_projection", "cross_entropy" has "mlm_loss" and "nsp_loss".
    """
    holder, names = model, [""]
    for key in split(path):
        fields = _fields_of(type(holder), key) if is_layer(holder) else []
        held = {str(name): (name, child) for name, child in children(holder)}
        name, child = held.get(key, (key, None))
        names = [typed(start, holder, field) for start in names for field in fields or [name]]
        holder = child
    return names


@functools.lru_cache(maxsize=None)
def _fields_of(owner, attribute):
    """Return the fields of the owner's cache that hold caches of `self.attribute`."""
    forward = getattr(owner, "forward", None)
    cache_class = getattr(sys.modules.get(owner.__module__), f"{owner.__name__}Cache", None)
    if forward is None or cache_class is None:
        return []
    locals_of = source.fields(forward, cache_class)
    calls = {field: source.call_of(forward, local) for field, local in locals_of.items()}
    called = f"self.{attribute}.forward"
    return [field for field, call in calls.items() if call and ast.unparse(call.value.func) == called]


def _places(path, layer, methods, name):
    """Return [the Place] of a line in the first of these methods that has it, or of the first line; or []."""
    if not name:
        return [Place(path, layer, methods[0], source.first_line(getattr(type(layer), methods[0])), None)]
    for method in methods:
        lines = [item for item in source.assignments(getattr(type(layer), method)) if item.formula != "None"]
        named = [item for item in lines if split(item.name) == split(name)]
        named = named or [item for item in lines if item.formula.startswith(f"{name}(")]
        if named:
            return [Place(path, layer, method, named[0].line, named[0].name)]
    return []


def _no_line(path, layer, methods, name):
    """Return the message: no line of these methods assigns this name."""
    known = {}
    for method in methods:
        assigned = source.assignments(getattr(type(layer), method))
        known[method] = list(dict.fromkeys(item.name for item in assigned))
    similar = difflib.get_close_matches(name, [line for lines in known.values() for line in lines], n=1)
    question = f"; is {similar[0]} meant?" if similar else "."
    listed = [f"\n{path or 'model'}.{method}: {', '.join(lines)}" for method, lines in known.items()]
    return f"no line of {path or 'the model'} computes {name!r}{question}{''.join(listed)}"


def _no_layer(layers, name):
    """Return the message: no layer has this name."""
    ends = {"model", *(split(path)[-1] for path in layers if path)}
    ends = {end for end in ends if not end.isdigit()}
    kinds = sorted({type(layer).__name__ for layer in layers.values()})
    wanted = name.removesuffix(".backward").removesuffix(".forward")
    similar = difflib.get_close_matches(wanted, [*ends, *kinds, *layers], n=1)
    question = f"; is {similar[0]}{name[len(wanted) :]} meant?" if similar else "."
    return (
        f"no layer or line is called {name!r}{question}\nlayers: {', '.join(sorted(ends))}\n"
        f"classes: {', '.join(kinds)}\n"
        "Add .forward, .backward or the name of a line, as in attention.d_scores; "
        "encoder[1].attention is one of several."
    )


# --- the copy with the breakpoint ---------------------------------------------------------------------------


def _with_breakpoint(place, arrive):
    """Return a copy of the method with `if arrive(locals()): breakpoint()` before the line.

    Its line number is that of the line before, because debuggers stop on the line after breakpoint(). From
    Python 3.13 on, pdb stops on the line of breakpoint(), and it has the number of our line.
    """
    function = getattr(type(place.layer), place.method)
    tree = ast.parse("".join(_file(function)))
    stop = ast.parse(f"if {ARRIVED}(locals()):\n    {OPEN}()").body[0]
    number = place.line if sys.version_info >= (3, 13) else place.line - 1
    for node in ast.walk(stop):
        if hasattr(node, "lineno"):
            node.lineno = node.end_lineno = number
    statements, index = _find_statement(tree, place.line)
    statements.insert(index, stop)
    code = _find_code(compile(tree, function.__code__.co_filename, "exec"), function.__code__.co_qualname)
    names = {**function.__globals__, ARRIVED: arrive, OPEN: _debugger()}
    copied = types.FunctionType(code, names, function.__name__, function.__defaults__, function.__closure__)
    copied.__kwdefaults__ = function.__kwdefaults__
    return copied


def _find_statement(tree, line):
    """Return (the list of statements, the index in it) of the statement that begins on a line."""
    for node in ast.walk(tree):
        for statements in (getattr(node, "body", None), getattr(node, "orelse", None)):
            for index, statement in enumerate(statements if isinstance(statements, list) else ()):
                if statement.lineno == line and not isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
                    return statements, index
    raise ValueError(f"no statement begins on line {line}")


def _file(function):
    """Return the lines of the file, or of the notebook's cell, that holds a function."""
    return inspect.findsource(function)[0]


def _debugger():
    """Return what opens the debugger: breakpoint(), or pdb's set_trace() where breakpoint() would do nothing.

    In a notebook breakpoint() calls debugpy, which ignores it unless the visual debugger is switched on.
    """
    import pdb  # only here: no import of minibert loads a debugger

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
    """Called on the line, with its locals: prints the note and says whether to stop, the first time only."""

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
        records = walk(model_cache, is_record, join=typed, within=parts)
        return any(record is cache and path == self.place.cache for path, record in records)


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
    look = f", then {target}.shape and {target} show it" if target and "." not in target else ""
    text = (
        f"Stopped in the {place.method} of {place.path or 'the model'} ({owner.__name__}; {file}, "
        f"line {place.line}) before the line `{line}`. The layer: {short(source.headline(owner))}. "
        f"In scope: {', '.join(scope)}; self is the layer. Type next: n runs the line{look}; "
        "u goes up to the caller, d down again; w shows all callers; s steps into a call; "
        "c goes on to the end; q quits."
    )
    lines = ["", *textwrap.wrap(text, 110, break_long_words=False, break_on_hyphens=False)]
    documented = (inspect.getdoc(owner) or "").splitlines()
    gradients = [row for row in documented if re.match(r" .*\bd_\S+ += ", row)]
    if place.method == "backward" and gradients:
        lines += ["Its gradients, from its docstring:", *gradients]
    return "\n".join([*lines, *_paths(names.get("cache"), model_cache), ""])


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
        return ["What forward left:", *(f"  {path:<32} {kind}" for path, _, kind in rows)]
    return [
        f"What forward left, here: {'shape':>13}{'':<11} in the model's backward:",
        *(f"  {path:<30} {kind:<15} {full}" for path, full, kind in rows),
    ]
