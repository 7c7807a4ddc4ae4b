"""ELECTRA's pretraining examples in the toy language, and the best possible generator."""

from minibert.text.examples.masked_texts import MaskedBatch
from minibert.text.examples.masking import AS_ELECTRA
from minibert.text.toy.limits import Limits
from minibert.text.toy.pairs import ToyExamples


class ToyMasked(ToyExamples):
    """The pairs of ToyExamples with ELECTRA's masks, and nothing asked about their sentences."""

    hiding = AS_ELECTRA

    def batch(self, step, batch_size):
        """Return the MaskedBatch of a training step (0, 1, 2, ...), the same at every call."""
        return MaskedBatch(*super().batch(step, batch_size)[:4])

    def held_out(self, batch_size):
        """Return a list of streams of one MaskedBatch each, the same for every seed."""
        return [[MaskedBatch(*batch[:4])] for [batch] in super().held_out(batch_size)]


class MaskedLimits(Limits):
    """Exact inference under ELECTRA's masks."""

    def __init__(self, language, tokenizer, mlm_probability=0.15):
        super().__init__(language, tokenizer, mlm_probability, AS_ELECTRA)
