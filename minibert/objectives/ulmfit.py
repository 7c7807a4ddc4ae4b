"""ULMFiT: a language model becomes a classifier, in three stages (Howard & Ruder 2018).

    1   a language model of general text                        minibert pretrain --model awd-lstm
    2   the same model goes on with the texts of the task       TargetLanguageModel
    3   it gets a head, and learns the labels                   ULMFiT

Stages 2 and 3 are a run each: that of stage 3 is in the directory that was asked for, and that of stage 2 in
its folder `language-model`. `begin` and `resume` do both.

Against forgetting, the paper has three means. The learning rate follows a slanted triangle in both stages.
Each layer learns 2.6 times more slowly than the one above it. And stage 3 trains the head alone in its first
epoch, one group of layers more in each epoch that follows, and then all (gradual unfreezing). Here 2.6 is the
default of stage 2 only: in stage 3 the embeddings would learn 17 times more slowly than the head, and with
100 labels there are too few steps for that (notebooks/guides/finetuning.md has the figures).

What differs from the authors' program (fastai): word pieces, so that no word is unknown; a text is read at
once, and cut if it is too long; every text begins with an empty state, also in stage 2; no batch
normalization (see minibert/models/ulmfit.py).
"""

import collections
import dataclasses
import os
import pathlib
import sys
from typing import NamedTuple

import numpy as np

from minibert.layers.cross_entropy import IGNORE_INDEX
from minibert.models.recurrent import AWDLSTMLanguageModel
from minibert.models.ulmfit import AWDLSTMForSequenceClassification
from minibert.objectives import LANGUAGE_MODEL, UNFREEZE
from minibert.objectives.classification import Classification, scores_of
from minibert.objectives.fine_tuning import FineTuning, FineTuningRecipe, length_without_limit
from minibert.text.examples.labelled import (
    LabelledExamples,
    TagBatch,
    TextBatch,
    encode_texts,
    next_token_rows,
)
from minibert.text.examples.streams import NextBatch
from minibert.text.labelled import counted
from minibert.training import run
from minibert.training.checkpoint import BEST
from minibert.training.layerwise import Unfreezing, layer_groups, layerwise_adamw, reinitialize
from minibert.training.schedules import slanted_triangular

BETAS = (0.7, 0.99)  # of Adam, as in the authors' program; so are the rates of dropout
LANGUAGE_MODEL_DROPOUT = {
    "embedding_dropout_prob": 0.02, "input_dropout_prob": 0.25, "hidden_dropout_prob": 0.15,
    "weight_dropout_prob": 0.2, "output_dropout_prob": 0.1,
}
CLASSIFIER_DROPOUT = {
    "embedding_dropout_prob": 0.05, "input_dropout_prob": 0.4, "hidden_dropout_prob": 0.3,
    "weight_dropout_prob": 0.5, "output_dropout_prob": 0.4, "classifier_dropout": 0.1,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ULMFiTRecipe(FineTuningRecipe):
    """How an AWD-LSTM becomes a classifier.

    Attributes (beside those of FineTuningRecipe, which are for stage 3; layer_decay is 1/2.6 in the paper):
        language_model_epochs: of stage 2, over the texts; 0 leaves it out.
        language_model_rate: peak of its learning rate.  language_model_decay: its layer_decay.
        unlabelled: a file of more texts for stage 2, without labels; "" is none.
        language_model: folder of the model that stage 2 has made; "" before that, or without it.
        unfreeze: "gradual", or "all" to train all layers from the first epoch on.
        dropout: factor of the authors' rates of dropout, in both stages; theirs are for larger models, and
            texts that are read more often.
    """

    learning_rate: float = 0.01
    epochs: int = 15
    language_model_epochs: int = 5
    language_model_rate: float = 0.004
    language_model_decay: float = 1 / 2.6
    unlabelled: str = ""
    language_model: str = ""
    unfreeze: str = "gradual"
    dropout: float = 0.1

    def __post_init__(self):
        if self.task not in ("classify", "pairs"):
            raise ValueError(f"an AWD-LSTM learns --task classify or pairs, not {self.task}")
        if self.unfreeze not in UNFREEZE:
            raise ValueError(f"there is no way {self.unfreeze!r} to unfreeze: choose {' or '.join(UNFREEZE)}")
        largest = max(*LANGUAGE_MODEL_DROPOUT.values(), *CLASSIFIER_DROPOUT.values())
        if not 0 <= self.dropout < 1 / largest:
            raise ValueError(
                f"dropout {self.dropout:g} is a factor of the authors' rates, of which the largest is "
                f"{largest:g}: give 0 or more, and less than {1 / largest:g}"
            )

    @classmethod
    def of(cls, **changes):
        """Return the recipe with `changes`; its learning rate is the same for all widths."""
        return super().of(**{"learning_rate": cls.learning_rate, **changes})

    def learning_rate_at(self, step):
        """The learning rate of a step, of the top group: a slanted triangle."""
        return slanted_triangular(step, max(self.num_steps, step + 1), self.learning_rate)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LanguageModelRecipe(ULMFiTRecipe):
    """How stage 2 is trained: `epochs` and `learning_rate` are its own.

    Attributes:
        classifier: the fields of the ULMFiTRecipe that stage 3 goes on with.
        classifier_epochs: of stage 3.
    """

    classifier: dict
    classifier_epochs: int

    may_change = {"classifier_epochs": "as many passes over the examples in stage 3"}

    @classmethod
    def before(cls, recipe):
        """Return the recipe of the stage before that of a ULMFiTRecipe."""
        fields = dataclasses.asdict(recipe)
        own = {"epochs": recipe.language_model_epochs, "learning_rate": recipe.language_model_rate,
               "layer_decay": recipe.language_model_decay}
        later = {"classifier": fields, "classifier_epochs": recipe.epochs}
        return cls(**{**fields, **own, **later, "freeze": 0, "reinit": 0, "num_steps": 0})


# --- the tasks of both stages ---


class PlainTextBatch(NamedTuple):
    """The arguments of an AWD-LSTM that classifies texts: int64 arrays."""

    input_ids: np.ndarray       # (B, T), then [PAD]
    attention_mask: np.ndarray  # (B, T): 1 for a token, 0 for [PAD]
    labels: np.ndarray | None   # (B,)


class PlainTexts(LabelledExamples):
    """LabelledExamples for a model that has no segments."""

    def of(self, rows):
        """Return the PlainTextBatch of some rows."""
        batch = super().of(rows)
        return PlainTextBatch(batch.input_ids, batch.attention_mask, batch.labels)


class NextTokenTexts(LabelledExamples):
    """LabelledExamples for a language model."""

    def of(self, rows):
        """Return the NextBatch of some rows."""
        batch = super().of(rows)
        return NextBatch(batch.input_ids, batch.labels)


class TextClassification(Classification):
    """The task of stage 3: a text has a label, or a pair of texts, with a [SEP] between them."""

    model_class = AWDLSTMForSequenceClassification

    @staticmethod
    def batches(rows, tokenizer, seed=0):
        """Return the PlainTexts of Rows."""
        return PlainTexts(rows, TextBatch, tokenizer.pad_token_id, seed)


class TextEvaluation(NamedTuple):
    """How a language model does on held-out texts: nats per piece; how often the likeliest is right."""

    loss: float
    accuracy: float


class NextTokens(TextClassification):
    """The task of stage 2: the same texts without their labels, and each next token."""

    units = {"loss": "loss, nats per piece", "accuracy": "accuracy"}

    @staticmethod
    def encode(examples, tokenizer, max_length, label_ids=None, is_training=False):
        """Return the Rows of the examples, and no note: nothing is cut off."""
        rows, _ = encode_texts(examples, tokenizer, sys.maxsize)
        return next_token_rows(rows, max_length), ""

    @staticmethod
    def batches(rows, tokenizer, seed=0):
        """Return the NextTokenTexts of Rows."""
        return NextTokenTexts(rows, TagBatch, tokenizer.pad_token_id, seed)

    @staticmethod
    def scores(output, batch):
        """Return the Scores of a language model's output on a batch."""
        return scores_of(output.logits, batch.labels[batch.labels != IGNORE_INDEX])

    @staticmethod
    def evaluation(scores, rows, examples, labels):
        """Return the TextEvaluation of the Scores on all Rows."""
        right = scores.predicted == scores.labels
        return TextEvaluation(float(scores.losses.mean()), float(right.mean()))

    @staticmethod
    def baselines(training, held_out, labels):
        """Return {}: there are none."""
        return {}

    @staticmethod
    def quality(evaluation):
        """Return what orders evaluations: the loss."""
        return -evaluation.loss

    @staticmethod
    def count(examples):
        """Return {label: how many examples have it}, those without a label left out."""
        return collections.Counter(example.label for example in examples if example.label is not None)


def make_task(name, columns=None):
    """Return the task of stage 3."""
    return TextClassification(name == "pairs", columns)


# --- stage 2 ---


def language_model_groups(model):
    """Return the parameters of an AWDLSTMLanguageModel in groups, the one that learns fastest last.

    The layers from the input up, and above them the decoder, with which the embeddings go because it shares
    them: as in the authors' program.
    """
    below, *layers, above = layer_groups(model)
    return [*layers, below | above]


class TargetLanguageModel(FineTuning):
    """Stage 2: the language model goes on with the texts of the task.

    Args:
        recipe: a LanguageModelRecipe.
        checkpoint, say: as in FineTuning.
    """

    name, Recipe = "ulmfit-language-model", LanguageModelRecipe
    pictures = []

    @staticmethod
    def make_task(name, columns):
        """Return the task of stage 2."""
        return NextTokens(name == "pairs", columns)

    def _checked_length(self, recipe):
        return length_without_limit(recipe, self.task)

    def _read(self, recipe):
        """Return the training examples, with those that have no label, and the held-out ones."""
        training, held_out = super()._read(recipe)
        if recipe.unlabelled:
            more = self.task.read(recipe.unlabelled, is_labelled=False)
            self.say(f"unlabelled  {counted(len(more), 'more text')} for the language model")
            training = training + [example._replace(label=None) for example in more]
        return training, held_out

    def make_model(self):
        """Return the pretrained language model, with the rates of dropout of this stage."""
        return AWDLSTMLanguageModel.from_pretrained(
            self.start, np.float32, **_scaled(LANGUAGE_MODEL_DROPOUT, self.recipe.dropout))

    def make_optimizer(self, model):
        """Return AdamW with a rate for each layer."""
        return _layerwise(language_model_groups(model), self.recipe)

    def part(self, model):
        """Return the model: all of it is trained."""
        return model

    def num_tokens(self, batch):
        """Return the number of tokens that a batch predicts."""
        return int((batch.labels != IGNORE_INDEX).sum())

    def line(self, evaluation):
        """Return an evaluation in a line."""
        return (
            f"held-out loss {evaluation.loss:.3f} nats per piece, perplexity {np.exp(evaluation.loss):.1f}, "
            f"accuracy {evaluation.accuracy:.3f}"
        )

    def draw(self, directory, log, is_finished=False):
        """Draw nothing."""

    def suggestions(self, directory):
        """Return a command to try on the finished model."""
        return [["generate", directory, "the"]]


# --- stage 3 ---


class ULMFiT(FineTuning):
    """Stage 3: the language model with a head learns the labels, from the top down.

    Args:
        recipe: a ULMFiTRecipe.
        checkpoint, say: as in FineTuning.
    """

    name, Recipe, make_task = "ulmfit", ULMFiTRecipe, staticmethod(make_task)

    def __init__(self, recipe, checkpoint=None, say=print):
        super().__init__(recipe, checkpoint or recipe.language_model or None, say)
        self.is_resumed = checkpoint is not None

    def _checked_length(self, recipe):
        return length_without_limit(recipe, self.task)

    def description(self):
        """Describe a run in a few words."""
        is_gradual = self.recipe.unfreeze == "gradual"
        way = "; at first only the head, then one group of layers more in each epoch" if is_gradual else ""
        return super().description() + way

    def make_model(self):
        """Return the language model with this stage's rates of dropout, and a head.

        The head is drawn from the seed, unless the run is resumed or begins with a classifier of the same
        labels.
        """
        model, _ = self.task.model_class.from_pretrained(
            self.start, np.float32, output_loading_info=True, seed=self.recipe.seed,
            id2label=dict(enumerate(self.labels)), max_position_embeddings=self.max_length,
            **_scaled(CLASSIFIER_DROPOUT, self.recipe.dropout))
        if not self.is_resumed:
            if list(self.config.id2label.values()) != self.labels:
                fresh = type(model)(model.config, seed=self.recipe.seed)
                for name, parameter in layer_groups(fresh)[-1].items():
                    model.parameters()[name].value[...] = parameter.value
            reinitialize(model, self.recipe.reinit, self.recipe.seed)
        return model

    def make_optimizer(self, model):
        """Return AdamW with a rate for each group, which begin one an epoch if they are to."""
        groups = layer_groups(model)[self.num_frozen :]
        optimizer = _layerwise(groups, self.recipe)
        if self.recipe.unfreeze == "all":
            return optimizer
        per_epoch = self.examples.steps_per_epoch(self.recipe.batch_size)
        return Unfreezing(optimizer, [number * per_epoch for number in range(len(groups))])

    def part(self, model):
        """Return the model: all of it is needed."""
        return model

    def save(self, directory):
        """Write the vocabulary."""
        self.tokenizer.save_pretrained(directory, self.max_length)


def _scaled(rates, factor):
    return {name: factor * rate for name, rate in rates.items()}


def _layerwise(groups, recipe):
    return layerwise_adamw(
        groups, recipe.learning_rate, recipe.layer_decay, betas=BETAS, weight_decay=recipe.weight_decay)


# --- both stages ---


def directory_under_way(output):
    """Return the directory of the run that is under way, or was the last, in a directory of both stages."""
    output = pathlib.Path(output)
    is_second = not (output / "run.json").is_file() and (output / LANGUAGE_MODEL / "run.json").is_file()
    return output / LANGUAGE_MODEL if is_second else output


def begin(output, recipe, say=print):
    """Do stages 2 and 3; arguments, results and errors as of training.run.begin."""
    output, say = pathlib.Path(output), _once(say)
    run.check_new(output)
    folder, last = output / LANGUAGE_MODEL, dataclasses.replace(recipe, language_model="")
    if recipe.language_model_epochs == 0:
        return _begin_last(output, last, say)
    ULMFiT(last, say=lambda line: None)  # refuses now what stage 3 would refuse after the time of stage 2
    run.check_new(output, [*ULMFiT.files, *ULMFiT.pictures, BEST])
    say(f"stage 2     the language model goes on with the texts of the task: {folder}")
    run.begin(folder, TargetLanguageModel, LanguageModelRecipe.before(recipe), say=say)
    return _begin_last(output, dataclasses.replace(recipe, language_model=os.path.abspath(folder)), say)


def resume(output, find_objective, say=print, changes=None):
    """Go on with stage 2 and do stage 3, or go on with stage 3; all as of training.run.resume."""
    changes, say, under_way = changes or {}, _once(say), directory_under_way(output)
    if under_way == pathlib.Path(output):
        return run.resume(output, find_objective, say, changes)
    names = {"epochs": "classifier_epochs"}  # epochs that are asked for are those of stage 3
    of_stage_two = {names.get(name, name): value for name, value in changes.items()}
    _, training = run.resume(under_way, find_objective, say, of_stage_two)
    now = {name: getattr(training.recipe, name) for name in ("train", "dev", "threads")}  # as resumed
    now |= {"epochs": training.recipe.classifier_epochs, "language_model": os.path.abspath(under_way)}
    return _begin_last(pathlib.Path(output), ULMFiTRecipe(**{**training.recipe.classifier, **now}), say)


def _begin_last(output, recipe, say):
    """Do stage 3."""
    start = "the language model of stage 2" if recipe.language_model else recipe.start
    say(f"stage 3     the classifier, from {start}")
    return run.begin(output, ULMFiT, recipe, say=say)


def _once(say):
    """Return a function that says a line; the lines about the examples, which both stages say, only once."""
    said = set()

    def tell(line):
        if line not in said:
            say(line)
        if line.startswith(("examples", "labels", "note  ")):
            said.add(line)

    return tell
