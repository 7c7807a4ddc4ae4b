"""Labelled texts, and pairs of them: each has one of K labels."""

import collections
from typing import NamedTuple

import numpy as np

from minibert.layers.softmax import softmax
from minibert.models.heads import BertForSequenceClassification
from minibert.objectives import metrics
from minibert.objectives.bag_of_words import BagOfWords
from minibert.text.examples.labelled import LabelledExamples, TextBatch, encode_texts
from minibert.text.labelled import read_texts


class Scores(NamedTuple):
    """How each answer came out: losses (B,) in nats, and predicted and true labels, int (B,)."""

    losses: np.ndarray
    predicted: np.ndarray
    labels: np.ndarray


class Evaluation(NamedTuple):
    """How a classifier does on held-out examples: f1 is the macro F1, by_label the F1 of each label."""

    loss: float | None
    accuracy: float
    f1: float
    matthews: float
    by_label: dict


class Answer(NamedTuple):
    """The likeliest label of an example, and the probability of each label."""

    label: str
    probabilities: dict


class Classification:
    """The task of a text, or a pair of texts.

    Args:
        is_pair: whether each example has two texts.
        columns: Columns of its files.
    """

    model_class = BertForSequenceClassification
    max_length = 128  # tokens, unless told
    units = {"loss": "loss, nats", "accuracy": "accuracy", "f1": "macro F1", "matthews": "Matthews"}
    drawn = "accuracy"

    def __init__(self, is_pair=False, columns=None):
        self.is_pair, self.columns = is_pair, columns
        self.least_length = 5 if is_pair else 3  # a token of each text, [CLS] and [SEP]

    def read(self, path, is_labelled=True):
        """Return the LabelledTexts of a file."""
        columns = {} if self.columns is None else {"columns": self.columns}
        return read_texts(path, self.is_pair, is_labelled=is_labelled, **columns)

    @staticmethod
    def labels_of(example):
        """Return the labels that an example has."""
        return [example.label]

    @staticmethod
    def key(example):
        """Return an example without its label, in one spelling, to tell whether it occurs twice."""
        return tuple(" ".join(text.casefold().split()) for text in (example.text, example.pair or ""))

    @staticmethod
    def encode(examples, tokenizer, max_length, label_ids=None, is_training=False):
        """Return the Rows of the examples, and a note about long ones, "" if there are none."""
        rows, num_cut = encode_texts(examples, tokenizer, max_length, label_ids)
        note = f"{num_cut:,} of {len(rows):,} texts have more than {max_length} tokens: the end is cut off"
        return rows, note if num_cut else ""

    @staticmethod
    def batches(rows, tokenizer, seed=0):
        """Return the LabelledExamples of Rows."""
        return LabelledExamples(rows, TextBatch, tokenizer.pad_token_id, seed)

    @staticmethod
    def scores(output, batch):
        """Return the Scores of a model's output on a batch with labels."""
        return scores_of(output.logits, batch.labels)

    @staticmethod
    def evaluation(scores, rows, examples, labels):
        """Return the Evaluation of the Scores on all Rows."""
        loss = float(scores.losses.mean())
        return _evaluation(loss, scores.predicted, scores.labels, labels)

    @staticmethod
    def baselines(training, held_out, labels):
        """Return {name: Evaluation} of always answering with the majority, and of a bag of words."""
        numbers = {label: number for number, label in enumerate(labels)}
        of_training, of_held_out = (
            np.array([numbers[example.label] for example in examples]) for examples in (training, held_out)
        )
        majority = np.full(len(held_out), np.bincount(of_training).argmax())
        bag = BagOfWords(training, of_training, len(labels)).predict(held_out)
        return {
            name: _evaluation(None, predicted, of_held_out, labels)
            for name, predicted in (("majority", majority), ("bag of words", bag))
        }

    @staticmethod
    def quality(evaluation):
        """Return what orders evaluations: the accuracy, then the loss."""
        return evaluation.accuracy, -evaluation.loss

    @staticmethod
    def count(examples):
        """Return {label: how many examples have it}."""
        return collections.Counter(example.label for example in examples)

    def answers(self, model, examples, rows, tokenizer):
        """Return the Answer to each example."""
        labels, found = list(model.config.id2label.values()), {}
        batches = self.batches(rows, tokenizer)
        for [batch], part in zip(batches.held_out(32), parts(batches.by_length, 32)):
            output, _ = model.forward(**batch._asdict())
            for row, probs in zip(part, softmax(output.logits)):
                found[row.source] = Answer(labels[int(probs.argmax())], dict(zip(labels, probs.tolist())))
        return [found[number] for number in range(len(examples))]

    @staticmethod
    def judged(answers, examples):
        """Return the Evaluation of Answers to examples with labels; those that a model lacks are wrong."""
        right = [example.label for example in examples]
        names = list(dict.fromkeys([*answers[0].probabilities, *right]))
        predicted, labels = (
            np.array([names.index(label) for label in given])
            for given in ([answer.label for answer in answers], right)
        )
        return _evaluation(None, predicted, labels, names)


def parts(items, size):
    """Return a list in parts of a size; the last may be smaller."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def scores_of(logits, labels):
    """Return the Scores of logits (B, K) and labels (B,)."""
    shifted = (logits - logits.max(axis=-1, keepdims=True)).astype(np.float64)
    losses = np.log(np.exp(shifted).sum(axis=-1)) - shifted[np.arange(len(labels)), labels]
    return Scores(losses, shifted.argmax(axis=-1), labels)


def _evaluation(loss, predicted, labels, names):
    table = metrics.confusion(predicted, labels, len(names))
    by_label = dict(zip(names, metrics.f1_scores(table).tolist()))
    return Evaluation(
        loss, metrics.accuracy(table), metrics.macro_f1(table), metrics.matthews(table), by_label)
