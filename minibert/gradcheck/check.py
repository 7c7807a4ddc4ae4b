"""The check itself: the analytic gradient, from backward, is compared with the numeric one, from forward."""

import math
import warnings

import numpy as np

from minibert.gradcheck.conduct import analytic_gradients, inspect_forward, read_but_unchecked
from minibert.gradcheck.errors import GradientCheckError
from minibert.gradcheck.explain import check_steps, explain
from minibert.gradcheck.judge import Judge, TensorProbe
from minibert.gradcheck.pace import pace
from minibert.gradcheck.precision import find_single_precision
from minibert.gradcheck.reference import KINK, complex_doubt
from minibert.gradcheck.report import GradientReport, Row
from minibert.gradcheck.subject import RANDOM_STREAM, Subject

TOLERANCE = {"complex": 1e-12, "central": 1e-6}
DOUBT = (
    "the forward is not complex-safe for {}: {}. Real differences have decided. (np.abs, np.var, np.std, "
    "np.linalg.norm, np.conj, float(), math.exp, .astype(float), .real, and buffers of real numbers, "
    "np.zeros(shape) in place of np.zeros(shape, dtype=x.dtype), drop the imaginary part.)"
)


def check_gradients(
    layer,
    *inputs,
    method="complex",
    seed=0,
    intermediates=None,
    max_entries=None,
    tolerance=None,
    **forward_kwargs,
):
    """Compare the gradients of a backward pass with those measured on its forward pass.

    Args:
        layer: an object with `forward(*inputs) -> (y, cache)` and `backward(d_y, cache) -> d_inputs`, and, if
            it has parameters, `parameters() -> {name: object with .value and .grad}`; or a pair (forward,
            backward). A model whose backward is `backward(cache, d_loss)` is checked at `out.loss`. Layers
            that keep everything on self are checked as they are: `y = forward(x)`, `d_x = backward(d_y)`,
            with params and grads (lists or dicts), parameters and gradients (dicts), or W and dW.
        *inputs: arrays, or tuples, lists and dicts of such; those of floating point are checked (in float64,
            whatever their dtype), others are passed on.
        method: "complex" (real differences where the forward pass does not let complex numbers through), or
            "central": real differences everywhere.
        seed: of the random upstream gradient.
        intermediates: True also checks every named step of the backward pass (d_scores, d_query …); None
            looks for the first wrong step only if a gradient is wrong; False never looks.
            The passes that look at steps are watched line by line, and breakpoint() does not stop in them; it
            does in the others.
        max_entries: measure only so many entries of each tensor, chosen at random; None measures all.
        tolerance: the largest error that is right. None: the precision of the reference, 1e-12
            by the complex step, and its own estimated error by real differences.
        **forward_kwargs: passed to forward. Arrays among them are constants. A np.random.Generator is copied
            before every forward, so that each draws the same numbers.

    Returns:
        GradientReport. The layer is left as it was found: values, statistics, random generators.

    Raises:
        GradientCheckError: the layer does not keep to the contract above, so that nothing can be measured.

    The error of a gradient is max|analytic - numeric| / max(max|numeric|, 1e-2·G, 1e-3), G being the largest
    entry of any gradient in the check: a gradient that is truly zero passes, a small wrong one does not.
    """
    if method not in TOLERANCE:
        raise GradientCheckError(f"method must be 'complex' or 'central', not {method!r}")
    rng = np.random.default_rng([RANDOM_STREAM, seed])
    with Subject(layer, inputs, forward_kwargs) as subject:
        report = GradientReport(subject.title, method, TOLERANCE[method] if tolerance is None else tolerance)
        report.problems, report.is_hopeless = inspect_forward(subject)
        if report.is_hopeless:
            return report
        report.analytic, problems = analytic_gradients(subject, rng)
        report.problems += problems
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # a step that is too large overflows: it is not used
            _compare(subject, report, method, tolerance, intermediates, max_entries, rng)
        return report


def assert_gradients(layer, *inputs, **options):
    """Check a layer or pair in a test; arguments as in check_gradients.

    Raises:
        AssertionError: the verdict is "wrong" or "undecided"; its text is the report.
        GradientCheckError: the layer cannot be checked.
    """
    report = check_gradients(layer, *inputs, **options)
    if not report.ok:
        raise AssertionError(f"the gradients are {report.verdict}\n{report}")


def _compare(subject, report, method, tolerance, intermediates, max_entries, rng):
    """Measure every gradient, decide on it, and explain those that are wrong."""
    judge = Judge(subject, tolerance, rng)
    report.notes += [
        f"{name} is read by forward, and nobody checks its gradient: make it a parameter, or an input."
        for name in read_but_unchecked(subject)
    ]
    probes = {name: TensorProbe(subject, name) for name in subject.tensors}
    methods = _methods(subject, report, judge, probes, method, rng)
    if "central" in methods.values():
        judge.single = _single_precision(subject)
    measured = {}
    counts = {name: min(tensor.size, max_entries or tensor.size) for name, tensor in subject.tensors.items()}
    expensive = 1 if "central" not in methods.values() else 8
    with pace(subject.plain_forward, sum(counts.values()), expensive) as advance:
        for name, tensor in subject.tensors.items():
            measured[name] = judge.measure(
                probes[name], report.analytic[name], tensor.shape, methods[name], max_entries, advance
            )
            report.numeric[name] = measured[name][0]
    judge.largest = largest_entry(report)
    for name in subject.tensors:
        report.rows.append(
            decide(subject, report, judge, probes[name], name, measured[name], methods[name])
        )
    if set(methods.values()) == {"central"}:
        report.method, report.tolerance = "central", max(report.tolerance, TOLERANCE["central"])
    wrong = any(row.verdict == "wrong" for row in report.rows)
    if intermediates or (wrong and intermediates is None):
        check_steps(subject, report, judge, decide, bool(intermediates), max_entries)
    explain(subject, report)


def _methods(subject, report, judge, probes, method, rng):
    """Return {tensor: method}: the complex step only where it agrees with real differences."""
    if method == "central":
        return dict.fromkeys(subject.tensors, "central")
    norms = {name: _norm(report.analytic[name]) for name in subject.tensors}
    floor = 1e-2 * max(norms.values())
    tensors = judge.complex_tensors, judge.real_tensors
    doubts = {}
    for name, tensor in subject.tensors.items():
        direction = rng.standard_normal(tensor.shape)
        doubts[name] = complex_doubt(subject, probes[name], direction, max(norms[name], floor), *tensors)
    for doubt in dict.fromkeys(doubt for doubt in doubts.values() if doubt and doubt != KINK):
        report.notes.append(DOUBT.format(", ".join(name for name in doubts if doubts[name] == doubt), doubt))
    kinks = [name for name in doubts if doubts[name] == KINK]
    if kinks:
        report.notes.append(
            f"{KINK}, where {', '.join(kinks)} has another slope to either side: any value between the two "
            "is right."
        )
    return {name: "central" if doubt else "complex" for name, doubt in doubts.items()}


def _norm(gradient):
    return 0.0 if gradient is None else float(np.sqrt(np.nansum(np.square(gradient))))


def _single_precision(subject):
    """Return the name of the first array in single precision; inputs and parameters are in double."""

    def both_passes():
        subject.analytic(subject.tensors)

    return find_single_precision(subject.layer, both_passes)


def largest_entry(report):
    """Return the largest entry of any gradient that was measured."""
    finite = [gradient[np.isfinite(gradient)] for gradient in report.numeric.values()]
    return max((float(np.abs(entries).max(initial=0)) for entries in finite), default=0.0)


def decide(subject, report, judge, probe, name, measured, method, kind=None):
    """Return the Row of one gradient."""
    numeric, error, jump = measured
    analytic, shape = report.analytic[name], numeric.shape
    kind = kind or ("input" if name in subject.input_tensors else "parameter")
    finite = np.abs(numeric[np.isfinite(numeric)])
    row = Row(name, kind, shape, float(finite.max(initial=0)), math.inf, "wrong", method=method)
    if analytic is None:
        if not finite.any() and kind == "parameter" and not np.isinf(numeric).any():
            return row._replace(error=0.0, verdict="right", note="not used: forward never reads it")
        return row._replace(note="no gradient", sentence=_no_gradient(kind))
    if np.shape(analytic) != shape or not np.isfinite(analytic).all():
        return row

    def is_accepted(difference):
        if judge.tolerance is None:
            return difference <= TOLERANCE["complex"] * judge.scale(numeric)
        return difference <= judge.tolerance * _divisor(report, numeric)

    verdict, note = judge.decide(name, probe, np.asarray(analytic), numeric, error, jump, method, is_accepted)
    measured = np.isfinite(numeric)
    difference = np.abs(analytic - numeric)[measured].max(initial=0)
    row = row._replace(error=float(difference / _divisor(report, numeric)), verdict=verdict)
    if verdict == "undecided":
        return row._replace(note=note.split(":")[0].split(",")[0][:40], sentence=note)
    if verdict == "right" and kind == "parameter" and not finite.any() and method == "complex":
        note = note or "not used: forward never reads it"
    return row._replace(note=note if verdict == "right" else "")


def _divisor(report, numeric):
    """Return the divisor of an error: the largest entry of the gradient, but not less than 1e-2·G or 1e-3."""
    finite = np.abs(numeric[np.isfinite(numeric)])
    return max(float(finite.max(initial=0)), 1e-2 * largest_entry(report), 1e-3)


def _no_gradient(kind):
    if kind == "input":
        return (
            "backward returns no gradient for it. (A constant, as one-hot labels are, is given to forward by "
            "keyword, and is then not checked.)"
        )
    return "forward reads it, and backward gives it no gradient."
