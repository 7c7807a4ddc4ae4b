"""A bag of words and logistic regression: what a text tells without the order of its words."""

import numpy as np

from minibert.text.words import split_words
from minibert.training.convex import Counts, softmax_regression

PENALTY = 1.0  # on ½ ‖weight‖², beside the sum of the losses, unless told
TOLERANCE = 1e-6  # of the gradient of the mean loss


class BagOfWords:
    """Classifies texts, or pairs of them, by which words occur in them.

    A feature is 1 where a word occurs and 0 where it does not; a pair has features of its own for the words
    of each text, and for those that both share. Words that no training text has are left out.
    It minimises

        Σ_n cross-entropy_n + ½ penalty ‖weight‖²

    which with penalty 1 is scikit-learn's objective with C = 1; for two labels with C = 2, because it has
    one column of weights there.

    Args:
        examples: LabelledTexts to learn from.
        labels: (N,), their labels as integers.
        num_labels: K.
        penalty: above 0.
    """

    def __init__(self, examples, labels, num_labels, penalty=PENALTY):
        self.column_of = {}
        for example in examples:
            for word in features_of(example):
                self.column_of.setdefault(word, len(self.column_of))
        inputs = self.counts(examples)
        penalties = np.full((inputs.shape[1], 1), penalty / len(examples))
        penalties[-1] = 0
        optimum = softmax_regression(inputs, labels, num_labels, penalties, TOLERANCE)
        self.weights = optimum.weights  # (F + 1, K)

    def counts(self, examples):
        """Return the features of LabelledTexts, and a column of ones for the bias: Counts (N, F + 1)."""
        bias = len(self.column_of)
        places = [
            (row, self.column_of.get(word, bias))
            for row, example in enumerate(examples) for word in [None, *features_of(example)]
            if word is None or word in self.column_of
        ]
        rows, columns = np.array(places, np.int64).T
        return Counts(rows, columns, np.ones(len(rows)), (len(examples), bias + 1))

    def predict(self, examples):
        """Return the label (N,) of each LabelledText."""
        return (self.counts(examples) @ self.weights).argmax(axis=1)


def features_of(example):
    """Return the words of a LabelledText; those of a pair with "1", "2" or "both" before them."""
    words = dict.fromkeys(split_words(example.text))
    if example.pair is None:
        return list(words)
    others = dict.fromkeys(split_words(example.pair))
    return [
        *(f"1 {word}" for word in words), *(f"2 {word}" for word in others),
        *(f"both {word}" for word in words if word in others),
    ]
