"""Multi-head attention against a loop over batch, head and query in plain Python."""

import math

import numpy as np
import pytest
from helpers import KEY_MASK, A, B, D, H, S, T, dropped, random, scrambled

from minibert.layers import MultiHeadAttention


def scrambled_attention(num_heads=A, dropout_prob=0.0):
    return scrambled(MultiHeadAttention(H, num_heads, dropout_prob=dropout_prob, dtype=np.float64))


def project(linear, row):
    """row W + b of one token, as a list."""
    weight, bias = linear.weight.value.tolist(), linear.bias.value.tolist()
    return [bias[o] + sum(row[i] * weight[i][o] for i in range(len(row))) for o in range(len(bias))]


def attention_by_loops(layer, query_input, key_value_input, may_look):
    """The formula for one batch, head and query at a time; query t sees key s if may_look(b, a, t, s)."""
    num_heads, size = layer.num_heads, query_input.shape[-1] // layer.num_heads
    output = np.zeros(query_input.shape)
    all_probs = np.zeros((len(query_input), num_heads, query_input.shape[1], key_value_input.shape[1]))
    for b in range(len(query_input)):
        queries = [project(layer.query, row) for row in query_input[b].tolist()]
        keys = [project(layer.key, row) for row in key_value_input[b].tolist()]
        values = [project(layer.value, row) for row in key_value_input[b].tolist()]
        for t in range(len(queries)):
            context = [0.0] * query_input.shape[-1]
            for a in range(num_heads):
                columns = range(a * size, (a + 1) * size)  # head a: a contiguous block of columns
                weights = []
                for s in range(len(keys)):
                    score = sum(queries[t][c] * keys[s][c] for c in columns) / math.sqrt(size)
                    weights.append(math.exp(score) if may_look(b, a, t, s) else 0.0)
                for s in range(len(keys)):
                    all_probs[b, a, t, s] = weights[s] / sum(weights)
                    for c in columns:
                        context[c] += all_probs[b, a, t, s] * values[s][c]
            output[b, t] = project(layer.output, context)
    return output, all_probs


def everywhere(b, a, t, s):
    return True


@pytest.mark.parametrize("num_heads", [1, 2, 3, 6])
def test_self_attention_equals_loops(num_heads):
    layer, x = scrambled_attention(num_heads), random(B, T, H)
    output, cache = layer.forward(x)
    expected, probs = attention_by_loops(layer, x, x, everywhere)
    np.testing.assert_allclose(output, expected, atol=1e-12)
    np.testing.assert_allclose(cache.probs, probs, atol=1e-13)


def test_cross_attention_equals_loops():
    layer, x, attended = scrambled_attention(), random(B, T, H), random(B, S, H)
    output, cache = layer.forward(x, attended)
    expected, probs = attention_by_loops(layer, x, attended, everywhere)
    np.testing.assert_allclose(output, expected, atol=1e-12)
    np.testing.assert_allclose(cache.probs, probs, atol=1e-13)


@pytest.mark.parametrize("shape", [(B, 1, 1, S), (1, A, 1, S), (1, 1, T, S), (B, A, T, S), (T, S)])
def test_masks_of_every_shape_equal_loops(shape):
    mask = np.random.default_rng(2).random(shape) < 0.6
    mask[..., 1] = True  # everyone may look somewhere
    whole = np.broadcast_to(mask, (B, A, T, S))
    layer, x, attended = scrambled_attention(), random(B, T, H), random(B, S, H)
    output, cache = layer.forward(x, attended, mask)
    expected, probs = attention_by_loops(layer, x, attended, lambda *place: whole[place])
    np.testing.assert_allclose(output, expected, atol=1e-12)
    np.testing.assert_allclose(cache.probs, probs, atol=1e-13)


def test_scores_are_divided_by_the_root_of_the_head_size():
    """One token looks at two keys, whose scores are √D and 0 before the division: a ratio of e after it."""
    layer = MultiHeadAttention(4, 1, dtype=np.float64)
    for linear in (layer.query, layer.key, layer.value, layer.output):
        linear.weight.value[...] = np.eye(4)
    _, cache = layer.forward(np.array([[[1.0, 1.0, 0, 0]]]), np.array([[[1.0, 1.0, 0, 0], [0, 0, 1.0, 1.0]]]))
    np.testing.assert_allclose(cache.probs[0, 0, 0], [math.e / (1 + math.e), 1 / (1 + math.e)], rtol=1e-14)


def test_heads_are_contiguous_blocks_of_columns():
    layer, x = scrambled_attention(), random(B, T, H)
    _, cache = layer.forward(x)
    for name in ("query", "key", "value"):
        linear = getattr(layer, name)
        rows = x @ linear.weight.value + linear.bias.value  # (B, T, H)
        heads = getattr(cache, f"{name}_heads")  # (B, A, T, D)
        assert heads.shape == (B, A, T, D)
        for a in range(A):
            np.testing.assert_allclose(heads[:, a], rows[:, :, a * D : (a + 1) * D], atol=1e-13)


def test_split_and_join_undo_each_other():
    layer, rows = scrambled_attention(), random(B, T, H)
    assert np.array_equal(layer._join_heads(layer._split_heads(rows)), rows)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_a_masked_key_has_probability_exactly_zero(dtype):
    layer, x = scrambled_attention().astype(dtype), random(B, T, H).astype(dtype)
    output, cache = layer.forward(x, mask=KEY_MASK)
    assert not cache.probs[1, :, :, 3:].any()
    assert (cache.probs[0].real > 0).all()
    np.testing.assert_allclose(cache.probs.sum(axis=-1), 1, rtol=1e-6)
    changed = x.copy()
    changed[1, 3:] += 50
    assert np.array_equal(output[1, :3], layer.forward(changed, mask=KEY_MASK)[0][1, :3])


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_a_query_that_may_look_nowhere_looks_everywhere_alike(dtype):
    mask = np.ones((B, 1, T, S), bool)
    mask[1, :, 2] = False
    layer = scrambled_attention().astype(dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        _, cache = layer.forward(random(B, T, H).astype(dtype), random(B, S, H).astype(dtype), mask)
    np.testing.assert_allclose(cache.probs[1, :, 2], 1 / S, rtol=1e-6)
    assert not np.allclose(cache.probs[1, :, 1], 1 / S, rtol=1e-2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_score_is_so_small_that_a_masked_one_beats_it(dtype):
    """Scores of about −1e6 where looking is allowed: a mask of −1e4 would choose the masked key."""
    layer = MultiHeadAttention(2, 1, dtype=dtype)
    for linear in (layer.query, layer.key):
        linear.weight.value[...] = np.eye(2)
    query_input = np.array([[[1e3, 0]]], dtype)
    key_value_input = np.array([[[-1e3, 0], [-1e3, 0], [1e3, 0]]], dtype)
    _, cache = layer.forward(query_input, key_value_input, np.array([True, True, False]))
    assert cache.probs.tolist() == [[[[0.5, 0.5, 0]]]]


def test_true_means_may_look():
    layer, x = scrambled_attention(), random(B, T, H)
    assert np.array_equal(layer.forward(x)[0], layer.forward(x, mask=np.ones((T, T), bool))[0])
    causal = layer.forward(x, mask=np.tril(np.ones((T, T), bool)))[1].probs
    assert not np.triu(causal, k=1).any()  # row = query, column = key
    assert (np.tril(causal)[..., np.arange(T), 0] > 0).all()


def test_a_masked_score_has_no_gradient():
    """Not even in a row that may look nowhere, where every probability is 1/T_key."""
    layer = scrambled_attention()
    _, cache = layer.forward(random(B, T, H), random(B, S, H), np.zeros((T, S), bool))
    d_query_input, _ = layer.backward(random(B, T, H, seed=2), cache)
    assert not d_query_input.any()
    assert not layer.query.weight.grad.any()
    assert not layer.key.weight.grad.any()
    assert layer.value.weight.grad.all()


def test_shapes():
    layer = scrambled_attention()
    output, cache = layer.forward(random(B, T, H), random(B, S, H))
    assert output.shape == (B, T, H)
    assert cache.query_heads.shape == (B, A, T, D)
    assert cache.key_heads.shape == cache.value_heads.shape == (B, A, S, D)
    assert cache.probs.shape == cache.dropped_probs.shape == (B, A, T, S)
    assert [d_input.shape for d_input in layer.backward(output, cache)] == [(B, T, H), (B, S, H)]
    output, cache = layer.forward(random(B, T, H))
    assert layer.backward(output, cache).shape == (B, T, H)


def test_self_attention_is_cross_attention_to_itself():
    layer, x, d_output = scrambled_attention(), random(B, T, H), random(B, T, H, seed=2)
    output, cache = layer.forward(x)
    output_of_two, cache_of_two = layer.forward(x, x)
    assert np.array_equal(output, output_of_two)
    d_query_input, d_key_value_input = layer.backward(d_output, cache_of_two)
    np.testing.assert_allclose(layer.backward(d_output, cache), d_query_input + d_key_value_input, atol=1e-14)


def test_order_of_the_keys_does_not_matter():
    layer, x, attended = scrambled_attention(), random(B, T, H), random(B, S, H)
    order = [2, 0, 3, 1, 6, 7, 5, 4]
    output, cache = layer.forward(x, attended)
    output_of_other_order, other_cache = layer.forward(x, attended[:, order])
    np.testing.assert_allclose(output, output_of_other_order, atol=1e-13)
    np.testing.assert_allclose(cache.probs[..., order], other_cache.probs, atol=1e-14)


def test_dropout_acts_on_the_probabilities():
    layer, x = scrambled_attention(dropout_prob=0.4), random(B, T, H)
    output, cache = layer.forward(x, rng=np.random.default_rng(5))
    expected = dropped(cache.probs, 0.4, np.random.default_rng(5))
    np.testing.assert_allclose(cache.dropped_probs, expected, atol=1e-14)
    assert np.array_equal(cache.probs, layer.forward(x)[1].probs)
    context = (cache.dropped_probs @ cache.value_heads).transpose(0, 2, 1, 3).reshape(B, T, H)
    expected = context @ layer.output.weight.value + layer.output.bias.value
    np.testing.assert_allclose(output, expected, atol=1e-13)


@pytest.mark.parametrize(("hidden_size", "num_heads"), [(130, 4), (6, 0), (6, -3), (6, 7)])
def test_heads_that_do_not_fit(hidden_size, num_heads):
    message = f"hidden_size {hidden_size} is not divisible by num_attention_heads {num_heads}"
    with pytest.raises(ValueError, match=message):
        MultiHeadAttention(hidden_size, num_heads)


def test_wrong_input_size():
    with pytest.raises(ValueError, match=r"last axis of 6 \(in_features\), got x of shape \(4, 5, 7\)"):
        scrambled_attention().forward(random(B, T, 7))


# --- keys and values of earlier tokens ---


def test_a_step_with_state_equals_the_full_pass():
    layer, x = scrambled_attention(), random(B, T, H)
    causal = np.tril(np.ones((T, T), bool))
    expected, _ = layer.forward(x, mask=causal)
    state, outputs = None, []
    for t in range(T):
        output, cache = layer.forward(x[:, t : t + 1], state=state)
        state = cache.key_heads, cache.value_heads
        outputs.append(output)
    np.testing.assert_allclose(np.concatenate(outputs, axis=1), expected, atol=1e-13)
    assert state[0].shape == (B, A, T, D)


def test_two_continuations_never_overwrite_each_other():
    layer, x = scrambled_attention(), random(B, T, H)
    _, cache = layer.forward(x[:, :3])
    state = cache.key_heads, cache.value_heads
    before = [array.copy() for array in state]
    first = layer.forward(x[:, 3:4], state=state)[0]
    layer.forward(x[:, 4:5], state=state)
    assert all(map(np.array_equal, state, before))
    assert np.array_equal(layer.forward(x[:, 3:4], state=state)[0], first)


def test_gradients_end_at_the_state():
    """The new tokens' share of the full pass: what came in as state is a constant."""
    layer, x, d_output = scrambled_attention(), random(B, T, H), random(B, 2, H, seed=2)
    _, cache = layer.forward(x[:, :3])
    state = cache.key_heads, cache.value_heads
    _, cache = layer.forward(x[:, 3:], state=state)
    assert layer.backward(d_output, cache).shape == (B, 2, H)
    layer.zero_grad()
    layer.backward(0 * d_output, cache)
    assert not any(parameter.grad.any() for parameter in layer.parameters().values())
