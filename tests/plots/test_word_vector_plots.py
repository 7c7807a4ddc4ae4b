"""The opening pictures of lessons 01 and 02 show what they are given."""

import numpy as np
from drawn import texts

from minibert import plots


def test_a_window_at_the_end_of_the_sentence_has_neighbours_on_one_side():
    axes = plots.skip_gram(["the", "queen", "wears", "her", "crown"], 4, 2, ["bee", "bank"])
    answers = [text for text in texts(axes.texts) if ":" in text]
    assert answers == ["wears: yes, 1", "her: yes, 1", "bee: no, 0", "bank: no, 0"]
    bold = {text.get_text() for text in axes.texts if text.get_fontweight() == "bold"}
    assert bold == {"wears", "her", "crown"}
    assert min(text.get_fontsize() for text in axes.texts) >= 12


def test_the_fitted_cell_is_that_of_the_two_marked_words():
    counts = np.array([[60, 4, 300], [5, 70, 220]])
    table, product = plots.counts_and_vectors(["ice", "steam"], ["solid", "gas", "water"], counts, (1, 2))
    assert texts(product.texts)[0] == "steam" and texts(product.texts)[1] == "water"
    assert texts(product.texts)[-1] == "≈ log 220 = 5.39"
    assert [text.get_text() for text in table.texts if text.get_fontweight() == "bold"] == ["220"]
    marked = [label.get_fontweight() for label in (*table.get_yticklabels(), *table.get_xticklabels())]
    assert marked == ["normal", "bold", "normal", "normal", "bold"]
