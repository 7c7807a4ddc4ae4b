"""Pairs of functions with (out, cache), as the assignments of a vision course have them."""

import numpy as np
from gradcheck.strangers.stranger import Stranger, integers, normal


def affine_forward(x, w, b):
    N = x.shape[0]
    out = x.reshape(N, -1).dot(w) + b
    cache = (x, w, b)
    return out, cache


def affine_backward(dout, cache):
    x, w, b = cache
    N = x.shape[0]
    dx = dout.dot(w.T).reshape(x.shape)
    dw = x.reshape(N, -1).T.dot(dout)
    db = np.sum(dout, axis=0)
    return dx, dw, db


def affine_backward_averaged_bias(dout, cache):
    x, w, b = cache
    N = x.shape[0]
    dx = dout.dot(w.T).reshape(x.shape)
    dw = x.reshape(N, -1).T.dot(dout)
    db = np.mean(dout, axis=0)
    return dx, dw, db


def relu_forward(x):
    return np.maximum(0, x), x


def relu_backward(dout, cache):
    x = cache
    dx = dout.copy()
    dx[x <= 0] = 0
    return dx


def relu_backward_of_the_gradient(dout, cache):
    dx = np.maximum(0, dout)
    return dx


def affine_relu_forward(x, w, b):
    a, fc_cache = affine_forward(x, w, b)
    out, relu_cache = relu_forward(a)
    return out, (fc_cache, relu_cache)


def affine_relu_backward(dout, cache):
    fc_cache, relu_cache = cache
    da = relu_backward(dout, relu_cache)
    dx, dw, db = affine_backward(da, fc_cache)
    return dx, dw, db


def batchnorm_forward(x, gamma, beta, bn_param):
    mode = bn_param["mode"]
    eps = bn_param.get("eps", 1e-5)
    momentum = bn_param.get("momentum", 0.9)
    N, D = x.shape
    running_mean = bn_param.get("running_mean", np.zeros(D))
    running_var = bn_param.get("running_var", np.zeros(D))
    if mode == "train":
        mu = np.mean(x, axis=0)
        xc = x - mu
        var = np.mean(xc * xc, axis=0)
        std = np.sqrt(var + eps)
        xhat = xc / std
        out = gamma * xhat + beta
        running_mean = momentum * running_mean + (1 - momentum) * mu
        running_var = momentum * running_var + (1 - momentum) * var
        cache = (xhat, xc, std, gamma)
    else:
        xhat = (x - running_mean) / np.sqrt(running_var + eps)
        out = gamma * xhat + beta
        cache = (xhat, None, np.sqrt(running_var + eps), gamma)
    bn_param["running_mean"] = running_mean
    bn_param["running_var"] = running_var
    return out, cache


def batchnorm_backward(dout, cache):
    xhat, xc, std, gamma = cache
    N = dout.shape[0]
    dbeta = dout.sum(axis=0)
    dgamma = np.sum(xhat * dout, axis=0)
    dxhat = gamma * dout
    dxc = dxhat / std
    dstd = -np.sum((dxhat * xc) / (std * std), axis=0)
    dvar = 0.5 * dstd / std
    dxc += (2.0 / N) * xc * dvar
    dmu = np.sum(dxc, axis=0)
    dx = dxc - dmu / N
    return dx, dgamma, dbeta


def batchnorm_backward_without_mean(dout, cache):
    xhat, xc, std, gamma = cache
    N = dout.shape[0]
    dbeta = dout.sum(axis=0)
    dgamma = np.sum(xhat * dout, axis=0)
    dxhat = gamma * dout
    dstd = -np.sum((dxhat * xc) / (std * std), axis=0)
    dx = dxhat / std + xc * dstd / std / N
    return dx, dgamma, dbeta


def layernorm_forward(x, gamma, beta, eps=1e-5):
    mu = x.mean(axis=1, keepdims=True)
    std = x.std(axis=1, ddof=1, keepdims=True)
    xhat = (x - mu) / (std + eps)
    return gamma * xhat + beta, (x, mu, std, xhat, gamma, eps)


def layernorm_backward(dout, cache):
    x, mu, std, xhat, gamma, eps = cache
    D = x.shape[1]
    dgamma = (dout * xhat).sum(axis=0)
    dbeta = dout.sum(axis=0)
    dxhat = dout * gamma
    xc = x - mu
    dstd = -(dxhat * xc).sum(axis=1, keepdims=True) / (std + eps) ** 2
    dxc = dxhat / (std + eps) + dstd * xc / ((D - 1) * std)
    dx = dxc - dxc.mean(axis=1, keepdims=True)
    return dx, dgamma, dbeta


def layernorm_backward_biased(dout, cache):
    x, mu, std, xhat, gamma, eps = cache
    D = x.shape[1]
    dgamma = (dout * xhat).sum(axis=0)
    dbeta = dout.sum(axis=0)
    dxhat = dout * gamma
    xc = x - mu
    dstd = -(dxhat * xc).sum(axis=1, keepdims=True) / (std + eps) ** 2
    dxc = dxhat / (std + eps) + dstd * xc / (D * std)
    dx = dxc - dxc.mean(axis=1, keepdims=True)
    return dx, dgamma, dbeta


def svm_loss(x, y):
    N = x.shape[0]
    correct = x[np.arange(N), y]
    margins = np.maximum(0, x - correct[:, np.newaxis] + 1.0)
    margins[np.arange(N), y] = 0
    return np.sum(margins) / N, (x, y, margins)


def svm_loss_backward(dloss, cache):
    x, y, margins = cache
    N = x.shape[0]
    num_pos = np.sum(margins > 0, axis=1)
    dx = np.zeros_like(x)
    dx[margins > 0] = 1
    dx[np.arange(N), y] -= num_pos
    return dloss * dx / N


def svm_loss_backward_minus_one(dloss, cache):
    x, y, margins = cache
    N = x.shape[0]
    dx = np.zeros_like(x)
    dx[margins > 0] = 1
    dx[np.arange(N), y] -= 1
    return dloss * dx / N


def softmax_loss(x, y):
    shifted_logits = x - np.max(x, axis=1, keepdims=True)
    Z = np.sum(np.exp(shifted_logits), axis=1, keepdims=True)
    log_probs = shifted_logits - np.log(Z)
    probs = np.exp(log_probs)
    N = x.shape[0]
    loss = -np.sum(log_probs[np.arange(N), y]) / N
    return loss, (probs, y)


def softmax_loss_backward(dloss, cache):
    probs, y = cache
    N = probs.shape[0]
    dx = probs.copy()
    dx[np.arange(N), y] -= 1
    dx /= N
    return dx * dloss


def softmax_loss_backward_not_averaged(dloss, cache):
    probs, y = cache
    N = probs.shape[0]
    dx = probs.copy()
    dx[np.arange(N), y] -= 1
    return dx * dloss


def rnn_step_forward(x, prev_h, Wx, Wh, b):
    next_h = np.tanh(x.dot(Wx) + prev_h.dot(Wh) + b)
    return next_h, (x, prev_h, Wx, Wh, next_h)


def rnn_step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, next_h = cache
    da = dnext_h * (1 - next_h**2)
    dx = da.dot(Wx.T)
    dprev_h = da.dot(Wh.T)
    dWx = x.T.dot(da)
    dWh = prev_h.T.dot(da)
    db = np.sum(da, axis=0)
    return dx, dprev_h, dWx, dWh, db


def rnn_step_backward_without_tanh(dnext_h, cache):
    x, prev_h, Wx, Wh, next_h = cache
    da = dnext_h
    return da.dot(Wx.T), da.dot(Wh.T), x.T.dot(da), prev_h.T.dot(da), np.sum(da, axis=0)


def rnn_step_backward_untransposed(dnext_h, cache):
    x, prev_h, Wx, Wh, next_h = cache
    da = dnext_h * (1 - next_h**2)
    dx = da.dot(Wx.T)
    dprev_h = da.dot(Wh)
    dWx = x.T.dot(da)
    dWh = prev_h.T.dot(da)
    db = np.sum(da, axis=0)
    return dx, dprev_h, dWx, dWh, db


def rnn_forward(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    H = h0.shape[1]
    h = np.zeros((N, T, H))
    prev = h0
    caches = []
    for t in range(T):
        prev, step = rnn_step_forward(x[:, t, :], prev, Wx, Wh, b)
        h[:, t, :] = prev
        caches.append(step)
    return h, caches


def rnn_backward(dh, cache):
    N, T, H = dh.shape
    D = cache[0][0].shape[1]
    dx = np.zeros((N, T, D))
    dWx, dWh, db = np.zeros((D, H)), np.zeros((H, H)), np.zeros(H)
    dprev = np.zeros((N, H))
    for t in reversed(range(T)):
        dxt, dprev, dWxt, dWht, dbt = rnn_step_backward(dh[:, t, :] + dprev, cache[t])
        dx[:, t, :] = dxt
        dWx += dWxt
        dWh += dWht
        db += dbt
    return dx, dprev, dWx, dWh, db


def rnn_backward_last_step(dh, cache):
    N, T, H = dh.shape
    D = cache[0][0].shape[1]
    dx = np.zeros((N, T, D))
    dWx, dWh, db = np.zeros((D, H)), np.zeros((H, H)), np.zeros(H)
    dprev = np.zeros((N, H))
    for t in reversed(range(T)):
        dxt, dprev, dWxt, dWht, dbt = rnn_step_backward(dh[:, t, :] + dprev, cache[t])
        dx[:, t, :] = dxt
        dWx += dWxt
        dWh = dWht
        db += dbt
    return dx, dprev, dWx, dWh, db


def sigmoid(x):
    pos_mask = x >= 0
    neg_mask = x < 0
    z = np.zeros_like(x)
    z[pos_mask] = np.exp(-x[pos_mask])
    z[neg_mask] = np.exp(x[neg_mask])
    top = np.ones_like(x)
    top[neg_mask] = z[neg_mask]
    return top / (1 + z)


def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    H = prev_h.shape[1]
    a = x.dot(Wx) + prev_h.dot(Wh) + b
    i, f, o = sigmoid(a[:, :H]), sigmoid(a[:, H : 2 * H]), sigmoid(a[:, 2 * H : 3 * H])
    g = np.tanh(a[:, 3 * H :])
    next_c = f * prev_c + i * g
    tanh_c = np.tanh(next_c)
    next_h = o * tanh_c
    return (next_h, next_c), (x, prev_h, prev_c, Wx, Wh, i, f, o, g, tanh_c)


def lstm_step_backward(dnext, cache):
    dnext_h, dnext_c = dnext
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, tanh_c = cache
    do = dnext_h * tanh_c
    dc = dnext_c + dnext_h * o * (1 - tanh_c**2)
    df, di, dg = dc * prev_c, dc * g, dc * i
    dprev_c = dc * f
    da = np.hstack((di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g**2)))
    return da.dot(Wx.T), da.dot(Wh.T), dprev_c, x.T.dot(da), prev_h.T.dot(da), da.sum(axis=0)


def lstm_step_backward_without_cell(dnext, cache):
    dnext_h, dnext_c = dnext
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, tanh_c = cache
    do = dnext_h * tanh_c
    dc = dnext_h * o * (1 - tanh_c**2)
    df, di, dg = dc * prev_c, dc * g, dc * i
    dprev_c = dc * f
    da = np.hstack((di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g**2)))
    return da.dot(Wx.T), da.dot(Wh.T), dprev_c, x.T.dot(da), prev_h.T.dot(da), da.sum(axis=0)


def word_embedding_forward(W, x):
    return W[x, :], (x, W)


def word_embedding_backward(dout, cache):
    x, W = cache
    dW = np.zeros_like(W)
    np.add.at(dW, x, dout)
    return dW


def word_embedding_backward_last(dout, cache):
    x, W = cache
    dW = np.zeros_like(W)
    dW[x] += dout
    return dW


def dropout_forward(x, p=0.3, seed=7):
    np.random.seed(seed)
    mask = (np.random.rand(*x.shape) < 1 - p) / (1 - p)
    return x * mask, mask


def dropout_backward(dout, cache):
    return dout * cache


def regularised_loss(x, W, y, reg=1e-4):
    scores = x @ W
    scores = scores - scores.max(axis=1, keepdims=True)
    p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    N = len(x)
    loss = -np.log(p[range(N), y]).mean() + reg * np.abs(W).sum()
    return loss, (x, W, y, p, reg)


def regularised_loss_backward(dloss, cache):
    x, W, y, p, reg = cache
    N = len(x)
    dscores = p.copy()
    dscores[range(N), y] -= 1
    dscores /= N
    dW = x.T @ dscores + reg * np.sign(W)
    return dloss * (dscores @ W.T), dloss * dW


def regularised_loss_backward_without_l1(dloss, cache):
    x, W, y, p, reg = cache
    N = len(x)
    dscores = p.copy()
    dscores[range(N), y] -= 1
    dscores /= N
    dW = x.T @ dscores
    return dloss * (dscores @ W.T), dloss * dW


def lstm_inputs():
    D, H = 1, 3
    shapes = (2, D), (2, H), (2, H), (D, 4 * H), (H, 4 * H), (4 * H,)
    return tuple(normal(*shape, seed=seed) for seed, shape in enumerate(shapes))


AFFINE = normal(2, 3, 2), normal(6, 4), normal(4)
NORM = normal(5, 4, scale=2.0, offset=3.0), normal(4, seed=1), normal(4, seed=2)
RNN_STEP = normal(2, 3), normal(2, 4), normal(3, 4), normal(4, 4), normal(4)
RNN = normal(2, 4, 1), normal(2, 3), normal(1, 3), normal(3, 3, scale=0.5), normal(3)
WITH_ZERO = np.array([[0.5, -1.0, 0.0], [2.0, 0.0, -0.3]])
IDS = np.array([[1, 3, 1], [0, 1, 4]])

LAYERS = [
    Stranger("affine", lambda: (affine_forward, affine_backward), AFFINE, "right"),
    Stranger(
        "affine, pictures of size 1e6",
        lambda: (affine_forward, affine_backward),
        (1e6 * AFFINE[0], 1e-6 * AFFINE[1], AFFINE[2]),
        "right",
    ),
    Stranger(
        "affine, bias averaged",
        lambda: (affine_forward, affine_backward_averaged_bias),
        AFFINE,
        "wrong",
        "db is the mean over the batch instead of the sum",
    ),
    Stranger("affine and relu", lambda: (affine_relu_forward, affine_relu_backward), AFFINE, "right"),
    Stranger("relu at zero", lambda: (relu_forward, relu_backward), (WITH_ZERO,), "right"),
    Stranger(
        "relu, mask of the gradient",
        lambda: (relu_forward, relu_backward_of_the_gradient),
        (normal(3, 4),),
        "wrong",
        "the mask is taken from the gradient instead of the input",
    ),
    Stranger(
        "batch norm, training",
        lambda: (batchnorm_forward, batchnorm_backward),
        NORM,
        "right",
        kwargs={"bn_param": {"mode": "train"}},
    ),
    Stranger(
        "batch norm, small activations",
        lambda: (batchnorm_forward, batchnorm_backward),
        (normal(5, 4, scale=1e-3), *NORM[1:]),
        "right",
        kwargs={"bn_param": {"mode": "train", "eps": 1e-8}},
    ),
    Stranger(
        "batch norm, mean forgotten",
        lambda: (batchnorm_forward, batchnorm_backward_without_mean),
        NORM,
        "wrong",
        "the path through the batch mean is missing",
        kwargs={"bn_param": {"mode": "train"}},
    ),
    Stranger("layer norm, unbiased", lambda: (layernorm_forward, layernorm_backward), NORM, "right"),
    Stranger(
        "layer norm at a large offset",
        lambda: (layernorm_forward, layernorm_backward),
        (normal(5, 4, offset=1e4), *NORM[1:]),
        "right",
    ),
    Stranger(
        "layer norm, D for D - 1",
        lambda: (layernorm_forward, layernorm_backward_biased),
        NORM,
        "wrong",
        "the forward divides by D - 1, the backward by D",
    ),
    Stranger(
        "svm loss",
        lambda: (svm_loss, svm_loss_backward),
        (normal(4, 5),),
        "right",
        kwargs={"y": integers(5, 4)},
    ),
    Stranger(
        "svm loss, minus one",
        lambda: (svm_loss, svm_loss_backward_minus_one),
        (normal(4, 5),),
        "wrong",
        "the right class gets -1 instead of minus the number of violated margins",
        kwargs={"y": integers(5, 4)},
    ),
    Stranger(
        "softmax loss, scores of 1e3",
        lambda: (softmax_loss, softmax_loss_backward),
        (normal(4, 5, scale=1e3),),
        "right",
        kwargs={"y": integers(5, 4)},
    ),
    Stranger(
        "softmax loss",
        lambda: (softmax_loss, softmax_loss_backward),
        (normal(4, 5),),
        "right",
        kwargs={"y": integers(5, 4)},
    ),
    Stranger(
        "softmax loss, not averaged",
        lambda: (softmax_loss, softmax_loss_backward_not_averaged),
        (normal(4, 5),),
        "wrong",
        "the division by N is missing",
        kwargs={"y": integers(5, 4)},
    ),
    Stranger("rnn step", lambda: (rnn_step_forward, rnn_step_backward), RNN_STEP, "right"),
    Stranger(
        "rnn step, tanh' missing",
        lambda: (rnn_step_forward, rnn_step_backward_without_tanh),
        RNN_STEP,
        "wrong",
        "the factor 1 - h^2 is missing",
    ),
    Stranger(
        "rnn step, Wh not transposed",
        lambda: (rnn_step_forward, rnn_step_backward_untransposed),
        RNN_STEP,
        "wrong",
        "da Wh instead of da Wh^T, which the square weight hides",
    ),
    Stranger("rnn into np.zeros", lambda: (rnn_forward, rnn_backward), RNN, "right"),
    Stranger(
        "rnn, = for +=",
        lambda: (rnn_forward, rnn_backward_last_step),
        RNN,
        "wrong",
        "dWh of the first step alone",
    ),
    Stranger("lstm step", lambda: (lstm_step_forward, lstm_step_backward), lstm_inputs(), "right"),
    Stranger(
        "lstm step, cell's gradient dropped",
        lambda: (lstm_step_forward, lstm_step_backward_without_cell),
        lstm_inputs(),
        "wrong",
        "dnext_c is not added",
    ),
    Stranger(
        "word embedding",
        lambda: (word_embedding_forward, word_embedding_backward),
        (normal(5, 3),),
        "right",
        kwargs={"x": IDS},
    ),
    Stranger(
        "word embedding, repeated words",
        lambda: (word_embedding_forward, word_embedding_backward_last),
        (normal(5, 3),),
        "wrong",
        "dW[x] += keeps the last occurrence of a repeated word",
        kwargs={"x": IDS},
    ),
    Stranger("dropout, seeded", lambda: (dropout_forward, dropout_backward), (normal(4, 5),), "right"),
    Stranger(
        "softmax and L1",
        lambda: (regularised_loss, regularised_loss_backward),
        (normal(6, 3), normal(3, 4)),
        "right",
        kwargs={"y": integers(4, 6)},
    ),
    Stranger(
        "softmax and L1, L1 forgotten",
        lambda: (regularised_loss, regularised_loss_backward_without_l1),
        (normal(6, 3), normal(3, 4)),
        "wrong",
        "the gradient of the term 1e-4 |W| is missing",
        kwargs={"y": integers(4, 6)},
    ),
]
