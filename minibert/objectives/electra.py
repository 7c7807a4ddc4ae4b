"""ELECTRA as a pair of models to train: a generator fills masks, a discriminator tells what was replaced.

The generator's loss has the limits and baselines of masked_lm.py, for ELECTRA's masks. The discriminator's
has none that stays: a better generator is harder to see through. So it is read beside the share of the tokens
that are replaced.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from minibert.layers.cross_entropy import IGNORE_INDEX
from minibert.models.electra import (
    GENERATOR,
    ElectraConfig,
    ElectraForMaskedLM,
    ElectraForPreTraining,
    ElectraPair,
    sample,
)
from minibert.objectives.masked_lm import MaskedLM, MaskedLMRecipe, losses_and_hits
from minibert.objectives.sentence_pairs import TextPairs, ToyPairs
from minibert.text.examples import MaskedTexts
from minibert.training.parallel import check_loss


@dataclasses.dataclass(frozen=True, kw_only=True)
class ElectraRecipe(MaskedLMRecipe):
    """How an ELECTRA is pretrained: as a BERT, but that `of` masks 15 % and nothing is asked about pairs.

    Attributes (beside those of MaskedLMRecipe):
        generator_heads: of the generator, each as wide as one of the discriminator; None is a quarter.
    """

    generator_heads: int | None = None

    def __post_init__(self):
        super().__post_init__()
        if self.generator_heads is None:
            object.__setattr__(self, "generator_heads", max(1, self.num_attention_heads // 4))

    @classmethod
    def of(cls, *arguments, **changes):
        """Return the recipe, as MaskedLMRecipe.of does; ValueError if it starts from a checkpoint."""
        if changes.get("start"):
            raise ValueError("--from goes on from a BERT: leave it out, or leave out --model electra")
        # 15 %, as in evaluation: the discriminator learns from all tokens, and from true ones
        return super().of(*arguments, **{"mlm_probability": 0.15, **changes})


class ReplacedScores(NamedTuple):
    """How each answer came out: M masked tokens, and N tokens that the discriminator was asked about.

    Attributes:
        token_losses: (M,), nats.  token_right: bool (M,), of the generator.
        replaced_losses: (N,), nats.  replaced_right: bool (N,).  is_replaced: (N,), the right answers.
    """

    token_losses: np.ndarray
    token_right: np.ndarray
    replaced_losses: np.ndarray
    replaced_right: np.ndarray
    is_replaced: np.ndarray


class ReplacedEvaluation(NamedTuple):
    """How a pair does on held-out text.

    Attributes:
        mlm_loss: nats per masked word piece.  mlm_accuracy: of the guesses; both the generator's.
        rtd_loss: nats per token.  rtd_accuracy: of the discriminator's answers.
        replaced: share of the tokens that are replaced.  found: share of these that the discriminator tells.
        phenomena: as in Evaluation, of the generator.
    """

    mlm_loss: float
    mlm_accuracy: float
    rtd_loss: float | None
    rtd_accuracy: float | None
    replaced: float | None
    found: float | None
    phenomena: dict = {}


class TextMasked(TextPairs):
    """Stretches of a corpus with ELECTRA's masks."""

    pair_examples = MaskedTexts


class ToyMaskedPairs(ToyPairs):
    """Pairs of the toy language with ELECTRA's masks."""

    @staticmethod
    def of_language():
        """Return the class of the examples, and that of the best possible generator."""
        from minibert.text.toy.masked import MaskedLimits, ToyMasked

        return ToyMasked, MaskedLimits


class ElectraObjective(MaskedLM):
    """A generator learns to fill masks, a discriminator to tell its words from the author's; see MaskedLM."""

    name, Recipe = "electra", ElectraRecipe
    kinds = TextMasked, ToyMaskedPairs
    not_hidden = (
        "generator.electra.embeddings.", "generator.predictions.mlm_head.decoder.",
        "discriminator.rtd_head.classifier.")

    def __init__(self, recipe, checkpoint=None, say=print):
        super().__init__(recipe, checkpoint, say)
        self.files = [*self.files, GENERATOR]

    def best_possible(self):
        """Return the limit in a few words."""
        return f"MLM loss {self.limits.mlm_loss:.3f}"

    def make_model(self):
        """Return a new ElectraPair, whose generator begins as the unigram model."""
        recipe, heads = self.recipe, self.recipe.generator_heads
        width = recipe.hidden_size // recipe.num_attention_heads
        generator = ElectraForMaskedLM(self.config(heads * width, heads), seed=recipe.seed)
        generator.predictions.mlm_head.decoder.bias.value[:] = self.pairs.unigram
        self.start_embeddings(generator.electra.embeddings.token.weight.value)
        full = self.config(recipe.hidden_size, recipe.num_attention_heads)
        return ElectraPair(generator, ElectraForPreTraining(full, seed=recipe.seed))

    def config(self, hidden_size, num_attention_heads):
        """Return the configuration of one of the two models; their embeddings have the recipe's size."""
        recipe = self.recipe
        return ElectraConfig(
            vocab_size=self.tokenizer.vocab_size,
            hidden_size=hidden_size,
            num_hidden_layers=recipe.num_hidden_layers,
            num_attention_heads=num_attention_heads,
            intermediate_size=4 * hidden_size,
            hidden_dropout_prob=recipe.dropout,
            attention_probs_dropout_prob=recipe.dropout,
            max_position_embeddings=recipe.seq_length,
            initializer_range=recipe.initializer_range,
            embedding_size=recipe.hidden_size,
        )

    # --- how it is judged ---

    def counts(self, batch):
        """Return {part of the loss: how many predictions it is the mean of}: all tokens are asked about."""
        return {**super().counts(batch), "rtd": self.num_tokens(batch)}

    def score(self, model, batch, state=None):
        """Return the ReplacedScores of a pair on a batch, and None. The noise of the samples is fixed."""
        words, _ = model.generator.forward(**batch._asdict())
        is_masked = batch.labels != IGNORE_INDEX
        sampled_ids = np.zeros_like(batch.input_ids)
        sampled_ids[is_masked] = sample(words.logits, np.random.default_rng(0))
        output, cache = model.forward(**batch._asdict(), sampled_ids=sampled_ids)
        check_loss(model, output, cache)
        is_replaced = output.is_replaced[batch.attention_mask == 1]                     # (N,)
        both = np.stack([np.zeros_like(output.replaced_logits), output.replaced_logits], axis=1)    # (N, 2)
        return ReplacedScores(
            *losses_and_hits(output.prediction_logits, batch.labels[is_masked]),
            *losses_and_hits(both, is_replaced), is_replaced), None

    def evaluation(self, scores):
        """Return the ReplacedEvaluation of all held-out examples; of the limits, what is of the generator."""
        token_losses, token_right = scores.token_losses, scores.token_right
        of_discriminator = None, None, None, None
        if isinstance(scores, ReplacedScores):
            is_replaced = scores.is_replaced == 1
            found = float(scores.replaced_right[is_replaced].mean()) if is_replaced.any() else None
            of_discriminator = (
                float(scores.replaced_losses.mean()), float(scores.replaced_right.mean()),
                float(is_replaced.mean()), found)
        return ReplacedEvaluation(
            float(token_losses.mean()), float(token_right.mean()), *of_discriminator,
            self.of_phenomena(token_losses, token_right))

    def line(self, evaluation):
        """Return an evaluation beside the unigram model, or beside the limit where it is known, in a line."""
        other = ("unigram", self.baselines.unigram_loss) if self.limits is None else (
            "best possible", self.limits.mlm_loss)
        return (
            f"held-out MLM loss of the generator {evaluation.mlm_loss:.3f} ({other[0]} {other[1]:.3f}), "
            f"RTD accuracy {evaluation.rtd_accuracy:.3f} ({1 - evaluation.replaced:.3f} by always saying "
            "original)"
        )

    def table(self, evaluation):
        """Return the lines that end a run."""
        other = ("unigram", self.baselines.unigram_loss) if self.limits is None else (
            "limit", self.limits.mlm_loss)
        found = "none" if evaluation.found is None else f"{evaluation.found:.3f}"
        return [
            f"{'held-out text':<40}{'model':>9}{other[0]:>9}",
            f"{'generator: MLM loss, nats per piece':<40}{evaluation.mlm_loss:>9.3f}{other[1]:>9.3f}",
            f"{'generator: MLM accuracy':<40}{evaluation.mlm_accuracy:>9.3f}",
            f"{'discriminator: loss, nats per token':<40}{evaluation.rtd_loss:>9.3f}",
            f"{'discriminator: accuracy':<40}{evaluation.rtd_accuracy:>9.3f}{'':>9}   "
            f"{1 - evaluation.replaced:.3f} by always saying original",
            f"{'discriminator: replaced tokens found':<40}{found:>9}",
        ]

    def suggestions(self, directory):
        """Return commands to try on the finished models."""
        return []
