"""Mistakes of the encoder layer and of its feed-forward part."""

import numpy as np

from minibert.gradcheck.museum.exhibit import Exhibit, changed
from minibert.layers import EncoderLayer, FeedForward


@changed(
    "backward",
    ours="d_attended = d_output_sum + share_of_feed_forward",
    theirs="d_attended = d_y + share_of_feed_forward",
)
class SkipAroundNorm(EncoderLayer):
    """The skip path and the norm are confused: the skip path's gradient is taken at the wrong side of the
    norm.

    How it looked. The published block had the norm on the branch, y = x + f(LayerNorm(x)), and sent the
    gradient of the skip path through the norm's backward too, which it never met. Ours has the norm after the
    sum, LayerNorm(x + f(x)), so that the skip path does meet it; here the same confusion, seen in a mirror,
    leaves the norm out: d_y for d_output_sum.
    How it hides. Attention, feed-forward and norm, each checked by itself, are right.
    The cost. Everything below learns from a gradient that does not belong to the loss.
    """


@changed(
    "backward",
    ours="d_attended = d_output_sum + share_of_feed_forward",
    theirs="d_attended = 1 + share_of_feed_forward",
)
class ResidualPlusOne(EncoderLayer):
    """The derivative of x + f(x) is coded as f'(x) d + 1, where f'(x) d + d is right.

    How it looked. On paper the derivative of x + f(x) is 1 + f'(x), and so 1 is added. But backward
    multiplies everything by the upstream gradient d, that 1 too.
    How it hides. Behind y.sum() the upstream gradient is 1 everywhere, and then the two are the same. A check
    with an upstream gradient of ones sees nothing; one with a random upstream gradient sees it at once.
    The cost. Every layer sends down ones that have nothing to do with the loss, larger than the gradient
    itself. The MLM head, above all that, still learns.
    """


class WeightsInForward(FeedForward):
    """The layers are built inside forward, so that their weights are random at every call.

    How it looked. `Linear(...)` is called in forward and not in __init__. The code runs, the shapes are
    right.
    How it hides. The rest of the model learns around the noise, and the loss falls.
    The cost. Nobody uses the weights that the optimizer moves, and no saved model gives the same answer
    twice. A check calls forward twice with the same input, gets two answers, and says so before it measures
    anything.
    """

    def forward(self, x):
        fresh = FeedForward(*self.intermediate.weight.value.shape, rng=np.random.default_rng())
        fresh.activation = self.activation
        return fresh.forward(x)


BLOCK, INNER = "EncoderLayer", "FeedForward"  # their cases

EXHIBITS = [
    Exhibit("skip-around-norm", EncoderLayer, SkipAroundNorm, BLOCK, "d_attended", "term exchanged",
            seen=["https://github.com/Dao-AILab/quack/pull/53"]),
    Exhibit("residual-plus-one", EncoderLayer, ResidualPlusOne, BLOCK, "d_attended", "number for gradient",
            seen=["https://github.com/pytorch/pytorch/issues/995 (of a product)"]),
    Exhibit("weights-in-forward", FeedForward, WeightsInForward, INNER, None, "forward is not deterministic",
            seen=["https://github.com/wangyida/softpool/issues/11"]),
]
