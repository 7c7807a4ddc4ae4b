"""The events of a pass: the calls of the layers' methods, nested, and the values that each of them named."""

import math
from typing import NamedTuple

import numpy as np

from minibert.layers.walk import is_array
from minibert.trace.source import assignments, bindings, called_on, mention


class Call:
    """One run of a layer's forward or backward.

    Attributes:
        path:     of the layer, as Python reads it: "bert.encoder[1].attention"; "" for the model.
        layer:    the layer.  method: "forward" or "backward".
        parent:   the Call it was called from, or None.  line: of the parent's method where that happened.
        children: the Calls made in it, in order.
        locals:   {name: object} when it ended.
        result:   the value that it returned.
        parameters: {"weight": the layer's own Parameter}, backward only.
        shares:   {"weight": the array that this call added to weight.grad}, backward only.
    """

    def __init__(self, path, layer, method, parent, line):
        self.path, self.layer, self.method, self.parent, self.line = path, layer, method, parent, line
        self.children, self.locals, self.result = [], {}, None
        self.parameters, self.shares = {}, {}

    @property
    def function(self):
        return getattr(type(self.layer), self.method)

    @property
    def given(self):
        """{argument: the caller's expression for it, as text}; empty for the outermost call."""
        if self.parent is None:
            return {}
        on_line = called_on(self.parent.function, self.line)
        ours = [call for text, call in on_line if text.endswith(f".{self.method}")]
        return bindings(ours[0], self.function) if len(ours) == 1 else {}

    def __repr__(self):
        where = f"{self.path}.{self.method}" if self.path else self.method
        return f"Call({where}, {len(self.children)} calls within)"


class Step(NamedTuple):
    """A named value of a pass.

    Attributes:
        call: the Call whose local it is.  name: "d_scores", or "self.weight.grad".
        array: the value.  formula: the right-hand side of its line; of an argument the caller's expression.
    """

    call: Call
    name: str
    array: np.ndarray
    formula: str


def calls(call):
    """Yield a Call and all Calls within it, in the order in which they began; nothing for None."""
    if call is not None:
        yield call
        for child in call.children:
            yield from calls(child)


def steps(call):
    """Yield the Steps of a Call and of the Calls within it, in the order of computation; nothing for None."""
    for item in done(call) if call else ():
        yield from steps(item) if isinstance(item, Call) else [item]


def done(call):
    """Return what a Call did, in order: its Steps and the Calls within it.

    An argument is a Step only if it has no name in the caller. A local that is assigned in a loop comes where
    the loop ends.
    """
    items = []
    in_caller = {id(item) for item in call.parent.locals.values()} if call.parent else set()
    for number, child in enumerate(call.children):
        items.append((child.line, 0, number, child))
    lines = {}
    for assignment in assignments(call.function):
        lines[assignment.name] = assignment
    for number, (name, item) in enumerate(call.locals.items()):
        if not is_array(item) or item.dtype.kind not in "fc":
            continue
        if name in lines:
            items.append((lines[name].line, 1, number, Step(call, name, item, lines[name].formula)))
        elif id(item) not in in_caller:
            items.append((0, 0, number, Step(call, name, item, call.given.get(name, ""))))
    for number, (name, share) in enumerate(call.shares.items()):
        found = mention(call.function, f"self.{name}.grad")
        line, formula = (found.line, found.formula) if found else (math.inf, "")
        items.append((line, 1, number, Step(call, f"self.{name}.grad", share, formula)))
    return [item for *_, item in sorted(items, key=_moment)]


def _moment(entry):
    line, kind, number, _ = entry
    return line, kind, number
