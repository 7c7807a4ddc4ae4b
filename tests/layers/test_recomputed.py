"""A layer that computes its record again: the same bits, with dropout on, for less memory."""

import copy

import numpy as np
import pytest
from helpers import ATTENTION_MASK, INPUT_IDS, KEY_MASK, A, B, F, H, T, V, grads, random, scrambled

import minibert as mb
from minibert.layers.recomputed import recompute_layers
from minibert.layers.walk import num_bytes, walk

LABELS = np.where(ATTENTION_MASK == 1, INPUT_IDS, -100)


@pytest.mark.parametrize("seed", [None, 5])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_same_bits(dtype, seed):
    plain = scrambled(mb.EncoderLayer(H, A, F, dropout_prob=0.3, attention_dropout_prob=0.2, dtype=dtype))
    again = mb.RecomputedEncoderLayer(copy.deepcopy(plain))
    x, d_y = random(B, T, H).astype(dtype), random(B, T, H, seed=2).astype(dtype)
    results = []
    for layer in (plain, again):
        rng = None if seed is None else np.random.default_rng(seed)
        y, cache = layer.forward(x, KEY_MASK, rng)
        next_draw = None if rng is None else rng.random()
        d_x = layer.backward(d_y, cache)
        if rng is not None:
            assert rng.random() != next_draw  # backward draws from a copy
        results.append((y, d_x, next_draw, grads(layer)))
    one, other = results
    assert np.array_equal(one[0], other[0]) and np.array_equal(one[1], other[1]) and one[2] == other[2]
    assert one[3].keys() == other[3].keys()
    for name in one[3]:
        np.testing.assert_array_equal(one[3][name], other[3][name], err_msg=name)


def test_a_bert_of_recomputed_layers():
    """Names, losses and gradients are the model's; the record is a fraction of its own."""
    config = mb.BertConfig(V, H, 3, A, F, hidden_dropout_prob=0.3)
    plain = scrambled(mb.BertForPreTraining(config, dtype=np.float64))
    again = copy.deepcopy(plain)
    again.bert.encoder = [mb.RecomputedEncoderLayer(layer) for layer in again.bert.encoder]
    losses, sizes = [], []
    for model in (plain, again):
        output, cache = model.forward(INPUT_IDS, labels=LABELS, rng=np.random.default_rng(7))
        model.backward(cache)
        losses.append(output.loss)
        sizes.append(num_bytes(cache.bert.encoder))
    assert losses[0] == losses[1] and list(grads(plain)) == list(grads(again))
    for name, gradient in grads(plain).items():
        np.testing.assert_array_equal(gradient, grads(again)[name], err_msg=name)
    assert sizes[1] == 3 * B * T * H * 8 and sizes[0] > 10 * sizes[1]


def albert():
    return mb.AlbertForPreTraining(mb.AlbertConfig(V, H, 3, A, F, hidden_dropout_prob=0.3))


def electra():
    small, full = (mb.ElectraConfig(V, *sizes, embedding_size=5) for sizes in ((4, 3, 1, F), (H, 3, A, F)))
    return mb.ElectraPair(mb.ElectraForMaskedLM(small), mb.ElectraForPreTraining(full))


@pytest.mark.parametrize("make, num_layers", [(albert, 1), (electra, 6)])
def test_all_layers_of_a_model(make, num_layers):
    plain = make()
    again = copy.deepcopy(plain)
    recompute_layers(again)
    kinds = [type(layer) for _, layer in walk(again, lambda item: isinstance(item, mb.EncoderLayer))]
    assert kinds == num_layers * [mb.RecomputedEncoderLayer]
    losses = []
    for model in (plain, again):
        output, cache = model.forward(INPUT_IDS, labels=LABELS, rng=np.random.default_rng(7))
        model.backward(cache)
        losses.append(output.loss)
    assert losses[0] == losses[1] and list(grads(plain)) == list(grads(again))
    for name, gradient in grads(plain).items():
        np.testing.assert_array_equal(gradient, grads(again)[name], err_msg=name)


def test_a_gpt_cannot_recompute():
    """Its state is in the record; and the block of GPT-2 has another order."""
    sizes = {"hidden_size": H, "num_hidden_layers": 1, "num_attention_heads": A}
    model = mb.OpenAIGPTLMHeadModel(mb.OpenAIGPTConfig(V, **sizes))
    model.blocks = [mb.RecomputedEncoderLayer(block) for block in model.blocks]
    with pytest.raises(ValueError, match="a recomputed layer passes no state on, as a GPT needs"):
        model.forward(INPUT_IDS)
    with pytest.raises(ValueError, match="layer must be an EncoderLayer, got GPT2Block"):
        mb.RecomputedEncoderLayer(mb.GPT2LMHeadModel(mb.GPT2Config(V, **sizes)).blocks[0])
