"""A bag of words learns which words tell, of a text and of a pair."""

import numpy as np

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
