"""Run a forward and a backward pass and keep every named value of both, watched from outside.

Python tells a profile function (sys.setprofile) when a function begins and ends; the locals at its end are
the values that the pass named. The layers contain nothing for it, and a debugger (sys.settrace) is not
disturbed. No array is copied but the gradients of parameters, because several passes add to them.
"""

import contextlib
import functools
import inspect
import sys

import numpy as np

from minibert.layers.base import Parameter
from minibert.layers.walk import first_non_finite, is_array, is_layer, parts, typed, walk
from minibert.trace.calls import Call, Step, calls, done, split, steps
from minibert.trace.source import has_several_values
from minibert.trace.view import sections, view


class Trace:
    """The record of one forward and one backward pass; print it, or let a notebook show it.

    Attributes:
        model, output, cache: as in `output, cache = model.forward(...)`.
        forward, backward: the Call of the outermost forward and backward; backward is None if there was none.
        partner: {Call of a backward: Call of the forward that made its cache}.
    """

    def __init__(self, model, output, cache, forward, backward):
        self.model, self.output, self.cache = model, output, cache
        self.forward, self.backward = forward, backward
        made_by = {id(call.result[1]): call for call in calls(forward) if _is_pair(call.result)}
        self.partner = {}
        for call in calls(forward):
            _number_uses(call)
        for call in calls(backward):
            for argument in call.locals.values():
                made = made_by.get(id(argument))
                if made is not None and made.layer is call.layer:
                    self.partner[call], call.path = made, made.path

    def value_of(self, step):
        """Return the Step of a gradient's value, of scores for d_scores, or None."""
        made, target = self.partner.get(step.call), step.name.removeprefix("d_")
        array = made.locals.get(target) if made and target != step.name else None
        if not is_array(array) or np.shape(array) != step.array.shape:
            return None
        if has_several_values(step.call.function, step.name) or has_several_values(made.function, target):
            return None  # `hidden` and `d_hidden` of a loop over layers: each ends as something else
        return next(item for item in done(made) if isinstance(item, Step) and item.name == target)

    def first_non_finite(self):
        """Return the path of the first value with a NaN or an infinity, or None.

        The order is: the parameters, then the values of forward and of backward as they were computed.
        """
        for name, parameter in self.model.parameters().items():
            if not np.isfinite(parameter.value).all():
                return name
        for outermost in (self.forward, self.backward):
            for step in steps(outermost):
                if not np.isfinite(step.array).all():
                    return step.path
        found = first_non_finite(self.model, self.cache)
        return found and ".".join(split(found)[1:])

    def largest(self):
        """Return (path, absolute value) of the largest entry of the pass, masked scores left out."""
        largest = "", 0.0
        for outermost in (self.forward, self.backward):
            for step in steps(outermost):
                sizes = np.abs(step.array[step.array.real > np.finfo(step.array.dtype).min])
                if sizes.size and sizes.max() > largest[1]:
                    largest = step.path, float(sizes.max())
        return largest

    def view(self, only=None, values=False, **width):
        """Return the View that `minibert trace` prints: see minibert.trace.view.view."""
        return view(self, only, values, **width)

    @functools.cached_property
    def sections(self):
        """The whole tree: [(title, help, list of Nodes and Rows)] of forward and backward."""
        return sections(self)

    def __str__(self):
        return str(self.view())

    def __repr__(self):
        return f"Trace of {type(self.model).__name__}: print it to see it"

    def _repr_html_(self):
        return self.view()._repr_html_()


def watch(model, *inputs, d_output=None, **forward_kwargs):
    """Run forward and, if there is a gradient to start from, backward; return the Trace of both.

    Args:
        model: a model or any layer.  *inputs, **forward_kwargs: the arguments of its forward.
        d_output: the gradient of a layer's output. None: a model with a loss goes back from the loss, and a
            layer runs forward only.

    As always, backward adds to the parameters' .grad.

    Raises:
        ValueError: the model is none, but a class or a pair of functions, for example.

    Example:
        >>> layer = minibert.Linear(4, 3)
        >>> trace = watch(layer, np.ones((2, 4), np.float32), d_output=np.ones((2, 3), np.float32))
        >>> print([step.name for step in steps(trace.backward)])
        ['d_y', 'x', 'rows', 'd_rows_out', 'd_weight', 'weight.grad', 'd_bias', 'bias.grad', 'd_rows', 'd_x']
    """
    if not is_layer(model):
        raise ValueError(f"watch needs a layer or a model, which has a forward and a backward, got {model!r}")
    watcher = _Watcher(model)
    owns_loss = next(iter(inspect.signature(model.backward).parameters), None) == "cache"
    with np.errstate(all="ignore"), watcher.watching():  # first_non_finite names it afterwards
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
        layers = dict(walk(model, is_layer))
        self.paths = {id(layer): path for path, layer in layers.items()}
        classes = {type(layer) for layer in layers.values()}
        self.codes = {method.__code__ for owner in classes for method in (owner.forward, owner.backward)}
        self.running, self.outermost = [], []
        self.before = []  # of each running backward: the gradients when it began

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
                call.parameters = dict(_own_parameters(layer))
                self.before.append({name: item.grad.copy() for name, item in call.parameters.items()})
        else:
            call = self.running.pop()
            call.locals = {name: item for name, item in frame.f_locals.items() if item is not layer}
            call.result = value
            if call.method == "backward":
                before = self.before.pop()
                call.shares = {name: item.grad - before[name] for name, item in call.parameters.items()}


def _own_parameters(layer):
    """Yield (name, Parameter) of those that a layer holds itself, and not in a layer within it."""
    for name, attribute in vars(layer).items():
        yield from walk(attribute, _is_parameter, name, typed, within=parts)


def _is_parameter(item):
    return isinstance(item, Parameter)


def _number_uses(call):
    """Give the calls within a forward their paths: below the caller's, numbered where a layer runs twice."""
    called = [child.layer for child in call.children]
    for number, child in enumerate(call.children):
        above = f"{call.layer_path}." if call.layer_path else ""
        if child.layer_path.startswith(above):
            child.path = ".".join(filter(None, [call.path, child.layer_path.removeprefix(above)]))
        if called.count(child.layer) > 1:
            child.path += f".{called[:number].count(child.layer)}"


def _is_pair(result):
    return type(result) in (tuple, list) and len(result) == 2
