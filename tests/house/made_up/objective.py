"""The made-up model's objective: the next number of a sequence that goes on from batch to batch."""

import dataclasses
import json
from typing import NamedTuple

import numpy as np

from made_up.model import MadeUpConfig, MadeUpModel
from minibert.training.recipe import Recipe

STREAM = 3  # batches in a row


class NextBatch(NamedTuple):
    input_ids: np.ndarray  # (B, T)
    labels: np.ndarray  # (B, T)


class NextScores(NamedTuple):
    losses: np.ndarray


class NextEvaluation(NamedTuple):
    loss: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class MadeUpRecipe(Recipe):
    hidden_size: int = 5
    batch_size: int = 4
    learning_rate: float = 0.05


class Counting:
    """Rows count upwards, modulo 11, each by a step of its own."""

    name, Recipe = "made-up", MadeUpRecipe
    fingerprint, files, pictures, picture_seconds = "counting", ["made_up.json"], [], 0.0

    def __init__(self, recipe, checkpoint=None, say=print):
        self.recipe = recipe
        self.held_out = [
            [self._batch([9, stream], index, 3) for index in range(STREAM)] for stream in range(2)
        ]

    def description(self):
        return f"{self.recipe.num_steps} steps"

    def make_model(self):
        return MadeUpModel(MadeUpConfig(11, self.recipe.hidden_size), self.recipe.seed)

    def hidden_matrices(self, model):
        return {"output.weight": model.output.weight}

    def _batch(self, seed, index, batch_size, num_tokens=6):
        rng = np.random.default_rng(seed)
        start, stride = rng.integers(11, size=(2, batch_size, 1))
        numbers = (start + stride * np.arange(index * num_tokens, (index + 1) * num_tokens + 1)) % 11
        labels = numbers[:, 1:].copy()
        labels[0, : 1 + index] = -100  # the shares predict differently many tokens
        return NextBatch(numbers[:, :-1], labels)

    def batch(self, step):
        return self._batch([self.recipe.seed, step // STREAM], step % STREAM, self.recipe.batch_size)

    def starts_stream(self, step):
        return step % STREAM == 0

    def num_tokens(self, batch):
        return batch.input_ids.size

    def score(self, model, batch, state=None):
        output, _ = model.forward(**batch._asdict(), state=state)
        return NextScores(np.array([output.loss])), output.state

    def evaluation(self, scores):
        return NextEvaluation(float(scores.losses.mean()))

    def references(self):
        return {}

    def line(self, evaluation):
        return f"held-out loss {evaluation.loss:.3f}"

    def table(self, evaluation):
        return [self.line(evaluation)]

    def save(self, directory):
        (directory / "made_up.json").write_text(json.dumps({"counts": "upwards"}), encoding="utf-8")

    def draw(self, directory, log, is_finished=False):
        pass

    def suggestions(self, directory):
        return []
