"""The pictures of lesson 04 show what they are given."""

import numpy as np

from minibert.plots import transfer


def test_what_learns_is_orange_and_what_is_kept_is_not():
    elmo, ulmfit = transfer.two_ways()
    said = [text.get_text() for text in elmo.texts if text.get_text()]         # not the arrows
    colours = [patch.get_edgecolor() for patch in elmo.patches]
    orange = colours[said.index("mix of layers")]
    assert [text for text, colour in zip(said, colours) if colour == orange] == [
        "mix of layers", "model of\nthe task"]
    assert [text.get_text() for text in ulmfit.texts if "stage" in text.get_text()] == [
        "stage 1", "stage 2", "stage 3"]


def test_a_word_with_one_vector_is_one_point():
    vectors = np.random.default_rng(0).standard_normal((6, 4))
    labels, names = np.array([2, 0, 2, 0, 0, 2]), {0: "garden", 2: "money"}
    first, second = transfer.meanings({"layer 0": np.ones((6, 4)), "layer 1": vectors}, labels, names)
    points = [dots.get_offsets() for dots in first.collections]
    assert [len(part) for part in points] == [3, 3] and np.ptp(np.concatenate(points), axis=0).max() < 1e-9
    centred = vectors - vectors.mean(axis=0)
    plane = np.concatenate([dots.get_offsets() for dots in second.collections])
    kept = np.linalg.svd(centred, compute_uv=False)[:2] ** 2
    np.testing.assert_allclose((plane**2).sum(), kept.sum())
