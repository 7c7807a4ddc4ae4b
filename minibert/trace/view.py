"""The record of two passes as a tree: as text for a terminal, as HTML for a notebook."""

import difflib
import html
import re
from typing import NamedTuple

import numpy as np

from minibert.layers.walk import join, nodes, tensors
from minibert.trace import source
from minibert.trace.record import Call, calls, done, typed

LABEL_WIDTH = 56  # a longer path pushes its line to the right
SHOWN = 3  # numbers of an array that stand on its line
HTML_VALUES = 128  # an array of more is shortened in HTML

FORWARD_TITLE = "forward: what the cache holds, in the order of its fields"
FORWARD_HELP = ("Type cache. and a path at a breakpoint in the model's backward; in a layer's own backward, the cache is that of "
                "its heading.")  # fmt: skip
BACKWARD_TITLE = "backward: every gradient in the order it is computed, under the value it belongs to"
BACKWARD_HELP = ("A path stands for cache.path, as above; after a colon: a local of forward, which the cache does not keep. "
                 "Gradients are locals of the layer's backward;\nself.weight.grad is what this call adds.")  # fmt: skip


class Row(NamedTuple):
    """A line of the tree: `label` a path or a name, `value` an array or a plain object, `note` the formula."""

    label: str
    value: object
    note: str
    is_gradient: bool = False


class Node(NamedTuple):
    """A cache, or a run of a layer's backward: its path, what it is, and the Rows and Nodes within."""

    path: str
    title: str
    items: list


class View:
    """Sections of the tree, each (title, help, list of Nodes and Rows); print it, or let a notebook show it."""

    def __init__(self, sections, values=False):
        self.sections, self.values = sections, values

    def __str__(self):
        return "\n".join(line for section in self.sections for line in self._section_lines(*section))

    def _section_lines(self, title, explanation, items):
        yield f"--- {title} ---"
        yield explanation
        yield f"{'':<{LABEL_WIDTH}} {'shape':<15}{'mean':>9}{'spread':>9}  {f'first {SHOWN}':<{9 * SHOWN}}  formula"
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
        return f'<div class="minibert-trace">{STYLE}' + "".join(
            f"<details open><summary><b>{html.escape(title)}</b></summary><p>{html.escape(explanation)}</p>"
            f"{_html_items(items)}</details>" for title, explanation, items in self.sections
        ) + "</div>"  # fmt: skip


def view(trace, only=None, values=False):
    """Return the View of a Trace: both passes, or the part of them below the path `only`.

    Raises:
        ValueError: the cache has no such path; the message names those there are.
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
    """Return a path as the tree prints it ("cache.bert.encoder.1" → "bert.encoder[1]"); ValueError if there is none such."""
    known = ["", *(name.removeprefix("cache").removeprefix(".") for name, _ in [*nodes(cache), *tensors(cache)])]
    known += [re.sub(r"\[\d+\]$", "", name) for name in known if name.endswith("]")]
    wanted = typed(path.removeprefix("cache").removeprefix("."))
    if wanted in known:
        return wanted
    parent = wanted
    while parent and parent not in known:
        parent = re.sub(r"(\.|\[)?[^.\[]*$", "", parent)
    below = [name for name in known if re.fullmatch(r"(\.?\w+|\[\d+\])", name[len(parent):]) and name.startswith(parent)]
    similar = difflib.get_close_matches(wanted, known, n=3)
    raise ValueError(
        f"the cache has no {path!r}; " + (f"is {' or '.join(similar)} meant? " if similar else "")
        + f"{parent or 'the cache'} holds: {', '.join(dict.fromkeys(below))}"
    )  # fmt: skip


def _below(item, path):
    """Return the Nodes and Rows of a tree that stand at or below a path, the outermost only; all of it for None."""
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


# --- the forward pass: from the cache, and formulas from the source ---------------------------------------------------


def _cache_node(cache, path, given, owners):
    """Return the Node of a cache. `given`: what the caller wrote for each of forward's arguments."""
    owner = owners.get(id(cache)) or source.layer_class(cache)
    forward = getattr(owner, "forward", None)
    written = source.fields(forward, type(cache)) if forward else {}
    items = []
    for field, value in zip(cache._fields, cache):
        name = written.get(field, "")
        inner = [(f"[{number}]", element) for number, element in enumerate(value)] if isinstance(value, list) else [("", value)]
        call = source.call_of(forward, name) if name and hasattr(inner[0][1] if inner else None, "_fields") else None
        for suffix, element in inner:
            place = join(path, field) + suffix
            if hasattr(element, "_fields"):
                items.append(_cache_node(element, place, _given(call, element, forward, given, owners), owners))
            else:
                items.append(Row(place, element, _meaning(name, field, forward, given) if name else ""))
    title = f"{owner.__name__}: {short(source.headline(owner))}" if owner else type(cache).__name__
    return Node(path, title, items)


def _given(call, cache, forward, given, owners):
    """Return {argument: what stands for it} of the call that made a cache."""
    owner = owners.get(id(cache)) or source.layer_class(cache)
    if call is None or owner is None:
        return {}
    bound = source.bindings(call.value, owner.forward)
    return {name: text if text != name else _meaning(text, name, forward, given) for name, text in bound.items()}


def _meaning(text, field, forward, given):
    """Return the formula of a local, or what the caller gave for an argument."""
    if text in given:
        return given[text]
    found = source.assignment_of(forward, text)
    return found.formula if found else text


def short(line):
    """Return a headline without the reference at its end: "… + b_output (Vaswani et al. 2017, …)"."""
    return re.sub(r"\s*\([^()]*\b(1|2)\d{3}\b[^()]*\)$", "", line)


# --- the backward pass: from the record -------------------------------------------------------------------------------


def _backward_node(trace, call):
    path = (trace.cache_path(call) or f"cache.{call.path}").removeprefix("cache").removeprefix(".")
    items = []
    for item in done(call):
        if isinstance(item, Call):
            items.append(_backward_node(trace, item))
        elif item.name.startswith(("d_", "self.")):
            items += [*_value_rows(trace, item), Row(item.name, item.array, item.formula, is_gradient=True)]
    return Node(path, f"{type(call.layer).__name__}.backward, called as {join('self', call.path).rstrip('.')}.backward", items)


def _value_rows(trace, step):
    """Return the Row of the value that a gradient belongs to, in a list; none for a name that forward does not know."""
    if step.name.startswith("self."):
        parameter = getattr(step.call.layer, step.name.split(".")[1])
        return [Row(step.name.removesuffix("grad") + "value", parameter.value, "")]
    found = trace.value_of(step)
    if found is None:
        return []
    name, array, path = found
    if path is not None:
        return [Row(path.removeprefix("cache."), array, "")]
    made = trace.partner[step.call]
    assignment = source.assignment_of(made.function, name)
    return [Row(f"{step.call.path or 'model'}: {name}", array, assignment.formula if assignment else made.given.get(name, ""))]


# --- lines ------------------------------------------------------------------------------------------------------------


def summary(value):
    """Return (shape, mean, spread, first values) of an array as text; spread is the standard deviation.

    Masked scores, the lowest number that there is, are left out of both.
    """
    if not isinstance(value, (np.ndarray, np.generic)):
        return "", "", "", repr(value)
    if value.dtype == bool:
        return str(value.shape), "", "", f"{np.count_nonzero(value)} of {value.size} True"
    first = " ".join(f"{number(entry):>8}" for entry in np.ravel(value)[:SHOWN]) + (" …" if value.size > SHOWN else "")
    if value.dtype.kind not in "fc" or value.size == 0:
        return str(value.shape), "", "", first
    with np.errstate(all="ignore"):
        counted = value[value.real > np.finfo(value.dtype).min]  # without the masked scores
        counted = counted.astype(np.result_type(value.dtype, np.float64)) if counted.size else value
        return str(value.shape), number(counted.mean()), number(counted.std()), first


def number(entry):
    """Return a number in at most 8 characters: four decimals, or powers of ten where these would say little."""
    entry = entry.item()
    if isinstance(entry, (int, complex)) or entry != entry or entry in (0, float("inf"), float("-inf")):
        return f"{entry:.3g}" if isinstance(entry, complex) else f"{entry:g}"
    return f"{entry:.4f}" if 1e-3 <= abs(entry) < 1e3 else f"{entry:.1e}"


def problem(value):
    """Return "NOT FINITE (2 of 12)  " for an array that holds a NaN or an infinity, else ""."""
    if not isinstance(value, (np.ndarray, np.generic)) or value.dtype.kind not in "fc" or np.isfinite(value).all():
        return ""
    return f"NOT FINITE ({np.count_nonzero(~np.isfinite(value))} of {value.size})  "


def _row_text(row, indent):
    shape, mean, spread, first = summary(row.value)
    label = indent + ("  " if row.is_gradient else "") + row.label
    formula = ("= " if row.note else "") + row.note
    return f"{label:<{LABEL_WIDTH}} {shape:<15}{mean:>9}{spread:>9}  {first:<{9 * SHOWN + 1}} {problem(row.value)}{formula}".rstrip()


def _numbers(array, threshold=None):
    return np.array2string(array, max_line_width=120, threshold=threshold or array.size + 1, precision=4, suppress_small=True)


STYLE = (
    "<style>.minibert-trace{font-family:monospace;font-size:13px;line-height:1.35}"
    ".minibert-trace details{margin-left:1.2em}.minibert-trace summary{cursor:pointer}"
    ".minibert-trace table{border-collapse:collapse}.minibert-trace td{text-align:left;padding:0 .8em 0 0;vertical-align:top;"
    "white-space:pre}.minibert-trace .gradient{color:#0072B2}.minibert-trace .wrong{color:#D55E00;font-weight:bold}</style>"
)


def _html_items(items):
    """Return Nodes as nested <details> and the Rows between them as tables; no JavaScript."""
    parts, rows = [], []
    for item in [*items, None]:
        if isinstance(item, Row):
            rows.append(_html_row(item))
            continue
        if rows:
            parts.append(f"<table>{''.join(rows)}</table>")
            rows = []
        if item is not None:
            opened = " open" if item.path in ("", "bert") else ""
            parts.append(f"<details{opened}><summary><b>{html.escape(item.path or 'cache')}</b>&emsp;{html.escape(item.title)}"
                         f"</summary>{_html_items(item.items)}</details>")  # fmt: skip
    return "".join(parts)


def _html_row(row):
    shape, mean, spread, first = map(html.escape, summary(row.value))
    if isinstance(row.value, np.ndarray) and row.value.size > SHOWN:
        first = f"<details><summary>{first}</summary>{html.escape(_numbers(row.value, HTML_VALUES))}</details>"
    wrong = problem(row.value).strip()
    note = (f'<span class="wrong">{wrong}</span> ' if wrong else "") + html.escape(f"= {row.note}" if row.note else "")
    label = ("  " if row.is_gradient else "") + html.escape(row.label)
    kind = ' class="gradient"' if row.is_gradient else ""
    return f"<tr{kind}>" + "".join(f"<td>{cell}</td>" for cell in (label, shape, mean, spread, first, note)) + "</tr>"
