"""The optimum of a linear classifier: its loss is convex, so no rate, seed or number of steps matters."""

import math
from typing import NamedTuple

import numpy as np

from minibert.layers.softmax import softmax

SUFFICIENT = 1e-4  # of the decrease that the slope promises (Nocedal & Wright 2006, section 3.1)


class Optimum(NamedTuple):
    """Where the gradient is zero.

    Attributes:
        weights: (F, K).
        loss: with the penalty.
        largest_gradient: the largest entry of the gradient that is left.
        num_steps: of Newton's method.
    """

    weights: np.ndarray
    loss: float
    largest_gradient: float
    num_steps: int


def softmax_regression(inputs, answers, num_labels, penalty, tolerance=1e-8, max_steps=100):
    """Return the Optimum of a linear classifier, by Newton's method.

        loss(W) = (1/N) Σ_n cross-entropy(x_n W, answer_n) + ½ Σ_fk penalty_f W_fk²

    Derivation. With probs p_n and one-hot answers y_n, the rows of P and Y:

        gradient       G = Xᵀ (P − Y) / N + penalty ∘ W
        along V        dP = P ∘ (X V − Σ_k P ∘ (X V))                 the softmax's derivative, row by row
        second one     H V = Xᵀ dP / N + penalty ∘ V

    A step solves H V = −G by conjugate gradients, which need the products H V alone, and goes as far along V
    as the loss falls (Nocedal & Wright 2006, "Numerical Optimization", algorithm 7.1).

    Args:
        inputs: X (N, F), an array or Counts; a bias is a column of ones.
        answers: (N,), integers below num_labels.
        num_labels: K.
        penalty: (F, 1), above 0, or 0 for a bias.
        tolerance: on the largest entry of the gradient.
        max_steps: of Newton's method.

    Raises:
        ValueError: the gradient is still above the tolerance after max_steps.
    """
    num_rows, num_features = inputs.shape
    weights = np.zeros((num_features, num_labels))                                  # (F, K)
    loss, probs = _loss(inputs, answers, weights, penalty)
    for step in range(max_steps + 1):
        errors = probs.copy()                                                       # (N, K)
        errors[np.arange(num_rows), answers] -= 1
        gradient = inputs.T @ errors / num_rows + penalty * weights                 # (F, K)
        largest = float(np.abs(gradient).max())
        if largest <= tolerance:
            break
        if step == max_steps:
            raise ValueError(
                f"after {max_steps} steps the gradient is {largest:.1e}, above {tolerance:.1e}: allow more "
                "steps, or a larger penalty"
            )
        direction = _newton_direction(inputs, probs, penalty, gradient)             # (F, K)
        slope = float((gradient * direction).sum())
        length, rounding = 1.0, 1e-14 * abs(loss)
        while True:
            new_loss, new_probs = _loss(inputs, answers, weights + length * direction, penalty)
            if new_loss <= loss + SUFFICIENT * length * slope + rounding or length < 1e-10:
                break
            length /= 2
        weights, loss, probs = weights + length * direction, new_loss, new_probs
    return Optimum(weights, loss, largest, step)


def _loss(inputs, answers, weights, penalty):
    """Return the loss with its penalty, and the probabilities (N, K)."""
    logits = inputs @ weights                                                       # (N, K)
    shifted = logits - logits.max(axis=1, keepdims=True)                            # (N, K)
    log_totals = np.log(np.exp(shifted).sum(axis=1))                                # (N,)
    entropy = (log_totals - shifted[np.arange(len(answers)), answers]).mean()
    return float(entropy + (penalty * weights * weights).sum() / 2), softmax(logits)


def _newton_direction(inputs, probs, penalty, gradient):
    """Solve H V = −G by conjugate gradients, the more exactly the smaller G is."""
    num_rows = len(probs)
    direction = np.zeros_like(gradient)
    residual, search = -gradient, -gradient
    squared = (residual * residual).sum()
    target = min(0.1, math.sqrt(squared)) ** 2 * squared
    for _ in range(2 * gradient.size):
        if squared <= target:
            break
        along = inputs @ search                                                     # (N, K)
        d_probs = probs * (along - (probs * along).sum(axis=1, keepdims=True))      # (N, K)
        product = inputs.T @ d_probs / num_rows + penalty * search                  # (F, K)
        step = squared / (search * product).sum()
        direction = direction + step * search
        residual = residual - step * product
        previous, squared = squared, (residual * residual).sum()
        search = residual + squared / previous * search
    return direction


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
