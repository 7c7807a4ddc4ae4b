"""Examples of one text each, for masked words alone: where a corpus has no sentence pairs to offer."""

import numpy as np

from minibert.text.examples.sentence_pairs import PAIRS, SentencePairs


class SingleTexts(SentencePairs):
    """Stretches of documents, [CLS] A [SEP], as long as fits (Liu et al. 2019, "RoBERTa", "DOC-SENTENCES").

    Each epoch cuts the documents at other places. The batches are those of SentencePairs in all else;
    next_sentence_label is None.

    Args: as SentencePairs; those about pairs mean nothing here.

    Raises:
        ValueError: there is no document, `seq_length` is under 3, or `seed` is negative.
    """

    least_documents, num_special = 1, 2

    def epoch_pairs(self, epoch):
        """Return the examples of an epoch as SentencePairs does, with an empty B: int64 (N, 5)."""
        rng = np.random.default_rng([self.seed, PAIRS, epoch])
        limit = self.seq_length - self.num_special
        starts = self.tokenized.sentence_starts[self.tokenized.document_starts]  # (documents + 1,)
        spans = []
        for start, end in zip(starts.tolist(), starts[1:].tolist()):
            first = start - int(rng.integers(limit)) if end - start > limit else start
            for position in range(first, end, limit):
                spans.append((max(position, start), min(position + limit, end)))
        a_start, a_end = np.array(spans, np.int64).T
        return np.stack([a_start, a_end, a_end, a_end, np.zeros_like(a_end)], axis=1)
