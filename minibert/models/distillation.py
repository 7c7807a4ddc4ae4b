"""Distillation: a small BERT learns from the answers of a large one (Hinton et al. 2015, Sanh et al. 2019).

A label says that a word is right and all others are alike. A teacher's probabilities say which others would
nearly do, too. The student, a BERT of fewer layers, learns from three things:

    soft      the teacher's probabilities for the masked tokens, at a temperature T
    mlm       the masked tokens themselves
    cosine    the direction of the teacher's last state, for every token

The teacher is a constant: its answers are arrays, made by its forward pass without dropout.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from minibert.layers.base import Layer, describe_cache
from minibert.layers.cross_entropy import IGNORE_INDEX, CrossEntropy, CrossEntropyCache
from minibert.layers.softmax import softmax
from minibert.models.bert import BertForPreTraining, BertModelCache, MLMHeadCache
from minibert.models.checks import integers

MAY_DIFFER = (  # between the configurations of a student and its teacher
    "num_hidden_layers", "hidden_dropout_prob", "attention_probs_dropout_prob", "initializer_range",
    "pad_token_id", "num_labels", "id2label", "label2id", "classifier_dropout", "problem_type",
)
SOFT_WEIGHT, COSINE_WEIGHT = 2.5, 0.5  # beside 1 for the masked words: DistilBERT's 5, 1 and 2


class SoftTargetsCache(NamedTuple):
    probs: np.ndarray  # (N, V): the student's, at the temperature
    teacher_probs: np.ndarray  # (N, V)
    divisor: int  # N, but 1 where N is 0
    __repr__ = describe_cache


class SoftTargets(Layer):
    """loss = T² (1/N) Σ_n KL(teacher_n ‖ student_n), both softened: softmax(logits / T).

    Args:
        temperature: T, above 0; 1 takes the probabilities as they are, more shows the less likely words.

    Derivation. One row's KL is Σ_k t_k log t_k − Σ_k t_k log s_k. The first sum is a constant, the second a
    cross-entropy in logits / T, whose gradient is s − t; the chain rule brings 1/T. With the factor T²,

        d_logits = d_loss · T (softmax(logits / T) − softmax(teacher_logits / T)) / N

    Without T² the gradient would fade as 1/T² for a large T, because s − t itself fades as 1/T.
    """

    def __init__(self, temperature=2.0):
        if not temperature > 0:
            raise ValueError(f"temperature must be above 0, got {temperature!r}")
        self.temperature = temperature

    def forward(self, logits, *, teacher_logits):
        """logits, teacher_logits (N, V) → loss, a scalar of the logits' dtype, cache.

        Log-probabilities are logits, too: those of a model that is known exactly may be the teacher's, with a
        floor where a probability is 0: np.log(np.maximum(probs, 1e-30)).
        """
        if logits.shape != teacher_logits.shape:
            raise ValueError(
                f"teacher_logits of shape {teacher_logits.shape} do not fit logits of shape {logits.shape}: "
                "both need a row for each predicted token, and one vocabulary")
        answers = teacher_logits.astype(logits.dtype, copy=False)               # (N, V)
        probs = softmax(logits / self.temperature)                              # (N, V)
        teacher_probs = softmax(answers / self.temperature)                     # (N, V)
        log_probs = _log_softmax(logits / self.temperature)                     # (N, V)
        teacher_log_probs = _log_softmax(answers / self.temperature)            # (N, V)
        divergence = (teacher_probs * (teacher_log_probs - log_probs)).sum(axis=-1)     # (N,)
        divisor = max(len(logits), 1)
        squared = self.temperature * self.temperature
        loss = divergence.sum() * logits.dtype.type(squared / divisor)
        return loss, SoftTargetsCache(probs, teacher_probs, divisor)

    def backward(self, d_loss, cache):
        """d_loss, a scalar → d_logits (N, V)."""
        share = d_loss * (self.temperature / cache.divisor)
        d_logits = (cache.probs - cache.teacher_probs) * share                  # (N, V)
        return d_logits


def _log_softmax(scores):
    shifted = scores - scores.real.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


class CosineDistanceCache(NamedTuple):
    x: np.ndarray  # (N, H)
    direction: np.ndarray  # (N, H): the teacher's, of length 1
    length: np.ndarray  # (N, 1)
    cosine: np.ndarray  # (N, 1)
    __repr__ = describe_cache


class CosineDistance(Layer):
    """loss = (1/N) Σ_n (1 − cos(x_n, t_n)): 0 where the rows have the teacher's directions.

    Derivation. With the unit vector u = t/‖t‖, cos = x·u/‖x‖, and ∂‖x‖/∂x = x/‖x‖, so

        ∂cos / ∂x = (u − cos · x/‖x‖) / ‖x‖             d_x = −d_loss/N · (u − cos · x/‖x‖) / ‖x‖

    It is orthogonal to x: the length of x does not matter.
    """

    def forward(self, x, *, target):
        """x, target (N, H), one row or more → loss, a scalar of x's dtype, cache."""
        if x.shape != target.shape:
            raise ValueError(
                f"states of the teacher {target.shape} do not fit the student's {x.shape}: both need the "
                "same tokens and hidden_size")
        wanted = target.astype(x.dtype, copy=False)                                     # (N, H)
        direction = wanted / np.sqrt((wanted * wanted).sum(axis=-1, keepdims=True))     # (N, H)
        length = np.sqrt((x * x).sum(axis=-1, keepdims=True))                           # (N, 1)
        cosine = (x * direction).sum(axis=-1, keepdims=True) / length                   # (N, 1)
        loss = (1 - cosine).sum() / x.dtype.type(len(x))
        return loss, CosineDistanceCache(x, direction, length, cosine)

    def backward(self, d_loss, cache):
        """d_loss, a scalar → d_x (N, H)."""
        x, direction, length, cosine = cache
        d_cosine = -d_loss / len(x)
        d_x = (direction - cosine * x / length) / length * d_cosine             # (N, H)
        return d_x


class DistillationOutput(NamedTuple):
    """What the student's losses came to.

    Attributes:
        loss: the sum of its parts.
        soft_loss: 2.5 times that of the soft targets.  mlm_loss.  cosine_loss: half the mean distance. None
            where the teacher's answers were not given.
        prediction_logits: (M, V), the student's for the predicted positions.
        counts: {"soft": M, "mlm": M, "cosine": how many tokens}, of the parts that there are.
    """

    loss: np.floating
    soft_loss: np.floating | None
    mlm_loss: np.floating
    cosine_loss: np.floating | None
    prediction_logits: np.ndarray
    counts: dict
    __repr__ = describe_cache


class DistillationCache(NamedTuple):
    bert: BertModelCache
    states_shape: tuple  # (B, T, H)
    predicted: np.ndarray  # (M,) flat positions whose label is not -100
    tokens: np.ndarray  # (N,) flat positions that are no padding
    mlm_head: MLMHeadCache
    nsp_head: None  # it did not run
    soft_loss: SoftTargetsCache | None
    mlm_loss: CrossEntropyCache
    cosine_loss: CosineDistanceCache | None
    __repr__ = describe_cache


class Distillation(Layer):
    """A student on its way: its parts, and a loss that a teacher's answers are in.

    Args:
        student: a BertForPreTraining. Its body and heads are the layers of this model, so training this
            trains the student. Its pooler and next-sentence head get no gradient: weight decay alone changes
            their matrices.
        temperature: T of the soft targets.

    Derivation: the parts of the loss add up, so their gradients do: those of the logits before the MLM head,
    those of the states after it.
    """

    def __init__(self, student, temperature=2.0):
        self.config = student.config
        self.bert, self.mlm_head, self.nsp_head = student.bert, student.mlm_head, student.nsp_head
        self.soft_loss, self.mlm_loss = SoftTargets(temperature), CrossEntropy()
        self.cosine_loss = CosineDistance()

    def forward(
        self, input_ids, token_type_ids=None, attention_mask=None, labels=None, teacher_logits=None,
        teacher_states=None, rng=None,
    ):
        """Run the student, and compare it with its teacher → DistillationOutput, cache.

        Args:
            input_ids, token_type_ids, attention_mask, rng: as in BertModel; a mask of one row a sequence.
            labels: (B, T), the original token where one is to be predicted and -100 elsewhere; required.
            teacher_logits: (B, P, V), those for the predicted positions, by_sequence's; None for none.
            teacher_states: (B, T, H), the teacher's last states; None for none.

        Raises:
            ValueError: there are no labels, or a shape is wrong.
        """
        labels, is_token = check_given(input_ids, attention_mask, labels, teacher_logits, teacher_states)
        encoded, bert_cache = self.bert.forward(input_ids, token_type_ids, attention_mask, rng)
        states = encoded.last_hidden_state                                              # (B, T, H)
        predicted, tokens = np.flatnonzero(labels != IGNORE_INDEX), np.flatnonzero(is_token)    # (M,), (N,)
        state_rows = states.reshape(-1, states.shape[-1])                               # (B·T, H)
        logits, mlm_head_cache = self.mlm_head.forward(state_rows[predicted])           # (M, V)
        mlm_loss, mlm_cache = self.mlm_loss.forward(logits, labels.reshape(-1)[predicted])
        losses, counts = {"mlm": mlm_loss}, {"mlm": len(predicted)}
        soft_cache = cosine_cache = None
        if teacher_logits is not None:
            answers = teacher_logits[answer_places(labels, teacher_logits.shape[1])]    # (M, V)
            soft, soft_cache = self.soft_loss.forward(logits, teacher_logits=answers)
            losses["soft"], counts["soft"] = soft * logits.dtype.type(SOFT_WEIGHT), len(predicted)
        if teacher_states is not None:
            target = teacher_states.reshape(-1, teacher_states.shape[-1])[tokens]       # (N, H)
            cosine, cosine_cache = self.cosine_loss.forward(state_rows[tokens], target=target)
            losses["cosine"], counts["cosine"] = cosine * logits.dtype.type(COSINE_WEIGHT), len(tokens)
        output = DistillationOutput(
            loss=sum(losses.values()), soft_loss=losses.get("soft"), mlm_loss=losses["mlm"],
            cosine_loss=losses.get("cosine"), prediction_logits=logits, counts=counts)
        cache = DistillationCache(
            bert=bert_cache, states_shape=states.shape, predicted=predicted, tokens=tokens,
            mlm_head=mlm_head_cache, nsp_head=None, soft_loss=soft_cache, mlm_loss=mlm_cache,
            cosine_loss=cosine_cache)
        return output, cache

    def backward(self, cache, d_loss=1.0):
        """Go back from d_loss, a number or one for each part: {"soft": ..., "mlm": ..., "cosine": ...}.

        Returns:
            d_embeddings (B, T, H): the gradient of the student's summed embeddings, before their LayerNorm.
        """
        d_mlm = d_loss["mlm"] if isinstance(d_loss, dict) else d_loss
        d_logits, _ = self.mlm_loss.backward(d_mlm, cache.mlm_loss)                     # (M, V)
        if cache.soft_loss is not None:
            d_soft = (d_loss["soft"] if isinstance(d_loss, dict) else d_loss) * SOFT_WEIGHT
            share_of_soft = self.soft_loss.backward(d_soft, cache.soft_loss)            # (M, V)
            d_logits = d_logits + share_of_soft                                         # (M, V)
        d_predicted = self.mlm_head.backward(d_logits, cache.mlm_head)                  # (M, H)
        d_states = np.zeros(cache.states_shape, d_predicted.dtype)                      # (B, T, H)
        d_state_rows = d_states.reshape(-1, d_states.shape[-1])                         # (B·T, H), a view
        d_state_rows[cache.predicted] = d_predicted                                     # each position once
        if cache.cosine_loss is not None:
            d_cosine = (d_loss["cosine"] if isinstance(d_loss, dict) else d_loss) * COSINE_WEIGHT
            d_tokens = self.cosine_loss.backward(d_cosine, cache.cosine_loss)           # (N, H)
            d_state_rows[cache.tokens] += d_tokens                                      # each position once
        d_embeddings = self.bert.backward((d_states, None), cache.bert)                 # (B, T, H)
        return d_embeddings

    def save_pretrained(self, directory):
        """Write the student, which BertForPreTraining.from_pretrained reads."""
        student = BertForPreTraining.__new__(BertForPreTraining)  # without new weights
        vars(student).update(vars(self))
        student.save_pretrained(directory)

    @classmethod
    def from_pretrained(cls, directory, dtype=None):
        """Return the Distillation of a student that is read from a folder."""
        return cls(BertForPreTraining.from_pretrained(directory, dtype))


def by_sequence(logits, labels):
    """Return logits (M, V), a row for each label (B, T) that is not -100, as (B, P, V), batch first.

    P is the largest number of predictions in a sequence; sequences with fewer end in rows of zeros.
    """
    is_answer = answer_places(labels)                                           # (B, P)
    answers = np.zeros((*is_answer.shape, logits.shape[-1]), logits.dtype)      # (B, P, V)
    answers[is_answer] = logits
    return answers


def answer_places(labels, num_places=None):
    """Return which of P places in each sequence hold an answer to labels (B, T): bool (B, P), first ones."""
    counts = (labels != IGNORE_INDEX).sum(axis=1)                               # (B,)
    num_places = counts.max() if num_places is None else num_places
    return np.arange(num_places) < counts[:, np.newaxis]


def layers_of_teacher(student, teacher):
    """Give a student some of a teacher's layers, and its embeddings, pooler and heads (Sanh et al. 2019).

    Layer k of L takes the place of ⌊k · (layers of the teacher) / L⌋. All other sizes, and the activation,
    must be the same; dropout may differ.

    Args:
        student, teacher: BertForPreTraining. The teacher is not changed.

    Raises:
        ValueError: a size other than the number of layers, or the activation, differs; or the student has
            more layers.
    """
    few, many = student.config.num_hidden_layers, teacher.config.num_hidden_layers
    if few > many:
        raise ValueError(f"the student has {few} layers and its teacher {many}: give it no more than that")
    theirs = dataclasses.asdict(teacher.config)
    for name, value in dataclasses.asdict(student.config).items():
        if name not in MAY_DIFFER and value != theirs[name]:
            raise ValueError(
                f"{name} is {value!r} in the student and {theirs[name]!r} in the teacher: give both the same "
                "configuration, but for num_hidden_layers and dropout")
    known = teacher.parameters()
    for name, parameter in student.parameters().items():
        parts = name.split(".")
        if parts[:2] == ["bert", "encoder"]:
            parts[2] = str(int(parts[2]) * many // few)
        parameter.value[...] = known[".".join(parts)].value


def check_given(input_ids, attention_mask, labels, teacher_logits, teacher_states):
    """Return labels (B, T), and which tokens are no padding, bool (B, T).

    Raises:
        ValueError: there are no labels, or a shape or dtype is wrong.
    """
    if labels is None:
        raise ValueError(
            "distillation needs labels: the original tokens at the masked positions, -100 elsewhere")
    labels = integers("labels", labels, np.shape(input_ids))
    if teacher_logits is not None:
        _check_teacher_logits(np.shape(teacher_logits), labels)
    if teacher_states is not None and np.shape(teacher_states)[:-1] != labels.shape:
        raise ValueError(
            f"teacher_states have the shape {np.shape(teacher_states)}, expected a state for each token of "
            f"labels {labels.shape}")
    if attention_mask is None:
        return labels, np.ones(labels.shape, bool)
    if np.shape(attention_mask) != labels.shape:
        raise ValueError(
            f"attention_mask has shape {np.shape(attention_mask)}, expected {labels.shape}: distillation "
            "asks about every token but padding")
    return labels, np.asarray(attention_mask) == 1


def _check_teacher_logits(shape, labels):
    most = (labels != IGNORE_INDEX).sum(axis=1).max()
    of_tokens = shape[1:2] == labels.shape[1:] and most < labels.shape[1]  # an answer for each token
    if len(shape) != 3 or len(labels) != shape[0] or shape[1] < most or of_tokens:
        raise ValueError(
            f"teacher_logits of shape {shape} do not fit labels {labels.shape}: give (B, P, V), the answers "
            f"for the predicted tokens of each sequence, here {most} or more, as "
            "by_sequence(output.prediction_logits, labels) makes them")
