"""Classes with lists params and grads, forward(x) and backward(dout), and state on self."""

import numpy as np
from gradcheck.strangers.stranger import Stranger, integers, normal


class MatMul:
    def __init__(self, W):
        self.params = [W]
        self.grads = [np.zeros_like(W)]
        self.x = None

    def forward(self, x):
        (W,) = self.params
        out = np.dot(x, W)
        self.x = x
        return out

    def backward(self, dout):
        (W,) = self.params
        dx = np.dot(dout, W.T)
        dW = np.dot(self.x.T, dout)
        self.grads[0][...] = dW
        return dx


class MatMulSummed(MatMul):
    def backward(self, dout):
        (W,) = self.params
        dx = np.dot(dout, W.T)
        dW = np.dot(self.x.T, dout)
        self.grads[0][...] = 3 * dW
        return dx


class Affine:
    def __init__(self, W, b):
        self.params = [W, b]
        self.grads = [np.zeros_like(W), np.zeros_like(b)]
        self.x = None

    def forward(self, x):
        W, b = self.params
        self.x = x
        return np.dot(x, W) + b

    def backward(self, dout):
        W, b = self.params
        dx = np.dot(dout, W.T)
        dW = np.dot(self.x.T, dout)
        db = np.sum(dout, axis=0)
        self.grads[0][...] = dW
        self.grads[1][...] = db
        return dx


class AffineAveragedBias(Affine):
    def backward(self, dout):
        dx = super().backward(dout)
        self.grads[1][...] = np.mean(dout, axis=0)
        return dx


class Sigmoid:
    def __init__(self):
        self.params, self.grads = [], []
        self.out = None

    def forward(self, x):
        out = 1 / (1 + np.exp(-x))
        self.out = out
        return out

    def backward(self, dout):
        dx = dout * (1.0 - self.out) * self.out
        return dx


class SigmoidHalf(Sigmoid):
    def backward(self, dout):
        dx = dout * (1.0 - self.out)
        return dx


class SoftmaxWithLoss:
    def __init__(self):
        self.params, self.grads = [], []
        self.y = None
        self.t = None

    def forward(self, x, t):
        self.t = t
        x = x - x.max(axis=1, keepdims=True)
        self.y = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
        if self.t.size == self.y.size:
            self.t = self.t.argmax(axis=1)
        batch_size = self.y.shape[0]
        loss = -np.sum(np.log(self.y[np.arange(batch_size), self.t] + 1e-7)) / batch_size
        return loss

    def backward(self, dout=1):
        batch_size = self.t.shape[0]
        dx = self.y.copy()
        dx[np.arange(batch_size), self.t] -= 1
        dx *= dout
        dx = dx / batch_size
        return dx


class ExactSoftmaxWithLoss(SoftmaxWithLoss):
    def backward(self, dout=1):
        batch_size = self.t.shape[0]
        rows = np.arange(batch_size)
        p = self.y[rows, self.t]
        dx = self.y.copy()
        dx[rows, self.t] -= 1
        dx *= (p / (p + 1e-7))[:, np.newaxis]
        return dout * dx / batch_size


class Embedding:
    def __init__(self, W):
        self.params = [W]
        self.grads = [np.zeros_like(W)]
        self.idx = None

    def forward(self, idx):
        (W,) = self.params
        self.idx = idx
        return W[idx]

    def backward(self, dout):
        (dW,) = self.grads
        dW[...] = 0
        np.add.at(dW, self.idx, dout)
        return None


class EmbeddingOverwritten(Embedding):
    def backward(self, dout):
        (dW,) = self.grads
        dW[...] = 0
        for i, word_id in enumerate(self.idx):
            dW[word_id] = dout[i]
        return None


class TwoLayerNet:
    def __init__(self, I, H, O):  # noqa: E741
        self.layers = [
            Affine(normal(I, H, seed=1), normal(H, seed=2)),
            Sigmoid(),
            Affine(normal(H, O, seed=3), normal(O, seed=4)),
        ]
        self.loss_layer = ExactSoftmaxWithLoss()
        self.params, self.grads = [], []
        for layer in self.layers:
            self.params += layer.params
            self.grads += layer.grads

    def predict(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def forward(self, x, t):
        score = self.predict(x)
        return self.loss_layer.forward(score, t)

    def backward(self, dout=1):
        dout = self.loss_layer.backward(dout)
        for layer in reversed(self.layers):
            dout = layer.backward(dout)
        return dout


class RNN:
    def __init__(self, Wx, Wh, b):
        self.params = [Wx, Wh, b]
        self.grads = [np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)]
        self.cache = None

    def forward(self, x, h_prev):
        Wx, Wh, b = self.params
        t = np.dot(h_prev, Wh) + np.dot(x, Wx) + b
        h_next = np.tanh(t)
        self.cache = (x, h_prev, h_next)
        return h_next

    def backward(self, dh_next):
        Wx, Wh, b = self.params
        x, h_prev, h_next = self.cache
        dt = dh_next * (1 - h_next**2)
        db = np.sum(dt, axis=0)
        dWh = np.dot(h_prev.T, dt)
        dh_prev = np.dot(dt, Wh.T)
        dWx = np.dot(x.T, dt)
        dx = np.dot(dt, Wx.T)
        self.grads[0][...] = dWx
        self.grads[1][...] = dWh
        self.grads[2][...] = db
        return dx, dh_prev


class TimeRNN:
    dtype = np.float64

    def __init__(self, Wx, Wh, b):
        self.params = [Wx, Wh, b]
        self.grads = [np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)]
        self.layers = None
        self.h, self.dh = None, None

    def forward(self, xs):
        Wx, Wh, b = self.params
        N, T, D = xs.shape
        D, H = Wx.shape
        self.layers = []
        hs = np.empty((N, T, H), dtype=self.dtype)
        self.h = np.zeros((N, H), dtype=self.dtype)
        for t in range(T):
            layer = RNN(*self.params)
            self.h = layer.forward(xs[:, t, :], self.h)
            hs[:, t, :] = self.h
            self.layers.append(layer)
        return hs

    def backward(self, dhs):
        Wx, Wh, b = self.params
        N, T, H = dhs.shape
        D, H = Wx.shape
        dxs = np.empty((N, T, D), dtype=self.dtype)
        dh = 0
        grads = [0, 0, 0]
        for t in reversed(range(T)):
            layer = self.layers[t]
            dx, dh = layer.backward(dhs[:, t, :] + dh)
            dxs[:, t, :] = dx
            for i, grad in enumerate(layer.grads):
                grads[i] += grad
        for i, grad in enumerate(grads):
            self.grads[i][...] = grad
        self.dh = dh
        return dxs


class SinglePrecisionTimeRNN(TimeRNN):
    dtype = "f"


class TimeRNNWithoutTime(TimeRNN):
    def backward(self, dhs):
        Wx, Wh, b = self.params
        N, T, H = dhs.shape
        D, H = Wx.shape
        dxs = np.empty((N, T, D), dtype=self.dtype)
        grads = [0, 0, 0]
        for t in reversed(range(T)):
            layer = self.layers[t]
            dx, dh = layer.backward(dhs[:, t, :])
            dxs[:, t, :] = dx
            for i, grad in enumerate(layer.grads):
                grads[i] += grad
        for i, grad in enumerate(grads):
            self.grads[i][...] = grad
        return dxs


class SinglePrecisionTimeRNNWithoutTime(TimeRNNWithoutTime):
    dtype = "f"


class AttentionWeight:
    def __init__(self):
        self.params, self.grads = [], []
        self.cache = None

    def forward(self, hs, h):
        N, T, H = hs.shape
        hr = h.reshape(N, 1, H).repeat(T, axis=1)
        t = hs * hr
        s = np.sum(t, axis=2)
        s = s - s.max(axis=1, keepdims=True)
        a = np.exp(s)
        a /= a.sum(axis=1, keepdims=True)
        self.cache = (hs, hr, a)
        return a

    def backward(self, da):
        hs, hr, a = self.cache
        N, T, H = hs.shape
        ds = a * da
        ds = ds - a * ds.sum(axis=1, keepdims=True)
        dt = ds.reshape(N, T, 1).repeat(H, axis=2)
        dhs = dt * hr
        dhr = dt * hs
        dh = np.sum(dhr, axis=1)
        return dhs, dh


class AttentionWeightDiagonal(AttentionWeight):
    def backward(self, da):
        hs, hr, a = self.cache
        N, T, H = hs.shape
        ds = a * (1 - a) * da
        dt = ds.reshape(N, T, 1).repeat(H, axis=2)
        dhs = dt * hr
        dh = np.sum(dt * hs, axis=1)
        return dhs, dh


class Dropout:
    def __init__(self, dropout_ratio=0.5):
        self.params, self.grads = [], []
        self.dropout_ratio = dropout_ratio
        self.mask = None

    def forward(self, x, train_flg=True):
        if train_flg:
            self.mask = np.random.rand(*x.shape) > self.dropout_ratio
            return x * self.mask
        return x * (1.0 - self.dropout_ratio)

    def backward(self, dout):
        return dout * self.mask


class NoisyLayer:
    """Fresh noise from the operating system at each call."""

    def __init__(self):
        self.params, self.grads = [], []

    def forward(self, x):
        self.scale = np.random.default_rng().uniform(0.5, 1.5, x.shape)
        return x * self.scale

    def backward(self, dout):
        return dout * self.scale


class TiedAutoencoder:
    def __init__(self, W):
        self.params, self.grads = [W], [np.zeros_like(W)]

    def forward(self, x):
        (W,) = self.params
        self.x = x
        self.h = np.tanh(x @ W)
        return self.h @ W.T

    def backward(self, dout):
        (W,) = self.params
        dh = dout @ W
        da = dh * (1 - self.h**2)
        self.grads[0][...] = self.x.T @ da + dout.T @ self.h
        return da @ W.T


class TiedAutoencoderDecoderForgotten(TiedAutoencoder):
    def backward(self, dout):
        (W,) = self.params
        dh = dout @ W
        da = dh * (1 - self.h**2)
        self.grads[0][...] = self.x.T @ da
        return da @ W.T


RNN_PARAMS = (1, 3), (3, 3), (3,)
ONE_HOT = np.eye(5, dtype=int)[integers(5, 4)]


def rnn(layer):
    return layer(*(normal(*shape, scale=0.5) for shape in RNN_PARAMS))


LAYERS = [
    Stranger("MatMul", lambda: MatMul(normal(4, 3)), (normal(2, 4),), "right"),
    Stranger(
        "MatMul, three times",
        lambda: MatMulSummed(normal(4, 3)),
        (normal(2, 4),),
        "wrong",
        "the weight's gradient is three times too large",
    ),
    Stranger("Affine", lambda: Affine(normal(4, 3), normal(3)), (normal(2, 4),), "right"),
    Stranger(
        "Affine, weights and data in float32",
        lambda: Affine(normal(4, 3).astype("f"), normal(3).astype("f")),
        (normal(2, 4).astype("f"),),
        "right",
    ),
    Stranger(
        "Affine, weights and data in float32, bias averaged",
        lambda: AffineAveragedBias(normal(4, 3).astype("f"), normal(3).astype("f")),
        (normal(2, 4).astype("f"),),
        "wrong",
        "db is a mean instead of a sum",
    ),
    Stranger("Sigmoid", Sigmoid, (normal(2, 5, scale=3.0),), "right"),
    Stranger("Sigmoid at +-700", Sigmoid, (np.array([[-700.0, -30.0, 30.0], [700.0, 0.1, 2.0]]),), "right"),
    Stranger("Sigmoid, y missing", SigmoidHalf, (normal(2, 5),), "wrong", "1 - y instead of (1 - y) y"),
    Stranger(
        "SoftmaxWithLoss, eps in the logarithm",
        SoftmaxWithLoss,
        (normal(4, 5),),
        "wrong",
        "log(p + 1e-7) is differentiated as log(p): the relative error is 1e-7 / p",
        kwargs={"t": ONE_HOT},
    ),
    Stranger(
        "SoftmaxWithLoss, eps counted",
        ExactSoftmaxWithLoss,
        (normal(4, 5),),
        "right",
        kwargs={"t": ONE_HOT},
    ),
    Stranger(
        "Embedding", lambda: Embedding(normal(5, 3)), (), "right", kwargs={"idx": np.array([1, 4, 1, 0])}
    ),
    Stranger(
        "Embedding, overwritten",
        lambda: EmbeddingOverwritten(normal(5, 3)),
        (),
        "wrong",
        "a repeated word keeps the last gradient alone",
        kwargs={"idx": np.array([1, 4, 1, 0])},
    ),
    Stranger(
        "TwoLayerNet",
        lambda: TwoLayerNet(3, 5, 4),
        (normal(6, 3),),
        "right",
        kwargs={"t": integers(4, 6)},
    ),
    Stranger("RNN", lambda: rnn(RNN), (normal(2, 1), normal(2, 3)), "right"),
    Stranger("TimeRNN", lambda: rnn(TimeRNN), (normal(2, 4, 1),), "right"),
    Stranger(
        "TimeRNN in single precision",
        lambda: rnn(SinglePrecisionTimeRNN),
        (normal(2, 4, 1),),
        "undecided",
        "np.empty(shape, dtype='f') leaves seven digits of every output: a small wrong term could hide",
    ),
    Stranger(
        "TimeRNN, no gradient from the next step",
        lambda: rnn(TimeRNNWithoutTime),
        (normal(2, 4, 1),),
        "wrong",
        "dh of the next step is not added",
    ),
    Stranger(
        "TimeRNN in single precision, no gradient from the next step",
        lambda: rnn(SinglePrecisionTimeRNNWithoutTime),
        (normal(2, 4, 1),),
        "wrong",
        "dh of the next step is not added, an error far above single precision",
    ),
    Stranger("AttentionWeight", AttentionWeight, (normal(2, 5, 3), normal(2, 3)), "right"),
    Stranger(
        "AttentionWeight, diagonal",
        AttentionWeightDiagonal,
        (normal(2, 5, 3), normal(2, 3)),
        "wrong",
        "only the diagonal of the softmax's Jacobian",
    ),
    Stranger("Dropout by np.random", Dropout, (normal(3, 4),), "right"),
    Stranger(
        "noise of the operating system",
        NoisyLayer,
        (normal(3, 4),),
        "undecided",
        "the forward gives another result at each call, and nothing that a check can reset decides it",
    ),
    Stranger("tied autoencoder", lambda: TiedAutoencoder(normal(4, 3)), (normal(2, 4),), "right"),
    Stranger(
        "tied autoencoder, decoder's share forgotten",
        lambda: TiedAutoencoderDecoderForgotten(normal(4, 3)),
        (normal(2, 4),),
        "wrong",
        "the use of W in the decoder is missing",
    ),
]
