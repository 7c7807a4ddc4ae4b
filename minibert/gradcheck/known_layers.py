"""Mistakes in layers whose backward everybody writes once: recurrences, normalisations, rotations, losses.

Each pattern computes the gradient that the suspected mistake would give, and speaks only if that is the
wrong one.
"""

import itertools

import numpy as np

from minibert.gradcheck.evidence import CLOSE, derivatives, differs, fits_last_axes, same, without_own

EPSILONS = (0.0, 1e-12, 1e-8, 1e-6, 1e-5, 1e-3)  # that layers add to a variance


def wrong_axis(case):
    """numeric = P.sum(a) and analytic = P.sum(b), P being a gradient, or a gradient times a value."""
    if not case.numeric.ndim or abs(case.analytic.sum() - case.numeric.sum()) > CLOSE * _total(case.numeric):
        return None
    steps = case.steps | without_own(case)
    values = [("", 1.0), *((f" * {name}", value) for name, value in case.values.items() if _is_float(value))]
    for (step, gradient), (times, value) in itertools.product(steps.items(), values):
        if gradient.ndim < 2 or np.shape(value) not in ((), gradient.shape):
            continue
        product = gradient * value
        if abs(product.sum() - case.numeric.sum()) > CLOSE * _total(product):
            continue
        axes = _sets_of_axes(product.ndim)
        right = [axis for axis in axes if _is_sum(product, axis, case.numeric)]
        wrong = [axis for axis in axes if _is_sum(product, axis, case.analytic)]
        if right and wrong:
            return (
                f"it is the sum of (the gradient of {step}){times} over {_text(wrong[0])}, and should be the "
                f"sum over {_text(right[0])}."
            )


def product_missing(case):
    """Of a tensor that is used twice, the share of one use is left out, and that share is a product."""
    difference = case.numeric - case.analytic
    for step, gradient in case.steps.items():
        for text, share in _products(step, gradient, case.values):
            if share.size > 2 and share.any() and same(difference, share):
                return (
                    f"a term is missing, {text}: where a tensor is used twice, the gradients of both uses "
                    "are added."
                )


def derivative_before_product(case):
    """y = tanh(x W), and backward goes through the product at once: d_x = d_y Wᵀ."""
    for step, gradient in case.steps.items():
        for text, whole in _products(step, gradient, case.values):
            if not same(case.analytic, whole):
                continue
            for name, value in case.values.items():
                if value.shape != gradient.shape or not _is_float(value):
                    continue
                for factor, meaning in derivatives(name, value):
                    right = dict(_products(step, gradient * factor, case.values))
                    if same(right[text], case.numeric):
                        return f"it is {text}, and the factor {meaning}, is missing before the product."


def _products(step, gradient, values):
    """Yield (text, the product) of a gradient with each array that it can be multiplied with."""
    step = step if step.isidentifier() else f"(the gradient of {step})"
    for name, value in values.items():
        if not _is_float(value) or not value.ndim or not gradient.ndim:
            continue
        if value.ndim == 2 and gradient.shape[-1] == value.shape[1]:
            yield f"{step} @ {name}.T", gradient @ value.T
        if value.ndim == 2 and gradient.shape[-1] == value.shape[0]:
            yield f"{step} @ {name}", gradient @ value
        if value.ndim >= 2 and value.shape[:-1] == gradient.shape[:-1]:
            rows, d_rows = (array.reshape(-1, array.shape[-1]) for array in (value, gradient))
            yield f"{name}.T @ {step}", rows.T @ d_rows
        if value.ndim == gradient.ndim == 1:
            yield f"outer({name}, {step})", np.outer(value, gradient)
            yield f"outer({step}, {name})", np.outer(gradient, value)


def one_step_only(case):
    """In a loop, `grad = ...` for `grad += ...` leaves the share of the step that is visited last."""
    if case.numeric.ndim not in (1, 2):
        return None
    for name, gradient in (case.steps | without_own(case)).items():
        if gradient.ndim < 2:
            continue
        some = np.random.default_rng(0).standard_normal(gradient.shape[-1])  # a quick look, before a long one
        d_some = gradient @ some
        turns = (False, True)[: case.numeric.ndim]
        for turned, matrix in itertools.product(turns, _ways_back(case, gradient)):
            numeric, analytic = (case.numeric.T, case.analytic.T) if turned else (case.numeric, case.analytic)
            if numeric.shape[-1] != len(matrix):
                continue
            numeric_some = numeric @ (matrix @ some)
            for axis, states in _states(case, gradient, numeric):
                quick = states.reshape(-1, states.shape[-1]).T @ d_some.reshape(-1)
                if not same(quick.reshape(numeric_some.shape), numeric_some):
                    continue
                shares = _shares(states, gradient, axis).reshape(-1, *(numeric @ matrix).shape)
                if len(shares) < 2 or not same(shares.sum(0), numeric @ matrix):
                    continue
                for step in (0, len(shares) - 1):
                    if shares[step].any() and same(analytic @ matrix, shares[step]):
                        return (
                            f"it holds the share of index {step} alone of the {len(shares)} along axis "
                            f"{axis} of {name}, and the sum of all belongs there: in the loop over them, "
                            "write grad += ..., not grad = ..."
                        )


def norm_along_wrong_axis(case):
    """numeric = s (d - mean(d) - h mean(d h)): was one of the two means taken along another axis?"""
    for name, x, axes, is_centred in _normalised(case, case.numeric):
        for step, d_normalized in _times_gains(case):
            for eps in EPSILONS:
                right = _through_norm(d_normalized, x, axes, eps, is_centred)
                if not same(right, case.numeric):
                    continue
                for other in _sets_of_axes(x.ndim):
                    for along, text in (
                        ((axes, other), "the term of the variance is"),
                        ((other, axes), "the term of the mean is"),
                        ((other, other), "the terms of the mean and of the variance are"),
                    ):
                        wrong = [_through_norm(d_normalized, x, axes, eps, is_centred, *along)]
                        if along == (axes, other):
                            wrong.append(_by_single_steps(d_normalized, x, axes, eps, is_centred, other))
                        if other != axes and any(
                            same(case.analytic, one) and not same(one, right) for one in wrong
                        ):
                            return (
                                f"forward normalises {name} along {_text(axes)}, and in backward {text} "
                                f"taken along {_text(other)}."
                            )
                return None


def skip_at_the_norm(case):
    """x + f(norm(x)): is the gradient of the skip path added before or after it goes back through norm?"""
    for step, d_skip in case.steps.items():
        if d_skip.shape != case.numeric.shape:
            continue
        for sign, text in (
            (
                1,
                "it is added before backward goes through the normalisation, and should be added after it: "
                "x + f(norm(x)) sends it back to x as it is",
            ),
            (
                -1,
                "it is added after backward went through the normalisation, and should be added before it: "
                "in z + f(z), z = norm(x), both paths come from the normalisation",
            ),
        ):
            through = sign * (case.analytic - case.numeric) + d_skip
            if same(through, d_skip) or not through.any():
                continue
            for name, x, axes, is_centred in _normalised(case, through):
                for gained, d_normalized in _times_gains(case, {step: d_skip}):
                    for eps in EPSILONS:
                        if same(_through_norm(d_normalized, x, axes, eps, is_centred), through):
                            return f"the skip path brings the gradient of {step}: {text}."


def rotated_forward(case):
    """A rotation by an angle goes back by the opposite one: a = z e^(ia), where z e^(-ia) is right."""
    if not case.numeric.ndim or case.numeric.shape[-1] % 2:
        return None
    half = case.numeric.shape[-1] // 2
    for step, gradient in case.steps.items():
        if gradient.shape != case.numeric.shape or not gradient.any():
            continue
        for first, second, text in (
            (slice(0, None, 2), slice(1, None, 2), "(2i, 2i + 1)"),
            (slice(0, half), slice(half, None), f"(i, i + {half})"),
        ):
            arrived, right, wrong = (
                array[..., first] + 1j * array[..., second]
                for array in (gradient, case.numeric, case.analytic)
            )
            if same(abs(right), abs(arrived)) and same(wrong * right, arrived * arrived):
                return (
                    f"it is the gradient of {step} with each pair of features {text} rotated by the angle of "
                    "the forward pass, and backward rotates the other way: the sine changes its sign."
                )


def at_the_labels(case):
    """Losses over classes: all entries are right but those of the labels, one in each row."""
    if case.numeric.ndim < 2:
        return None
    num_classes = case.numeric.shape[-1]
    for name, labels in case.values.items():
        if labels.dtype.kind not in "iu" or labels.shape != case.numeric.shape[:-1]:
            continue
        counted = (labels >= 0) & (labels < num_classes)
        at_label = (labels[..., None] == np.arange(num_classes)) & counted[..., None]
        if not counted.any():
            continue
        numeric, analytic = case.numeric[at_label], case.analytic[at_label]
        is_alone = case.numeric[~at_label].any() and not case.analytic[~at_label].any()
        if is_alone and same(analytic, numeric):
            return (
                f"only the entries of {name}, one in each row, have a gradient, and these are right: the "
                "other classes' entries are left out."
            )
        if differs(case)[~at_label].any():
            continue
        others = np.where(at_label, 0.0, case.numeric)[counted]
        head = f"only the entries of {name}, one in each row, are wrong"
        if not analytic.any():
            return f"{head}: they are zero, the term of the label's own class is left out."
        if same(-analytic, numeric):
            return f"{head}: they have the wrong sign."
        for p_name, probs in _probabilities(case):
            rows, right = probs[counted], (probs - at_label)[counted]
            times = np.vdot(right, case.numeric[counted]) / (np.vdot(right, right) or 1.0)
            if same(times * right, case.numeric[counted]):
                for wrong, text in (
                    (rows, "the 1 of the label is not subtracted"),
                    ((probs + at_label)[counted], "the 1 of the label is added"),
                ):
                    if same(case.analytic[counted], times * wrong):
                        return f"{head}: p - one_hot belongs there, p being {p_name}, and {text}."
        count = np.count_nonzero(others, axis=-1)
        if same(others.sum(-1), -numeric) and (count > 1).any() and same(analytic * count, numeric):
            return (
                f"{head}: minus the sum of the other classes' entries of its row belongs there, and the sum "
                "over the classes is left out."
            )


def sum_of_targets(case):
    """The cross-entropy of soft targets has p * t.sum() - t, which is p - t only where t sums to 1."""
    for (p_name, probs), (name, targets) in itertools.product(_probabilities(case), case.values.items()):
        if targets.shape != probs.shape or not _is_float(targets) or name in (p_name, case.name):
            continue
        total = targets.sum(-1, keepdims=True)
        right, wrong = probs * total - targets, probs - targets
        times = np.vdot(right, case.numeric) / (np.vdot(right, right) or 1.0)
        if same(times * right, case.numeric) and same(case.analytic, times * wrong):
            return (
                f"it is p - {name}, and should be p * {name}.sum(-1) - {name}: the sum over the classes is "
                f"left out, which is 1 only where {name} is a distribution."
            )


# --- helpers ---


def _is_float(array):
    return array.dtype.kind == "f"


def _total(array):
    return np.abs(array).sum()


def _sets_of_axes(ndim):
    """Return each axis, and all but the last."""
    axes = [(axis,) for axis in range(ndim)]
    return axes + [tuple(range(ndim - 1))] if ndim > 2 else axes


def _text(axes):
    return f"axis {axes[0]}" if len(axes) == 1 else f"axes {', '.join(map(str, axes))}"


def _probabilities(case):
    """Yield (name, p) of the softmax of the tensor itself, and of values whose rows sum to 1."""
    logits = case.values.get(case.name)
    if logits is not None and logits.shape == case.numeric.shape and logits.ndim and _is_float(logits):
        exponentials = np.exp(logits - logits.max(-1, keepdims=True))
        yield f"the softmax of {case.name}", exponentials / exponentials.sum(-1, keepdims=True)
    for name, value in case.values.items():
        if value.shape == case.numeric.shape and value.ndim and _is_float(value) and (value >= 0).all():
            if same(value.sum(-1), np.ones(value.shape[:-1])):
                yield name, value


def _is_sum(product, axes, gradient):
    total = product.sum(axes)
    return total.size == gradient.size and same(total.reshape(gradient.shape), gradient)


def _ways_back(case, gradient):
    """Yield matrices m: G @ m is known if G is the gradient of a weight, and `gradient` its upstream times m.

    y = x @ w has d_w = x.T @ d_y and d_x = d_y @ w.T, so that d_w @ w.T = x.T @ d_x without any d_y.
    """
    yield np.eye(gradient.shape[-1])
    layer = case.name.rpartition(".")[0]
    for name, value in case.values.items():
        if value.ndim == 2 and _is_float(value) and name.rpartition(".")[0] == layer:
            if value.shape[1] == gradient.shape[-1]:
                yield value
            if value.shape[0] == gradient.shape[-1]:
                yield value.T


def _states(case, gradient, weight_gradient):
    """Yield (axis, states): a weight (K, ·) may multiply `states` (..., K) at each step of an axis."""
    for axis in range(gradient.ndim - 1):
        if weight_gradient.ndim == 1:
            yield axis, np.ones((*gradient.shape[:-1], 1))
            continue
        before = (slice(None),) * axis
        for states in case.values.values():
            if states.ndim != gradient.ndim or states.shape[-1] != len(weight_gradient):
                continue
            if states.shape[axis] == gradient.shape[axis] + 1:  # one more: the state before each step
                states = states[*before, :-1]
            if states.shape[:-1] == gradient.shape[:-1] and _is_float(states):
                yield axis, states


def _shares(states, gradient, axis):
    """Return statesᵀ @ gradient of every step along an axis: (steps, K, ·)."""
    rows, d_rows = (
        np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1, array.shape[-1])
        for array in (states, gradient)
    )
    return rows.swapaxes(1, 2) @ d_rows


def _through_norm(d_normalized, x, axes, eps, is_centred, mean_axes=None, variance_axes=None):
    """Return d_x for (x - mean) / sqrt(variance + eps), or for x / sqrt(mean of squares + eps)."""
    centred = x - x.mean(axes, keepdims=True) if is_centred else x
    inverse_std = 1 / np.sqrt((centred * centred).mean(axes, keepdims=True) + eps)
    normalized = centred * inverse_std
    mean = d_normalized.mean(mean_axes or axes, keepdims=True) if is_centred else 0.0
    along = (d_normalized * normalized).mean(variance_axes or axes, keepdims=True)
    return inverse_std * (d_normalized - mean - normalized * along)


def _by_single_steps(d_normalized, x, axes, eps, is_centred, variance_axes):
    """Return d_x as the steps of the chain rule give it, the sum of d_inverse_std along other axes."""
    centred = x - x.mean(axes, keepdims=True) if is_centred else x
    inverse_std = 1 / np.sqrt((centred * centred).mean(axes, keepdims=True) + eps)
    d_inverse_std = (d_normalized * centred).sum(variance_axes, keepdims=True)
    count = x.size / inverse_std.size
    d_centred = d_normalized * inverse_std - centred * inverse_std**3 * d_inverse_std / count
    return d_centred - d_centred.mean(axes, keepdims=True) if is_centred else d_centred


def _normalised(case, gradient):
    """Yield (name, x, axes, is centred) where `gradient` may have come back through a normalisation of x."""
    for name, x in case.values.items():
        if x.shape != gradient.shape or not _is_float(x):
            continue
        for axes in _sets_of_axes(x.ndim):
            if (np.ptp(x, axes) == 0).any():
                continue
            for is_centred in (True, False):
                centred = x - x.mean(axes, keepdims=True) if is_centred else x
                is_balanced = np.abs(gradient.sum(axes)).max() <= CLOSE * np.abs(gradient).max()
                across = np.abs((gradient * centred).sum(axes)).max()
                if (is_balanced or not is_centred) and across <= 0.01 * _total(gradient * centred):
                    yield name, x, axes, is_centred


def _times_gains(case, gradients=None):
    """Yield (name, gradient) of all right gradients of the shape, as they are and times each gain."""
    for name, gradient in (case.steps if gradients is None else gradients).items():
        if gradient.shape == case.numeric.shape:
            yield name, gradient
            for gain, value in case.values.items():
                if _is_float(value) and fits_last_axes(value, gradient) and value.shape != gradient.shape:
                    yield f"{name} * {gain}", gradient * value
