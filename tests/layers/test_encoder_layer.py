"""EncoderLayer: what it is made of, written out."""

import numpy as np
import pytest
from helpers import KEY_MASK, A, B, F, H, T, dropped, random, scrambled

from minibert.layers import EncoderLayer, LayerNorm, TanhGELU


@pytest.mark.parametrize("mask", [None, KEY_MASK], ids=["no mask", "padding"])
@pytest.mark.parametrize("hidden_act", ["gelu", "gelu_new"])
def test_encoder_layer_is_its_formula(hidden_act, mask):
    layer = scrambled(EncoderLayer(H, A, F, hidden_act=hidden_act, layer_norm_eps=0.1, dtype=np.float64))
    x = random(B, T, H)
    y, _ = layer.forward(x, mask)
    attended = layer.attention_norm.forward(x + layer.attention.forward(x, mask=mask)[0])[0]
    expected = layer.output_norm.forward(attended + layer.feed_forward.forward(attended)[0])[0]
    np.testing.assert_allclose(y, expected, atol=1e-13)


def test_encoder_layer_with_dropout_is_its_formula():
    """Dropout on the probabilities, the attention's output and the feed-forward's output, in that order."""
    layer = scrambled(EncoderLayer(H, A, F, dropout_prob=0.3, attention_dropout_prob=0.2, dtype=np.float64))
    x, generator = random(B, T, H), np.random.default_rng(9)
    attention = layer.attention.forward(x, mask=KEY_MASK, rng=generator)[0]
    attended = layer.attention_norm.forward(x + dropped(attention, 0.3, generator))[0]
    feed_forward = dropped(layer.feed_forward.forward(attended)[0], 0.3, generator)
    expected = layer.output_norm.forward(attended + feed_forward)[0]
    y, cache = layer.forward(x, KEY_MASK, np.random.default_rng(9))
    np.testing.assert_allclose(y, expected, atol=1e-13)
    assert layer.attention.dropout.probability == 0.2
    assert (cache.attention.dropped_probs[:, :, :, 0] == 0).any()
    assert not np.allclose(y, layer.forward(x, KEY_MASK)[0])  # without a generator nothing is dropped


def test_encoder_layer_hands_its_arguments_on():
    layer = EncoderLayer(
        H, A, F, hidden_act="gelu_new", dropout_prob=0.1, attention_dropout_prob=0.2, layer_norm_eps=1e-5,
        rng=np.random.default_rng(3), initializer_range=0.5, dtype=np.float64,
    )
    assert isinstance(layer.feed_forward.activation, TanhGELU)
    assert layer.attention_dropout.probability == layer.output_dropout.probability == 0.1
    assert layer.attention.dropout.probability == 0.2
    assert layer.attention.num_heads == A
    for norm in (layer.attention_norm, layer.output_norm):
        assert isinstance(norm, LayerNorm) and norm.eps == 1e-5
    for name, parameter in layer.parameters().items():
        assert parameter.value.dtype == np.float64
        if name.endswith("weight"):
            # A normal distribution with standard deviation 0.5, cut at two of them.
            assert 0.2 < np.abs(parameter.value).max() <= 1.0001


def test_weights_of_one_layer_are_not_drawn_alike():
    layer = EncoderLayer(H, A, F)
    weights = [layer.attention.query, layer.attention.key, layer.attention.value, layer.attention.output]
    firsts = [weight.weight.value[0, 0] for weight in weights]
    assert len(set(firsts)) == len(firsts)
