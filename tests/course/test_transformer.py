"""The experiments of lesson 07: readers of lists, an encoder that does not mix, alignments, stored data."""

import json
import pathlib

import numpy as np
import pytest

import minibert
from minibert.course import transformer
from minibert.models.transformer import state_of

DATA = pathlib.Path(__file__).parents[2] / "notebooks" / "data"


@pytest.fixture(scope="module")
def stored():
    return json.loads((DATA / "07_transformer.json").read_text(encoding="ascii"))


@pytest.fixture(scope="module")
def translator():
    return minibert.Transformer.from_pretrained(DATA / "07_translator")


@pytest.fixture(scope="module")
def sentences():
    return transformer.held_out(2)


@pytest.mark.parametrize("name", ["LSTM", "LSTM and attention", "attention"])
def test_the_gradients_of_a_reader_are_right(name, monkeypatch):
    monkeypatch.setattr(transformer, "NUM_WORDS", 4)
    monkeypatch.setattr(transformer, "NUM_PLACES", 5)
    monkeypatch.setitem(transformer.READERS, name, (3, *transformer.READERS[name][1:]))
    model = transformer.Recall(name, seed=0).astype(np.float64)
    minibert.assert_gradients(model, transformer.lists(2, np.random.default_rng(0)))


def test_attention_learns_every_place_in_a_short_run():
    accuracy = transformer.recall_run("attention", seed=0, num_steps=100)
    assert accuracy.shape == (transformer.NUM_PLACES,) and accuracy.min() > 0.9


def test_a_word_of_the_unmixed_encoder_does_not_depend_on_others(translator):
    x = np.random.default_rng(0).standard_normal((1, 5, translator.config.hidden_size), np.float32)
    other = x.copy()
    other[0, 3] = -x[0, 3]
    for encoder, changed in ((translator.encoder, range(5)),
                             (transformer.UnmixedEncoder(translator.encoder), [3])):
        before, after = (encoder.forward(rows)[0] for rows in (x, other))
        assert np.flatnonzero((before != after).any(axis=-1)).tolist() == list(changed)


def test_what_is_forbidden_changes_no_weight(translator):
    kinds = [transformer.limited(translator.replica(), kind) for kind in transformer.KINDS]
    parts = [(type(model.encoder).__name__, type(model.decoder).__name__) for model in kinds]
    assert parts == [("Encoder", "Decoder"), ("UnmixedEncoder", "Decoder"), ("Encoder", "HalfSeeingDecoder")]
    values = translator.parameters()
    for model in kinds:
        found = model.parameters()
        assert set(found) == set(values)
        assert all(np.array_equal(found[name].value, values[name].value) for name in values)


def test_a_decoder_that_sees_half_does_not_depend_on_odd_places(translator):
    decoder = transformer.HalfSeeingDecoder(translator.decoder)
    written, encoded = np.random.default_rng(0).standard_normal((2, 1, 5, translator.config.hidden_size))
    mask = np.array([[[[True, True, True, True, False]]]])
    for hidden in (1, 3, 4):
        other = encoded.copy()
        other[0, hidden] = 9
        outputs = [decoder.forward(written, each, source_mask=mask)[0] for each in (encoded, other)]
        np.testing.assert_array_equal(*outputs)
    state = state_of(decoder.forward(written[:, :4], encoded, np.tri(4, dtype=bool))[1].layers)
    whole, _ = decoder.forward(written, encoded, np.tri(5, dtype=bool))
    last, _ = decoder.forward(written[:, 4:], encoded[:, :0], state=state)
    np.testing.assert_allclose(last[:, 0], whole[:, 4], rtol=1e-10)


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", transformer.KINDS)
def test_each_kind_is_trained(kind):
    model, [(step, accuracy, exact)] = transformer.train(kind, seed=1, stop=30, evaluated=[30])
    assert step == 30 and accuracy > 0.2 and 0 <= exact <= accuracy


def test_a_place_holds_the_word_that_is_copied(sentences):
    for batch, places in sentences:
        rows, columns = np.nonzero(places >= 0)
        copied = batch.source_ids[rows, places[rows, columns]]
        np.testing.assert_array_equal(copied, batch.labels[rows, columns])
        assert len(rows) > 3 * len(places)


def test_another_place_is_never_the_aligned_one(translator, sentences, monkeypatch):
    """What the decoder may look at: all words, all but the copied one, all but another one."""
    seen = []
    forward = translator.decoder.forward

    def spied(written, encoded, mask, may_look):
        seen.append(may_look[:, 0, 0])
        return forward(written, encoded, mask, may_look)

    monkeypatch.setattr(translator.decoder, "forward", spied)
    batch, places = sentences[0]
    few = transformer.Sentences(type(batch)(*(part[:12] for part in batch)), places[:12])
    counts, places = {}, few.places
    for which in ("none", "another", "aligned"):
        seen.clear()
        transformer.hidden_from_decoder(translator, [few], which)
        counts[which] = np.concatenate(seen)
    hidden = [counts["none"] & ~counts[which] for which in ("another", "aligned")]
    assert all((each.sum(axis=1) == 1).all() for each in hidden)
    assert not (hidden[0] & hidden[1]).any()
    of_copies = np.concatenate([column[column >= 0] for column in places.T])
    np.testing.assert_array_equal(hidden[1].argmax(axis=1), of_copies)


def test_waves_that_begin_at_zero_are_the_models_own(translator, sentences):
    batch = sentences[0].batch
    given = batch.source_ids[:8], batch.target_ids[:8], batch.source_mask[:8]
    logits, same, other = (
        each.forward(*given)[0].logits
        for each in (translator, *(transformer.shifted(translator, shift) for shift in (0, 3)))
    )
    np.testing.assert_array_equal(logits, same)
    assert (logits != other).any()


def test_the_stored_translator_translates(translator, sentences):
    assert transformer.scores(translator, sentences[:1])[1] >= 0.99


@pytest.mark.exhaustive
def test_the_stored_translator_has_the_stored_results(stored, translator):
    run, some = stored["translation"]["full"][0], transformer.held_out(4)
    np.testing.assert_allclose(transformer.looks_at(translator, some), run["looks"], atol=2e-3)


def test_stored_results_have_five_seeds(stored):
    assert set(stored["recall"]) == set(transformer.READERS)
    assert set(stored["translation"]) == set(transformer.KINDS)
    shape = len(transformer.SEEDS), transformer.NUM_PLACES
    assert all(np.shape(runs) == shape for runs in stored["recall"].values())
    for kind, runs in stored["translation"].items():
        length = len(transformer.EVALUATED) if kind == "full" else 0
        assert [len(run["curve"]) for run in runs] == [length] * 5
    assert all(np.shape(rounds)[1] == len(transformer.LENGTHS) for rounds in stored["time"].values())


def test_ratios_of_time_are_of_all_lengths():
    assert (transformer.time_ratios(1, [4, 8], num_rounds=2) > 0).all()
    assert transformer.time_ratios(1, [4, 8], num_rounds=3).shape == (3, 2)
