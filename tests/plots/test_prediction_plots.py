"""Predictions of a masked language model: a bar is a probability, the orange one that of the hidden token."""

import numpy as np
import pytest
from drawn import texts

from minibert import plots

SPECIAL_TOKENS = "[PAD] [UNK] [CLS] [SEP] [MASK]"
VOCABULARY = f"{SPECIAL_TOKENS} the dog chased cat it ran up a tree bird saw . ##s ##ed ##ing".split()


def test_mask_probabilities(tiny, cache):
    probs, labels = cache.mlm_loss.probs, cache.mlm_loss.labels
    places = np.argwhere(tiny.batch["labels"] != -100)
    first, _, third = plots.mask_probabilities(probs, labels, places, VOCABULARY, top=4)
    assert first.get_title() == "hidden at 2: dog" and third.get_title() == "hidden at 11: tree"
    order = np.argsort(-probs[0])
    rank = order.tolist().index(6) + 1
    likeliest = [VOCABULARY[token] for token in order[:4]]
    assert texts(first.get_yticklabels()) == [*likeliest, f"dog (rank {rank})"]
    assert [bar.get_width() for bar in first.patches] == [*probs[0][order[:4]], probs[0, 6]]
    assert texts(third.get_yticklabels())[2] == "tree" and len(third.patches) == 4  # among the most probable
    colours = [bar.get_facecolor() for bar in third.patches]
    assert len(set(colours)) == 2 and colours.count(colours[2]) == 1
    assert first.get_xlabel() == "probability" and first.get_ylabel() == "token"
    assert first.texts[0].get_text() == f"{probs[0].max():.1%}"


def test_mask_probabilities_of_several_sequences(tiny):
    batch = {name: np.concatenate([array, array]) for name, array in tiny.batch.items()}
    loss = tiny.model.forward(**batch)[1].mlm_loss
    places = np.argwhere(batch["labels"] != -100)
    row = plots.mask_probabilities(loss.probs, loss.labels, places, VOCABULARY)
    assert [axes.get_title() for axes in row][3] == "hidden at 2 of sequence 1: dog"


def test_mask_probabilities_that_cannot_be_drawn(cache):
    probs, labels = cache.mlm_loss.probs, cache.mlm_loss.labels
    with pytest.raises(ValueError, match="no prediction to draw"):
        plots.mask_probabilities(probs[:0], labels[:0], [], VOCABULARY)
    for wrong in [(2, 8, 11), [(0, 2), (0, 8)]]:
        with pytest.raises(ValueError, match="must have the same M"):
            plots.mask_probabilities(probs, labels, wrong, VOCABULARY)


def test_saliency(tiny):
    scores = np.random.default_rng(0).random(15)
    axes = plots.saliency(scores, tiny.tokens)
    assert [bar.get_height() for bar in axes.patches] == scores.tolist()
    assert texts(axes.get_xticklabels()) == tiny.tokens
    assert axes.get_xlabel() == "token" and axes.get_ylabel() == "norm of d loss / d embedding"
    masked = {index for index, token in enumerate(tiny.tokens) if token == "[MASK]"}
    colours = [bar.get_facecolor() for bar in axes.patches]
    assert {index for index, colour in enumerate(colours) if colour != colours[0]} == masked
    for wrong in (scores[:14], scores[np.newaxis]):
        with pytest.raises(ValueError, match="15 tokens need one score each"):
            plots.saliency(wrong, tiny.tokens)
