"""ELMo: two directions that see nothing of what they predict, padding, characters, the mix, files."""

import numpy as np
import pytest
from helpers import gradients_of, random, scrambled

import minibert as mb
from minibert.gradcheck import cases
from minibert.gradcheck.cases.elmo import CHARACTER_IDS, LABELS, SIZE, SPELT, config
from minibert.models.elmo import MaxConvolution, ScalarMix, without_repeats
from minibert.text.characters import character_ids

SENTENCE = CHARACTER_IDS[:1]  # of five words, no padding


def model(dtype=np.float64):
    return cases.scrambled(mb.ELMo(config()), SIZE).astype(dtype)


def test_shapes():
    output, _ = model().forward(CHARACTER_IDS, labels=LABELS)
    num_predicted = (LABELS >= 0).sum()
    assert output.layers.shape == (3, 4, 5, 14) and output.logits.shape == (num_predicted, 13)
    assert output.counts == {"word": num_predicted} and output.loss == output.word_loss
    assert [part.shape for part in output.state[1]] == [(4, 7), (4, 2)]
    assert np.array_equal(output.layers[0, ..., :7], output.layers[0, ..., 7:])
    without, _ = model().forward(CHARACTER_IDS)
    assert without.loss is without.logits is None and np.array_equal(without.layers, output.layers)


@pytest.mark.parametrize("direction, changed, kept", [(0, 4, slice(0, 4)), (1, 0, slice(1, 5))])
def test_a_direction_does_not_see_the_words_on_its_other_side(direction, changed, kept):
    """The last word is changed for `ahead`, the first for `back`: the other places are the same, exactly."""
    other = SENTENCE.copy()
    other[0, changed] = CHARACTER_IDS[0, 3] if changed == 0 else CHARACTER_IDS[0, 0]
    columns = slice(7 * direction, 7 * direction + 7)
    one, two = (model().forward(ids)[0].layers[1:, 0, :, columns] for ids in (SENTENCE, other))
    assert np.array_equal(one[:, kept], two[:, kept]) and not np.array_equal(one[:, changed], two[:, changed])


def test_a_word_has_no_gradient_from_answers_that_came_before_it():
    """Only the third word's next word is predicted: the fourth and fifth have gradient 0; mirrored alike."""
    for direction, without, within in ((0, slice(3, 5), slice(0, 3)), (1, slice(0, 2), slice(2, 5))):
        labels = np.full((1, 5, 2), -100)
        labels[0, 2, direction] = 4
        elmo = model()
        _, cache = elmo.forward(SENTENCE, labels=labels)
        d_x = elmo.backward(cache)
        assert not d_x[0, without].any() and d_x[0, within].any(axis=1).all()


def test_padding_changes_nothing():
    together = model().forward(CHARACTER_IDS)[0].layers
    for row, length in enumerate([5, 3, 1, 4]):
        alone = model().forward(CHARACTER_IDS[row:row + 1, :length])[0].layers
        np.testing.assert_allclose(together[:, row:row + 1, :length], alone, atol=1e-14)


def test_the_gradient_of_a_batch_is_that_of_its_sentences():
    whole = gradients_of(model(), character_ids=CHARACTER_IDS, labels=LABELS)
    added = {key: 0 for key in whole}
    for row, length in enumerate([5, 3, 1, 4]):
        labels = LABELS[row:row + 1, :length]
        share = gradients_of(model(), character_ids=CHARACTER_IDS[row:row + 1, :length], labels=labels)
        weight = (labels >= 0).sum() / (LABELS >= 0).sum()
        added = {key: added[key] + weight * share[key] for key in added}
    for key, gradient in whole.items():
        np.testing.assert_allclose(gradient, added[key], atol=1e-13, err_msg=key)


def test_two_halves_with_carried_state_are_one_pass_ahead():
    elmo = model()
    whole, _ = elmo.forward(SENTENCE)
    first, _ = elmo.forward(SENTENCE[:, :2])
    second, _ = elmo.forward(SENTENCE[:, 2:], state=first.state)
    both = np.concatenate([first.layers, second.layers], axis=2)
    np.testing.assert_allclose(both[..., :7], whole.layers[..., :7], atol=1e-14)


def test_the_same_sentence_twice_is_the_same():
    elmo = model()
    assert np.array_equal(elmo.forward(SENTENCE)[0].layers, elmo.forward(SENTENCE)[0].layers)


def test_sentences_are_read_between_borders():
    """Each alone, so that padding and the others do not matter."""
    elmo, sentences = model(), [["ab", "c"], ["d"]]
    for words, layers in zip(sentences, elmo.of_sentences(sentences)):
        alone, _ = elmo.forward(character_ids([["[SEP]", *words, "[SEP]"]]))
        np.testing.assert_allclose(layers, alone.layers[:, 0, 1:-1], atol=1e-14)


def test_a_residual_adds_the_layer_below():
    """With the second layer's projection at zero its output is its input."""
    elmo = model()
    elmo.ahead.layers[1].weight_hr.value[:] = 0
    layers = elmo.forward(SENTENCE)[0].layers[..., :7]
    assert np.array_equal(layers[2], layers[1]) and not np.array_equal(layers[1], layers[0])


# --- characters ---


def test_convolution_and_maximum_by_hand():
    layer = scrambled(MaxConvolution(3, 2, 5, rng=np.random.default_rng(0), initializer_range=1.0))
    layer = layer.astype(np.float64)
    x = random(4, 6, 3)
    y, _ = layer.forward(x)
    for word, row in zip(x, y):
        scores = [np.concatenate(word[place:place + 2]) @ layer.weight.value for place in range(5)]
        np.testing.assert_allclose(row, np.max(scores, axis=0) + layer.bias.value, atol=1e-14)


def test_equal_windows_share_one_place():
    """All characters are alike, as in padding: the first place is taken, and the gradient is there once."""
    layer = scrambled(MaxConvolution(3, 2, 5, rng=np.random.default_rng(0), initializer_range=1.0))
    layer = layer.astype(np.float64)
    _, cache = layer.forward(np.tile(random(3), (1, 6, 1)))
    d_x = layer.backward(random(1, 5), cache)
    assert d_x[:, :2].any() and not d_x[:, 2:].any()


def test_padding_of_all_words_is_read_once():
    """Words in rows of 30 characters: one window of the padding is computed, and all numbers are the same."""
    longer, shorter = (character_ids([SPELT], number) for number in (30, 11))  # eight of the longest, and 3
    labels = np.tile([[1, 2], [3, 4]], (1, 5, 1))
    found, expected = (gradients_of(model(), character_ids=ids, labels=labels) for ids in (longer, shorter))
    for key, gradient in expected.items():
        np.testing.assert_allclose(found[key], gradient, atol=1e-15, err_msg=key)
    _, cache = model().forward(longer)
    assert cache.characters.embedding.ids.shape == (10, 11)
    alike = np.full((2, 9), 5)
    assert without_repeats(alike, 4).shape == (2, 4) and without_repeats(alike[:, :3], 4).shape == (2, 3)


def test_characters_are_bytes_between_marks():
    ids = character_ids([["ab", "é"], ["abcdefgh"]], max_characters=6)
    assert ids.tolist() == [
        [[259, 98, 99, 260, 261, 261], [259, 196, 170, 260, 261, 261]],
        [[259, 98, 99, 100, 101, 260], [0] * 6],
    ]
    border = character_ids([["[SEP]", "a"]], max_characters=4)
    assert border.tolist() == [[[259, 258, 260, 261], [259, 98, 260, 261]]]
    for given, message in (([["a"]], "max_characters 2 must be 3 or more"), ([[]], "there is no word")):
        with pytest.raises(ValueError, match=message):
            character_ids(given, 2 if "2" in message else 6)


# --- the mix, files, wrong input ---


def test_the_mix_starts_as_the_mean_and_its_weights_gradients_sum_to_zero():
    mix, layers = ScalarMix(3, dtype=np.float64), random(3, 4, 5, 6)
    y, cache = mix.forward(layers)
    np.testing.assert_allclose(y, layers.mean(axis=0), atol=1e-15)
    mix.backward(random(4, 5, 6, seed=2), cache)
    assert abs(mix.weight.grad.sum()) < 1e-13 and mix.weight.grad.all()


def test_saved_and_loaded_it_is_the_same(tmp_path):
    saved = model(np.float32)
    saved.save_pretrained(tmp_path)
    loaded = mb.ELMo.from_pretrained(tmp_path)
    assert loaded.config == saved.config and loaded.config.filters == ((1, 3), (2, 1), (3, 2))
    for path, parameter in loaded.parameters().items():
        assert np.array_equal(parameter.value, saved.parameters()[path].value), path


@pytest.mark.parametrize("given, message", [
    ({"character_ids": CHARACTER_IDS[0]}, r"shape \(batch, tokens, characters\), got int64 of \(5, 8\)"),
    ({"character_ids": CHARACTER_IDS / 1}, "character_ids must be integers"),
    ({"character_ids": CHARACTER_IDS[..., :2]}, "2 characters a word, and the widest filter spans 3: pad"),
    ({"character_ids": CHARACTER_IDS[:, ::-1]}, "padding, rows of zeros, before a word: put it at the end"),
    ({"character_ids": SENTENCE, "labels": LABELS}, r"labels must be integers of the shape \(1, 5, 2\)"),
])
def test_wrong_input(given, message):
    with pytest.raises(ValueError, match=message):
        model().forward(**given)


def test_wrong_sizes():
    with pytest.raises(ValueError, match="filters must be pairs"):
        mb.ELMoConfig(vocab_size=11, filters=((0, 3),))
    with pytest.raises(ValueError, match="max_characters 4 must be 5 or more: two are marks, and the widest"):
        mb.ELMoConfig(vocab_size=11, filters=((1, 3), (5, 2)), max_characters=4)
    elmo = model()
    with pytest.raises(ValueError, match="no loss to go back from"):
        elmo.backward(elmo.forward(SENTENCE)[1])
