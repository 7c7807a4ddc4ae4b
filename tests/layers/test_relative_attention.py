"""Relative attention: the shift beside a table of distances, all beside plain loops, masks that exclude."""

import math

import numpy as np
import pytest
from helpers import A, B, D, H, T, random, scrambled

from minibert.layers import HeadProjection, RelativeAttention, RelativeShift
from minibert.layers.relative_attention import Sight, distance_waves, windows

M, S = 8, 9  # rows that ask beside the tokens, tokens in a state
R, K, P = T + M, S + T, S + 2 * T - 1
OTHER_PLACES = np.random.default_rng(3).integers(T, size=(B, M))
PLACES = np.hstack([np.tile(np.arange(T), (B, 1)), OTHER_PLACES])  # (B, R)


@pytest.fixture
def layer():
    return scrambled(RelativeAttention(H, A, dtype=np.float64))


def test_waves_of_all_distances():
    waves = distance_waves(T, K, H, np.float64)
    assert waves.shape == (P, H)
    for row, distance in enumerate(range(K - 1, -T, -1)):
        angles = [distance / 10000 ** (2 * i / H) for i in range(H // 2)]
        expected = [math.sin(angle) for angle in angles] + [math.cos(angle) for angle in angles]
        np.testing.assert_allclose(waves[row], expected, rtol=0, atol=1e-14)


def test_the_shift_is_a_look_up_in_a_table_of_distances():
    """Column m of x holds the score for distance K − 1 − m; a key j is at distance (K − T + t) − j."""
    x = random(B, A, R, P)
    y, _ = RelativeShift().forward(x, PLACES, K)
    for b, r, j in np.ndindex(B, R, K):
        distance = S + PLACES[b, r] - j
        assert (y[b, :, r, j] == x[b, :, r, K - 1 - distance]).all()


def test_windows_copy_nothing():
    x = random(B, A, R, P)
    view = windows(x, K)
    assert view.shape == (B, A, R, T, K) and np.shares_memory(view, x) and view.base is not None


def test_the_shift_sends_each_gradient_back_to_where_it_came_from():
    layer, d_y = RelativeShift(), random(B, A, R, K)
    _, cache = layer.forward(random(B, A, R, P), PLACES, K)
    d_x, _ = layer.backward(d_y, cache)
    assert np.count_nonzero(d_x) == d_y.size and math.isclose(d_x.sum(), d_y.sum(), rel_tol=1e-12)
    assert np.array_equal(layer.forward(d_x, PLACES, K)[0], d_y)


def test_attention_in_plain_loops(layer):
    x, content, past = random(B, R, H), random(B, T, H, seed=2), random(B, S, H, seed=3)
    may_look = np.random.default_rng(0).random((B, 1, R, K)) < 0.4
    may_look[1, 0, 3] = False  # this row sees nothing
    is_other = np.random.default_rng(1).random((B, 1, R, K)) < 0.5
    waves = distance_waves(T, K, H, np.float64)
    output, cache = layer.forward(x, content, waves, Sight(PLACES, may_look, is_other), past)
    values = {name: parameter.value for name, parameter in layer.parameters().items()}
    attended, expected = np.concatenate([past, content], axis=1), np.zeros((B, R, H))
    for b, k, r in np.ndindex(B, A, R):
        query, exponentials = x[b, r] @ values["query.weight"][:, k], {}
        for j in np.flatnonzero(may_look[b, 0, r]):
            key = attended[b, j] @ values["key.weight"][:, k]
            distance = S + PLACES[b, r] - j
            position = waves[K - 1 - distance] @ values["position.key.weight"][:, k]
            segment = values["segment.embedding"][int(is_other[b, 0, r, j]), k]
            score = (query + values["content_bias"][k]) @ key
            score += (query + values["position.bias"][k]) @ position
            score += (query + values["segment.bias"][k]) @ segment
            exponentials[j] = math.exp(score / math.sqrt(D))
        weighted = np.zeros(D)
        for j, exponential in exponentials.items():
            weight = exponential / sum(exponentials.values())
            weighted += weight * (attended[b, j] @ values["value.weight"][:, k])
        expected[b, r] += values["output.weight"][:, k] @ weighted
    np.testing.assert_allclose(output, expected, rtol=0, atol=1e-12)
    assert not output[1, 3].any() and not cache.probs[1, :, 3].any()


def test_a_row_that_sees_nothing_gives_no_gradient(layer):
    may_look = np.ones((B, 1, R, K), bool)
    may_look[:, :, 4] = False
    waves = distance_waves(T, K, H, np.float64)
    sight, past = Sight(PLACES, may_look), random(B, S, H, seed=3)
    _, cache = layer.forward(random(B, R, H), random(B, T, H, seed=2), waves, sight, past)
    d_output = np.zeros((B, R, H))
    d_output[:, 4] = random(B, H)
    found = layer.backward(d_output, cache)[:3]
    assert not any(array.any() for array in found)
    assert not any(parameter.grad.any() for parameter in layer.parameters().values())


def test_one_segment_is_no_segment(layer):
    """A score that all keys of a query get changes no probability, and so has no gradient."""
    x, waves = random(B, T, H), distance_waves(T, T, H, np.float64)
    places = np.arange(T)[np.newaxis]
    without, _ = layer.forward(x, x, waves, Sight(places))
    same, cache = layer.forward(x, x, waves, Sight(places, None, np.zeros((B, 1, T, T), bool)))
    np.testing.assert_allclose(same, without, rtol=0, atol=1e-12)
    layer.backward(random(B, T, H, seed=5), cache)
    assert np.abs(layer.segment.embedding.grad).max() < 1e-13 < np.abs(layer.content_bias.grad).max()


def test_only_distances_count(layer):
    """The same keys and queries, three places further on: nothing changes."""
    x, content = random(B, 2, H), random(B, T, H, seed=2)
    waves = distance_waves(T, T, H, np.float64)
    may_look = np.zeros((B, 1, 2, T), bool)
    may_look[..., :2] = True
    first, _ = layer.forward(x, content, waves, Sight(np.array([[0, 1]]), may_look))
    moved = np.roll(content, 3, axis=1)
    second, _ = layer.forward(x, moved, waves, Sight(np.array([[3, 4]]), np.roll(may_look, 3, axis=-1)))
    np.testing.assert_allclose(first, second, rtol=0, atol=1e-13)


def test_wrong_sizes():
    with pytest.raises(ValueError, match="hidden_size 6 is not divisible by num_attention_heads 4"):
        RelativeAttention(6, 4)
    with pytest.raises(ValueError, match=r"a last axis of 6, got x of shape \(4, 5, 7\)"):
        HeadProjection(H, A).forward(random(B, T, H + 1))
    with pytest.raises(ValueError, match="places must be from 0 to 4, .* got 0 to 5"):
        RelativeShift().forward(random(B, A, R, P), PLACES + (PLACES == 4), K)
