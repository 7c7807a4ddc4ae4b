"""Pairs of texts as an encoder and a decoder read them: a source, and its target.

    source_ids   the source                         padded on the right, source_mask 0 there
    target_ids   [start] and the target             the decoder's input: in training the right text, not
                                                    its own ("teacher forcing")
    labels       the target and [end]               the right answers: each token follows those before it

Each epoch takes all pairs in another order, those of similar length together, so that little is padded. The
batch of a step depends on (seed, step) alone.

Source: Vaswani et al. 2017, "Attention Is All You Need", sections 3.1 and 5.1.
"""

from typing import NamedTuple

import numpy as np

from minibert.layers.cross_entropy import IGNORE_INDEX
from minibert.text.examples.labelled import Epochs, padded


class TranslationBatch(NamedTuple):
    """The arguments of a Transformer's forward: int64 arrays."""

    source_ids: np.ndarray  # (B, S), then [PAD]
    target_ids: np.ndarray  # (B, T): [start], the target, then [PAD]
    source_mask: np.ndarray  # (B, S): 1 for a token, 0 for [PAD]
    labels: np.ndarray  # (B, T): the target, [end], then IGNORE_INDEX


def translation_batch(pairs, ends):
    """Return the TranslationBatch of pairs of lists of ids."""
    sources, targets = zip(*pairs)
    num_source, num_target = max(map(len, sources)), max(map(len, targets)) + 1
    return TranslationBatch(
        source_ids=padded(sources, num_source, ends.pad),
        target_ids=padded([[ends.start, *target] for target in targets], num_target, ends.pad),
        source_mask=padded([[1] * len(source) for source in sources], num_source, 0),
        labels=padded([[*target, ends.end] for target in targets], num_target, IGNORE_INDEX))


class Translations:
    """Pairs of texts; `batch` and `held_out` as of all examples.

    Args:
        pairs: a list of (source, target), lists of ids, neither empty.
        ends: Ends.
        seed: an int, 0 or more.

    Raises:
        ValueError: there are no pairs.
    """

    def __init__(self, pairs, ends, seed=0):
        if not pairs:
            raise ValueError("there are no pairs: give one or more")
        self.pairs, self.ends = pairs, ends
        self.lengths = np.array([max(len(source), len(target)) for source, target in pairs])
        self.epochs = Epochs(self.lengths, seed)

    def batch(self, step, batch_size):
        """Return the TranslationBatch of a training step (0, 1, 2, ...), the same at every call."""
        indices = self.epochs.indices(step, batch_size)
        return translation_batch([self.pairs[index] for index in indices], self.ends)

    def held_out(self, batch_size):
        """Return streams of one batch each, all pairs from the shortest to the longest."""
        order = np.argsort(self.lengths, kind="stable")
        starts = range(0, len(order), batch_size)
        return [
            [translation_batch([self.pairs[index] for index in order[start : start + batch_size]], self.ends)]
            for start in starts
        ]
