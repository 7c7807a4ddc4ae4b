"""The experiments of lesson 05: right gradients, held-out data that give nothing away, stored results."""

import json
import pathlib

import numpy as np
import pytest

from minibert.course import attention

STORED = pathlib.Path(__file__).parents[2] / "notebooks" / "data" / "05_attention.json"


@pytest.fixture(scope="module")
def language():
    return attention.sentences()


@pytest.fixture(scope="module")
def stored():
    return json.loads(STORED.read_text(encoding="ascii"))


def bags(language, chosen):
    return {tuple(sorted(language.texts[number])) for number in chosen}


@pytest.mark.parametrize("seed", range(5))
def test_no_held_out_sentence_has_the_words_of_a_training_sentence(language, seed):
    training, held_out = attention.split(language, seed)
    assert len(training) == 336 and len(held_out) == 96
    assert not bags(language, training) & bags(language, held_out)


@pytest.mark.parametrize("seed", range(5))
def test_the_limit_of_an_average_holds_in_both_parts(language, seed):
    """Of each kind of pair equally many: then conflicts are half of both parts, two by two."""
    for part in attention.split(language, seed):
        kinds = [tuple(pair) for pair in (language.pairs[part] >= 3).astype(int)]
        assert {kinds.count(kind) for kind in set(kinds)} == {len(part) // 4}
        assert language.labels[part].mean() == 0.5


def test_a_sentence_has_one_hint_that_decides(language):
    assert len(language.texts) == len(bags(language, range(432))) * 2 == 432  # hints in both orders
    assert (language.decisive.sum(axis=1) == 1).all()
    number = language.texts.index("the river and the tax near the bill".split())
    assert language.texts[number][language.decisive[number].argmax()] == "tax"
    assert (language.labels[number], language.places[number]) == (1, 7)


def test_neighbours_of_held_out_sentences_were_never_trained():
    for held_out in (False, True):
        ids, (sentence, token), labels = attention.neighbour_batch(np.random.default_rng(0), 5, held_out)
        assert ids.shape == (5, 6) and ((ids.sum(axis=1) % 4 == 0) == held_out).all()
        before, after = ids[sentence, token - 1], ids[sentence, token + 1]
        np.testing.assert_array_equal(labels, np.stack([before, after], axis=1))


@pytest.mark.parametrize("num_positions", [0, 4])
def test_the_gradients_of_a_reader(num_positions):
    reader = attention.Reader(7, 6, 2, num_questions=3, num_classes=5, num_positions=num_positions)
    ids = np.array([[0, 3, 3, 6], [5, 1, 0, 2]])
    rows = np.array([0, 1, 1]), np.array([2, 0, 3])
    labels = np.array([[0, 4, 2], [3, 3, 1], [2, 0, 4]])
    reader = reader.astype(np.float64)
    _, cache = reader.forward(ids, rows, labels)
    reader.backward(1.0, cache)
    rng = np.random.default_rng(0)
    for name, parameter in reader.parameters().items():
        moved = reader.astype(np.complex128)
        direction = rng.standard_normal(parameter.value.shape)
        moved.parameters()[name].value += 1e-30j * direction
        (loss, _), _ = moved.forward(ids, rows, labels)
        expected = loss.imag / 1e-30
        assert (parameter.grad * direction).sum() == pytest.approx(expected, rel=1e-10, abs=1e-14), name


def test_a_rerun_gives_what_is_stored(language, stored):
    """The first steps of one seed of each variant; the last bits differ from machine to machine."""
    for variant, runs in stored["readers"].items():
        run = attention.read(language, variant, seed=0, num_steps=10)
        np.testing.assert_allclose(run.losses, runs["losses"][0][:2], atol=2e-3, err_msg=variant)
        np.testing.assert_allclose(run.shares, runs["shares"][0][:2], atol=2e-3, err_msg=variant)


@pytest.mark.exhaustive
def test_all_experiments_again(stored):
    again = attention.experiments()
    for part in ("readers", "scales"):
        for name, runs in stored[part].items():
            before, now = np.array(runs["held_out"]), np.array(again[part][name]["held_out"])
            np.testing.assert_allclose(before[:, 1], now[:, 1], atol=0.1, err_msg=name)
    for name, accuracies in stored["heads"].items():
        np.testing.assert_allclose(accuracies, again["heads"][name], atol=0.1, err_msg=name)


def test_what_is_frozen_keeps_its_value(language):
    run = attention.read(language, "x with x, fixed words", seed=0, num_steps=2, every=1)
    fresh = attention.Reader(len(attention.vocabulary()), 16, seed=0)
    np.testing.assert_array_equal(run.model.embedding.weight.value, fresh.embedding.weight.value)
    np.testing.assert_array_equal(run.model.attention.query.weight.value, np.eye(16))
    assert (run.model.classifier.weight.value != fresh.classifier.weight.value).any()
    assert run.steps.tolist() == [0, 1, 2]


def test_the_undivided_reader_starts_like_the_divided_one_with_a_smaller_query(language):
    runs = {name: attention.read_with_scale(language, name, 0, num_steps=1) for name in attention.SCALES}
    losses = {name: run.losses[0] for name, run in runs.items()}
    assert losses["divided"] == pytest.approx(losses["not divided, smaller start"], rel=1e-5)
    assert losses["not divided"] != pytest.approx(losses["divided"], rel=1e-3)


def test_errors_of_steps_name_the_two_wrong_ones():
    errors = attention.errors_of_steps()
    assert max(errors["ours"].values()) < 1e-12
    wrong = [step for step, error in errors["that line"].items() if error > 1e-12]
    assert wrong == ["d_key_heads", "key.d_x"]


def test_where_bank_looks(language):
    model = attention.read(language, "average", seed=0, num_steps=1).model
    words, place, row = attention.asking_row(model, "this bank had one loan")
    assert words[place] == "bank"
    np.testing.assert_allclose(row, np.full(5, 1 / 5), rtol=1e-6)


def test_the_spread_of_equal_scores():
    entropy, let_through = attention.spread(np.zeros((2, 4)))
    assert entropy == pytest.approx(np.log(4)) and let_through == pytest.approx(0.75)
    spreads = attention.spreads_by_size([1, 64], seeds=range(2))
    assert {name: both.shape for name, both in spreads.items()} == {
        "divided by √D": (2, 2, 2), "not divided": (2, 2, 2)}
    np.testing.assert_allclose(spreads["divided by √D"][:, 0], spreads["not divided"][:, 0])  # √1 = 1
