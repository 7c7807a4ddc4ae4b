"""Run a forward and a backward pass and keep every named value of both, watched from outside.

Python tells a profile function (sys.setprofile) when a function begins and ends; at its end, its locals are what the
pass has named. The layers contain nothing for it, a debugger (sys.settrace) is not disturbed, and no array is copied but
the gradients of parameters, which several passes add to.
"""

import contextlib
import inspect
import math
import sys
from typing import NamedTuple

import numpy as np

from minibert.gradcheck.intermediates import sublayers
from minibert.layers.base import Parameter
from minibert.layers.walk import first_non_finite, join, nodes, tensors
from minibert.trace.source import assignments, bindings, called_on, has_several_values, mention


class Call:
    """One run of a layer's forward or backward.

    Attributes:
        path:     of the layer, as it is typed: "bert.encoder[1].attention"; "" for the model.
        layer:    the layer.  method: "forward" or "backward".
        parent:   the Call it was called from, or None.  line: of the parent's method where that happened.
        children: the Calls made in it, in order.
        locals:   {name: object} when it ended.
        result:   what it returned.
        shares:   {"weight": what this call added to weight.grad}, backward only.
    """

    def __init__(self, path, layer, method, parent, line):
        self.path, self.layer, self.method, self.parent, self.line = path, layer, method, parent, line
        self.children, self.locals, self.result, self.shares = [], {}, None, {}
        self.before = {}

    @property
    def function(self):
        return getattr(type(self.layer), self.method)

    @property
    def given(self):
        """{argument: what the caller handed in, as it is written there}; empty for the outermost call."""
        if self.parent is None:
            return {}
        calls = [call for text, call in called_on(self.parent.function, self.line) if text.endswith(f".{self.method}")]
        return bindings(calls[0], self.function) if len(calls) == 1 else {}

    def __repr__(self):
        return f"Call({join(self.path, self.method)}, {len(self.children)} calls within)"


class Step(NamedTuple):
    """A named value of a pass, in the order in which the values came to be.

    Attributes:
        call: the Call whose local it is.  name: "d_scores", or "self.weight.grad".
        array: the value.  formula: the right-hand side of its line; for an argument what the caller wrote.
    """

    call: Call
    name: str
    array: np.ndarray
    formula: str


class Trace:
    """The record of one forward and one backward pass; print it, or let a notebook show it.

    Attributes:
        model, output, cache: as in `output, cache = model.forward(...)`.
        forward, backward: the Call of the outermost forward and backward; backward is None where there was none.
        partner: {Call of a backward: Call of the forward that made its cache}.
        paths:   {id of a cache or array in the cache: [its paths, "cache.bert.encoder[1].attention.probs"]}.
    """

    def __init__(self, model, output, cache, forward, backward):
        self.model, self.output, self.cache, self.forward, self.backward = model, output, cache, forward, backward
        self.paths = {}
        for path, item in [*nodes(cache), *tensors(cache)]:
            self.paths.setdefault(id(item), []).append(path)
        made_by = {id(call.result[1]): call for call in calls(forward) if _is_pair(call.result)}
        self.partner = {}
        for call in calls(backward):
            for argument in call.locals.values():
                if id(argument) in made_by and made_by[id(argument)].path == call.path:
                    self.partner[call] = made_by[id(argument)]

    def cache_path(self, call):
        """Return where the cache of a forward call (or that of a backward call's partner) lies: "cache.bert.pooler"; or None."""
        made = self.partner.get(call, call)
        return self.paths.get(id(made.result[1]), [None])[0] if _is_pair(made.result) else None

    def value_of(self, step):
        """Return (name, array, path or None) of the value that a gradient belongs to, or None: d_scores belongs to scores."""
        made = self.partner.get(step.call)
        target = step.name.removeprefix("d_")
        array = made.locals.get(target) if made and target != step.name else None
        if not isinstance(array, (np.ndarray, np.generic)) or np.shape(array) != step.array.shape:
            return None
        if has_several_values(step.call.function, step.name) or has_several_values(made.function, target):
            return None  # `hidden` and `d_hidden` of a loop over layers: each ends as something else
        within = self.cache_path(step.call) or "cache"
        known = self.paths.get(id(array), [])
        own = [path for path in known if path == within or path.startswith((f"{within}.", f"{within}["))]
        named = [path for path in own if path.endswith(f".{target}")]
        return target, array, next(iter(named + own + known), None)

    def first_non_finite(self):
        """Return the name of the first tensor that holds a NaN or an infinity, or None: parameters, forward, backward."""
        for name, parameter in self.model.parameters().items():
            if not np.isfinite(parameter.value).all():
                return name
        for outermost in (self.forward, self.backward):
            for step in steps(outermost):
                if not np.isfinite(step.array).all():
                    known = self.paths.get(id(step.array))
                    return known[0] if known else f"{step.name}, in {step.call.method} of {step.call.path or 'the model'}"
        return first_non_finite(self.model, self.cache)

    def view(self, only=None, values=False):
        """Return what `minibert trace` prints: all, or `only` a part ("bert.encoder[1].attention"); `values`: all numbers."""
        from minibert.trace import view  # it needs this module

        return view.view(self, only, values)

    def __str__(self):
        return str(self.view())

    def __repr__(self):
        return f"Trace of {type(self.model).__name__}: print it to see it"

    def _repr_html_(self):
        return self.view()._repr_html_()


def watch(model, *inputs, d_output=None, **forward_kwargs):
    """Run forward and, where there is something to go back from, backward; return the Trace of both.

    Args:
        model: a model or any layer.  *inputs, **forward_kwargs: what its forward takes.
        d_output: the gradient to go back from, for a layer that is no loss; None: a model that has its loss goes back
            from that, a layer goes forward only.

    The gradients are added to the parameters' .grad, as ever.

    Example:
        >>> layer = minibert.Linear(4, 3)
        >>> trace = watch(layer, np.ones((2, 4), np.float32), d_output=np.ones((2, 3), np.float32))
        >>> print([step.name for step in steps(trace.backward)])
        ['d_y', 'x', 'rows', 'd_rows_out', 'self.weight.grad', 'self.bias.grad', 'd_x']
    """
    watcher = _Watcher(model)
    owns_loss = next(iter(inspect.signature(model.backward).parameters), None) == "cache"
    with np.errstate(all="ignore"), watcher.watching():  # what is not finite is named at the end
        output, cache = model.forward(*inputs, **forward_kwargs)
        if owns_loss and getattr(output, "loss", None) is not None:
            model.backward(cache)
        elif d_output is not None:
            model.backward(d_output, cache)
    forward, backward = (watcher.outermost + [None])[:2]
    return Trace(model, output, cache, forward, backward)


class _Watcher:
    """The profile function, and the calls it has seen."""

    def __init__(self, model):
        layers = dict(sublayers(model))
        self.paths = {id(layer): typed(path) for path, layer in layers.items()}
        self.codes = {getattr(type(layer), method).__code__ for layer in layers.values() for method in ("forward", "backward")}
        self.running, self.outermost = [], []

    @contextlib.contextmanager
    def watching(self):
        previous = sys.getprofile()
        sys.setprofile(self.on_event)
        try:
            yield
        finally:
            sys.setprofile(previous)

    def on_event(self, frame, event, value):
        if event not in ("call", "return") or frame.f_code not in self.codes:
            return
        layer = frame.f_locals.get(frame.f_code.co_varnames[0])
        if id(layer) not in self.paths:
            return
        if event == "call":
            parent = self.running[-1] if self.running else None
            call = Call(self.paths[id(layer)], layer, frame.f_code.co_name, parent, frame.f_back.f_lineno)
            (parent.children if parent else self.outermost).append(call)
            self.running.append(call)
            if call.method == "backward":
                call.before = {name: item.grad.copy() for name, item in vars(layer).items() if isinstance(item, Parameter)}
        else:
            call = self.running.pop()
            call.locals = {name: item for name, item in frame.f_locals.items() if item is not layer}
            call.result = value
            call.shares = {name: getattr(layer, name).grad - before for name, before in call.before.items()}
            call.before = {}


def calls(call):
    """Yield a Call and all Calls within it, in the order in which they began; nothing for None."""
    if call is not None:
        yield call
        for child in call.children:
            yield from calls(child)


def steps(call):
    """Yield the Steps of a Call and of the Calls within it, in the order in which they were done; nothing for None."""
    for item in done(call) if call else ():
        yield from steps(item) if isinstance(item, Call) else [item]


def done(call):
    """Return what a Call did, in order: its Steps and the Calls within it.

    An argument is a step only where it has no name in the caller. A local that is given its value in a loop stands
    where the loop ends.
    """
    items = []
    in_caller = {id(item) for item in call.parent.locals.values()} if call.parent else set()
    for number, child in enumerate(call.children):
        items.append((child.line, 0, number, child))
    lines = {}
    for assignment in assignments(call.function):
        lines[assignment.name] = assignment
    for number, (name, item) in enumerate(call.locals.items()):
        if not isinstance(item, (np.ndarray, np.generic)) or item.dtype.kind not in "fc":
            continue
        if name in lines:
            items.append((lines[name].line, 1, number, Step(call, name, item, lines[name].formula)))
        elif id(item) not in in_caller:
            items.append((0, 0, number, Step(call, name, item, call.given.get(name, ""))))
    for number, (name, share) in enumerate(call.shares.items()):
        found = mention(call.function, f"self.{name}.grad")
        line, formula = (found.line, found.formula) if found else (math.inf, "")
        items.append((line, 1, number, Step(call, f"self.{name}.grad", share, formula)))
    return [item for *_, item in sorted(items, key=lambda entry: entry[:3])]


def typed(path):
    """Turn a parameter's dotted path into what is typed: "bert.encoder.1.attention" is bert.encoder[1].attention."""
    parts = path.split(".")
    return "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in parts).removeprefix(".") if path else ""


def _is_pair(result):
    return type(result) in (tuple, list) and len(result) == 2
