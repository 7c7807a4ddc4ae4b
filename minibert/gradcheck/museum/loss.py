"""Mistakes of the loss."""

import math

import numpy as np

from minibert.gradcheck.museum.exhibit import Exhibit, Finding
from minibert.layers import CrossEntropy
from minibert.layers.cross_entropy import IGNORE_INDEX


class DividedTwice(CrossEntropy):
    """The gradient of the mean is divided by the number of tokens, and then once more.

    How it looked. The loss is a mean, so that its gradient is divided by B·T; and again where the batch is
    averaged.
    How it hides. Adam divides every gradient by its own size: a constant factor disappears.
    The cost. With plain gradient descent the model learns B·T times more slowly; clipping never clips;
    and where two losses are added, as MLM and NSP are, each has a weight that nobody chose.
    """

    def backward(self, d_loss, cache):
        d_logits, _ = super().backward(d_loss, cache)
        return d_logits / cache.labels.size, None


class IgnoredZero(CrossEntropy):
    """Label 0 means "do not predict", and so a class is gone.

    How it looked. `ignore_index=0`, since 0 is [PAD], which nobody wants to predict.
    How it hides. From a gradient check, completely: a row that is left out of the loss is rightly left out of
    the gradient. And for the words nothing changes, as long as none has the number 0.
    The cost. The same loss serves the next sentence, where 0 is a class, "is next". Only "not next" is
    ever trained, and the model learns to say it always; its loss goes to zero, which looks like success.
    """

    def forward(self, logits, labels):
        return super().forward(logits, np.where(labels == 0, IGNORE_INDEX, labels))


class AveragedOverAll(CrossEntropy):
    """The loss of the masked tokens is divided by the number of all tokens.

    How it looked. `.sum() / labels.size`, or the mean of a matrix that is zero where nothing is to be
    predicted.
    How it hides. From a gradient check, completely: the gradient is that of this loss. And the loss looks
    good, because 85 % of the averaged values are zero: it starts at 0.15 ln V and not at ln V.
    The cost. The losses compare with nobody's, and depend on how much padding a batch has. Planted in
    our model it changes nothing, since our loss is given the predicted rows only: that is the cure.
    """

    def forward(self, logits, labels):
        loss, cache = super().forward(logits, labels)
        return loss * float(np.mean(labels != IGNORE_INDEX)), cache

    def backward(self, d_loss, cache):
        return super().backward(d_loss * float(np.mean(cache.labels != IGNORE_INDEX)), cache)


def loss_of_label_zero(cross_entropy):
    """Four equal logits cost -log(1/4), whichever is right."""
    loss, _ = cross_entropy().forward(np.zeros((1, 4)), np.array([0]))
    return Finding("loss of four equal logits where label 0 is right", math.log(4), float(loss))


def loss_of_one_in_five(cross_entropy):
    """Four equal logits cost -log(1/4), however many rows are not counted."""
    loss, _ = cross_entropy().forward(np.zeros((5, 4)), np.array([-100, -100, 3, -100, -100]))
    return Finding("loss of four equal logits, one of five tokens predicted", math.log(4), float(loss))


IGNORED = "CrossEntropy ignored labels"

EXHIBITS = [
    Exhibit("divided-twice", CrossEntropy, DividedTwice, "CrossEntropy", "logits", "constant factor",
            seen=["https://github.com/d2l-ai/d2l-en/issues/2076 (by the steps, and then by the tokens)"]),
    Exhibit("ignored-zero", CrossEntropy, IgnoredZero, IGNORED, None, "", loss_of_label_zero,
            seen=["https://github.com/codertimo/BERT-pytorch/issues/49"]),
    Exhibit("averaged-over-all", CrossEntropy, AveragedOverAll, IGNORED, None, "", loss_of_one_in_five,
            seen=["https://github.com/dhlee347/pytorchic-bert/issues/24"]),
]
