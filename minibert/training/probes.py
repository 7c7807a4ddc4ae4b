"""Linear probes: what a linear layer can read from frozen states, at its exact optimum.

(Alain & Bengio 2017, "Understanding intermediate layers using linear classifier probes".) The loss of a
linear layer on fixed features is convex, so a probe needs no learning rate, no seed and no number of epochs:
it is the one point where the gradient is zero.

    probe = fit_probe(features, labels, num_labels=3)       # features (N, H), labels (N,)
    probe.accuracy(held_out_features, held_out_labels)

One for each layer shows where in a model a property can be read: models.bert.hidden_states has the features.
"""

from typing import NamedTuple

import numpy as np

from minibert.layers import Linear
from minibert.layers.cross_entropy import IGNORE_INDEX
from minibert.training.convex import softmax_regression


class Probe(NamedTuple):
    """A fitted linear layer.

    Attributes:
        linear: a Linear in float64, on the features as they were given.
        loss: mean cross-entropy on the training rows, in nats, without the penalty.
        largest_gradient: the largest entry of the gradient that is left.
        num_steps: of Newton's method.
    """

    linear: Linear
    loss: float
    largest_gradient: float
    num_steps: int

    def accuracy(self, features, labels):
        """Return the share of the labels (...) that the probe gives to features (..., H), -100 left out."""
        rows, answers = _labelled(features, labels, self.linear.bias.value.size)
        logits, _ = self.linear.forward(rows)
        return float(np.mean(logits.argmax(axis=1) == answers))


def fit_probe(features, labels, num_labels, weight_decay=1e-3, tolerance=1e-8, max_steps=100):
    """Return the linear layer of the least loss, by Newton's method.

        loss(W, b) = (1/N) Σ_n cross-entropy(z_n W + b, label_n) + ½ weight_decay ‖W‖²

    with z_n the features, each shifted and scaled to mean 0 and variance 1 over the training rows. So the
    penalty, which makes the optimum unique where the labels can be told apart without error, means the same
    for every layer. See `softmax_regression` for the method.

    Args:
        features: (..., H) of any float dtype; computed in float64.
        labels: (...) integers from 0 to num_labels − 1, or -100 where a row is left out.
        num_labels: K, at least 2.
        weight_decay: above 0.
        tolerance: on the largest entry of the gradient.
        max_steps: of Newton's method.

    Raises:
        ValueError: shapes or labels do not fit, a feature is not finite, or the gradient is still above the
            tolerance after max_steps.
    """
    if not weight_decay > 0:
        raise ValueError(f"weight_decay must be above 0, got {weight_decay}: it makes the optimum unique")
    if num_labels < 2:
        raise ValueError(f"num_labels must be at least 2, got {num_labels}")
    rows, answers = _labelled(features, labels, num_labels)
    mean, scale = rows.mean(axis=0), rows.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    inputs = np.column_stack([(rows - mean) / scale, np.ones(len(rows))])           # (N, H + 1)
    penalty = np.full((inputs.shape[1], 1), weight_decay)                           # (H + 1, 1)
    penalty[-1] = 0
    weights, loss, largest, step = softmax_regression(
        inputs, answers, num_labels, penalty, tolerance, max_steps)
    linear = Linear(rows.shape[1], num_labels, dtype=np.float64)
    linear.weight.value[...] = weights[:-1] / scale[:, np.newaxis]
    linear.bias.value[...] = weights[-1] - mean @ linear.weight.value
    entropy = loss - float((penalty * weights * weights).sum()) / 2
    return Probe(linear, entropy, largest, step)


def probe_layers(states, labels, held_out_states, held_out_labels, num_labels, **options):
    """Return the accuracy on held-out examples of a probe on each layer, as a list of L + 1 numbers.

    Args:
        states: list of features (..., H), the embeddings' first, as hidden_states returns them.
        labels: (...), as in fit_probe.
        held_out_states, held_out_labels: of other examples.
        num_labels, options: of fit_probe.
    """
    accuracies = []
    for features, held_out in zip(states, held_out_states, strict=True):
        probe = fit_probe(features, labels, num_labels, **options)
        accuracies.append(probe.accuracy(held_out, held_out_labels))
    return accuracies


def _labelled(features, labels, num_labels):
    """Return the rows that have a label (N, H) in float64, and their labels (N,).

    Raises:
        ValueError: the shapes do not fit, a label is none, no row has one, or a feature is not finite.
    """
    features, labels = np.asarray(features), np.asarray(labels)
    if features.ndim < 2 or labels.shape != features.shape[:-1]:
        raise ValueError(f"labels of shape {labels.shape} do not fit features of shape {features.shape}")
    if labels.dtype.kind not in "iu":
        raise ValueError(f"labels must be integers, got {labels.dtype}")
    answers = labels[labels != IGNORE_INDEX]
    outside = answers[(answers < 0) | (answers >= num_labels)]
    if outside.size:
        raise ValueError(f"label {outside[0]} is none of the {num_labels} labels nor {IGNORE_INDEX}")
    if answers.size == 0:
        raise ValueError("no row has a label: there is nothing to fit")
    rows = features[labels != IGNORE_INDEX].astype(np.float64)
    if not np.isfinite(rows).all():
        raise ValueError("a feature is infinite or not a number: look at the model that made it")
    return rows, answers
