"""The ways to pretrain that are compared: an objective's class, and changes of its recipe each."""

from typing import NamedTuple

from minibert.objectives.albert import AlbertObjective
from minibert.objectives.electra import ElectraObjective
from minibert.objectives.masked_lm import MaskedLM


class SmallBatchesFirst(MaskedLM):
    """BERT's objective, with half of each batch in the first half of the steps."""

    def batch(self, step):
        """Return the PairBatch of a training step."""
        batch = super().batch(step)
        if step >= self.recipe.num_steps / 2:
            return batch
        return type(batch)(*(array[: len(array) // 2] for array in batch))


class Way(NamedTuple):
    """A way to pretrain.

    Attributes:
        says: what it is.
        objective: class of what is learned.
        changes: of its recipe "fast".
    """

    says: str
    objective: type
    changes: dict


WAYS = {
    "bert": Way("BERT as in 2018", MaskedLM, {"recipe": "bert"}),
    "fast": Way("the default: Muon, start from Word2Vec, short sequences first, 30 % masked", MaskedLM, {}),
    "adamw": Way(
        "fast without Muon, at the best of three learning rates", MaskedLM,
        {"optimizer": "adamw", "learning_rate": 4e-3}),  # 0.001, 0.002, 0.004 in 50 s of python-docs
    "albert": Way("fast, with ALBERT's shared layers and the order of sentences", AlbertObjective, {}),
    "electra": Way("fast, with ELECTRA's two models", ElectraObjective, {}),
    "mask-15": Way("fast, 15 % masked", MaskedLM, {"mlm_probability": 0.15}),
    "random-start": Way("fast without Word2Vec", MaskedLM, {"embedding_start": "random"}),
    "full-length": Way("fast, all sequences at full length", MaskedLM, {"short_first": 0.0}),
    "whole-words": Way("fast, whole words masked", MaskedLM, {"whole_word": True}),
    "small-batches": Way("fast, half a batch in the first half of the time", SmallBatchesFirst, {}),
    "recomputed": Way("fast, encoder layers computed again in backward", MaskedLM, {"recompute": True}),
}
