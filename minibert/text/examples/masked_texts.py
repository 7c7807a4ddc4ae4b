"""ELECTRA's pretraining examples: stretches of text with masked tokens, and nothing asked about pairs.

Source: Clark et al. 2020, "ELECTRA", section 3.1 and its code: a chosen token becomes [MASK] or stays, and no
random token takes its place.
"""

from typing import NamedTuple

import numpy as np

from minibert.text.examples.masking import AS_ELECTRA
from minibert.text.examples.single_texts import SingleTexts


class MaskedBatch(NamedTuple):
    """The arguments of `ElectraPair.forward`: int64 arrays, as in PairBatch."""

    input_ids: np.ndarray           # (B, T)
    token_type_ids: np.ndarray      # (B, T)
    attention_mask: np.ndarray      # (B, T)
    labels: np.ndarray              # (B, T)


class MaskedTexts(SingleTexts):
    """Stretches of documents, [CLS] A [SEP]; arguments and errors as of SingleTexts."""

    hiding = AS_ELECTRA

    def batch(self, step, batch_size):
        """Return the MaskedBatch of a training step (0, 1, 2, ...), the same at every call."""
        return MaskedBatch(*super().batch(step, batch_size)[:4])

    def held_out(self, batch_size, max_examples=None):
        """Return a list of streams of one MaskedBatch each, as SentencePairs does."""
        return [[MaskedBatch(*batch[:4])] for [batch] in super().held_out(batch_size, max_examples)]
