"""The softmax cross-entropy loss with label smoothing."""

from typing import NamedTuple

import numpy as np

from minibert.layers.base import Layer, describe_cache
from minibert.layers.cross_entropy import IGNORE_INDEX, check_labels


class SmoothedCrossEntropyCache(NamedTuple):
    probs: np.ndarray  # (N, V)
    labels: np.ndarray  # (N,)
    __repr__ = describe_cache


class SmoothedCrossEntropy(Layer):
    """loss = −(1/M) Σ_n Σ_k q_nk log softmax(logits_n)[k], q = (1 − ε) onehot(label) + ε/V.

    M counts the rows whose label is not -100. ε = 0 is CrossEntropy. (Szegedy et al. 2016, section 7, and
    PyTorch; used by Vaswani et al. 2017 with ε = 0.1. Others share ε among other classes: Tensor2Tensor among
    the V − 1 wrong ones, less the entropy of q, so that the best loss is 0; the Annotated Transformer among
    the V − 2 that are neither the label nor padding.)

    Derivation. For one row, −Σ_k q_k log probs_k = log Σ_j exp(logits_j) − Σ_k q_k logits_k, because the q_k
    add up to 1. So

        ∂loss_n / ∂logits_k = probs_k − q_k      →      d_logits = d_loss · (probs − q) / M

    and 0 in the rows that are not counted. With M = 0 the loss is 0 and so are all gradients.
    """

    def __init__(self, smoothing):
        if not 0 <= smoothing < 1:
            raise ValueError(f"smoothing must be at least 0 and below 1, got {smoothing}")
        self.smoothing = smoothing

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
        of_label = shifted[counted, row_labels[counted]]                                # (M,)
        of_all = shifted[counted].mean(axis=-1)                                         # (M,)
        expected = (1 - self.smoothing) * of_label + self.smoothing * of_all            # (M,): Σ q logits
        log_probs = expected - np.log(totals[counted, 0])                               # (M,)
        loss = 0 - log_probs.sum() / logits.dtype.type(max(counted.size, 1))            # 0 - x: no -0.0
        return loss, SmoothedCrossEntropyCache(probs, labels)

    def backward(self, d_loss, cache):
        """d_loss, a scalar → (d_logits (..., V), None): labels are integers and have no gradient."""
        probs, labels = cache.probs, cache.labels
        row_labels = labels.reshape(-1)                                                 # (N,)
        counted = np.flatnonzero(row_labels != IGNORE_INDEX)                            # (M,)
        probs_minus_q = np.zeros_like(probs)                                            # (N, V)
        probs_minus_q[counted] = probs[counted] - self.smoothing / probs.shape[-1]
        probs_minus_q[counted, row_labels[counted]] -= 1 - self.smoothing
        d_rows = probs_minus_q * (d_loss / max(counted.size, 1))                        # (N, V)
        d_logits = d_rows.reshape(*labels.shape, probs.shape[-1])                       # (..., V)
        return d_logits, None
