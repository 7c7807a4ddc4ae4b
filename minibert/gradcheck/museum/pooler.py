"""Mistakes of the pooler."""

import numpy as np

from minibert.gradcheck.cases.bert import config
from minibert.gradcheck.cases.common import H, T, random, scrambled
from minibert.gradcheck.museum.exhibit import Exhibit, Finding, changed
from minibert.models.bert import Pooler


@changed("forward", ours="first = x[:, 0]", theirs="first = x.mean(axis=1)")
@changed("backward", ours="d_x[:, 0] = d_first", theirs="d_x += d_first[:, np.newaxis] / cache.num_tokens")
class PooledFromAll(Pooler):
    """The next sentence is read from the mean of all tokens, and not from [CLS].

    How it looked. `x.mean(axis=1)` where the paper has x[:, 0].
    How it hides. From a gradient check, completely; and it trains.
    The cost. It is not BERT: padding is averaged in, so that an answer depends on how long the other
    sentences of its batch are; and the weights of a published checkpoint give other answers here than
    everywhere else.
    """


def influence_of_the_last_token(pooler):
    """The last token is changed: the pooled state is that of the first, and must not notice."""
    layer = scrambled(pooler(config(), np.random.default_rng(0)))
    x = random(1, T, H)
    other_x = x.copy()
    other_x[0, -1] += 1
    pooled, other = layer.forward(x)[0], layer.forward(other_x)[0]
    return Finding("how far the last token moves the pooled state", 0.0, float(np.abs(other - pooled).max()))


EXHIBITS = [
    Exhibit("pooled-from-all", Pooler, PooledFromAll, "Pooler", None, "", influence_of_the_last_token,
            seen=["https://github.com/Blaizzy/mlx-embeddings/pull/63"]),
]
