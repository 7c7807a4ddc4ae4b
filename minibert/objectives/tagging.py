"""Tagged words: each word of a sentence has one of K tags, such as the entity that it belongs to."""

import collections
from typing import NamedTuple

import numpy as np

from minibert.layers.softmax import softmax
from minibert.models.heads import BertForTokenClassification
from minibert.objectives import metrics
from minibert.objectives.classification import parts, scores_of
from minibert.text.examples.labelled import LabelledExamples, TagBatch, encode_tagged
from minibert.text.labelled import read_tagged

OUTSIDE = "O"  # the tag of a word outside of all entities


class Evaluation(NamedTuple):
    """How a tagger does on held-out sentences.

    Attributes:
        loss: nats per word; None for a baseline.  accuracy: of the words' tags.
        f1: over the entities, by CoNLL's rule; None where no tag is O.  by_label: the F1 of each type.
    """

    loss: float | None
    accuracy: float
    f1: float | None
    by_label: dict


class Answer(NamedTuple):
    """The likeliest tag of each word, its probability, and the entities: (type, first word, one after)."""

    tags: list
    probabilities: list
    entities: list


class Tagging:
    """The task of a word in its sentence; the methods are those of Classification."""

    model_class = BertForTokenClassification
    max_length, least_length = 128, 3
    units = {"loss": "loss, nats", "accuracy": "accuracy of words", "f1": "entity F1"}

    def __init__(self):
        self.drawn = "accuracy"  # "f1" once there are entities

    @staticmethod
    def read(path, is_labelled=True):
        """Return the TaggedWords of a file."""
        return read_tagged(path, is_labelled)

    @staticmethod
    def labels_of(example):
        """Return the tags of a sentence."""
        return example.tags

    @staticmethod
    def key(example):
        """Return the words of a sentence, in one spelling."""
        return tuple(word.casefold() for word in example.words)

    @staticmethod
    def encode(examples, tokenizer, max_length, label_ids=None, is_training=False):
        """Return the Rows of the sentences, and a note about long ones, "" if there are none."""
        rows, num_windowed = encode_tagged(examples, tokenizer, max_length, label_ids)
        note = (f"{num_windowed:,} of {len(examples):,} sentences have more than {max_length} tokens: they "
                "are read in windows")
        return rows, note if num_windowed else ""

    @staticmethod
    def batches(rows, tokenizer, seed=0):
        """Return the LabelledExamples of Rows."""
        return LabelledExamples(rows, TagBatch, tokenizer.pad_token_id, seed)

    @staticmethod
    def scores(output, batch):
        """Return the Scores of a model's output on a batch: an entry for each word, in order."""
        return scores_of(output.logits, batch.labels[batch.labels >= 0])

    def evaluation(self, scores, rows, examples, labels):
        """Return the Evaluation of the Scores on all Rows, the windows of a sentence joined."""
        ends = np.cumsum([len(row.places) for row in rows])[:-1]
        predicted = [[] for _ in examples]
        for row, numbers in zip(rows, np.split(scores.predicted, ends)):
            predicted[row.source].append((row.first, [labels[number] for number in numbers]))
        joined = [[tag for _, tags in sorted(windows) for tag in tags] for windows in predicted]
        return self._evaluation(float(scores.losses.mean()), joined, [example.tags for example in examples])

    def judged(self, answers, examples):
        """Return the Evaluation of Answers to sentences with tags."""
        return self._evaluation(
            None, [answer.tags for answer in answers], [example.tags for example in examples])

    def _evaluation(self, loss, predicted, right):
        ours, theirs = ([tag for tags in sentences for tag in tags] for sentences in (predicted, right))
        accuracy = float(np.mean([a == b for a, b in zip(ours, theirs)]))
        if OUTSIDE not in theirs:
            return Evaluation(loss, accuracy, None, {})
        self.drawn = "f1"
        return Evaluation(loss, accuracy, *metrics.entity_f1(predicted, right))

    def baselines(self, training, held_out, labels):
        """Return {name: Evaluation} of the most frequent tag, and of the most frequent one of each word."""
        tags_of = collections.defaultdict(collections.Counter)
        for example in training:
            for word, tag in zip(example.words, example.tags):
                tags_of[word.casefold()][tag] += 1
        most = self.count(training).most_common(1)[0][0]
        lookup = {word: tags.most_common(1)[0][0] for word, tags in tags_of.items()}
        right = [example.tags for example in held_out]
        always = [[most] * len(tags) for tags in right]
        by_word = [[lookup.get(word.casefold(), most) for word in example.words] for example in held_out]
        return {
            "majority": self._evaluation(None, always, right),
            "word alone": self._evaluation(None, by_word, right),
        }

    @staticmethod
    def quality(evaluation):
        """Return what orders evaluations: the F1 of entities, or the accuracy; then the loss."""
        return evaluation.accuracy if evaluation.f1 is None else evaluation.f1, -evaluation.loss

    @staticmethod
    def count(examples):
        """Return {tag: how many words have it}."""
        return collections.Counter(tag for example in examples for tag in example.tags)

    @staticmethod
    def answers(model, examples, rows, tokenizer):
        """Return the Answer to each sentence."""
        labels, found = list(model.config.id2label.values()), collections.defaultdict(list)
        batches = LabelledExamples(rows, TagBatch, tokenizer.pad_token_id)
        for [batch], part in zip(batches.held_out(32), parts(batches.by_length, 32)):
            output, _ = model.forward(**batch._asdict())
            for row, probs in zip(part, softmax(output.logits)):
                best = probs[row.places].argmax(axis=-1)
                shown = probs[row.places].max(axis=-1).tolist()
                found[row.source].append((row.first, [labels[number] for number in best], shown))
        answers = []
        for number in range(len(examples)):
            windows = sorted(found[number])
            tags, probabilities = ([one for window in windows for one in window[k]] for k in (1, 2))
            answers.append(Answer(tags, probabilities, metrics.entities(tags)))
        return answers
