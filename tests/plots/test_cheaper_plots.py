"""The pictures of lesson 15 show what they are given."""

import numpy as np
from drawn import texts
from matplotlib.colors import to_rgb

from minibert.plots import cheaper
from minibert.plots.style import BLUE, GREY, ORANGE


def test_a_bill_is_two_factors_over_a_third():
    axes = cheaper.bill()
    said = [text.get_text() for text in axes.texts]
    factors = "operations\na token", "×", "tokens\nread", "÷", "operations\na second"
    order = [said.index(part) for part in factors]
    places = [axes.texts[index].get_position()[0] for index in order]
    assert places == sorted(places) and {"cost", "data", "time"} <= set(said)
    assert min(text.get_fontsize() for text in axes.texts if text.get_text()) >= 12


def test_a_ladder_has_a_row_for_each_number():
    axes = cheaper.ladder({"class": 2e13, "BERT": 1e20, "GPT-3": 3e23}, {"a day": 1e15}, "operations")
    dots = next(line for line in axes.get_lines() if line.get_marker() == "o")
    assert dots.get_xdata().tolist() == [2e13, 1e20, 3e23] and dots.get_ydata().tolist() == [0, 1, 2]
    assert texts(axes.get_yticklabels()) == ["class", "BERT", "GPT-3"]
    assert {"2e13", "1e20", "3e23", " a day"} <= set(texts(axes.texts))
    assert any(line.get_color() == GREY and line.get_xdata() == [1e15, 1e15] for line in axes.get_lines())


def test_shares_add_up_to_one_and_the_small_ones_have_no_number():
    rows = {"tiny": {"linear": 3.0, "attention": 1.0}, "base": {"linear": 99.0, "attention": 1.0}}
    axes = cheaper.pieces(rows)
    bars = [(bar.get_x(), bar.get_width()) for bar in axes.patches]
    np.testing.assert_allclose(bars, [(0, 0.75), (0.75, 0.25), (0, 0.99), (0.99, 0.01)])
    assert texts(axes.texts) == ["75%", "25%", "99%"]
    assert texts(axes.figure.legends[0].get_texts()) == ["linear", "attention"]


def test_numbers_keep_their_length():
    rows = {"plain": {"weights": 20, "record": 60}, "again": {"weights": 20, "record": 2}}
    axes = cheaper.pieces(rows, "MB")
    assert [(bar.get_x(), bar.get_width()) for bar in axes.patches] == [(0, 20), (20, 60), (0, 20), (20, 2)]
    assert texts(axes.texts) == ["20", "60", "20"] and axes.get_xlim() == (0, 80)
    assert axes.get_xlabel() == "MB"


def test_the_base_is_the_line_at_one():
    measures = {"parameters": {"BERT": 40.0, "ALBERT": 10.0, "student": 20.0},
                "seconds": {"BERT": [1.0, 3.0], "ALBERT": [2.0, 2.4], "student": [1.0, 1.0]}}
    axes = cheaper.relative(measures, "BERT")
    heights = {(bar.get_height(), bar.get_facecolor()[:3]) for bar in axes.patches}
    assert heights == {(0.25, to_rgb(BLUE)), (1.1, to_rgb(BLUE)), (0.5, to_rgb(ORANGE))}
    assert len(axes.patches) == 4 and axes.get_lines()[0].get_ydata() == [1, 1]
    assert texts(axes.get_legend().get_texts()) == ["ALBERT", "student"]


def test_a_curve_goes_through_the_means_and_its_bars_to_the_extremes():
    series = {"new": ([1, 4], [[3.0, 1.0], [5.0, 2.0]]), "again": ([1, 4, 16], [[3.0, 2.0, 2.0]])}
    left, right = cheaper.curves({"tiny": series, "mini": series}, "epochs", "nats", {"limit": 0.9})
    for axes in (left, right):
        new, again = axes.containers
        assert new[0].get_ydata().tolist() == [4, 1.5] and again[0].get_ydata().tolist() == [3, 2, 2]
        ends = [tuple(segment[:, 1]) for segment in new[2][0].get_segments()]
        assert ends == [(3, 5), (1, 2)]
        assert texts(axes.texts) == ["limit"] and texts(axes.get_xticklabels()) == ["1", "4", "16"]
    assert left.get_ylabel() == "nats" and texts(left.figure.legends[0].get_texts()) == ["new", "again"]


def test_panels_of_their_own_have_axes_of_their_own():
    panels = {name: {"ours": ([1, 2], [[1.0, 10.0 ** k]])} for k, name in enumerate(("steps", "tokens"))}
    left, right = cheaper.curves(panels, "pairs", ["steps", "tokens read"], yscale="log")
    assert (left.get_ylabel(), right.get_ylabel()) == ("steps", "tokens read")
    assert left.get_ylim() != right.get_ylim() and left.get_yscale() == "log"


def test_a_row_of_dots_is_a_name_in_every_panel():
    panels = {"sense": {"BERT": [0.8, 0.7], "new": [0.5]}, "number": {"BERT": [0.9, 0.95], "new": [0.6]}}
    sense, number = cheaper.dots(panels, "accuracy")
    assert [line.get_xdata().tolist() for line in sense.get_lines()] == [[0.8, 0.7], [0.5]]
    assert [line.get_xdata().tolist() for line in number.get_lines()] == [[0.9, 0.95], [0.6]]
    assert set(number.get_lines()[0].get_ydata()) == {0} and number.get_title() == "number"
    assert texts(sense.get_yticklabels()) == ["BERT", "new"]


def test_the_right_answer_has_another_colour():
    panels = {"label": [0.0, 1.0], "teacher": np.array([0.3, 0.6])}
    label, teacher = cheaper.answers(panels, ["king", "queen"], "queen")
    assert [bar.get_width() for bar in label.patches] == [0, 1]
    assert [bar.get_facecolor()[:3] for bar in teacher.patches] == [to_rgb(BLUE), to_rgb(ORANGE)]
    assert texts(teacher.texts) == [" 0.30", " 0.60"] and texts(label.get_yticklabels()) == ["king", "queen"]
