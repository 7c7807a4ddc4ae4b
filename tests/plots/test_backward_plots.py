"""The pictures of lesson 11 show what they are given, in letters that can be read from the last row."""

import numpy as np
import pytest
from drawn import legend, line, texts

from minibert.plots import backward


def test_the_map_has_more_with_the_joints():
    without, joints = backward.way_back(), backward.way_back(joints=True)
    numbers = {text.get_text() for text in joints.texts} - {text.get_text() for text in without.texts}
    assert numbers == set("123456")
    assert all(text.get_fontsize() >= 12 for text in joints.texts if text.get_text())


def test_the_largest_of_each_level_is_framed():
    axes = backward.token_gradients(np.array([[1.0, 2.0, 0.0], [3.0, 0.5, 0.0]]), ["a", "b"], ["x", "y", "z"])
    assert [round(np.mean(frame.get_xdata()[:4])) for frame in axes.get_lines()] == [1, 0]


def test_a_score_without_a_gradient_is_white():
    [axes] = backward.scores_reached([np.array([[0.0, -0.1], [0.0, 0.0]])], ["block 0"], ["x", "y"])
    assert np.isnan(axes.get_images()[0].get_array().filled(np.nan)).tolist() == [[True, False], [True, True]]


@pytest.mark.parametrize("log", [False, True])
def test_every_seed_is_a_mark_and_the_median_a_line(log):
    rows = {"one": [1.0, 2.0, 4.0], "two": [3.0, 3.0, 9.0]}
    axes = backward.every_seed(rows, "x", "y", marks={"one": [True, False, True], "two": [True] * 3}, log=log)
    marks = [found.get_xdata().tolist() for found in axes.get_lines()[:6]]
    assert marks == [[1, 4], [2], [2, 2], [3, 3, 9], [], [3, 3]]
    assert texts(axes.get_yticklabels()) == ["one", "two"]


def test_the_band_of_curves_goes_from_the_lowest_to_the_highest():
    axes = backward.curves_of_seeds({"A": [[3.0, 1.0], [5.0, 2.0]]}, [10, 20], "loss")
    assert line(axes, "A") == [[10, 20], [4, 1.5]]
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == (1, 5)
    assert legend(axes) == ["A"]


def test_each_tensor_is_in_the_row_of_its_part():
    errors = {"ours": {"bert.a": 1e-15, "head.b": 0.0}, "planted": {"bert.a": 0.5, "head.b": 1e-15}}
    axes = backward.tensor_errors(errors, {"BERT": "bert.", "heads": ("head.", "nsp.")}, 1e-12)
    assert line(axes, "ours") == [[1e-15, 1e-17], [-0.17, 0.83]]
    assert line(axes, "planted") == [[0.5, 1e-15], [0.17, 1.17]]
