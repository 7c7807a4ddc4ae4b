"""ALBERT's pretraining examples: two neighbouring segments, in the order of the text or swapped.

Both segments are from one document, so the topic does not tell; what follows from what does.

Source: Lan et al. 2019, "ALBERT", section 3.1.
"""

from typing import NamedTuple

import numpy as np

from minibert.text.examples.sentence_pairs import SentencePairs, fill, fit


class OrderBatch(NamedTuple):
    """The arguments of `AlbertForPreTraining.forward`; all but the last as in PairBatch."""

    input_ids: np.ndarray               # (B, T)
    token_type_ids: np.ndarray          # (B, T)
    attention_mask: np.ndarray          # (B, T)
    labels: np.ndarray                  # (B, T)
    sentence_order_label: np.ndarray    # (B,): 0 where A comes before B in the text, 1 where it comes after


class SentenceOrder(SentencePairs):
    """Neighbouring segments of a tokenized corpus, half of them swapped, with masked tokens.

    Args: as SentencePairs; next_sentence_probability means nothing here.

    Raises:
        ValueError: as SentencePairs.
    """

    def _document_pairs(self, document, document_starts, sentence_starts, rng):
        """Return the pairs of one document: a list of (a_start, a_end, b_start, b_end, label).

        Sentences, two or more, are collected until they fill an example, and are split at a random sentence.
        A last one that is left alone goes with the sentence before it. Only a document of one sentence is
        split at a random token. Segments are swapped before they are shortened.
        """
        limit = self.seq_length - self.num_special
        target = limit
        if rng.random() < self.short_seq_prob:
            target = int(rng.integers(2, limit + 1))
        pairs = []
        first, last = document_starts[document], document_starts[document + 1]
        while first < last:
            end = min(max(fill(first, last, target, sentence_starts), first + 2), last)
            if end - first == 1 and first > document_starts[document]:
                first -= 1  # a last sentence alone: with the one before it
            start, stop = sentence_starts[first], sentence_starts[end]
            if end - first >= 2:
                middle = sentence_starts[int(rng.integers(first + 1, end))]
            else:
                middle = int(rng.integers(start + 1, stop)) if stop - start >= 2 else None
            if middle is not None:  # a document of one token has no order
                segments = (start, middle), (middle, stop)
                is_swapped = int(rng.random() < 0.5)
                one, other = reversed(segments) if is_swapped else segments
                # swapped first, then shortened: the place of a cut does not tell the order
                pairs.append((*fit(*one, *other, limit), is_swapped))
            first = end
        return pairs

    def batch(self, step, batch_size):
        """Return the OrderBatch of a training step (0, 1, 2, ...), the same at every call."""
        return OrderBatch(*super().batch(step, batch_size))

    def held_out(self, batch_size, max_examples=None):
        """Return a list of streams of one OrderBatch each, as SentencePairs does."""
        return [[OrderBatch(*batch)] for [batch] in super().held_out(batch_size, max_examples)]
