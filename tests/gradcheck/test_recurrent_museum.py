"""The recurrent exhibits, planted in language models: how each hides, and its cost."""

import numpy as np
import pytest
from helpers import B, T, V, random, scrambled

import minibert as mb
from minibert.gradcheck import check_gradients, museum
from minibert.layers import LSTM, LSTMCell, PlainLSTM

RNG = np.random.default_rng(4)
IDS = RNG.integers(V, size=(16, 13))  # noise: nothing to be learned but by heart
IDS, LABELS = IDS[:, :-1], IDS[:, 1:]


def language_model(name=None, **rates):
    """An LSTM language model in float64, with an exhibit planted."""
    zero = dict.fromkeys(("embedding", "input", "hidden", "output", "weight"), 0.0)
    rates = {f"{part}_dropout_prob": rate for part, rate in {**zero, **rates}.items()}
    config = mb.AWDLSTMConfig(V, embedding_size=8, hidden_size=12, num_hidden_layers=1, **rates)
    model = mb.AWDLSTMLanguageModel(config, dtype=np.float64)
    return model if name is None else museum.plant(model, name)


def last_loss(model):
    """The loss after 150 steps on random letters, new ones in each."""
    optimizer = mb.AdamW(model.parameters(), lr=3e-2)
    for _ in range(150):
        letters = RNG.integers(V, size=(16, 13))
        output, cache = model.forward(letters[:, :-1], labels=letters[:, 1:])
        model.zero_grad()
        model.backward(cache)
        optimizer.step()
    return output.loss


@pytest.mark.exhaustive
def test_a_model_that_sees_the_next_word_beats_what_is_possible():
    """Nothing can be known about the next letter: no honest model gets below log V."""
    assert last_loss(language_model("both-ways")) < np.log(V) - 0.3
    assert last_loss(language_model()) > np.log(V) - 0.1


def test_a_dead_weight_stays_as_it_was_drawn():
    for name, is_alive in (("dead-weight", False), (None, True)):
        model = language_model(name, weight=0.4)
        before = {key: parameter.value.copy() for key, parameter in model.parameters().items()}
        optimizer = mb.AdamW(model.parameters(), lr=1e-2, weight_decay=0.0)
        _, cache = model.forward(IDS, labels=LABELS, rng=np.random.default_rng(3))
        model.backward(cache)
        optimizer.step()
        now = model.parameters()
        still = [key for key in before if np.array_equal(now[key].value, before[key])]
        assert still == ([] if is_alive else ["layers.0.weight_hh"])


def test_a_kept_state_changes_the_second_answer():
    for name, is_same in ((None, True), ("kept-state", False)):
        model = language_model(name)
        first, second = (model.forward(IDS)[0].logits for _ in range(2))
        assert np.array_equal(first, second) == is_same


@pytest.mark.exhaustive
def test_a_dropped_state_hides_behind_one_step():
    layer = museum.plant(scrambled(PlainLSTM(3, 2, dtype=np.float64)), "dropped-state")
    x, state = random(B, T, 3), (random(B, 2, seed=2), random(B, 2, seed=3))
    _, cache = layer.forward(x[:, :1], state)
    no_later = np.zeros((B, 2)), np.zeros((B, 2))
    d_y = random(B, 1, 2, seed=4)
    theirs, ours = layer.backward((d_y, no_later), cache), PlainLSTM.backward(layer, (d_y, no_later), cache)
    assert np.array_equal(theirs[0], ours[0])
    assert not check_gradients(layer, x, state).ok


def test_a_missing_slope_keeps_the_sign_and_is_four_times_too_large():
    cell = scrambled(LSTMCell(3, 2, dtype=np.float64))
    state = random(1, 2, seed=2), random(1, 2, seed=3)
    _, cache = cell.forward(random(1, 3), state)
    ours, theirs = [], []
    for layer, found in ((cell, ours), (museum.plant(cell, "forgotten-slope"), theirs)):
        layer.zero_grad()
        layer.backward(state, cache)
        found += layer.bias_ih.grad.tolist()
    ratios = np.array(theirs) / ours
    assert (ratios[2:4] >= 4).all() and (np.delete(ratios, [2, 3]) == 1).all()


def test_a_borrowed_bias_cannot_be_seen_while_biases_are_zero():
    cell = scrambled(LSTMCell(3, 2, dtype=np.float64))
    x, state = random(B, 3), (random(B, 2, seed=2), random(B, 2, seed=3))
    planted = museum.plant(cell, "borrowed-bias")
    assert not np.allclose(planted.forward(x, state)[0], cell.forward(x, state)[0])
    for layer in (cell, planted):
        layer.bias_ih.value[:], layer.bias_hh.value[:] = 0, 0
    np.testing.assert_allclose(planted.forward(x, state)[0], cell.forward(x, state)[0], rtol=1e-14)


@pytest.mark.parametrize("name", ["dead-weight", "kept-state", "both-ways"])
def test_planting_leaves_the_model_untouched(name):
    model = language_model()
    planted = museum.plant(model, name)
    assert type(model.layers[0]) is LSTM and type(planted.layers[0]) is museum.exhibits[name].theirs
    assert planted.decoder.weight is planted.embedding.weight


def test_pooled_padding_changes_an_answer_with_its_batch():
    """Alone, a text has the right answer; beside a longer one it has another. Ours has the same."""
    config = mb.ULMFiTConfig(V, embedding_size=6, hidden_size=8, num_hidden_layers=1, num_labels=3)
    model = scrambled(mb.AWDLSTMForSequenceClassification(config, dtype=np.float64))
    short, mask = np.hstack([IDS[:2, :5], np.zeros((2, 7), int)]), np.ones((2, 12), int)
    short[1], mask[0, 5:] = IDS[1], 0
    for layer, is_same in ((model, True), (museum.plant(model, "pooled-padding"), False)):
        alone, _ = layer.forward(short[:1, :5])
        beside, _ = layer.forward(short, mask)
        assert np.allclose(alone.logits[0], beside.logits[0], rtol=1e-12) == is_same
        assert np.allclose(alone.logits, model.forward(short[:1, :5])[0].logits)
