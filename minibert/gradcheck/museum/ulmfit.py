"""Mistakes in fine-tuning a recurrent language model."""

import numpy as np

from minibert.gradcheck.museum.exhibit import Exhibit, Finding
from minibert.models.ulmfit import ConcatPooling
from minibert.training.schedules import slanted_triangular


class PooledPadding(ConcatPooling):
    """The maximum and the mean run over padding, too.

    How it looked. `states.max(axis=1)` and `states.mean(axis=1)`: the texts of a batch lie in one array, and
    nobody told the pooling how long each one is.
    How it hides. From a gradient check, completely: padding that takes part rightly has a gradient. In a
    batch of texts of one length, and for a text alone, nothing is wrong. Training finds weights that bear it.
    The cost. A text has another answer in another batch. Where padding is zeros, it wins every maximum that
    should be negative, and a short text in a long batch has a mean near zero.
    """

    def forward(self, states, attention_mask):
        return super().forward(states, np.ones_like(attention_mask))


def plain_triangle(step, num_steps, peak, cut_fraction=0.1, ratio=32):
    """The slanted triangle as it is printed: the learning rate becomes negative.

    How it looked. The formula of the paper, term by term. It divides by cut · (1/0.1 − 1), nine times the
    length of the rise, and the rise is a tenth of the steps, rounded down.
    How it hides. With 10, 20 or 1,000 steps it is right. With 19 the rise is 1 step and not 1.9, and the fall
    ends after 10 steps: what follows is below zero, for some steps of a run that learned before.
    The cost. A step with a negative rate goes up the gradient. The longer the run, the shorter that end; in
    the short runs of fine-tuning it undoes much of what was learned.
    """
    cut = int(num_steps * cut_fraction)
    height = step / cut if step < cut else 1 - (step - cut) / (cut * (1 / cut_fraction - 1))
    return peak * (1 + height * (ratio - 1)) / ratio


def maximum_of_a_short_text(pooling):
    """One token whose state is −1, and padding of zeros behind it: its maximum is −1."""
    y, _ = pooling().forward(np.array([[[-1.0], [0.0], [0.0]]]), np.array([[1, 0, 0]]))
    return Finding("maximum over one token of −1, with padding behind it", -1.0, float(y[0, 1]))


def depth_below_zero(schedule):
    """No learning rate is negative."""
    lowest = min(schedule(step, 19, 0.01) for step in range(19))
    return Finding("how far the lowest of 19 learning rates is below 0", 0.0, max(0.0, -lowest))


EXHIBITS = [
    Exhibit(
        "pooled-padding", ConcatPooling, PooledPadding, "ConcatPooling", None, "", maximum_of_a_short_text,
        seen=["https://github.com/allenai/allennlp/issues/4739"],
    ),
    Exhibit("negative-rate", slanted_triangular, plain_triangle, None, None, "", depth_below_zero,
            seen=["https://arxiv.org/abs/1801.06146",
                  "https://github.com/huggingface/transformers/issues/132 (another schedule)"]),
]
