"""The least value of a smooth convex function, and logistic regression by it: no rate, no steps to choose."""

import math
from typing import NamedTuple

import numpy as np

MEMORY = 10  # pairs of steps that L-BFGS remembers
ENOUGH = 1e-4  # share of the decrease that the slope promises, which a step must bring (Armijo)


def minimize(function, start, tolerance=1e-6, max_iterations=1000):
    """Return the argument of the least value of a smooth convex function, by L-BFGS.

    (Nocedal & Wright 2006, "Numerical Optimization", algorithms 7.4 and 7.5.) The step is −H g: H, about the
    inverse of the second derivatives, is built from the last steps s and changes y of the gradient, each of
    which says H y = s. Each step is halved until the value decreases enough.

    Args:
        function: takes an array, returns its value and its gradient, an array of the same shape.
        start: an array of floats.
        tolerance: it ends where no entry of the gradient is larger.
        max_iterations: it ends there, too.

    >>> minimize(lambda x: (((x - 3) ** 2).sum(), 2 * (x - 3)), np.zeros(2)).round(6).tolist()
    [3.0, 3.0]
    """
    x = start
    value, gradient = function(x)
    steps = []  # (s, y, 1 / (s · y)), the oldest first
    for _ in range(max_iterations):
        if np.abs(gradient).max() <= tolerance:
            break
        direction = -_times_inverse(gradient, steps)
        slope, size = float(np.vdot(gradient, direction)), 1.0
        while size > 1e-12:
            tried = x + size * direction
            tried_value, tried_gradient = function(tried)
            if tried_value <= value + ENOUGH * size * slope:
                break
            size /= 2
        else:
            break  # the value is flat to the last bit
        s, y = tried - x, tried_gradient - gradient
        curvature = float(np.vdot(s, y))
        if curvature > 0:
            steps = [*steps[1 - MEMORY :], (s, y, 1 / curvature)]
        x, value, gradient = tried, tried_value, tried_gradient
    return x


def _times_inverse(gradient, steps):
    """Return H g of the remembered steps; g over its length where there are none."""
    if not steps:
        return gradient / max(1.0, math.sqrt(float(np.vdot(gradient, gradient))))
    product, shares = gradient, []
    for s, y, inverse in reversed(steps):
        shares.append(inverse * float(np.vdot(s, product)))
        product = product - shares[-1] * y
    s, y, _ = steps[-1]
    product = product * (float(np.vdot(s, y)) / float(np.vdot(y, y)))
    for (s, y, inverse), share in zip(steps, reversed(shares)):
        product = product + s * (share - inverse * float(np.vdot(y, product)))
    return product


class LogisticRegression(NamedTuple):
    """A linear classifier: the logits of features x are x · weight + bias."""

    weight: np.ndarray  # (F, K)
    bias: np.ndarray  # (K,)

    def predict(self, features):
        """features (N, F), an array or Counts → the likeliest label of each (N,)."""
        return (features @ self.weight + self.bias).argmax(axis=1)


def logistic_regression(features, labels, num_labels, penalty=1.0, tolerance=1e-5):
    """Return the LogisticRegression that minimises

        Σ_n cross-entropy(features_n · weight + bias, labels_n)  +  ½ penalty ‖weight‖²

    This is convex, so the best one is known and nothing depends on a seed. It is scikit-learn's objective
    with C = 1 / penalty; for two labels with C = 2 / penalty, because it has one column of weights there.

        d_logits = softmax(logits) − one_hot(labels)        d_weight = featuresᵀ d_logits + penalty · weight

    Args:
        features: (N, F), an array or Counts.
        labels: (N,), integers below num_labels.
        num_labels: K.  penalty: above 0.
        tolerance: no entry of the gradient is larger at the end.
    """
    num_rows, num_features = features.shape

    def function(stacked):  # (F + 1, K): weight, then bias
        weight, bias = stacked[:-1], stacked[-1]
        logits = features @ weight + bias                                       # (N, K)
        shifted = logits - logits.max(axis=1, keepdims=True)                    # (N, K)
        exps = np.exp(shifted)                                                  # (N, K)
        sums = exps.sum(axis=1, keepdims=True)                                  # (N, 1)
        rows = np.arange(num_rows)
        losses = np.log(sums[:, 0]) - shifted[rows, labels]                     # (N,)
        loss = losses.sum() + penalty / 2 * float(np.vdot(weight, weight))
        d_logits = exps / sums                                                  # (N, K)
        d_logits[rows, labels] -= 1
        d_weight = features.T @ d_logits + penalty * weight                     # (F, K)
        d_bias = d_logits.sum(axis=0)                                           # (K,)
        return loss, np.concatenate([d_weight, d_bias[np.newaxis]])

    best = minimize(function, np.zeros((num_features + 1, num_labels)), tolerance)
    return LogisticRegression(best[:-1], best[-1])


class Counts:
    """A matrix (N, F) of few numbers that are not 0, such as the counts of words in texts.

    Args:
        rows, columns: where the numbers are; each place once.  values: the numbers.  shape: (N, F).
    """

    def __init__(self, rows, columns, values, shape):
        self.rows, self.columns, self.values, self.shape = rows, columns, np.asarray(values, float), shape

    @property
    def T(self):
        """The transposed matrix."""
        return Counts(self.columns, self.rows, self.values, self.shape[::-1])

    def __matmul__(self, dense):
        """(N, F) @ (F, K) → (N, K)."""
        columns = [
            np.bincount(self.rows, self.values * column[self.columns], minlength=self.shape[0])
            for column in dense.T
        ]
        return np.stack(columns, axis=1)
