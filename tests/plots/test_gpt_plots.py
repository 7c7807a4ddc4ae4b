"""The pictures of lesson 08 show what they are given."""

import numpy as np
from drawn import legend, line, texts

from minibert.plots import gpt


def test_a_cell_is_empty_where_nothing_is_seen():
    [axes] = gpt.who_sees_whom({"mask": np.array([[2.0, 0.0], [0.01, 1.0]])}, ["a", "b"])
    shown = axes.get_images()[0].get_array()
    assert shown[0, 1] == 0 and shown[1, 0] > 0.2 and shown[0, 0] == shown[1, 1]
    assert texts(axes.get_xticklabels()) == ["a", "b"]
    [axes] = gpt.who_sees_whom({"the first sees nothing": np.array([[0.0, 0.0], [3.0, 0.0]])}, ["a", "b"])
    assert axes.get_images()[0].get_array()[0].tolist() == [0, 0]


def test_a_row_joins_the_two_losses():
    axes = gpt.worth_of_context({"pronoun": (1.0, 0.25, 7), "name": (3.0, 2.0, 5)})
    assert texts(axes.get_yticklabels()) == ["pronoun", "name"]
    assert line(axes, "left side only") == [[1.0], [0]] and line(axes, "both sides") == [[0.25], [0]]
    assert legend(axes) == ["left side only", "both sides"]


def test_norms_are_means_over_the_seeds():
    norms = {2: {"pre": np.array([[1.0, 2.0], [3.0, 4.0]])}, 3: {"pre": np.ones((2, 3))}}
    panels = gpt.norms_by_block(norms)
    assert [axes.get_title() for axes in panels] == ["2 blocks", "3 blocks"]
    assert line(panels[0], "pre") == [[0, 1], [2, 3]]


def test_the_losses_of_a_depth():
    assert len(gpt.loss_by_depth({name: {"2": [1]} for name in "abcde"}).get_lines()) == 10
    axes = gpt.loss_by_depth({"a": {"2": [1, 3], "12": [5, 5]}, "b": {"2": [4], "12": [6]}}, ("limit", 1.5))
    assert line(axes, "a")[1] == [2, 5] and line(axes, "limit")[1] == [1.5, 1.5]
    assert texts(axes.get_xticklabels()) == ["2", "12"]


def test_marks_say_their_number():
    axes = gpt.surprises([8.0, 9.0, 10.0], {"mode": 6.39, "greedy": 6.5})
    assert line(axes, "mode: 6.4")[0] == [6.39, 6.39]
    assert sum(bar.get_height() for bar in axes.patches) == 3


def test_a_point_is_a_setting():
    values = np.array([[[1.0, 0.2, 8], [0.8, 0.9, 11]], [[0.8, 0.4, 7], [0.6, 0.7, 12]]])
    moved = {("top-p", 1.0): (24, 12)}
    axes = gpt.grammar_and_surprise({"top-p": ([0.5, 1.0], values)}, (1.0, 0.97, 11.0), moved)
    found = axes.containers[0].lines[0]
    np.testing.assert_allclose(found.get_xdata(), [7.5, 11.5])
    np.testing.assert_allclose(found.get_ydata(), [0.9, 0.7])
    assert [text.xyann for text in axes.texts[:2]] == [(-14, -18), (24, 12)]
