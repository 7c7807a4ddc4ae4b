"""Extractive question answering: the answer to a question is a stretch of a text, or there is none (SQuAD).

Where some questions of the training examples have no answer (SQuAD 2), the model learns to point at [CLS] for
these, and the answer is "" where

    start_[CLS] + end_[CLS]  >  max over stretches of (start_first + end_last)

with the least left side, and the greatest right side, of all windows of the context (Devlin et al. 2018,
section 4.3, with a threshold of 0).
"""

import collections
from typing import NamedTuple

import numpy as np

from minibert.layers.softmax import softmax
from minibert.models.heads import BertForQuestionAnswering
from minibert.objectives import metrics
from minibert.objectives.classification import parts
from minibert.text.examples.labelled import LabelledExamples, SpanBatch, encode_questions
from minibert.text.labelled import read_questions

MAX_ANSWER = 30  # tokens, as in BERT's run_squad.py


class Scores(NamedTuple):
    """The best answer of each window, (B,): its first and last token, and the sum of their logits.

    nothing is the same sum for [CLS], which says that there is no answer.
    """

    first: np.ndarray
    last: np.ndarray
    logits: np.ndarray
    nothing: np.ndarray


class Evaluation(NamedTuple):
    """How the answers to held-out questions are: means of the exact match and of the F1 of words."""

    exact_match: float
    f1: float


class Answer(NamedTuple):
    """An answer, where it is in the context, and its probability within its window: start times end.

    Where there is no answer, text is "", start and end are 0, and the probability is that of [CLS].
    """

    text: str
    start: int
    end: int
    probability: float


class SpanExtraction:
    """The task of a question and a context; the methods are those of Classification.

    Attributes:
        may_be_nothing: whether there may be no answer; baselines() finds out from the training examples.
    """

    model_class = BertForQuestionAnswering
    max_length = 384  # tokens, as in BERT's run_squad.py
    least_length = 6  # a token of the question, and two of the context
    units = {"exact_match": "exact match", "f1": "F1 of words"}
    drawn = "f1"

    def __init__(self, may_be_nothing=False):
        self.may_be_nothing = may_be_nothing

    @staticmethod
    def read(path, is_labelled=True):
        """Return the Questions of a file."""
        return read_questions(path, is_labelled)

    @staticmethod
    def labels_of(example):
        """There are no labels."""
        return []

    @staticmethod
    def key(example):
        """Return the question and its context, in one spelling."""
        return tuple(" ".join(text.casefold().split()) for text in (example.question, example.context))

    @staticmethod
    def encode(examples, tokenizer, max_length, label_ids=None, is_training=False):
        """Return the Rows of the questions, and a note about long ones, "" if there are none."""
        rows, num_windowed, num_lost = encode_questions(examples, tokenizer, max_length, is_training)
        num_empty = sum(example.answers == [] for example in examples) if is_training else 0
        notes = [
            f"{num_empty:,} of {len(examples):,} questions have no answer",
            f"{num_windowed:,} of {len(examples):,} contexts have, with their question, more than "
            f"{max_length} tokens: they are read in windows",
            f"{num_lost:,} of {len(examples):,} answers are in no window as a whole and are left out",
        ]
        return rows, "; ".join(
            note for note, number in zip(notes, (num_empty, num_windowed, num_lost)) if number)

    @staticmethod
    def batches(rows, tokenizer, seed=0):
        """Return the LabelledExamples of Rows."""
        return LabelledExamples(rows, SpanBatch, tokenizer.pad_token_id, seed)

    @staticmethod
    def scores(output, batch):
        """Return the Scores of a model's output on a batch."""
        return best_spans(output, batch)

    def evaluation(self, scores, rows, examples, labels):
        """Return the Evaluation of the Scores on all Rows; the best window of a question has its answer."""
        best = collections.defaultdict(lambda: (-np.inf, ""))
        nothing = collections.defaultdict(lambda: np.inf)
        for row, first, last, logits, of_nothing in zip(rows, *scores):
            text = _text_of(row, first, last, examples[row.source].context)
            best[row.source] = max(best[row.source], (logits, text))
            nothing[row.source] = min(nothing[row.source], of_nothing)
        predicted = [
            "" if self.may_be_nothing and nothing[number] > best[number][0] else best[number][1]
            for number in range(len(examples))
        ]
        return _evaluation(predicted, examples)

    def baselines(self, training, held_out, labels):
        """Return {name: Evaluation} of the place that is most often the answer's, as words of the context.

        And of never answering, where there may be no answer.
        """
        self.may_be_nothing = any(not example.answers for example in training)
        never = {"no answer": _evaluation([""] * len(held_out), held_out)} if self.may_be_nothing else {}
        answered = [example for example in training if example.answers]
        if not answered:
            return never
        places = collections.Counter()
        for example in answered:
            text, start = example.answers[0]
            before = len(example.context[:start].split())
            places[before, before + len(text.split())] += 1
        first, last = places.most_common(1)[0][0]
        answers = [" ".join(example.context.split()[first:last]) for example in held_out]
        return {"one place": _evaluation(answers, held_out), **never}

    @staticmethod
    def quality(evaluation):
        """Return what orders evaluations: the F1, then the exact match."""
        return evaluation.f1, evaluation.exact_match

    @staticmethod
    def count(examples):
        """There are no labels to be counted."""
        return collections.Counter()

    def answers(self, model, examples, rows, tokenizer):
        """Return the Answer to each question."""
        found = collections.defaultdict(lambda: (-np.inf, None))
        nothing = collections.defaultdict(lambda: (np.inf, None))
        batches = LabelledExamples(rows, SpanBatch, tokenizer.pad_token_id)
        for [batch], part in zip(batches.held_out(32), parts(batches.by_length, 32)):
            output, _ = model.forward(**batch._asdict())
            scores = best_spans(output, batch)
            within = _in_context(batch)
            within[:, 0] = self.may_be_nothing
            starts, ends = (
                softmax(np.where(within, logits, -np.inf))
                for logits in (output.start_logits, output.end_logits)
            )
            for k, row in enumerate(part):
                of_nothing = scores.nothing[k], Answer("", 0, 0, float(starts[k, 0] * ends[k, 0]))
                nothing[row.source] = min(nothing[row.source], of_nothing, key=lambda one: one[0])
                first, last = int(scores.first[k]), int(scores.last[k])
                if scores.logits[k] > found[row.source][0] and row.places:
                    context, probability = examples[row.source].context, starts[k, first] * ends[k, last]
                    start, end = row.places[first][0], row.places[last][1]
                    answer = Answer(context[start:end], start, end, float(probability))
                    found[row.source] = scores.logits[k], answer
        return [
            nothing[number][1] if self.may_be_nothing and nothing[number][0] > found[number][0]
            else found[number][1] or Answer("", 0, 0, 0.0)
            for number in range(len(examples))
        ]

    @staticmethod
    def judged(answers, examples):
        """Return the Evaluation of Answers to questions whose right answers are known."""
        return _evaluation([answer.text for answer in answers], examples)


def best_spans(output, batch):
    """Return the Scores of a SpanOutput: the likeliest answer within the context of each window.

        maximise logits_first + logits_last    where first ≤ last < first + MAX_ANSWER
    """
    within, found = _in_context(batch), []
    length = within.shape[1]
    offsets = np.subtract.outer(-np.arange(length), -np.arange(length))         # (T, T), last − first
    is_span = (offsets >= 0) & (offsets < MAX_ANSWER)
    for starts, ends, mask in zip(output.start_logits, output.end_logits, within):
        allowed = is_span & mask[:, np.newaxis] & mask
        sums = np.where(allowed, starts[:, np.newaxis] + ends, -np.inf)         # (T, T)
        first, last = np.unravel_index(sums.argmax(), sums.shape)
        found.append((first, last, sums[first, last]))
    first, last, logits = zip(*found)
    nothing = output.start_logits[:, 0] + output.end_logits[:, 0]
    return Scores(np.array(first), np.array(last), np.array(logits, float), nothing.astype(float))


def _in_context(batch):
    """Return which tokens belong to the context: bool (B, T)."""
    within = (batch.token_type_ids == 1) & (batch.attention_mask == 1)
    last = batch.attention_mask.sum(axis=1) - 1  # the [SEP] after it
    within[np.arange(len(within)), last] = False
    return within


def _text_of(row, first, last, context):
    """Return the stretch of the context between two tokens; "" where the context has none."""
    if first not in row.places or last not in row.places:
        return ""
    return context[row.places[first][0] : row.places[last][1]]


def _evaluation(predicted, examples):
    answers = [[text for text, _ in example.answers] or [""] for example in examples]
    exact = [metrics.exact_match(one, right) for one, right in zip(predicted, answers)]
    f1 = [metrics.token_f1(one, right) for one, right in zip(predicted, answers)]
    return Evaluation(float(np.mean(exact)), float(np.mean(f1)))
