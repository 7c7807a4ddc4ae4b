"""The softmax over the last axis."""

import numpy as np


def softmax(scores):
    """probs_k = exp(scores_k) / Σ_j exp(scores_j) over the last axis; the same shape.

    The largest score is subtracted first: the result is the same and exp cannot overflow.
    """
    shifted = scores - scores.real.max(axis=-1, keepdims=True)
    exponentials = np.exp(shifted)
    probs = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return probs


def softmax_backward(d_probs, probs):
    """d_scores_k = probs_k (d_probs_k − Σ_j probs_j d_probs_j); the same shape.

    From ∂probs_j / ∂scores_k = probs_j (δ_jk − probs_k): raising one score takes probability from all others.
    """
    mean = (probs * d_probs).sum(axis=-1, keepdims=True)  # (..., 1): Σ_j probs_j d_probs_j
    d_scores = probs * (d_probs - mean)
    return d_scores
