"""The pictures of lessons 04 and 13 show what they are given."""

import numpy as np
from matplotlib.colors import to_hex

from minibert.plots import transfer
from minibert.plots.style import BLUE


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


def test_what_is_kept_is_blue_in_each_of_the_four_ways():
    axes = transfer.four_ways()
    levels = [text.get_text() for text in axes.texts if text.get_text() and "\n" not in text.get_text()]
    kept = [to_hex(patch.get_edgecolor()).upper() == BLUE for patch in axes.patches[:20]]
    assert [levels[5 * way:5 * way + 5] for way in range(4)] == 4 * [
        ["embeddings", "layer 1", "layer 2", "pooler", "head"]]
    assert [sum(kept[5 * way:5 * way + 5]) for way in range(4)] == [0, 3, 2, 0]
    assert len(axes.lines) == 1 + 2 + 4                 # pretrained, and learns


def test_each_run_is_a_point_of_its_group():
    first, second = transfer.runs(
        {"slow": {"a": ([1, 2], [0.5, 0.6]), "b": ([3], [0.9])}, "fast": {"a": ([4], [0.7])}}, "loss", "acc")
    points = [dots.get_offsets().tolist() for dots in (*first.collections, *second.collections)]
    assert points == [[[1, 0.5], [2, 0.6]], [[3, 0.9]], [[4, 0.7]]]
    assert first.get_ylabel() == "acc" and second.get_xlabel() == "loss"


def test_a_limit_that_is_not_known_is_not_drawn():
    panels = {task: {"bert": [(8, 0.5, 0.4, 0.6), (1200, 0.7, 0.6, 0.8)]} for task in ("known", "unknown")}
    known, unknown = transfer.accuracy_by_labels(panels, {"known": 0.9})
    assert [line.get_ydata()[0] for line in known.get_lines()[-1:]] == [0.9]
    assert 0.9 not in [line.get_ydata()[0] for line in unknown.get_lines()]
    assert [label.get_text() for label in known.get_xticklabels()] == ["8", "1.2k"]
    assert unknown.get_title() == "unknown" and len(unknown.containers) == 1
