"""Language models from left to right: the next token, and how well it is foreseen.

One objective for all of them, CausalLM; a class for each model says how it is made and what its sizes are.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from minibert.files import write_tensors
from minibert.models.recurrent import (
    AWDLSTMConfig,
    AWDLSTMLanguageModel,
    LSTMConfig,
    LSTMLanguageModel,
    RNNLanguageModel,
)
from minibert.objectives.corpora import TOY, WordPieceRecipe
from minibert.objectives.masked_lm import UNIGRAM_FILE
from minibert.objectives.next_tokens import ORDER, TextTokens, ToyTokens
from minibert.training.parallel import check_loss

# The changes that the presets of `minibert pretrain` make in a RecurrentRecipe.
PRESETS = {
    "tiny": {},
    "mini": {"embedding_size": 256, "hidden_size": 256, "num_hidden_layers": 2, "vocab_size": 8000},
    "small": {
        "embedding_size": 512, "hidden_size": 512, "num_hidden_layers": 2, "vocab_size": 16000,
        "learning_rate": 1e-3,
    },
}
TOY_RECIPE = {"seq_length": 24, "batch_size": 128, "learning_rate": 1e-2}


@dataclasses.dataclass(frozen=True, kw_only=True)
class CausalLMRecipe(WordPieceRecipe):
    """How a language model is trained from left to right: the part that all models share.

    Attributes (beside those of WordPieceRecipe):
        hidden_size, num_hidden_layers: of the model.
        seq_length: tokens in a window: as far as the gradient goes back.
        dropout: its probability; the model says where.
        initializer_range: standard deviation of the initial embeddings.
    """

    hidden_size: int = 128
    num_hidden_layers: int = 1
    seq_length: int = 32
    dropout: float = 0.0
    initializer_range: float = 0.05


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecurrentRecipe(CausalLMRecipe):
    """How an RNN or LSTM is trained. The decoder is tied where embedding_size is hidden_size."""

    embedding_size: int = 128

    presets, toy_recipe = PRESETS, TOY_RECIPE


@dataclasses.dataclass(frozen=True, kw_only=True)
class AWDLSTMRecipe(RecurrentRecipe):
    """How an AWD-LSTM is trained.

    The paper's rates of dropout are for text that is read hundreds of times. Here most runs read theirs a
    few times: `dropout` scales all five of them, and 0 is none.
    """

    num_hidden_layers: int = 2


class NextScores(NamedTuple):
    """How each answer came out: M predicted tokens.

    Attributes:
        losses: (M,), nats.  right: bool (M,): the likeliest token is the right one.
    """

    losses: np.ndarray
    right: np.ndarray


class NextEvaluation(NamedTuple):
    """How a model does on held-out text.

    Attributes:
        next_loss: nats per token; its exponential is the perplexity.  next_accuracy: of the likeliest token.
        phenomena: {name: [loss, accuracy] of the tokens that it decides}; empty where that is not known.
    """

    next_loss: float
    next_accuracy: float
    phenomena: dict = {}


class NextBaselines(NamedTuple):
    """The baselines on the same held-out tokens.

    Attributes:
        unigram_loss: nats per token of the training text's frequencies.
        kneser_ney_loss: of an interpolated Kneser–Ney model of order 5.
        kneser_ney_phenomena: {name: its loss}; empty where that is not known.
        pieces_per_word: of the held-out text: nats per piece times this are nats per word.
    """

    unigram_loss: float
    kneser_ney_loss: float
    kneser_ney_phenomena: dict
    pieces_per_word: float


def losses_and_right(logits, answers):
    """Return the loss of each answer, float64 (M,), and whether it is the likeliest; of logits (M, V)."""
    shifted = logits - logits.max(axis=-1, keepdims=True)                               # (M, V)
    log_totals = np.log(np.exp(shifted).sum(axis=-1, dtype=np.float64))                 # (M,)
    losses = log_totals - shifted[np.arange(len(answers)), answers]                     # (M,)
    return losses, shifted.argmax(axis=-1) == answers


class CausalLM:
    """A model learns to foresee the next token; the base of an objective for each model.

    Its evaluation is read beside n-gram models and, on the toy language, the best possible model. A class for
    a model has a name, a Recipe and make_model; `carries_state` says whether text runs on from batch to
    batch, and `arguments` turns a batch of the tokens into what the model's forward takes. `kinds` are the
    tokens of a text and of the toy language, `unit` is that of a text's loss, and `loss_name` the
    field of the model's output.

    Args:
        recipe: a CausalLMRecipe.
        checkpoint: folder of a checkpoint whose vocabulary is to be used; None learns one from the text.
        say: function that takes a line of progress.

    Attributes:
        tokens: TextTokens or ToyTokens.  tokenizer.
        baselines: NextBaselines.
        limits: the NextEvaluation of the best possible model, None where it is not known.
        The others are those of every objective (see minibert/objectives/__init__.py).
    """

    carries_state, kinds = True, (TextTokens, ToyTokens)
    unit, loss_name = "piece", "next_loss"

    def __init__(self, recipe, checkpoint=None, say=print):
        self.recipe = recipe
        self.is_toy = recipe.corpus == (TOY,)
        of_text, of_toy = self.kinds
        kind = of_toy if self.is_toy else of_text
        self.tokens = kind(recipe, checkpoint, say, self.carries_state)
        self.tokenizer, self.fingerprint = self.tokens.tokenizer, self.tokens.fingerprint
        self.held_out = [[self.arguments(batch) for batch in stream] for stream in self.tokens.held_out]
        self.baselines = self._baselines()
        self.limits = None
        self.files = [*self.tokens.files, UNIGRAM_FILE]
        self.pictures = ["loss.png", "phenomena.png"] if self.is_toy else ["loss.png"]
        self.picture_seconds = 0.6 if self.is_toy else 0.0  # plots.phenomena, at each evaluation
        if self.is_toy:
            self.limits = self.best_evaluation()
            say(
                f"corpus      toy: {self.tokens.num_words} words, new pairs in every step; "
                f"{self.tokens.num_rows:,} pairs held out, where no model can do better than "
                f"{self.limits.next_loss:.3f} nats per token"
            )

    def description(self):
        """Describe a run in a few words."""
        recipe = self.recipe
        return f"{recipe.num_steps:,} steps of {recipe.batch_size} rows of up to {recipe.seq_length} tokens"

    # --- the model and its data ---

    @staticmethod
    def arguments(batch):
        """Return what the model's forward is given for a NextBatch."""
        return batch

    def hidden_matrices(self, model):
        """Return {name: Parameter} of the matrices between embeddings and decoder."""
        return {
            name: parameter
            for name, parameter in model.parameters().items()
            if parameter.value.ndim == 2 and not name.startswith(("embedding.", "embeddings.", "decoder."))
        }

    def batch(self, step):
        """Return the arguments of forward in a training step."""
        return self.arguments(self.tokens.examples.batch(step, self.recipe.batch_size))

    def starts_stream(self, step):
        """Whether the state is dropped before a step: an epoch begins, or no text runs on at all."""
        return self.tokens.examples.starts_stream(step, self.recipe.batch_size)

    def num_tokens(self, batch):
        """Return the number of tokens that a batch predicts."""
        return int((batch.labels >= 0).sum())

    # --- how it is judged ---

    def score(self, model, batch, state=None):
        """Return the NextScores of a model on a batch, and the state that it passes on, if it carries one."""
        given = {"state": state} if self.carries_state else {}
        output, cache = model.forward(**batch._asdict(), **given)
        check_loss(model, output, cache)
        answers = self.answers(batch)                                                   # (M,)
        passed_on = output.state if self.carries_state and not self.is_toy else None
        return NextScores(*losses_and_right(output.logits, answers)), passed_on

    def answers(self, batch):
        """Return the right answers (M,) in the order of the model's logits."""
        return batch.labels[batch.labels >= 0]

    def best_evaluation(self):
        """Return the NextEvaluation of the best possible model of the toy language."""
        return self.evaluation(NextScores(self.tokens.best_losses, self.tokens.best_right))

    def evaluation(self, scores):
        """Return the NextEvaluation of the NextScores on all held-out tokens."""
        losses = self._by_phenomenon(scores.losses)
        accuracies = self._by_phenomenon(scores.right)
        phenomena = {name: [losses[name], accuracies[name]] for name in losses}
        return NextEvaluation(float(scores.losses.mean()), float(scores.right.mean()), phenomena)

    def _by_phenomenon(self, values):
        """Return {name: the mean of the values of the tokens that this phenomenon decides}."""
        tags = self.tokens.tags
        return {
            name: float(values[tags == tag].mean())
            for tag, name in enumerate(self.tokens.phenomena)
        }

    def _baselines(self):
        labels = [batch.labels for stream in self.tokens.held_out for batch in stream]
        answers = np.concatenate([some[some >= 0] for some in labels])
        return NextBaselines(
            unigram_loss=float(-self.tokens.unigram[answers].mean()),
            kneser_ney_loss=float(self.tokens.kneser_ney.mean()),
            kneser_ney_phenomena=self._by_phenomenon(self.tokens.kneser_ney),
            pieces_per_word=self.tokens.pieces_per_word)

    def references(self):
        """Return the baselines and, where they are known, the limits, as dictionaries."""
        found = {"baselines": self.baselines, "limits": self.limits}
        return {name: values._asdict() for name, values in found.items() if values is not None}

    def line(self, evaluation):
        """Return an evaluation beside Kneser–Ney, or beside the limits where they are known, in a line."""
        if self.limits is None:
            return (
                f"held-out loss {evaluation.next_loss:.3f} nats per {self.unit} "
                f"(Kneser–Ney {self.baselines.kneser_ney_loss:.3f}), perplexity "
                f"{np.exp(evaluation.next_loss):.1f}"
            )
        gaps = {
            name: loss - self.limits.phenomena[name][0] for name, (loss, _) in evaluation.phenomena.items()
        }
        widest = sorted(gaps, key=gaps.get, reverse=True)[:3]
        return (
            f"held-out loss {evaluation.next_loss:.3f} nats per token (best possible "
            f"{self.limits.next_loss:.3f}, Kneser–Ney {self.baselines.kneser_ney_loss:.3f}); nats missing: "
            + ", ".join(f"{name} {gaps[name]:.2f}" for name in widest)
        )

    def table(self, evaluation):
        """Return the lines that end a run: the model beside n-grams, and beside the best possible model."""
        if self.limits is None:
            return _beside_baselines(evaluation, self.baselines, self.unit)
        return _beside_limits(evaluation, self.limits, self.baselines)

    # --- files ---

    def save(self, directory):
        """Write the vocabulary, and the unigram model to compare the model with."""
        self.tokenizer.save_pretrained(directory)
        write_tensors(directory / UNIGRAM_FILE, {"log_probs": self.tokens.unigram})

    def draw(self, directory, log, is_finished=False):
        """Draw the phenomena of the toy language at each evaluation, the loss curve at the end."""
        from minibert import plots

        if self.limits and not is_finished:
            plots.save(plots.phenomena, directory / "phenomena.png", log, size=(12, 6.5))
        if is_finished:
            plots.save(plots.next_token_loss, directory / "loss.png", log, self.loss_name)

    def suggestions(self, directory):
        """Return commands to try on the finished model."""
        return [["generate", directory, "the old" if self.is_toy else "The function returns"]]


def _beside_baselines(evaluation, baselines, unit):
    loss, per_word = evaluation.next_loss, baselines.pieces_per_word
    gain = baselines.kneser_ney_loss - loss
    losses = loss, baselines.kneser_ney_loss, baselines.unigram_loss
    per_words = f"{'loss, nats per word':<28}" + "".join(
        f"{per_word * value:>{width}.3f}" for value, width in zip(losses, (9, 12, 9)))
    return [
        f"{'held-out text':<28}{'model':>9}{'Kneser–Ney':>12}{'unigram':>9}",
        f"{f'loss, nats per {unit}':<28}{losses[0]:>9.3f}{losses[1]:>12.3f}{losses[2]:>9.3f}   "
        f"{abs(gain):.3f} nats {'below' if gain >= 0 else 'above'} Kneser–Ney of order {ORDER}",
        *([per_words] if unit != "word" else []),
        f"{'perplexity':<28}" + "".join(
            f"{np.exp(value):>{width}.1f}" for value, width in zip(losses, (9, 12, 9))),
        f"{'accuracy':<28}{evaluation.next_accuracy:>9.3f}",
    ]


def _beside_limits(evaluation, limits, baselines):
    rows = [("all tokens", evaluation.next_loss, limits.next_loss, baselines.kneser_ney_loss)]
    rows += [
        (f"  {name}", loss, limits.phenomena[name][0], baselines.kneser_ney_phenomena[name])
        for name, (loss, _) in evaluation.phenomena.items()
    ]
    lines = [f"{'nats per token':<28}{'model':>9}{'limit':>9}{'missing':>9}{'Kneser–Ney':>12}"]
    lines += [
        f"{name:<28}{loss:>9.3f}{limit:>9.3f}{loss - limit:>9.3f}{counted:>12.3f}"
        for name, loss, limit, counted in rows
    ]
    gap = evaluation.next_loss / limits.next_loss - 1
    return [
        *lines,
        f"The loss is {gap:.1%} above the limit, the accuracy {evaluation.next_accuracy:.3f} "
        f"({limits.next_accuracy:.3f} at best).",
    ]


# --- one class a model ---


class RNNObjective(CausalLM):
    """A simple recurrent network; see CausalLM."""

    name, Recipe, model_class = "rnn", RecurrentRecipe, RNNLanguageModel

    def make_model(self):
        """Return a new model, whose first answer is the unigram model's."""
        recipe = self.recipe
        config = LSTMConfig(
            vocab_size=self.tokenizer.vocab_size,
            embedding_size=recipe.embedding_size,
            hidden_size=recipe.hidden_size,
            num_hidden_layers=recipe.num_hidden_layers,
            hidden_dropout_prob=recipe.dropout,
            initializer_range=recipe.initializer_range,
            tie_word_embeddings=recipe.embedding_size == recipe.hidden_size,
        )
        return self.started(self.model_class(config, seed=recipe.seed))

    def started(self, model):
        """Let the decoder's bias start at the log frequencies of the training text; return the model."""
        model.decoder.bias.value[:] = self.tokens.unigram
        return model


class LSTMObjective(RNNObjective):
    """An LSTM; see CausalLM."""

    name, model_class = "lstm", LSTMLanguageModel


class AWDLSTMObjective(RNNObjective):
    """An AWD-LSTM; see CausalLM."""

    name, Recipe = "awd-lstm", AWDLSTMRecipe

    def make_model(self):
        """Return a new model, whose first answer is the unigram model's."""
        recipe = self.recipe
        paper = {
            field.name: field.default
            for field in dataclasses.fields(AWDLSTMConfig) if field.name.endswith("_dropout_prob")
        }
        config = AWDLSTMConfig(
            vocab_size=self.tokenizer.vocab_size,
            embedding_size=recipe.embedding_size,
            hidden_size=recipe.hidden_size,
            num_hidden_layers=recipe.num_hidden_layers,
            initializer_range=recipe.initializer_range,
            **{name: recipe.dropout * rate for name, rate in paper.items()},
        )
        return self.started(AWDLSTMLanguageModel(config, seed=recipe.seed))
