"""Recurrent models: every arrow and cell is in its place, and nothing is too small for the last row."""

import numpy as np
from drawn import legend, line, texts

from minibert import plots


def test_an_unrolled_model_has_a_state_more_than_words():
    axes = plots.unrolled(["did", "anna", "quietly"], ["anna", "quietly", "hide"])
    written = texts(axes.texts)
    assert written.count("anna") == written.count("quietly") == 2
    assert [text for text in written if text[:1] == "h" and text[1:].isdigit()] == ["h0", "h1", "h2", "h3"]
    assert min(text.get_fontsize() for text in axes.texts if text.get_text()) >= 12


def test_gradients_against_distance():
    curves = {"RNN": np.array([[1, 1e-2], [1, 1e-4], [1, 1e-3]]), "LSTM": np.ones((2, 2))}
    left, right = plots.against_distance({"fresh": curves, "trained": curves})
    assert left.get_yscale() == right.get_yscale() == "log"
    assert legend(left) == ["RNN", "LSTM"] and right.get_title() == "trained"
    assert line(left, "RNN") == [[0, 1], [1, 1e-3]]


def test_gates_are_rounded_and_over_their_tokens():
    values = np.array([[0.02, 0.5, 0.99], [0.31, 0.69, 1.0]])
    forget, write = plots.gate_traces({"forget": values, "input": 1 - values}, ["did", "she", "hide"])
    np.testing.assert_array_equal(forget.get_images()[0].get_array(), values)
    assert texts(forget.texts) == ["0", ".5", "1", ".3", ".7", "1"]
    assert texts(write.get_xticklabels()) == ["did", "she", "hide"]
