"""Right, wrong or undecided: one gradient is measured, and weighed against the error of the measurement."""

import math
from typing import NamedTuple

import numpy as np

from minibert.gradcheck.reference import CONVERGED, complex_slope, jittered, real_slope

ALLOWED = 10.0  # an estimate of an error may be so many times too small
DIGITS = 1e-5  # a reference that is not known to this part of the largest entry decides nothing
SINGLE = 1e-5  # the error that single precision may cause, as a part of the largest entry

JUMPS = (
    "the slopes on the two sides of this input cannot be measured: the forward pass jumps there, or is "
    "infinitely steep. Check it at an input that is a little off this place."
)
ROUNDING = (
    "rounding leaves too few digits at this input to tell a right gradient from a wrong one (large numbers "
    "that nearly cancel?). Check it at inputs of order 1."
)
SINGLE_PRECISION = (
    "{} is in single precision, which leaves seven digits: too few to tell a right gradient from one that "
    "is a little wrong. For the check, make it float64 (dtype=x.dtype follows the input)."
)


class Measured(NamedTuple):
    """One entry: the reference that it is held against, its uncertainty, the verdict, a note or reason."""

    numeric: float
    allowed: float
    verdict: str
    note: str = ""


def typical_size(array):
    """Return the median size of the entries that are not zero; 1 if there are none."""
    entries = np.abs(array[np.isfinite(array) & (array != 0)])
    return float(np.median(entries)) if entries.size else 1.0


class TensorProbe:
    """Runs the forward pass with a number added to one input or parameter."""

    def __init__(self, subject, name):
        self.subject = subject
        self.name = name
        self.size = typical_size(subject.tensors[name])

    def size_at(self, index):
        """Return (the size of an entry, does it say nothing on how small a step may have to be?)."""
        entries = np.abs(self.subject.tensors[self.name][index])
        is_tiny = bool(np.any(entries < 1e-6 * self.size)) or not entries.any()
        return (self.size if index is ... else max(self.size, float(entries))), is_tiny

    def middle(self, tensors):
        """Return the outputs where nothing is added."""
        return self.subject.outputs_at(tensors)

    def outputs(self, tensors, index, amount):
        """Return the outputs after `amount` was added to entry `index` of the tensor."""
        changed = tensors[self.name].copy()
        changed[index] += amount
        return self.subject.outputs(self.subject.forward(tensors | {self.name: changed})[0])


def _largest(gradient):
    """Return the largest finite entry, in size; 0 if there is none."""
    if gradient is None:
        return 0.0
    finite = np.abs(gradient[np.isfinite(gradient)]) if np.ndim(gradient) else np.abs(np.nan_to_num(gradient))
    return float(finite.max(initial=0))


class Judge:
    """Measures gradients and decides on them.

    Args:
        subject: a Subject whose upstream gradient is drawn.
        tolerance: of errors, as the caller wants it; None: as small as the reference allows.
    """

    def __init__(self, subject, tolerance, rng):
        self.subject, self.tolerance, self.rng = subject, tolerance, rng
        self.complex_tensors = subject.working_tensors("complex")
        self.real_tensors = subject.working_tensors("central")
        self.largest = 0.0  # of any gradient in the check
        self.single = ""  # the name of an array found to be in single precision
        self._jittered = None
        self._noise = {}

    def measure(self, probe, analytic, shape, method, max_entries=None, advance=None):
        """Return (numeric gradient, its uncertainty, jumps), arrays; NaN in the first where not measured."""
        size = math.prod(shape)
        entries = range(size)
        if max_entries is not None and size > max_entries:
            entries = np.sort(self.rng.choice(size, max_entries, replace=False))
        enough = CONVERGED * _largest(analytic)
        numeric, error, jump = np.full(shape, np.nan), np.zeros(shape), np.zeros(shape)
        for entry in entries:
            index = np.unravel_index(entry, shape)
            if method == "complex":
                value = complex_slope(self.subject, probe, self.complex_tensors, index)
            else:
                slope = real_slope(self.subject, probe, self.real_tensors, index, enough=enough)
                value, error[index], jump[index] = slope
            numeric[index] = value if np.isfinite(value) else np.inf  # NaN says: not measured
            if advance is not None:
                advance()
        return numeric, error, jump

    def decide(self, name, probe, analytic, numeric, error, jump, method, is_accepted):
        """Return (verdict, note, uncertainty) of a gradient, and put the right slopes into `numeric`.

        is_accepted: function of the differences that returns booleans: small enough for the caller.
        """
        measured = ~np.isnan(numeric)
        scale = self.scale(numeric)
        with np.errstate(invalid="ignore"):
            difference = np.where(measured, np.abs(analytic - numeric), 0.0)
        if method == "complex":
            is_fine = is_accepted(difference) & np.isfinite(difference)
        else:
            allowed = ALLOWED * error + 1e-12 * scale
            off = np.maximum(difference - np.abs(jump) / 2, 0.0)
            is_fine = (off <= allowed) & (allowed <= DIGITS * scale) & np.bool_(not self.single)
            if self.tolerance is not None:
                is_fine |= is_accepted(off)
            at_kink = is_fine & (jump != 0) & measured
            numeric[at_kink] = analytic[at_kink]
        notes = ["at a kink"] if method != "complex" and np.any(is_fine & (jump != 0)) else []
        verdicts = []
        doubtful = np.flatnonzero(~is_fine & measured)
        order = np.nan_to_num(difference.reshape(-1)[doubtful], nan=np.inf, posinf=np.inf)
        for entry in doubtful[np.argsort(-order, kind="stable")]:
            index = np.unravel_index(entry, numeric.shape)
            by_complex = numeric[index] if method == "complex" and np.isfinite(numeric[index]) else None
            found = self._examine(name, probe, index, analytic[index], by_complex, scale)
            numeric[index], error[index] = found.numeric, found.allowed / ALLOWED
            verdicts.append(found.verdict)
            notes.append(found.note)
            if found.verdict == "wrong":
                break
        for verdict in ("wrong", "undecided"):
            if verdict in verdicts:
                return verdict, notes[len(notes) - len(verdicts) + verdicts.index(verdict)]
        return "right", next((note for note in notes if note), "")

    def _examine(self, name, probe, index, analytic, by_complex, scale):
        """Decide on one entry with all means: real differences, slopes on both sides, and rounding."""
        slope = real_slope(self.subject, probe, self.real_tensors, index)
        own, others = self._noise_at(name, probe, index, by_complex is not None)
        low, high = slope.value - abs(slope.jump) / 2, slope.value + abs(slope.jump) / 2
        nearest = float(np.clip(analytic, low, high))
        real_error = ALLOWED * slope.error
        if slope.jump:
            allowed = real_error + 1e-9 * abs(slope.jump)
            is_right = abs(analytic - nearest) <= allowed
            return Measured(float(analytic) if is_right else nearest, allowed,
                            "right" if is_right else self._wrong(analytic, nearest, scale), "at a kink")
        if by_complex is not None:
            rounding = ALLOWED * (own + others)
            if abs(analytic - by_complex) <= rounding + 1e-14 * scale:
                return self._if_digits(by_complex, rounding, scale, analytic, own)
            is_confirmed = abs(by_complex - slope.value) <= max(3 * slope.error, ALLOWED * others)
            if is_confirmed or not np.isfinite(slope.error):
                verdict = self._wrong(analytic, by_complex, scale)
                return Measured(by_complex, rounding, verdict, self._why_undecided(verdict))
        if not np.isfinite(slope.error) or slope.error > 0.1 * abs(slope.value) > 1e3 * DIGITS * scale:
            return Measured(by_complex or slope.value, math.inf, "undecided", JUMPS)
        allowed = real_error + ALLOWED * own
        if abs(analytic - slope.value) <= allowed:
            found = self._if_digits(slope.value, allowed, scale, analytic, own)
            return found._replace(note=found.note or "real differences")
        verdict = self._wrong(analytic, slope.value, scale)
        return Measured(slope.value, allowed, verdict, self._why_undecided(verdict))

    def _if_digits(self, numeric, allowed, scale, analytic, own):
        """Return "right" if so many digits are known that this says something."""
        if self.single and allowed > 1e-9 * scale:
            return Measured(numeric, allowed, "undecided", SINGLE_PRECISION.format(self.single))
        subject = self.subject
        flow = sum(float(np.sum(np.abs(d * y))) for d, y in zip(subject.d_outputs, subject.plain_outputs))
        sizes = [typical_size(tensor) for tensor in subject.tensors.values()]
        is_zero = abs(analytic) <= ALLOWED * min(own, 1e-13 * flow / min(sizes))  # but for rounding
        if allowed > DIGITS * scale and not is_zero:
            return Measured(numeric, allowed, "undecided", ROUNDING)
        return Measured(numeric, allowed, "right")

    def direction_tolerance(self, gradient):
        """Return how far Σ gradient · v may be off, for each root of an entry."""
        tolerance = 1e-12 if self.tolerance is None else self.tolerance
        rounding = ALLOWED * self.relative_noise() if self._jittered is not None else 0.0
        return (tolerance + rounding) * max(float(np.abs(gradient).max(initial=0)), 1e-2 * self.largest)

    def _wrong(self, analytic, numeric, scale):
        """Return "wrong", or "undecided" where single precision explains the difference."""
        is_small = bool(self.single) and abs(analytic - numeric) <= SINGLE * scale
        return "undecided" if is_small else "wrong"

    def _why_undecided(self, verdict):
        return SINGLE_PRECISION.format(self.single) if verdict == "undecided" else ""

    def scale(self, numeric):
        """Return the size of a gradient that counts: its largest entry, and a little of any other's."""
        finite = np.abs(numeric[np.isfinite(numeric)])
        return max(float(finite.max(initial=0)), 1e-2 * self.largest, 1e-300)

    # --- rounding: the same computation on inputs that differ in their last bit ---

    def _noise_at(self, name, probe, index, wants_complex):
        """Return how far rounding moves (the analytic gradient, the complex slope) of an entry."""
        jittered = self._jittered_tensors()
        if name in self._noise:
            own = float(self._noise[name][index])
        else:  # a step of the backward pass: as noisy as the gradients are
            own = self.relative_noise() * self.largest
        others = 0.0
        if wants_complex:
            every = [self.complex_tensors, *jittered]
            slopes = [complex_slope(self.subject, probe, tensors, index) for tensors in every]
            others = float(np.ptp(slopes)) if np.isfinite(slopes).all() else math.inf
        return own, others

    def relative_noise(self):
        """Return the largest noise of any gradient, as a part of its largest entry."""
        self._jittered_tensors()
        floor = max(1e-2 * self.largest, 1e-300)
        parts = [
            noise.max(initial=0) / max(np.abs(self.gradients[name]).max(initial=0), floor)
            for name, noise in self._noise.items()
        ]
        return float(max(parts, default=0.0))

    def _jittered_tensors(self):
        """Return complex tensors that differ in the last bit; fill `_noise` from their analytic gradients."""
        if self._jittered is None:
            self._jittered, rng = [], np.random.default_rng(0)
            self.gradients = self.subject.analytic(self.subject.tensors)
            self.gradients = {name: g for name, g in self.gradients.items() if g is not None}
            noise = {name: np.zeros(gradient.shape) for name, gradient in self.gradients.items()}
            for _ in range(3):
                tensors = jittered(self.subject.tensors, rng)
                for name, gradient in self.subject.analytic(tensors).items():
                    if name in noise and gradient is not None and gradient.shape == noise[name].shape:
                        noise[name] = np.maximum(noise[name], np.abs(gradient - self.gradients[name]))
                self._jittered.append({name: t.astype(np.complex128) for name, t in tensors.items()})
            self._noise = {name: np.nan_to_num(entries, nan=0.0) for name, entries in noise.items()}
        return self._jittered
