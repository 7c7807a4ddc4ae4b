"""The mistake in a wrong gradient, in words.

`diagnose` holds a wrong gradient against the right one and tries a list of patterns, one small function each:
wrong sign, a constant factor, transposed, a term missing … Each returns a plain sentence, or None if that is
not it. The first that fits is the diagnosis; where none fits, `largest_error` says where to look.
"""

import itertools
import math
from typing import NamedTuple

import numpy as np

from minibert.gradcheck import known_layers
from minibert.gradcheck.evidence import CLOSE, Case, derivatives, differs, fits_last_axes, same, without_own

IGNORE_INDEX = -100
NOT_RECOGNISED = "not recognised"


class Diagnosis(NamedTuple):
    """The name of a pattern ("wrong sign") and the sentence for the person."""

    pattern: str
    sentence: str


def diagnose(
    name,
    analytic,
    numeric,
    others=None,
    steps=None,
    values=None,
    numbers=None,
    overwritten=False,
    with_ones=None,
):
    """Describe the mistake in the gradient `analytic`; `numeric` is the right one; arguments as in Case.

    Returns:
        Diagnosis.
    """
    analytic, numeric = np.asarray(analytic), np.asarray(numeric)
    own_sizes = {f"axis {axis} of {name}": size for axis, size in enumerate(numeric.shape)}
    case = Case(
        name,
        analytic,
        numeric,
        others or {},
        steps or {},
        values or {},
        (numbers or {}) | own_sizes,
        overwritten,
        with_ones,
    )
    for pattern, find in PATTERNS:
        sentence = find(case)
        if sentence is not None:
            return Diagnosis(pattern, sentence)
    return Diagnosis(NOT_RECOGNISED, largest_error(case))


# --- the patterns ---


def not_finite(case):
    bad = np.argwhere(~np.isfinite(case.analytic))
    if len(bad):
        return (
            f"{len(bad)} of {case.analytic.size} entries are NaN or Inf, the first at {place(bad[0])}: look "
            "for a division by zero, the logarithm of zero, or an exp that overflows."
        )


def wrong_shape(case):
    if case.analytic.shape == case.numeric.shape:
        return None
    text = f"it has shape {case.analytic.shape}, the tensor has shape {case.numeric.shape}."
    if same(case.analytic.T, case.numeric):
        return text + " It is transposed: the factors of the matrix product are in the wrong order."
    extra = case.analytic.ndim - case.numeric.ndim
    if extra > 0 and same(case.analytic.sum(axis=tuple(range(extra))), case.numeric):
        return (
            text
            + f" Sum it over the first {extra} axes: a tensor used for many rows gets the sum of all "
            "gradients."
        )
    if case.analytic.size == case.numeric.size and same(
        case.analytic.reshape(case.numeric.shape), case.numeric
    ):
        return text + " The numbers are right: reshape it."
    return text


def no_gradient(case):
    if not case.analytic.any() and case.numeric.any():
        return (
            "backward leaves it exactly zero, but the objective depends on it: the gradient is never "
            "computed, is written to another place, is overwritten by a share that is zero (grad = ... in a "
            "loop over steps), or is multiplied by something that is zero."
        )


def overwritten(case):
    if case.overwritten:
        return (
            "it is overwritten instead of added (grad = ... where grad += ... is needed): when a weight is "
            "used twice, only the last use counts."
        )


def wrong_sign(case):
    if same(case.analytic, -case.numeric):
        return "every entry has the wrong sign: a minus is missing, or one is too many."


def single_precision(case):
    error = np.abs(case.analytic - case.numeric).max() / np.abs(case.numeric).max(initial=1e-300)
    if error < CLOSE:
        cause = (
            "a small number (an eps) is left out or put in another place, a constant is rounded, an "
            "approximation is used where forward is exact (or the other way round), or something in it is "
            "computed in float32"
        )
        if np.array_equal(case.analytic, case.analytic.astype(np.float32)):
            cause = "it is computed in float32"
        return f"it is right to {-math.log10(error):.0f} digits and no further: {cause}."


def truly_zero(case):
    if not case.numeric.any() and case.analytic.any():
        return (
            "forward does not change at all when this is moved (it is rounded, compared or not used): the "
            "gradient is zero, and backward gives one all the same (as a straight-through estimator does)."
        )


def penalty_missing(case):
    value = case.values.get(case.name)
    if value is None or value.shape != case.analytic.shape or value.size < 3 or not value.any():
        return None
    difference = case.numeric - case.analytic
    rounding = 1e-12 * np.abs(case.numeric).max(initial=0)
    upstream = case.numbers.get("the upstream gradient", 1.0)
    for term, text in ((value * upstream, case.name), (np.sign(value) * upstream, f"sign({case.name})")):
        if same(np.vdot(case.numeric, term) / np.vdot(term, term) * term, case.numeric):
            continue  # all of the gradient is a multiple of it: a factor or a sign is wrong
        times = float(np.vdot(difference, term) / np.vdot(term, term))
        is_same = np.abs(difference - times * term).max() <= max(CLOSE * np.abs(difference).max(), rounding)
        if is_same and np.abs(difference).max() > 10 * rounding:
            return (
                f"a term is missing: {times:.4g} times {text}, as a penalty on the size of {case.name} "
                "(weight decay) gives."
            )


def softmax_rule(case):
    """numeric = p (dp - sum p dp): which part of it was left out?"""
    for name, probs in case.values.items():
        if probs.shape != case.numeric.shape or probs.dtype.kind != "f" or not probs.ndim:
            continue
        for step, d_probs in case.steps.items():
            if d_probs.shape != probs.shape:
                continue
            product = probs * d_probs
            if not same(product - probs * product.sum(-1, keepdims=True), case.numeric):
                continue
            for wrong, text in (
                (product, "the sum is left out: only the diagonal of the Jacobian is used"),
                (product * (1 - probs), "p (1 - p) is only the diagonal of the Jacobian"),
                (product - probs * d_probs.sum(-1, keepdims=True), "in the sum, the factor p is missing"),
                (product - probs * product.mean(-1, keepdims=True), "a mean is taken where the sum belongs"),
                (d_probs - product.sum(-1, keepdims=True), "the first factor p is missing"),
                (product + probs * product.sum(-1, keepdims=True), "the sum is added instead of subtracted"),
            ):
                if same(case.analytic, wrong):
                    return (
                        f"the derivative of a softmax is p * (d_p - (p * d_p).sum()), p being {name} and d_p "
                        f"the gradient of {step}: {text}."
                    )


def derivative_missing(case):
    for name, value in case.values.items():
        if value.shape != case.numeric.shape or value.dtype.kind != "f" or not value.ndim:
            continue
        for factor, text in (*derivatives(name, value), (value, name)):
            if np.ptp(factor) and same(case.analytic * factor, case.numeric):
                return f"the factor {text}, is missing.".replace(f"{name}, is", f"{name} is")


def constant_factor(case):
    norm = np.vdot(case.numeric, case.numeric)
    if norm == 0:
        return None
    factor = float(np.real(np.vdot(case.analytic, case.numeric)) / norm)
    if factor != 0 and same(case.analytic / factor, case.numeric):
        known = name_factor(factor, case.numbers)
        comparison = "too large" if abs(factor) > 1 else "what it should be"
        return f"it is {factor:.6g} times {comparison}{known}."


def transposed(case):
    for axes in itertools.permutations(range(case.numeric.ndim)):
        moved = case.numeric.transpose(axes)
        if axes != tuple(range(case.numeric.ndim)) and same(case.analytic, moved):
            return (
                "it is the transposed gradient"
                + ("" if case.numeric.ndim == 2 else f" (axes {axes})")
                + ": a .T or swapaxes is missing, or the factors of a product are in the wrong order."
            )


def swapped(case):
    for name, other in without_own(case).items():
        if same(case.analytic, other):
            return (
                f"it is the gradient of {name}: the two are swapped, or one is written to the other's place."
            )
        if other.ndim == 2 and same(case.analytic, other.T):
            return (
                f"it is the gradient of {name}, transposed: the two are swapped, or written to the other's "
                "place."
            )


def passed_on(case):
    for name, other in case.steps.items():
        if same(case.analytic, other):
            return (
                f"it is the gradient of {name} and nothing else: it is passed on unchanged. A "
                "factor is missing (the derivative of the function between the two), or a term (the other "
                "path of a skip connection)."
            )


def reshaped(case):
    if case.numeric.ndim < 2 or case.numeric.shape != case.analytic.shape:
        return None
    for axes in itertools.permutations(range(case.numeric.ndim)):
        order = [case.numeric.shape[axis] for axis in axes]
        for moved in (
            case.numeric.transpose(axes).reshape(case.numeric.shape),
            case.numeric.reshape(order).transpose(np.argsort(axes)),
        ):
            if same(case.analytic, moved):
                return (
                    "it holds the right numbers in the wrong places: a reshape where a transpose is needed "
                    "(or both in the wrong order). A reshape keeps the order in memory, a transpose changes "
                    "it."
                )


def reordered(case):
    for count in range(1, case.numeric.ndim + 1):
        for axes in itertools.combinations(range(case.numeric.ndim), count):
            if same(case.analytic, np.flip(case.numeric, axes)) and case.numeric.size > 1:
                return (
                    f"it is flipped along axis {' and '.join(map(str, axes))}: look which way forward goes "
                    "through it (a convolution turns its kernel round, a backward recurrence its steps)."
                )
    for axis, size in enumerate(case.numeric.shape):
        rows, wrong = (np.moveaxis(g, axis, 0).reshape(size, -1) for g in (case.numeric, case.analytic))
        for blocks in (number for number in range(2, size + 1) if size % number == 0):
            parts, given = (np.split(array, blocks) for array in (rows, wrong))
            places = [next((k for k, part in enumerate(parts) if same(one, part)), None) for one in given]
            if None not in places and len(set(places)) == blocks and places != sorted(places):
                return (
                    f"its {blocks} blocks along axis {axis} are in the wrong order, {places} (gates, heads "
                    "or classes that are exchanged)."
                )


def added_constant(case):
    difference = case.analytic - case.numeric
    if case.numeric.size > 1 and same(difference, np.full_like(difference, difference.mean())):
        text = f"{difference.mean():.6g} is added to every entry"
        if abs(difference.mean() - 1) > CLOSE:
            return text + "."
        return (
            text + ": the derivative of a sum x + f(x) is d_y + ..., the gradient that came in, and not a "
            "number."
        )


def term_missing(case):
    for name, other in (without_own(case) | case.steps).items():
        if other.shape != case.numeric.shape or other.size < 3 or not other.any():
            continue
        difference = case.numeric - case.analytic
        times = float(np.vdot(difference, other) / np.vdot(other, other))
        if not same(difference, times * other):
            continue
        if abs(times - 1) < CLOSE:
            return (
                f"a term is missing, and it is equal to the gradient of {name}: where a tensor is used twice "
                "(a skip path, a shared weight), the gradients of both uses are added."
            )
        if abs(times - 2) < CLOSE:
            return f"one term of it, the gradient of {name}, is subtracted and should be added."
        if abs(times + 1) < CLOSE:
            return f"a term is added once too often: the gradient of {name}."
        return f"one term of it, the gradient of {name}, is counted {1 - times:.6g} times."


def number_for_gradient(case):
    for name, other in case.steps.items():
        if other.shape == case.numeric.shape and other.size > 2:
            rest = case.numeric - case.analytic - other
            if same(rest, np.full_like(rest, rest.mean())):
                return (
                    f"the number {-rest.mean():.6g} is used where the gradient of {name} belongs: the "
                    "derivative of x + f(x) sends back the gradient that came in, not 1."
                )


def term_exchanged(case):
    gradients = {
        name: other
        for name, other in (without_own(case) | case.steps).items()
        if other.shape == case.numeric.shape and other.size > 2
    }
    difference = case.numeric - case.analytic
    for right, wrong in itertools.permutations(gradients, 2):
        if same(difference, gradients[right] - gradients[wrong]):
            return (
                f"one term of it is the gradient of {wrong}, where that of {right} belongs: look which way "
                "the forward pass took to the sum."
            )


def product_not_transposed(case):
    for name, matrix in case.values.items():
        if matrix.ndim != 2 or matrix.dtype.kind != "f" or matrix.shape[0] != matrix.shape[1]:
            continue
        for step, gradient in case.steps.items():
            if gradient.ndim and gradient.shape[-1] == len(matrix) and same(gradient @ matrix, case.analytic):
                if same(gradient @ matrix.T, case.numeric):
                    return (
                        f"it is the gradient of {step} times {name}, and should be times its transpose: y = "
                        "x @ w gives d_x = d_y @ w.T. (The matrix is square, so no shape is wrong.)"
                    )


def lookup_share(case):
    if case.numeric.ndim != 2:
        return None
    for name, counts in id_counts(case):
        looked_up = counts > 0
        others_wrong = differs(case)[~looked_up].any()
        if others_wrong and not case.analytic[~looked_up].any() and case.analytic.any():
            return (
                f"only the rows looked up by {name} have a gradient, and all rows should: a term is missing, "
                "the share of the other use of this table (a tied output layer reads every row)."
            )
        wrong = differs(case).any(axis=1)
        if not others_wrong and wrong[looked_up].all() and case.numeric[~looked_up].any():
            return (
                f"the rows looked up by {name} are wrong, all others right: a term is missing, the share of "
                "the lookup (the table is used a second time, in a tied output layer)."
            )


def repeated_ids(case):
    if case.numeric.ndim < 1 or case.analytic.shape != case.numeric.shape:
        return None
    for axis in dict.fromkeys((0, case.numeric.ndim - 1)):
        size = case.numeric.shape[axis]
        both = case.numeric, case.analytic
        numeric, analytic = (np.moveaxis(gradient, axis, 0).reshape(size, -1) for gradient in both)
        for name, ids in case.values.items():
            if ids.dtype.kind not in "iu" or not ids.size or ids.min() < 0 or ids.max() >= size:
                continue
            for gradient in case.steps.values():
                if gradient.size != ids.size * numeric.shape[1]:
                    continue
                rows = gradient.reshape(-1, ids.size).T if axis else gradient.reshape(ids.size, -1)
                one_each = np.zeros_like(numeric)
                one_each[ids.reshape(-1)] = rows
                every = np.zeros_like(numeric)
                np.add.at(every, ids.reshape(-1), rows)
                if same(analytic, one_each) and same(numeric, every):
                    wrong = np.flatnonzero(np.bincount(ids.reshape(-1), minlength=size) > 1)
                    where, rows = (":, ", "columns") if axis else ("", "rows")
                    return (
                        f"the {rows} of ids that occur once in {name} are right, those of repeated ids are "
                        f"not ({', '.join(map(str, wrong[:5]))}): `grad[{where}ids] += d` keeps only one of "
                        "several; use np.add.at(grad, ids, d)."
                    )


def masked_positions(case):
    wrong = differs(case)
    for name, masked in masks(case):
        if masked.any() and not masked.all() and not wrong[~masked].any() and case.numeric[~masked].any():
            return (
                f"it is wrong only at the positions that {name} masks: the entries that forward leaves "
                "out must be left out of backward too (multiply by the mask, or set those entries to zero)."
            )


def one_value_along_axis(case):
    for axis in range(case.numeric.ndim):
        size = case.numeric.shape[axis]
        for verb, reduced in (
            ("summed", case.numeric.sum(axis, keepdims=True)),
            ("averaged", case.numeric.mean(axis, keepdims=True)),
        ):
            if size > 1 and same(case.analytic, np.broadcast_to(reduced, case.numeric.shape)):
                return (
                    f"it is {verb} over axis {axis} (size {size}), where every position should keep its own "
                    "value: a sum or mean that should not be there, or keepdims and broadcasting hiding one."
                )


def term_of_a_mean_missing(case):
    difference = case.analytic - case.numeric
    for axis in reversed(range(case.numeric.ndim)):
        total = case.numeric.sum(axis)
        balanced = np.abs(total).max(initial=0) <= CLOSE * np.abs(case.numeric).max(initial=0)
        if case.numeric.shape[axis] > 2 and balanced and same(difference, repeat_first(difference, axis)):
            return (
                f"the true gradient sums to zero along axis {axis} and this one does not: the term that "
                "subtracts the mean is missing (adding a constant along that axis changes nothing in "
                "forward)."
            )


def part_along_input_missing(case):
    for name, value in case.values.items():
        if (
            value.dtype.kind != "f"
            or value.shape != case.numeric.shape
            or not value.ndim
            or value.shape[-1] < 3
        ):
            continue
        centred = value - value.mean(axis=-1, keepdims=True)
        difference = case.analytic - case.numeric
        norm = (centred * centred).sum(axis=-1, keepdims=True)
        if norm.all() and same(
            (difference * centred).sum(axis=-1, keepdims=True) / norm * centred, difference
        ):
            return (
                f"the missing part is proportional, row by row, to {name} less its mean: the term by which "
                "the variance of a normalisation depends on its input."
            )


def missing_gain(case):
    for name, value in case.values.items():
        if (
            value.dtype.kind != "f"
            or not fits_last_axes(value, case.numeric)
            or same(value, np.ones_like(value))
        ):
            continue
        if same(case.analytic * value, case.numeric):
            return f"the factor {name} is missing: it is right only where {name} is 1."
        if same(case.analytic, case.numeric * value):
            return f"it is multiplied by {name} once too often: it is right only where {name} is 1."


def right_at_one(case):
    if case.with_ones is None:
        return None
    layer = case.name.rpartition(".")[0]
    for name, value in case.values.items():
        is_gain = value.ndim == 1 and value.dtype.kind == "f" and name != case.name and name.startswith(layer)
        if is_gain and not same(value, np.ones_like(value)) and case.with_ones(name):
            return (
                f"it is right when {name} is all ones, and only then: {name} is left out of the derivation."
            )


def largest_error(case):
    """The answer when nothing is recognised: how many entries are wrong, and the worst of them."""
    if case.analytic.shape != case.numeric.shape:
        return f"it has shape {case.analytic.shape}, the tensor has shape {case.numeric.shape}."
    difference = np.abs(case.analytic - case.numeric)
    worst = np.unravel_index(np.argmax(difference), difference.shape)
    return (
        f"no known pattern. {np.count_nonzero(differs(case))} of {difference.size} entries are wrong, the "
        f"worst at {place(worst)}: backward says {case.analytic[worst]:.6g}, the forward pass shows "
        f"{case.numeric[worst]:.6g}."
    )


PATTERNS = [
    ("not finite", not_finite),
    ("wrong axis", known_layers.wrong_axis),
    ("wrong shape", wrong_shape),
    ("exactly zero", no_gradient),
    ("overwritten", overwritten),
    ("no gradient expected", truly_zero),
    ("penalty missing", penalty_missing),
    ("single precision", single_precision),
    ("wrong sign", wrong_sign),
    ("constant factor", constant_factor),
    ("transposed", transposed),
    ("softmax", softmax_rule),
    ("gain missing", missing_gain),
    ("term missing", term_missing),
    ("another's gradient", swapped),
    ("passed on", passed_on),
    ("rotated forward", known_layers.rotated_forward),
    ("derivative missing", derivative_missing),
    ("derivative before a product", known_layers.derivative_before_product),
    ("number for gradient", number_for_gradient),
    ("term exchanged", term_exchanged),
    ("product transposed", product_not_transposed),
    ("reordered", reordered),
    ("reshaped", reshaped),
    ("added constant", added_constant),
    ("share missing", lookup_share),
    ("repeated ids", repeated_ids),
    ("product missing", known_layers.product_missing),
    ("one step only", known_layers.one_step_only),
    ("at the labels", known_layers.at_the_labels),
    ("sum of targets", known_layers.sum_of_targets),
    ("norm along wrong axis", known_layers.norm_along_wrong_axis),
    ("skip at the norm", known_layers.skip_at_the_norm),
    ("masked positions", masked_positions),
    ("summed over an axis", one_value_along_axis),
    ("mean term missing", term_of_a_mean_missing),
    ("variance term missing", part_along_input_missing),
    ("right only at gain 1", right_at_one),
]


# --- helpers ---


def name_factor(factor, numbers):
    """Return " = 1/5 (5 is axis 1 of x)"; "" if no simple product, root or quotient of known numbers fits."""
    for text, value, meaning in known_factors(numbers):
        if value > 0 and abs(abs(factor) / value - 1) < 10 * CLOSE:
            return f" = {'-' if factor < 0 else ''}{text}" + (f" ({meaning})" if meaning else "")
    return ""


def known_factors(numbers):
    """Yield (text, value, meaning) for the factors that mistakes are made of, simplest first."""
    meanings = {}
    for name, number in numbers.items():
        if number > 0 and number != 1:
            is_size = name.startswith(("axis ", "the size of ", "the count of "))  # named after attributes
            names = meanings.setdefault(number, [])
            names.insert(len(names) if is_size else 0, name)
    known = {number: f"{number:.6g} is {' or '.join(names[:2])}" for number, names in meanings.items()}
    sizes = [number for number in known if isinstance(number, int)]
    plain = [
        (f"{number:.6g}", number, meaning + ", or it is the 2 of a square" * (number == 2))
        for number, meaning in known.items()
    ]
    plain.append(("2", 2.0, ""))
    roots = [(f"sqrt({number})", math.sqrt(number), known[number]) for number in sizes]
    rates = [(f"(1 - {number:.6g})", 1 - number, known[number]) for number in known if number < 1]
    pairs = []
    for first, second in itertools.combinations(sizes, 2):
        meaning = f"{known[first]}, {known[second]}"
        pairs.append((f"({first}*{second})", first * second, meaning))
        pairs.append((f"({first}/{second})", first / second, meaning))
    for text, value, meaning in [*plain, *roots, *rates, *pairs]:
        yield text, value, meaning
        yield f"1/{text}", 1 / value, meaning
    for text, value, meaning in [*plain, *rates, *pairs]:
        yield f"{text}^2", value * value, meaning
        yield f"1/{text}^2", 1 / (value * value), meaning


def id_counts(case):
    """Yield (name, how often each row of the tensor is looked up) for every array of ids among the values."""
    rows = len(case.numeric)
    for name, ids in case.values.items():
        if ids.dtype.kind in "iu" and ids.size and ids.min() >= 0 and ids.max() < rows:
            yield name, np.bincount(ids.reshape(-1), minlength=rows)


def masks(case):
    """Yield (name, booleans of the gradient's shape: True where masked) for every mask and labels array."""
    for name, value in case.values.items():
        if value.dtype.kind == "b" or (value.dtype.kind in "iu" and set(np.unique(value)) == {0, 1}):
            masked = value == 0
        elif value.dtype.kind == "i" and (value == IGNORE_INDEX).any():
            masked = value == IGNORE_INDEX
        else:
            continue
        leading = masked.reshape(masked.shape + (1,) * (case.numeric.ndim - masked.ndim))
        rows = (
            masked.reshape((masked.size,) + (1,) * (case.numeric.ndim - 1)) if case.numeric.ndim else masked
        )
        for candidate in (masked, leading, rows):
            try:
                yield name, np.broadcast_to(candidate, case.numeric.shape)
            except ValueError:
                continue


def repeat_first(array, axis):
    """Return `array` with its first entry along the axis repeated."""
    return np.broadcast_to(np.take(array, [0], axis), array.shape)


def place(index):
    return str(tuple(int(number) for number in index))
