"""A bag of words learns which words tell, of a text and of a pair."""

import numpy as np

from minibert.layers.softmax import softmax
from minibert.objectives.bag_of_words import BagOfWords, features_of
from minibert.text.labelled import LabelledText


def test_a_word_that_tells():
    texts = ("good film", "bad film", "a good one", "bad, bad")
    bag = BagOfWords([LabelledText(0, text, None, None) for text in texts], np.array([1, 0, 1, 0]), 2)
    new = [LabelledText(0, text, None, None) for text in ("so good", "it is bad")]
    assert bag.predict(new).tolist() == [1, 0]
    assert bag.predict([LabelledText(0, "unknown", None, None)]).shape == (1,)


def test_features_of_a_pair():
    assert features_of(LabelledText(0, "A cat", "a dog", None)) == ["1 a", "1 cat", "2 a", "2 dog", "both a"]


def test_the_optimum_obeys_its_penalty():
    texts = [LabelledText(0, text, None, None) for text in ("good film", "bad film", "good", "dull", "bad")]
    labels, penalty = np.array([1, 0, 1, 2, 0]), 0.3
    bag = BagOfWords(texts, labels, 3, penalty)
    inputs = bag.counts(texts)
    probs = softmax(inputs @ bag.weights)
    gradient = inputs.T @ (probs - np.eye(3)[labels])  # of Σ cross-entropy
    np.testing.assert_allclose(gradient[:-1], -penalty * bag.weights[:-1], atol=1e-5)
    np.testing.assert_allclose(gradient[-1], 0, atol=1e-5)
