"""The events of a pass: the calls of the layers' methods, nested, and the values that each of them named."""

import inspect
import math
import re
from typing import NamedTuple

import numpy as np

from minibert.layers.walk import is_array, is_record
from minibert.trace.source import assignment_of, assignments, bindings, called_on


def split(path):
    """Return the keys of a path, dotted or typed: "encoder[1].attention" is ["encoder", "1", "attention"]."""
    return re.findall(r"""[^\[\]"'.]+""", path)


class Call:
    """One run of a layer's forward or backward.

    Attributes:
        path:     of the layer, dotted: "bert.encoder.1.attention"; "" for the model. A layer that ran several
            times has the number of the use at its end, as its record has: "layer.0", "layer.1".
        layer_path: the same without these numbers, as the layer's parameters have it.
        layer:    the layer.  method: "forward" or "backward".
        parent:   the Call it was called from, or None.  line: of the parent's method where that happened.
        children: the Calls made in it, in order.
        locals:   {name: object} when it ended.
        result:   the value that it returned.
        parameters: {"weight": the layer's own Parameter}, backward only.
        shares:   {"weight": the array that this call added to weight.grad}, backward only.
    """

    def __init__(self, path, layer, method, parent, line):
        self.path = self.layer_path = path
        self.layer, self.method, self.parent, self.line = layer, method, parent, line
        self.children, self.locals, self.result = [], {}, None
        self.parameters, self.shares = {}, {}

    @property
    def function(self):
        return getattr(type(self.layer), self.method)

    @property
    def record(self):
        """The cache that a forward made; None of a backward, and of a cache that is not a named tuple."""
        is_pair = type(self.result) in (tuple, list) and len(self.result) == 2
        return self.result[1] if self.method == "forward" and is_pair and is_record(self.result[1]) else None

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
        call: the Call whose local it is.  name: "d_scores", or "weight.grad".
        array: the value; of a gradient that is added to, the share that this call added.
        formula: the right-hand side of its line; of an argument the caller's expression.
    """

    call: Call
    name: str
    array: np.ndarray
    formula: str

    @property
    def path(self):
        """Its dotted path: "bert.encoder.1.attention.d_scores"."""
        return f"{self.call.path}.{self.name}" if self.call.path else self.name


def calls(call):
    """Yield a Call and all Calls within it, in the order in which they began; nothing for None."""
    if call is not None:
        yield call
        for child in call.children:
            yield from calls(child)


def steps(call):
    """Yield the Steps of a Call and of the Calls within it, in the order of computation; nothing for None.

    These are the floating-point values; an argument is one only if it has no name in the caller.
    """
    for item in done(call) if call else ():
        if isinstance(item, Call):
            yield from steps(item)
        elif item.array.dtype.kind in "fc" and not _is_named_above(call, item):
            yield item


def _is_named_above(call, step):
    """Whether a step is an argument that is a local of the caller."""
    is_argument = step.name in inspect.signature(call.function).parameters
    held = call.parent.locals.values() if is_argument and call.parent else ()
    return any(item is step.array for item in held)


def done(call):
    """Return the work of a Call, in order: its Steps, of every kind of array, and the Calls within it.

    A local that is assigned in a loop comes where the loop ends.
    """
    items = [(child.line, 0, number, child) for number, child in enumerate(call.children)]
    for number, (name, item) in enumerate(call.locals.items()):
        if not is_array(item):
            continue
        found = assignment_of(call.function, name, call.locals)
        line, kind, formula = (found.line, 1, found.formula) if found else (0, 0, call.given.get(name, ""))
        items.append((line, kind, number, Step(call, name, item, formula)))
    lines = {item.name: item for item in reversed(assignments(call.function))}
    for number, (name, share) in enumerate(call.shares.items()):
        found = lines.get(f"self.{name}.grad")
        line, formula = (found.line, found.formula) if found else (math.inf, "")
        items.append((line, 1, number, Step(call, ".".join([*split(name), "grad"]), share, formula)))
    return [item for *_, item in sorted(items, key=_moment)]


def _moment(entry):
    line, kind, number, _ = entry
    return line, kind, number
