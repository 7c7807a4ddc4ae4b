"""Translation: an encoder and a decoder learn to write a target for each source (Vaswani et al. 2017)."""

import dataclasses
import hashlib
from typing import NamedTuple

import numpy as np

from minibert.generation import generate
from minibert.models.transformer import Transformer, TransformerConfig
from minibert.objectives.causal_lm import losses_and_right
from minibert.objectives.corpora import PYTHON_DOCS, TOY, CorpusRecipe
from minibert.text import byte_level_bpe
from minibert.text import tokenizer_files as wordpiece_files
from minibert.text.byte_level_bpe import ByteLevelBPETokenizer
from minibert.text.examples import Translations
from minibert.text.examples.ends import ends_of
from minibert.text.labelled import counted, read_translations
from minibert.training.parallel import check_loss
from minibert.training.schedules import noam_schedule

PRESETS = {  # the changes that the presets of `minibert pretrain` make in a TranslationRecipe
    "tiny": {},
    "mini": {"hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 4, "vocab_size": 8000},
    "small": {
        "hidden_size": 512, "num_hidden_layers": 4, "num_attention_heads": 8, "vocab_size": 16000,
        "learning_rate": 1e-3,
    },
}
TOY_RECIPE = {"hidden_size": 64, "num_attention_heads": 4, "batch_size": 64}
HELD_OUT_SHARE, MOST_HELD_OUT = 0.05, 1000  # of the sources of a file
HELD_OUT_ROWS = 128  # that are evaluated together
PICTURE = "learning_curves.png"


@dataclasses.dataclass(frozen=True, kw_only=True)
class TranslationRecipe(CorpusRecipe):
    """How a Transformer is trained. Adam's rate rises and falls as in the paper (schedules.noam_schedule).

    Attributes (beside those of CorpusRecipe):
        corpus: ("toy",), or paths of files with a text, a tab and its translation in each line.
        vocab_size: tokens at most; source and target share them.
        hidden_size, num_hidden_layers, num_attention_heads: of the encoder, and of the decoder; the
            feed-forward size is 4 hidden_size.
        seq_length: tokens of a source or a target at most; longer pairs are left out.
        dropout: its probability.  label_smoothing: ε of the training loss.
        initializer_range: standard deviation of the initial weights.
    """

    corpus: tuple = (TOY,)
    vocab_size: int = 4000
    hidden_size: int = 128
    num_hidden_layers: int = 2
    num_attention_heads: int = 4
    seq_length: int = 64
    dropout: float = 0.0
    label_smoothing: float = 0.1
    initializer_range: float = 0.08
    weight_decay: float = 0.0

    presets, toy_recipe = PRESETS, TOY_RECIPE

    def learning_rate_at(self, step):
        """The learning rate of a step: it rises in a line, then falls with the root of the steps."""
        return noam_schedule(step, max(1, round(self.warmup * self.num_steps)), self.learning_rate)


class ToyTranslations:
    """Sentences of the toy language and their rewritten forms; arguments as of TextTranslations.

    Attributes:
        limits: the TranslationEvaluation of the best possible model.
    """

    files = wordpiece_files.WRITTEN

    def __init__(self, recipe, checkpoint, say):
        from minibert.text import toy
        from minibert.text.toy.rewriting import ToyRewriting

        self.fingerprint, self.tokenizer = toy.fingerprint(), toy.TOY.tokenizer()
        self.examples = ToyRewriting(toy.TOY, self.tokenizer, recipe.seed)
        self.held_out = self.examples.held_out(HELD_OUT_ROWS)
        self.limits = TranslationEvaluation(0.0, 1.0, 1.0)
        say(
            f"corpus      toy: {len(toy.TOY.words)} words, new sentences in every step; "
            f"{sum(len(batch.labels) for [batch] in self.held_out):,} held out, which no step holds"
        )


class TextTranslations:
    """The pairs of files.

    Args:
        recipe: a TranslationRecipe.  checkpoint: the folder of a tokenizer; None learns one from the pairs.
        say: function that takes a line of progress.

    Attributes:
        tokenizer, fingerprint.  examples: of training.  held_out: streams of one batch each.
        files: the names of the tokenizer's files.
    """

    files, limits = byte_level_bpe.WRITTEN, None

    def __init__(self, recipe, checkpoint, say):
        named = [name for name in recipe.corpus if name in (TOY, PYTHON_DOCS)]
        if named:
            raise ValueError(
                f"{named[0]} holds no pairs of texts for a file beside it: give --corpus toy alone, or files "
                "with a text, a tab and its translation in each line"
                if named[0] == TOY else
                f"{named[0]} holds no translations: give --corpus toy, or files with a text, a tab and its "
                "translation in each line"
            )
        pairs = [pair for path in recipe.corpus for pair in read_translations(path)]
        text = "\n".join(f"{pair.source}\t{pair.target}" for pair in pairs)
        self.fingerprint = hashlib.sha256(text.encode()).hexdigest()[:12]
        say(
            f"corpus      {', '.join(recipe.corpus)}: {counted(len(pairs), 'pair')} of texts, fingerprint "
            f"{self.fingerprint}"
        )
        training, held_out = split_pairs(pairs)
        self.tokenizer = (
            ByteLevelBPETokenizer.train((text for pair in training for text in pair[1:]), recipe.vocab_size)
            if checkpoint is None else ByteLevelBPETokenizer.from_pretrained(checkpoint)
        )
        self.examples = self._examples(training, recipe, "training", say)
        self.held_out = self._examples(held_out, recipe, "held-out", say).held_out(HELD_OUT_ROWS)
        say(
            f"training    {counted(len(self.examples.pairs), 'pair')}, {self.tokenizer.vocab_size:,} tokens; "
            f"held out {sum(len(batch.labels) for [batch] in self.held_out):,}, with no source in common"
        )

    def _examples(self, pairs, recipe, which, say):
        """Return the Translations of TextPairs; say how many are too long and left out."""
        ids = [(self.tokenizer.ids(pair.source), self.tokenizer.ids(pair.target)) for pair in pairs]
        kept = [pair for pair in ids if max(map(len, pair)) <= recipe.seq_length]
        if len(kept) < len(ids):
            say(
                f"note        left out, with more than {counted(recipe.seq_length, 'token')} in a text: "
                f"{len(ids) - len(kept):,} of {counted(len(ids), which + ' pair')}; a larger --seq-length "
                "keeps more"
            )
        if not kept:
            raise ValueError(
                f"no {which} pair has {counted(recipe.seq_length, 'token')} or fewer on both sides: give a "
                "larger --seq-length"
            )
        return Translations(kept, ends_of(self.tokenizer), recipe.seed)


def split_pairs(pairs):
    """Return the TextPairs of training and those held out: a twentieth of all sources, chosen by a hash.

    Sources that differ in case and spaces alone are one.

    Raises:
        ValueError: there are fewer than two sources.
    """
    keys = [" ".join(pair.source.casefold().split()) for pair in pairs]
    order = sorted(set(keys), key=lambda key: hashlib.sha256(key.encode()).digest())
    if len(order) < 2:
        found = f"{len(pairs):,} pairs, all with the same source" if len(pairs) > 1 else "one pair"
        raise ValueError(f"the corpus holds {found}, so none can be held out: give others, too")
    chosen = set(order[: max(1, min(int(HELD_OUT_SHARE * len(order)), MOST_HELD_OUT))])
    return tuple(
        [pair for pair, key in zip(pairs, keys) if (key in chosen) == is_held_out]
        for is_held_out in (False, True)
    )


class TranslationScores(NamedTuple):
    """How each answer came out: M predicted tokens in N targets.

    Attributes:
        losses: (M,), nats, without smoothing.  right: bool (M,): the likeliest token is the right one.
        exact: bool (N,): greedy decoding writes the whole target, its end included.
    """

    losses: np.ndarray
    right: np.ndarray
    exact: np.ndarray


class TranslationEvaluation(NamedTuple):
    """How a model does on held-out pairs.

    Attributes:
        loss: nats per token.  accuracy: of the likeliest token, where those before it are right.
        exact_match: share of the targets that greedy decoding writes without an error.
    """

    loss: float
    accuracy: float
    exact_match: float


class TranslationObjective:
    """A Transformer learns to translate; arguments and attributes as of every objective."""

    name, Recipe = "transformer", TranslationRecipe
    pictures, picture_seconds = [PICTURE], 0.0

    def __init__(self, recipe, checkpoint=None, say=print):
        self.recipe = recipe
        kind = ToyTranslations if recipe.corpus == (TOY,) else TextTranslations
        self.texts = kind(recipe, checkpoint, say)
        self.tokenizer, self.fingerprint = self.texts.tokenizer, self.texts.fingerprint
        self.held_out, self.files, self.ends = self.texts.held_out, self.texts.files, ends_of(self.tokenizer)

    def description(self):
        """Describe a run in a few words."""
        return f"{self.recipe.num_steps:,} steps of {self.recipe.batch_size} pairs"

    # --- the model and its data ---

    def make_model(self):
        """Return a new model."""
        recipe = self.recipe
        config = TransformerConfig(
            vocab_size=self.tokenizer.vocab_size,
            hidden_size=recipe.hidden_size,
            num_hidden_layers=recipe.num_hidden_layers,
            num_attention_heads=recipe.num_attention_heads,
            intermediate_size=4 * recipe.hidden_size,
            hidden_dropout_prob=recipe.dropout,
            label_smoothing=recipe.label_smoothing,
            initializer_range=recipe.initializer_range,
            bos_token_id=self.ends.start,
            eos_token_id=self.ends.end,
            pad_token_id=self.ends.pad,
        )
        return Transformer(config, seed=recipe.seed)

    def hidden_matrices(self, model):
        """Return {name: Parameter} of all matrices but the table of tokens."""
        return {
            name: parameter for name, parameter in model.parameters().items()
            if parameter.value.ndim == 2 and not name.startswith("embeddings.")
        }

    def batch(self, step):
        """Return the TranslationBatch of a training step."""
        return self.texts.examples.batch(step, self.recipe.batch_size)

    def starts_stream(self, step):
        """Every pair is a stream of its own."""
        return True

    def num_tokens(self, batch):
        """Return the number of tokens that a batch predicts."""
        return int((batch.labels >= 0).sum())

    # --- how it is judged ---

    def score(self, model, batch, state=None):
        """Return the TranslationScores of a model on a batch, and no state."""
        output, cache = model.forward(**batch._asdict())
        check_loss(model, output, cache)
        is_asked = batch.labels >= 0                                                    # (B, T)
        losses, right = losses_and_right(output.logits, batch.labels[is_asked])         # (M,) each
        written = generate(
            model, batch.source_ids, batch.source_mask, max_new_tokens=batch.labels.shape[1],
            eos_token_id=self.ends.end)[:, 1:]                                          # (B, T) or fewer
        missing = batch.labels.shape[1] - written.shape[1]
        whole = np.pad(written, [(0, 0), (0, missing)], constant_values=-1)             # (B, T)
        return TranslationScores(losses, right, ((whole == batch.labels) | ~is_asked).all(axis=1)), None

    def evaluation(self, scores):
        """Return the TranslationEvaluation of the TranslationScores on all held-out pairs."""
        return TranslationEvaluation(*(float(values.mean()) for values in scores))

    def references(self):
        """Return the limits, where they are known, as a dictionary."""
        limits = self.texts.limits
        return {"baselines": {} if limits is None else {"best possible": limits._asdict()}}

    def line(self, evaluation):
        """Return an evaluation in a line."""
        return (
            f"held-out loss {evaluation.loss:.3f} nats per token, accuracy "
            f"{evaluation.accuracy:.3f}; exact match {evaluation.exact_match:.1%} of greedy decoding"
        )

    def table(self, evaluation):
        """Return the lines that end a run: the model, and the best possible one where it is known."""
        limits = self.texts.limits
        names = ("loss, nats per token", "token accuracy", "exact match, greedy")
        beside = [""] * 3 if limits is None else [f"{value:>9.3f}" for value in limits]
        epsilon, vocab_size = self.recipe.label_smoothing, self.tokenizer.vocab_size
        smoothed = -np.log(1 - epsilon + epsilon / vocab_size)
        note = (
            f"Label smoothing of {epsilon:g} asks for less than certainty: a right token costs "
            f"{smoothed:.3f} nats."
        )
        return [
            f"{'held-out pairs':<28}{'model':>9}" + ("" if limits is None else f"{'limit':>9}"),
            *(f"{name:<28}{value:>9.3f}{limit}" for name, value, limit in zip(names, evaluation, beside)),
            *([note] if epsilon > 0 else []),
        ]

    # --- files ---

    def save(self, directory):
        """Write the tokenizer."""
        self.tokenizer.save_pretrained(directory)

    def draw(self, directory, log, is_finished=False):
        """Draw the curves of loss and exact match at the end."""
        from minibert import plots

        if is_finished:
            plots.save(plots.learning_curves, directory / PICTURE, log, "exact_match", "exact match")

    def suggestions(self, directory):
        """Return commands to try on the finished model."""
        [batch, *_] = self.held_out[len(self.held_out) // 2]
        source = batch.source_ids[0, batch.source_mask[0] == 1]
        return [["generate", directory, self.tokenizer.decode(source)]]
