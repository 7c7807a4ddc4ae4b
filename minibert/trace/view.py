"""The record of two passes as a tree: as text for a terminal, as HTML for a notebook."""

import difflib
import html
import math
import re
from typing import NamedTuple

import numpy as np

from minibert.layers.walk import CONTAINERS, is_array, is_record, parts, typed, walk
from minibert.trace import source
from minibert.trace.calls import Call, calls, done

LABEL_WIDTH = 56  # a longer path pushes its line to the right
SHOWN = 3  # numbers of an array on its line
HTML_VALUES = 128  # HTML shows no more numbers of an array than these

FORWARD_TITLE = "forward: what the cache holds, in the order of its fields"
FORWARD_HELP = (
    "Type cache. and a path at a breakpoint in the model's backward; in a layer's own backward, the cache is "
    "that of its heading."
)
BACKWARD_TITLE = "backward: every gradient in the order it is computed, under the value it belongs to"
BACKWARD_HELP = (
    "A path is short for cache.path, as above; after a colon: a local of forward, which the cache does not "
    "keep. Gradients are locals of the layer's backward;\nself.weight.grad is the share that this call adds."
)


class Row(NamedTuple):
    """A line of the tree: `label`, a path or name; `value`, an array or plain object; `note`, the formula."""

    label: str
    value: object
    note: str
    is_gradient: bool = False


class Node(NamedTuple):
    """A cache, or a run of a layer's backward: its path, a title, and the Rows and Nodes within."""

    path: str
    title: str
    items: list


class View:
    """The tree in sections (title, help, list of Nodes and Rows); print it, or let a notebook show it."""

    def __init__(self, sections, values=False):
        self.sections, self.values = sections, values

    def __str__(self):
        return "\n".join(line for section in self.sections for line in self._section_lines(*section))

    def _section_lines(self, title, explanation, items):
        yield f"--- {title} ---"
        yield explanation
        columns = f"{'shape':<15}{'mean':>9}{'spread':>9}  {f'first {SHOWN}':<{9 * SHOWN}}  formula"
        yield f"{'':<{LABEL_WIDTH}} {columns}"
        yield from self._lines(items)
        yield ""

    def _lines(self, items, indent=""):
        for item in items:
            if isinstance(item, Node):
                yield f"{indent}{item.path or 'cache'}    {item.title}".rstrip()
                yield from self._lines(item.items, indent + "  ")
            else:
                yield _row_text(item, indent)
                if self.values and isinstance(item.value, np.ndarray):
                    yield from (f"{indent}      {line}" for line in _numbers(item.value).splitlines())

    def _repr_html_(self):
        sections = [
            f"<details open><summary><b>{html.escape(title)}</b></summary><p>{html.escape(explanation)}</p>"
            f"{_html_items(items)}</details>"
            for title, explanation, items in self.sections
        ]
        return f'<div class="minibert-trace">{STYLE}{"".join(sections)}</div>'


def view(trace, only=None, values=False):
    """Return the View of a Trace.

    Args:
        trace: the Trace.
        only: a path, "bert.encoder.1.attention" or "bert.encoder[1].attention": show the part below it.
        values: print all numbers of every array.

    Raises:
        ValueError: the cache has no such path; the message names those that it has.
    """
    path = find(trace.cache, only or "") or None
    owners = {id(call.result[1]): type(call.layer) for call in calls(trace.forward)}
    sections = [(FORWARD_TITLE, FORWARD_HELP, _below(_cache_node(trace.cache, "", {}, owners), path))]
    if trace.backward is not None:
        sections.append((BACKWARD_TITLE, BACKWARD_HELP, _below(_backward_node(trace, trace.backward), path)))
    return View(sections, values)


def tree(cache, only=None, values=False):
    """Return the View of a cache alone: at a breakpoint, `print(tree(cache))`.

    Example:
        >>> _, cache = minibert.Linear(2, 3).forward(np.ones((1, 2), np.float32))
        >>> [row.label for row in tree(cache).sections[0][2][0].items]
        ['x']
    """
    path = find(cache, only or "") or None
    return View([(FORWARD_TITLE, FORWARD_HELP, _below(_cache_node(cache, "", {}, {}), path))], values)


def find(cache, path):
    """Return a path as the tree prints it: "bert.encoder[1]" for "cache.bert.encoder.1".

    Raises:
        ValueError: the cache has no such path.
    """
    known = {}
    for kind in (_is_container, is_array):  # a message names the caches before the arrays
        both = zip(walk(cache, kind, within=parts), walk(cache, kind, join=typed, within=parts))
        known |= {name: shown for (name, _), (shown, _) in both}
    dotted = re.sub(r"""\[["']?(.*?)["']?\]""", r".\1", path)
    wanted = re.sub(r"^cache(\.|$)", "", dotted).removeprefix(".")
    if wanted in known:
        return known[wanted]
    parent = wanted
    while parent not in known:
        parent = parent.rpartition(".")[0]
    below = [shown for name, shown in known.items() if name and name.rpartition(".")[0] == parent]
    similar = [known[name] for name in difflib.get_close_matches(wanted, known, n=3)]
    question = f"is {' or '.join(similar)} meant? " if similar else ""
    held = f"{known[parent] or 'the cache'} holds: {', '.join(below)}"
    raise ValueError(f"the cache has no {path!r}; {question}{held}")


def _is_container(item):
    return isinstance(item, CONTAINERS)


def _below(item, path):
    """Return the Nodes and Rows of a tree at or below a path, the outermost only; all of it for None."""
    if path is None:
        return [item]
    if isinstance(item, Row):
        return []
    if item.path and _is_within(item.path, path):
        return [item]
    found = []
    for above, inner in zip([None, *item.items], item.items):
        if isinstance(inner, Node):
            found += _below(inner, path)
        elif not inner.is_gradient:
            found += [inner] if _is_within(inner.label, path) else []
        elif isinstance(above, Row) and not above.is_gradient and _is_within(above.label, path):
            found.append(inner)  # a gradient goes with its value
    whole = [inner for inner in found if isinstance(inner, Node)]
    return whole or found


def _is_within(path, outer):
    return path == outer or path.startswith((f"{outer}.", f"{outer}["))


# --- the forward pass: from the cache, and formulas from the source -----------------------------------------


def _cache_node(cache, path, given, owners):
    """Return the Node of a cache. `given`: the caller's expression for each of forward's arguments."""
    owner = owners.get(id(cache)) or source.layer_class(cache)
    forward = getattr(owner, "forward", None)
    written = source.fields(forward, type(cache)) if forward else {}
    items = []
    for field, value in zip(cache._fields, cache):
        name = written.get(field, "")
        elements = list(_elements(value, typed(path, cache, field)))
        call = source.call_of(forward, name) if name and is_record(elements[0][1]) else None
        for place, element in elements:
            if is_record(element):
                handed = _given(call, element, forward, given, owners)
                items.append(_cache_node(element, place, handed, owners))
            else:
                items.append(Row(place, element, _meaning(name, field, forward, given) if name else ""))
    title = f"{owner.__name__}: {short(source.headline(owner))}" if owner else type(cache).__name__
    return Node(path, title, items)


def _elements(value, place):
    """Yield (path, element) of a list, tuple or dict of caches or arrays; any other value as it is."""
    held = [] if is_record(value) else parts(value)
    if any(_is_container(element) or is_array(element) for _, element in held):
        for key, element in held:
            yield from _elements(element, typed(place, value, key))
    else:
        yield place, value


def _given(call, cache, forward, given, owners):
    """Return {argument: the expression for it} of the call that made a cache."""
    owner = owners.get(id(cache)) or source.layer_class(cache)
    if call is None or owner is None:
        return {}
    bound = source.bindings(call.value, owner.forward)
    return {
        name: text if text != name else _meaning(text, name, forward, given) for name, text in bound.items()
    }


def _meaning(text, field, forward, given):
    """Return the formula of a local, or the caller's expression for an argument."""
    if text in given:
        return given[text]
    found = source.assignment_of(forward, text)
    return found.formula if found else text


def short(line):
    """Return a headline without the reference at its end: "… + b_output (Vaswani et al. 2017, …)"."""
    return re.sub(r"\s*\([^()]*\b(1|2)\d{3}\b[^()]*\)$", "", line)


# --- the backward pass: from the record ---------------------------------------------------------------------


def _backward_node(trace, call):
    path = (trace.cache_path(call) or f"cache.{call.path}").removeprefix("cache").removeprefix(".")
    items = []
    for item in done(call):
        if isinstance(item, Call):
            items.append(_backward_node(trace, item))
        elif item.name.startswith(("d_", "self.")):
            items += [*_value_rows(trace, item), Row(item.name, item.array, item.formula, is_gradient=True)]
    called = f"self.{call.path}.backward" if call.path else "self.backward"
    return Node(path, f"{type(call.layer).__name__}.backward, called as {called}", items)


def _value_rows(trace, step):
    """Return [the Row of the value that a gradient belongs to]; [] for a name that forward lacks."""
    if step.name.startswith("self."):
        name = step.name.removesuffix(".grad")
        return [Row(f"{name}.value", step.call.parameters[name.removeprefix("self.")].value, "")]
    found = trace.value_of(step)
    if found is None:
        return []
    name, array, path = found
    if path is not None:
        return [Row(path.removeprefix("cache."), array, "")]
    made = trace.partner[step.call]
    assignment = source.assignment_of(made.function, name)
    formula = assignment.formula if assignment else made.given.get(name, "")
    return [Row(f"{step.call.path or 'model'}: {name}", array, formula)]


# --- lines --------------------------------------------------------------------------------------------------


def summary(value):
    """Return (shape, mean, spread, first values) of an array as text; spread is the standard deviation.

    Masked scores, the lowest number of their dtype, are left out of both.
    """
    if not is_array(value):
        return "", "", "", repr(value)
    if value.dtype == bool:
        return str(value.shape), "", "", f"{np.count_nonzero(value)} of {value.size} True"
    first = " ".join(f"{number(entry):>8}" for entry in np.ravel(value)[:SHOWN])
    first += " …" if value.size > SHOWN else ""
    if value.dtype.kind not in "fc" or value.size == 0:
        return str(value.shape), "", "", first
    with np.errstate(all="ignore"):
        counted = value[value.real > np.finfo(value.dtype).min]  # without the masked scores
        counted = counted.astype(np.result_type(value.dtype, np.float64)) if counted.size else value
        return str(value.shape), number(counted.mean()), number(counted.std()), first


def number(entry):
    """Return a number in at most 8 characters: four decimals, or a power of ten if these would say little."""
    entry = entry.item()
    if isinstance(entry, complex):
        return f"{entry:.3g}"
    if isinstance(entry, int) or entry == 0 or not math.isfinite(entry):
        return f"{entry:g}"
    return f"{entry:.4f}" if 1e-3 <= abs(entry) < 1e3 else f"{entry:.1e}"


def problem(value):
    """Return "NOT FINITE (2 of 12)  " for an array that holds a NaN or an infinity, else ""."""
    if not is_array(value) or value.dtype.kind not in "fc" or np.isfinite(value).all():
        return ""
    return f"NOT FINITE ({np.count_nonzero(~np.isfinite(value))} of {value.size})  "


def _row_text(row, indent):
    shape, mean, spread, first = summary(row.value)
    label = indent + ("  " if row.is_gradient else "") + row.label
    columns = f"{shape:<15}{mean:>9}{spread:>9}  {first:<{9 * SHOWN + 1}}"
    formula = f"= {row.note}" if row.note else ""
    return f"{label:<{LABEL_WIDTH}} {columns} {problem(row.value)}{formula}".rstrip()


def _numbers(array, threshold=None):
    threshold = threshold or array.size + 1
    return np.array2string(array, max_line_width=120, threshold=threshold, precision=4, suppress_small=True)


STYLE = (
    "<style>.minibert-trace{font-family:monospace;font-size:13px;line-height:1.35}"
    ".minibert-trace details{margin-left:1.2em}.minibert-trace summary{cursor:pointer}"
    ".minibert-trace table{border-collapse:collapse}"
    ".minibert-trace td{text-align:left;padding:0 .8em 0 0;vertical-align:top;white-space:pre}"
    ".minibert-trace .gradient{color:#0072B2}.minibert-trace .wrong{color:#D55E00;font-weight:bold}</style>"
)


def _html_items(items):
    """Return Nodes as nested <details> and the Rows between them as tables; no JavaScript."""
    pieces, rows = [], []
    for item in [*items, None]:
        if isinstance(item, Row):
            rows.append(_html_row(item))
            continue
        if rows:
            pieces.append(f"<table>{''.join(rows)}</table>")
            rows = []
        if item is not None:
            opened = " open" if item.path in ("", "bert") else ""
            heading = f"<b>{html.escape(item.path or 'cache')}</b>&emsp;{html.escape(item.title)}"
            pieces.append(f"<details{opened}><summary>{heading}</summary>{_html_items(item.items)}</details>")
    return "".join(pieces)


def _html_row(row):
    shape, mean, spread, first = map(html.escape, summary(row.value))
    if isinstance(row.value, np.ndarray) and row.value.size > SHOWN:
        numbers = html.escape(_numbers(row.value, HTML_VALUES))
        first = f"<details><summary>{first}</summary>{numbers}</details>"
    wrong = problem(row.value).strip()
    note = f'<span class="wrong">{wrong}</span> ' if wrong else ""
    note += html.escape(f"= {row.note}" if row.note else "")
    label = ("  " if row.is_gradient else "") + html.escape(row.label)
    kind = ' class="gradient"' if row.is_gradient else ""
    cells = [f"<td>{cell}</td>" for cell in (label, shape, mean, spread, first, note)]
    return f"<tr{kind}>{''.join(cells)}</tr>"
