"""Classes with (y, cache) as the README shows them: parameters() or attributes, masks, generators, states."""

import math

import numpy as np
from gradcheck.strangers.stranger import Stranger, normal

from minibert.layers import Parameter


class Param:
    def __init__(self, value):
        self.value = value
        self.grad = np.zeros_like(value)


class Projection:
    """A parameter in an attribute and one in a dictionary."""

    def __init__(self, n_in, n_out):
        self.weight = Parameter(normal(n_in, n_out, seed=1))
        self.extra = {"bias": Parameter(normal(n_out, seed=2))}

    def parameters(self):
        return {"weight": self.weight, "bias": self.extra["bias"]}

    def forward(self, x):
        return x @ self.weight.value + self.extra["bias"].value, x

    def backward(self, d_y, x):
        self.weight.grad += x.T @ d_y
        self.extra["bias"].grad += d_y.sum(0)
        return d_y @ self.weight.value.T


class ProjectionBiasTwice(Projection):
    def backward(self, d_y, x):
        self.weight.grad += x.T @ d_y
        self.extra["bias"].grad += 2 * d_y.sum(0)
        return d_y @ self.weight.value.T


class Block:
    """Layers in a tuple; no parameters() method."""

    def __init__(self, n):
        self.layers = (Projection(n, n + 1), Projection(n + 1, n))

    def forward(self, x):
        a, c1 = self.layers[0].forward(x)
        h = a / (1 + np.exp(-a))
        y, c2 = self.layers[1].forward(h)
        return x + y, (c1, a, c2)

    def backward(self, d_y, cache):
        c1, a, c2 = cache
        d_h = self.layers[1].backward(d_y, c2)
        s = 1 / (1 + np.exp(-a))
        d_a = d_h * s * (1 + a * (1 - s))
        return d_y + self.layers[0].backward(d_a, c1)


class BlockOneLayerWrong(Block):
    def __init__(self, n):
        self.layers = (ProjectionBiasTwice(n, n + 1), Projection(n + 1, n))


class BlockNoResidual(Block):
    def backward(self, d_y, cache):
        return super().backward(d_y, cache) - d_y


class MaskedMean:
    """The mean over the tokens that a mask keeps."""

    def forward(self, x, mask):
        n = mask.sum(1, keepdims=True)
        return (x * mask[:, :, None]).sum(1) / n, (mask, n)

    def backward(self, d_y, cache):
        mask, n = cache
        return mask[:, :, None] * (d_y / n)[:, None, :]


class MaskedMeanOverAll(MaskedMean):
    def backward(self, d_y, cache):
        mask, n = cache
        return mask[:, :, None] * (d_y / mask.shape[1])[:, None, :]


class GaussianNoise:
    """Multiplicative noise from a generator that is passed in."""

    def forward(self, x, rng):
        noise = 1 + 0.1 * rng.standard_normal(x.shape)
        return x * noise, noise

    def backward(self, d_y, noise):
        return d_y * noise


class VariationalDropout:
    """One mask for all time steps; the mask comes from a generator of the layer's own."""

    def __init__(self, p=0.4):
        self.p = p
        self.rng = np.random.default_rng(11)

    def forward(self, x):
        keep = self.rng.random((x.shape[0], 1, x.shape[2])) >= self.p
        return x * keep / (1 - self.p), keep

    def backward(self, d_y, keep):
        return d_y * keep / (1 - self.p)


class VariationalDropoutUnscaled:
    def __init__(self, p=0.4):
        self.p = p

    def forward(self, x, rng):
        keep = rng.random((x.shape[0], 1, x.shape[2])) >= self.p
        return x * keep / (1 - self.p), keep

    def backward(self, d_y, keep):
        return d_y * keep


class LSTMStack:
    """Two outputs, the states at all steps and the last cell."""

    def __init__(self, d, h):
        self.W = Param(normal(d + h, 4 * h, seed=3, scale=0.5))

    def parameters(self):
        return {"W": self.W}

    def forward(self, x, h, c):
        caches, outs = [], []
        for t in range(x.shape[1]):
            z = np.concatenate([x[:, t], h], axis=1)
            i, f, o, g = np.split(z @ self.W.value, 4, axis=1)
            i, f, o, g = 1 / (1 + np.exp(-i)), 1 / (1 + np.exp(-f)), 1 / (1 + np.exp(-o)), np.tanh(g)
            c_old, c = c, f * c + i * g
            h = o * np.tanh(c)
            outs.append(h)
            caches.append((z, i, f, o, g, c_old, c))
        return (np.stack(outs, 1), c), caches

    def backward(self, d_y, caches):
        d_outs, d_c = d_y
        H = d_c.shape[1]
        d_h = np.zeros_like(d_c)
        d_x = []
        for t in reversed(range(len(caches))):
            z, i, f, o, g, c_old, c = caches[t]
            d_h = d_h + d_outs[:, t]
            tanh_c = np.tanh(c)
            d_c = d_c + d_h * o * (1 - tanh_c**2)
            d_i, d_f, d_o = d_c * g * i * (1 - i), d_c * c_old * f * (1 - f), d_h * tanh_c * o * (1 - o)
            d_a = np.concatenate([d_i, d_f, d_o, d_c * i * (1 - g**2)], axis=1)
            self.W.grad += z.T @ d_a
            d_z = d_a @ self.W.value.T
            d_x.append(d_z[:, :-H])
            d_h, d_c = d_z[:, -H:], d_c * f
        return np.stack(d_x[::-1], 1), d_h, d_c


class LSTMStackGatesExchanged(LSTMStack):
    def backward(self, d_y, caches):
        swapped = [(z, f, i, o, g, c_old, c) for z, i, f, o, g, c_old, c in caches]
        return super().backward(d_y, swapped)


class LSTMStackTimeReversed(LSTMStack):
    def backward(self, d_y, caches):
        d_x, d_h, d_c = super().backward(d_y, caches)
        return d_x[:, ::-1], d_h, d_c


class Pair:
    """A dictionary as input."""

    def __init__(self, d):
        self.w = Parameter(normal(d, seed=5))

    def parameters(self):
        return {"w": self.w}

    def forward(self, batch):
        left, right = batch["left"], batch["right"]
        return np.tanh(left * right) @ self.w.value, (left, right)

    def backward(self, d_y, cache):
        left, right = cache
        t = np.tanh(left * right)
        self.w.grad += t.T @ d_y
        d_product = d_y[:, None] * self.w.value * (1 - t * t)
        return {"left": d_product * right, "right": d_product * left}


class PairOneSide(Pair):
    def backward(self, d_y, cache):
        d = super().backward(d_y, cache)
        return {"left": d["left"], "right": d["left"]}


class SafeNormalize:
    """Rows divided by max(norm, eps), with a row of zeros."""

    def __init__(self, eps=1e-3):
        self.eps = eps

    def forward(self, x):
        norm = np.sqrt(np.sum(x * x, axis=-1, keepdims=True))
        return x / np.maximum(norm, self.eps), (x, norm)

    def backward(self, d_y, cache):
        x, norm = cache
        n = np.maximum(norm, self.eps)
        d_x = d_y / n
        along = np.sum(d_y * x, axis=-1, keepdims=True)
        return d_x - np.where(norm > self.eps, x * along / n**3, 0)


class Gelu:
    def forward(self, x):
        u = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
        return 0.5 * x * (1 + np.tanh(u)), (x, u)

    def backward(self, d_y, cache):
        x, u = cache
        d_u = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x**2)
        return d_y * (0.5 * (1 + np.tanh(u)) + 0.5 * x * (1 - np.tanh(u) ** 2) * d_u)


class GeluCubeForgotten(Gelu):
    def backward(self, d_y, cache):
        x, u = cache
        d_u = math.sqrt(2 / math.pi)
        return d_y * (0.5 * (1 + np.tanh(u)) + 0.5 * x * (1 - np.tanh(u) ** 2) * d_u)


class VarianceLoss:
    """The variance of the activations at a large offset, by the two-pass formula."""

    def forward(self, x):
        centred = x - x.mean()
        return (centred**2).mean(), centred

    def backward(self, d_loss, centred):
        return d_loss * 2 * centred / centred.size


class CancellingVariance(VarianceLoss):
    """E[x^2] - E[x]^2, which loses digits at an offset."""

    def forward(self, x):
        return (x**2).mean() - x.mean() ** 2, x - x.mean()


class RelativisticEnergy:
    """The energy of a pendulum in joule, rest mass included: 9e16 and a little."""

    def forward(self, angle):
        return float(299792458.0**2 + np.sum(1 - np.cos(angle))), angle

    def backward(self, d_energy, angle):
        return d_energy * np.sin(angle)


class SinglePrecisionNet:
    """Casts its input to float32, and its gradient is right."""

    def __init__(self, n):
        self.weight = Parameter(normal(n, n, seed=8))

    def parameters(self):
        return {"weight": self.weight}

    def forward(self, x):
        y = np.tanh((x @ self.weight.value).astype(np.float32))
        return y, (x, y)

    def backward(self, d_y, cache):
        x, y = cache
        d_a = d_y * (1 - y**2)
        self.weight.grad += x.T @ d_a
        return d_a @ self.weight.value.T


class SinglePrecisionNetNotTransposed(SinglePrecisionNet):
    def backward(self, d_y, cache):
        x, y = cache
        d_a = d_y * (1 - y**2)
        self.weight.grad += x.T @ d_a
        return d_a @ self.weight.value


MASK = np.array([[1, 1, 0, 1, 0], [1, 0, 0, 0, 0]])
LSTM = normal(2, 4, 1), normal(2, 3), normal(2, 3, seed=1)
ZERO_ROW = np.array([[0.5, -2.0, 1.0], [0.0, 0.0, 0.0], [-0.3, 0.2, 0.7]])
SIDES = {"left": normal(3, 4, seed=1), "right": normal(3, 4, seed=2)}

LAYERS = [
    Stranger("Projection", lambda: Projection(4, 3), (normal(2, 4),), "right"),
    Stranger("Projection of 1e-6", lambda: Projection(4, 3), (normal(2, 4, scale=1e-6),), "right"),
    Stranger(
        "Projection, bias twice",
        lambda: ProjectionBiasTwice(4, 3),
        (normal(2, 4),),
        "wrong",
        "the bias in the dictionary gets twice its gradient",
    ),
    Stranger("Block with layers in a tuple", lambda: Block(3), (normal(2, 3),), "right"),
    Stranger(
        "Block, one layer wrong",
        lambda: BlockOneLayerWrong(3),
        (normal(2, 3),),
        "wrong",
        "a bias two levels down gets twice its gradient",
    ),
    Stranger(
        "Block, residual forgotten",
        lambda: BlockNoResidual(3),
        (normal(2, 3),),
        "wrong",
        "the path past the layers is missing",
    ),
    Stranger("MaskedMean", MaskedMean, (normal(2, 5, 3),), "right", kwargs={"mask": MASK}),
    Stranger(
        "MaskedMean, over all",
        MaskedMeanOverAll,
        (normal(2, 5, 3),),
        "wrong",
        "divided by all tokens instead of the kept ones",
        kwargs={"mask": MASK},
    ),
    Stranger(
        "GaussianNoise", GaussianNoise, (normal(2, 3),), "right", kwargs={"rng": np.random.default_rng(4)}
    ),
    Stranger("VariationalDropout with its own generator", VariationalDropout, (normal(2, 5, 3),), "right"),
    Stranger(
        "VariationalDropout, unscaled",
        VariationalDropoutUnscaled,
        (normal(2, 5, 3),),
        "wrong",
        "the factor 1/(1 - p) is missing",
        kwargs={"rng": np.random.default_rng(4)},
    ),
    Stranger("LSTM with two outputs", lambda: LSTMStack(1, 3), LSTM, "right"),
    Stranger(
        "LSTM, gates exchanged",
        lambda: LSTMStackGatesExchanged(1, 3),
        LSTM,
        "wrong",
        "input gate and forget gate are exchanged",
    ),
    Stranger(
        "LSTM, time reversed",
        lambda: LSTMStackTimeReversed(1, 3),
        LSTM,
        "wrong",
        "the gradients of the steps come in the reverse order",
    ),
    Stranger("dictionary as input", lambda: Pair(4), (SIDES,), "right"),
    Stranger(
        "dictionary as input, one side twice",
        lambda: PairOneSide(4),
        (SIDES,),
        "wrong",
        "the entry right gets the gradient of left",
    ),
    Stranger("SafeNormalize with a row of zeros", SafeNormalize, (ZERO_ROW,), "right"),
    Stranger("Gelu", Gelu, (normal(3, 4),), "right"),
    Stranger("Gelu at 1e3", Gelu, (normal(3, 4, scale=1e3),), "right"),
    Stranger(
        "Gelu, cube forgotten",
        GeluCubeForgotten,
        (normal(3, 4),),
        "wrong",
        "the derivative of 0.044715 x^3 is missing",
    ),
    Stranger("VarianceLoss at 1e6", VarianceLoss, (normal(3, 4, offset=1e6),), "right"),
    Stranger("variance by E[x^2] - E[x]^2 at 1e3", CancellingVariance, (normal(3, 4, offset=1e3),), "right"),
    Stranger(
        "energy with the rest mass",
        RelativisticEnergy,
        (normal(4),),
        "undecided",
        "the output is a multiple of 16 and the angles change it by less: rounding leaves no digit",
    ),
    Stranger(
        "SinglePrecisionNet",
        lambda: SinglePrecisionNet(3),
        (normal(2, 3),),
        "undecided",
        "the forward rounds to float32: a small wrong term could hide below seven digits",
    ),
    Stranger(
        "SinglePrecisionNet, not transposed",
        lambda: SinglePrecisionNetNotTransposed(3),
        (normal(2, 3),),
        "wrong",
        "W for its transpose, an error far above single precision",
    ),
]
