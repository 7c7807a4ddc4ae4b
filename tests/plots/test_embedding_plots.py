"""Points of a plane are the vectors' principal components, and a table of positions shows their cosines."""

import numpy as np
import pytest
from drawn import legend

from minibert import plots


def test_pca_finds_the_directions_of_most_variance():
    rng = np.random.default_rng(0)
    rotation, _ = np.linalg.qr(rng.standard_normal((5, 5)))
    vectors = rng.standard_normal((400, 5)) * [10, 5, 1, 0.5, 0.1] @ rotation.T + 3
    coordinates, fractions = plots.pca(vectors)
    values, directions = np.linalg.eigh(np.cov(vectors.T))  # another way: the eigenvectors of the covariance
    np.testing.assert_allclose(fractions, values[::-1][:2] / values.sum(), rtol=1e-12)
    expected = (vectors - vectors.mean(axis=0)) @ directions[:, ::-1][:, :2]
    np.testing.assert_allclose(np.abs(coordinates), np.abs(expected), rtol=1e-9, atol=1e-9)
    reversed_coordinates, _ = plots.pca(vectors[::-1])
    np.testing.assert_allclose(reversed_coordinates[::-1], coordinates, atol=1e-9)  # nor does the sign change
    assert np.isfinite(plots.pca(np.ones((3, 4)))[1]).all()
    with pytest.raises(ValueError, match="as many vectors"):
        plots.pca(np.ones((1, 4)))


def test_embedding_map():
    words, groups = ["dog", "cat", "ran", "tree"], ["animal", "animal", "verb", "plant"]
    vectors = np.random.default_rng(0).standard_normal((4, 8))
    axes = plots.embedding_map(vectors, words, groups)
    coordinates, fractions = plots.pca(vectors)
    assert axes.get_xlabel() == f"first principal component ({100 * fractions[0]:.0f} % of the variance)"
    assert axes.get_ylabel() == f"second principal component ({100 * fractions[1]:.0f} % of the variance)"
    written = {text.get_text(): tuple(text.xy) for text in axes.texts}
    assert written == {word: tuple(point) for word, point in zip(words, coordinates)}
    assert legend(axes) == ["animal", "verb", "plant"]
    np.testing.assert_array_equal(axes.collections[0].get_offsets(), coordinates[:2])
    assert plots.embedding_map(vectors, words).get_legend() is None  # no groups


@pytest.mark.parametrize("words, groups", [(["dog"], None), (["dog", "cat"], ["animal"])])
def test_every_vector_needs_a_word_and_a_group(words, groups):
    with pytest.raises(ValueError, match="got 2 vectors"):
        plots.embedding_map(np.eye(2), words, groups)


def test_position_similarity(tiny):
    table = tiny.model.bert.embeddings.position.weight.value
    axes = plots.position_similarity(table)
    cosines = np.asarray(axes.get_images()[0].get_array())
    assert cosines.shape == (17, 17)
    np.testing.assert_allclose(np.diag(cosines), 1, rtol=1e-12)
    expected = table[3] @ table[7] / np.linalg.norm(table[3]) / np.linalg.norm(table[7])
    assert cosines[3, 7] == cosines[7, 3] == pytest.approx(expected)
    assert axes.get_xlabel() == axes.get_ylabel() == "position"
    assert axes.figure.axes[1].get_ylabel() == "cosine of the two embeddings"
    assert axes.get_images()[0].get_clim() == (-1, 1)
