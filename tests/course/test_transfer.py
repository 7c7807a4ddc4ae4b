"""The experiments of lesson 04: what is asked of ELMo's layers, what ULMFiT's parts do, what is stored."""

import json
import pathlib

import numpy as np
import pytest

from minibert import ELMo
from minibert.course import elmo, ulmfit
from minibert.text.toy import LEMMAS, TOY
from minibert.text.toy.sentences import Sentences
from minibert.training.probes import fit_probe

DATA = pathlib.Path(__file__).parents[2] / "notebooks" / "data"


@pytest.fixture(scope="module")
def stored():
    return json.loads((DATA / "04_elmo_ulmfit.json").read_text(encoding="ascii"))


@pytest.fixture(scope="module")
def trained():
    return ELMo.from_pretrained(DATA / "04_elmo")


def test_the_two_texts_share_no_kind_of_sentence_and_toy_has_all_their_words():
    kinds = [set(language.grammar.sentences) for language in (elmo.TARGET, ulmfit.GENERAL)]
    assert not kinds[0] & kinds[1] and kinds[0] | kinds[1] == set(TOY.grammar.sentences)
    assert set(elmo.TARGET.words) | set(ulmfit.GENERAL.words) <= set(TOY.words)
    rows = ulmfit.rows_of(elmo.TARGET, 30, seed=0)
    words = [[TOY.tokenizer().id_to_token[token] for token in row] for row in rows]
    assert all(row[0] == row[-1] == "[SEP]" and set(row[1:-1]) <= set(elmo.TARGET.words) for row in words)


def test_the_bounds_of_a_homograph_are_those_of_counting():
    alone, in_sentence = elmo.sense_bounds()
    asked = elmo.homographs(1500, seed=5)
    words = [sentence[place] for sentence, place in zip(asked.sentences, asked.places)]
    right = sum(
        np.bincount(asked.labels[[other == word for other in words]]).max() for word in sorted(set(words)))
    assert right / len(words) == pytest.approx(alone, abs=0.04)
    assert alone < in_sentence < 1


def test_a_probe_is_asked_about_other_nouns_than_it_knows():
    plural = {line.split()[1] for topic in LEMMAS for line in topic}
    known, other, later = elmo.spellings(60, 1), elmo.spellings(60, 1, last=True), elmo.subjects(60, 1)
    nouns = [{sentence[place] for sentence, place in zip(asked.sentences, asked.places)}
             for asked in (known, other)]
    assert not nouns[0] & nouns[1]
    for asked, back in ((known, 0), (other, 0), (later, 1)):
        found = [sentence[place - back] in plural for sentence, place in zip(asked.sentences, asked.places)]
        assert found == asked.labels.astype(bool).tolist() and len(set(found)) == 2


def test_no_word_takes_part_in_its_own_forecast(trained):
    words = "[SEP] every snail near the trees crawls today [SEP]".split()
    seen = elmo.sight(trained, words)
    below = np.tri(len(words), k=-1, dtype=bool)
    assert ((seen["ahead"] > 0) == below).all() and ((seen["back"] > 0) == below.T).all()
    assert not any(parameter.grad.any() for parameter in trained.parameters().values())


def test_neither_side_tells_and_from_but_and_both_together_do():
    exact = elmo.exact_contrast(200)
    assert exact["both"] == pytest.approx(0, abs=1e-9)
    assert [exact[name] for name in ("left", "right", "product")] == pytest.approx([np.log(2)] * 3)


def test_a_window_that_wins_is_a_piece_of_the_word(trained):
    found = elmo.windows_that_win(trained, "snails")
    assert sum(count for _, count in found) == 32
    assert all(window in "<snails>····" for window, _ in found)


def test_a_mix_finds_the_layer_that_knows():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 200)
    states = rng.standard_normal((3, 200, 4))
    states[1, :, 2] += 4 * labels
    probs = elmo.mixed(states, labels, 2)
    assert sum(probs) == pytest.approx(1) and probs[1] > 0.5


def test_the_stored_elmo_is_the_one_of_the_results(trained, stored):
    assert elmo.wug_test(trained) == pytest.approx(stored["elmo"]["0"]["wug"], abs=0.06)
    loss, best = elmo.held_out_loss(trained, number=32)
    assert best < loss < 1.2 * best
    assert len(stored["elmo"]) == len(stored["ulmfit"]) == 5
    assert all(list(run) == list(ulmfit.VARIANTS) for run in stored["ulmfit"].values())


def test_a_rerun_gives_what_is_stored(stored):
    """The first steps of one seed; the last bits differ from machine to machine."""
    _, losses = elmo.train_elmo(seed=1, num_steps=6)
    np.testing.assert_allclose(losses[::5], stored["elmo"]["1"]["losses"][:2], atol=2e-3)


def test_a_classifier_begins_with_the_language_model_and_the_head_learns_first(monkeypatch):
    monkeypatch.setattr(ulmfit, "LABEL_EPOCHS", 1)                              # only the head learns in it
    language_model = ulmfit.fresh(0)
    model = ulmfit.classifier(language_model, 0, num_labels=20)
    for name, parameter in language_model.parameters().items():
        if name in model.parameters():
            np.testing.assert_array_equal(model.parameters()[name].value, parameter.value)
    moved = ulmfit.classifier(language_model, 0, ulmfit.Means(gradual=False), num_labels=20)
    name = "embedding.weight"
    assert (moved.parameters()[name].value != language_model.parameters()[name].value).any()


def test_the_curves_of_the_rates_are_those_of_stage_three():
    curves = ulmfit.rates(num_epochs=5, per_epoch=8)
    assert [int(np.isnan(curve).sum()) for curve in curves.values()] == [0, 8, 16, 24]
    assert curves["LSTM 2"][20] == pytest.approx(curves["head"][20] / 2.6)
    assert curves["head"].argmax() == 4 and curves["head"][4] == ulmfit.LABEL_RATE


def test_labels_say_which_sentences_are_spoiled():
    ids, labels = ulmfit.labelled(40, seed=1)
    assert ids.shape == (40, 9) and 0.3 < labels.mean() < 0.7
    sentences = Sentences(elmo.TARGET)
    words = [[TOY.tokenizer().id_to_token[token] for token in row[1:-1]] for row in ids]
    assert np.isfinite(sentences.log_prob(words)).tolist() == labels.astype(bool).tolist()


@pytest.mark.exhaustive
def test_one_point_again(stored):
    fitted, judged = elmo.homographs(elmo.NUM_PROBED, 1), elmo.homographs(elmo.NUM_PROBED, 2)
    states, others = (elmo.features(elmo.fresh_elmo(1), asked)[1] for asked in (fitted, judged))
    accuracy = fit_probe(states, fitted.labels, 3).accuracy(others, judged.labels)
    assert accuracy == pytest.approx(stored["elmo"]["1"]["new"]["sense"][1], abs=0.01)
    _, losses = elmo.train_elmo(seed=1, num_steps=150)
    np.testing.assert_allclose(losses[::5], stored["elmo"]["1"]["losses"][:30], atol=0.1)
    model = ulmfit.general(1)
    ulmfit.further(model, 1)
    accuracy = ulmfit.accuracy(ulmfit.classifier(model, 1))
    assert accuracy == pytest.approx(stored["ulmfit"]["1"]["all of it"]["accuracy"], abs=0.05)
