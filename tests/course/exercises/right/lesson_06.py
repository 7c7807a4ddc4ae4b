"""Right answers to the choices of lesson 06; for the exercises with a backward see styles.py."""

import numpy as np
from course.exercises.solutions import solution

ONES = solution("seen_by_ones")[0]
CHANGES = solution("who_changes")[0]

RIGHT = {
    "who_changes": [
        dict(reversed(CHANGES.items())),
        {name: float(count) for name, count in CHANGES.items()},
        {name: np.int64(count) for name, count in CHANGES.items()},
    ],
    "seen_by_ones": [
        dict(reversed(ONES.items())),
        {name: np.str_(answer) for name, answer in ONES.items()},
        {name: "seen" if answer == "seen" else "missed" for name, answer in ONES.items()},
    ]
}
