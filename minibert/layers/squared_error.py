"""The mean squared error, the loss of a regression."""

from typing import NamedTuple

import numpy as np

from minibert.layers.base import Layer, describe_cache


class SquaredErrorCache(NamedTuple):
    difference: np.ndarray  # the shape of both
    __repr__ = describe_cache


class SquaredError(Layer):
    """loss = (1/N) Σ_n (predictions_n − targets_n)², the mean over all N numbers.

    Derivation. One term is the square of difference_n = predictions_n − targets_n, so

        ∂loss / ∂predictions_n = 2 difference_n / N         →   d_predictions = d_loss · 2 difference / N
        ∂loss / ∂targets_n     = −2 difference_n / N        →   d_targets = −d_predictions
    """

    def forward(self, predictions, targets):
        """predictions, targets, both of one shape → loss, a scalar of their dtype, cache."""
        if predictions.shape != targets.shape:
            raise ValueError(
                f"targets of shape {targets.shape} do not fit predictions of shape {predictions.shape}")
        difference = predictions - targets
        loss = (difference * difference).sum() / difference.dtype.type(difference.size)
        return loss, SquaredErrorCache(difference)

    def backward(self, d_loss, cache):
        """d_loss, a scalar → (d_predictions, d_targets), the shape of both."""
        difference = cache.difference
        d_predictions = difference * (d_loss * 2 / difference.size)     # the shape of both
        d_targets = -d_predictions                                      # the shape of both
        return d_predictions, d_targets
