"""Random initial weights."""

import numpy as np


def truncated_normal(rng, shape, standard_deviation, dtype=np.float32):
    """Normal values redrawn until they lie within two standard deviations, as BERT's weights are initialised.

    (Devlin et al. 2018, reference code: `tf.truncated_normal_initializer(stddev=0.02)`.) The cut lowers the
    standard deviation of the values to 0.88 of `standard_deviation`.
    """
    values = rng.standard_normal(shape, np.float32)
    outside = np.abs(values) > 2
    while outside.any():
        values[outside] = rng.standard_normal(np.count_nonzero(outside), np.float32)
        outside = np.abs(values) > 2
    return (standard_deviation * values).astype(dtype)


def uniform(rng, shape, bound, dtype=np.float32):
    """Values uniform in ±bound, as PyTorch initialises its recurrent layers, with bound = 1/√H."""
    return rng.uniform(-bound, bound, shape).astype(dtype)
