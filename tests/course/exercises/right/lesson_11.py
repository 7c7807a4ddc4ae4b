"""Right answers to the choices of lesson 11; for the exercises with a backward see styles.py."""

import numpy as np
from course.exercises.solutions import solution

ZEROS = solution("zero_or_not")[0]

RIGHT = {
    "zero_or_not": [
        dict(reversed(ZEROS.items())),
        {name: np.str_(answer) for name, answer in ZEROS.items()},
        {name: "zero" if answer == "zero" else "not zero" for name, answer in ZEROS.items()},
    ]
}
