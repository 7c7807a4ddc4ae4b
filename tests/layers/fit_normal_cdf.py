"""Fit the coefficients of minibert/layers/normal.py; needs mpmath (pip install mpmath).

    python tests/layers/fit_normal_cdf.py    # prints both sets, their errors, and how far the stored ones are

Φ(x) = ½ + x P(x²)/Q(x²) with P/Q = erf(x/√2)/(2x): the rational functions of x² with the least largest
relative error. Each round solves a linear least-squares problem in 60 digits, P − f Q divided by f times the
last round's Q (Sanathanan & Koerner 1963), and multiplies each point's weight by its error, until all peaks
of the error are alike (Lawson 1961). The optimum is flat: other sets differ in the fourth digit and are as
good.
"""

import mpmath as mp

from minibert.layers.normal import NORMAL_CDF_FLOAT32, NORMAL_CDF_FLOAT64

DIGITS, ROUNDS = 60, 40


def fit(limit, degree, num_points):
    """Return (numerator, denominator, error), both with the lowest power first, the error relative."""
    half = mp.mpf(limit) / 2
    angles = [mp.pi * (k + mp.mpf(1) / 2) / num_points for k in range(num_points)]
    points = [half * (1 - mp.cos(angle)) for angle in angles]
    squares = [x * x for x in points]
    values = [mp.erf(x / mp.sqrt(2)) / (2 * x) for x in points]
    powers = [[z**k for k in range(degree + 1)] for z in squares]
    weights, denominators = [mp.mpf(1)] * num_points, [mp.mpf(1)] * num_points
    for _ in range(ROUNDS):
        matrix, right = mp.matrix(num_points, 2 * degree + 1), mp.matrix(num_points, 1)
        for i in range(num_points):
            scale = mp.sqrt(weights[i]) / (values[i] * denominators[i])
            for k in range(degree + 1):
                matrix[i, k] = scale * powers[i][k]
            for k in range(1, degree + 1):
                matrix[i, degree + k] = -scale * values[i] * powers[i][k]
            right[i] = scale * values[i]
        solution = mp.lu_solve(matrix.T * matrix, matrix.T * right)
        numerator = [solution[k] for k in range(degree + 1)]
        denominator = [mp.mpf(1)] + [solution[degree + k] for k in range(1, degree + 1)]
        denominators = [mp.fdot(denominator, row) for row in powers]
        errors = [
            abs(mp.fdot(numerator, row) / below / value - 1)
            for row, below, value in zip(powers, denominators, values)
        ]
        weights = [weight * error for weight, error in zip(weights, errors)]
        total = sum(weights)
        weights = [weight / total for weight in weights]
    return numerator, denominator, max(errors)


if __name__ == "__main__":
    mp.mp.dps = DIGITS
    for name, stored, num_points in (
        ("NORMAL_CDF_FLOAT32", NORMAL_CDF_FLOAT32, 90),
        ("NORMAL_CDF_FLOAT64", NORMAL_CDF_FLOAT64, 160),
    ):
        limit, *of_stored = stored
        *fitted, error = fit(limit, len(of_stored[0]) - 1, num_points)
        print(f"{name}: largest relative error {mp.nstr(error, 3)}, before rounding")
        for part, old in zip(fitted, of_stored):
            print("   ", ", ".join(repr(float(c)) for c in part))
            furthest = max(abs(float(c) / o - 1) for c, o in zip(part, old))
            print(f"    # furthest from the stored: {furthest:.1e}")
