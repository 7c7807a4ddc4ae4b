"""The pictures of lesson 07 show what they are given."""

import numpy as np
from drawn import line, texts

from minibert.plots import transformer


def test_the_decoder_reads_what_it_wrote_one_word_later():
    axes = transformer.encoder_decoder(["did", "anna", "hide"], ["anna", "did"])
    written = texts(axes.texts)
    assert written.count("anna") == 3 and written.count("hide") == 1     # source, read, written
    assert written.count("[CLS]") == written.count("[SEP]") == 1
    assert min(text.get_fontsize() for text in axes.texts if text.get_text()) >= 12


def test_a_cell_is_empty_where_nobody_may_look():
    mask = np.array([[True, False, False], [True, True, False]])
    [axes] = transformer.maps({"decoder": (mask, ["a", "b"], ["a", "b", "c"])}, marks=[(1, 0)])
    shown = axes.get_images()[0].get_array()
    np.testing.assert_array_equal(shown > 0, mask)
    assert texts(axes.get_yticklabels()) == ["a", "b"] and texts(axes.get_xticklabels()) == ["a", "b", "c"]
    assert axes.get_lines()[-1].get_xydata().tolist() == [[0, 1]]


def test_a_grid_in_which_nobody_looks_is_empty():
    with np.errstate(all="raise"):
        [axes] = transformer.maps({"nothing": (np.zeros((2, 2)), ["a", "b"], ["a", "b"])})
    assert (axes.get_images()[0].get_array() == 0).all()


def test_waves_and_their_products():
    table = np.arange(12.0).reshape(3, 4)
    left, right = transformer.waves(table, {"p = 0": ([0, 1], [2, 1]), "p = 5": ([0, 1], [2, 1])})
    np.testing.assert_array_equal(left.get_images()[0].get_array(), table)
    assert line(right, "p = 5") == [[0, 1], [2, 1]]
