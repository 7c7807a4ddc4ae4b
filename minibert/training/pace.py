"""Minutes into steps."""

import math
import time

import numpy as np

TRIAL_STEPS = 24  # that are timed
LEAST_STEPS = 20


def steps_within(seconds, training, num_evaluations, say=print, done=0):
    """Return the number of steps that fit into `seconds` beside the evaluations, from the times of a few
    trial steps.

    The trial steps train `training`: start from a new one afterwards. Nowhere else does a clock change a
    number.

    A run's evaluations are evenly spaced. If `done` steps are done and r follow, a share of r / (done + r) of
    the evaluations is still to come:

        r · step_seconds + num_evaluations · evaluation_seconds · r / (done + r) = seconds

    Times done + r this is a quadratic equation, with one root above 0 if done > 0.

    Raises:
        FloatingPointError: a trial step fails.
    """
    say(f"planning    timing {TRIAL_STEPS} steps")
    started = time.perf_counter()
    training.evaluate()
    evaluation_seconds = time.perf_counter() - started + training.objective.picture_seconds
    times = []
    for step in range(TRIAL_STEPS):
        started = time.perf_counter()
        try:
            training.step(step)
        except FloatingPointError as error:
            raise FloatingPointError(f"trial step {step + 1}: {error}; use a lower --learning-rate") from None
        times.append(time.perf_counter() - started)
    step_seconds = float(np.median(times[TRIAL_STEPS // 4 :]))
    half = (seconds - num_evaluations * evaluation_seconds - done * step_seconds) / 2
    root = half + math.sqrt(half * half + max(0.0, seconds) * done * step_seconds)
    return max(LEAST_STEPS, int(root / step_seconds))
