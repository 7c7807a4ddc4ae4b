"""The record of two passes as a tree: as text for a terminal, as HTML for a notebook."""

import difflib
import html
import inspect
import math
import re
import textwrap
from typing import NamedTuple

import numpy as np

from minibert.layers.walk import CONTAINERS, dotted, is_array, is_record, parts, tensors
from minibert.trace import source
from minibert.trace.calls import Call, calls, done, split

WIDTH = 120  # columns; fewer on a narrow terminal
LABEL_WIDTH = 54  # a longer path has a line to itself
INDENT = 8
SHOWN = 3  # numbers of an array on its line
HTML_VALUES = 128  # HTML shows no more numbers of an array than these

FORWARD_TITLE = "forward: every named value, in the order it is computed"
FORWARD_HELP = (
    "--only and --stop-at take these paths. Values that the cache keeps can be typed at a breakpoint in "
    "the model's backward."
)
CACHE_TITLE = "the cache, in the order of its fields"
CACHE_HELP = "Type cache. and a path, with [1] for .1; a formula is the line of the forward that made it."
BACKWARD_TITLE = "backward: every gradient, in the order it is computed, under the value it belongs to"
BACKWARD_HELP = (
    "--only and --stop-at take these paths: gradients are locals of the layer's backward. A parameter's "
    ".grad is the share that this call adds."
)


class Row(NamedTuple):
    """A line of the tree: `label`, a path or name; `value`, an array or plain object; `note`, the formula."""

    label: str
    value: object
    note: str
    is_gradient: bool = False


class Node(NamedTuple):
    """A cache, or a run of a layer's method: its path, a title, and the Rows and Nodes within."""

    path: str
    title: str
    items: list


class View:
    """The tree in sections (title, help, list of Nodes and Rows); print it, or let a notebook show it."""

    def __init__(self, sections, values=False, width=WIDTH):
        self.sections, self.values, self.width = sections, values, width
        self.label_width = LABEL_WIDTH if width >= WIDTH else INDENT

    def __str__(self):
        return "\n".join(line for section in self.sections for line in self._section_lines(*section))

    def _section_lines(self, title, explanation, items):
        yield f"--- {title} ---"
        yield from wrapped(explanation, self.width)
        columns = f"{'shape':<15}{'mean':>9}{'spread':>9}  first {SHOWN}; below: the formula"
        yield f"{'':<{self.label_width}} {columns}"
        yield from self._lines(items)
        yield ""

    def _lines(self, items):
        for item in items:
            if isinstance(item, Node):
                yield from wrapped(f"{item.path}    {item.title}".strip(), self.width)
                yield from self._lines(item.items)
            else:
                yield from self._row_lines(item)
                if self.values and isinstance(item.value, np.ndarray):
                    yield from (f"      {line}" for line in _numbers(item.value, self.width).splitlines())

    def _row_lines(self, row):
        """Yield the lines of a Row: path and numbers, then whether it is finite and its formula."""
        shape, mean, spread, first = summary(row.value)
        label = ("    " if row.is_gradient else "  ") + row.label
        if len(label) > self.label_width:
            yield label
            label = ""
        numbers = f"{shape:<15}{mean:>9}{spread:>9}  {first}"
        yield f"{label:<{self.label_width}} {numbers}"[: self.width].rstrip()
        below = f"{problem(row.value)}{f'= {row.note}' if row.note else ''}"
        if below:
            yield from wrapped(below, self.width, "        ")

    def _repr_html_(self):
        sections = [
            f"<details open><summary><b>{html.escape(title)}</b></summary><p>{html.escape(explanation)}</p>"
            f"{_html_items(items)}</details>"
            for title, explanation, items in self.sections
        ]
        return f'<div class="minibert-trace">{STYLE}{"".join(sections)}</div>'


def view(trace, only=None, values=False, width=WIDTH):
    """Return the View of a Trace.

    Args:
        trace: the Trace.
        only: a path, "bert.encoder.1.attention" or "bert.encoder[1].attention.d_scores", or the end or a part
            of one, "attention.d_scores": show that part of the tree.
        values: print all numbers of every array.
        width: columns of the printed lines. Below 120 each path has a line to itself.

    Raises:
        ValueError: there is no such path; the message names those that there are.
    """
    layer_paths = {call.path: call.layer_path for call in calls(trace.forward)}
    kept = {".".join(split(path)[1:]): path for path, _ in tensors(trace.cache)}
    chosen = _chosen(trace.sections, only, "the pass", layer_paths)
    return View([_with_example(*section, kept) for section in chosen], values, width)


def _with_example(title, explanation, items, kept):
    """Return a section; its help says how the deepest value shown is typed, of kept: {path: typed path}."""
    shown = [label for label in _labels(items) if label in kept]
    if title != FORWARD_TITLE or not shown:
        return title, explanation, items
    deepest = max(shown, key=lambda label: len(split(label)))  # the first of the longest
    return title, f"{explanation.removesuffix('.')}: {kept[deepest]} for {deepest}.", items


def sections(trace):
    """Return the sections of a Trace's View, the whole tree."""
    records = {id(call.record) for call in calls(trace.forward) if call.record is not None}
    found = [(FORWARD_TITLE, FORWARD_HELP, [_forward_node(trace.forward, records)])]
    if trace.backward is not None:
        found.append((BACKWARD_TITLE, BACKWARD_HELP, [_backward_node(trace, trace.backward)]))
    return found


def tree(cache, only=None, values=False):
    """Return the View of a cache alone: at a breakpoint, `print(tree(cache))`.

    Example:
        >>> _, cache = minibert.Linear(2, 3).forward(np.ones((1, 2), np.float32))
        >>> [row.label for row in tree(cache).sections[0][2][0].items]
        ['x']
    """
    whole = [(CACHE_TITLE, CACHE_HELP, [_cache_node(cache, "")])]
    return View(_chosen(whole, only, "the cache"), values)


# --- a part of the tree -------------------------------------------------------------------------------------


def _chosen(all_sections, only, whole, layer_paths=None):
    """Return the sections with the Nodes and Rows of a path only; a section without any is left out.

    A path is a beginning of theirs; if there is none, a part of theirs, or one without numbers of uses.
    """
    wanted = split(only or "")
    if wanted[:1] == ["cache"]:
        wanted = wanted[1:]
    if not wanted:
        return all_sections
    labels = [label for _, _, items in all_sections for label in _labels(items)]
    keys = {label: split(label) for label in labels}
    without_uses = {label: _without_use(label, layer_paths or {}) for label in labels}
    for fits in (
        lambda label: keys[label][: len(wanted)] == wanted,
        lambda label: without_uses[label][: len(wanted)] == wanted,
        lambda label: _contains(keys[label], wanted) or _contains(without_uses[label], wanted),
    ):
        if any(map(fits, labels)):
            parts_of = [(title, text, _below(items, fits)) for title, text, items in all_sections]
            return [section for section in parts_of if section[2]]
    raise ValueError(_no_path(labels, only, wanted, whole))


def _labels(items):
    for item in items:
        if isinstance(item, Node):
            yield item.path
            yield from _labels(item.items)
        else:
            yield item.label


def _without_use(label, layer_paths):
    """Return the keys of a label without the number of the use: "layer.x" for "layer.1.x"."""
    above = label
    while above and above not in layer_paths:
        above = above.rpartition(".")[0]
    return split(layer_paths.get(above, "") + label.removeprefix(above)) if above else split(label)


def _contains(keys, wanted):
    return any(keys[start : start + len(wanted)] == wanted for start in range(len(keys)))


def _below(items, fits):
    """Return the Nodes and Rows that fit, the outermost only; a gradient goes with its value."""
    found = []
    for number, item in enumerate(items):
        if isinstance(item, Node):
            found += [item] if fits(item.path) else _below(item.items, fits)
            continue
        after = items[number + 1] if number + 1 < len(items) else None
        before = items[number - 1] if number else None
        with_gradient = not item.is_gradient and isinstance(after, Row) and after.is_gradient
        with_value = item.is_gradient and isinstance(before, Row) and not before.is_gradient
        if fits(item.label) or with_gradient and fits(after.label) or with_value and fits(before.label):
            found.append(item)
    return found


def _no_path(labels, only, wanted, whole):
    """Return the message: nothing has this path."""
    known = list(dict.fromkeys(filter(None, labels)))
    parent = wanted[:-1]
    while parent and not any(split(label)[: len(parent)] == parent for label in known):
        parent = parent[:-1]
    count = len(parent) + 1
    below = [split(label)[:count] for label in known if split(label)[: len(parent)] == parent]
    below = dict.fromkeys(".".join(keys) for keys in below if len(keys) == count)
    similar = difflib.get_close_matches(".".join(wanted), known, n=3)
    question = f"is {' or '.join(similar)} meant? " if similar else ""
    return f"{whole} has no {only!r}; {question}{'.'.join(parent) or whole} holds: {', '.join(below)}"


# --- the forward pass ---------------------------------------------------------------------------------------


def _forward_node(call, records):
    """Return the Node of a forward: its values, the layers that it called, the rest of its record."""
    kept = dict(zip(call.record._fields, call.record)) if call.record is not None else {}
    above = {id(item) for item in call.parent.locals.values()} if call.parent else set()
    items, shown = [], set()
    for item in done(call):
        if isinstance(item, Call):
            items.append(_forward_node(item, records))
        elif kept.get(item.name) is item.array or id(item.array) not in above:
            items.append(Row(item.path, item.array, item.formula))
            shown.add(item.name)
    for field, value in kept.items():
        path = f"{call.path}.{field}" if call.path else field
        if field not in shown and value is not None:
            items += [Row(place, leaf, "") for place, leaf in _leaves(value, path, records)]
    return Node(call.path, _title(type(call.layer)), items)


def _title(owner):
    return f"{owner.__name__}: {short(source.headline(owner))}".removesuffix(": ")


def _leaves(value, path, records):
    """Yield (path, leaf) of a field: its arrays, but not those of the records of layers that were called."""
    held = parts(value)
    if id(value) in records:
        return
    if any(isinstance(element, CONTAINERS) or is_array(element) for _, element in held):
        for key, element in held:
            yield from _leaves(element, f"{path}.{key}", records)
    elif not (isinstance(value, (list, dict)) and not value):
        yield path, value


def _cache_node(cache, path):
    """Return the Node of a cache, and of the caches in it; formulas are those of its class's forward."""
    owner = source.layer_class(cache)
    forward, items = getattr(owner, "forward", None), []
    for field, value in zip(cache._fields, cache):
        found = source.assignment_of(forward, field) if forward and value is not None else None
        for place, element in _elements(value, dotted(path, cache, field)):
            if is_record(element):
                items.append(_cache_node(element, place))
            else:
                items.append(Row(place, element, found.formula if found else ""))
    return Node(path, _title(owner) if owner else type(cache).__name__, items)


def _elements(value, path):
    """Yield (path, element) of a list, tuple or dict of caches or arrays; any other value as it is."""
    held = [] if is_record(value) else parts(value)
    if any(isinstance(element, CONTAINERS) or is_array(element) for _, element in held):
        for key, element in held:
            yield from _elements(element, f"{path}.{key}")
    else:
        yield path, value


# --- the backward pass --------------------------------------------------------------------------------------


def _backward_node(trace, call):
    """Return the Node of a backward: each gradient below its value, and those of the layers it called."""
    made = trace.partner.get(call)
    of_forward = set(made.locals) | {"cache"} if made else set()
    above = {id(item) for item in call.parent.locals.values()} if call.parent else set()
    arguments = set(inspect.signature(call.function).parameters)
    items = []
    for item in done(call):
        if isinstance(item, Call):
            items.append(_backward_node(trace, item))
            continue
        is_floating = item.array.dtype.kind in "fc"
        has_name_above = item.name in arguments and id(item.array) in above
        if is_floating and item.name not in of_forward and not has_name_above:
            items += [*_value_rows(trace, item), Row(item.path, item.array, item.formula, is_gradient=True)]
    called = f"self.{call.layer_path}.backward" if call.layer_path else "self.backward"
    return Node(call.path, f"{type(call.layer).__name__}.backward, called as {called}", items)


def _value_rows(trace, step):
    """Return [the Row of the value that a gradient belongs to]; [] for a name that forward lacks."""
    parameters = {".".join(split(name)): item for name, item in step.call.parameters.items()}
    name = step.name.removesuffix(".grad")
    if name != step.name and name in parameters:
        return [Row(step.path.removesuffix(".grad"), parameters[name].value, "")]
    found = trace.value_of(step)
    return [Row(found.path, found.array, found.formula)] if found else []


# --- lines --------------------------------------------------------------------------------------------------


def wrapped(text, width, indent=""):
    """Return a text as lines of at most `width` columns; those after the first are indented."""
    return textwrap.wrap(
        text, width, subsequent_indent=" " * 8, initial_indent=indent, break_on_hyphens=False)


def short(line):
    """Return a headline without the reference at its end: "… + b_output (Vaswani et al. 2017, …)"."""
    return re.sub(r"\s*\([^()]*\b(1|2)\d{3}\b[^()]*\)$", "", line)


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


def _numbers(array, width=WIDTH, threshold=None):
    threshold = threshold or array.size + 1
    return np.array2string(
        array, max_line_width=width - INDENT, threshold=threshold, precision=4, suppress_small=True)


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
            heading = f"<b>{html.escape(item.path or 'the whole')}</b>&emsp;{html.escape(item.title)}"
            pieces.append(f"<details{opened}><summary>{heading}</summary>{_html_items(item.items)}</details>")
    return "".join(pieces)


def _html_row(row):
    shape, mean, spread, first = map(html.escape, summary(row.value))
    if isinstance(row.value, np.ndarray) and row.value.size > SHOWN:
        numbers = html.escape(_numbers(row.value, threshold=HTML_VALUES))
        first = f"<details><summary>{first}</summary>{numbers}</details>"
    wrong = problem(row.value).strip()
    note = f'<span class="wrong">{wrong}</span> ' if wrong else ""
    note += html.escape(f"= {row.note}" if row.note else "")
    label = ("  " if row.is_gradient else "") + html.escape(row.label)
    kind = ' class="gradient"' if row.is_gradient else ""
    cells = [f"<td>{cell}</td>" for cell in (label, shape, mean, spread, first, note)]
    return f"<tr{kind}>{''.join(cells)}</tr>"
