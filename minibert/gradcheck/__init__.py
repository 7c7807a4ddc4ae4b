"""Is this gradient right, and if not, where is the mistake?

    report = check_gradients(layer, x)      # a layer, a model, or a pair of functions (forward, backward)
    print(report)                           # a table: one row for each input and each parameter
    report.verdict                          # "right", "wrong" or "undecided"; report.ok: it is right
    report.max_error, report.rows, report.first_wrong, report.diagnosis

    check_gradients(layer, x, intermediates=True)    # and every named step of the backward pass: d_scores …
    assert_gradients(layer, x)              # in a test: an AssertionError with the report as its text
    check_directions(model, input_ids, labels=…)     # a model of any size, all gradients at once

The idea. A backward pass claims to know d objective / d x for every entry x of every input and parameter.
Take the forward pass alone, move one entry a little, and see how the objective changes. The objective is
Σ d_y · y with a random upstream gradient d_y, so that backward(d_y, cache) must give exactly the
measured slopes.

    complex step          f'(x) = Im f(x + i·h) / h            h = 1e-30
    central differences   f'(x) = (f(x + h) - f(x - h)) / 2h   for several h, extrapolated to h = 0

The Taylor series f(x + i·h) = f(x) + i·h·f'(x) - h²·f''(x)/2 - … says why the complex step is exact: its
imaginary part is h·f'(x) up to h³, which is 1e-90, and nothing is subtracted, so no digit is lost. Central
differences subtract two numbers that are nearly equal and are left with about ten digits; they decide where
the forward pass is not made for complex numbers.

Sources: W. Squire, G. Trapp, "Using complex variables to estimate derivatives of real functions", SIAM
Review 40, 1998; J. Martins, P. Sturdza, J. Alonso, "The complex-step derivative
approximation", ACM TOMS 29, 2003.

The files, in reading order: check.py is the idea and the loop; reference.py measures a slope, and knows its
error; judge.py says right, wrong or undecided; subject.py calls the layer, discovery.py finds its weights,
memory.py puts it back; report.py prints; conduct.py holds the rules for layers; explain.py finds the first
wrong step, intermediates.py the named steps, diagnosis.py the likely mistake, known_layers.py
the same for layers that everybody writes, with the values in evidence.py; directions.py
checks a whole model at once; step_size.py shows why the complex step wins. Beside them, and loaded only when
they are needed: cases/ lists every layer and model of minibert in all its modes, museum/ holds mistakes of
published code.
"""

from minibert.gradcheck.check import assert_gradients, check_gradients
from minibert.gradcheck.diagnosis import Diagnosis, diagnose
from minibert.gradcheck.directions import check_directions
from minibert.gradcheck.errors import GradientCheckError
from minibert.gradcheck.report import DirectionReport, GradientReport, Row

__all__ = [
    "Diagnosis",
    "DirectionReport",
    "GradientCheckError",
    "GradientReport",
    "Row",
    "assert_gradients",
    "check_directions",
    "check_gradients",
    "diagnose",
]
