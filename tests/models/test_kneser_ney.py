"""Kneser–Ney: sums to one, equals the definition in plain loops, and learns."""

import collections

import numpy as np
import pytest

from minibert.models.kneser_ney import KneserNey

V = 7
RNG = np.random.default_rng(3)
TEXTS = [np.array(row) for row in ([2, 3, 3, 4, 5, 3, 3, 4, 1], [2, 3, 4, 5, 3, 3], [2, 6], [2, 3, 3, 4, 4])]
TEXTS += [RNG.choice(V, 40, p=[0.02, 0.3, 0.2, 0.2, 0.2, 0.05, 0.03]) for _ in range(5)]


def by_definition(texts, order, context, word):
    """P(word | context), from dictionaries; START pads the front of a text."""
    grams = [collections.Counter() for _ in range(order)]  # by length of the context
    for text in texts:
        padded = ["START"] * (order - 1) + list(text)
        for place in range(order, len(padded)):
            grams[-1][tuple(padded[place - order + 1:place]), padded[place]] += 1
    for length in reversed(range(order - 1)):
        for longer, after in grams[length + 1]:
            grams[length][longer[1:], after] += 1  # one for each different token before
    padded = ["START"] * (order - 1) + list(context)
    prob = 1 / V
    for length in range(order):
        here = tuple(padded[len(padded) - length:])
        counts = grams[length]
        after = {w: count for (c, w), count in counts.items() if c == here}
        if not after:
            continue
        n = [sum(count == k for count in counts.values()) for k in range(5)]
        y = n[1] / (n[1] + 2 * n[2]) if n[1] else 0.5

        def discount(count):
            k = min(count, 3)
            found = k - (k + 1) * y * n[k + 1] / n[k] if n[k] else -1
            return found if 0 <= found <= k else y

        total, freed = sum(after.values()), sum(map(discount, after.values()))
        own = after[word] - discount(after[word]) if word in after else 0
        prob = (own + freed * prob) / total
    return prob


CONTEXTS = [[2], [2, 3], [2, 3, 3], [2, 3, 3, 4], [5, 6, 6], [6, 6, 0, 1, 3], [2, 0, 3, 3, 4]]


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_it_is_the_definition_and_sums_to_one(order):
    model = KneserNey(TEXTS, V, order)
    for context in CONTEXTS:
        probs = model.probs(context)
        assert probs.sum() == pytest.approx(1, abs=1e-12) and probs.min() > 0
        expected = [by_definition(TEXTS, order, context, word) for word in range(V)]
        np.testing.assert_allclose(probs, expected, rtol=1e-12)


def test_log_probs_of_texts_are_those_of_their_tokens():
    model = KneserNey(TEXTS, V, 3)
    expected = [np.log(model.probs(text[:k])[text[k]]) for text in TEXTS[:3] for k in range(1, len(text))]
    np.testing.assert_allclose(model.log_probs(TEXTS[:3]), expected, rtol=1e-12)


def test_a_longer_context_explains_more():
    text = np.tile([1, 2, 3, 1, 2, 4], 50)
    losses = [-KneserNey([text], V, order).log_probs([text]).mean() for order in (1, 2, 4, 5)]
    assert losses == sorted(losses, reverse=True) and losses[0] > 1.2 and losses[-1] < 0.03


@pytest.mark.parametrize("texts, order, message", [
    (TEXTS, 0, "order 0 must be 1 or more"), ([np.array([2])], 3, "a text of two tokens or more"),
])
def test_wrong_input(texts, order, message):
    with pytest.raises(ValueError, match=message):
        KneserNey(texts, V, order)
