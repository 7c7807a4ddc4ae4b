"""Classes with dictionaries params and grads, and classes that mix them with child layers."""

import numpy as np
from gradcheck.strangers.stranger import Stranger, normal


class Linear:
    def __init__(self, n_in, n_out, seed=0):
        self.params = {"W": normal(n_in, n_out, seed=seed), "b": normal(n_out, seed=seed)}
        self.grads = {}

    def forward(self, inputs):
        self.inputs = inputs
        return inputs @ self.params["W"] + self.params["b"]

    def backward(self, grad):
        self.grads["b"] = np.sum(grad, axis=0)
        self.grads["W"] = self.inputs.T @ grad
        return grad @ self.params["W"].T


class LinearDecay(Linear):
    """With the penalty's gradient already in, which the forward does not have."""

    def backward(self, grad):
        self.grads["b"] = np.sum(grad, axis=0)
        self.grads["W"] = self.inputs.T @ grad + 1e-3 * self.params["W"]
        return grad @ self.params["W"].T


class Tanh:
    def __init__(self):
        self.params, self.grads = {}, {}

    def forward(self, inputs):
        self.inputs = inputs
        return np.tanh(inputs)

    def backward(self, grad):
        y = np.tanh(self.inputs)
        return (1 - y**2) * grad


class NeuralNet:
    def __init__(self, layers):
        self.layers = layers

    def forward(self, inputs):
        for layer in self.layers:
            inputs = layer.forward(inputs)
        return inputs

    def backward(self, grad):
        for layer in reversed(self.layers):
            grad = layer.backward(grad)
        return grad


class BatchNorm1d:
    def __init__(self, d, momentum=0.1, eps=1e-5):
        self.params = {"gamma": normal(d, seed=1), "beta": normal(d, seed=2)}
        self.grads = {"gamma": np.zeros(d), "beta": np.zeros(d)}
        self.momentum, self.eps = momentum, eps
        self.running_mean, self.running_var = np.zeros(d), np.ones(d)
        self.training = True

    def forward(self, x):
        if self.training:
            mean, var = x.mean(0), x.var(0)
            self.running_mean = (1 - self.momentum) * self.running_mean + self.momentum * mean
            self.running_var = (1 - self.momentum) * self.running_var + self.momentum * var
        else:
            mean, var = self.running_mean, self.running_var
        self.std = np.sqrt(var + self.eps)
        self.xhat = (x - mean) / self.std
        return self.params["gamma"] * self.xhat + self.params["beta"]

    def backward(self, dout):
        n = len(dout)
        self.grads["gamma"] = (dout * self.xhat).sum(0)
        self.grads["beta"] = dout.sum(0)
        g = dout * self.params["gamma"]
        if not self.training:
            return g / self.std
        return (n * g - g.sum(0) - self.xhat * (g * self.xhat).sum(0)) / (n * self.std)


class BatchNorm1dEvaluation(BatchNorm1d):
    """Evaluation mode with statistics of training."""

    def __init__(self, d):
        super().__init__(d)
        self.running_mean, self.running_var = normal(d, seed=5), normal(d, seed=6) ** 2
        self.training = False


class BatchNorm1dOverwrites(BatchNorm1d):
    """Statistics updated in place, which refuses complex numbers."""

    def forward(self, x):
        self.running_mean *= 1 - self.momentum
        self.running_mean += self.momentum * x.mean(0)
        self.std = np.sqrt(x.var(0) + self.eps)
        self.xhat = (x - x.mean(0)) / self.std
        return self.params["gamma"] * self.xhat + self.params["beta"]


class BatchNorm1dWrongAxis(BatchNorm1d):
    def backward(self, dout):
        n = len(dout)
        self.grads["gamma"] = (dout * self.xhat).sum(0)
        self.grads["beta"] = dout.sum(0)
        g = dout * self.params["gamma"]
        return (n * g - g.sum(0) - self.xhat * (g * self.xhat).sum(1, keepdims=True)) / (n * self.std)


class RMSNorm:
    def __init__(self, dim, eps=1e-6):
        self.eps = eps
        self.params = {"weight": normal(dim, seed=1)}
        self.grads = {"weight": np.zeros(dim)}

    def forward(self, x):
        self.x = x
        self.inv_rms = 1.0 / np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + self.eps)
        return x * self.inv_rms * self.params["weight"]

    def backward(self, dy):
        x, r = self.x, self.inv_rms
        axes = tuple(range(x.ndim - 1))
        self.grads["weight"] += (dy * x * r).sum(axis=axes)
        g = dy * self.params["weight"]
        return r * g - x * r**3 * np.mean(g * x, axis=-1, keepdims=True)


class RMSNormSummed(RMSNorm):
    def backward(self, dy):
        x, r = self.x, self.inv_rms
        axes = tuple(range(x.ndim - 1))
        self.grads["weight"] += (dy * x * r).sum(axis=axes)
        g = dy * self.params["weight"]
        return r * g - x * r**3 * np.sum(g * x, axis=-1, keepdims=True)


class GRU:
    def __init__(self, d, h):
        names = [w + g for g in "zrn" for w in "WUb"]
        shapes = {"W": (d, h), "U": (h, h), "b": (h,)}
        self.params = {name: normal(*shapes[name[0]], seed=i) for i, name in enumerate(names)}
        self.grads = {name: np.zeros_like(p) for name, p in self.params.items()}

    def forward(self, x, h):
        p = self.params
        z = 1 / (1 + np.exp(-(x @ p["Wz"] + h @ p["Uz"] + p["bz"])))
        r = 1 / (1 + np.exp(-(x @ p["Wr"] + h @ p["Ur"] + p["br"])))
        n = np.tanh(x @ p["Wn"] + (r * h) @ p["Un"] + p["bn"])
        self.cache = x, h, z, r, n
        return (1 - z) * n + z * h

    def backward(self, dh_next):
        x, h, z, r, n = self.cache
        p = self.params
        dn = dh_next * (1 - z) * (1 - n**2)
        dz = dh_next * (h - n) * z * (1 - z)
        drh = dn @ p["Un"].T
        dr = drh * h * r * (1 - r)
        for gate, d, state in (("z", dz, h), ("r", dr, h), ("n", dn, r * h)):
            self.grads["W" + gate] += x.T @ d
            self.grads["U" + gate] += state.T @ d
            self.grads["b" + gate] += d.sum(0)
        dx = dz @ p["Wz"].T + dr @ p["Wr"].T + dn @ p["Wn"].T
        dh = dh_next * z + drh * r + dz @ p["Uz"].T + dr @ p["Ur"].T
        return dx, dh


class GRUWithoutCarry(GRU):
    def backward(self, dh_next):
        carry = dh_next * self.cache[2]
        dx, dh = super().backward(dh_next)
        return dx, dh - carry


class GRUResetForgotten(GRU):
    def backward(self, dh_next):
        x, h, z, r, n = self.cache
        p = self.params
        dn = dh_next * (1 - z) * (1 - n**2)
        dz = dh_next * (h - n) * z * (1 - z)
        drh = dn @ p["Un"].T
        dr = drh * h * r * (1 - r)
        for gate, d in (("z", dz), ("r", dr), ("n", dn)):
            self.grads["W" + gate] += x.T @ d
            self.grads["U" + gate] += h.T @ d
            self.grads["b" + gate] += d.sum(0)
        dx = dz @ p["Wz"].T + dr @ p["Wr"].T + dn @ p["Wn"].T
        dh = dh_next * z + drh * r + dz @ p["Uz"].T + dr @ p["Ur"].T
        return dx, dh


class SelfAttention:
    """One head with a causal mask."""

    def __init__(self, d, k):
        self.params = {name: normal(d, k, seed=i) for i, name in enumerate(("Wq", "Wk", "Wv"))}
        self.grads = {name: np.zeros((d, k)) for name in self.params}

    def forward(self, x):
        T = x.shape[1]
        q, k, v = (x @ self.params[name] for name in ("Wq", "Wk", "Wv"))
        scores = q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1])
        scores[:, np.triu(np.ones((T, T), dtype=bool), 1)] = -np.inf
        e = np.exp(scores - scores.max(-1, keepdims=True))
        att = e / e.sum(-1, keepdims=True)
        self.cache = x, q, k, v, att
        return att @ v

    def backward(self, dout):
        x, q, k, v, att = self.cache
        datt = dout @ v.transpose(0, 2, 1)
        dv = att.transpose(0, 2, 1) @ dout
        dscores = att * (datt - (datt * att).sum(-1, keepdims=True)) / np.sqrt(q.shape[-1])
        dq = dscores @ k
        dk = dscores.transpose(0, 2, 1) @ q
        for name, d in (("Wq", dq), ("Wk", dk), ("Wv", dv)):
            self.grads[name] += np.einsum("btd,btk->dk", x, d)
        return dq @ self.params["Wq"].T + dk @ self.params["Wk"].T + dv @ self.params["Wv"].T


class SelfAttentionKeyNotTransposed(SelfAttention):
    def backward(self, dout):
        x, q, k, v, att = self.cache
        datt = dout @ v.transpose(0, 2, 1)
        dv = att.transpose(0, 2, 1) @ dout
        dscores = att * (datt - (datt * att).sum(-1, keepdims=True)) / np.sqrt(q.shape[-1])
        dq = dscores @ k
        dk = dscores @ q
        for name, d in (("Wq", dq), ("Wk", dk), ("Wv", dv)):
            self.grads[name] += np.einsum("btd,btk->dk", x, d)
        return dq @ self.params["Wq"].T + dk @ self.params["Wk"].T + dv @ self.params["Wv"].T


class RidgeLoss:
    """Mean squared error of a linear model with both penalties, `alpha` of them small."""

    def __init__(self, d, l1=1e-5, l2=1e-2):
        self.params = {"w": normal(d, seed=3)}
        self.grads = {"w": np.zeros(d)}
        self.l1, self.l2 = l1, l2

    def forward(self, X, y):
        w = self.params["w"]
        self.X, self.residual = X, X @ w - y
        return (self.residual**2).mean() + self.l1 * np.abs(w).sum() + 0.5 * self.l2 * np.sum(w * w)

    def backward(self, dloss=1.0):
        w = self.params["w"]
        dr = 2 * self.residual / len(self.residual)
        self.grads["w"] += dloss * (self.X.T @ dr + self.l1 * np.sign(w) + self.l2 * w)
        return dloss * np.outer(dr, w), -dloss * dr


class RidgeLossWithoutL2(RidgeLoss):
    def backward(self, dloss=1.0):
        w = self.params["w"]
        dr = 2 * self.residual / len(self.residual)
        self.grads["w"] += dloss * (self.X.T @ dr + self.l1 * np.sign(w))
        return dloss * np.outer(dr, w), -dloss * dr


class RidgeLossSignFlipped(RidgeLoss):
    def backward(self, dloss=1.0):
        w = self.params["w"]
        dr = 2 * self.residual / len(self.residual)
        self.grads["w"] += dloss * (self.X.T @ dr - self.l1 * np.sign(w) + self.l2 * w)
        return dloss * np.outer(dr, w), -dloss * dr


def net():
    return NeuralNet([Linear(3, 5, seed=1), Tanh(), Linear(5, 2, seed=2)])


def net_with_decay():
    return NeuralNet([Linear(3, 5, seed=1), Tanh(), LinearDecay(5, 2, seed=2)])


BATCH = normal(6, 4, scale=2.0, offset=1.0)

LAYERS = [
    Stranger("Linear with dictionaries", lambda: Linear(4, 3), (normal(2, 4),), "right"),
    Stranger("Linear with dictionaries at 1e6", lambda: Linear(4, 3), (normal(2, 4, scale=1e6),), "right"),
    Stranger("Linear with dictionaries at 1e-6", lambda: Linear(4, 3), (normal(2, 4, scale=1e-6),), "right"),
    Stranger(
        "Linear, weight decay in the gradient",
        lambda: LinearDecay(4, 3),
        (normal(2, 4),),
        "wrong",
        "the gradient has a term 1e-3 W that the forward does not have",
    ),
    Stranger("net of layers with dictionaries", net, (normal(6, 3),), "right"),
    Stranger(
        "net, weight decay in the last layer",
        net_with_decay,
        (normal(6, 3),),
        "wrong",
        "the gradient of a child has a term 1e-3 W that the forward does not have",
    ),
    Stranger("BatchNorm1d, training", lambda: BatchNorm1d(4), (BATCH,), "right"),
    Stranger("BatchNorm1d, evaluation", lambda: BatchNorm1dEvaluation(4), (BATCH,), "right"),
    Stranger("BatchNorm1d, statistics in place", lambda: BatchNorm1dOverwrites(4), (BATCH,), "right"),
    Stranger(
        "BatchNorm1d, variance along the wrong axis",
        lambda: BatchNorm1dWrongAxis(4),
        (BATCH,),
        "wrong",
        "the term of the variance is summed over the features",
    ),
    Stranger("RMSNorm", lambda: RMSNorm(4), (normal(2, 3, 4),), "right"),
    Stranger("RMSNorm of 1e-4", lambda: RMSNorm(4), (normal(2, 3, 4, scale=1e-4),), "right"),
    Stranger("RMSNorm of 1e6", lambda: RMSNorm(4), (normal(2, 3, 4, scale=1e6),), "right"),
    Stranger(
        "RMSNorm, sum for mean",
        lambda: RMSNormSummed(4),
        (normal(2, 3, 4),),
        "wrong",
        "np.sum where the forward has np.mean",
    ),
    Stranger("GRU", lambda: GRU(3, 4), (normal(2, 3), normal(2, 4)), "right"),
    Stranger(
        "GRU, carry forgotten",
        lambda: GRUWithoutCarry(3, 4),
        (normal(2, 3), normal(2, 4)),
        "wrong",
        "dh lacks the path z * h",
    ),
    Stranger(
        "GRU, reset gate forgotten",
        lambda: GRUResetForgotten(3, 4),
        (normal(2, 3), normal(2, 4)),
        "wrong",
        "dUn uses h where the forward has r * h",
    ),
    Stranger("causal attention", lambda: SelfAttention(3, 4), (normal(2, 5, 3),), "right"),
    Stranger(
        "causal attention, scores not transposed",
        lambda: SelfAttentionKeyNotTransposed(3, 4),
        (normal(2, 5, 3),),
        "wrong",
        "dk = dscores q instead of dscores^T q",
    ),
    Stranger("ridge loss", lambda: RidgeLoss(4), (normal(7, 4), normal(7)), "right"),
    Stranger(
        "ridge loss, L2 forgotten",
        lambda: RidgeLossWithoutL2(4),
        (normal(7, 4), normal(7)),
        "wrong",
        "the gradient of the term with w^2 is missing",
    ),
    Stranger(
        "ridge loss, sign of L1",
        lambda: RidgeLossSignFlipped(4),
        (normal(7, 4), normal(7)),
        "wrong",
        "the sign of the term 1e-5 |w| is flipped",
    ),
    Stranger(
        "ridge loss of targets of 1e6",
        lambda: RidgeLoss(4, l1=0.5),
        (normal(7, 4, scale=1e3), normal(7, scale=1e6)),
        "right",
    ),
]
