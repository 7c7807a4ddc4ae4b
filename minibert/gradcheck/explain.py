"""Where does it go wrong, and how does it look? The named steps, the first wrong one, its diagnosis."""

import functools
import math

import numpy as np

from minibert.gradcheck.diagnosis import NOT_RECOGNISED, diagnose
from minibert.gradcheck.intermediates import StepProbe, record_steps
from minibert.gradcheck.judge import Judge, TensorProbe, typical_size
from minibert.gradcheck.reference import complex_slope, real_slope
from minibert.gradcheck.subject import contents
from minibert.layers.walk import is_layer, walk

LARGEST_DIAGNOSED_STEP = 2000  # entries of a wrong step that are measured, one forward pass each


class LocalProbe:
    """Runs the forward pass with a number added to the local that belongs to one backward step."""

    def __init__(self, subject, step):
        self.subject = subject
        self.step = step
        self.size = typical_size(step.content)
        self.probe = StepProbe(subject.layer, step)
        self.kept = None

    def size_at(self, index):
        entries = np.abs(self.step.content[index])
        is_tiny = bool(np.any(entries < 1e-6 * self.size))
        return (self.size if index is ... else max(self.size, float(entries))), is_tiny

    def middle(self, tensors):
        if self.kept is None or self.kept[0] is not tensors:
            self.kept = tensors, self.subject.outputs(self.subject.forward(tensors)[0])
        return self.kept[1]

    def outputs(self, tensors, index, amount):
        """Return the outputs after `amount` was added to entry `index` of the local."""
        self.tensors = tensors
        return self.subject.outputs(self.probe.run(self.forward, index, amount)[0])

    def forward(self):
        return self.subject.forward(self.tensors)


def check_steps(subject, report, judge, decide, every_step, max_entries):
    """Check the named steps of the backward pass: all of them, or in order until one is wrong."""
    record = record_steps(
        subject.layer, subject.plain_forward, subject.backward, subject.parameters, subject.zero_grad
    )
    report.skipped = record.skipped if every_step else {}
    report.order = record.order | {step.name: step.order for step in record.steps}
    if not record.steps:
        report.notes.append(
            "no step of backward could be followed: only locals that are named after the value they "
            "differentiate are, d_scores (or dscores, grad_scores) after a local scores of forward."
        )
    method = "complex" if {row.method for row in report.rows} == {"complex"} else "central"
    for step in record.steps:
        probe = LocalProbe(subject, step)
        if not every_step:
            if _right_in_a_direction(subject, judge, probe, method, step.gradient):
                subject.right_steps[step.name] = step.gradient
                continue
            max_entries = LARGEST_DIAGNOSED_STEP
        numeric, row = _decided(
            subject, report, judge, decide, probe, step, step.gradient, method, max_entries
        )
        if row.ok:
            subject.right_steps[step.name] = step.gradient
        elif step.unmasked is not None:
            report.numeric.pop(step.name)
            _, unmasked = _decided(
                subject, report, judge, decide, probe, step, step.unmasked, method, max_entries
            )
            row = unmasked if unmasked.ok else row
        is_to_blame = row.ok or _mends(subject, report, step, numeric)
        if not is_to_blame:  # it holds one of several paths, or was changed on the way
            report.analytic.pop(step.name)
            report.numeric.pop(step.name)
            if every_step:
                report.skipped[step.name] = "it is one part of a sum, or is changed on its way"
            continue
        if every_step or not row.ok:
            report.steps.append(row)
        if not row.ok and not every_step:
            return


def _decided(subject, report, judge, decide, probe, step, gradient, method, max_entries):
    report.analytic[step.name] = gradient
    measured = judge.measure(probe, gradient, gradient.shape, method, max_entries)
    report.numeric[step.name] = measured[0]
    return measured[0], decide(subject, report, judge, probe, step.name, measured, method, "step")


def _mends(subject, report, step, numeric):
    """Is a wrong gradient mended, or moved at all, by the right numbers in the place of this step's?

    A step that holds one of several paths, or is masked in place, differs from the measured one and yet does
    no harm.
    """
    if not np.isfinite(numeric).all() or step.backward_line is None:
        return True
    wrong = [row.name for row in report.rows if row.verdict == "wrong"]
    if not wrong:
        return False
    _, cache = subject.plain_forward()
    subject.zero_grad()
    try:
        probe = StepProbe(subject.layer, step)
        returned = probe.run_backward(lambda: subject.backward(cache), numeric)
        mended = subject.gradients(returned)
    except Exception:
        return True
    for name in wrong:
        before, now, right = report.analytic[name], mended[name], report.numeric[name]
        if before is None or now is None or np.shape(now) != right.shape or np.shape(before) != right.shape:
            continue
        known = np.isfinite(right)
        error_before = np.abs(before - right)[known].max(initial=0)
        error_now = np.abs(now - right)[known].max(initial=0)
        if not error_now > 0.999 * error_before:
            return True
    return False


def _right_in_a_direction(subject, judge, probe, method, gradient):
    """Compare Σ gradient · v with the derivative along a random v: one forward pass for all entries."""
    direction = judge.rng.standard_normal(gradient.shape)
    claimed = np.sum(gradient * direction)
    allowed = judge.direction_tolerance(gradient) * math.sqrt(max(gradient.size, 1))
    if method == "complex":
        measured = complex_slope(subject, probe, judge.complex_tensors, ..., direction)
        return abs(claimed - measured) <= allowed  # NaN is not <= anything
    enough = 1e-10 * float(np.linalg.norm(gradient))
    slope = real_slope(subject, probe, judge.real_tensors, ..., direction, enough)
    return abs(claimed - slope.value) <= allowed + 10 * slope.error and slope.error < 1e-3 * abs(claimed)


def explain(subject, report):
    """Give every wrong row its note and sentence, and the report its diagnosis."""
    wrong = [row for row in report.steps + report.rows if row.verdict == "wrong"]
    if not wrong:
        return
    moments = [report.order.get(row.name, math.inf) for row in wrong]
    report.first_wrong = wrong[moments.index(min(moments))].name
    context = _context(subject, report)

    def explained(row):
        return _explained(subject, report, row, context) if row.verdict == "wrong" else row

    report.rows = [explained(row) for row in report.rows]
    report.steps = [explained(row) for row in report.steps]
    report.diagnosis = next(
        row.sentence for row in report.rows + report.steps if row.name == report.first_wrong
    )


def _context(subject, report):
    """Return the gradients that diagnose may compare a wrong gradient with."""
    others = {
        name: gradient
        for name, gradient in report.numeric.items()
        if name in subject.tensors and not np.isnan(gradient).any()
    }
    output = {"the output": d_output for d_output in subject.d_outputs if d_output.ndim}
    arrays = contents(dict(zip(subject.input_names, subject.inputs)) | subject.forward_kwargs)
    y, cache = subject.plain_forward()
    cached = {
        f"cache.{name}" if name else "the cache": array
        for name, array in contents(cache).items()
        if not any(np.array_equal(array, other) for other in [*arrays.values(), *subject.tensors.values()])
    }
    cached |= {"the output": output for output in subject.outputs(y) if output.ndim}
    right_steps = {name: subject.right_steps[name] for name in sorted(subject.right_steps, key=_depth)}
    return {
        "others": others,
        "steps": output | right_steps,
        "values": arrays | subject.tensors | cached,
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
    if np.isnan(numeric).any() and row.name not in subject.overwritten:
        return row._replace(
            sentence="Only some of its entries were measured, too few to recognise a pattern."
        )
    is_first = row.name == report.first_wrong
    with_ones = functools.partial(_right_with_ones, subject, row) if is_first else None
    overwritten = row.name in subject.overwritten
    found = diagnose(row.name, analytic, numeric, **context, overwritten=overwritten, with_ones=with_ones)
    if found.pattern == NOT_RECOGNISED and not is_first:
        return row._replace(sentence=found.sentence)
    return row._replace(note=found.pattern, sentence=found.sentence)


def _numbers(subject, arrays):
    """Return {meaning: number} for the parts of a mistaken factor: sizes, rates, counts."""
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


def _right_with_ones(subject, row, gain):
    """Is this gradient right when the parameter `gain` is all ones?"""
    if gain not in subject.parameters:
        return False
    kept = subject.tensors[gain]
    subject.tensors[gain] = np.ones_like(kept)
    if row.kind == "step":
        record = record_steps(
            subject.layer, subject.plain_forward, subject.backward, subject.parameters, subject.zero_grad
        )
        step = next(step for step in record.steps if step.name == row.name)
        analytic, probe = step.gradient, LocalProbe(subject, step)
    else:
        analytic, probe = subject.analytic(subject.tensors)[row.name], TensorProbe(subject, row.name)
    numeric, _, _ = Judge(subject, None, np.random.default_rng(0)).measure(
        probe, analytic, row.shape, row.method, 50
    )
    subject.tensors[gain] = kept
    measured = np.isfinite(numeric)
    difference = np.abs(analytic - numeric)[measured].max(initial=0)
    return difference <= 1e-6 * np.abs(numeric[measured]).max(initial=0)
