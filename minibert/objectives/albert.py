"""ALBERT as a model to train: masked words, and the order of two segments; see masked_lm.py for the rest."""

import dataclasses
from typing import NamedTuple

from minibert.models.albert import AlbertConfig, AlbertForPreTraining
from minibert.objectives.masked_lm import MaskedLM, MaskedLMRecipe
from minibert.objectives.sentence_pairs import TextPairs, ToyPairs
from minibert.text.examples import SentenceOrder


@dataclasses.dataclass(frozen=True, kw_only=True)
class AlbertRecipe(MaskedLMRecipe):
    """How an ALBERT is pretrained: as a BERT, but that next_sentence_probability means nothing.

    Attributes (beside those of MaskedLMRecipe):
        embedding_size: E; None is half of hidden_size.
    """

    embedding_size: int | None = None

    def __post_init__(self):
        super().__post_init__()
        if self.embedding_size is None:
            object.__setattr__(self, "embedding_size", self.hidden_size // 2)

    @classmethod
    def of(cls, *arguments, **changes):
        """Return the recipe, as MaskedLMRecipe.of does; ValueError if it starts from a checkpoint."""
        if changes.get("start"):
            raise ValueError("--from goes on from a BERT: leave it out, or leave out --model albert")
        return super().of(*arguments, **changes)


class OrderEvaluation(NamedTuple):
    """How an ALBERT does on held-out text; all but sop_loss and sop_accuracy as in Evaluation.

    Attributes:
        sop_loss: nats per pair.  sop_accuracy: of the answers to "are the segments swapped?".
    """

    mlm_loss: float
    mlm_accuracy: float
    sop_loss: float
    sop_accuracy: float
    phenomena: dict = {}


class TextOrder(TextPairs):
    """Neighbouring segments cut from a corpus, half of them swapped."""

    pair_examples = SentenceOrder


class ToyOrderPairs(ToyPairs):
    """Neighbours of the toy language, half of them swapped."""

    @staticmethod
    def of_language():
        """Return the class of the examples, and that of the best possible model."""
        from minibert.text.toy.order import OrderLimits, ToyOrder

        return ToyOrder, OrderLimits


class AlbertObjective(MaskedLM):
    """An ALBERT learns to fill masks and to tell the order of segments; see MaskedLM."""

    name, Recipe = "albert", AlbertRecipe
    kinds = TextOrder, ToyOrderPairs
    task, pair_logits, evaluation_class = "SOP", "sop_logits", OrderEvaluation
    not_hidden = ("albert.embeddings.", "sop_head.", "predictions.mlm_head.decoder.")

    def make_model(self):
        """Return a new AlbertForPreTraining, whose first prediction is the unigram model's."""
        recipe = self.recipe
        config = AlbertConfig(
            vocab_size=self.tokenizer.vocab_size,
            hidden_size=recipe.hidden_size,
            num_hidden_layers=recipe.num_hidden_layers,
            num_attention_heads=recipe.num_attention_heads,
            intermediate_size=4 * recipe.hidden_size,
            hidden_dropout_prob=recipe.dropout,
            attention_probs_dropout_prob=recipe.dropout,
            classifier_dropout=recipe.dropout,
            max_position_embeddings=recipe.seq_length,
            initializer_range=recipe.initializer_range,
            embedding_size=recipe.embedding_size,
        )
        model = AlbertForPreTraining(config, seed=recipe.seed)
        model.predictions.mlm_head.decoder.bias.value[:] = self.pairs.unigram
        self.start_embeddings(model.albert.embeddings.token.weight.value)
        return model

    @property
    def vector_size(self):
        """The size of a token's vector."""
        return self.recipe.embedding_size

    def suggestions(self, directory):
        """Return commands to try on the finished model."""
        return []
