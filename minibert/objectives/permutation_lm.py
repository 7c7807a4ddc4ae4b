"""XLNet's objective: the words that come last in a random order, from those before (Yang et al. 2019).

On the toy language every predicted token has an exact limit: the best possible answer to a model that knows
the positions and segments, and sees the same words.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from minibert.files import write_tensors
from minibert.layers.cross_entropy import IGNORE_INDEX
from minibert.models.xlnet import XLNetConfig, XLNetLMHeadModel
from minibert.objectives.causal_lm import CausalLMRecipe, NextScores, losses_and_right
from minibert.objectives.corpora import TOY
from minibert.objectives.masked_lm import UNIGRAM_FILE, MaskedLMRecipe
from minibert.objectives.sentence_pairs import TextPairs
from minibert.text.examples import PairBatch, Permutations
from minibert.text.tokenizer_files import WRITTEN as TOKENIZER_FILES
from minibert.training.parallel import check_loss

# The changes that the presets of `minibert pretrain` make in a PermutationLMRecipe.
PRESETS = {
    "tiny": {},
    "mini": {"hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 8, "vocab_size": 8000,
             "seq_length": 128, "learning_rate": 1e-3},
    "small": {"hidden_size": 512, "num_hidden_layers": 4, "num_attention_heads": 8, "vocab_size": 16000,
              "seq_length": 128, "learning_rate": 5e-4},
}
TOY_RECIPE = {  # measured in notebooks/guides/training.md
    "hidden_size": 64, "num_attention_heads": 8, "seq_length": 24, "batch_size": 64, "initializer_range": 0.1,
    "optimizer": "muon", "learning_rate": 8e-3, "muon_learning_rate": 0.02, "predicted": 0.5,
}
OF_TEXT = (  # the fields that say how a text is read
    "corpus", "lines", "vocab_size", "cased", "strip_accents", "alphabet", "seq_length", "seed",
)
NUM_HELD_OUT = 2048  # pairs of the toy language, each with several predicted words
HELD_OUT_ROWS = 128  # of the toy language that are evaluated together


@dataclasses.dataclass(frozen=True, kw_only=True)
class PermutationLMRecipe(CausalLMRecipe):
    """How an XLNet is trained. Sentence pairs are examples that know nothing of each other.

    Attributes (beside those of CausalLMRecipe):
        num_attention_heads: A.
        predicted, longest_span: as in Permutations. A third of the words is predicted, not a sixth as in the
            paper: a short run needs more gradient a step.
    """

    num_hidden_layers: int = 2
    num_attention_heads: int = 4
    seq_length: int = 64
    batch_size: int = 16
    predicted: float = 1 / 3
    longest_span: int = 5

    presets, toy_recipe = PRESETS, TOY_RECIPE


class PermutationEvaluation(NamedTuple):
    """How a model does on held-out text.

    Attributes:
        loss: nats per predicted token.  accuracy: of the likeliest token.
        phenomena: {name: [loss, accuracy] of the tokens that it decides}; empty where that is not known.
    """

    loss: float
    accuracy: float
    phenomena: dict = {}


class TextPermutations:
    """Pairs cut from a corpus, in random orders.

    Args:
        recipe: a PermutationLMRecipe.  checkpoint: the folder of a tokenizer; None learns one from the text.
        say: function that takes a line of progress.

    Attributes:
        tokenizer, fingerprint, unigram, pieces_per_word: as of TextPairs.
        examples: of training.  held_out: streams of one batch each.
    """

    tags, phenomena, best = None, (), None

    def __init__(self, recipe, checkpoint, say):
        shared = {name: getattr(recipe, name) for name in OF_TEXT}
        pairs = TextPairs(MaskedLMRecipe(**shared), checkpoint, say)  # their masks are taken away again
        self.tokenizer, self.fingerprint = pairs.tokenizer, pairs.fingerprint
        self.unigram, self.pieces_per_word = pairs.unigram, pairs.pieces_per_word
        options = {"predicted": recipe.predicted, "longest_span": recipe.longest_span}
        self.examples = Permutations(pairs.examples, self.tokenizer, recipe.seed, **options)
        self.held_out = Permutations(pairs.examples, self.tokenizer, **options).permuted(pairs.held_out)


class ToyPermutations:
    """Pairs of the toy language in random orders, new ones in every step; otherwise as TextPermutations.

    Attributes:
        tags: the phenomenon that decides each held-out answer, an index of `phenomena`, their names.
        best: NextScores of the best possible model on the held-out answers.
    """

    pieces_per_word = 1.0

    def __init__(self, recipe, checkpoint, say):
        from minibert.text import toy
        from minibert.text.toy.limits import Limits
        from minibert.text.toy.pairs import ToyExamples, split

        if recipe.cased or recipe.strip_accents or recipe.alphabet or recipe.lines is not None:
            raise ValueError(
                "the toy language has a vocabulary and sentences of its own: leave out --cased, "
                "--strip-accents, --alphabet and --lines"
            )
        language = toy.TOY
        self.fingerprint, self.tokenizer = toy.fingerprint(), language.tokenizer()
        options = {"predicted": recipe.predicted, "longest_span": recipe.longest_span}
        examples = ToyExamples(language, self.tokenizer, recipe.seed)
        self.examples = Permutations(examples, self.tokenizer, recipe.seed, **options)
        pairs = examples.held_out_pairs(NUM_HELD_OUT)
        longest = pairs.clean_ids.shape[1]
        if longest > recipe.seq_length:
            raise ValueError(
                f"a pair of toy sentences has up to {longest} tokens: --seq-length {recipe.seq_length} "
                "is too short for them"
            )
        streams = [[batch] for batch in split(pairs.batch, HELD_OUT_ROWS)]
        self.held_out = Permutations(examples, self.tokenizer, **options).permuted(streams)
        limits = Limits(language, self.tokenizer)
        self.best, self.tags = best_answers(limits, pairs, [batch for [batch] in self.held_out])
        self.phenomena = language.phenomena
        probs = limits.baselines(pairs)["unigram"][0]
        self.unigram = np.log((1 - 1e-4) * probs + 1e-4 / len(probs))  # special tokens are never predicted
        say(
            f"corpus      toy: {len(language.words)} words, new pairs in every step; {len(self.tags):,} "
            f"words in {NUM_HELD_OUT:,} pairs are held out: no model that sees the same words can do better "
            f"than {self.best.losses.mean():.3f} nats per word"
        )


def best_answers(limits, pairs, batches):
    """Return the NextScores of the best possible answers to PermutationBatches, and the phenomenon of each.

    The best model knows what XLNet is given: where the sentences end, and the words that the order shows.

    Args:
        limits: Limits of the language.
        pairs: Pairs, whose rows the batches hold, in order and without needless padding.
    """
    found, start, width = [], 0, pairs.clean_ids.shape[1]
    for batch in batches:
        row, target = np.nonzero(batch.labels != IGNORE_INDEX)                          # (N,) each
        place = batch.target_mapping[row, target].argmax(axis=1)                        # (N,)
        shown = ~batch.perm_mask[row, place]                                            # (N, T)
        visible = np.zeros((len(row), width), bool)
        visible[:, 1 : shown.shape[1]] = shown[:, :-1]                  # [CLS] is the first token of a pair
        rows = start + row
        of_targets = pairs._replace(
            batch=PairBatch(*(array[rows] for array in pairs.batch)), clean_ids=pairs.clean_ids[rows],
            tags=pairs.tags[rows])
        asked = np.arange(width) == place[:, np.newaxis] + 1                            # (N, T)
        probs, _ = limits.given(of_targets, visible, asked)                             # (N, V)
        found.append((*losses_and_right(np.log(np.maximum(probs, 1e-300)), batch.labels[row, target]),
                      pairs.tags[rows, place + 1]))
        start += len(batch.labels)
    losses, right, tags = map(np.concatenate, zip(*found))
    return NextScores(losses, right), tags


class PermutationLM:
    """An XLNet learns to predict words in random orders; arguments and attributes as of every objective.

    Attributes:
        texts: TextPermutations or ToyPermutations.
        limits: the PermutationEvaluation of the best possible model, None where it is not known.
    """

    name, Recipe = "xlnet", PermutationLMRecipe
    files = [*TOKENIZER_FILES, UNIGRAM_FILE]

    def __init__(self, recipe, checkpoint=None, say=print):
        self.recipe = recipe
        is_toy = recipe.corpus == (TOY,)
        self.texts = (ToyPermutations if is_toy else TextPermutations)(recipe, checkpoint, say)
        self.tokenizer, self.fingerprint = self.texts.tokenizer, self.texts.fingerprint
        self.held_out = self.texts.held_out
        answers = np.concatenate([self.answers(batch) for [batch] in self.held_out])
        logits = np.tile(self.texts.unigram, (len(answers), 1))
        self.unigram = self.evaluation(NextScores(*losses_and_right(logits, answers)))
        self.limits = None if self.texts.best is None else self.evaluation(self.texts.best)
        self.pictures = ["loss.png", "phenomena.png"] if is_toy else ["loss.png"]
        self.picture_seconds = 0.6 if is_toy else 0.0  # plots.phenomena, at each evaluation

    def description(self):
        """Describe a run in a few words."""
        recipe = self.recipe
        return (
            f"{recipe.num_steps:,} steps of {recipe.batch_size} sequences of up to {recipe.seq_length} tokens"
        )

    # --- the model and its data ---

    def make_model(self):
        """Return a new model, whose first answer is the unigram model's."""
        recipe, tokenizer = self.recipe, self.tokenizer
        config = XLNetConfig(
            vocab_size=tokenizer.vocab_size,
            hidden_size=recipe.hidden_size,
            num_hidden_layers=recipe.num_hidden_layers,
            num_attention_heads=recipe.num_attention_heads,
            hidden_dropout_prob=recipe.dropout,
            initializer_range=recipe.initializer_range,
            bos_token_id=tokenizer.cls_token_id,
            eos_token_id=tokenizer.sep_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
        model = XLNetLMHeadModel(config, seed=recipe.seed)
        model.output.bias.value[:] = self.texts.unigram
        return model

    def hidden_matrices(self, model):
        """Return {name: Parameter} of the layers' matrices; those into and out of heads have three axes."""
        return {
            name: parameter for name, parameter in model.parameters().items()
            if ".layers." in name and name.endswith(".weight")
        }

    def batch(self, step):
        """Return the PermutationBatch of a training step."""
        return self.texts.examples.batch(step, self.recipe.batch_size)

    def starts_stream(self, step):
        """Every pair is a stream of its own."""
        return True

    def num_tokens(self, batch):
        """Return the number of tokens that a batch predicts."""
        return int((batch.labels >= 0).sum())

    # --- how it is judged ---

    @staticmethod
    def answers(batch):
        """Return the right answers (N,) in the order of the model's logits."""
        return batch.labels[batch.labels != IGNORE_INDEX]

    def score(self, model, batch, state=None):
        """Return the NextScores of a model on a batch, and no state."""
        output, cache = model.forward(**batch._asdict())
        check_loss(model, output, cache)
        return NextScores(*losses_and_right(output.logits, self.answers(batch))), None

    def evaluation(self, scores):
        """Return the PermutationEvaluation of the NextScores on all held-out answers."""
        losses, right = scores
        phenomena = {}
        for tag, name in enumerate(self.texts.phenomena):
            here = self.texts.tags == tag
            if here.any():
                phenomena[name] = [float(losses[here].mean()), float(right[here].mean())]
        return PermutationEvaluation(float(losses.mean()), float(right.mean()), phenomena)

    def references(self):
        """Return the unigram model and, where they are known, the limits, as dictionaries."""
        baselines = {"unigram": self.unigram._asdict()}
        if self.limits is None:
            return {"baselines": baselines}
        limits = self.limits._asdict()
        return {"baselines": {**baselines, "best possible": limits}, "limits": limits}

    def line(self, evaluation):
        """Return an evaluation beside the unigram model, or beside the limits where they are known."""
        text = f"held-out loss {evaluation.loss:.3f} nats per predicted token"
        if self.limits is None:
            return f"{text} (unigram {self.unigram.loss:.3f}), accuracy {evaluation.accuracy:.3f}"
        gaps = {
            name: loss - self.limits.phenomena[name][0] for name, (loss, _) in evaluation.phenomena.items()
        }
        widest = sorted(gaps, key=gaps.get, reverse=True)[:3]
        return f"{text} (best possible {self.limits.loss:.3f}); nats missing: " + ", ".join(
            f"{name} {gaps[name]:.2f}" for name in widest)

    def table(self, evaluation):
        """Return the lines that end a run: the model beside the unigram model or the best possible one."""
        if self.limits is None:
            per_word, gain = self.texts.pieces_per_word, self.unigram.loss - evaluation.loss
            return [
                f"{'held-out text':<28}{'model':>9}{'unigram':>9}",
                f"{'loss, nats per piece':<28}{evaluation.loss:>9.3f}{self.unigram.loss:>9.3f}   "
                f"{abs(gain):.3f} nats {'below' if gain >= 0 else 'above'} it",
                f"{'loss, nats per word':<28}{per_word * evaluation.loss:>9.3f}"
                f"{per_word * self.unigram.loss:>9.3f}",
                f"{'accuracy':<28}{evaluation.accuracy:>9.3f}{self.unigram.accuracy:>9.3f}",
            ]
        rows = [("all predicted tokens", evaluation.loss, self.limits.loss)]
        rows += [
            (f"  {name}", loss, self.limits.phenomena[name][0])
            for name, (loss, _) in evaluation.phenomena.items()
        ]
        return [
            f"{'nats per token':<28}{'model':>9}{'limit':>9}{'missing':>9}",
            *(f"{name:<28}{loss:>9.3f}{limit:>9.3f}{loss - limit:>9.3f}" for name, loss, limit in rows),
            f"The loss is {evaluation.loss / self.limits.loss - 1:.1%} above the limit, the accuracy "
            f"{evaluation.accuracy:.3f} ({self.limits.accuracy:.3f} at best).",
        ]

    # --- files ---

    def save(self, directory):
        """Write the vocabulary, and the unigram model to compare the model with."""
        self.tokenizer.save_pretrained(directory, model_max_length=self.recipe.seq_length)
        write_tensors(directory / UNIGRAM_FILE, {"log_probs": self.texts.unigram})

    def draw(self, directory, log, is_finished=False):
        """Draw the phenomena of the toy language at each evaluation, the curves at the end."""
        from minibert import plots

        if self.limits and not is_finished:
            plots.save(plots.phenomena, directory / "phenomena.png", log, size=(12, 6.5))
        if is_finished:
            plots.save(plots.learning_curves, directory / "loss.png", log, "accuracy", "accuracy")

    def suggestions(self, directory):
        """Return commands to try on the finished model."""
        return []
