"""Convolutions and pooling, with im2col or with loops that fill np.zeros."""

import numpy as np
from gradcheck.strangers.stranger import Stranger, normal


def im2col(input_data, filter_h, filter_w, stride=1, pad=0):
    N, C, H, W = input_data.shape
    out_h = (H + 2 * pad - filter_h) // stride + 1
    out_w = (W + 2 * pad - filter_w) // stride + 1
    img = np.pad(input_data, [(0, 0), (0, 0), (pad, pad), (pad, pad)], "constant")
    col = np.zeros((N, C, filter_h, filter_w, out_h, out_w))
    for y in range(filter_h):
        y_max = y + stride * out_h
        for x in range(filter_w):
            x_max = x + stride * out_w
            col[:, :, y, x, :, :] = img[:, :, y:y_max:stride, x:x_max:stride]
    return col.transpose(0, 4, 5, 1, 2, 3).reshape(N * out_h * out_w, -1)


def col2im(col, input_shape, filter_h, filter_w, stride=1, pad=0):
    N, C, H, W = input_shape
    out_h = (H + 2 * pad - filter_h) // stride + 1
    out_w = (W + 2 * pad - filter_w) // stride + 1
    col = col.reshape(N, out_h, out_w, C, filter_h, filter_w).transpose(0, 3, 4, 5, 1, 2)
    img = np.zeros((N, C, H + 2 * pad + stride - 1, W + 2 * pad + stride - 1))
    for y in range(filter_h):
        y_max = y + stride * out_h
        for x in range(filter_w):
            x_max = x + stride * out_w
            img[:, :, y:y_max:stride, x:x_max:stride] += col[:, :, y, x, :, :]
    return img[:, :, pad : H + pad, pad : W + pad]


class Convolution:
    def __init__(self, W, b, stride=1, pad=0):
        self.W = W
        self.b = b
        self.stride, self.pad = stride, pad
        self.params, self.grads = [self.W, self.b], [np.zeros_like(W), np.zeros_like(b)]

    def forward(self, x):
        W, b = self.params
        FN, C, FH, FW = W.shape
        N, C, H, w = x.shape
        out_h = 1 + int((H + 2 * self.pad - FH) / self.stride)
        out_w = 1 + int((w + 2 * self.pad - FW) / self.stride)
        col = im2col(x, FH, FW, self.stride, self.pad)
        col_W = W.reshape(FN, -1).T
        out = np.dot(col, col_W) + b
        self.x, self.col, self.col_W = x, col, col_W
        return out.reshape(N, out_h, out_w, -1).transpose(0, 3, 1, 2)

    def backward(self, dout):
        FN, C, FH, FW = self.params[0].shape
        dout = dout.transpose(0, 2, 3, 1).reshape(-1, FN)
        self.grads[1][...] = np.sum(dout, axis=0)
        dW = np.dot(self.col.T, dout)
        self.grads[0][...] = dW.transpose(1, 0).reshape(FN, C, FH, FW)
        dcol = np.dot(dout, self.col_W.T)
        return col2im(dcol, self.x.shape, FH, FW, self.stride, self.pad)


class ConvolutionReshaped(Convolution):
    def backward(self, dout):
        FN, C, FH, FW = self.params[0].shape
        dout = dout.transpose(0, 2, 3, 1).reshape(-1, FN)
        self.grads[1][...] = np.sum(dout, axis=0)
        dW = np.dot(self.col.T, dout)
        self.grads[0][...] = dW.reshape(FN, C, FH, FW)
        dcol = np.dot(dout, self.col_W.T)
        return col2im(dcol, self.x.shape, FH, FW, self.stride, self.pad)


class Pooling:
    def __init__(self, pool_h, pool_w, stride=2, pad=0):
        self.pool_h, self.pool_w, self.stride, self.pad = pool_h, pool_w, stride, pad
        self.params, self.grads = [], []

    def forward(self, x):
        N, C, H, W = x.shape
        out_h = int(1 + (H - self.pool_h) / self.stride)
        out_w = int(1 + (W - self.pool_w) / self.stride)
        col = im2col(x, self.pool_h, self.pool_w, self.stride, self.pad)
        col = col.reshape(-1, self.pool_h * self.pool_w)
        self.x, self.arg_max = x, np.argmax(col, axis=1)
        return np.max(col, axis=1).reshape(N, out_h, out_w, C).transpose(0, 3, 1, 2)

    def backward(self, dout):
        dout = dout.transpose(0, 2, 3, 1)
        pool_size = self.pool_h * self.pool_w
        dmax = np.zeros((dout.size, pool_size))
        dmax[np.arange(self.arg_max.size), self.arg_max.flatten()] = dout.flatten()
        dmax = dmax.reshape(dout.shape + (pool_size,))
        dcol = dmax.reshape(dmax.shape[0] * dmax.shape[1] * dmax.shape[2], -1)
        return col2im(dcol, self.x.shape, self.pool_h, self.pool_w, self.stride, self.pad)


class PoolingNotTransposed(Pooling):
    def backward(self, dout):
        pool_size = self.pool_h * self.pool_w
        dmax = np.zeros((dout.size, pool_size))
        dmax[np.arange(self.arg_max.size), self.arg_max.flatten()] = dout.flatten()
        dcol = dmax.reshape(dout.shape[0] * dout.shape[2] * dout.shape[3], -1)
        return col2im(dcol, self.x.shape, self.pool_h, self.pool_w, self.stride, self.pad)


def conv_forward_naive(x, w, b, conv_param):
    stride, pad = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    Ho, Wo = 1 + (H + 2 * pad - HH) // stride, 1 + (W + 2 * pad - WW) // stride
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    out = np.zeros((N, F, Ho, Wo))
    for n in range(N):
        for f in range(F):
            for i in range(Ho):
                for j in range(Wo):
                    window = xp[n, :, i * stride : i * stride + HH, j * stride : j * stride + WW]
                    out[n, f, i, j] = np.sum(window * w[f]) + b[f]
    return out, (x, w, b, conv_param)


def conv_backward_naive(dout, cache):
    x, w, b, conv_param = cache
    stride, pad = conv_param["stride"], conv_param["pad"]
    F, _, HH, WW = w.shape
    N, F, Ho, Wo = dout.shape
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dxp, dw, db = np.zeros_like(xp), np.zeros_like(w), np.zeros_like(b)
    for n in range(N):
        for f in range(F):
            db[f] += np.sum(dout[n, f])
            for i in range(Ho):
                for j in range(Wo):
                    rows = slice(i * stride, i * stride + HH)
                    columns = slice(j * stride, j * stride + WW)
                    dw[f] += xp[n, :, rows, columns] * dout[n, f, i, j]
                    dxp[n, :, rows, columns] += w[f] * dout[n, f, i, j]
    dx = dxp[:, :, pad : dxp.shape[2] - pad, pad : dxp.shape[3] - pad]
    return dx, dw, db


def conv_backward_overlap(dout, cache):
    x, w, b, conv_param = cache
    stride, pad = conv_param["stride"], conv_param["pad"]
    F, _, HH, WW = w.shape
    N, F, Ho, Wo = dout.shape
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dxp, dw, db = np.zeros_like(xp), np.zeros_like(w), np.zeros_like(b)
    for n in range(N):
        for f in range(F):
            db[f] += np.sum(dout[n, f])
            for i in range(Ho):
                for j in range(Wo):
                    rows = slice(i * stride, i * stride + HH)
                    columns = slice(j * stride, j * stride + WW)
                    dw[f] += xp[n, :, rows, columns] * dout[n, f, i, j]
                    dxp[n, :, rows, columns] = w[f] * dout[n, f, i, j]
    return dxp[:, :, pad : dxp.shape[2] - pad, pad : dxp.shape[3] - pad], dw, db


def max_pool_forward_naive(x, size=2):
    N, C, H, W = x.shape
    out = np.zeros((N, C, H // size, W // size))
    for i in range(H // size):
        for j in range(W // size):
            out[:, :, i, j] = x[:, :, i * size : (i + 1) * size, j * size : (j + 1) * size].max(axis=(2, 3))
    return out, (x, out, size)


def max_pool_backward_first(dout, cache):
    x, out, size = cache
    dx = np.zeros_like(x)
    N, C, Ho, Wo = dout.shape
    for n in range(N):
        for c in range(C):
            for i in range(Ho):
                for j in range(Wo):
                    window = x[n, c, i * size : (i + 1) * size, j * size : (j + 1) * size]
                    a, b = np.unravel_index(np.argmax(window), window.shape)
                    dx[n, c, i * size + a, j * size + b] += dout[n, c, i, j]
    return dx


def max_pool_backward_all(dout, cache):
    x, out, size = cache
    up = out.repeat(size, axis=2).repeat(size, axis=3)
    return (x == up) * dout.repeat(size, axis=2).repeat(size, axis=3)


def max_pool_backward_shared(dout, cache):
    x, out, size = cache
    dx = np.zeros_like(x)
    N, C, Ho, Wo = dout.shape
    for i in range(Ho):
        for j in range(Wo):
            rows, columns = slice(i * size, (i + 1) * size), slice(j * size, (j + 1) * size)
            mask = x[:, :, rows, columns] == out[:, :, i : i + 1, j : j + 1]
            share = mask / mask.sum(axis=(2, 3), keepdims=True)
            dx[:, :, rows, columns] = share * dout[:, :, i : i + 1, j : j + 1]
    return dx


def max_pool_backward_average(dout, cache):
    x, out, size = cache
    return dout.repeat(size, axis=2).repeat(size, axis=3) / size**2


def avg_pool_forward(x, size=2):
    N, C, H, W = x.shape
    return x.reshape(N, C, H // size, size, W // size, size).mean(axis=(3, 5)), (x.shape, size)


def avg_pool_backward(dout, cache):
    shape, size = cache
    return dout.repeat(size, axis=2).repeat(size, axis=3) / size**2


def avg_pool_backward_sum(dout, cache):
    shape, size = cache
    return dout.repeat(size, axis=2).repeat(size, axis=3)


def conv1d_causal(x, w, dilation=1):
    B, T, C = x.shape
    K = len(w)
    y = np.zeros((B, T, w.shape[2]))
    for k in range(K):
        shift = k * dilation
        y[:, shift:] += x[:, : T - shift] @ w[k]
    return y, (x, w, dilation)


def conv1d_causal_backward(dy, cache):
    x, w, dilation = cache
    T = x.shape[1]
    dx, dw = np.zeros(x.shape), np.zeros(w.shape)
    for k in range(len(w)):
        shift = k * dilation
        dx[:, : T - shift] += dy[:, shift:] @ w[k].T
        dw[k] = np.einsum("btc,btd->cd", x[:, : T - shift], dy[:, shift:])
    return dx, dw


def conv1d_causal_backward_flipped(dy, cache):
    x, w, dilation = cache
    T = x.shape[1]
    dx, dw = np.zeros(x.shape), np.zeros(w.shape)
    for k in range(len(w)):
        shift = k * dilation
        dx[:, : T - shift] += dy[:, shift:] @ w[-1 - k].T
        dw[k] = np.einsum("btc,btd->cd", x[:, : T - shift], dy[:, shift:])
    return dx, dw


def upsample_linear(x, size):
    """Linear interpolation along the last axis, corners aligned."""
    n = x.shape[-1]
    place = np.linspace(0, n - 1, size)
    low = np.minimum(place.astype(int), n - 2)
    t = place - low
    return (1 - t) * x[..., low] + t * x[..., low + 1], (x.shape, low, t)


def upsample_linear_backward(dy, cache):
    shape, low, t = cache
    dx = np.zeros(shape)
    for j, (l, tj) in enumerate(zip(low, t)):  # noqa: E741
        dx[..., l] += (1 - tj) * dy[..., j]
        dx[..., l + 1] += tj * dy[..., j]
    return dx


def upsample_linear_backward_repeated(dy, cache):
    shape, low, t = cache
    dx = np.zeros(shape)
    dx[..., low] += (1 - t) * dy
    dx[..., low + 1] += t * dy
    return dx


def group_norm(x, gamma, beta, G, eps=1e-5):
    N, C, H, W = x.shape
    g = x.reshape(N, G, C // G * H * W)
    mean, var = g.mean(axis=2, keepdims=True), g.var(axis=2, keepdims=True)
    xhat = ((g - mean) / np.sqrt(var + eps)).reshape(N, C, H, W)
    return gamma * xhat + beta, (G, xhat, var, gamma, eps)


def group_norm_backward(dout, cache):
    G, xhat, var, gamma, eps = cache
    N, C, H, W = dout.shape
    dgamma = np.sum(dout * xhat, axis=(0, 2, 3), keepdims=True)
    dbeta = np.sum(dout, axis=(0, 2, 3), keepdims=True)
    dxhat = (dout * gamma).reshape(N, G, -1)
    xh = xhat.reshape(N, G, -1)
    dg = dxhat - dxhat.mean(axis=2, keepdims=True) - xh * (dxhat * xh).mean(axis=2, keepdims=True)
    return (dg / np.sqrt(var + eps)).reshape(N, C, H, W), dgamma, dbeta


def group_norm_backward_whole_layer(dout, cache):
    G, xhat, var, gamma, eps = cache
    N, C, H, W = dout.shape
    dgamma = np.sum(dout * xhat, axis=(0, 2, 3), keepdims=True)
    dbeta = np.sum(dout, axis=(0, 2, 3), keepdims=True)
    dxhat = (dout * gamma).reshape(N, 1, -1)
    xh = xhat.reshape(N, 1, -1)
    dg = dxhat - dxhat.mean(axis=2, keepdims=True) - xh * (dxhat * xh).mean(axis=2, keepdims=True)
    return (dg.reshape(N, G, -1) / np.sqrt(var + eps)).reshape(N, C, H, W), dgamma, dbeta


IMAGES = normal(2, 3, 4, 4)
TIED = np.array([[[[1.0, 1.0, 0.5, -2.0], [1.0, 0.0, 0.5, 0.5]]]])
CONV = normal(2, 2, 3, 4), normal(3, 2, 3, 2), normal(3)
CONV_PARAM = {"stride": 2, "pad": 1}
GROUPS = normal(3, 4, 2, 1), normal(1, 4, 1, 1, seed=1), normal(1, 4, 1, 1, seed=2)


def convolution(layer, stride=1):
    return layer(normal(3, 2, 3, 2), normal(3), stride=stride, pad=1)


LAYERS = [
    Stranger("Convolution by im2col", lambda: convolution(Convolution), (normal(2, 2, 2, 3),), "right"),
    Stranger(
        "Convolution by im2col, stride 2", lambda: convolution(Convolution, 2), (normal(1, 2, 4, 3),), "right"
    ),
    Stranger(
        "Convolution by im2col, reshaped",
        lambda: convolution(ConvolutionReshaped),
        (normal(2, 2, 2, 3),),
        "wrong",
        "dW is reshaped without the transpose",
    ),
    Stranger("Pooling by im2col", lambda: Pooling(3, 2), (normal(2, 3, 5, 4),), "right"),
    Stranger(
        "Pooling by im2col, not transposed",
        lambda: PoolingNotTransposed(2, 2),
        (IMAGES,),
        "wrong",
        "channels and places are mixed: dout is not transposed",
    ),
    Stranger(
        "convolution by loops",
        lambda: (conv_forward_naive, conv_backward_naive),
        CONV,
        "right",
        kwargs={"conv_param": CONV_PARAM},
    ),
    Stranger(
        "convolution by loops, windows overwritten",
        lambda: (conv_forward_naive, conv_backward_overlap),
        CONV,
        "wrong",
        "= for += where the windows overlap",
        kwargs={"conv_param": CONV_PARAM},
    ),
    Stranger("max pooling", lambda: (max_pool_forward_naive, max_pool_backward_first), (IMAGES,), "right"),
    Stranger(
        "max pooling by equality",
        lambda: (max_pool_forward_naive, max_pool_backward_all),
        (IMAGES,),
        "right",
    ),
    Stranger(
        "max pooling, the first of the equal",
        lambda: (max_pool_forward_naive, max_pool_backward_first),
        (TIED,),
        "right",
    ),
    Stranger(
        "max pooling, shared where none are equal",
        lambda: (max_pool_forward_naive, max_pool_backward_shared),
        (normal(1, 3, 4, 6),),
        "right",
    ),
    Stranger(
        "max pooling, shared by the equal",
        lambda: (max_pool_forward_naive, max_pool_backward_shared),
        (TIED,),
        "right",
    ),
    Stranger(
        "max pooling, spread over the window",
        lambda: (max_pool_forward_naive, max_pool_backward_average),
        (IMAGES,),
        "wrong",
        "the gradient of an average",
    ),
    Stranger("average pooling", lambda: (avg_pool_forward, avg_pool_backward), (IMAGES,), "right"),
    Stranger(
        "average pooling, not divided",
        lambda: (avg_pool_forward, avg_pool_backward_sum),
        (IMAGES,),
        "wrong",
        "the division by the window's size is missing",
    ),
    Stranger(
        "causal convolution",
        lambda: (conv1d_causal, conv1d_causal_backward),
        (normal(2, 6, 3), normal(3, 3, 2)),
        "right",
        kwargs={"dilation": 2},
    ),
    Stranger(
        "causal convolution, kernel flipped",
        lambda: (conv1d_causal, conv1d_causal_backward_flipped),
        (normal(2, 6, 3), normal(3, 3, 2)),
        "wrong",
        "dx uses the kernel in the reverse order",
        kwargs={"dilation": 2},
    ),
    Stranger(
        "linear interpolation",
        lambda: (upsample_linear, upsample_linear_backward),
        (normal(2, 4),),
        "right",
        kwargs={"size": 9},
    ),
    Stranger(
        "linear interpolation, places repeated",
        lambda: (upsample_linear, upsample_linear_backward_repeated),
        (normal(2, 4),),
        "wrong",
        "dx[..., low] += keeps one of the points that share a neighbour",
        kwargs={"size": 9},
    ),
    Stranger("group norm", lambda: (group_norm, group_norm_backward), GROUPS, "right", kwargs={"G": 2}),
    Stranger(
        "group norm, means of the whole layer",
        lambda: (group_norm, group_norm_backward_whole_layer),
        GROUPS,
        "wrong",
        "means are taken over all channels instead of the group",
        kwargs={"G": 2},
    ),
]
