"""GloVe's objective and its weighting against the complex step; the tiles of the fast form against both."""

import numpy as np
import pytest

import minibert as mb
from minibert.word_vectors.glove import Trainer
from minibert.word_vectors.glove_counts import Cooccurrences
from minibert.word_vectors.glove_plain import GloVeObjective

V, D, K = 7, 3, 11
ROWS = np.array([0, 0, 1, 6, 3, 3, 5, 0, 2, 4, 6])     # words repeat, as rows and as columns, and so do pairs
COLUMNS = np.array([1, 2, 0, 6, 3, 5, 3, 1, 2, 2, 0])


def random(*shape):
    return np.random.default_rng([5, *shape]).standard_normal(shape)


def objective(x_max=10.0, alpha=0.75):
    context_vectors, context_bias = random(V, D + 1)[:, 1:].copy(), random(V + 1)[1:].copy()
    return GloVeObjective(random(V, D), context_vectors, random(V), context_bias, x_max, alpha)


COUNTS = {
    "below x_max": random(K) ** 2 + 0.1,
    "above x_max": random(K) ** 2 + 10.1,
    "both": np.linspace(0.3, 25.0, K),
    "one": np.ones(K),  # log 1 = 0
}


@pytest.mark.parametrize("counts", COUNTS)
@pytest.mark.parametrize("alpha", [0.75, 1.0, 0.4])
def test_gradients(counts, alpha):
    report = mb.check_gradients(objective(alpha=alpha), ROWS, COLUMNS, COUNTS[counts], intermediates=True)
    checked = {row.name for row in report.rows}
    assert {"counts", "word_vectors", "context_vectors", "word_bias", "context_bias"} <= checked
    assert report.ok and report.max_error <= 1e-12, report
    assert not report.problems


def test_central_differences_agree():
    assert mb.check_gradients(objective(), ROWS, COLUMNS, COUNTS["both"], method="central").ok


def test_no_entries():
    nothing = np.zeros(0, int)
    loss, cache = objective().forward(nothing, nothing, np.zeros(0))
    assert loss == 0
    assert objective().backward(1.0, cache)[2].shape == (0,)


@pytest.mark.parametrize("max_entries", [1, 5, 1000])
@pytest.mark.parametrize("strip", [1, 3, 64])
def test_tiles_have_the_gradients_of_the_plain_form(strip, max_entries):
    """Summed over all tiles in both roles, what `visit` steps along is the gradient of the whole matrix."""
    above = np.triu(np.random.default_rng(2).random((V, V)) < 0.6)
    rows, columns = np.nonzero(above)
    upper = Cooccurrences(rows.astype(np.int32), columns.astype(np.int32), np.linspace(0.3, 25.0, len(rows)))
    trainer = Trainer(upper, V, D, 10.0, 0.75, 0.05, 0, strip, max_entries)
    trainer.words.values[:, :-1] = random(V, D + 1)
    trainer.contexts.values[:, :-2], trainer.contexts.values[:, -1] = random(V, D), random(V)
    plain = trainer.plain_form()
    loss, cache = plain.forward(*upper.whole())
    plain.backward(1.0, cache)
    gradients = {id(table): np.zeros((V, D + 2)) for table in (trainer.words, trainer.contexts)}
    total = 0.0
    for tile in trainer.tiles:
        for row_table, column_table in (trainer.roles(0), trainer.roles(1)):
            words, contexts = row_table.values[tile.first:tile.last], column_table.values[tile.columns]
            tile_loss, pulls = trainer.pulls_of(tile, words, contexts)
            gradients[id(row_table)][tile.first:tile.last] += pulls @ contexts
            gradients[id(column_table)][tile.columns] += pulls.T @ words
            total += tile_loss
    d_words, d_contexts = gradients[id(trainer.words)], gradients[id(trainer.contexts)]
    assert total == pytest.approx(loss, rel=1e-5)
    assert trainer.objective() == pytest.approx(loss, rel=1e-5)
    np.testing.assert_allclose(d_words[:, :-2], plain.word_vectors.grad, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(d_contexts[:, :-2], plain.context_vectors.grad, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(d_words[:, -2], plain.word_bias.grad, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(d_contexts[:, -1], plain.context_bias.grad, rtol=1e-4, atol=1e-5)
