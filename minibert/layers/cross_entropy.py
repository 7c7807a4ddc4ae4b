"""The softmax cross-entropy loss."""

from typing import NamedTuple

import numpy as np

from minibert.layers.base import Layer, describe_cache

IGNORE_INDEX = -100  # the label of a position where nothing is predicted; never 0, which is a class


class CrossEntropyCache(NamedTuple):
    probs: np.ndarray  # (N, V)
    labels: np.ndarray  # (N,)
    __repr__ = describe_cache


class CrossEntropy(Layer):
    """loss = −(1/M) Σ_n log softmax(logits_n)[labels_n] over the M rows whose label is not -100.

    Derivation. For one row, −log probs_y = log Σ_k exp(logits_k) − logits_y, so

        ∂loss_n / ∂logits_k = probs_k − δ_ky      →      d_logits = d_loss · (probs − onehot(labels)) / M

    and 0 in the rows that are not counted. With M = 0 the loss is 0 and so are all gradients.

    (The formula L = −Σ_i y_i log ŷ_i sums over the *classes* of one row; y is one-hot, so one term is left.)
    """

    def forward(self, logits, labels):
        """logits (..., V), labels (...) in 0..V−1 or -100 → loss, a scalar of the logits' dtype, cache."""
        check_labels(logits, labels)
        rows = logits.reshape(-1, logits.shape[-1])                                     # (N, V)
        row_labels = labels.reshape(-1)                                                 # (N,)
        counted = np.flatnonzero(row_labels != IGNORE_INDEX)                            # (M,)
        shifted = rows - rows.real.max(axis=-1, keepdims=True)                          # (N, V)
        exponentials = np.exp(shifted)                                                  # (N, V)
        totals = exponentials.sum(axis=-1, keepdims=True)                               # (N, 1)
        probs = exponentials / totals                                                   # (N, V)
        log_probs = shifted[counted, row_labels[counted]] - np.log(totals[counted, 0])  # (M,)
        loss = 0 - log_probs.sum() / logits.dtype.type(max(counted.size, 1))            # 0 - x: no -0.0
        return loss, CrossEntropyCache(probs, labels)

    def backward(self, d_loss, cache):
        """d_loss, a scalar → (d_logits (..., V), None): labels are integers and have no gradient."""
        probs, labels = cache.probs, cache.labels
        row_labels = labels.reshape(-1)                                                 # (N,)
        counted = np.flatnonzero(row_labels != IGNORE_INDEX)                            # (M,)
        shares = np.zeros((len(row_labels), 1), probs.dtype)                            # (N, 1)
        shares[counted] = d_loss / max(counted.size, 1)                                 # 0 if not counted
        probs_minus_onehot = probs.copy()                                               # (N, V)
        probs_minus_onehot[counted, row_labels[counted]] -= 1
        d_rows = probs_minus_onehot * shares                                            # (N, V)
        d_logits = d_rows.reshape(*labels.shape, probs.shape[-1])                       # (..., V)
        return d_logits, None


def check_labels(logits, labels):
    """Raise ValueError if labels (...) do not fit logits (..., V), or one is not 0 to V − 1 nor -100."""
    num_classes = logits.shape[-1]
    if labels.shape != logits.shape[:-1]:
        raise ValueError(f"labels of shape {labels.shape} do not fit logits of shape {logits.shape}")
    outside = (labels >= num_classes) | ((labels < 0) & (labels != IGNORE_INDEX))
    if outside.any():
        bad = labels[outside][0]
        raise ValueError(f"label {bad} is not a class (0 to {num_classes - 1}) nor {IGNORE_INDEX}")
