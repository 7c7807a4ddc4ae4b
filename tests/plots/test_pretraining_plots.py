"""The pictures of lesson 12 show what they are given."""

import numpy as np
from drawn import legend, line, texts

from minibert.plots import pretraining


def test_the_level_of_the_bigram_model():
    first = {"step": 0, "held_out": {"mlm_loss": 5.0, "nsp_accuracy": 0.5}, "mlm_loss": 5.0}
    first["baselines"] = {"unigram_loss": 4.5, "majority_accuracy": 0.5}
    with_bigram, without = (pretraining.run([first], bigram=level)[0] for level in (2.5, None))
    assert line(with_bigram, "bigram model")[1] == [2.5, 2.5]
    assert "bigram model" in legend(with_bigram) and "bigram model" not in legend(without)


def test_the_lengths_begin_at_the_first_step():
    left, right = pretraining.step_lengths({0.999: [3.0, 2.0], 0.98: [1.0, 1.5]}, [0.1, 0.2, 0.1])
    assert line(left, "no correction, β₂ = 0.98") == [[1, 2], [1, 1.5]]
    assert right.get_title() == "Our run: 2 steps up, 1 down"


def test_a_dark_cell_has_white_letters():
    axes = pretraining.shares_learnt({"a": [0.0, 0.9], "b": [0.1, 0.2]}, [0, 5], {"a": 3, "b": 2})
    assert [text.get_color() for text in axes.texts] == ["black", "white", "black", "black"]


def test_a_curve_is_the_mean_over_the_draws():
    curves = {"topic": {"x": np.array([[0.2, 0.4], [0.5, 0.9]])}, "other": {"x": np.eye(2)}}
    panels = pretraining.probe_curves([10, 1000], curves, {"topic": 0.4, "other": 0.5})
    assert [axes.get_title() for axes in panels] == ["topic", "other"]
    np.testing.assert_allclose(panels[0].get_lines()[0].get_ydata(), [0.3, 0.7])
    assert texts(panels[0].get_xticklabels()) == ["10", "1,000"]


def test_the_ring_is_around_the_head_that_looks_most():
    looks, cost = {"number": [[0.1, 0.8], [0.3, 0.2]]}, {"number": [0.0, 0.5, 0.1, 0.2]}
    left, bars = pretraining.worth_of_heads(looks, cost, {"number": {"all": 0.9, "none": 0.4}})
    ring = left.get_lines()[1]
    assert (ring.get_xdata().tolist(), ring.get_ydata().tolist()) == ([0.8], [0.5])
    assert [bar.get_height() for bar in bars.patches] == [0.9, 0.4]


def test_the_true_losses_are_those_of_every_tenth_step():
    results = {("ours", "SGD"): ([5.0] * 20, [4.0, 3.0]), ("ours", "AdamW"): ([6.0] * 20, [2.0, 1.0])}
    panels = pretraining.reported_and_true(results)
    assert [line(axes, "ours")[1][-1] for axes in panels] == [6, 3, 1]
    assert line(panels[2], "ours")[0] == [10, 20]


def test_the_hidden_word_is_masked_in_the_sentence_and_marked_among_the_candidates():
    probs = {"his": (0.2, 0.02), "her": (0.8, 0.98)}
    sentence, bars = pretraining.hidden_word(["the", "queen", "wears", "her", "crown"], 3, probs)
    assert texts(sentence.texts) == ["the", "queen", "wears", "[MASK]", "crown", "hidden: her, the label"]
    assert [label.get_fontweight() for label in bars.get_yticklabels()] == ["normal", "bold"]
    assert [[bar.get_width() for bar in bars_of] for bars_of in bars.containers] == [[0.2, 0.8], [0.02, 0.98]]
    assert legend(bars) == ["the model", "the best possible model"]
