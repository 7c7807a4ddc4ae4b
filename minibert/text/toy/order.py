"""ALBERT's pretraining examples in the toy language, and the best possible model of them.

Every pair is two neighbours of a document; half of them are swapped. The topic tells nothing, then; a script
that runs backwards does, and who is named first.
"""

import numpy as np

from minibert.text.examples.sentence_order import OrderBatch
from minibert.text.toy.limits import Limits
from minibert.text.toy.pairs import ToyExamples


class ToyOrder(ToyExamples):
    """Neighbouring sentences of a toy language, half of them swapped, with masked tokens.

    Args: as ToyExamples; next_sentence_probability means nothing here. Of Pairs, the last field of the batch
        is the order: 0 as in the document, 1 swapped.
    """

    def batch(self, step, batch_size):
        """Return the OrderBatch of a training step (0, 1, 2, ...), the same at every call."""
        return OrderBatch(*super().batch(step, batch_size))

    def held_out(self, batch_size):
        """Return a list of streams of one OrderBatch each, the same for every seed."""
        return [[OrderBatch(*batch)] for [batch] in super().held_out(batch_size)]

    def _sample_plans(self, number, rng):
        """Return the plans (N, 2), the topics (N, 2), the same in each row, and the labels (N,)."""
        plans, topics = self.neighbours(number, rng)
        is_swapped = rng.random(number) < 0.5
        swapped = np.where(is_swapped[:, np.newaxis], plans[:, ::-1], plans)
        return swapped, topics, is_swapped.astype(np.int64)


class OrderLimits(Limits):
    """Exact inference for pairs of neighbours of which half are swapped: P(k₁, k₂ | swapped) is P(k₂, k₁)."""

    def _compile_keys(self):
        super()._compile_keys()
        self.apart = self.follows.T
