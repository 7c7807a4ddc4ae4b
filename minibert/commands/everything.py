"""Every gradient of every layer and model, as a table: what `minibert gradcheck` prints.

The functions say what they find, line by line, and return True if all of it is right.
"""

import math
import time
from typing import NamedTuple

from minibert.gradcheck import museum
from minibert.gradcheck.cases import CASES, at_full_size
from minibert.gradcheck.check import TOLERANCE, check_gradients
from minibert.gradcheck.directions import DIRECTION_TOLERANCE, check_directions
from minibert.gradcheck.report import METHOD_NAMES


class LayerResult(NamedTuple):
    """One layer or model, checked in some of its modes.

    Attributes:
        layer:   "MultiHeadAttention".
        modes:   list of its modes: "plain", "padding", ...
        worst:   dict gradient name -> (Row, mode): the largest error in any mode.
        count:   number of gradients compared.
        reports: dict mode -> GradientReport, where something is wrong.
        seconds: that it took.
    """

    layer: str
    modes: list
    worst: dict
    count: int
    reports: dict
    seconds: float

    @property
    def max_error(self):
        return max((row.error for row, _ in self.worst.values()), default=math.inf)

    def __str__(self):
        width = max(map(len, self.worst), default=0)
        shape_width = max((len(str(row.shape)) for row, _ in self.worst.values()), default=0)
        lines = [f"{self.layer} ({self.seconds:.2f} s; modes: {', '.join(self.modes)})"]
        for name, (row, mode) in self.worst.items():
            verdict = "ok   " if row.ok else "WRONG"
            lines.append(f"  {name:<{width}}  {str(row.shape):<{shape_width}}  {row.error:7.1e}  {verdict}  {mode}")
        for mode, report in self.reports.items():
            lines += [f"\n{self.layer}, {mode}:", str(report)]
        return "\n".join(lines)


def choose_cases(names=()):
    """Return {layer: list of its cases} for what the names mean: a layer, a case, or a part of either; nothing: all.

    Raises:
        ValueError: a name fits nothing.
    """
    chosen = set() if names else set(CASES)
    for name in names:
        exact = {case for case in CASES if name.lower() in (case.lower(), _layer(case).lower())}
        similar = {case for case in CASES if name.lower() in case.lower()}
        if not similar:
            raise ValueError(f"no layer or model is called {name!r}: choose from {', '.join(_by_layer(CASES))}")
        chosen |= exact or similar
    return _by_layer(case for case in CASES if case in chosen)


def check_layer(layer, cases, method="complex", intermediates=False):
    """Check these cases of a layer; return a LayerResult."""
    start = time.perf_counter()
    worst, reports, count = {}, {}, 0
    for case in cases:
        subject, inputs, forward_kwargs = CASES[case]
        report = check_gradients(
            subject, *inputs, method=method, intermediates=True if intermediates else None, **forward_kwargs)
        count += len(report.rows) + len(report.steps)
        for row in report.rows + report.steps:
            if row.name not in worst or row.error > worst[row.name][0].error:
                worst[row.name] = row, _mode(case)
        if not report.ok:
            reports[_mode(case)] = report
    return LayerResult(layer, [_mode(case) for case in cases], worst, count, reports, time.perf_counter() - start)


def check_everything(names=(), method="complex", intermediates=False, say=print):
    """Check all layers and models, or those that the names mean; say the worst error of each gradient in any mode."""
    start = time.perf_counter()
    results = []
    for layer, cases in choose_cases(names).items():
        results.append(check_layer(layer, cases, method, intermediates))
        say(f"{results[-1]}\n")
    wrong = [result.layer for result in results if result.reports]
    say(f"layers and models: {len(results)}; gradients: {sum(result.count for result in results)}, "
        + (f"WRONG in {', '.join(wrong)}" if wrong else "all right")
        + f"; worst error {max(result.max_error for result in results):.1e} ({METHOD_NAMES[method]}, tolerance "
        f"{TOLERANCE[method]:.0e}); {time.perf_counter() - start:.1f} s")
    return not wrong


def check_preset(preset, per_tensor=False, exhibit=None, say=print):
    """Check a whole model along random directions, with a mistake of the bug museum planted if one is named."""
    start = time.perf_counter()
    model, inputs, forward_kwargs = at_full_size(preset)
    if exhibit:
        model = museum.plant(model, exhibit)
    parameters = model.parameters().values()
    say(f"{preset}: {sum(parameter.value.size for parameter in parameters):,} parameters in {len(parameters)} tensors, "
        f"{inputs[0].size} tokens; complex forward passes: {len(parameters) if per_tensor else 1}")

    def on_tensor(name, error):
        say(f"  {name:<52}  {error:7.1e}  {'ok' if error <= DIRECTION_TOLERANCE else 'WRONG'}")

    report = check_directions(model, *inputs, per_tensor=per_tensor, on_tensor=on_tensor, **forward_kwargs)
    say(f"{report}\n{time.perf_counter() - start:.1f} s")
    return report.ok


def show_exhibit(name, method="complex", intermediates=False, say=print):
    """Tell the story of an exhibit of the bug museum, and check it."""
    exhibit = museum.find(name)
    say(f"{exhibit}\n")
    report, finding = exhibit.check(method=method, intermediates=intermediates or None), exhibit.check_value()
    if report is not None:
        say(str(report))
    if finding is not None:
        say(f"What no gradient check can see: {finding}")
    return (report is None or report.ok) and (finding is None or finding.ok)


def list_names(say=print):
    """Name every layer and model with its modes, and every exhibit."""
    say("minibert gradcheck NAME")
    for layer, cases in _by_layer(CASES).items():
        say(f"  {layer:<20} {', '.join(map(_mode, cases))}")
    say("\nminibert gradcheck --exhibit NAME")
    for name, exhibit in museum.exhibits.items():
        say(f"  {name:<20} {exhibit.story.splitlines()[0]}")
    return True


def _layer(case):
    return case.partition(" ")[0]


def _mode(case):
    return case.partition(" ")[2] or "plain"


def _by_layer(cases):
    """Return {layer: list of cases}."""
    by_layer = {}
    for case in cases:
        by_layer.setdefault(_layer(case), []).append(case)
    return by_layer


def add(commands):
    """TEMPORARY: this module goes away."""
