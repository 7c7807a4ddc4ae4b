"""The check itself: the analytic gradient, from backward, is compared with the numeric one, from forward."""

import functools
import math

import numpy as np

from minibert.gradcheck.conduct import analytic_gradients, complex_problem, inspect_forward
from minibert.gradcheck.diagnosis import NOT_RECOGNISED, diagnose
from minibert.gradcheck.intermediates import StepProbe, record_steps
from minibert.gradcheck.report import METHOD_NAMES, GradientReport, Row
from minibert.gradcheck.subject import (
    CENTRAL_STEP,
    COMPLEX_STEP,
    RANDOM_STREAM,
    GradientCheckError,
    Subject,
    contents,
)
from minibert.layers.walk import is_layer, walk

TOLERANCE = {"complex": 1e-12, "central": 1e-6}
LARGEST_DIAGNOSED_STEP = 2000  # entries of a wrong step that are measured, one forward pass each


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
            backward). A model whose backward is `backward(cache, d_loss)` is checked at `out.loss`.
        *inputs: arrays; those of floating point are checked (in float64, whatever their dtype), others are
            passed on.
        method: "complex" or "central".
        seed: of the random upstream gradient.
        intermediates: True also checks every named step of the backward pass (d_scores, d_query …); None
            looks for the first wrong step only if a gradient is wrong; False never looks.
        max_entries: measure only so many entries of each tensor, chosen at random; None measures all.
        tolerance: the largest error that is right; None means 1e-12 for "complex" and 1e-6 for "central".
        **forward_kwargs: passed to forward. Arrays among them are constants. A np.random.Generator is copied
            before every forward, so that each draws the same numbers.

    Returns:
        GradientReport. The layer's parameters and gradients are left as they were found.

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
        report.problems, is_hopeless = inspect_forward(subject)
        if is_hopeless:
            return report
        report.analytic, problems = analytic_gradients(subject, rng)
        report.problems += problems
        if method == "complex":
            problem = complex_problem(subject, rng)
            if problem:
                report.problems.append(problem + " The numbers shown here are central differences.")
                report.method, report.tolerance = "central", max(report.tolerance, TOLERANCE["central"])
        for name, tensor in subject.tensors.items():
            report.numeric[name] = _measure(
                subject, _TensorProbe(subject, name), tensor.shape, report.method, max_entries, rng
            )
        report.rows = [
            _row(report, name, "input" if name in subject.input_tensors else "parameter", tensor.shape)
            for name, tensor in subject.tensors.items()
        ]
        wrong = any(not row.ok for row in report.rows)
        if intermediates or (wrong and intermediates is None):
            _check_steps(subject, report, bool(intermediates), max_entries, rng)
        _explain(subject, report)
        return report


# --- measuring ---


class _TensorProbe:
    """Runs the forward pass with a number added to one tensor; `size` is the RMS of the tensor's entries."""

    def __init__(self, subject, name):
        self.subject = subject
        self.name = name
        value = subject.tensors[name]
        self.size = max(math.sqrt(np.mean(value * value)), 1e-2) if value.any() else 1.0

    def outputs(self, tensors, index, amount):
        """Return the outputs after `amount` was added to entry `index` of the tensor."""
        changed = tensors[self.name].copy()
        changed[index] += amount
        return self.subject.outputs(self.subject.forward(tensors | {self.name: changed})[0])


class _LocalProbe:
    """Runs the forward pass with a number added to the local that belongs to one backward step."""

    size = 1.0

    def __init__(self, subject, step):
        self.subject = subject
        self.probe = StepProbe(subject.layer, step)

    def outputs(self, tensors, index, amount):
        """Return the outputs after `amount` was added to entry `index` of the local."""
        self.tensors = tensors
        return self.subject.outputs(self.probe.run(self.forward, index, amount)[0])

    def forward(self):
        return self.subject.forward(self.tensors)


def _derivative(subject, probe, tensors, method, index, direction=1.0):
    """Return the derivative of the objective in one entry (index `...` and an array: in a direction)."""
    if method == "complex":
        outputs = probe.outputs(tensors, index, 1j * COMPLEX_STEP * direction)
        return subject.objective([output.imag for output in outputs]) / COMPLEX_STEP
    step = CENTRAL_STEP * probe.size
    above = probe.outputs(tensors, index, step * direction)
    below = probe.outputs(tensors, index, -step * direction)
    return subject.objective([high - low for high, low in zip(above, below)]) / (2 * step)


def _measure(subject, probe, shape, method, max_entries, rng):
    """Return the numeric gradient, one entry at a time; NaN where it was not measured."""
    size = math.prod(shape)
    entries = range(size)
    if max_entries is not None and size > max_entries:
        entries = np.sort(rng.choice(size, max_entries, replace=False))
    tensors = subject.working_tensors(method)
    numeric = np.full(shape, np.nan)
    for entry in entries:
        index = np.unravel_index(entry, shape)
        derivative = _derivative(subject, probe, tensors, method, index)
        numeric[index] = derivative if np.isfinite(derivative) else np.inf  # NaN says: not measured
    return numeric


def _row(report, name, kind, shape):
    """Compare one analytic with its numeric gradient."""
    numeric, analytic = report.numeric[name], report.analytic[name]
    measured = ~np.isnan(numeric)
    max_numeric = float(np.abs(numeric[measured]).max(initial=0))
    row = Row(name, kind, shape, max_numeric, math.inf, False)
    if analytic is None:
        return row._replace(
            note="no gradient",
            sentence="backward returns no gradient for it. (A constant is given to forward by keyword, and "
            "is then not checked.)",
        )
    if np.isinf(max_numeric):
        return row._replace(
            note="forward not finite",
            sentence="forward gives NaN or Inf when this tensor is moved a little "
            f"({METHOD_NAMES[report.method]}), so that there is nothing to compare with.",
        )
    if np.shape(analytic) != shape or not np.isfinite(analytic).all():
        return row
    difference = np.abs(analytic - numeric)[measured].max(initial=0)
    error = float(difference / _scale(report, max_numeric))
    return row._replace(error=error, ok=error <= report.tolerance)


def _scale(report, largest_entry):
    """Return the divisor of an error: the largest entry of the gradient, but not less than 1e-2·G or 1e-3."""
    largest = max(
        np.abs(gradient[np.isfinite(gradient)]).max(initial=0) for gradient in report.numeric.values()
    )
    return max(largest_entry, 1e-2 * largest, 1e-3)


# --- what is wrong ---


def _check_steps(subject, report, every_step, max_entries, rng):
    """Check the named steps of the backward pass: all of them, or in order until one is wrong."""
    subject.zero_grad()
    record = record_steps(subject.layer, subject.plain_forward, subject.backward, subject.parameters)
    report.skipped = record.skipped if every_step else {}
    report.order = record.order | {step.name: step.order for step in record.steps}
    for step in record.steps:
        probe = _LocalProbe(subject, step)
        if not every_step:
            if _right_in_a_direction(subject, report, probe, step.gradient, rng):
                subject.right_steps[step.name] = step.gradient
                continue
            max_entries = LARGEST_DIAGNOSED_STEP
        report.analytic[step.name] = step.gradient
        report.numeric[step.name] = _measure(
            subject, probe, step.gradient.shape, report.method, max_entries, rng
        )
        row = _row(report, step.name, "step", step.gradient.shape)
        report.steps.append(row)
        if row.ok:
            subject.right_steps[step.name] = step.gradient
        elif not every_step:
            return


def _right_in_a_direction(subject, report, probe, gradient, rng):
    """Compare Σ gradient · v with the derivative along a random v: one forward pass for all entries."""
    direction = rng.standard_normal(gradient.shape)
    tensors = subject.working_tensors(report.method)
    measured = _derivative(subject, probe, tensors, report.method, ..., direction)
    largest = np.abs(gradient).max(initial=0)
    error = abs(np.sum(gradient * direction) - measured) / _scale(report, largest)
    return error <= report.tolerance * math.sqrt(max(gradient.size, 1))  # NaN is not <= anything


def _explain(subject, report):
    """Give every wrong row its note and sentence, and the report its diagnosis."""
    wrong = [row for row in report.steps + report.rows if not row.ok]
    if not wrong:
        return
    moments = [report.order.get(row.name, math.inf) for row in wrong]
    report.first_wrong = wrong[moments.index(min(moments))].name
    context = _context(subject, report)
    report.rows = [row if row.ok else _explained(subject, report, row, context) for row in report.rows]
    report.steps = [row if row.ok else _explained(subject, report, row, context) for row in report.steps]
    report.diagnosis = next(
        row.sentence for row in report.rows + report.steps if row.name == report.first_wrong
    )


def _context(subject, report):
    """Return what diagnose may compare a wrong gradient with."""
    others = {
        name: gradient
        for name, gradient in report.numeric.items()
        if name in subject.tensors and not np.isnan(gradient).any()
    }
    output = {"the output": d_output for d_output in subject.d_outputs if d_output.ndim}
    arrays = contents(dict(zip(subject.input_names, subject.inputs)) | subject.forward_kwargs)
    right_steps = {name: subject.right_steps[name] for name in sorted(subject.right_steps, key=_depth)}
    return {
        "others": others,
        "steps": output | right_steps,
        "values": arrays | subject.tensors,
        "numbers": _numbers(subject, arrays),
    }


def _depth(name):
    """Of several names of an array, as d_output_sum and output_norm.d_x, the outer layer's says more."""
    return name.count(".")


def _explained(subject, report, row, context):
    """Return a wrong row with its sentence, and a note if a pattern fits or it is the first wrong one."""
    if row.note:
        return row
    numeric, analytic = report.numeric[row.name], report.analytic[row.name]
    if np.isnan(numeric).any():
        return row._replace(
            sentence="Only some of its entries were measured, too few to recognise a pattern."
        )
    if report.method == "complex" and _agrees_with_central(subject, report, row):
        return row._replace(
            note="not complex-safe",
            sentence="backward agrees with central differences and not with the complex step: your forward "
            "is not complex-safe. Look for np.abs, .real or np.conj in it, or use method='central'.",
        )
    is_first = row.name == report.first_wrong
    with_ones = functools.partial(_right_with_ones, subject, report, row) if is_first else None
    overwritten = row.name in subject.overwritten
    found = diagnose(row.name, analytic, numeric, **context, overwritten=overwritten, with_ones=with_ones)
    if found.pattern == NOT_RECOGNISED and not is_first:
        return row._replace(sentence=found.sentence)
    return row._replace(note=found.pattern, sentence=found.sentence)


def _agrees_with_central(subject, report, row):
    """True if central differences agree with backward where it is furthest from the complex step."""
    numeric, analytic = report.numeric[row.name], report.analytic[row.name]
    if (
        row.kind == "step"
        or np.shape(analytic) != row.shape
        or row.error < 1e-5
        or not np.isfinite(row.error)
    ):
        return False
    worst = np.unravel_index(np.argmax(np.abs(analytic - numeric)), row.shape)
    probe = _TensorProbe(subject, row.name)
    central = _derivative(subject, probe, subject.working_tensors("central"), "central", worst)
    return abs(central - analytic[worst]) < 1e-2 * abs(central - numeric[worst])


def _numbers(subject, arrays):
    """Return {meaning: number} for what a mistaken factor may be made of: sizes, rates, counts."""
    numbers = {}
    for name, array in arrays.items():
        numbers |= {f"axis {axis} of {name}": size for axis, size in enumerate(array.shape)}
        numbers[f"the size of {name}"] = array.size
        if array.dtype.kind == "i" and (array < 0).any():
            numbers[f"the count of {name} that are not negative"] = int((array >= 0).sum())
    for number, d_output in enumerate(subject.d_outputs):
        if d_output.ndim == 0:
            numbers["the upstream gradient"] = float(d_output)
        output = "the output" if len(subject.d_outputs) == 1 else f"output {number}"
        numbers |= {f"axis {axis} of {output}": size for axis, size in enumerate(d_output.shape)}
    for name, gradient in subject.right_steps.items():
        numbers |= {f"axis {axis} of {name}": size for axis, size in enumerate(gradient.shape)}
    for path, sublayer in [] if isinstance(subject.layer, (tuple, list)) else walk(subject.layer, is_layer):
        for name, value in getattr(sublayer, "__dict__", {}).items():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                numbers[f"{path}.{name}" if path else name] = value
    return numbers


def _right_with_ones(subject, report, row, gain):
    """Is this gradient right when the parameter `gain` is all ones?"""
    if gain not in subject.parameters:
        return False
    kept = subject.tensors[gain]
    subject.tensors[gain] = np.ones_like(kept)
    subject.zero_grad()
    if row.kind == "step":
        record = record_steps(subject.layer, subject.plain_forward, subject.backward, subject.parameters)
        step = next(step for step in record.steps if step.name == row.name)
        analytic, probe = step.gradient, _LocalProbe(subject, step)
    else:
        _, cache = subject.plain_forward()
        gradients = subject.gradients(subject.backward(cache))
        analytic, probe = gradients[row.name].copy(), _TensorProbe(subject, row.name)
    numeric = _measure(subject, probe, row.shape, report.method, 50, np.random.default_rng(0))
    subject.tensors[gain] = kept
    measured = np.isfinite(numeric)
    difference = np.abs(analytic - numeric)[measured].max(initial=0)
    return difference <= 1e-6 * np.abs(numeric[measured]).max(initial=0)
