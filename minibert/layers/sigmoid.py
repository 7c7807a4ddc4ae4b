"""The logistic sigmoid."""

import numpy as np


def sigmoid(x):
    """σ(x) = 1/(1 + exp(−x)), computed as ½ (1 + tanh(x/2)): the same function, and exp cannot overflow.

    Its derivative is σ (1 − σ).
    """
    return 0.5 * (1 + np.tanh(0.5 * x))
