"""`minibert gradcheck`: every gradient of every layer and model, as a table.

The functions below `run` print their findings, line by line, and return the verdict.
"""

import inspect
import math
import os
import runpy
import time
from typing import NamedTuple

from minibert.commands.common import say


def add(subparsers):
    """Add the command to argparse's subparsers."""
    command = subparsers.add_parser(
        "gradcheck",
        help="check every gradient of every layer and model",
        description="Compare the gradients of the hand-written backward passes with those measured on the "
        "forward passes: for each layer and model, the worst error of each input and parameter in any mode. "
        "A Python file is searched for layers and for pairs NAME_forward, NAME_backward (or NAME, "
        "NAME_backward); their inputs are a tuple or dict beside them, NAME_inputs, or for all of them "
        "alike, inputs. The exit code is 0 where all is right, 1 where something is wrong, 3 where the "
        "arithmetic cannot tell.",
        epilog="examples: minibert gradcheck attention --intermediates; minibert gradcheck my_layer.py; "
        "minibert gradcheck --exhibit transposed-key",
    )
    command.set_defaults(run=run)
    command.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="layer or model, or a part of its name, in any case (default: all); or a file, my_layer.py",
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
    """Run `minibert gradcheck`; return 0 if all gradients are right, 1 if one is wrong, 3 if undecided.

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
    from minibert.gradcheck.report import EXIT_CODES

    method = options.method or "complex"
    files = [name for name in options.names if name.endswith(".py")]
    if files and len(files) < len(options.names):
        raise ValueError(f"{files[0]} is a file: check it alone, without names of layers of minibert")
    if options.list:
        verdict = list_names(say)
    elif options.preset:
        verdict = check_preset(options.preset, options.per_tensor, options.exhibit, say)
    elif options.exhibit:
        verdict = show_exhibit(options.exhibit, method, options.intermediates, say)
    elif files:
        verdict = worst([check_file(path, method, options.intermediates, say) for path in files])
    else:
        verdict = check_everything(options.names, method, options.intermediates, say)
    return EXIT_CODES[verdict]


def worst(verdicts):
    """Return "wrong" if one of them is, else "undecided" if one is, else "right"."""
    return next((verdict for verdict in ("wrong", "undecided") if verdict in verdicts), "right")


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
        from minibert.gradcheck.report import WORDS

        width = max(map(len, self.worst), default=0)
        shape_width = max((len(str(row.shape)) for row, _ in self.worst.values()), default=0)
        lines = [f"{self.layer} ({self.seconds:.2f} s; modes: {', '.join(self.modes)})"]
        for name, (row, mode) in self.worst.items():
            verdict = f"{WORDS[row.verdict]:<5}"
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


def check_everything(names=(), method="complex", intermediates=False, say=say):
    """Check all layers and models, or those with these names; say each gradient's worst error in any mode."""
    from minibert.gradcheck.check import TOLERANCE
    from minibert.gradcheck.report import METHOD_NAMES

    start = time.perf_counter()
    results = []
    for layer, cases in choose_cases(names).items():
        results.append(check_layer(layer, cases, method, intermediates))
        say(f"{results[-1]}\n")
    count, error = sum(result.count for result in results), max(result.max_error for result in results)
    verdict = worst([report.verdict for result in results for report in result.reports.values()])
    found = [
        result.layer
        for result in results
        if any(report.verdict == verdict for report in result.reports.values())
    ]
    text = "all right" if verdict == "right" else f"{verdict.upper()} in {', '.join(found)}"
    say(
        f"layers and models: {len(results)}; gradients: {count}, {text}\nworst error {error:.1e} "
        f"({METHOD_NAMES[method]}, tolerance {TOLERANCE[method]:.0e}); {time.perf_counter() - start:.1f} s"
    )
    return verdict


def check_file(path, method="complex", intermediates=False, say=say):
    """Check every layer and pair of a Python file on the inputs that it names; say the reports.

    A pair is two functions NAME_forward and NAME_backward, or NAME and NAME_backward; a layer is an object
    with both methods, or a class that is made without arguments. `NAME_inputs`, or `inputs` for all, is a
    tuple of inputs, or a dict of keyword arguments that may hold "inputs" for these; or a function without
    arguments that returns one.

    Raises:
        ValueError: there is no such file, or nothing in it can be checked.
    """
    from minibert.gradcheck import GradientCheckError, check_gradients

    if not os.path.isfile(path):
        raise ValueError(f"{path} does not exist: give a Python file, or a name that --list shows")
    names = runpy.run_path(path, run_name="minibert_gradcheck")
    found, unmade = layers_of(names)
    advice = f"make one in the file, as in layer = {unmade[0]}(...)" if unmade else ""
    if not found and unmade:
        raise ValueError(
            f"{path}: {' and '.join(unmade)} cannot be made without arguments: {advice}, and write "
            "layer_inputs = (x, ...), a tuple of the inputs of forward"
        )
    if not found:
        raise ValueError(
            f"{path} has no layer (an object with forward and backward) and no pair of functions "
            "NAME_forward, NAME_backward"
        )
    verdicts = []
    for name, layer in found.items():
        inputs, given = inputs_of(path, name, names)
        try:
            report = check_gradients(
                layer, *inputs, method=method, intermediates=intermediates or None, **given
            )
        except GradientCheckError as error:
            raise ValueError(f"{path}: {name}: {error}") from None
        say(f"{name}\n{report}\n")
        verdicts.append(report.verdict)
    if unmade:
        say(f"Not checked, because it cannot be made without arguments: {', '.join(unmade)} ({advice})")
    return worst(verdicts)


def layers_of(names):
    """Return {name: layer or pair} of a module's names, in their order; names of classes that nobody made."""
    found, unmade = {}, []
    for name, item in names.items():
        stem = name.removesuffix("_backward")
        if stem != name and callable(item):
            forward = names.get(f"{stem}_forward", names.get(stem))
            if callable(forward):
                found[stem] = forward, item
        elif all(callable(getattr(item, method, None)) for method in ("forward", "backward")):
            if not inspect.isclass(item):
                found[name] = item
            elif item.__module__ == "minibert_gradcheck":
                if _needs_arguments(item):
                    unmade.append(name)
                else:
                    found[name] = item()
    made = {type(layer).__name__ for name, layer in found.items() if name != type(layer).__name__}
    found = {name: layer for name, layer in found.items() if name not in made}
    return found, [name for name in unmade if name not in made]


def _needs_arguments(made):
    arguments = inspect.signature(made).parameters.values()
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return any(argument.default is argument.empty and argument.kind not in variable for argument in arguments)


def inputs_of(path, name, names):
    """Return (positional inputs, keyword arguments) that a file names for a layer."""
    inputs = names.get(f"{name}_inputs", names.get("inputs"))
    inputs = inputs() if callable(inputs) else inputs
    if isinstance(inputs, dict):
        given = dict(inputs)
        return given.pop("inputs", ()), given
    if not isinstance(inputs, (tuple, list)):
        raise ValueError(
            f"{path} does not say on which inputs {name} is checked: write {name}_inputs = (x, ...) "
            "below it, a tuple of the inputs of forward"
        )
    return inputs, {}


def check_preset(preset, per_tensor=False, exhibit=None, say=say):
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

    options = {"per_tensor": per_tensor, "on_tensor": on_tensor, "real_differences": False}
    report = check_directions(model, *inputs, **options, **forward_kwargs)
    say(f"{report}\n{time.perf_counter() - start:.1f} s")
    return "right" if report.ok else "wrong"


def show_exhibit(name, method="complex", intermediates=False, say=say):
    """Tell the story of an exhibit of the bug museum, and check it."""
    from minibert.gradcheck import museum

    exhibit = museum.find(name)
    say(f"{exhibit}\n")
    report = exhibit.check(method=method, intermediates=intermediates or None)
    finding = exhibit.check_value()
    if report is not None:
        say(str(report))
    if finding is not None:
        say(f"No gradient check can see this: {finding}")
    verdicts = [report.verdict] if report is not None else []
    return worst(verdicts + (["wrong"] if finding is not None and not finding.ok else []))


def list_names(say=say):
    """Name every layer and model with its modes, and every exhibit."""
    from minibert.gradcheck import museum
    from minibert.gradcheck.cases import CASES

    say("minibert gradcheck NAME")
    for layer, cases in _by_layer(CASES).items():
        say(f"  {layer:<20} {', '.join(map(_mode, cases))}")
    say("\nminibert gradcheck --exhibit NAME")
    for name, exhibit in museum.exhibits.items():
        say(f"  {name:<20} {exhibit.story.splitlines()[0]}")
    return "right"


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
