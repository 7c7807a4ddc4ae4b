"""Train the topic classifiers of lesson 00, right and planted, for five seeds: some ten seconds.

    python notebooks/data/00_gradients.py    # writes 00_gradients.json beside it

A seed has its own sentences to learn from and its own initial weights. All are tested on the same sentences.
On another machine the last bits differ.
"""

import collections
import pathlib

import numpy as np
from threadpoolctl import threadpool_limits

import minibert
from minibert.course.experiments import definitions, store
from minibert.gradcheck import museum
from minibert.text.toy import TOY

LESSON = definitions(pathlib.Path(__file__).parents[1] / "00_gradients.ipynb")
WORDS = {word: number for number, word in enumerate(TOY.words)}
DOCUMENTS = (0, 2, 3, 4, 5)  # seeds; those of 1 are for testing
LESSON.update(word_id=WORDS, TopicCache=collections.namedtuple("TopicCache", "num_tokens table loss"))


def bags(ids):
    """Return the bag of words of each sentence, so that equal bags are equal."""
    return [tuple(row) for row in np.sort(ids, axis=1)]


def of_seed(seed):
    """Return the losses, the accuracy, some votes, and what dividing twice by N does."""
    ids, labels = LESSON["encode"](90, DOCUMENTS[seed], 500)
    test_ids, test_labels = LESSON["encode"](200, 1, 1000)
    LESSON.update(ids=ids, labels=labels)

    def train(planted, with_adam):
        model = LESSON["TopicClassifier"](len(WORDS), 3, np.random.default_rng(seed))
        model = museum.plant(model, "divided-twice") if planted else model
        if with_adam:
            optimizer = minibert.AdamW(model.parameters(), lr=0.05, eps=1e-8, weight_decay=0.0)
        else:
            optimizer = LESSON["GradientDescent"](model.parameters(), learning_rate=3.0)
        model.backward(model.forward(ids, labels)[1])
        gradients = np.concatenate([parameter.grad.ravel() for parameter in model.parameters().values()])
        return model, np.array(LESSON["train"](model, optimizer)), np.linalg.norm(gradients)

    model, losses, norm = train(planted=False, with_adam=False)
    _, stuck, small_norm = train(planted=True, with_adam=False)
    adam = [train(planted, with_adam=True)[1] for planted in (False, True)]
    is_right = model.forward(test_ids, test_labels)[1].loss.probs.argmax(axis=1) == test_labels
    is_new = np.array([bag not in set(bags(ids)) for bag in bags(test_ids)])
    votes = model.table.weight.value - model.table.weight.value.mean(axis=1, keepdims=True)
    return {"losses": [losses[0], losses[-1]], "accuracy": is_right.mean(), "new": is_new.mean(),
            "accuracy on new": is_right[is_new].mean(), "stuck": stuck[-1], "norms": [norm, small_norm],
            "adam gap": np.abs(adam[0] - adam[1]).max(), "adam": adam[1][-1],
            "votes": {word: votes[WORDS[word]] for word in ("carrots", "bank", "the")}}


if __name__ == "__main__":
    with threadpool_limits(1, "blas"):
        store(__file__, of_seed)
