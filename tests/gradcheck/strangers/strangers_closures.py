"""Forwards that return a closure for the backward pass, and little engines of scalars."""

import math

import numpy as np
from gradcheck.strangers.stranger import Stranger, integers, normal


def call(d, back):
    """Call the closure that a forward returned in place of a cache."""
    return back(d)


class Value:
    """A scalar that remembers how it was made."""

    def __init__(self, data, _children=(), _op=""):
        self.data = data
        self.grad = 0
        self._backward = lambda: None
        self._prev = _children

    def __add__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        out = Value(self.data + other.data, (self, other), "+")

        def _backward():
            self.grad += out.grad
            other.grad += out.grad

        out._backward = _backward
        return out

    def __mul__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        out = Value(self.data * other.data, (self, other), "*")

        def _backward():
            self.grad += other.data * out.grad
            other.grad += self.data * out.grad

        out._backward = _backward
        return out

    def tanh(self):
        t = (math.exp(2 * self.data) - 1) / (math.exp(2 * self.data) + 1)
        out = Value(t, (self,), "tanh")

        def _backward():
            self.grad += (1 - t**2) * out.grad

        out._backward = _backward
        return out

    def backward(self, grad=1):
        topo, visited = [], set()

        def build_topo(v):
            if v not in visited:
                visited.add(v)
                for child in v._prev:
                    build_topo(child)
                topo.append(v)

        build_topo(self)
        self.grad = grad
        for v in reversed(topo):
            v._backward()


class CarelessValue(Value):
    """Each use of a value overwrites the gradient of the use before."""

    def __add__(self, other):
        out = CarelessValue(self.data + other.data, (self, other), "+")

        def _backward():
            self.grad = out.grad
            other.grad = out.grad

        out._backward = _backward
        return out

    def __mul__(self, other):
        out = CarelessValue(self.data * other.data, (self, other), "*")

        def _backward():
            self.grad = other.data * out.grad
            other.grad = self.data * out.grad

        out._backward = _backward
        return out


def neuron(kind):
    def forward(x, w, b):
        xs, ws, bias = [kind(float(v)) for v in x], [kind(float(v)) for v in w], kind(float(b))
        total = bias
        for xi, wi in zip(xs, ws):
            total = total + wi * xi
        out = total * total + total * total.tanh() if kind is Value else total * xs[0] + total * bias

        def back(d):
            out.backward(d)
            return np.array([v.grad for v in xs]), np.array([v.grad for v in ws]), np.array(bias.grad)

        return out.data, back

    return forward, call


def polynomial(x, coefficients):
    """Horner's rule, and the same in reverse."""
    value, partial = np.zeros_like(x), []
    for c in coefficients:
        partial.append(value)
        value = value * x + c

    def back(d):
        dx, dc = np.zeros_like(x), np.zeros_like(coefficients)
        for k in reversed(range(len(coefficients))):
            dc[k] = d.sum()
            dx = dx + d * partial[k]
            d = d * x
        return dx, dc

    return value, back


def polynomial_first_coefficient(x, coefficients):
    value, back_right = polynomial(x, coefficients)

    def back(d):
        dx, dc = back_right(d)
        dc[0] = d.sum()
        return dx, dc

    return value, back


def swish(x, beta):
    s = 1 / (1 + np.exp(-beta * x))
    return x * s, lambda d: (d * (s + beta * x * s * (1 - s)), np.sum(d * x * x * s * (1 - s)))


def swish_constant_beta(x, beta):
    s = 1 / (1 + np.exp(-beta * x))
    return x * s, lambda d: (d * (s + x * s * (1 - s)), np.sum(d * x * x * s * (1 - s)))


def bilinear(x, W, y):
    """Returns x W y for each row."""
    xW = x @ W
    return (xW * y).sum(1), lambda d: ((d[:, None] * y) @ W.T, x.T @ (d[:, None] * y), d[:, None] * xW)


def bilinear_square(x, W, y):
    xW = x @ W
    return (xW * y).sum(1), lambda d: ((d[:, None] * y) @ W, x.T @ (d[:, None] * y), d[:, None] * xW)


def cosine(a, b):
    na, nb = np.linalg.norm(a), np.linalg.norm(b)
    c = a @ b / (na * nb)
    return c, lambda d: (d * (b / (na * nb) - c * a / na**2), d * (a / (na * nb) - c * b / nb**2))


def cosine_constant_norm(a, b):
    na, nb = np.linalg.norm(a), np.linalg.norm(b)
    return a @ b / (na * nb), lambda d: (d * b / (na * nb), d * a / (na * nb))


def leaky_relu(x, slope=0.01):
    return np.where(x > 0, x, slope * x), lambda d: np.where(x > 0, d, slope * d)


def leaky_relu_dead(x, slope=0.01):
    return np.where(x > 0, x, slope * x), lambda d: np.where(x > 0, d, 0)


def clipped(x):
    return np.clip(x, -1, 1), lambda d: d * ((x >= -1) & (x <= 1))


def clipped_passed_through(x):
    return np.clip(x, -1, 1), lambda d: d


def quantised(x, step=0.25):
    """Straight-through: the rounding is flat, the backward claims a slope of one."""
    return np.round(x / step) * step, lambda d: d


def quantised_flat(x, step=0.25):
    """The slope of the rounding as it is."""
    return np.round(x / step) * step, lambda d: np.zeros_like(d)


def highway(x, Wh, Wt):
    h, t = np.tanh(x @ Wh), 1 / (1 + np.exp(-(x @ Wt)))

    def back(d):
        dh, dt = d * t * (1 - h**2), d * (h - x) * t * (1 - t)
        return dh @ Wh.T + dt @ Wt.T + d * (1 - t), x.T @ dh, x.T @ dt

    return t * h + (1 - t) * x, back


def highway_no_skip(x, Wh, Wt):
    y, back_right = highway(x, Wh, Wt)
    t = 1 / (1 + np.exp(-(x @ Wt)))

    def back(d):
        dx, dWh, dWt = back_right(d)
        return dx - d * (1 - t), dWh, dWt

    return y, back


def contrastive(u, v, temperature=0.1):
    """InfoNCE over the batch, with the other pairs as negatives."""
    n = len(u)
    scores = u @ v.T / temperature
    p = np.exp(scores - scores.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    loss = -np.log(p[range(n), range(n)]).mean()

    def back(d):
        ds = d * (p - np.eye(n)) / n / temperature
        return ds @ v, ds.T @ u

    return loss, back


def contrastive_cold(u, v, temperature=0.1):
    loss, back_right = contrastive(u, v, temperature)
    return loss, lambda d: tuple(temperature * g for g in back_right(d))


def rotary(x, base=100.0):
    """Rotary positions: pairs of neighbouring features turn by an angle that grows with the position."""
    B, T, D = x.shape
    angle = np.arange(T)[:, None] * base ** (-np.arange(0, D, 2) / D)
    cos, sin = np.cos(angle), np.sin(angle)

    def turn(z, sin):
        out = np.empty_like(z)
        out[..., 0::2] = z[..., 0::2] * cos - z[..., 1::2] * sin
        out[..., 1::2] = z[..., 0::2] * sin + z[..., 1::2] * cos
        return out

    return turn(x, sin), lambda d: turn(d, -sin)


def rotary_forward_again(x, base=100.0):
    y, _ = rotary(x, base)
    return y, lambda d: rotary(d, base)[0]


def mixture_of_experts(x, gate, experts):
    """The experts' outputs weighted by a softmax."""
    g = np.exp(x @ gate)
    g = g / g.sum(1, keepdims=True)
    outs = np.stack([np.tanh(x @ W) for W in experts], axis=1)
    y = (g[:, :, None] * outs).sum(1)

    def back(d):
        dg = (d[:, None, :] * outs).sum(2)
        ds = g * (dg - (g * dg).sum(1, keepdims=True))
        dz = g[:, :, None] * d[:, None, :] * (1 - outs**2)
        dx = ds @ gate.T + np.einsum("neh,edh->nd", dz, experts)
        return dx, x.T @ ds, np.einsum("nd,neh->edh", x, dz)

    return y, back


def mixture_of_experts_gate_alone(x, gate, experts):
    y, back_right = mixture_of_experts(x, gate, experts)
    g = np.exp(x @ gate)
    g = g / g.sum(1, keepdims=True)
    outs = np.stack([np.tanh(x @ W) for W in experts], axis=1)

    def back(d):
        dx, dgate, dexperts = back_right(d)
        dg = (d[:, None, :] * outs).sum(2)
        return dx, x.T @ (g * dg), dexperts

    return y, back


def margin_ranking(scores, labels):
    """Squared hinge over all pairs, counted in float."""
    loss = 0.0
    for i in range(len(scores)):
        for j in range(len(scores)):
            if labels[i] > labels[j]:
                loss += float(max(0.0, 1 - (scores[i] - scores[j]))) ** 2

    def back(d):
        ds = np.zeros(len(scores))
        for i in range(len(scores)):
            for j in range(len(scores)):
                if labels[i] > labels[j]:
                    m = max(0.0, 1 - (scores[i] - scores[j]))
                    ds[i] -= 2 * m * d
                    ds[j] += 2 * m * d
        return ds

    return loss, back


def margin_ranking_no_two(scores, labels):
    loss, back_right = margin_ranking(scores, labels)
    return loss, lambda d: back_right(d) / 2


NEURON = normal(3), normal(3, seed=1), np.array(0.4)
EXPERTS = normal(4, 3), normal(3, 2), normal(2, 3, 5)
PAIR = normal(4, 3, seed=1), normal(4, 3, seed=2)

LAYERS = [
    Stranger("neuron of Values", lambda: neuron(Value), NEURON, "right"),
    Stranger(
        "neuron of Values, = for +=",
        lambda: neuron(CarelessValue),
        NEURON,
        "wrong",
        "a value that is used twice keeps one gradient",
    ),
    Stranger("Horner", lambda: (polynomial, call), (normal(3), normal(4, seed=1)), "right"),
    Stranger("Horner at 1e2", lambda: (polynomial, call), (normal(3, scale=1e2), normal(4, seed=1)), "right"),
    Stranger(
        "Horner, first coefficient as the last",
        lambda: (polynomial_first_coefficient, call),
        (normal(3), normal(4, seed=1)),
        "wrong",
        "dc[0] lacks the power of x",
    ),
    Stranger("swish", lambda: (swish, call), (normal(3, 4), np.array(1.5)), "right"),
    Stranger(
        "swish, beta missing",
        lambda: (swish_constant_beta, call),
        (normal(3, 4), np.array(1.5)),
        "wrong",
        "the factor beta is missing in dx",
    ),
    Stranger("bilinear form", lambda: (bilinear, call), (normal(4, 3), normal(3, 5), normal(4, 5)), "right"),
    Stranger(
        "bilinear form, W not transposed",
        lambda: (bilinear_square, call),
        (normal(4, 3), normal(3, 3), normal(4, 3, seed=1)),
        "wrong",
        "W instead of its transpose, which the square weight hides",
    ),
    Stranger("cosine", lambda: (cosine, call), (normal(4), normal(4, seed=1)), "right"),
    Stranger(
        "cosine of 1e-6 and 1e6",
        lambda: (cosine, call),
        (normal(4, scale=1e-6), normal(4, seed=1, scale=1e6)),
        "right",
    ),
    Stranger(
        "cosine, norms held constant",
        lambda: (cosine_constant_norm, call),
        (normal(4), normal(4, seed=1)),
        "wrong",
        "the norms are treated as constants",
    ),
    Stranger("leaky relu", lambda: (leaky_relu, call), (normal(3, 4),), "right"),
    Stranger("leaky relu at zero", lambda: (leaky_relu, call), (np.array([0.0, -2.0, 1.0, 0.0]),), "right"),
    Stranger(
        "leaky relu, dead",
        lambda: (leaky_relu_dead, call),
        (normal(3, 4),),
        "wrong",
        "the slope of the negative side is missing",
    ),
    Stranger("clip", lambda: (clipped, call), (np.linspace(-1.9, 1.9, 8),), "right"),
    Stranger("clip at its limits", lambda: (clipped, call), (np.array([-1.0, 1.0, 0.3, 5.0]),), "right"),
    Stranger(
        "clip, passed through",
        lambda: (clipped_passed_through, call),
        (normal(3, 4, scale=2.0),),
        "wrong",
        "no mask outside of the limits",
    ),
    Stranger(
        "rounding, straight-through",
        lambda: (quantised, call),
        (normal(3, 4),),
        "wrong",
        "meant so, but the slope of the forward is 0 and the backward says 1",
    ),
    Stranger("rounding, flat", lambda: (quantised_flat, call), (normal(3, 4),), "right"),
    Stranger("highway", lambda: (highway, call), (normal(2, 3), normal(3, 3), normal(3, 3, seed=1)), "right"),
    Stranger(
        "highway, carry forgotten",
        lambda: (highway_no_skip, call),
        (normal(2, 3), normal(3, 3), normal(3, 3, seed=1)),
        "wrong",
        "dx lacks the path (1 - t) x",
    ),
    Stranger("contrastive loss", lambda: (contrastive, call), PAIR, "right"),
    Stranger(
        "contrastive loss, temperature forgotten",
        lambda: (contrastive_cold, call),
        PAIR,
        "wrong",
        "the factor 1/temperature is missing",
    ),
    Stranger("rotary positions", lambda: (rotary, call), (normal(2, 5, 4),), "right"),
    Stranger(
        "rotary positions, turned the same way",
        lambda: (rotary_forward_again, call),
        (normal(2, 5, 4),),
        "wrong",
        "the backward turns forward: the sign of the sine",
    ),
    Stranger("mixture of experts", lambda: (mixture_of_experts, call), EXPERTS, "right"),
    Stranger(
        "mixture of experts, diagonal gate",
        lambda: (mixture_of_experts_gate_alone, call),
        EXPERTS,
        "wrong",
        "the gate's softmax lacks the sum over experts",
    ),
    Stranger(
        "ranking loss",
        lambda: (margin_ranking, call),
        (normal(5),),
        "right",
        kwargs={"labels": integers(3, 5)},
    ),
    Stranger(
        "ranking loss, a factor 2",
        lambda: (margin_ranking_no_two, call),
        (normal(5),),
        "wrong",
        "the 2 of the square is missing",
        kwargs={"labels": integers(3, 5)},
    ),
]
