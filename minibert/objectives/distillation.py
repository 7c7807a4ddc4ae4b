"""Distillation as an objective: a student with fewer layers than its teacher, both read the same masked text.

The teacher answers in the place where a batch is made; so its answers are arrays of the batch, and a step is
that of any model.
"""

import dataclasses
import hashlib
from typing import NamedTuple

import numpy as np

from minibert.models.bert import BertForPreTraining
from minibert.models.distillation import Distillation, by_sequence, layers_of_teacher
from minibert.objectives import continued
from minibert.objectives.masked_lm import MaskedLM, MaskedLMRecipe, score_pairs
from minibert.text.examples import MaskedBatch
from minibert.training.checkpoint import find_model


@dataclasses.dataclass(frozen=True, kw_only=True)
class DistillationRecipe(MaskedLMRecipe):
    """How a student is trained; `start` is the folder of its teacher.

    Attributes (beside those of MaskedLMRecipe):
        student_layers: of the student; None is half of the teacher's. All other sizes are the teacher's.
        temperature: T of the soft targets.
        teacher: a fingerprint of the teacher's weights; "" takes any teacher.
    """

    student_layers: int | None = None
    temperature: float = 2.0
    teacher: str = ""

    may_change = {"start": "the teacher must be the same"}

    def __post_init__(self):
        super().__post_init__()
        if self.student_layers is None:
            object.__setattr__(self, "student_layers", max(1, self.num_hidden_layers // 2))
        if not 1 <= self.student_layers <= self.num_hidden_layers:
            raise ValueError(
                f"a student has 1 to {self.num_hidden_layers} layers, as many as its teacher at most; got "
                f"{self.student_layers}"
            )

    @classmethod
    def of(cls, *arguments, **changes):
        """Return the recipe for a teacher: MaskedLMRecipe's for a run from its folder, at a higher rate.

        Raises:
            ValueError: there is no `start`; or as MaskedLMRecipe.
        """
        if not changes.get("start"):
            raise ValueError("a student needs start, the folder of its teacher")
        return super().of(*arguments, **{"learning_rate": 1e-3, "mlm_probability": 0.3, **changes})


class TaughtBatch(NamedTuple):
    """The arguments of `Distillation.forward`: a MaskedBatch and the teacher's answers to it."""

    input_ids: np.ndarray           # (B, T)
    token_type_ids: np.ndarray      # (B, T)
    attention_mask: np.ndarray      # (B, T)
    labels: np.ndarray              # (B, T)
    teacher_logits: np.ndarray      # (B, P, V): for the predicted positions of each sequence, in order
    teacher_states: np.ndarray      # (B, T, H)


class DistillationObjective(MaskedLM):
    """A student learns masked words and its teacher's answers; judged by masked words, see MaskedLM.

    Attributes:
        teacher: a BertForPreTraining, which is not trained.
        taught: the Evaluation of the teacher.
    """

    name, Recipe = "distillation", DistillationRecipe

    def __init__(self, recipe, checkpoint=None, say=print):
        super().__init__(recipe, checkpoint, say)
        self.held_out = [[MaskedBatch(*batch[:4]) for batch in stream] for stream in self.held_out]
        self.teacher, new = continued.load(find_model(recipe.start), self.pairs.unigram)
        if any(name.startswith("cls.predictions.") for name in new):
            raise ValueError(
                f"{recipe.start} has no head for masked words, so it cannot teach them: give a pretrained "
                "BERT")
        found = fingerprint(self.teacher)
        if recipe.teacher not in ("", found):
            raise ValueError(
                f"{recipe.start} holds another teacher than this run began with (fingerprint {found}, then "
                f"{recipe.teacher}): give the folder of the old one as DIR, or start a new run")
        self.recipe = dataclasses.replace(recipe, teacher=found)
        scores = [score_pairs(self.teacher, batch) for [batch] in self.held_out]
        self.taught = self.evaluation(type(scores[0])(*map(np.concatenate, zip(*scores))))
        layers = f"{self.teacher.config.num_hidden_layers} layers, the student {recipe.student_layers}"
        say(f"teacher     {recipe.start}: {layers}; {self.line(self.taught)}")

    def make_model(self):
        """Return the Distillation of a student that begins with layers of its teacher."""
        config = dataclasses.replace(self.teacher.config, num_hidden_layers=self.recipe.student_layers)
        student = BertForPreTraining(config, seed=self.recipe.seed)
        layers_of_teacher(student, self.teacher)
        return Distillation(student, self.recipe.temperature)

    def batch(self, step):
        """Return the TaughtBatch of a training step."""
        masked = MaskedBatch(*super().batch(step)[:4])
        return TaughtBatch(*masked, *self.answers(masked))

    def counts(self, batch):
        """Return {part of the loss: how many predictions it is the mean of}."""
        num_predicted = int((batch.labels >= 0).sum())
        return {"mlm": num_predicted, "soft": num_predicted, "cosine": self.num_tokens(batch)}

    def answers(self, masked):
        """Return the teacher's logits (B, P, V) and states (B, T, H) for a MaskedBatch, without dropout."""
        encoded, _ = self.teacher.bert.forward(*masked[:3])
        rows = encoded.last_hidden_state[masked.labels >= 0]                        # (M, H)
        logits, _ = self.teacher.mlm_head.forward(rows)                             # (M, V)
        return by_sequence(logits, masked.labels), encoded.last_hidden_state

    def references(self):
        """Return those of MaskedLM, and the teacher's evaluation."""
        return {**super().references(), "teacher": self.taught._asdict()}

    def table(self, evaluation):
        """Return the lines that end a run: the student's, and the teacher's for comparison."""
        return [
            *super().table(evaluation),
            f"{'teacher: MLM loss':<28}{self.taught.mlm_loss:>9.3f}",
            f"{'teacher: MLM accuracy':<28}{self.taught.mlm_accuracy:>9.3f}",
        ]


def fingerprint(model):
    """Return a few letters that tell a model's weights from others."""
    digest = hashlib.sha256()
    for name, parameter in model.parameters().items():
        digest.update(name.encode())
        digest.update(parameter.value.tobytes())
    return digest.hexdigest()[:12]
