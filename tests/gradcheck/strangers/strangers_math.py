"""Scalars and loops: math.exp, float(loss), np.linalg.norm, np.abs."""

import math

import numpy as np
from gradcheck.strangers.stranger import Stranger, integers, normal


def sigmoid(z):
    return 1.0 / (1.0 + math.exp(-z))


def logistic_loss(w, X, y):
    total = 0.0
    for i in range(len(X)):
        z = sum(w[j] * X[i, j] for j in range(len(w)))
        p = sigmoid(z)
        total += -(y[i] * math.log(p) + (1 - y[i]) * math.log(1 - p))
    return total / len(X), (w, X, y)


def logistic_grad(dloss, cache):
    w, X, y = cache
    dw, dX = np.zeros(len(w)), np.zeros(X.shape)
    for i in range(len(X)):
        z = sum(w[j] * X[i, j] for j in range(len(w)))
        error = sigmoid(z) - y[i]
        for j in range(len(w)):
            dw[j] += error * X[i, j] / len(X)
            dX[i, j] = error * w[j] / len(X)
    return dloss * dw, dloss * dX


def logistic_grad_one_example(dloss, cache):
    w, X, y = cache
    dw, dX = np.zeros(len(w)), np.zeros(X.shape)
    for i in range(len(X)):
        z = sum(w[j] * X[i, j] for j in range(len(w)))
        error = sigmoid(z) - y[i]
        for j in range(len(w)):
            dw[j] += error * X[i, j]
            dX[i, j] = error * w[j] / len(X)
    return dloss * dw, dloss * dX


def softmax_row(scores):
    biggest = max(scores)
    e = [math.exp(value - biggest) for value in scores]
    return [value / sum(e) for value in e]


def attention_of_one(query, keys, values):
    scores = [float(np.dot(query, key)) / math.sqrt(len(query)) for key in keys]
    weights = softmax_row(scores)
    out = sum(weight * value for weight, value in zip(weights, values))
    return out, (query, keys, values, weights)


def attention_of_one_backward(dout, cache):
    query, keys, values, weights = cache
    root = math.sqrt(len(query))
    dquery, dkeys, dvalues = np.zeros_like(query), np.zeros_like(keys), np.zeros_like(values)
    dweights = [float(np.dot(dout, value)) for value in values]
    mean = sum(w * dw for w, dw in zip(weights, dweights))
    for j in range(len(keys)):
        dvalues[j] = weights[j] * dout
        dscore = weights[j] * (dweights[j] - mean)
        dquery += dscore * keys[j] / root
        dkeys[j] = dscore * query / root
    return dquery, dkeys, dvalues


def attention_of_one_backward_unweighted(dout, cache):
    query, keys, values, weights = cache
    root = math.sqrt(len(query))
    dquery, dkeys, dvalues = np.zeros_like(query), np.zeros_like(keys), np.zeros_like(values)
    dweights = [float(np.dot(dout, value)) for value in values]
    mean = sum(dweights)
    for j in range(len(keys)):
        dvalues[j] = weights[j] * dout
        dscore = weights[j] * (dweights[j] - mean)
        dquery += dscore * keys[j] / root
        dkeys[j] = dscore * query / root
    return dquery, dkeys, dvalues


def gelu_erf(x):
    return np.vectorize(lambda v: 0.5 * v * (1 + math.erf(v / math.sqrt(2))))(x), x


def gelu_erf_backward(dout, x):
    density = np.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    cdf = np.array([0.5 * (1 + math.erf(v / math.sqrt(2))) for v in x.flat]).reshape(x.shape)
    return dout * (cdf + x * density)


def gelu_erf_backward_by_tanh(dout, x):
    k = math.sqrt(2 / math.pi)
    t = np.tanh(k * (x + 0.044715 * x**3))
    return dout * (0.5 * (1 + t) + 0.5 * x * (1 - t**2) * k * (1 + 3 * 0.044715 * x**2))


def log_sum_exp(x):
    m = x.max()
    return m + math.log(sum(math.exp(v - m) for v in x)), x


def log_sum_exp_backward(dout, x):
    p = np.exp(x - x.max())
    return dout * p / p.sum()


def softplus(x):
    out = np.empty_like(x)
    for i, v in enumerate(x.flat):
        out.flat[i] = v if v > 30 else math.log1p(math.exp(v))
    return out, x


def softplus_backward(dout, x):
    return dout / (1 + np.exp(-x))


def softplus_backward_turned(dout, x):
    return dout / (1 + np.exp(x))


def log_sigmoid(x):
    return np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x))), x


def log_sigmoid_backward(dout, x):
    return dout * np.where(x >= 0, np.exp(-np.abs(x)), 1) / (1 + np.exp(-np.abs(x)))


def triplet_loss(anchor, positive, negative, margin=1.0):
    loss = 0.0
    for a, p, n in zip(anchor, positive, negative):
        loss += max(0.0, float(np.linalg.norm(a - p)) - float(np.linalg.norm(a - n)) + margin)
    return float(loss), (anchor, positive, negative, margin)


def triplet_loss_backward(dloss, cache):
    anchor, positive, negative, margin = cache
    da, dp, dn = np.zeros_like(anchor), np.zeros_like(positive), np.zeros_like(negative)
    for i in range(len(anchor)):
        to_p, to_n = anchor[i] - positive[i], anchor[i] - negative[i]
        near, far = np.linalg.norm(to_p), np.linalg.norm(to_n)
        if near - far + margin > 0:
            da[i] = to_p / near - to_n / far
            dp[i] = -to_p / near
            dn[i] = to_n / far
    return dloss * da, dloss * dp, dloss * dn


def triplet_loss_backward_without_margin(dloss, cache):
    anchor, positive, negative, margin = cache
    da, dp, dn = np.zeros_like(anchor), np.zeros_like(positive), np.zeros_like(negative)
    for i in range(len(anchor)):
        to_p, to_n = anchor[i] - positive[i], anchor[i] - negative[i]
        near, far = np.linalg.norm(to_p), np.linalg.norm(to_n)
        if near - far > 0:
            da[i] = to_p / near - to_n / far
            dp[i] = -to_p / near
            dn[i] = to_n / far
    return dloss * da, dloss * dp, dloss * dn


def normalise_rows(x):
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    safe = np.where(norms == 0, 1, norms)
    return x / safe, (x, safe)


def normalise_rows_backward(dout, cache):
    x, n = cache
    return dout / n - x * np.sum(dout * x, axis=1, keepdims=True) / n**3


def normalise_rows_backward_constant(dout, cache):
    x, n = cache
    return dout / n


def group_lasso(W):
    return np.linalg.norm(W, axis=1).sum(), W


def group_lasso_backward(dout, W):
    n = np.linalg.norm(W, axis=1, keepdims=True)
    return dout * np.divide(W, n, out=np.zeros_like(W), where=n > 0)


def group_lasso_backward_unguarded(dout, W):
    with np.errstate(invalid="ignore"):
        return dout * W / np.linalg.norm(W, axis=1, keepdims=True)


def group_lasso_backward_squared(dout, W):
    return dout * W


def absolute_error(prediction, target):
    return np.abs(prediction - target).mean(), np.sign(prediction - target)


def absolute_error_backward(dloss, sign):
    return dloss * sign / sign.size, -dloss * sign / sign.size


def absolute_error_backward_target_sign(dloss, sign):
    return dloss * sign / sign.size, dloss * sign / sign.size


def huber(x, delta=1.0):
    total = 0.0
    for v in x.flat:
        total += 0.5 * v * v if abs(v) <= delta else delta * (abs(v) - 0.5 * delta)
    return float(total), (x, delta)


def huber_backward(dloss, cache):
    x, delta = cache
    return dloss * np.clip(x, -delta, delta)


def huber_backward_outside(dloss, cache):
    x, delta = cache
    return dloss * np.where(np.abs(x) <= delta, x, np.sign(x))


def kl_divergence(logits, target):
    loss = 0.0
    for row, t in zip(logits, target):
        m = row.max()
        logz = m + np.log(np.exp(row - m).sum())
        for k in range(len(row)):
            if t[k] > 0:
                loss += float(t[k] * (np.log(t[k]) - row[k] + logz))
    return float(loss), (logits, target)


def kl_divergence_backward(dloss, cache):
    logits, target = cache
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    return dloss * (p * target.sum(axis=1, keepdims=True) - target)


def kl_divergence_backward_normalised(dloss, cache):
    logits, target = cache
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    return dloss * (p - target)


def net_of_floats(x, w1, w2):
    hidden = [math.tanh(sum(float(a) * float(b) for a, b in zip(x, column))) for column in w1.T]
    return math.exp(-sum(h * float(w) for h, w in zip(hidden, w2))), (x, w1, w2, hidden)


def net_of_floats_backward(dy, cache):
    x, w1, w2, hidden = cache
    y = math.exp(-sum(h * float(w) for h, w in zip(hidden, w2)))
    dz = -dy * y
    dx, dw1, dw2 = np.zeros(len(x)), np.zeros(w1.shape), np.zeros(len(w2))
    for j, h in enumerate(hidden):
        dw2[j] = dz * h
        da = dz * w2[j] * (1 - h * h)
        for i in range(len(x)):
            dw1[i, j] = da * x[i]
            dx[i] += da * w1[i, j]
    return dx, dw1, dw2


def net_of_floats_backward_last_unit(dy, cache):
    x, w1, w2, hidden = cache
    y = math.exp(-sum(h * float(w) for h, w in zip(hidden, w2)))
    dz = -dy * y
    dx, dw1, dw2 = np.zeros(len(x)), np.zeros(w1.shape), np.zeros(len(w2))
    for j, h in enumerate(hidden):
        dw2[j] = dz * h
        da = dz * w2[j] * (1 - h * h)
        for i in range(len(x)):
            dw1[i, j] = da * x[i]
            dx[i] = da * w1[i, j]
    return dx, dw1, dw2


LOGISTIC = (normal(3), normal(5, 3)), {"y": integers(2, 5)}
ATTENTION = normal(4), normal(3, 4), normal(3, 2)
TRIPLETS = tuple(normal(6, 3, seed=seed) for seed in range(3))
TARGET = np.array([[0.2, 0.3, 0.1, 0.0], [0.1, 0.6, 0.1, 0.7]])
FLOATS = normal(3), normal(3, 2), normal(2)
ZERO_ROW = normal(3, 4) * np.array([[1.0], [0.0], [1.0]])

LAYERS = [
    Stranger(
        "logistic loss by math",
        lambda: (logistic_loss, logistic_grad),
        LOGISTIC[0],
        "right",
        kwargs=LOGISTIC[1],
    ),
    Stranger(
        "logistic loss by math, summed",
        lambda: (logistic_loss, logistic_grad_one_example),
        LOGISTIC[0],
        "wrong",
        "dw is not divided by the number of examples",
        kwargs=LOGISTIC[1],
    ),
    Stranger("attention by math", lambda: (attention_of_one, attention_of_one_backward), ATTENTION, "right"),
    Stranger(
        "attention by math, unweighted mean",
        lambda: (attention_of_one, attention_of_one_backward_unweighted),
        ATTENTION,
        "wrong",
        "the softmax's sum lacks its factor p",
    ),
    Stranger("gelu by math.erf", lambda: (gelu_erf, gelu_erf_backward), (normal(3, 4),), "right"),
    Stranger(
        "gelu by math.erf, the other gelu's slope",
        lambda: (gelu_erf, gelu_erf_backward_by_tanh),
        (normal(3, 4),),
        "wrong",
        "the derivative of the tanh approximation, some 1e-4 away",
    ),
    Stranger("log-sum-exp by math", lambda: (log_sum_exp, log_sum_exp_backward), (normal(5),), "right"),
    Stranger(
        "log-sum-exp near 1e3",
        lambda: (log_sum_exp, log_sum_exp_backward),
        (normal(5, offset=1e3),),
        "right",
    ),
    Stranger("softplus by math", lambda: (softplus, softplus_backward), (normal(3, 4, scale=5.0),), "right"),
    Stranger(
        "softplus by math, sign turned",
        lambda: (softplus, softplus_backward_turned),
        (normal(3, 4),),
        "wrong",
        "sigmoid(-x) instead of sigmoid(x)",
    ),
    Stranger("log-sigmoid", lambda: (log_sigmoid, log_sigmoid_backward), (normal(3, 4, scale=9.0),), "right"),
    Stranger(
        "log-sigmoid at 0 and far out",
        lambda: (log_sigmoid, log_sigmoid_backward),
        (np.array([0.0, 1e-6, -1e-6, 40.0, -800.0, 700.0]),),
        "right",
    ),
    Stranger("triplet loss", lambda: (triplet_loss, triplet_loss_backward), TRIPLETS, "right"),
    Stranger(
        "triplet loss, margin forgotten",
        lambda: (triplet_loss, triplet_loss_backward_without_margin),
        TRIPLETS,
        "wrong",
        "the mask lacks the margin",
    ),
    Stranger(
        "rows of length one",
        lambda: (normalise_rows, normalise_rows_backward),
        (normal(3, 4),),
        "right",
    ),
    Stranger(
        "rows of length one, of 1e-6",
        lambda: (normalise_rows, normalise_rows_backward),
        (normal(3, 4, scale=1e-6),),
        "right",
    ),
    Stranger(
        "rows of length one, length held constant",
        lambda: (normalise_rows, normalise_rows_backward_constant),
        (normal(3, 4),),
        "wrong",
        "the length is treated as a constant",
    ),
    Stranger("group lasso", lambda: (group_lasso, group_lasso_backward), (normal(3, 4, scale=0.3),), "right"),
    Stranger(
        "group lasso with a row of zeros",
        lambda: (group_lasso, group_lasso_backward),
        (ZERO_ROW,),
        "right",
    ),
    Stranger(
        "group lasso, 0/0",
        lambda: (group_lasso, group_lasso_backward_unguarded),
        (ZERO_ROW,),
        "wrong",
        "NaN at the row of zeros, where every slope from -1 to 1 would do",
    ),
    Stranger(
        "group lasso, squared",
        lambda: (group_lasso, group_lasso_backward_squared),
        (normal(3, 4),),
        "wrong",
        "the gradient of half the squared norm",
    ),
    Stranger(
        "absolute error",
        lambda: (absolute_error, absolute_error_backward),
        (normal(3, 4), normal(3, 4, seed=1)),
        "right",
    ),
    Stranger(
        "absolute error where some are met",
        lambda: (absolute_error, absolute_error_backward),
        (np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.5, 3.0])),
        "right",
    ),
    Stranger(
        "absolute error, sign of the target",
        lambda: (absolute_error, absolute_error_backward_target_sign),
        (normal(3, 4), normal(3, 4, seed=1)),
        "wrong",
        "the target's gradient lacks its minus sign",
    ),
    Stranger(
        "huber",
        lambda: (huber, huber_backward),
        (normal(3, 4, scale=2.0),),
        "right",
        kwargs={"delta": 0.7},
    ),
    Stranger("huber of 1e6", lambda: (huber, huber_backward), (normal(3, 4, scale=1e6),), "right"),
    Stranger(
        "huber, delta forgotten",
        lambda: (huber, huber_backward_outside),
        (normal(3, 4, scale=2.0),),
        "wrong",
        "the slope outside is 1 instead of delta",
        kwargs={"delta": 0.7},
    ),
    Stranger(
        "KL divergence, running float",
        lambda: (kl_divergence, kl_divergence_backward),
        (normal(2, 4),),
        "right",
        kwargs={"target": TARGET},
    ),
    Stranger(
        "KL divergence, targets that do not sum to 1",
        lambda: (kl_divergence, kl_divergence_backward_normalised),
        (normal(2, 4),),
        "wrong",
        "p - t holds only where the targets sum to 1",
        kwargs={"target": TARGET},
    ),
    Stranger("net of floats", lambda: (net_of_floats, net_of_floats_backward), FLOATS, "right"),
    Stranger(
        "net of floats, last unit",
        lambda: (net_of_floats, net_of_floats_backward_last_unit),
        FLOATS,
        "wrong",
        "= for += over the hidden units",
    ),
]
