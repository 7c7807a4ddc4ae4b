"""GloVe's objective, as it is in the paper."""

import numpy as np

from minibert.gradcheck.cases.common import Case, random
from minibert.word_vectors.glove_plain import GloVeObjective

ROWS = np.array([0, 0, 1, 6, 3, 3, 5, 0, 2, 4, 6])  # words repeat, and so do pairs
COLUMNS = np.array([1, 2, 0, 6, 3, 5, 3, 1, 2, 2, 0])
COUNTS = np.linspace(0.3, 25.0, 11)


def objective(x_max):
    return GloVeObjective(random(7, 3), random(8, 3)[1:].copy(), random(7), random(8)[1:].copy(), x_max)


CASES = {
    "GloVeObjective": lambda: Case(objective(10.0), [ROWS, COLUMNS, COUNTS]),
    "GloVeObjective below x_max": lambda: Case(objective(100.0), [ROWS, COLUMNS, COUNTS]),
}
