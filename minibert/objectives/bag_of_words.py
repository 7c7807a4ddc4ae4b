"""A bag of words and logistic regression: what a text tells without the order of its words."""

import numpy as np

from minibert.text.words import split_words
from minibert.training.convex import Counts, logistic_regression

TOLERANCE = 1e-2  # of the gradient of a sum over all texts


class BagOfWords:
    """Classifies texts, or pairs of them, by which words occur in them.

    A feature is 1 where a word occurs and 0 where it does not; a pair has features of its own for the words
    of each text, and for those that both share. Words that no training text has are left out.

    Args:
        examples: LabelledTexts to learn from.
        labels: (N,), their labels as integers.
        num_labels: K.
    """

    def __init__(self, examples, labels, num_labels):
        self.column_of = {}
        for example in examples:
            for word in features_of(example):
                self.column_of.setdefault(word, len(self.column_of))
        self.model = logistic_regression(self.counts(examples), labels, num_labels, tolerance=TOLERANCE)

    def counts(self, examples):
        """Return the features (N, F) of LabelledTexts."""
        places = [
            (row, self.column_of[word])
            for row, example in enumerate(examples) for word in features_of(example)
            if word in self.column_of
        ]
        rows, columns = np.array(places, np.int64).reshape(-1, 2).T
        return Counts(rows, columns, np.ones(len(rows)), (len(examples), len(self.column_of)))

    def predict(self, examples):
        """Return the label (N,) of each LabelledText."""
        return self.model.predict(self.counts(examples))


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
