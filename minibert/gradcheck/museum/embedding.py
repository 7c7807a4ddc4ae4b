"""Mistakes of the embedding table and of its second use, the tied decoder."""

import numpy as np

from minibert.gradcheck.museum.exhibit import Exhibit, changed
from minibert.layers import Embedding, TiedDecoder


class RepeatedIds(Embedding):
    """`grad[ids] += d` keeps one of several gradients where an id occurs more than once.

    How it looked. As it reads: add d to the rows `ids`. But NumPy takes the rows out, adds, and writes them
    back: of an id that occurs three times, the last sum wins. `np.add.at` adds all three.
    How it hides. With no id twice in the test, the two are the same.
    The cost. Frequent words, which repeat in every batch, learn from one of their occurrences: the more
    there is to learn from, the more is lost.
    """

    def backward(self, d_y, cache):
        self.weight.grad[cache.ids] += d_y


class OverwrittenTable(Embedding):
    """The table's gradient is assigned and not added to: the share of another use of the table is lost.

    How it looked. `grad = ...` where `grad += ...` is needed. (Its twin adds, and nobody empties the
    gradients between two steps, so that every step repeats all those before.)
    How it hides. As long as a table is used once, and backward called once, both give the same.
    The cost. BERT uses the table twice: as the decoder of the MLM head, whose share comes first, and in
    the lookup, which overwrites it. Nor can the gradients of several batches be collected before a step.
    """

    def backward(self, d_y, cache):
        self.weight.grad = np.zeros_like(self.weight.grad)
        super().backward(d_y, cache)


@changed("backward", ours="self.weight.grad += d_weight", theirs="")
class ForgottenShare(TiedDecoder):
    """The decoder is tied to the token embedding, and its share of the gradient is dropped.

    How it looked. The matrix belongs to the embedding, which computes its gradient; the head only borrows it.
    How it hides. All else that the head computes is right, and so is the embedding, checked by itself. Only a
    check of the *shared matrix* sees it: of the head's own parameters, or of the whole model.
    The cost. Words that are not in the batch get no gradient at all, and no word learns to be predicted.
    """


TABLE = "bert.embeddings.token.weight"

EXHIBITS = [
    Exhibit("forgotten-share", TiedDecoder, ForgottenShare, "BertForPreTraining", TABLE, "share missing",
            seen=["https://github.com/paiml/entrenar/issues/314"]),
    Exhibit("repeated-ids", Embedding, RepeatedIds, "Embedding repeated ids", "weight", "repeated ids",
            seen=["https://github.com/HIPS/autograd/issues/39"]),
    Exhibit("overwritten-table", Embedding, OverwrittenTable, "BertForPreTraining", TABLE, "overwritten",
            seen=["https://github.com/sony/nnabla/pull/532"]),
]
