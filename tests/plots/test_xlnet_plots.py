"""The pictures of lesson 14 show what they are given."""

import numpy as np
from drawn import texts

from minibert.plots import xlnet


def test_only_the_second_guess_knows_the_first():
    left, right = xlnet.two_guesses(["rome", "is", "in", "italy"], [0, 3])
    for axes in (left, right):
        assert texts(axes.texts).count("?") == 2 and "rome" in texts(axes.texts)
        assert min(text.get_fontsize() for text in axes.texts) >= 12
    assert len(left.patches) == 4 and len(right.patches) == 5


def test_content_above_and_query_below():
    content, query = np.array([[True, False], [True, True]]), np.array([[True, False]])
    panels = {title: ((["rome", "in 1"], content), (["in 1"], query)) for title in ("a", "b")}
    drawn = xlnet.sight(panels)
    assert [pair[0].get_title() for pair in drawn] == ["a", "b"]
    for above, below in drawn:
        np.testing.assert_array_equal(above.get_images()[0].get_array() > 0, content)
        np.testing.assert_array_equal(below.get_images()[0].get_array() > 0, query)
        assert texts(below.get_xticklabels()) == ["rome", "in"] and texts(below.get_yticklabels()) == ["in 1"]


def test_the_windows_of_a_shift():
    left, right = xlnet.shift([[3, 2, 1, 0], [3, 2, 1, 0]], [1, 0], 3)
    assert texts(right.texts) == ["2", "1", "0", "3", "2", "1"] and len(left.texts) == 8
    inside = [patch.get_alpha() > 0.2 for patch in left.patches]
    assert inside == [False, True, True, True, True, True, True, False]
    assert texts(right.get_xticklabels()) == ["key 0", "key 1", "key 2"]


def test_a_bar_is_the_mean_and_a_dot_is_a_seed():
    axes = xlnet.bars({"exact, together": 1.6, "model": [2.0, 3.0]}, "nats", exact=["exact, together"])
    assert [bar.get_height() for bar in axes.patches] == [1.6, 2.5]
    [dots] = axes.get_lines()
    assert dots.get_ydata().tolist() == [2, 3] and texts(axes.texts) == ["1.60", "2.50"]
    assert texts(axes.get_xticklabels()) == ["exact,\ntogether", "model"]
    assert axes.patches[0].get_facecolor() != axes.patches[1].get_facecolor()
