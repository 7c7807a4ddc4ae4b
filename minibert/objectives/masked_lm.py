"""BERT's objective: masked words, and whether one sentence follows the other (Devlin et al. 2018)."""

import dataclasses
import functools
import pathlib
from typing import NamedTuple

import numpy as np

from minibert.files import read_tensors, write_tensors
from minibert.layers.cross_entropy import IGNORE_INDEX
from minibert.models.bert import BertConfig, BertForPreTraining
from minibert.objectives import continued
from minibert.objectives.corpora import PYTHON_DOCS, TOY, WordPieceRecipe
from minibert.objectives.sentence_pairs import TextPairs, ToyPairs
from minibert.objectives.word2vec_start import word2vec_rows
from minibert.text.tokenizer_files import WRITTEN as TOKENIZER_FILES
from minibert.training.checkpoint import find_model
from minibert.training.parallel import check_loss

# Sizes of the published small BERTs (Turc et al. 2019, "Well-Read Students Learn Better") and of BERT-base.
SIZES = {
    "tiny": {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2},
    "mini": {"hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 4},
    "small": {"hidden_size": 512, "num_hidden_layers": 4, "num_attention_heads": 8},
    "base": {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12},
}
# The changes that the presets of `minibert pretrain` make in MaskedLMRecipe.
PRESETS = {
    "tiny": {},
    "mini": {
        **SIZES["mini"],
        "num_attention_heads": 8,
        "vocab_size": 8000,
        "seq_length": 128,
        "learning_rate": 1e-3,
    },
    "small": {
        **SIZES["small"],
        "initializer_range": 0.02,
        "vocab_size": 16000,
        "seq_length": 128,
        "learning_rate": 5e-4,
    },
}
# Word2Vec's start, measured on the toy language, gains nothing there.
_TOY = {
    "hidden_size": 64,
    "num_attention_heads": 8,
    "seq_length": 24,
    "batch_size": 128,
    "initializer_range": 0.1,
    "mlm_probability": 0.4,
    "next_sentence_probability": 0.8,
}
TOY_RECIPES = {
    "bert": {**_TOY, "learning_rate": 4e-3, "settle": 0.3},
    "fast": {
        **_TOY,
        "learning_rate": 8e-3,
        "settle": 0.2,
        "embedding_start": "random",
        "short_first": 0.0,  # its pairs are short already
    },
}
# Ways to train, by name: their changes to MaskedLMRecipe.
RECIPES = {
    "bert": {},  # as in 2018
    "fast": {  # measured in notebooks/guides/training.md
        "optimizer": "muon",
        "embedding_start": "word2vec",
        "batch_size": 16,
        "learning_rate": 1e-3,
        "muon_learning_rate": 0.01,
        "short_first": 0.5,
    },
}
UNIGRAM_FILE = "unigram.safetensors"


@dataclasses.dataclass(frozen=True, kw_only=True)
class MaskedLMRecipe(WordPieceRecipe):
    """How a BERT is pretrained.

    The defaults are the recipe "bert": AdamW from random weights. They differ from BERT's where a short run
    needs it: 30 % of the tokens are predicted, which gives more gradient a step (Wettig et al. 2023, "Should
    You Mask 15%?"); no dropout, because no text is seen often enough to be learnt by heart (Geiping &
    Goldstein 2023, "Cramming"); β₂ 0.98 (Liu et al. 2019, "RoBERTa"); heads of 32 columns; and initial
    weights of 0.05. RECIPES has the changes of "fast".

    Attributes (beside those of WordPieceRecipe):
        recipe: where the way to train comes from.
        hidden_size, num_hidden_layers, num_attention_heads: of the model; the feed-forward size is
            4 hidden_size.
        seq_length: tokens.  dropout: all probabilities.
        short_first: share of the steps, the first ones, that read half as many tokens of twice as many
            sequences.
        initializer_range: standard deviation of the initial weights.
        embedding_start: "random", or "word2vec": the token embeddings start from our own Word2Vec of the
            training text's pieces.
        mlm_probability: share of the tokens to be predicted in training (evaluation: 0.15).
        whole_word: mask whole words.
        next_sentence_probability: share of the pairs whose B follows A, where there is a B (evaluation: 0.5).
        settle: share of the steps, the last ones, that train on the tasks of evaluation (15 %, half of the
            pairs). On the toy language more masks and more true pairs teach faster; the last steps then
            learn how often each occurs.
        start: folder of a BERT checkpoint to go on from, with its tokenizer and sizes; "" for a new model.
        micro_batches: parts of a batch that go forward and backward one after the other, for less memory.
        recompute: encoder layers keep their input alone, for less memory and more time.
    """

    recipe: str = "bert"
    hidden_size: int = 128
    num_hidden_layers: int = 2
    num_attention_heads: int = 4
    seq_length: int = 64
    short_first: float = 0.0
    dropout: float = 0.0
    initializer_range: float = 0.05
    embedding_start: str = "random"
    mlm_probability: float = 0.3
    whole_word: bool = False
    next_sentence_probability: float = 0.5
    settle: float = 0.0
    start: str = ""
    micro_batches: int = 1
    recompute: bool = False

    presets = PRESETS
    may_change = {
        "micro_batches": "the last bits may differ, and dropout's masks do",
        "recompute": "the bits stay the same",
    }

    def __post_init__(self):
        super().__post_init__()
        if self.embedding_start not in ("random", "word2vec"):
            raise ValueError(
                f"there is no embedding_start {self.embedding_start!r}: choose random or word2vec"
            )
        if self.micro_batches < 1:
            raise ValueError(f"micro_batches must be 1 or more, got {self.micro_batches}")

    @classmethod
    def of(cls, corpus=(PYTHON_DOCS,), preset="tiny", recipe=None, **changes):
        """Return the recipe of that name for a corpus and a preset, with `changes`.

        The recipe is "fast" unless another is named, but "bert" from a checkpoint: Muon's first steps would
        change trained weights like random ones.

        Raises:
            ValueError: there is no preset, recipe or field of that name.
        """
        if preset not in PRESETS:
            raise ValueError(f"there is no preset {preset!r}: choose one of {', '.join(PRESETS)}")
        is_toy = tuple(corpus) == (TOY,)
        recipe = recipe or ("bert" if changes.get("start") else "fast")
        if recipe not in RECIPES:
            raise ValueError(f"there is no recipe {recipe!r}: choose one of {', '.join(RECIPES)}")
        toy = TOY_RECIPES[recipe] if is_toy else {}
        named = {"corpus": corpus, "preset": preset, "recipe": recipe}
        if changes.get("start"):
            if preset != "tiny":
                raise ValueError(f"a run --from a checkpoint has its sizes: leave out --preset {preset}")
            brought = continued.settings(changes["start"], changes)
            way = {name: value for name, value in RECIPES[recipe].items() if name not in continued.ITS_OWN}
            return super().of(**{**way, **brought, **named, **changes})
        return super().of(**{**RECIPES[recipe], **toy, **PRESETS[preset], **named, **changes})

    @property
    def default_minutes(self):
        """The toy language is learnt in four minutes."""
        return 4.0 if self.corpus == (TOY,) else 5.0


class Scores(NamedTuple):
    """How each answer came out: M masked tokens and B pairs.

    Attributes:
        token_losses: (M,), nats.  token_right: bool (M,).  pair_losses: (B,), nats.  pair_right: bool (B,).
    """

    token_losses: np.ndarray
    token_right: np.ndarray
    pair_losses: np.ndarray
    pair_right: np.ndarray


class Evaluation(NamedTuple):
    """How a model does on held-out text.

    Attributes:
        mlm_loss: nats per masked word piece.  mlm_accuracy: of the guesses.
        nsp_loss: nats per pair.  nsp_accuracy: of the answers.  None where there are no pairs.
        phenomena: {name: [loss, accuracy] of the masked tokens that it decides, if any}; empty where
            that is not known.
    """

    mlm_loss: float
    mlm_accuracy: float
    nsp_loss: float | None
    nsp_accuracy: float | None
    phenomena: dict = {}


class Baselines(NamedTuple):
    """The baselines that need no model, on the same held-out examples.

    Attributes:
        unigram_loss: nats per masked piece of always answering with the training text's frequencies.
        majority_accuracy: of always giving the more frequent pair label; None where there are no pairs.
        pieces_per_word: of the held-out text: nats per piece times this are nats per word.
    """

    unigram_loss: float
    majority_accuracy: float | None
    pieces_per_word: float


class MaskedLM:
    """A BERT learns to fill masks and to tell neighbours, and is judged by both.

    Its evaluation is read beside baselines or, on the toy language, the best possible model.

    Args:
        recipe: a MaskedLMRecipe.
        checkpoint: folder of a checkpoint whose vocabulary is to be used; None learns one from the text.
        say: function that takes a line of progress.

    Attributes:
        pairs: TextPairs or ToyPairs.  tokenizer.
        baselines: Baselines.  limits: the Evaluation of the best possible model, None where it is not known.
        The others are those of every objective (see minibert/objectives/__init__.py).
    """

    name, Recipe = "bert", MaskedLMRecipe
    kinds = TextPairs, ToyPairs
    task, pair_logits, evaluation_class = "NSP", "seq_relationship_logits", Evaluation  # of the pairs
    not_hidden = ("bert.embeddings.", "nsp_head.", "mlm_head.decoder.")  # matrices that Muon does not step

    def __init__(self, recipe, checkpoint=None, say=print):
        self.recipe, self.is_new, self.say = recipe, checkpoint is None, say
        self.is_said = False
        self.start = recipe.start and (checkpoint or find_model(recipe.start))
        self.is_toy = recipe.corpus == (TOY,)
        self.pairs = self.kinds[self.is_toy](recipe, checkpoint, say)
        self.tokenizer, self.fingerprint = self.pairs.tokenizer, self.pairs.fingerprint
        self.held_out = self.pairs.held_out
        self.baselines = baselines(self.pairs)
        self.limits = self.evaluation(self.pairs.best_scores) if self.is_toy else None
        self.files = [*TOKENIZER_FILES, UNIGRAM_FILE]
        self.pictures = ["loss.png", "phenomena.png"] if self.is_toy else ["loss.png"]
        self.picture_seconds = 0.6 if self.is_toy else 0.0  # plots.phenomena, at each evaluation
        if self.is_toy:
            say(
                f"corpus      toy: {self.pairs.num_words} words, new pairs in every step; "
                f"{self.pairs.num_pairs:,} pairs held out, where no model can do better than "
                f"{self.best_possible()}"
            )

    def best_possible(self):
        """Return the limits in a few words."""
        return f"MLM loss {self.limits.mlm_loss:.3f}, {self.task} accuracy {self.limits[3]:.3f}"

    def description(self):
        """Describe a run in a few words."""
        recipe = self.recipe
        short = f" ({recipe.short_first:.0%} of them with twice as many, half as long)"
        return (
            f"{recipe.num_steps:,} steps of {recipe.batch_size} sequences of up to {recipe.seq_length} tokens"
            f"{short if recipe.short_first else ''}"
        )

    # --- the model and its data ---

    def make_model(self):
        """Return a new BertForPreTraining.

        The decoder's bias starts at the log frequency of each word piece: the first prediction is then the
        unigram model's, and no step is spent on learning which words are frequent. The token embeddings may
        start from Word2Vec; not where a checkpoint's weights will replace them.
        """
        recipe = self.recipe
        if recipe.start:
            model, new = continued.load(self.start, self.pairs.unigram)
            if self.is_new and not self.is_said:  # make_model is called again after the trial steps
                self.is_said = True
                parts = f"; with random weights: {', '.join(new)}" if new else ""
                self.say(f"start       {self.start}{parts}")
            return model
        config = BertConfig(
            vocab_size=self.tokenizer.vocab_size,
            hidden_size=recipe.hidden_size,
            num_hidden_layers=recipe.num_hidden_layers,
            num_attention_heads=recipe.num_attention_heads,
            intermediate_size=4 * recipe.hidden_size,
            hidden_dropout_prob=recipe.dropout,
            attention_probs_dropout_prob=recipe.dropout,
            max_position_embeddings=recipe.seq_length,
            initializer_range=recipe.initializer_range,
        )
        model = BertForPreTraining(config, seed=recipe.seed)
        model.mlm_head.decoder.bias.value[:] = self.pairs.unigram
        self.start_embeddings(model.bert.embeddings.token.weight.value)
        return model

    def start_embeddings(self, table):
        """Write Word2Vec's vectors into the token embeddings of a new model, if the recipe asks for it."""
        if self.recipe.embedding_start == "word2vec" and self.is_new:
            rows, vectors = self.word2vec_rows
            table[rows] = self.recipe.initializer_range * vectors

    @functools.cached_property
    def word2vec_rows(self):
        """The rows of the token embeddings that Word2Vec has a vector for, and the vectors: learned once."""
        self.say("word2vec    learning the vectors that the token embeddings start from")
        return word2vec_rows(self.tokenizer, self.pairs.sentences(), self.vector_size, self.recipe.seed)

    @property
    def vector_size(self):
        """The size of a token's vector."""
        return self.recipe.hidden_size

    def hidden_matrices(self, model):
        """Return {name: Parameter} of all matrices but the embeddings and the answer to the pair."""
        return {
            name: parameter
            for name, parameter in model.parameters().items()
            if parameter.value.ndim == 2
            and not name.startswith(self.not_hidden)
        }

    def batch(self, step):
        """Return the PairBatch of a training step."""
        recipe = self.recipe
        if step < recipe.short_first * recipe.num_steps:
            return self.pairs.short_examples.batch(step, 2 * recipe.batch_size)
        is_settled = recipe.num_steps > 0 and step >= (1 - recipe.settle) * recipe.num_steps
        examples = self.pairs.settled_examples if is_settled else self.pairs.examples
        return examples.batch(step, recipe.batch_size)

    def starts_stream(self, step):
        """Every pair is a stream of its own."""
        return True

    def num_tokens(self, batch):
        """Return the number of tokens in a batch, padding left out."""
        return int(batch.attention_mask.sum())

    def counts(self, batch):
        """Return {part of the loss: how many predictions it is the mean of}, as the model will."""
        counts = {"mlm": int((batch.labels != IGNORE_INDEX).sum())}
        of_pairs = pair_labels(batch)
        if of_pairs is not None:
            counts[self.task.lower()] = int((of_pairs != IGNORE_INDEX).sum())
        return counts

    # --- how it is judged ---

    def score(self, model, batch, state=None):
        """Return the Scores of a model on a batch, and None: nothing is passed on."""
        return score_pairs(model, batch, self.pair_logits), None

    def evaluation(self, scores):
        """Return the Evaluation of the Scores on all held-out examples."""
        means = (float(values.mean()) if values.size else None for values in scores)
        return self.evaluation_class(*means, self.of_phenomena(scores.token_losses, scores.token_right))

    def of_phenomena(self, token_losses, token_right):
        """Return {name: [mean loss, accuracy]} of the masked tokens that each phenomenon decides."""
        found = {}
        for tag, name in enumerate(self.pairs.phenomena):
            here = self.pairs.tags == tag
            if here.any():
                found[name] = [float(token_losses[here].mean()), float(token_right[here].mean())]
        return found

    def references(self):
        """Return the baselines and, where they are known, the limits, as dictionaries."""
        found = {"baselines": self.baselines, "limits": self.limits}
        return {name: values._asdict() for name, values in found.items() if values is not None}

    def line(self, evaluation):
        """Return an evaluation beside its baselines, or beside the limits where they are known, in a line."""
        if self.limits is None:
            words = f"MLM loss {evaluation.mlm_loss:.3f} (unigram {self.baselines.unigram_loss:.3f})"
            if evaluation[3] is None:
                return f"held-out {words}"
            return (
                f"held-out {words}, {self.task} accuracy {evaluation[3]:.3f} "
                f"(majority {self.baselines.majority_accuracy:.3f})"
            )
        gaps = {
            name: self.limits.phenomena[name][1] - accuracy
            for name, (_, accuracy) in evaluation.phenomena.items()
        }
        widest = sorted(gaps, key=gaps.get, reverse=True)[:3]
        pairs = "" if evaluation[3] is None else (
            f", {self.task} accuracy {evaluation[3]:.3f} ({self.limits[3]:.3f})")
        return (
            f"held-out MLM loss {evaluation.mlm_loss:.3f} (best possible {self.limits.mlm_loss:.3f}){pairs}; "
            "points missing: "
            + ", ".join(f"{name} {100 * gaps[name]:.0f}" for name in widest)
        )

    def table(self, evaluation):
        """Return the lines that end a run: the model beside its baselines or the best possible model."""
        if self.limits is None:
            return _beside_baselines(evaluation, self.baselines, self.task)
        return _beside_limits(evaluation, self.limits, self.task)

    # --- files ---

    def save(self, directory):
        """Write the vocabulary, and the unigram model to compare the model with."""
        self.tokenizer.save_pretrained(directory, model_max_length=self.recipe.seq_length)
        write_tensors(directory / UNIGRAM_FILE, {"log_probs": self.pairs.unigram})

    def draw(self, directory, log, is_finished=False):
        """Draw the phenomena of the toy language at each evaluation, the loss curves at the end."""
        from minibert import plots

        if self.limits and not is_finished:
            plots.save(plots.phenomena, directory / "phenomena.png", log, size=(12, 6.5))
        if is_finished:
            plots.save(plots.loss_curves, directory / "loss.png", log, self.limits and self.limits._asdict())

    def suggestions(self, directory):
        """Return commands to try on the finished model."""
        sentence = (
            "Today many ducks beside the tree [MASK]"
            if self.is_toy
            else "Return the number of [MASK] in the list."
        )
        return [["fill-mask", directory, sentence]]


def load_unigram(directory):
    """Return the log probabilities (V,) of the unigram model stored beside a model, or None."""
    path = pathlib.Path(directory) / UNIGRAM_FILE
    return read_tensors(path).get("log_probs") if path.is_file() else None


def score_pairs(model, batch, pair_logits="seq_relationship_logits"):
    """Return the Scores of a model on a batch.

    Args:
        model: a BertForPreTraining, or another whose output has prediction_logits and those of the pairs.
        batch: a PairBatch, or another with its fields.
        pair_logits: which field of the output answers for the pairs.

    Raises:
        FloatingPointError: the loss is not finite.
    """
    output, cache = model.forward(**batch._asdict())
    check_loss(model, output, cache)
    masked, of_pairs = batch.labels[batch.labels >= 0], pair_labels(batch)  # (M,), (B,)
    no_pairs = np.zeros(0), np.zeros(0, bool)
    return Scores(
        *losses_and_hits(output.prediction_logits, masked),
        *(
            no_pairs if of_pairs is None
            else losses_and_hits(getattr(output, pair_logits), of_pairs)
        ),
    )


def pair_labels(batch):
    """Return the labels of the pairs (B,), the field after those that all batches of masked words have."""
    return batch[4] if len(batch) > 4 else None


def losses_and_hits(logits, labels):
    """Return the loss in nats of each row's label, and whether its logit is the largest, (M,) each."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    of_labels = shifted[np.arange(len(labels)), labels]
    return np.log(np.exp(shifted).sum(axis=-1, dtype=np.float64)) - of_labels, shifted.argmax(
        axis=-1
    ) == labels


def baselines(pairs):
    """Return the Baselines on the held-out examples of TextPairs or ToyPairs."""
    batches = [batch for stream in pairs.held_out for batch in stream]
    masked = np.concatenate([batch.labels[batch.labels >= 0] for batch in batches])
    labels = [pair_labels(batch) for batch in batches if pair_labels(batch) is not None]
    ones = np.concatenate(labels).mean() if labels else None
    majority = None if ones is None else float(max(ones, 1 - ones))
    return Baselines(float(-pairs.unigram[masked].mean()), majority, pairs.pieces_per_word)


def _beside_baselines(evaluation, baselines, task):
    gain, per_word = baselines.unigram_loss - evaluation.mlm_loss, baselines.pieces_per_word
    word_losses = evaluation.mlm_loss * per_word, baselines.unigram_loss * per_word
    lines = [
        f"{'held-out text':<28}{'model':>9}{'baseline':>10}",
        f"{'MLM loss, nats per piece':<28}{evaluation.mlm_loss:>9.3f}{baselines.unigram_loss:>10.3f}   "
        f"unigram model; "
        f"{abs(gain):.3f} nats {'below' if gain >= 0 else 'above'} it",
        f"{'MLM loss, nats per word':<28}{word_losses[0]:>9.3f}{word_losses[1]:>10.3f}",
        f"{'MLM accuracy':<28}{evaluation.mlm_accuracy:>9.3f}",
    ]
    if evaluation[3] is None:
        return lines
    return [
        *lines,
        f"{f'{task} accuracy':<28}{evaluation[3]:>9.3f}{baselines.majority_accuracy:>10.3f}   "
        "always the same answer",
    ]


def _beside_limits(evaluation, limits, task):
    lines = [f"{'held-out pairs':<28}{'model':>9}{'limit':>9}{'gap':>9}"]
    has_pairs = evaluation[2] is not None
    losses = [("MLM loss, nats per word", evaluation.mlm_loss, limits.mlm_loss)]
    losses += [(f"{task} loss, nats per pair", evaluation[2], limits[2])] * has_pairs
    for name, loss, limit in losses:
        lines.append(f"{name:<28}{loss:>9.3f}{limit:>9.3f}{loss / limit - 1:>8.1%}")
    accuracies = [("MLM accuracy", evaluation.mlm_accuracy, limits.mlm_accuracy)]
    accuracies += [(f"{task} accuracy", evaluation[3], limits[3])] * has_pairs
    accuracies += [
        (f"  {name}", accuracy, limits.phenomena[name][1])
        for name, (_, accuracy) in evaluation.phenomena.items()
    ]
    for name, accuracy, limit in accuracies:
        lines.append(f"{name:<28}{accuracy:>9.3f}{limit:>9.3f}{100 * (limit - accuracy):>8.1f} points")
    return lines
