"""The result of a check, as numbers and as a table."""

import math
import textwrap
from typing import NamedTuple

METHOD_NAMES = {"complex": "complex step", "central": "central differences"}
EXIT_CODES = {"right": 0, "wrong": 1, "undecided": 3}  # 2: used wrongly


class Row(NamedTuple):
    """One gradient: that of backward (analytic) against that measured on the forward pass (numeric).

    Attributes:
        name:        `x` for an input, `query.weight` for a parameter, `attention.d_scores` for a step.
        kind:        "input", "parameter" or "step".
        shape:       of the tensor, and so of its gradient.
        max_numeric: largest entry of the numeric gradient, in size.
        error:       max|analytic - numeric| / max(max|numeric|, 1e-2·G, 1e-3); infinite if there is
                     nothing to compare.
        verdict:     "right", "wrong" or "undecided".
        note:        the mistake or the doubt, in a few words; or how a right one was found to be right.
        sentence:    the mistake or the doubt in a sentence; empty if it is right.
        method:      "complex" or "central".
    """

    name: str
    kind: str
    shape: tuple
    max_numeric: float
    error: float
    verdict: str
    note: str = ""
    sentence: str = ""
    method: str = "complex"

    @property
    def ok(self):
        """Whether the verdict is "right"."""
        return self.verdict == "right"


class GradientReport:
    """The result of check_gradients; print it.

    Attributes:
        verdict:     "right"; "wrong", if a gradient is, or if the layer breaks a rule; or
                     "undecided", where the arithmetic cannot tell: the report says why, and how to help.
        ok:          the verdict is "right".
        max_error:   the largest error of any row.
        rows:        a Row for each input and parameter.
        steps:       a Row for each step of the backward pass, in its order, with intermediates=True; else at
                     most one, the first wrong step.
        skipped:     dict step name -> why it was not measured.
        problems:    sentences about the layer itself (forward not deterministic, cache changed, …).
        is_hopeless: because of the problem nothing could be measured.
        notes:       sentences that change no verdict (where the complex step fails, unchecked steps).
        first_wrong: name of the first wrong gradient in the order of the backward pass, or None.
        diagnosis:   a sentence on the mistake in it; empty if nothing is.
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
        self.is_hopeless = False
        self.notes = []
        self.first_wrong = None
        self.diagnosis = ""
        self.analytic = {}
        self.numeric = {}
        self.order = {}  # name -> the moment of the backward pass at which it was completed

    @property
    def verdict(self):
        verdicts = {row.verdict for row in self.rows + self.steps}
        if "wrong" in verdicts or (self.problems and not self.is_hopeless):
            return "wrong"
        return "undecided" if "undecided" in verdicts or self.is_hopeless else "right"

    @property
    def ok(self):
        return self.verdict == "right"

    @property
    def max_error(self):
        return max((row.error for row in self.rows), default=math.inf)

    def __str__(self):
        return "\n".join([*_table(self.rows + self.steps), *_verdict(self)])

    __repr__ = __str__


class DirectionReport:
    """The result of check_directions; print it.

    Attributes:
        ok:      the error is within the tolerance; with per_tensor that of every tensor.
        error:   |Σ <gradient, v> - measured| / Σ |<gradient, v>|; with per_tensor that of the worst tensor.
        terms:   dict tensor name -> <gradient, v>, of order 1: each v is scaled by 1/‖gradient‖.
        errors:  with per_tensor: dict tensor name -> |<gradient, v> - measured| / max(|measured|, 1);
                 else empty.
        guilty:  names of the wrong tensors, the worst first (per_tensor only).
        decided: names of the tensors whose verdict real differences have turned.
    """

    def __init__(self, title, tolerance, count, terms):
        self.title = title
        self.tolerance = tolerance
        self.count = count
        self.terms = terms
        self.error = math.inf
        self.errors = {}
        self.guilty = []
        self.decided = []

    @property
    def ok(self):
        return not self.guilty if self.errors else self.error <= self.tolerance

    def __str__(self):
        verdict = "right" if self.ok else "WRONG"
        text = (
            f"{self.title}: {len(self.terms)} tensors, {self.count:,} entries, {verdict} along a random "
            f"direction, error {self.error:.1e} (tolerance {self.tolerance:.0e})"
        )
        if self.decided:
            names = f" for {', '.join(self.decided)}" if self.errors else ""
            text += f"\nthe forward is not complex-safe: real differences have decided{names}"
        if self.guilty:
            return text + "\nwrong: " + ", ".join(f"{name} ({self.errors[name]:.1e})" for name in self.guilty)
        if self.ok or self.errors:
            return text
        return text + "\nper_tensor=True (--per-tensor) names the guilty one"

    __repr__ = __str__


WORDS = {"right": "ok", "wrong": "WRONG", "undecided": "UNDECIDED"}


def _table(rows):
    width = max([len(row.name) for row in rows] + [8])
    shape_width = max([len(str(row.shape)) for row in rows] + [5])
    lines = [f"{'gradient':<{width}}  {'shape':<{shape_width}}  largest    error"]
    for row in rows:
        verdict = f"{WORDS[row.verdict]}  {row.note}".rstrip()
        shape = f"{str(row.shape):<{shape_width}}"
        lines.append(f"{row.name:<{width}}  {shape}  {row.max_numeric:7.1e}  {row.error:7.1e}  {verdict}")
    return lines


def _verdict(report):
    rows = report.rows + report.steps
    wrong = [row for row in rows if row.verdict == "wrong"]
    undecided = [row for row in rows if row.verdict == "undecided"]
    how = f"({METHOD_NAMES[report.method]}, tolerance {report.tolerance:.0e})"
    lines = [_wrapped(f"Problem: {problem}") for problem in report.problems]
    lines += [_wrapped(f"Note: {note}") for note in report.notes]
    lines += [_wrapped(f"Not checked: {name}, because {reason}.") for name, reason in report.skipped.items()]
    if not rows:
        lines.append(f"{report.title}: UNDECIDED, no gradient could be checked.")
    elif wrong:
        lines.append(f"{report.title}: {len(wrong)} of {len(rows)} gradients WRONG {how}")
        where = "First wrong in the order of the backward pass" if report.order else "First wrong"
        lines.append(_wrapped(f"{where}: {report.first_wrong}. The likely mistake: {report.diagnosis}"))
    elif undecided:
        lines.append(f"{report.title}: {len(undecided)} of {len(rows)} gradients UNDECIDED {how}")
        for sentence in dict.fromkeys(row.sentence for row in undecided):
            names = ", ".join(row.name for row in undecided if row.sentence == sentence)
            lines.append(_wrapped(f"{names}: {sentence}"))
    else:
        lines.append(
            f"{report.title}: all {len(rows)} gradients right, worst error "
            f"{max(row.error for row in rows):.1e} {how}"
            + (", but see the problem above" if report.problems else "")
        )
    return lines


def _wrapped(text):
    return textwrap.fill(text, 79, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
