"""Mistakes of LayerNorm."""

from minibert.gradcheck.museum.exhibit import Exhibit, changed
from minibert.layers import LayerNorm


@changed(
    "backward",
    ours="d_normalized = d_y * self.gamma.value",
    theirs="d_normalized = np.zeros_like(d_y)\nself.gamma.grad += (d_y * self.gamma.value).sum(axis=tokens)",
)
class WrongOperand(LayerNorm):
    """The gradient of one factor of a product is added to the other's: the layers below get exactly zero.

    How it looked. y = γ · x̂ has two factors: d_γ = d_y · x̂ and d_x̂ = d_y · γ. Both are added to γ, and x̂
    gets nothing.
    How it hides. Nothing stops and no loss is NaN: training "runs". The layers above the last norm still
    learn, and that is enough to learn how frequent each word is, the largest part of the first losses.
    The cost. Every gradient below is exactly 0: attention and feed-forward stay as they were drawn,
    however long it trains.
    """


@changed(
    "backward",
    ours="d_x = inverse_std * (d_normalized - along_ones - normalized * along_normalized)",
    theirs="normalized *= along_normalized\nd_x = inverse_std * (d_normalized - along_ones - normalized)",
)
class SpoiledCache(LayerNorm):
    """To save an array, backward works in the cache: a second backward finds other numbers there.

    How it looked. An in-place `*=` on an array of forward's record.
    How it hides. The first backward is right, to the last digit, and a training loop calls backward once.
    The cost. Whoever calls it twice on one record (two losses, one direction at a time, a look at the
    cache in the debugger) gets wrong numbers, and looks for the mistake in another place.
    """


CASE = "LayerNorm"

EXHIBITS = [
    Exhibit("wrong-operand", LayerNorm, WrongOperand, CASE, "d_normalized", "exactly zero"),
    Exhibit("spoiled-cache", LayerNorm, SpoiledCache, CASE, None, "backward changes the cache in place",
            seen=["https://github.com/linkedin/Liger-Kernel/issues/254"]),
]
