"""Mistakes in layers that everybody writes: each is planted in such a layer and has its sentence.

The layers are written as students write them, in loops and with short names, and no step can be followed in
most of them: what the check has is the input, the parameters, the cache, and the right and wrong gradients.
"""

import numpy as np
import pytest

from minibert.gradcheck import check_gradients, known_layers
from minibert.gradcheck.diagnosis import PATTERNS

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.standard_normal(shape)


# --- a recurrence: `=` for `+=` over the time steps ---


def rnn(x, h0, Wx, Wh, b):
    hs = np.zeros((len(x), x.shape[1] + 1, len(b)), dtype=np.result_type(x, h0, Wx, Wh, b))
    hs[:, 0] = h0
    for t in range(x.shape[1]):
        hs[:, t + 1] = np.tanh(x[:, t] @ Wx + hs[:, t] @ Wh + b)
    return hs[:, 1:] * 1.0, (x, hs, Wx, Wh)


def rnn_backward(overwritten):
    def backward(dout, cache):
        x, hs, Wx, Wh = cache
        dx, dWx, dWh, db = np.zeros_like(x), 0.0, 0.0, 0.0
        dh = np.zeros_like(hs[:, 0])
        for t in reversed(range(x.shape[1])):
            da = (dout[:, t] + dh) * (1 - hs[:, t + 1] ** 2)
            dWx = (0.0 if overwritten == "Wx" else dWx) + x[:, t].T @ da
            dWh = (0.0 if overwritten == "Wh" else dWh) + hs[:, t].T @ da
            db = (0.0 if overwritten == "b" else db) + da.sum(0)
            dx[:, t], dh = da @ Wx.T, da @ Wh.T
        return dx, dh, dWx, dWh, db

    return backward


def rnn_inputs(size):
    return normal(3, 5, size), normal(3, 4), normal(size, 4), normal(4, 4), normal(4)


def rows_one_by_one(x, w):
    return x @ w.T, (x, w)


def rows_one_by_one_backward(dy, cache):
    x, w = cache
    for n in range(len(x)):
        dw = np.outer(dy[n], x[n])
    return dy @ w, dw


# --- normalisation ---


def norm(axis, eps, has_mean=True):
    def forward(x, gamma):
        centred = x - x.mean(axis, keepdims=True) if has_mean else x
        inverse = 1 / np.sqrt((centred * centred).mean(axis, keepdims=True) + eps)
        return centred * inverse * gamma, (centred * inverse, inverse, gamma)

    return forward


def norm_backward(mean_axis, variance_axis, has_mean=True):
    def backward(dy, cache):
        hat, inverse, gamma = cache
        g = dy * gamma
        total = g - hat * (g * hat).mean(variance_axis, keepdims=True)
        if has_mean:
            total = total - g.mean(mean_axis, keepdims=True)
        return inverse * total, (dy * hat).reshape(-1, len(gamma)).sum(0)

    return backward


def norm_backward_by_steps(dy, cache):
    """As in CS231n's notes, a step at a time; one of them sums along axis 0."""
    hat, inverse, gamma = cache
    dxhat, centred, size = dy * gamma, hat / inverse, dy.shape[1]
    divar = np.sum(dxhat * centred, axis=0)
    dvar = -0.5 * inverse**3 * divar
    total = dxhat * inverse + 2 * centred * dvar / size
    return total - total.mean(1, keepdims=True), (dy * hat).sum(0)


def gamma_along_rows(dy, cache):
    hat, inverse, gamma = cache
    g = dy * gamma
    dx = inverse * (g - g.mean(-1, keepdims=True) - hat * (g * hat).mean(-1, keepdims=True))
    return dx, (dy * hat).sum(1)


def pre_norm(x, w):
    """y = x + f(norm(x)), as GPT-2's block."""
    hat, (_, inverse, gamma) = norm(-1, 1e-5)(x, np.ones(x.shape[-1]))
    branch = np.tanh(hat @ w)
    return x + branch, (hat, inverse, gamma, branch, w)


def pre_norm_backward(dy, cache):
    """The skip path's gradient is added before the normalisation."""
    hat, inverse, gamma, branch, w = cache
    da = dy * (1 - branch**2)
    g, _ = norm_backward(-1, -1)(dy + da @ w.T, (hat, inverse, gamma))
    return g, hat.reshape(-1, len(w)).T @ da.reshape(-1, len(w))


def skip_behind_norm(x, w):
    """y = z + f(z), z = norm(x)."""
    hat, (_, inverse, gamma) = norm(-1, 1e-5)(x, np.ones(x.shape[-1]))
    branch = np.tanh(hat @ w)
    return hat + branch, (hat, inverse, gamma, branch, w)


def skip_behind_norm_backward(dy, cache):
    hat, inverse, gamma, branch, w = cache
    da = dy * (1 - branch**2)
    g, _ = norm_backward(-1, -1)(da @ w.T, (hat, inverse, gamma))
    return dy + g, hat.reshape(-1, len(w)).T @ da.reshape(-1, len(w))


# --- rotary positions ---


def angles(x):
    positions = np.arange(1, x.shape[-2] + 1)[:, None]
    return positions / 10.0 ** np.arange(x.shape[-1] // 2)


def rope_neighbours(x):
    y, cos, sin = np.zeros_like(x), np.cos(angles(x)), np.sin(angles(x))
    y[..., ::2] = x[..., ::2] * cos - x[..., 1::2] * sin
    y[..., 1::2] = x[..., ::2] * sin + x[..., 1::2] * cos
    return y, None


def rope_halves(x):
    half = x.shape[-1] // 2
    cos, sin = (np.tile(f(angles(x)), 2) for f in (np.cos, np.sin))
    turned = np.concatenate([-x[..., half:], x[..., :half]], -1)
    return x * cos + turned * sin, None


# --- losses over classes ---


def svm(scores, labels):
    rows = np.arange(len(scores))
    margins = scores - scores[rows, labels][:, None] + 1.0
    margins = np.where(margins.real > 0, margins, 0)
    margins[rows, labels] = 0
    return margins.sum() / len(scores), (margins, labels)


def svm_backward(at_label):
    def backward(dloss, cache):
        margins, labels = cache
        ds = (margins > 0) * 1.0
        ds[np.arange(len(ds)), labels] = at_label(ds.sum(1))
        return dloss * ds / len(ds), None

    return backward


def cross_entropy(logits, labels):
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    return -np.log(p[np.arange(len(p)), labels]).mean(), (p, labels)


def cross_entropy_backward(at_label, elsewhere=1.0):
    def backward(dloss, cache):
        p, labels = cache
        ds = p * elsewhere
        rows = np.arange(len(p))
        ds[rows, labels] = p[rows, labels] + at_label
        return dloss * ds / len(p), None

    return backward


def soft_cross_entropy(logits, target):
    return -(target * (logits - np.log(np.exp(logits).sum(-1, keepdims=True)))).sum() / len(logits), (
        logits,
        target,
    )


def soft_cross_entropy_backward(dloss, cache):
    logits, target = cache
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    return dloss * (p - target) / len(p)


def two_projections(states, first, second):
    a = states @ first
    b = states @ second
    y = np.tanh(a) * b
    return y, (states, first, second, a, b)


def two_projections_backward(of_first, of_second):
    def backward(dy, cache):
        states, first, second, a, b = cache
        da = dy * b * (1 - np.tanh(a) ** 2)
        db = dy * np.tanh(a)
        return of_first * (da @ first.T) + of_second * (db @ second.T), states.T @ da, states.T @ db

    return backward


def pooled(states, w):
    scores = states @ w
    exponentials = np.exp(scores)
    p = exponentials / exponentials.sum()
    return p @ states, (states, w, p)


def pooled_backward(of_scores, of_states):
    def backward(dy, cache):
        states, w, p = cache
        dp = states @ dy
        dscores = p * (dp - (p * dp).sum())
        return of_scores * np.outer(dscores, w) + of_states * np.outer(p, dy), states.T @ dscores

    return backward


def dense(x, w):
    y = np.tanh(x @ w)
    return y, (x, w, y)


def dense_backward(has_factor_for_x, has_factor_for_w):
    def backward(dy, cache):
        x, w, y = cache
        da = dy * (1 - y * y)
        return (da if has_factor_for_x else dy) @ w.T, x.T @ (da if has_factor_for_w else dy)

    return backward


LABELS = np.array([0, 3, 1, 4, 4, 2])
SCORES = normal(6, 5)
IN_GAMMA = normal(4, 5), RNG.uniform(0.5, 2, 5)
IN_GAMMA_3 = normal(2, 3, 5), RNG.uniform(0.5, 2, 5)
SQUARE = normal(5, 5), RNG.uniform(0.5, 2, 5)
PROJECTED = normal(3, 4), normal(4, 5), normal(4, 5)

# pattern, forward, backward, inputs, keyword inputs, name of the wrong gradient, words of the sentence
PLANTED = [
    ("one step only", rnn, rnn_backward("Wx"), rnn_inputs(3), {}, "Wx",
     "index 0 alone of the 5 along axis 1"),
    ("one step only", rnn, rnn_backward("Wx"), rnn_inputs(6), {}, "Wx",
     "index 0 alone of the 5 along axis 1"),
    ("one step only", rnn, rnn_backward("Wh"), rnn_inputs(3), {}, "Wh", "write grad += ..., not grad = ..."),
    ("one step only", rnn, rnn_backward("b"), rnn_inputs(3), {}, "b", "and the sum of all belongs there"),
    ("one step only", rows_one_by_one, rows_one_by_one_backward, (normal(3, 4), normal(5, 4)), {}, "w",
     "index 2 alone of the 3 along axis 0"),
    ("norm along wrong axis", norm(-1, 1e-5), norm_backward(-1, 0), IN_GAMMA, {}, "x",
     "normalises x along axis 1, and in backward the term of the variance is taken along axis 0"),
    ("norm along wrong axis", norm(0, 1e-5), norm_backward(-1, 0), IN_GAMMA, {}, "x",
     "along axis 0, and in backward the term of the mean is taken along axis 1"),
    ("norm along wrong axis", norm(-1, 1e-12), norm_backward(1, 1), IN_GAMMA_3, {}, "x",
     "along axis 2, and in backward the terms of the mean and of the variance are taken along axis 1"),
    ("norm along wrong axis", norm(-1, 1e-6, False), norm_backward(-1, 0, False), IN_GAMMA, {}, "x",
     "the term of the variance is taken along axis 0"),
    ("norm along wrong axis", norm(-1, 1e-5), norm_backward_by_steps, SQUARE, {}, "x",
     "the term of the variance is taken along axis 0"),
    ("wrong axis", norm(-1, 1e-5), gamma_along_rows, SQUARE, {}, "gamma",
     "over axis 1, and should be the sum"),
    ("skip at the norm", pre_norm, pre_norm_backward, (normal(2, 3, 5), normal(5, 5)), {}, "x",
     "the gradient of the output: it is added before backward goes through the normalisation"),
    ("skip at the norm", skip_behind_norm, skip_behind_norm_backward, (normal(2, 3, 5), normal(5, 5)), {},
     "x", "the gradient of the output: it is added after backward went through the normalisation"),
    ("rotated forward", rope_neighbours, lambda dy, _: rope_neighbours(dy)[0], (normal(2, 3, 4),), {}, "x",
     "each pair of features (2i, 2i + 1) rotated by the angle of the forward pass"),
    ("rotated forward", rope_halves, lambda dy, _: rope_halves(dy)[0], (normal(2, 3, 6),), {}, "x",
     "(i, i + 3)"),
    ("at the labels", svm, svm_backward(lambda count: -1.0), (SCORES, LABELS), {}, "scores",
     "the sum over the classes is left out"),
    ("at the labels", svm, svm_backward(lambda count: 0.0), (SCORES, LABELS), {}, "scores",
     "the term of the label's own class is left out"),
    ("at the labels", svm, svm_backward(lambda count: count), (SCORES, LABELS), {}, "scores",
     "the wrong sign"),
    ("at the labels", cross_entropy, cross_entropy_backward(0.0), (SCORES, LABELS), {}, "logits",
     "p being the softmax of logits, and the 1 of the label is not subtracted"),
    ("at the labels", cross_entropy, cross_entropy_backward(1.0), (SCORES, LABELS), {}, "logits",
     "the 1 of the label is added"),
    ("at the labels", cross_entropy, cross_entropy_backward(-1.0, 0.0), (SCORES, LABELS), {}, "logits",
     "the other classes' entries are left out"),
    ("product missing", two_projections, two_projections_backward(0, 1), PROJECTED, {}, "states",
     "a term is missing, da @ first.T"),
    ("product missing", two_projections, two_projections_backward(1, 0), PROJECTED, {}, "states",
     "a term is missing, db @ second.T"),
    ("product missing", pooled, pooled_backward(0, 1), (normal(4, 3), normal(3)), {}, "states",
     "outer(dscores, w)"),
    ("product missing", pooled, pooled_backward(1, 0), (normal(4, 3), normal(3)), {}, "states",
     "the gradient of the output)"),
    ("derivative before a product", dense, dense_backward(False, True), (normal(5, 4), normal(4, 3)), {},
     "x", "1 - cache.2^2, the derivative of tanh, is missing before the product"),
    ("derivative before a product", dense, dense_backward(True, False), (normal(5, 4), normal(4, 3)), {},
     "w", "it is x.T @ (the gradient of the output)"),
    ("sum of targets", soft_cross_entropy, soft_cross_entropy_backward, (SCORES,),
     {"target": RNG.uniform(0, 1, (6, 5))}, "logits", "p * target.sum(-1) - target"),
]


@pytest.mark.parametrize("pattern, forward, backward, inputs, kwargs, name, words", PLANTED)
def test_planted(pattern, forward, backward, inputs, kwargs, name, words):
    report = check_gradients((forward, backward), *inputs, **kwargs)
    assert {row.name: row.note for row in report.rows if row.verdict != "right"} == {name: pattern}, report
    assert words in report.diagnosis


def test_every_pattern_is_planted():
    own = {pattern for pattern, find in PATTERNS if find.__module__ == known_layers.__name__}
    assert own == {pattern for pattern, *_ in PLANTED}
