"""Classes with dictionaries parameters and gradients, and a list of the inputs they saw."""

import numpy as np
from gradcheck.strangers.stranger import Stranger, normal


class LayerBase:
    def __init__(self):
        self.X = []
        self.trainable = True
        self.parameters = {}
        self.gradients = {}
        self.derived_variables = {}

    def flush_gradients(self):
        self.X = []
        for k in self.derived_variables:
            self.derived_variables[k] = []
        for k, v in self.gradients.items():
            self.gradients[k] = np.zeros_like(v)


class FullyConnected(LayerBase):
    def __init__(self, n_in, n_out, act="tanh"):
        super().__init__()
        self.act = act
        self.parameters = {"W": normal(n_in, n_out, seed=1), "b": normal(1, n_out, seed=2)}
        self.gradients = {"W": np.zeros((n_in, n_out)), "b": np.zeros((1, n_out))}
        self.derived_variables = {"Z": []}

    def act_fn(self, z):
        if self.act == "tanh":
            return np.tanh(z)
        return np.where(z > 0, z, np.exp(np.minimum(z, 0)) - 1)

    def act_grad(self, z):
        if self.act == "tanh":
            return 1 - np.tanh(z) ** 2
        return np.where(z > 0, 1.0, np.exp(np.minimum(z, 0)))

    def forward(self, X, retain_derived=True):
        Z = X @ self.parameters["W"] + self.parameters["b"]
        if retain_derived:
            self.X.append(X)
            self.derived_variables["Z"].append(Z)
        return self.act_fn(Z)

    def backward(self, dLdy, retain_grads=True):
        if not isinstance(dLdy, list):
            dLdy = [dLdy]
        dX = []
        for dy, x, Z in zip(dLdy, self.X[-1:], self.derived_variables["Z"][-1:]):
            dx, dw, db = self._bwd(dy, x, Z)
            dX.append(dx)
            if retain_grads:
                self.gradients["W"] += dw
                self.gradients["b"] += db
        return dX[0] if len(dX) == 1 else dX

    def _bwd(self, dLdy, X, Z):
        dZ = dLdy * self.act_grad(Z)
        dX = dZ @ self.parameters["W"].T
        dW = X.T @ dZ
        dB = dZ.sum(axis=0, keepdims=True)
        return dX, dW, dB


class FullyConnectedSecondAxis(FullyConnected):
    def _bwd(self, dLdy, X, Z):
        dZ = dLdy * self.act_grad(Z)
        dX = dZ @ self.parameters["W"].T
        dW = X.T @ dZ
        dB = dLdy.sum(axis=0, keepdims=True)
        return dX, dW, dB


class Softmax(LayerBase):
    def __init__(self, dim=-1):
        super().__init__()
        self.dim = dim

    def forward(self, X):
        self.X = [X]
        e_X = np.exp(X - np.max(X, axis=self.dim, keepdims=True))
        return e_X / e_X.sum(axis=self.dim, keepdims=True)

    def backward(self, dLdy):
        X = self.X[0]
        dX = []
        for dy, x in zip(dLdy, X):
            dxi = []
            for dyi, xi in zip(*np.atleast_2d(dy, x)):
                e = np.exp(xi - np.max(xi))
                yi = (e / e.sum()).reshape(-1, 1)
                dyidxi = np.diagflat(yi) - yi @ yi.T
                dxi.append(dyi @ dyidxi)
            dX.append(dxi)
        return np.array(dX).reshape(*X.shape)


class Multiply(LayerBase):
    """The product of two inputs, with a scale."""

    def __init__(self):
        super().__init__()
        self.parameters = {"scale": np.array(1.3)}
        self.gradients = {"scale": np.zeros(())}

    def forward(self, a, b):
        self.X = [a, b]
        return self.parameters["scale"] * a * b

    def backward(self, dLdy):
        a, b = self.X
        self.gradients["scale"] = np.sum(dLdy * a * b)
        return self.parameters["scale"] * dLdy * b, self.parameters["scale"] * dLdy * a


class MultiplyExchanged(Multiply):
    def backward(self, dLdy):
        a, b = self.X
        self.gradients["scale"] = np.sum(dLdy * a * b)
        return self.parameters["scale"] * dLdy * a, self.parameters["scale"] * dLdy * b


class LayerNorm1D(LayerBase):
    def __init__(self, n_in, epsilon=1e-5):
        super().__init__()
        self.epsilon = epsilon
        self.parameters = {"scaler": normal(n_in, seed=4), "intercept": normal(n_in, seed=5)}
        self.gradients = {"scaler": np.zeros(n_in), "intercept": np.zeros(n_in)}

    def forward(self, X):
        self.X = [X]
        X_mean, X_var = X.mean(axis=1, keepdims=True), X.var(axis=1, keepdims=True)
        lX = (X - X_mean) / np.sqrt(X_var + self.epsilon)
        return self.parameters["scaler"] * lX + self.parameters["intercept"]

    def backward(self, dLdy):
        X = self.X[0]
        scaler = self.parameters["scaler"]
        n_ex, n_in = X.shape
        X_mean, X_var = X.mean(axis=1, keepdims=True), X.var(axis=1, keepdims=True)
        lX = (X - X_mean) / np.sqrt(X_var + self.epsilon)
        dLy = dLdy.copy()
        dN = dLy * scaler
        self.gradients["intercept"] += dLy.sum(axis=0)
        self.gradients["scaler"] += np.sum(dLy * lX, axis=0)
        dX = n_in * dN - dN.sum(axis=1, keepdims=True) - lX * (dN * lX).sum(axis=1, keepdims=True)
        return dX / (n_in * np.sqrt(X_var + self.epsilon))


class LayerNorm1DScalerForgotten(LayerNorm1D):
    def backward(self, dLdy):
        X = self.X[0]
        n_ex, n_in = X.shape
        X_mean, X_var = X.mean(axis=1, keepdims=True), X.var(axis=1, keepdims=True)
        lX = (X - X_mean) / np.sqrt(X_var + self.epsilon)
        dN = dLdy
        self.gradients["intercept"] += dN.sum(axis=0)
        self.gradients["scaler"] += np.sum(dN * lX, axis=0)
        dX = n_in * dN - dN.sum(axis=1, keepdims=True) - lX * (dN * lX).sum(axis=1, keepdims=True)
        return dX / (n_in * np.sqrt(X_var + self.epsilon))


class DotProductAttention(LayerBase):
    def __init__(self):
        super().__init__()
        self.softmax = Softmax()

    def forward(self, Q, K, V):
        self.X = [Q, K, V]
        scale = 1 / np.sqrt(Q.shape[-1])
        self.weights = self.softmax.forward(Q @ K.swapaxes(-2, -1) * scale)
        return self.weights @ V

    def backward(self, dLdy):
        Q, K, V = self.X
        scale = 1 / np.sqrt(Q.shape[-1])
        dV = self.weights.swapaxes(-2, -1) @ dLdy
        dWeights = dLdy @ V.swapaxes(-2, -1)
        dScores = self.softmax.backward(dWeights)
        dQ = dScores @ K * scale
        dK = dScores.swapaxes(-2, -1) @ Q * scale
        return dQ, dK, dV


class DotProductAttentionUnscaled(DotProductAttention):
    def backward(self, dLdy):
        Q, K, V = self.X
        dV = self.weights.swapaxes(-2, -1) @ dLdy
        dScores = self.softmax.backward(dLdy @ V.swapaxes(-2, -1))
        return dScores @ K, dScores.swapaxes(-2, -1) @ Q, dV


class SparseEvolution(LayerBase):
    """A linear layer whose mask is an array attribute and constant."""

    def __init__(self, n_in, n_out):
        super().__init__()
        self.mask = (np.arange(n_in * n_out).reshape(n_in, n_out) % 3 > 0).astype(float)
        self.parameters = {"W": normal(n_in, n_out, seed=6)}
        self.gradients = {"W": np.zeros((n_in, n_out))}

    def forward(self, X):
        self.X = [X]
        return X @ (self.parameters["W"] * self.mask)

    def backward(self, dLdy):
        (X,) = self.X
        self.gradients["W"] += (X.T @ dLdy) * self.mask
        return dLdy @ (self.parameters["W"] * self.mask).T


class SparseEvolutionDense(SparseEvolution):
    def backward(self, dLdy):
        (X,) = self.X
        self.gradients["W"] += X.T @ dLdy
        return dLdy @ (self.parameters["W"] * self.mask).T


class BidirectionalSum(LayerBase):
    """Two layers of the same kind kept in a dictionary."""

    def __init__(self, n_in, n_out):
        super().__init__()
        there, back = FullyConnected(n_in, n_out), FullyConnected(n_in, n_out, "elu")
        self.components = {"forward": there, "backward": back}

    def forward(self, X):
        return self.components["forward"].forward(X) + self.components["backward"].forward(X[:, ::-1])

    def backward(self, dLdy):
        dX_f = self.components["forward"].backward(dLdy)
        dX_b = self.components["backward"].backward(dLdy)
        return dX_f + dX_b[:, ::-1]


class BidirectionalSumNotTurned(BidirectionalSum):
    def backward(self, dLdy):
        return self.components["forward"].backward(dLdy) + self.components["backward"].backward(dLdy)


ATTENTION = normal(2, 3, 4), normal(2, 5, 4), normal(2, 5, 2)

LAYERS = [
    Stranger("FullyConnected, tanh", lambda: FullyConnected(4, 3), (normal(2, 4),), "right"),
    Stranger("FullyConnected, ELU", lambda: FullyConnected(4, 3, "elu"), (normal(5, 4, scale=0.4),), "right"),
    Stranger(
        "FullyConnected, bias before the activation",
        lambda: FullyConnectedSecondAxis(4, 3),
        (normal(2, 4),),
        "wrong",
        "db sums dLdy instead of dZ",
    ),
    Stranger("Softmax by its Jacobian", Softmax, (normal(4, 5),), "right"),
    Stranger("Multiply", Multiply, (normal(2, 3), normal(2, 3, seed=1)), "right"),
    Stranger(
        "Multiply at very different scales",
        Multiply,
        (normal(2, 3, scale=1e6), normal(2, 3, seed=1, scale=1e-6)),
        "right",
    ),
    Stranger(
        "Multiply, factors exchanged",
        MultiplyExchanged,
        (normal(2, 3), normal(2, 3, seed=1)),
        "wrong",
        "the gradient of a is multiplied by a",
    ),
    Stranger("LayerNorm1D", lambda: LayerNorm1D(5), (normal(3, 5),), "right"),
    Stranger("LayerNorm1D of 1e-6", lambda: LayerNorm1D(5), (normal(3, 5, scale=1e-6),), "right"),
    Stranger(
        "LayerNorm1D, scaler forgotten",
        lambda: LayerNorm1DScalerForgotten(5),
        (normal(3, 5),),
        "wrong",
        "dX lacks the factor scaler",
    ),
    Stranger("DotProductAttention", DotProductAttention, ATTENTION, "right"),
    Stranger(
        "DotProductAttention, unscaled",
        DotProductAttentionUnscaled,
        ATTENTION,
        "wrong",
        "the factor 1/sqrt(d) is missing in dQ and dK",
    ),
    Stranger("masked weight", lambda: SparseEvolution(4, 3), (normal(2, 4),), "right"),
    Stranger(
        "masked weight, gradient not masked",
        lambda: SparseEvolutionDense(4, 3),
        (normal(2, 4),),
        "wrong",
        "pruned weights get a gradient",
    ),
    Stranger("layers in a dictionary", lambda: BidirectionalSum(4, 3), (normal(2, 4),), "right"),
    Stranger(
        "layers in a dictionary, not turned back",
        lambda: BidirectionalSumNotTurned(4, 3),
        (normal(2, 4),),
        "wrong",
        "the gradient of the reversed input is not reversed",
    ),
]
