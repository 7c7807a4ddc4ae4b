"""Minutes into steps, on a clock that the steps and evaluations move."""

from types import SimpleNamespace

import pytest
from helpers import quiet

from minibert.training import pace


class Timed:
    """In place of a Training: a step takes 0.5 s and an evaluation 3 s, of which a picture takes 1."""

    objective = SimpleNamespace(picture_seconds=1.0)

    def __init__(self):
        self.seconds = 0.0

    def step(self, number):
        self.seconds += 0.5

    def evaluate(self):
        self.seconds += 2.0


@pytest.mark.parametrize("seconds, done, expected", [
    (80, 0, 100),  # 10 evaluations and 100 steps
    (53, 900, 100),  # the last 100 of 1,000 steps, and one of the 10 evaluations
    (65, 100, 100),  # half of the steps, half of the evaluations
    (20, 0, 20),  # the least
    (-1, 900, 20),
])
def test_steps_and_their_evaluations_fill_the_time(monkeypatch, seconds, done, expected):
    training = Timed()
    monkeypatch.setattr(pace.time, "perf_counter", lambda: training.seconds)
    assert pace.steps_within(seconds, training, 10, quiet, done) == expected
