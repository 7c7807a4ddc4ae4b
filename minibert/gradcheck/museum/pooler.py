"""Mistakes of the pooler."""

import numpy as np

from minibert.gradcheck.cases.bert import config
from minibert.gradcheck.cases.common import H, T, random, scrambled
from minibert.gradcheck.museum.exhibit import Exhibit, Finding
from minibert.models.bert import Pooler, PoolerCache


class PooledFromAll(Pooler):
    """The next sentence is read from the mean of all tokens, and not from [CLS].

    How it looked. `x.mean(axis=1)` where the paper has x[:, 0].
    How it hides. From a gradient check, completely; and it trains.
    What it costs. It is not BERT: padding is averaged in, so that an answer depends on how long the other
    sentences of its batch are; and the weights of a published checkpoint give other answers here than
    everywhere else.
    """

    def forward(self, x):
        dense, dense_cache = self.dense.forward(x.mean(axis=1))
        pooled = np.tanh(dense)
        return pooled, PoolerCache(x.shape, dense_cache, pooled)

    def backward(self, d_pooled, cache):
        pooled = cache.pooled
        d_dense = d_pooled * (1 - pooled * pooled)
        d_mean = self.dense.backward(d_dense, cache.dense)
        d_x = np.repeat(d_mean[:, np.newaxis], cache.shape[1], axis=1) / cache.shape[1]
        return d_x


def influence_of_the_last_token(pooler):
    """The last token is changed: the pooled state is that of the first, and must not notice."""
    layer = scrambled(pooler(config(), np.random.default_rng(0)))
    x = random(1, T, H)
    other_x = x.copy()
    other_x[0, -1] += 1
    pooled, other = layer.forward(x)[0], layer.forward(other_x)[0]
    return Finding("how far the last token moves the pooled state", 0.0, float(np.abs(other - pooled).max()))


EXHIBITS = [
    Exhibit("pooled-from-all", Pooler, PooledFromAll, "Pooler", None, "", influence_of_the_last_token),
]
