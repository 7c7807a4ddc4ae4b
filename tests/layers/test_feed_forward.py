"""FeedForward: two linear layers and an activation, written out."""

import numpy as np
import pytest
from helpers import B, F, H, T, random, scrambled

from minibert.layers import GELU, FeedForward, TanhGELU


@pytest.mark.parametrize("hidden_act, activation", [("gelu", GELU()), ("gelu_new", TanhGELU())])
def test_feed_forward_is_its_formula(hidden_act, activation):
    layer, x = scrambled(FeedForward(H, F, hidden_act=hidden_act, dtype=np.float64)), random(B, T, H)
    y, _ = layer.forward(x)
    intermediate = x @ layer.intermediate.weight.value + layer.intermediate.bias.value  # (B, T, F)
    expected = activation.forward(intermediate)[0] @ layer.output.weight.value + layer.output.bias.value
    np.testing.assert_allclose(y, expected, atol=1e-13)


def test_feed_forward_is_the_same_for_every_token():
    layer, x = scrambled(FeedForward(H, F, dtype=np.float64)), random(B, T, H)
    np.testing.assert_allclose(layer.forward(x)[0][1, 3], layer.forward(x[1, 3])[0], atol=1e-13)


def test_feed_forward_sizes():
    layer = FeedForward(H, F)
    assert layer.intermediate.weight.value.shape == (H, F)
    assert layer.output.weight.value.shape == (F, H)


def test_unknown_activation():
    with pytest.raises(ValueError, match="hidden_act .mish. is not supported: choose one of .*relu"):
        FeedForward(H, F, hidden_act="mish")
