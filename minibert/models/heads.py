"""Fine-tuning: a head on the states of a pretrained body, and BERT with each of the heads.

(Devlin et al. 2018, section 4 and figure 4.) A head is a small model on an array of states; it keeps the
promise that models make, and backward returns the gradient of the states:

    output, cache = head.forward(states, labels=labels, rng=rng)    # output.loss, .logits, .counts
    d_states = head.backward(cache)

    SequenceHead    one vector a sequence     → a label, or a number     BertForSequenceClassification
    TokenHead       the states of all tokens  → a label for each         BertForTokenClassification
    SpanHead        the states of all tokens  → where the answer is      BertForQuestionAnswering
    ChoiceHead      one vector a choice       → which of them            BertForMultipleChoice

So a head serves every body that has a `last_hidden_state`: a model is a body, a head, and these lines.

    encoded, body_cache = self.body.forward(input_ids, rng=rng)
    output, head_cache = self.head.forward(encoded.last_hidden_state, labels, rng)

    d_states = self.head.backward(cache.head, d_loss)
    self.body.backward((d_states, None), cache.body)

A sequence's vector is the pooler's for BERT; of another body it may be the state of its last token, or the
mean. Where the body is frozen, its states can be computed once, and the head is trained alone.
"""

from typing import NamedTuple

import numpy as np

from minibert import huggingface
from minibert.layers.base import Layer, describe_cache
from minibert.layers.cross_entropy import IGNORE_INDEX, CrossEntropy, CrossEntropyCache
from minibert.layers.dropout import Dropout, DropoutCache
from minibert.layers.linear import Linear, LinearCache
from minibert.layers.squared_error import SquaredError, SquaredErrorCache
from minibert.models.bert import BertConfig, BertModel, BertModelCache

REGRESSION, ONE_LABEL = "regression", "single_label_classification"


class LabelOutput(NamedTuple):
    """What a head says of labels.

    Attributes:
        loss, label_loss: the same, because it has one part; None without labels.
        logits: of each sequence (B, K), of each token (B, T, K), of each choice (B, C). Of tokens with labels
            (M, K): a row for each whose label is not -100, in row order.
        counts: {"label": how many predictions the loss is the mean of}; {} without labels.
    """

    loss: np.floating | None
    label_loss: np.floating | None
    logits: np.ndarray
    counts: dict
    __repr__ = describe_cache


class SequenceHeadCache(NamedTuple):
    dropout: DropoutCache
    classifier: LinearCache
    label_loss: CrossEntropyCache | SquaredErrorCache | None
    __repr__ = describe_cache


class SequenceHead(Layer):
    """logits = dropout(x) W + b, x being one vector a sequence (or a pair of them).

    The loss is the mean cross-entropy over the sequences whose label is not -100. A regression has the logits
    themselves as its answers; its loss is the mean squared error over all B·K numbers.

    Args:
        in_features: H.  num_labels: K.
        problem_type: "single_label_classification" or "regression"; None is a regression where K is 1, as in
            transformers, whatever the labels are.
        dropout_prob, rng, initializer_range, dtype: as in other layers.
    """

    def __init__(
        self, in_features, num_labels, *, problem_type=None, dropout_prob=0.1, rng=None,
        initializer_range=0.02, dtype=np.float32,
    ):
        self.problem_type = problem_type or (REGRESSION if num_labels == 1 else ONE_LABEL)
        self.dropout = Dropout(dropout_prob)
        self.classifier = Linear(
            in_features, num_labels, rng=rng, initializer_range=initializer_range, dtype=dtype)
        self.label_loss = SquaredError() if self.problem_type == REGRESSION else CrossEntropy()

    def forward(self, x, labels=None, rng=None):
        """x (B, H); labels (B,), of a regression numbers (B,) or (B, K) → LabelOutput, cache."""
        answers, num_answers = self._checked(labels, x)
        dropped, dropout_cache = self.dropout.forward(x, rng)                       # (B, H)
        logits, classifier_cache = self.classifier.forward(dropped)                 # (B, K)
        loss, loss_cache, counts = None, None, {}
        if answers is not None:
            loss, loss_cache = self.label_loss.forward(logits, answers)
            counts["label"] = num_answers
        cache = SequenceHeadCache(dropout_cache, classifier_cache, loss_cache)
        return LabelOutput(loss, loss, logits, counts), cache

    def backward(self, cache, d_loss=1.0):
        """Go back from d_loss, a number or {"label": number} → d_x (B, H)."""
        if cache.label_loss is None:
            raise ValueError("there is no loss to go back from: give forward labels")
        d_label_loss = d_loss["label"] if isinstance(d_loss, dict) else d_loss
        d_logits, _ = self.label_loss.backward(d_label_loss, cache.label_loss)      # (B, K)
        d_dropped = self.classifier.backward(d_logits, cache.classifier)            # (B, H)
        d_x = self.dropout.backward(d_dropped, cache.dropout)                       # (B, H)
        return d_x

    def _checked(self, labels, x):
        """Return the labels as the loss takes them, and how many count; (None, 0) without labels."""
        if labels is None:
            return None, 0
        num_labels = self.classifier.bias.value.size
        if self.problem_type == REGRESSION:
            return regression_labels(labels, (len(x), num_labels), self.classifier.bias.value.dtype)
        if self.problem_type != ONE_LABEL:
            raise ValueError(
                f"problem_type {self.problem_type!r} has no loss here: leave out the labels, or make it "
                f"{ONE_LABEL!r} or {REGRESSION!r}"
            )
        return class_labels(labels, (len(x),), num_labels)


class TokenHeadCache(NamedTuple):
    dropout: DropoutCache
    states_shape: tuple  # (B, T, H)
    predicted: np.ndarray | None  # (M,) flat positions whose label is not -100
    classifier: LinearCache
    label_loss: CrossEntropyCache | None
    __repr__ = describe_cache


class TokenHead(Layer):
    """logits = dropout(states) W + b, for every token; with labels for those whose label is not -100.

    The loss is the mean cross-entropy over these. A word of several pieces has its label at the first, and
    -100 at the others (Devlin et al. 2018, section 5.3).

    Args:
        in_features: H.  num_labels: K.
        dropout_prob, rng, initializer_range, dtype: as in other layers.
    """

    def __init__(
        self, in_features, num_labels, *, dropout_prob=0.1, rng=None, initializer_range=0.02, dtype=np.float32
    ):
        self.dropout = Dropout(dropout_prob)
        self.classifier = Linear(
            in_features, num_labels, rng=rng, initializer_range=initializer_range, dtype=dtype)
        self.label_loss = CrossEntropy()

    def forward(self, states, labels=None, rng=None):
        """states (B, T, H); labels (B, T) → LabelOutput, cache."""
        answers, num_answers = class_labels(labels, states.shape[:2], self.classifier.bias.value.size)
        dropped, dropout_cache = self.dropout.forward(states, rng)                  # (B, T, H)
        predicted = None if labels is None else np.flatnonzero(answers != IGNORE_INDEX)     # (M,)
        rows = dropped.reshape(-1, dropped.shape[-1])                               # (B·T, H)
        asked = dropped if labels is None else rows[predicted]                      # (M, H)
        logits, classifier_cache = self.classifier.forward(asked)                   # (M, K)
        loss, loss_cache, counts = None, None, {}
        if labels is not None:
            loss, loss_cache = self.label_loss.forward(logits, answers.reshape(-1)[predicted])
            counts["label"] = num_answers
        cache = TokenHeadCache(
            dropout=dropout_cache, states_shape=states.shape, predicted=predicted,
            classifier=classifier_cache, label_loss=loss_cache)
        return LabelOutput(loss, loss, logits, counts), cache

    def backward(self, cache, d_loss=1.0):
        """Go back from d_loss, a number or {"label": number} → d_states (B, T, H)."""
        if cache.label_loss is None:
            raise ValueError("there is no loss to go back from: give forward labels")
        d_label_loss = d_loss["label"] if isinstance(d_loss, dict) else d_loss
        d_logits, _ = self.label_loss.backward(d_label_loss, cache.label_loss)      # (M, K)
        d_asked = self.classifier.backward(d_logits, cache.classifier)              # (M, H)
        d_dropped = np.zeros(cache.states_shape, d_asked.dtype)                     # (B, T, H)
        d_rows = d_dropped.reshape(-1, d_dropped.shape[-1])                         # (B·T, H), a view
        d_rows[cache.predicted] = d_asked                                           # each position once
        d_states = self.dropout.backward(d_dropped, cache.dropout)                  # (B, T, H)
        return d_states


class SpanOutput(NamedTuple):
    """What a head says of where an answer begins and ends.

    Attributes:
        loss: start_loss + end_loss.
        start_loss, end_loss: half the mean cross-entropy each, so that the loss is the mean of both.
        start_logits, end_logits: (B, T).
        counts: {"start": how many answers begin within the sequence, "end": how many end there}.
    """

    loss: np.floating | None
    start_loss: np.floating | None
    end_loss: np.floating | None
    start_logits: np.ndarray
    end_logits: np.ndarray
    counts: dict
    __repr__ = describe_cache


class SpanHeadCache(NamedTuple):
    qa_outputs: LinearCache
    start_loss: CrossEntropyCache | None
    end_loss: CrossEntropyCache | None
    __repr__ = describe_cache


class SpanHead(Layer):
    """Two numbers a token: how likely the answer begins there, and how likely it ends there, itself included.

        loss = ½ · cross-entropy of the starts + ½ · cross-entropy of the ends

    each the mean over the sequences in which it lies. A position that is not below T lies beyond the end of
    the text that was cut, and is not counted; nor is -100. Where there is no answer, both positions are 0,
    that of [CLS] (Devlin et al. 2018, sections 4.2 and 4.3).

    Args:
        in_features: H.  rng, initializer_range, dtype: as in other layers.
    """

    def __init__(self, in_features, *, rng=None, initializer_range=0.02, dtype=np.float32):
        self.qa_outputs = Linear(in_features, 2, rng=rng, initializer_range=initializer_range, dtype=dtype)
        self.start_loss = CrossEntropy()
        self.end_loss = CrossEntropy()

    def forward(self, states, start_positions=None, end_positions=None, rng=None):
        """states (B, T, H); both positions (B,), or neither; rng is not used → SpanOutput, cache."""
        starts, num_starts, ends, num_ends = span_labels(start_positions, end_positions, states.shape)
        logits, qa_outputs_cache = self.qa_outputs.forward(states)                  # (B, T, 2)
        start_logits, end_logits = logits[:, :, 0], logits[:, :, 1]                 # (B, T) each
        loss = start_loss = end_loss = start_loss_cache = end_loss_cache = None
        counts = {}
        if starts is not None:
            start_entropy, start_loss_cache = self.start_loss.forward(start_logits, starts)
            end_entropy, end_loss_cache = self.end_loss.forward(end_logits, ends)
            start_loss, end_loss = start_entropy / 2, end_entropy / 2
            loss = start_loss + end_loss
            counts = {"start": num_starts, "end": num_ends}
        output = SpanOutput(loss, start_loss, end_loss, start_logits, end_logits, counts)
        return output, SpanHeadCache(qa_outputs_cache, start_loss_cache, end_loss_cache)

    def backward(self, cache, d_loss=1.0):
        """Go back from d_loss, a number or {"start": number, "end": number} → d_states (B, T, H)."""
        if cache.start_loss is None:
            raise ValueError(
                "there is no loss to go back from: give forward start_positions and end_positions")
        d_start_loss = d_loss["start"] if isinstance(d_loss, dict) else d_loss
        d_end_loss = d_loss["end"] if isinstance(d_loss, dict) else d_loss
        d_start_logits, _ = self.start_loss.backward(d_start_loss / 2, cache.start_loss)    # (B, T)
        d_end_logits, _ = self.end_loss.backward(d_end_loss / 2, cache.end_loss)            # (B, T)
        d_logits = np.stack((d_start_logits, d_end_logits), axis=-1)                # (B, T, 2)
        d_states = self.qa_outputs.backward(d_logits, cache.qa_outputs)             # (B, T, H)
        return d_states


class ChoiceHeadCache(NamedTuple):
    dropout: DropoutCache
    scorer: LinearCache
    label_loss: CrossEntropyCache | None
    __repr__ = describe_cache


class ChoiceHead(Layer):
    """One number a choice, w · dropout(x) + b; the softmax runs over the C choices of a question.

    The loss is the mean cross-entropy over the questions whose label is not -100.

    Args:
        in_features: H.  dropout_prob, rng, initializer_range, dtype: as in other layers.
    """

    def __init__(self, in_features, *, dropout_prob=0.1, rng=None, initializer_range=0.02, dtype=np.float32):
        self.dropout = Dropout(dropout_prob)
        self.scorer = Linear(in_features, 1, rng=rng, initializer_range=initializer_range, dtype=dtype)
        self.label_loss = CrossEntropy()

    def forward(self, x, labels=None, rng=None):
        """x (B, C, H), one vector a choice; labels (B,), the right choice → LabelOutput, cache."""
        answers, num_answers = class_labels(labels, x.shape[:1], x.shape[1])
        dropped, dropout_cache = self.dropout.forward(x, rng)                       # (B, C, H)
        scores, scorer_cache = self.scorer.forward(dropped)                         # (B, C, 1)
        logits = scores[:, :, 0]                                                    # (B, C)
        loss, loss_cache, counts = None, None, {}
        if labels is not None:
            loss, loss_cache = self.label_loss.forward(logits, answers)
            counts["label"] = num_answers
        cache = ChoiceHeadCache(dropout_cache, scorer_cache, loss_cache)
        return LabelOutput(loss, loss, logits, counts), cache

    def backward(self, cache, d_loss=1.0):
        """Go back from d_loss, a number or {"label": number} → d_x (B, C, H)."""
        if cache.label_loss is None:
            raise ValueError("there is no loss to go back from: give forward labels")
        d_label_loss = d_loss["label"] if isinstance(d_loss, dict) else d_loss
        d_logits, _ = self.label_loss.backward(d_label_loss, cache.label_loss)      # (B, C)
        d_scores = d_logits[:, :, np.newaxis]                                       # (B, C, 1)
        d_dropped = self.scorer.backward(d_scores, cache.scorer)                    # (B, C, H)
        d_x = self.dropout.backward(d_dropped, cache.dropout)                       # (B, C, H)
        return d_x


# --- BERT with each of the heads ---


class BertWithHeadCache(NamedTuple):
    bert: BertModelCache
    head: NamedTuple  # the record of the head
    __repr__ = describe_cache


class BertForSequenceClassification(Layer):
    """BERT that gives a sequence, or a pair of them, one of the labels, or a number.

    Args:
        config: a BertConfig; num_labels, problem_type and classifier_dropout are for the head.
        seed: of the initial weights.
        dtype: of the parameters, and so of everything that is computed.
    """

    def __init__(self, config, seed=0, dtype=np.float32):
        self.config = config
        self.bert = BertModel(config, seed, dtype)
        self.head = SequenceHead(
            config.hidden_size, config.num_labels, problem_type=config.problem_type,
            dropout_prob=dropout_of(config), **weights_of(config, seed, dtype))

    def forward(
        self, input_ids, token_type_ids=None, attention_mask=None, labels=None, rng=None, position_ids=None
    ):
        """Run the model → LabelOutput, cache.

        Args:
            input_ids, token_type_ids, attention_mask, rng, position_ids: as in BertModel.
            labels: (B,) from 0 to K - 1, or -100 for none; of a regression numbers, (B,) or (B, K).
        """
        encoded, bert_cache = self.bert.forward(
            input_ids, token_type_ids, attention_mask, rng, position_ids)           # (B, T, H), (B, H)
        output, head_cache = self.head.forward(encoded.pooler_output, labels, rng)
        return output, BertWithHeadCache(bert_cache, head_cache)

    def backward(self, cache, d_loss=1.0):
        """Go back from d_loss, a number or {"label": number} → d_embeddings (B, T, H), as in pretraining."""
        d_pooled = self.head.backward(cache.head, d_loss)                           # (B, H)
        d_embeddings = self.bert.backward((None, d_pooled), cache.bert)             # (B, T, H)
        return d_embeddings

    config_class = BertConfig
    save_pretrained, from_pretrained = huggingface.save, classmethod(huggingface.load)


class BertForTokenClassification(Layer):
    """BERT that gives every token one of the labels. It has no pooler.

    Args:
        config: a BertConfig; num_labels and classifier_dropout are for the head.
        seed: of the initial weights.
        dtype: of the parameters, and so of everything that is computed.
    """

    def __init__(self, config, seed=0, dtype=np.float32):
        self.config = config
        self.bert = BertModel(config, seed, dtype, add_pooling_layer=False)
        self.head = TokenHead(
            config.hidden_size, config.num_labels, dropout_prob=dropout_of(config),
            **weights_of(config, seed, dtype))

    def forward(
        self, input_ids, token_type_ids=None, attention_mask=None, labels=None, rng=None, position_ids=None
    ):
        """Run the model → LabelOutput, cache.

        Args:
            input_ids, token_type_ids, attention_mask, rng, position_ids: as in BertModel.
            labels: (B, T) from 0 to K - 1, or -100 where there is none: padding, [CLS], and all pieces of a
                word but its first.
        """
        encoded, bert_cache = self.bert.forward(
            input_ids, token_type_ids, attention_mask, rng, position_ids)           # (B, T, H), None
        output, head_cache = self.head.forward(encoded.last_hidden_state, labels, rng)
        return output, BertWithHeadCache(bert_cache, head_cache)

    def backward(self, cache, d_loss=1.0):
        """Go back from d_loss, a number or {"label": number} → d_embeddings (B, T, H), as in pretraining."""
        d_states = self.head.backward(cache.head, d_loss)                           # (B, T, H)
        d_embeddings = self.bert.backward((d_states, None), cache.bert)             # (B, T, H)
        return d_embeddings

    config_class = BertConfig
    save_pretrained, from_pretrained = huggingface.save, classmethod(huggingface.load)


class BertForQuestionAnswering(Layer):
    """BERT that finds an answer's first and last token in a text. It has no pooler, and its head no dropout.

    Args:
        config: a BertConfig with num_labels 2: the head has two outputs, and transformers counts them so.
        seed: of the initial weights.
        dtype: of the parameters, and so of everything that is computed.

    Raises:
        ValueError: num_labels is another number.
    """

    def __init__(self, config, seed=0, dtype=np.float32):
        if config.num_labels != 2:
            raise ValueError(
                f"num_labels is {config.num_labels}: a model that answers questions has 2, for an answer's "
                "start and its end; give num_labels=2"
            )
        self.config = config
        self.bert = BertModel(config, seed, dtype, add_pooling_layer=False)
        self.head = SpanHead(config.hidden_size, **weights_of(config, seed, dtype))

    def forward(
        self, input_ids, token_type_ids=None, attention_mask=None, start_positions=None, end_positions=None,
        rng=None, position_ids=None,
    ):
        """Run the model → SpanOutput, cache.

        Args:
            input_ids, token_type_ids, attention_mask, rng, position_ids: as in BertModel.
            start_positions, end_positions: (B,), the answer's first and last token. Those that are not below
                T are not counted, nor is -100; other negative ones are taken for 0, as in transformers.
        """
        encoded, bert_cache = self.bert.forward(
            input_ids, token_type_ids, attention_mask, rng, position_ids)           # (B, T, H), None
        output, head_cache = self.head.forward(encoded.last_hidden_state, start_positions, end_positions)
        return output, BertWithHeadCache(bert_cache, head_cache)

    def backward(self, cache, d_loss=1.0):
        """Go back from d_loss, a number or {"start": number, "end": number} → d_embeddings (B, T, H)."""
        d_states = self.head.backward(cache.head, d_loss)                           # (B, T, H)
        d_embeddings = self.bert.backward((d_states, None), cache.bert)             # (B, T, H)
        return d_embeddings

    config_class = BertConfig
    save_pretrained, from_pretrained = huggingface.save, classmethod(huggingface.load)


class BertForMultipleChoice(Layer):
    """BERT that chooses one of C texts, each of which it reads by itself.

    Args:
        config: a BertConfig; classifier_dropout is for the head.
        seed: of the initial weights.
        dtype: of the parameters, and so of everything that is computed.
    """

    def __init__(self, config, seed=0, dtype=np.float32):
        self.config = config
        self.bert = BertModel(config, seed, dtype)
        self.head = ChoiceHead(
            config.hidden_size, dropout_prob=dropout_of(config), **weights_of(config, seed, dtype))

    def forward(
        self, input_ids, token_type_ids=None, attention_mask=None, labels=None, rng=None, position_ids=None
    ):
        """Run the model → LabelOutput, cache.

        Args:
            input_ids, token_type_ids, attention_mask, position_ids: (B, C, T), otherwise as in BertModel.
            labels: (B,), the right choice, or -100 for none.
            rng: as in BertModel.
        """
        batch_size, num_choices = choices_of(input_ids)
        rows = [
            rows_of(name, array, np.shape(input_ids)) for name, array in (
                ("input_ids", input_ids), ("token_type_ids", token_type_ids),
                ("attention_mask", attention_mask), ("position_ids", position_ids))
        ]                                                                           # (B·C, T) each
        encoded, bert_cache = self.bert.forward(*rows[:3], rng, rows[3])            # (B·C, T, H), (B·C, H)
        pooled = encoded.pooler_output
        x = pooled.reshape(batch_size, num_choices, pooled.shape[-1])               # (B, C, H)
        output, head_cache = self.head.forward(x, labels, rng)
        return output, BertWithHeadCache(bert_cache, head_cache)

    def backward(self, cache, d_loss=1.0):
        """Go back from d_loss, a number or {"label": number} → d_embeddings (B·C, T, H)."""
        d_x = self.head.backward(cache.head, d_loss)                                # (B, C, H)
        d_pooled = d_x.reshape(-1, d_x.shape[-1])                                   # (B·C, H)
        d_embeddings = self.bert.backward((None, d_pooled), cache.bert)             # (B·C, T, H)
        return d_embeddings

    config_class = BertConfig
    save_pretrained, from_pretrained = huggingface.save, classmethod(huggingface.load)


# --- what a configuration says of a head ---


def dropout_of(config):
    """Return the probability of a head's dropout."""
    return config.hidden_dropout_prob if config.classifier_dropout is None else config.classifier_dropout


def weights_of(config, seed, dtype):
    """Return the arguments by which a head draws its weights; it has draws of its own."""
    rng = np.random.default_rng([seed, 1])
    return {"rng": rng, "initializer_range": config.initializer_range, "dtype": dtype}


# --- the arguments of forward, checked in one call before the first line of arithmetic ---


def class_labels(labels, shape, num_labels):
    """Return labels as integers of that shape, and how many are not -100; (None, 0) without labels.

    Raises:
        ValueError: they have another shape, are no integers, or one is no label.
    """
    if labels is None:
        return None, 0
    labels = np.asarray(labels)
    if labels.dtype.kind not in "iu":
        raise ValueError(
            f"labels of a classification must be integers, got {labels.dtype}: numbers that are measured are "
            f"for a regression (problem_type {REGRESSION!r})"
        )
    if labels.shape != shape:
        raise ValueError(f"labels has shape {labels.shape}, expected {shape}")
    is_label = (labels >= 0) & (labels < num_labels)
    outside = labels[~is_label & (labels != IGNORE_INDEX)]
    if outside.size:
        raise ValueError(
            f"label {outside[0]} is none of the {num_labels} labels (0 to {num_labels - 1}) nor "
            f"{IGNORE_INDEX}, which means no label"
        )
    return labels, int(is_label.sum())


def regression_labels(labels, shape, dtype):
    """Return the numbers of a regression (B, K) in that dtype, and how many there are.

    Raises:
        ValueError: they have another shape, or are no finite numbers.
    """
    labels = np.asarray(labels)
    if labels.shape not in (shape, shape[:1]) or labels.shape != shape and shape[1] != 1:
        raise ValueError(f"labels of a regression have shape {labels.shape}, expected {shape}")
    if labels.dtype.kind not in "iuf" or not np.isfinite(labels).all():
        raise ValueError(f"labels of a regression must be finite numbers, got {labels.dtype} {labels[:3]}")
    return labels.reshape(shape).astype(dtype), labels.size


def span_labels(start_positions, end_positions, states_shape):
    """Return the positions as labels over T tokens, and how many of each count: starts, M, ends, M.

    Raises:
        ValueError: one is given without the other, or they have another shape or are no integers.
    """
    if start_positions is None and end_positions is None:
        return None, 0, None, 0
    found = []
    for name, positions in (("start_positions", start_positions), ("end_positions", end_positions)):
        if positions is None:
            raise ValueError(f"{name} is missing: give start_positions and end_positions, or neither")
        positions = np.asarray(positions)
        if positions.dtype.kind not in "iu" or positions.shape != states_shape[:1]:
            raise ValueError(
                f"{name} must be integers of shape {states_shape[:1]}, got {positions.dtype} of shape "
                f"{positions.shape}"
            )
        is_counted = (positions != IGNORE_INDEX) & (positions < states_shape[1])
        found += [np.where(is_counted, np.maximum(positions, 0), IGNORE_INDEX), int(is_counted.sum())]
    return tuple(found)


def choices_of(input_ids):
    """Return (B, C) of ids (B, C, T); ValueError where they have other axes."""
    shape = np.shape(input_ids)
    if len(shape) != 3:
        raise ValueError(f"input_ids must have the shape (batch, choices, tokens), got {shape}")
    return shape[:2]


def rows_of(name, array, shape):
    """Return an array (B, C, T) as (B·C, T), a row for each choice; None as it is.

    Raises:
        ValueError: it has another shape.
    """
    if array is None:
        return None
    if np.shape(array) != shape:
        raise ValueError(f"{name} has shape {np.shape(array)}, expected {shape}")
    return np.reshape(array, (-1, shape[-1]))
