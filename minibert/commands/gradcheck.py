"""`minibert gradcheck`: every gradient of every layer and model, as a table.

The functions below `run` say what they find, line by line, and return True if all of it is right.
"""

import functools
import math
import time
from typing import NamedTuple


def add(subparsers):
    """Add the command to argparse's subparsers."""
    command = subparsers.add_parser(
        "gradcheck",
        help="check every gradient of every layer and model",
        description="Compare the gradients of the hand-written backward passes with those measured on the "
        "forward passes: for each layer and model, the worst error of each input and parameter in any mode. "
        "The exit code is 1 when one is wrong.",
        epilog="examples: minibert gradcheck attention --intermediates; "
        "minibert gradcheck --exhibit transposed-key",
    )
    command.set_defaults(run=run)
    command.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="layer or model, or a part of its name, in any case (default: all)",
    )
    command.add_argument(
        "--method", choices=("complex", "central"), help="complex step (default) or central differences"
    )
    command.add_argument(
        "--intermediates", action="store_true", help="check every named step of a backward pass too"
    )
    command.add_argument(
        "--preset", choices=("tiny", "base"), help="check a whole BERT of this size in a random direction"
    )
    command.add_argument(
        "--per-tensor", action="store_true", help="with --preset: one direction for each tensor"
    )
    museum = command.add_mutually_exclusive_group()
    museum.add_argument(
        "--exhibit", metavar="NAME", help="a mistake of the bug museum: its story and its check"
    )
    museum.add_argument("--list", action="store_true", help="list all layers, models and exhibits")


def run(options):
    """Run `minibert gradcheck`; return 0 if all gradients are right, else 1.

    Raises:
        ValueError: options that do not go together, or a name that does not exist.
    """
    if options.per_tensor and not options.preset:
        raise ValueError("--per-tensor goes with --preset: all other checks are made tensor by tensor")
    if options.preset and (options.names or options.method or options.intermediates):
        raise ValueError(
            "--preset checks a whole model by the complex step: leave out NAME, --method and --intermediates"
        )
    if options.names and (options.exhibit or options.list):
        raise ValueError("NAME does not go with --exhibit or --list: an exhibit brings its own layer")
    say, method = functools.partial(print, flush=True), options.method or "complex"
    if options.list:
        is_right = list_names(say)
    elif options.preset:
        is_right = check_preset(options.preset, options.per_tensor, options.exhibit, say)
    elif options.exhibit:
        is_right = show_exhibit(options.exhibit, method, options.intermediates, say)
    else:
        is_right = check_everything(options.names, method, options.intermediates, say)
    return 0 if is_right else 1


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
            shape = f"{str(row.shape):<{shape_width}}"
            lines.append(f"  {name:<{width}}  {shape}  {row.error:7.1e}  {verdict}  {mode}")
        for mode, report in self.reports.items():
            lines += [f"\n{self.layer}, {mode}:", str(report)]
        return "\n".join(lines)


def choose_cases(names=()):
    """Return {layer: list of its cases} for names of layers or cases, or parts of such names; no names: all.

    Raises:
        ValueError: a name fits nothing.
    """
    from minibert.gradcheck.cases import CASES

    chosen = set() if names else set(CASES)
    for name in names:
        exact = {case for case in CASES if name.lower() in (case.lower(), _layer(case).lower())}
        similar = {case for case in CASES if name.lower() in case.lower()}
        if not similar:
            layers = ", ".join(_by_layer(CASES))
            raise ValueError(f"no layer or model is called {name!r}: choose from {layers}")
        chosen |= exact or similar
    return _by_layer(case for case in CASES if case in chosen)


def check_layer(layer, cases, method="complex", intermediates=False):
    """Check these cases of a layer; return a LayerResult."""
    from minibert.gradcheck import check_gradients
    from minibert.gradcheck.cases import CASES

    start = time.perf_counter()
    worst, reports, count = {}, {}, 0
    for case in cases:
        subject, inputs, forward_kwargs = CASES[case]
        every_step = True if intermediates else None  # None: only if a gradient is wrong
        report = check_gradients(subject, *inputs, method=method, intermediates=every_step, **forward_kwargs)
        count += len(report.rows) + len(report.steps)
        for row in report.rows + report.steps:
            if row.name not in worst or row.error > worst[row.name][0].error:
                worst[row.name] = row, _mode(case)
        if not report.ok:
            reports[_mode(case)] = report
    modes = [_mode(case) for case in cases]
    return LayerResult(layer, modes, worst, count, reports, time.perf_counter() - start)


def check_everything(names=(), method="complex", intermediates=False, say=print):
    """Check all layers and models, or those with these names; say each gradient's worst error in any mode."""
    from minibert.gradcheck.check import TOLERANCE
    from minibert.gradcheck.report import METHOD_NAMES

    start = time.perf_counter()
    results = []
    for layer, cases in choose_cases(names).items():
        results.append(check_layer(layer, cases, method, intermediates))
        say(f"{results[-1]}\n")
    wrong = [result.layer for result in results if result.reports]
    count, worst = sum(result.count for result in results), max(result.max_error for result in results)
    verdict = f"WRONG in {', '.join(wrong)}" if wrong else "all right"
    say(
        f"layers and models: {len(results)}; gradients: {count}, {verdict}; worst error {worst:.1e} "
        f"({METHOD_NAMES[method]}, tolerance {TOLERANCE[method]:.0e}); {time.perf_counter() - start:.1f} s"
    )
    return not wrong


def check_preset(preset, per_tensor=False, exhibit=None, say=print):
    """Check a whole model along random directions, with an exhibit of the bug museum planted if named."""
    from minibert.gradcheck import check_directions, museum
    from minibert.gradcheck.cases.bert import at_full_size
    from minibert.gradcheck.directions import DIRECTION_TOLERANCE

    start = time.perf_counter()
    model, inputs, forward_kwargs = at_full_size(preset)
    if exhibit:
        model = museum.plant(model, exhibit)
    parameters = model.parameters().values()
    size = sum(parameter.value.size for parameter in parameters)
    say(
        f"{preset}: {size:,} parameters in {len(parameters)} tensors, {inputs[0].size} tokens; "
        f"complex forward passes: {len(parameters) if per_tensor else 1}"
    )

    def on_tensor(name, error):
        say(f"  {name:<52}  {error:7.1e}  {'ok' if error <= DIRECTION_TOLERANCE else 'WRONG'}")

    report = check_directions(model, *inputs, per_tensor=per_tensor, on_tensor=on_tensor, **forward_kwargs)
    say(f"{report}\n{time.perf_counter() - start:.1f} s")
    return report.ok


def show_exhibit(name, method="complex", intermediates=False, say=print):
    """Tell the story of an exhibit of the bug museum, and check it."""
    from minibert.gradcheck import museum

    exhibit = museum.find(name)
    say(f"{exhibit}\n")
    report = exhibit.check(method=method, intermediates=intermediates or None)
    finding = exhibit.check_value()
    if report is not None:
        say(str(report))
    if finding is not None:
        say(f"What no gradient check can see: {finding}")
    return (report is None or report.ok) and (finding is None or finding.ok)


def list_names(say=print):
    """Name every layer and model with its modes, and every exhibit."""
    from minibert.gradcheck import museum
    from minibert.gradcheck.cases import CASES

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
