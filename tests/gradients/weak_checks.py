"""Why gradient checks miss mistakes: the mistakes of mutants.py, held against checks that look at less.

    python tests/gradients/weak_checks.py --sample 300

Each way of being blind was found around published code. Mistakes that stop the program with an exception,
which everyone notices, and those that compute the same are left out.
"""

import argparse
import copy
import multiprocessing
import os
import sys
import warnings

import mutants
import numpy as np
from tqdm import tqdm

from minibert.gradcheck import check_gradients
from minibert.gradcheck.cases import CASES
from minibert.gradcheck.subject import Subject

BLINDNESS = {
    "inputs": "only the gradients of inputs, not of parameters",
    "start": "weights as they are at the start: 0.02, gains 1, biases 0",
    "ones": "an upstream gradient of ones",
    "loose": "errors of 1 % pass",
    "plain": "one case for each layer and model, none of their modes",
    "once": "one backward, and no look at what else it changes",
}
DRAW_UPSTREAM = Subject.draw_upstream


class Ones:
    """A generator of random numbers that are all one."""

    def standard_normal(self, shape):
        return np.ones(shape)

    def uniform(self, low, high):
        return 1.0


def draw_ones(subject, y, rng):
    DRAW_UPSTREAM(subject, y, Ones())


def as_at_the_start(layer):
    """Return a copy of the layer with small weights, gains of one and biases of zero."""
    layer = copy.deepcopy(layer)
    for name, parameter in layer.parameters().items():
        is_weight = parameter.value.ndim > 1
        parameter.value = (
            0.02 * parameter.value if is_weight else np.full_like(parameter.value, name.endswith("gamma"))
        )
    return layer


def sees(case, blindness):
    """Return whether a check with these kinds of blindness calls the case wrong."""
    layer, inputs, forward_kwargs = CASES[case]
    if "plain" in blindness and " " in case:
        return False
    layer = as_at_the_start(layer) if "start" in blindness else layer
    tolerance = 1e-2 if "loose" in blindness else None
    report = check_gradients(layer, *inputs, intermediates=False, tolerance=tolerance, **forward_kwargs)
    rows = [row for row in report.rows if row.kind == "input" or "inputs" not in blindness]
    problems = [] if "once" in blindness or "inputs" in blindness else report.problems
    return bool(problems) or not all(row.ok for row in rows)


def is_caught(mutant_and_blindness):
    """Return whether the mutant is caught by such a check on any case; an exception is noticed by all."""
    mutant, blindness = mutant_and_blindness
    Subject.draw_upstream = draw_ones if "ones" in blindness else DRAW_UPSTREAM
    try:
        with mutants.planted(mutant), np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return any(sees(case, blindness) for case in mutant.cases)
    except Exception:
        return True
    finally:
        Subject.draw_upstream = DRAW_UPSTREAM


def main(arguments=None):
    """Run the script."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "--sample", type=int, default=300, metavar="N", help="how many mutants (default: 300)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the choice")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes (default: one a core)")
    options = parser.parse_args(arguments)
    with multiprocessing.Pool(options.jobs) as pool:
        chosen = mutants.sample(mutants.mutants(), options.sample, options.seed)
        chosen = [mutant for mutant, verdict in pool.imap(mutants.judge, chosen) if verdict == "number"]
        print(f"{len(chosen)} of {len(chosen)} mistakes are caught by the checks of tests/gradients")
        for names in [*([name] for name in BLINDNESS), list(BLINDNESS)]:
            tasks = [(mutant, names) for mutant in chosen]
            caught = sum(tqdm(pool.imap(is_caught, tasks), total=len(tasks), desc=names[0], disable=None))
            print(
                f"{caught:>4} ",
                BLINDNESS[names[0]] if len(names) == 1 else "all of these together",
                flush=True,
            )


if __name__ == "__main__":
    sys.exit(main())
