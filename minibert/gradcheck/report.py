"""What a check found, as numbers and as a table."""

import math
import textwrap
from typing import NamedTuple

METHOD_NAMES = {"complex": "complex step", "central": "central differences"}


class Row(NamedTuple):
    """One gradient: what backward says (analytic) against what the forward pass shows (numeric).

    Attributes:
        name:        `x` for an input, `query.weight` for a parameter, `attention.d_scores` for a step.
        kind:        "input", "parameter" or "step".
        shape:       of the tensor, and so of its gradient.
        max_numeric: largest entry of the numeric gradient, in size.
        error:       max|analytic - numeric| / max(max|numeric|, 1e-2·G, 1e-3); infinite if there is
                     nothing to compare.
        ok:          the error is within the tolerance.
        note:        what is wrong, in a few words; empty if nothing is.
        sentence:    what is wrong, for a person; empty if nothing is.
    """

    name: str
    kind: str
    shape: tuple
    max_numeric: float
    error: float
    ok: bool
    note: str = ""
    sentence: str = ""


class GradientReport:
    """What check_gradients found; print it.

    Attributes:
        ok:          every row and step is right, and there is no problem.
        max_error:   the largest error of any row.
        rows:        a Row for each input and parameter.
        steps:       a Row for each step of the backward pass, in its order, with intermediates=True; else at
                     most one, the first wrong step.
        skipped:     dict step name -> why it was not measured.
        problems:    sentences about the layer itself (forward not deterministic, cache changed, …).
        first_wrong: name of the first wrong gradient in the order of the backward pass, or None.
        diagnosis:   a sentence on what is wrong with it; empty if nothing is.
        analytic, numeric: dict name -> array, the gradients compared. NaN in `numeric`: not measured
            (max_entries).
    """

    def __init__(self, title, method, tolerance):
        self.title = title
        self.method = method
        self.tolerance = tolerance
        self.rows = []
        self.steps = []
        self.skipped = {}
        self.problems = []
        self.first_wrong = None
        self.diagnosis = ""
        self.analytic = {}
        self.numeric = {}
        self.order = {}  # name -> the moment of the backward pass at which it was completed

    @property
    def ok(self):
        return not self.problems and all(row.ok for row in self.rows + self.steps)

    @property
    def max_error(self):
        return max((row.error for row in self.rows), default=math.inf)

    def __str__(self):
        return "\n".join([*_table(self.rows + self.steps), *_verdict(self)])

    __repr__ = __str__


class DirectionReport:
    """What check_directions found; print it.

    Attributes:
        ok:     the error is within the tolerance.
        error:  |Σ <gradient, v> - measured| / Σ |<gradient, v>|; with per_tensor that of the worst tensor.
        terms:  dict tensor name -> <gradient, v>, of order 1: each v is scaled by 1/‖gradient‖.
        errors: with per_tensor: dict tensor name -> |<gradient, v> - measured| / max(|measured|, 1);
                else empty.
        guilty: names of the wrong tensors, the worst first (per_tensor only).
    """

    def __init__(self, title, tolerance, count, terms):
        self.title = title
        self.tolerance = tolerance
        self.count = count
        self.terms = terms
        self.error = math.inf
        self.errors = {}

    @property
    def ok(self):
        return self.error <= self.tolerance

    @property
    def guilty(self):
        wrong = [(-error, name) for name, error in self.errors.items() if not error <= self.tolerance]
        return [name for _, name in sorted(wrong)]

    def __str__(self):
        verdict = "right" if self.ok else "WRONG"
        text = (
            f"{self.title}: {len(self.terms)} tensors, {self.count:,} entries, {verdict} along a random "
            f"direction, error {self.error:.1e} (tolerance {self.tolerance:.0e})"
        )
        if self.guilty:
            return text + "\nwrong: " + ", ".join(f"{name} ({self.errors[name]:.1e})" for name in self.guilty)
        if self.ok or self.errors:
            return text
        return text + "\nper_tensor=True (--per-tensor) names the guilty one"

    __repr__ = __str__


def _table(rows):
    width = max([len(row.name) for row in rows] + [8])
    shape_width = max([len(str(row.shape)) for row in rows] + [5])
    lines = [f"{'gradient':<{width}}  {'shape':<{shape_width}}  largest    error"]
    for row in rows:
        verdict = "ok" if row.ok else f"WRONG  {row.note}".rstrip()
        shape = f"{str(row.shape):<{shape_width}}"
        lines.append(f"{row.name:<{width}}  {shape}  {row.max_numeric:7.1e}  {row.error:7.1e}  {verdict}")
    return lines


def _verdict(report):
    rows = report.rows + report.steps
    wrong = [row for row in rows if not row.ok]
    how = f"({METHOD_NAMES[report.method]}, tolerance {report.tolerance:.0e})"
    lines = [_wrapped(f"Problem: {problem}") for problem in report.problems]
    lines += [_wrapped(f"Not checked: {name}, because {reason}.") for name, reason in report.skipped.items()]
    if not rows:
        lines.append(f"{report.title}: no gradient could be checked.")
    elif not wrong:
        lines.append(
            f"{report.title}: all {len(rows)} gradients right, worst error "
            f"{max(row.error for row in rows):.1e} {how}"
            + (", but see the problem above" if report.problems else "")
        )
    else:
        lines.append(f"{report.title}: {len(wrong)} of {len(rows)} gradients WRONG {how}")
        where = "First wrong in the order of the backward pass" if report.order else "First wrong"
        lines.append(_wrapped(f"{where}: {report.first_wrong}. What it looks like: {report.diagnosis}"))
    return lines


def _wrapped(text):
    return textwrap.fill(text, 98, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
