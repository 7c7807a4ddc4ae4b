"""Linear probes: the gradient is zero, no point is better, and some optima are known by hand."""

import numpy as np
import pytest
from helpers import INPUT_IDS, H, V, random, scrambled

import minibert
from minibert.layers import CrossEntropy, Linear
from minibert.models.bert import hidden_states
from minibert.training.probes import fit_probe, probe_layers

K, DECAY = 3, 1e-2
FEATURES = random(60, H) * [1.0, 30.0, 0.01, 1.0, 5.0, 2.0] + [0.0, 100.0, 0.0, -3.0, 0.0, 1.0]
LABELS = (FEATURES @ random(H, K, seed=4) + 40 * random(60, K, seed=5)).argmax(axis=1)


def standardized(features):
    return (features - features.mean(axis=0)) / features.std(axis=0)


def penalized(linear, features, labels, decay):
    """The loss, and its gradient by our layers' own backward passes, on standardized features."""
    linear.zero_grad()
    logits, linear_cache = linear.forward(features)
    loss, loss_cache = CrossEntropy().forward(logits, labels)
    d_logits, _ = CrossEntropy().backward(1.0, loss_cache)
    linear.backward(d_logits, linear_cache)
    weight = linear.weight.value
    return loss + decay / 2 * (weight * weight).sum(), linear.weight.grad + decay * weight, linear.bias.grad


def test_the_gradient_is_zero_and_no_other_point_is_better():
    probe = fit_probe(FEATURES, LABELS, K, weight_decay=DECAY)
    assert probe.largest_gradient <= 1e-8 and 1 < probe.num_steps < 20
    scale, mean = FEATURES.std(axis=0), FEATURES.mean(axis=0)
    linear = Linear(H, K, dtype=np.float64)  # the same one on the standardized features
    linear.weight.value[...] = probe.linear.weight.value * scale[:, np.newaxis]
    linear.bias.value[...] = probe.linear.bias.value + mean @ probe.linear.weight.value
    best, d_weight, d_bias = penalized(linear, standardized(FEATURES), LABELS, DECAY)
    assert max(np.abs(d_weight).max(), np.abs(d_bias).max()) <= 1.1e-8
    optimum = linear.weight.value.copy()
    for seed in range(20):
        linear.weight.value[...] = optimum + 1e-3 * random(H, K, seed=seed)
        assert penalized(linear, standardized(FEATURES), LABELS, DECAY)[0] > best


def test_without_information_the_probe_knows_how_frequent_the_labels_are():
    labels = np.array([0] * 5 + [1] * 3 + [2] * 2)
    probe = fit_probe(np.ones((10, 2)), labels, K)
    logits, _ = probe.linear.forward(np.ones((1, 2)))
    np.testing.assert_allclose(np.exp(logits[0] - logits[0].max()), [1.0, 0.6, 0.4], rtol=1e-6)
    assert probe.loss == pytest.approx(-(0.5 * np.log(0.5) + 0.3 * np.log(0.3) + 0.2 * np.log(0.2)))


def test_one_feature_by_hand():
    """x = ±1, and the label agrees with x in 4 of 5 cases: log 4 apart, as the penalty goes to 0."""
    x = np.array([1.0] * 5 + [-1.0] * 5)[:, np.newaxis]
    labels = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 1])
    weight = fit_probe(x, labels, 2, weight_decay=1e-9).linear.weight.value[0]
    assert weight[1] - weight[0] == pytest.approx(np.log(4), abs=1e-6)


def test_labels_that_can_be_told_apart_have_an_optimum_too():
    """Large features, no noise: plain Newton's method would run away."""
    probe = fit_probe(50 * FEATURES, (FEATURES[:, 1] > 100).astype(int), 2, weight_decay=1e-4)
    assert probe.largest_gradient <= 1e-8 and probe.loss < 0.01
    assert probe.accuracy(50 * FEATURES, (FEATURES[:, 1] > 100).astype(int)) == 1


def test_rows_without_a_label_do_not_count():
    labels = np.where(np.arange(60) % 4 == 0, -100, LABELS)
    kept = labels != -100
    shaped = fit_probe(FEATURES.reshape(6, 10, H), labels.reshape(6, 10), K)
    chosen = fit_probe(FEATURES[kept], labels[kept], K)
    np.testing.assert_array_equal(shaped.linear.weight.value, chosen.linear.weight.value)
    assert shaped.accuracy(FEATURES, labels) == chosen.accuracy(FEATURES[kept], labels[kept])


def test_a_probe_for_each_layer():
    """Whether a token is [CLS] is seen in the embeddings at once."""
    config = minibert.BertConfig(V, hidden_size=H, num_hidden_layers=2, intermediate_size=7)
    model = scrambled(minibert.BertModel(config, dtype=np.float64))
    output, cache = model.forward(INPUT_IDS)
    states = hidden_states(output, cache)
    assert len(states) == 3 and states[2] is output.last_hidden_state
    for layer, before, after in zip(model.encoder, states, states[1:]):
        np.testing.assert_array_equal(layer.forward(before)[0], after)
    labels = np.where(INPUT_IDS == 2, 1, 0)
    accuracies = probe_layers(states, labels, states, labels, 2, weight_decay=1e-5)
    assert len(accuracies) == 3 and accuracies[0] == 1


@pytest.mark.parametrize("changes, message", [
    ({"weight_decay": 0}, "weight_decay must be above 0, got 0"),
    ({"num_labels": 1}, "num_labels must be at least 2, got 1"),
    ({"num_labels": 2}, "label 2 is none of the 2 labels nor -100"),
    ({"labels": LABELS[:5]}, r"labels of shape \(5,\) do not fit features of shape \(60, 6\)"),
    ({"labels": LABELS * 1.0}, "labels must be integers, got float64"),
    ({"labels": np.full(60, -100)}, "no row has a label"),
    ({"features": FEATURES * [1, 1, np.nan, 1, 1, 1]}, "a feature is infinite or not a number"),
    ({"max_steps": 1}, "after 1 steps the gradient is .*, above 1.0e-08: allow more steps"),
])
def test_what_cannot_be_fitted(changes, message):
    with pytest.raises(ValueError, match=message):
        fit_probe(**{"features": FEATURES, "labels": LABELS, "num_labels": K} | changes)
