"""The made-up model's case."""

import numpy as np
from made_up.model import MadeUpConfig, MadeUpModel

from minibert.gradcheck.cases.common import INPUT_IDS, LABELS, Case, scrambled

CASES = {
    "MadeUpModel": lambda: Case(
        scrambled(MadeUpModel(MadeUpConfig(11), dtype=np.float64)), [INPUT_IDS], {"labels": LABELS}
    ),
}
