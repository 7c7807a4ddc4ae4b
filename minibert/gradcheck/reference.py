"""The slope of a forward pass, as it really is: the complex step where it holds, real differences elsewhere.

The complex step asks that forward is made of functions that complex numbers pass through as Taylor's series
does. np.abs, a comparison, float() or a buffer of np.zeros breaks that, often for one tensor only. So every
tensor is asked for itself: along a random direction, the complex step must agree with real differences, to as
many digits as these have.

Real differences have many, if their step is chosen with care. D(h) = (f(x + h) - f(x - h)) / 2h is off by
a h² + b h⁴ + …; from D(h) and D(h/4) the first of these terms is eliminated, from three values the second,
and so on (Richardson). The smaller h, the more of it is rounding. Steps from a sixteenth of the entry
downwards are tried, and the best is kept: the one that changed least when it was refined (Ridders). That
change is the estimate of its error, and the verdict on a gradient allows for it.

The same values show kinks: the slopes to the right and to the left, (f(x + h) - f(x)) / h and
(f(x) - f(x - h)) / h, come together as h shrinks if f is smooth, and do not if x lies on a kink, as ReLU has
at 0.

Sources: L. F. Richardson, "The approximate arithmetical solution by finite differences", 1911; C. Ridders,
"Accurate computation of F'(x) and F'(x)F''(x)", Advances in Engineering Software 4, 1982.
"""

import math
import warnings
from typing import NamedTuple

import numpy as np

from minibert.gradcheck.subject import COMPLEX_STEP

FIRST_STEP = 2.0**-4  # part of the size of an entry
RATIO = 4.0
FEW_STEPS, NUM_STEPS = 14, 20  # down to 1e-9 or 2e-13 of the entry
NUM_STEPS_AT_ZERO = 44  # an entry that is 0 has no size of its own: an eps of 1e-12 beside it counts
NUM_COLUMNS = 5
CONVERGED = 1e-10  # relative: where a first look stops to refine
EPS = np.finfo(np.float64).eps


class Slope(NamedTuple):
    """A derivative by real differences.

    Attributes:
        value: from both sides.
        error: its estimated error; infinite if the differences do not settle down.
        jump:  the slope to the right less the slope to the left; 0 if they come together.
    """

    value: float
    error: float
    jump: float


def complex_slope(subject, probe, tensors, index, direction=1.0):
    """Return the derivative of the objective in one entry (index `...` and an array: in a direction)."""
    outputs = probe.outputs(tensors, index, 1j * COMPLEX_STEP * direction)
    return float(subject.objective([output.imag for output in outputs]) / COMPLEX_STEP)


def real_slope(subject, probe, tensors, index, direction=1.0, enough=None, expected=math.inf):
    """Return the Slope of the objective in one entry (index `...` and an array: in a direction).

    Args:
        subject, probe: whose `outputs(tensors, index, amount)` are the outputs after something was added.
        tensors: name -> real array.
        enough: the error at which to stop, estimated or held against `expected`; None tries all steps.
        expected: the slope as found in another way.
    """
    size, is_zero = probe.size_at(index)
    middle = probe.middle(tensors)
    central, jumps = _Differences(2), _Differences(1)
    step = RATIO * FIRST_STEP * 2.0 ** math.floor(math.log2(size))
    noise, errors = 0.0, []
    most = NUM_STEPS_AT_ZERO if is_zero else NUM_STEPS
    for _ in range(most if enough is None else min(most, FEW_STEPS)):
        step /= RATIO
        try:
            above = probe.outputs(tensors, index, step * direction)
            below = probe.outputs(tensors, index, -step * direction)
        except (ArithmeticError, ValueError):  # math.log of a negative number: the step is too large
            continue
        change = subject.objective([high - low for high, low in zip(above, below)])
        bend = subject.objective([high - 2 * mid + low for high, mid, low in zip(above, middle, below)])
        if not (np.isfinite(change) and np.isfinite(bend)):
            continue
        moving = _moving(subject, above, below)
        if moving == 0 and not any(central.entries):  # it may be absorbed by numbers that are too large
            moving = sum(float(np.sum(np.abs(d * high))) for d, high in zip(subject.d_outputs, above))
        elif moving == 0 and step < 1e-5 * size and any(central.entries):  # no bit changes any more
            noise = max(noise, abs(central.entries[-1]) * central.steps[-1])
            break
        noise = max(noise, EPS * moving)
        central.add(float(change / (2 * step)), step, noise)
        jumps.add(float(bend / step), step, 2 * noise)
        if enough is None or len(central.steps) < 2:
            continue
        best, jump = central.latest, jumps.latest
        is_clear = jump.error <= 1e-5 * max(abs(best.value), abs(jump.value), 1e10 * enough)
        error = min(best.error, abs(best.value - expected))
        if is_clear and error <= max(enough, CONVERGED * abs(best.value)):
            return best._replace(jump=_jump(jump, best))
        errors.append(best.error)
        is_settled = min(errors) <= 1e-3 * abs(best.value) or abs(central.entries[-1]) * step <= 1e3 * noise
        if is_settled and min(errors) < min(errors[-3:]):
            break  # smaller steps only add rounding
    if len(central.steps) < 2:
        return Slope(math.nan, math.inf, 0.0)
    best = central.best(noise)
    return best._replace(jump=_jump(jumps.best(2 * noise), best))


def _jump(jump, best):
    """Return the jump of the slope if it is certain, else 0."""
    is_certain = abs(jump.value) > 100 * jump.error and abs(jump.value) > 1e-7 * abs(best.value)
    return jump.value if is_certain else 0.0


class _Differences:
    """Difference quotients at smaller and smaller steps, and their limit at a step of 0 (Richardson).

    Their errors have the powers `power`, power + 2, … of the step.
    """

    def __init__(self, power):
        self.power = power
        self.entries, self.steps, self.rows, self.found = [], [], [], []

    def add(self, entry, step, noise):
        """Add the quotient at the next smaller step; `noise` is the rounding error of the difference."""
        row = [entry]
        if self.rows and self.steps[-1] == RATIO * step:
            for column, previous in enumerate(self.rows[-1][: NUM_COLUMNS - 1]):
                factor = RATIO ** (self.power + 2 * column)
                row.append(row[-1] + (row[-1] - previous) / (factor - 1))
        self.entries.append(entry)
        self.steps.append(step)
        self.rows.append(row)
        self.found.append(self._least_changed(len(self.rows) - 1))
        self.latest = self.found[-1]._replace(error=self.found[-1].error + 2 * noise / step)

    def _least_changed(self, number):
        """Return the entry of a row that changed least, with the change as its error."""
        row, last = self.rows[number], self.rows[number - 1] if number else []
        best = Slope(row[0], math.inf, 0.0)
        for column, value in enumerate(row):
            changes = [abs(value - last[other]) for other in (column - 1, column) if 0 <= other < len(last)]
            if changes and max(changes) < best.error:
                best = Slope(value, max(changes), 0.0)
        return best

    def best(self, noise):
        """Return the best Slope over all steps.

        Where three quotients in a row agree to a percent, the function looks straight; of several such places
        the one with the smallest steps counts. (Far from x, a function may look straight that is not.)
        """
        changes = np.abs(np.diff(self.entries))
        steadiest = int(np.argmin(changes))
        later = changes[steadiest + 1 :] * self.steps[steadiest + 2 :]
        noise = max(noise, float(np.median(later)) if len(later) > 1 else 0.0)
        agrees = changes <= 1e-2 * np.abs(self.entries[1:])
        place = [n for n in range(2, len(self.entries)) if agrees[n - 1] and agrees[n - 2]]
        first = last = place[-1] if place else None
        while place and first - 1 in place:
            first -= 1
        numbers = range(first - 1, last + 1) if place else range(1, len(self.entries))
        errors = {n: self.found[n].error + 2 * noise / self.steps[n] for n in numbers}
        number = min(errors, key=errors.get)
        return Slope(self.found[number].value, errors[number], 0.0)


def _moving(subject, above, below):
    """Return Σ |d_y · y| over the outputs that move: rounding is a part of it."""
    total = 0.0
    for d_output, high, low in zip(subject.d_outputs, above, below):
        total += float(np.sum(np.abs(d_output * high)[high != low]))
    return total


# --- where does the complex step hold? ---


def complex_doubt(subject, probe, direction, norm, complex_tensors, real_tensors):
    """Return why the complex step cannot be trusted for one tensor, or None; `norm` is its gradient's."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", np.exceptions.ComplexWarning)
        try:
            outputs = probe.outputs(complex_tensors, ..., 1j * COMPLEX_STEP * direction)
        except Exception as error:
            return f"with complex numbers it stops with {type(error).__name__}: {error}"
    dropped = [warning for warning in caught if issubclass(warning.category, np.exceptions.ComplexWarning)]
    if not any(output.dtype.kind == "c" for output in outputs):
        if dropped:
            return _DROPS.format(dropped[0])
        return "it returns real numbers when it is given complex ones"
    by_complex = float(subject.objective([output.imag for output in outputs]) / COMPLEX_STEP)
    rounding = 0.0
    for enough in (CONVERGED * norm, None):
        slope = real_slope(subject, probe, real_tensors, ..., direction, enough, by_complex)
        allowed = 3 * slope.error + 1e-12 * abs(by_complex) + rounding
        if slope.jump or not np.isfinite(by_complex):
            break
        if abs(by_complex - slope.value) <= allowed or not np.isfinite(slope.error):
            return None
        rounding = 20 * _rounding_of_complex(subject, probe, complex_tensors, direction, by_complex)
    if slope.jump:
        return KINK
    if not np.isfinite(by_complex):
        return "with complex numbers it overflows or gives NaN"
    if dropped:
        return _DROPS.format(dropped[0])
    return (
        f"in a random direction its derivative is {by_complex:.6g} by the complex step, and "
        f"{abs(by_complex - slope.value):.1e} off by real differences"
    )


def _rounding_of_complex(subject, probe, complex_tensors, direction, by_complex):
    """Return how far the complex slope moves when the last bits of all tensors do."""
    moved, rng = [], np.random.default_rng(0)
    for _ in range(3):
        tensors = jittered(complex_tensors, rng)
        moved.append(abs(complex_slope(subject, probe, tensors, ..., direction) - by_complex))
    return max(moved)


def jittered(tensors, rng):
    """Return tensors that differ in the last bit."""
    return {
        name: tensor * (1 + 2 * EPS * rng.integers(-1, 2, tensor.shape)) for name, tensor in tensors.items()
    }


_DROPS = "line {0.lineno} of {0.filename} drops the imaginary part"
KINK = "this input lies on a kink (as ReLU has at 0) or on a tie"
