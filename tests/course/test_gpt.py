"""The experiments of lesson 08: the language as a model, what right context is worth, stored results."""

import json
import pathlib

import numpy as np
import pytest

import minibert
from minibert.course import gpt
from minibert.text.toy import TOY
from minibert.text.toy.limits import Limits
from minibert.text.toy.pairs import ToyExamples

DATA = pathlib.Path(__file__).parents[2] / "notebooks" / "data"


@pytest.fixture(scope="module")
def truth():
    return gpt.TrueLanguage()


@pytest.fixture(scope="module")
def stored():
    return json.loads((DATA / "08_gpt.json").read_text(encoding="ascii"))


def test_the_language_as_a_model_has_the_losses_of_the_limits(truth):
    """-log P(first sentence, [SEP]) in three ways: the model's steps, the limits' losses, the sentences."""
    tokenizer = TOY.tokenizer()
    pairs = ToyExamples(TOY, tokenizer).held_out_pairs(6)
    ids = pairs.clean_ids[:, :9]
    losses, _ = Limits(TOY, tokenizer).next_token(pairs)
    state, total, new = None, np.zeros(6), ids[:, :1]
    for place in range(1, 9):
        output, _ = truth.forward(new, state=state)
        state, new = output.state, ids[:, place:place + 1]
        total -= output.logits[np.arange(6), 0, new[:, 0]]
    np.testing.assert_allclose(total, losses[:, 1:9].sum(axis=1), rtol=1e-12)
    said = [[tokenizer.id_to_token[token] for token in row[1:8]] for row in ids]
    np.testing.assert_allclose(total, -truth.sentences.log_prob(said), rtol=1e-12)
    at_once, _ = truth.forward(ids[:, :8])
    np.testing.assert_array_equal(at_once.logits, output.logits)


def test_what_the_language_says_is_grammatical_and_greedy_is_not_the_mode(truth):
    judged = gpt.judge(gpt.texts(truth, 20, do_sample=True), truth.sentences)
    assert judged.grammatical == 1 and judged.distinct > 0.8 and judged.surprise > 8
    [greedy], [wide] = gpt.texts(truth), gpt.texts(truth, num_beams=16)
    _, best = truth.sentences.mode()
    found, of_greedy = truth.sentences.log_prob([wide, greedy])
    assert found == pytest.approx(best)  # the mode, or a sentence that is as likely
    assert of_greedy < best - 0.1


def test_greedy_after_a_word_is_at_most_as_likely_as_the_best_beam(truth):
    found = gpt.greedy_after_each_word(truth, num_beams=4)
    assert {"everyone", "then", "anna"} <= set(found)
    assert found["everyone"][0] == pytest.approx(-truth.sentences.mode()[1])
    assert all(np.isfinite(both).all() for both in found.values())


def test_a_judge_knows_what_is_no_sentence(truth):
    mode, best = truth.sentences.mode()
    judged = gpt.judge([list(mode), list(mode), list(mode[::-1]), []], truth.sentences)
    assert judged == gpt.Judged(0.5, 0.75, -best)
    assert np.isnan(gpt.judge([["nothing"]], truth.sentences).surprise)


def test_right_context_helps_on_average():
    contexts = gpt.right_context(16)
    whole = contexts.pop("all words")
    assert whole.both < whole.left and sum(each.number for each in contexts.values()) == whole.number
    mean = sum(each.left * each.number for each in contexts.values()) / whole.number
    assert mean == pytest.approx(whole.left)


@pytest.mark.parametrize("model_class", [gpt.GPT2LMHeadModel, gpt.OpenAIGPTLMHeadModel])
def test_a_forecast_sees_itself_and_what_is_before(model_class):
    model = gpt.make(model_class, 0, hidden_size=8, num_hidden_layers=2)
    seen = gpt.sight(model, np.array([[2, 7, 9, 30, 3]]))
    assert ((seen > 0) == np.tri(4, dtype=bool)).all()
    assert not model.embeddings.token.weight.grad.any()


def test_a_wrong_function_has_a_right_gradient():
    assert gpt.passes_the_gradient_check("unshifted-target")
    assert gpt.passes_the_gradient_check("mask-off-by-one")
    assert not gpt.passes_the_gradient_check("wrong-operand")


def test_norms_have_a_number_for_each_block():
    norms = gpt.norms_at_the_start(2, seeds=[0])
    assert {name: values.shape for name, values in norms.items()} == {
        "pre-norm": (1, 2), "pre-norm, not scaled": (1, 2), "post-norm": (1, 2)}
    assert all((values > 0).all() for values in norms.values())


def test_an_unmasked_prefill_changes_what_was_said_before_the_last_token():
    model = gpt.make(gpt.GPT2LMHeadModel, 0, hidden_size=8, num_hidden_layers=2, size=2.0)
    found = gpt.prefill(model, 5, num_new=3)
    assert found.loss != found.unmasked_loss and 0 <= found.changed <= 1


@pytest.mark.exhaustive
def test_a_rerun_begins_as_what_is_stored(stored):
    """The stored model has the stored loss and text; a short training still learns."""
    model = minibert.GPT2LMHeadModel.from_pretrained(DATA / "08_toy_gpt")
    assert gpt.held_out_loss(model, 1024) == pytest.approx(stored["held_out"][0], abs=2e-3)
    assert " ".join(gpt.texts(model)[0]) == stored["greedy"][0]
    assert gpt.norm_run("pre-norm", 2, 0, stop=12).loss < 5.8


@pytest.mark.exhaustive
def test_one_point_of_each_training_again(stored):
    for name in gpt.NORMS:
        values = stored["losses"][name]["2"]
        assert min(values) - 0.3 < gpt.norm_run(name, 2, 0).loss < max(values) + 0.3
    model = gpt.sampler(1)
    assert gpt.held_out_loss(model, 1024) == pytest.approx(stored["held_out"][1], abs=0.1)
