"""Mistakes of attention."""

import numpy as np

from minibert.gradcheck.cases.common import H, T, random, scrambled
from minibert.gradcheck.museum.exhibit import Exhibit, Finding, changed
from minibert.layers import MultiHeadAttention


@changed(
    "backward",
    ours="d_key_heads = (d_scores.swapaxes(-1, -2) @ query_heads) * scale",
    theirs="d_key_heads = (query_heads.swapaxes(-1, -2) @ d_scores).reshape(key_heads.shape) * scale",
)
class TransposedKey(MultiHeadAttention):
    """The key's gradient is Qᵀ dS, reshaped to fit, where dSᵀ Q is right.

    How it looked. scores = Q Kᵀ, so d_K = dSᵀ Q. Somebody wrote Qᵀ dS, which is its transpose, of shape
    (D, T). NumPy complains; a reshape silences it. But a reshape keeps the order of the numbers in memory,
    and a transpose does not.
    How it hides. 98 tests passed. Weights were as small as they are at the start, when nearly all of the
    gradient goes through the value and the key hardly counts; the tolerance was loose; only the gradient of
    the input was checked.
    The cost. The key gradient was off by 78 %: it learns which value to pass on, and hardly where to
    look (key).
    """


@changed(
    "backward",
    ours="d_weighted_value = self._split_heads(d_joined_value)",
    theirs="d_weighted_value = d_joined_value.reshape(query_heads.shape)",
)
class ReshapedHeads(MultiHeadAttention):
    """On the way back the heads are split by a reshape, without the transpose.

    How it looked. (B, T, H) is reshaped to (B, A, T, D) at once: the shape is right, so nothing complains.
    Right is to reshape it to (B, T, A, D) and then to exchange T and A.
    How it hides. With one head, or with one token, the two are the same.
    The cost. The gradient that reaches a head belongs to other tokens and other heads: all that lies
    below is wrong.
    """


class MixedHeads(MultiHeadAttention):
    """Heads are split and joined by a reshape alone, forward and backward.

    How it looked. As in reshaped-heads, but everywhere.
    How it hides. From a gradient check, completely: backward is the exact derivative of this forward.
    The cost. A head no longer holds some columns of every token, but all columns of some tokens, under
    the positions of others. So a mask covers the wrong ones, and padding leaks into the sentence. That a
    masked token changes nothing has to be tested by changing it.
    """

    def _split_heads(self, rows):
        batch_size, num_tokens, hidden_size = rows.shape
        head_size = hidden_size // self.num_heads
        return rows.reshape(batch_size, self.num_heads, num_tokens, head_size)

    def _join_heads(self, heads):
        batch_size, num_heads, num_tokens, head_size = heads.shape
        return heads.reshape(batch_size, num_tokens, num_heads * head_size)


def influence_of_a_masked_token(attention):
    """The last token, masked, is changed: the others must not notice."""
    layer = scrambled(attention(H, 2))
    mask = np.arange(T) < T - 1
    x = random(1, T, H)
    other_x = x.copy()
    other_x[0, -1] += 1
    outputs = [layer.forward(states, mask=mask)[0][0, :-1] for states in (x, other_x)]
    influence = float(np.abs(outputs[1] - outputs[0]).max())
    return Finding("how far a masked token moves the others", 0.0, influence)


CASE = "MultiHeadAttention"

EXHIBITS = [
    Exhibit("transposed-key", MultiHeadAttention, TransposedKey, CASE, "d_key_heads", "reshaped",
            seen=["https://github.com/huggingface/diffusers/pull/14341 (K and V, transposed twice)"]),
    Exhibit("reshaped-heads", MultiHeadAttention, ReshapedHeads, CASE, "d_weighted_value", "reshaped",
            seen=["https://github.com/jsbaan/transformer-from-scratch/pull/6 (heads joined, forward)"]),
    Exhibit("mixed-heads", MultiHeadAttention, MixedHeads, CASE, None, "", influence_of_a_masked_token,
            seen=["https://github.com/reczoo/FuxiCTR/issues/30"]),
]
