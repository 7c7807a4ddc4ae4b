"""Fine-tuning: a pretrained model with a new head learns from labelled examples.

(Devlin et al. 2018, "BERT", section 4.)

A task (classification.py, tagging.py, span_extraction.py) says how its files are read and encoded, which
model learns it, and how the answers are judged. The rest is the same for all and is here.
"""

import dataclasses
import functools
import hashlib
import json
import os

import numpy as np

from minibert.huggingface.checkpoint import read_config, tensor_names
from minibert.layers.linear import Linear
from minibert.models.heads import weights_of
from minibert.objectives import TASKS, fine_tuning_of
from minibert.objectives.classification import Classification
from minibert.objectives.frozen import (
    AboveFrozen,
    kept_tokens,
    state_batch,
    states_of,
    tokens_of,
    without_dropout,
)
from minibert.objectives.span_extraction import SpanExtraction
from minibert.objectives.tagging import Tagging
from minibert.text.labelled import Columns, LabelledError
from minibert.text.tokenizer import WordPieceTokenizer
from minibert.text.tokenizer_files import WRITTEN as TOKENIZER_FILES
from minibert.training.checkpoint import find_model
from minibert.training.layerwise import layer_groups, layerwise_adamw, reinitialize
from minibert.training.recipe import Recipe

HELD_OUT = 0.1  # share of the examples that are held out where there is no file of them
MOST_HELD_OUT = 1000
MOST_EVALUATIONS = 10
MOST_STATES = 1 << 29  # bytes of a frozen encoder's states that are kept
PICTURE = "learning_curves.png"
RATE, RATE_WIDTH = 5e-5, 768  # the paper's largest rate, for BERT-base: narrower models take larger steps


def make_task(name, columns=None):
    """Return the task of a name in TASKS, for files with these Columns; ValueError if it reads none."""
    if name not in TASKS:
        raise ValueError(f"there is no task {name!r}: choose one of {', '.join(TASKS)}")
    check_columns(name, columns)
    if name == "tag":
        return Tagging()
    return SpanExtraction() if name == "span" else Classification(name == "pairs", columns)


def check_columns(name, columns):
    """Raise ValueError if one of the Columns, or None, has no meaning for a task."""
    if columns is not None:
        useless = columns._fields if name in ("tag", "span") else ("pair",) if name == "classify" else ()
        for part in useless:
            if getattr(columns, part) is not None:
                raise ValueError(f"--{part}-column has no meaning for --task {name}: leave it out")


@dataclasses.dataclass(frozen=True, kw_only=True)
class FineTuningRecipe(Recipe):
    """How a model is fine-tuned.

    Attributes (beside those of Recipe):
        start: folder of the pretrained model.  task: one of TASKS.
        train, dev: files of labelled examples; dev "" holds out a tenth of train.
        text_column, pair_column, label_column: of the files; "" finds the usual names.
        epochs: passes over the examples.
        max_length: tokens of a sequence; 0: 128, or 384 with questions, or what the model reads.
        freeze: the lowest layers that stay as they are, and the embeddings with them; 0: none, -1: all.
        layer_decay: factor of the learning rate from each layer to the one below it.
        reinit: the top layers that start anew.
        may_be_nothing: whether a question of the training examples has no answer; the run finds out.
    """

    start: str = ""
    task: str = "classify"
    train: str = ""
    dev: str = ""
    text_column: str = ""
    pair_column: str = ""
    label_column: str = ""
    epochs: int = 3
    max_length: int = 0
    freeze: int = 0
    layer_decay: float = 1.0
    reinit: int = 0
    may_be_nothing: bool = False
    batch_size: int = 16
    learning_rate: float = RATE
    beta2: float = 0.999

    @classmethod
    def of(cls, **changes):
        """Return the recipe with `changes`; its learning rate is that for the width of the model in `start`.

        The rate is RATE · 768 / hidden_size: 5e-5 for BERT-base, 1e-4 for a model of 384 columns.
        """
        if "learning_rate" not in changes and changes.get("start"):
            make_task = fine_tuning_of(changes["start"]).make_task
            model_class = make_task(changes.get("task", "classify")).model_class
            width = read_config(model_class, find_model(changes["start"])).hidden_size
            changes["learning_rate"] = RATE * RATE_WIDTH / width
        return super().of(**changes)


class FineTuning:
    """The objective of a labelled task (see minibert/objectives/__init__.py).

    Args:
        recipe: a FineTuningRecipe.
        checkpoint: of a run that is resumed, or None.
        say: function that takes a line of progress.

    Attributes:
        task: Classification, Tagging or SpanExtraction.  labels: in the order of the model's numbers.
        training, held_out_examples: as they were read.
        baselines: {name: Evaluation}.

    Raises:
        LabelledError: a file cannot be read, or nothing can be learned from it.
        ValueError: an option does not fit the model.
    """

    name, Recipe = "fine-tuning", FineTuningRecipe
    files, pictures, picture_seconds = [*TOKENIZER_FILES], [PICTURE], 0.0
    make_task = staticmethod(make_task)

    def __init__(self, recipe, checkpoint=None, say=print):
        self.say, self.is_said, self.states = say, checkpoint is not None, None
        columns = Columns(*(name or None for name in (
            recipe.text_column, recipe.pair_column, recipe.label_column)))
        task = self.task = self.make_task(recipe.task, columns)
        self.start = checkpoint or find_model(recipe.start)
        self.config = read_config(task.model_class, self.start)
        self.max_length = self._checked_length(recipe)
        self.num_frozen = self._checked_layers(recipe)
        self.tokenizer = WordPieceTokenizer.from_pretrained(self.start)
        self.training, self.held_out_examples = self._read(recipe)
        self.labels = self._labels(recipe)
        self.fingerprint = _fingerprint(self.training, self.held_out_examples)
        numbers = {label: number for number, label in enumerate(self.labels)}
        encode = functools.partial(
            task.encode, tokenizer=self.tokenizer, max_length=self.max_length, label_ids=numbers)
        rows, note = encode(self.training, is_training=True)
        if note:
            say(f"note        {note}")
        if not rows:
            raise LabelledError(
                f"no answer in {recipe.train} fits into a window of {self.max_length} tokens: give a larger "
                "--max-length, or a model that reads more"
            )
        self.examples = task.batches(rows, self.tokenizer, recipe.seed)
        self.held_out_rows = task.batches(encode(self.held_out_examples)[0], self.tokenizer)
        self.held_out = self.held_out_rows.held_out(2 * recipe.batch_size)
        self.baselines = task.baselines(self.training, self.held_out_examples, self.labels)
        per_epoch = self.examples.steps_per_epoch(recipe.batch_size)
        if recipe.num_steps == 0:
            recipe = dataclasses.replace(recipe, num_steps=recipe.epochs * per_epoch)
        self.recipe = dataclasses.replace(recipe, may_be_nothing=getattr(task, "may_be_nothing", False))
        self.evaluation_steps = per_epoch * -(-recipe.epochs // MOST_EVALUATIONS)

    # --- what is given ---

    def _checked_length(self, recipe):
        longest = self.config.max_position_embeddings
        if recipe.max_length > longest:
            raise ValueError(
                f"{recipe.start} reads {longest} tokens: --max-length {recipe.max_length} is more")
        check_room(recipe, self.task)
        return recipe.max_length or min(self.task.max_length, longest)

    def _checked_layers(self, recipe):
        """Return how many groups of parameters are frozen: 0, or the embeddings and the lowest layers."""
        num_layers = self.config.num_hidden_layers
        freeze = num_layers if recipe.freeze == -1 else recipe.freeze
        if max(freeze, recipe.reinit) > num_layers:
            raise ValueError(
                f"{recipe.start} has {num_layers} layers: --freeze {recipe.freeze} or --reinit "
                f"{recipe.reinit} is more"
            )
        if freeze + recipe.reinit > num_layers:
            raise ValueError(
                f"--freeze {freeze} and --reinit {recipe.reinit} overlap in a model of {num_layers} layers: "
                "a layer that starts anew must be trained"
            )
        return freeze + 1 if freeze else 0

    def _read(self, recipe):
        """Return the training examples and the held-out ones, and say what is in them."""
        training, source = self.task.read(recipe.train), _near(recipe.dev)
        if recipe.dev:
            held_out = self.task.read(recipe.dev)
        else:
            training, held_out = _split(training, self.task.key, recipe.train)
            source = f"of {_near(recipe.train)}, equal ones together; --dev FILE gives others"
        self.say(f"examples    {len(training):,} to learn from, {len(held_out):,} held out: {source}")
        seen = {}
        for example in training:
            seen.setdefault(self.task.key(example), set()).add(tuple(self.task.labels_of(example)))
        unclear = sum(len(labels) > 1 for labels in seen.values())
        shared = sum(self.task.key(example) in seen for example in held_out)
        if unclear:
            self.say(f"note        {unclear:,} of the examples to learn from occur with different labels")
        if shared:
            self.say(
                f"note        {shared:,} of {len(held_out):,} held-out examples are also among those to "
                "learn from: a model can remember them"
            )
        return training, held_out

    def _labels(self, recipe):
        """Return the labels in order, and say how often each occurs."""
        counts, held_out = self.task.count(self.training), self.task.count(self.held_out_examples)
        if not counts:
            return []
        if len(counts) == 1:
            raise LabelledError(
                f"{recipe.train} has one label only, {next(iter(counts))!r}: give examples of two at least")
        total = sum(counts.values())
        if len(counts) > 10 and len(counts) > total / 2:
            raise LabelledError(
                f"{recipe.train} has {len(counts):,} labels in {total:,} examples, as if they were numbers "
                "or names: say which column is the label with --label-column"
            )
        shown = [f"{label} {count:,} ({count / total:.0%})" for label, count in counts.most_common(8)]
        more = f" and {len(counts) - 8} more" if len(counts) > 8 else ""
        self.say(f"labels      {', '.join(shown)}{more}")
        for label in sorted(held_out.keys() - counts.keys()):
            self.say(
                f"note        the label {label!r} occurs among the held-out examples only "
                f"({held_out[label]:,}): the model cannot learn it"
            )
        found = sorted(counts.keys() | held_out.keys(), key=_in_order)
        theirs = list((self.config.id2label or {}).values())
        return theirs if sorted(theirs) == sorted(found) else found

    def description(self):
        """Describe a run in a few words."""
        recipe = self.recipe
        frozen = f"; frozen: the embeddings and {_layers(self.num_frozen - 1)}" if self.num_frozen else ""
        return (
            f"{recipe.num_steps:,} steps of {recipe.batch_size} sequences of up to {self.max_length} tokens, "
            f"epochs {recipe.epochs}, learning rate {recipe.learning_rate:.2g}{frozen}"
        )

    # --- the model and its data ---

    def make_model(self):
        """Return the pretrained model with its head; a head of other labels is new, drawn from the seed."""
        names = {"id2label": dict(enumerate(self.labels))} if self.labels else {}
        model, info = self.task.model_class.from_pretrained(
            self.start, np.float32, output_loading_info=True, seed=self.recipe.seed, **names)
        new, theirs = info.missing_keys, list((self.config.id2label or {}).values())
        if self.labels and theirs != self.labels and _classifier(model) not in new:
            new = [*new, f"the head, because its labels were {', '.join(theirs[:8]) or 'without names'}"]
            model.head.classifier = Linear(
                self.config.hidden_size, len(self.labels),
                **weights_of(model.config, self.recipe.seed, np.float32))
        reinitialize(model, self.recipe.reinit, self.recipe.seed)
        if self.num_frozen:
            without_dropout(self.frozen_layers(model))
        if not self.is_said:
            self.is_said = True
            again = f"; the top {_layers(self.recipe.reinit)} start anew" if self.recipe.reinit else ""
            made = f"; new: {', '.join(new)}" if new else ""
            self.say(f"start       {_near(self.start)}{made}{again}")
        return model

    def frozen_layers(self, model):
        """Return the layers of a model that are frozen, if any are."""
        return [model.bert.embeddings, *model.bert.encoder[: self.num_frozen - 1]]

    def make_optimizer(self, model):
        """Return AdamW for the groups that are trained, each with its rate."""
        recipe = self.recipe
        return layerwise_adamw(
            layer_groups(model)[self.num_frozen :], recipe.learning_rate, recipe.layer_decay,
            betas=(0.9, recipe.beta2), weight_decay=recipe.weight_decay,
        )

    def part(self, model):
        """Return the model, or what is above a frozen encoder, whose states are computed here, once."""
        is_frozen = self.num_frozen == self.config.num_hidden_layers + 1
        if not is_frozen:
            return model
        num_states = sum(
            kept_tokens(model, examples).sum() for examples in (self.examples, self.held_out_rows))
        if 4 * num_states * self.config.hidden_size > MOST_STATES:
            return model
        if self.states is None:
            self.say("states      computing those of the frozen encoder, once")
            self.states = states_of(model, self.examples)
            held_out, by_length = self.held_out_rows, np.argsort(self.held_out_rows.lengths, kind="stable")
            states, size = states_of(model, held_out), 2 * self.recipe.batch_size
            self.held_out = [
                [state_batch(states, held_out, by_length[first : first + size].tolist())]
                for first in range(0, len(by_length), size)
            ]
        return AboveFrozen(model)

    def batch(self, step):
        """Return the batch of a training step."""
        if self.states is None:
            return self.examples.batch(step, self.recipe.batch_size)
        numbers = self.examples.indices(step, self.recipe.batch_size).tolist()
        return state_batch(self.states, self.examples, numbers)

    def starts_stream(self, step):
        """Every example is a stream of its own."""
        return True

    def num_tokens(self, batch):
        """Return the number of tokens in a batch, padding left out."""
        return int(tokens_of(batch).attention_mask.sum())

    # --- how it is judged ---

    def score(self, model, batch, state=None):
        """Return the task's Scores of a model on a batch, and None: nothing is passed on."""
        output, _ = model.forward(**batch._asdict())
        return self.task.scores(output, tokens_of(batch)), None

    def evaluation(self, scores):
        """Return the task's Evaluation of the Scores on all held-out examples."""
        return self.task.evaluation(
            scores, self.held_out_rows.by_length, self.held_out_examples, self.labels)

    def quality(self, evaluation):
        """Return what orders evaluations, see the task."""
        return self.task.quality(evaluation)

    def references(self):
        """Return the baselines as dictionaries."""
        return {"baselines": {name: values._asdict() for name, values in self.baselines.items()}}

    def line(self, evaluation):
        """Return an evaluation beside the baselines, in a line."""
        values = [
            f"{name.partition(',')[0]} {getattr(evaluation, field):.3f}"
            for field, name in self.task.units.items() if getattr(evaluation, field) is not None
        ]
        drawn = self.task.drawn
        baselines = ", ".join(
            f"{name} {getattr(values, drawn):.3f}" for name, values in self.baselines.items())
        return f"held-out {', '.join(values)} ({self.task.units[drawn]} of {baselines})"

    def table(self, evaluation):
        """Return the lines that end a run: the model beside its baselines."""
        names = list(self.baselines)
        lines = [f"{'held-out examples':<28}{'model':>9}" + "".join(f"{name:>15}" for name in names)]
        rows = [(unit, field) for field, unit in self.task.units.items()]
        for unit, field in rows:
            if getattr(evaluation, field) is not None:
                others = [getattr(self.baselines[name], field) for name in names]
                lines.append(f"{unit:<28}{_shown(getattr(evaluation, field), 9)}" + "".join(
                    _shown(value, 15) for value in others))
        for label, value in getattr(evaluation, "by_label", {}).items():
            others = [self.baselines[name].by_label.get(label) for name in names]
            lines.append(f"{'  F1 of ' + label:<28}{_shown(value, 9)}" + "".join(
                _shown(value, 15) for value in others))
        return [line.rstrip() for line in lines]

    # --- files ---

    def save(self, directory):
        """Write the vocabulary."""
        self.tokenizer.save_pretrained(directory, self.config.max_position_embeddings)

    def draw(self, directory, log, is_finished=False):
        """Draw the learning curves at the end."""
        from minibert import plots

        if is_finished:
            field = self.task.drawn
            plots.save(
                plots.learning_curves, directory / PICTURE, log, field, self.task.units[field])

    def suggestions(self, directory):
        """Return commands to try on the finished model."""
        return [["predict", directory, *_example_of(self.held_out_examples)]]


def _classifier(model):
    """Return the name that the matrix of a model's classifier has in a file."""
    return tensor_names(model)["head.classifier.weight"][0]


def _near(path):
    """Return a path from the current folder if it is below it, and as it is if not."""
    near = os.path.relpath(path) if path else ""
    return path if near.startswith(os.pardir) else near


def _in_order(label):
    """Return what sorts labels: numbers by their size, then words."""
    try:
        return 0, float(label), label
    except ValueError:
        return 1, 0.0, label


def _layers(number):
    return f"{number} layer{'' if number == 1 else 's'}"


def check_room(recipe, task):
    """Raise ValueError if the max_length of a recipe leaves no room for a token of each text of a task."""
    if 0 < recipe.max_length < task.least_length:
        raise ValueError(
            f"--max-length {recipe.max_length} leaves no room beside [CLS] and [SEP]: --task {recipe.task} "
            f"needs {task.least_length} tokens or more"
        )


def length_without_limit(recipe, task):
    """Return the tokens of a sequence, for a model that reads as many as it is given."""
    check_room(recipe, task)
    return recipe.max_length or task.max_length


def _shown(value, width):
    return " " * width if value is None else f"{value:>{width}.3f}"


def _split(examples, key, path):
    """Return the examples to learn from and those held out, chosen by a hash; equal ones stay together.

    Raises:
        LabelledError: there are too few.
    """
    def place(example):
        return hashlib.sha256(repr(key(example)).encode("utf-8", "backslashreplace")).digest()

    order = sorted(range(len(examples)), key=lambda number: place(examples[number]))
    number = min(MOST_HELD_OUT, max(1, int(HELD_OUT * len(examples))))
    chosen = {place(examples[index]) for index in order[:number]}
    training = [example for example in examples if place(example) not in chosen]
    if not training:
        found = f"{len(examples):,} examples, all alike" if len(examples) > 1 else "one example"
        raise LabelledError(
            f"{path} holds {found}, so none can be held out: give others, too, or --dev FILE")
    return training, [example for example in examples if place(example) in chosen]


def _fingerprint(*lists):
    """Return 12 hexadecimal digits that change with any change of the examples."""
    content = json.dumps([[tuple(example)[1:] for example in examples] for examples in lists])
    return hashlib.sha256(content.encode("utf-8", "backslashreplace")).hexdigest()[:12]


def _example_of(examples):
    """Return a short held-out example as the arguments of `minibert predict`."""
    def texts(example):
        if hasattr(example, "words"):
            return [" ".join(example.words)]
        if hasattr(example, "question"):
            return [example.question, example.context]
        return [text for text in (example.text, example.pair) if text is not None]

    return min(map(texts, examples[:50]), key=lambda found: len("".join(found)))
