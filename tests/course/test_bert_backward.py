"""The experiments of lesson 11 measure what they say, and change no model."""

import doctest
import pathlib

import numpy as np
import pytest

import minibert
from minibert.course import bert_backward
from minibert.gradcheck import museum

STORED = pathlib.Path(minibert.__file__).parents[1] / "notebooks" / "data" / "11_forgotten_share.json"


@pytest.fixture(scope="module")
def subject():
    return bert_backward.by_hand(seed=1)


@pytest.fixture(scope="module")
def library(subject):
    return bert_backward.Comparison(*subject)


def test_the_examples_of_the_docstrings():
    results = doctest.testmod(bert_backward)
    assert results.failed == 0 and results.attempted > 4


def test_a_comparison_says_what_differs(library, capsys):
    block = library.recorded["bert.encoder.1.attention.d_scores"]
    library.same("bert.encoder.1", say=False, d_scores=block)
    assert capsys.readouterr().out == ""
    library.same("bert.encoder.1", say=False, d_scores=block + 1e-6)
    library.same("bert.encoder.1", say=False, d_scores=block[0])
    assert capsys.readouterr().out.count("DIFFERENT") == 2
    with pytest.raises(KeyError, match="names no d_nothing below 'bert'"):
        library.same("bert", d_nothing=block)


def test_all_parameters_names_the_wrong_one(library, capsys):
    library.all_parameters(library.grads)
    assert "62 parameters by hand: all as in the library" in capsys.readouterr().out
    library.all_parameters({**library.grads, "nsp_head.bias": np.zeros(2)})
    assert "DIFFERENT: nsp_head.bias" in capsys.readouterr().out


def test_the_two_shares_add_up_to_the_gradient(subject, library):
    decoder, lookup = bert_backward.shares_of(*subject)
    np.testing.assert_allclose(decoder + lookup, library.grads["bert.embeddings.token.weight"], rtol=1e-12)
    assert decoder.any(axis=1).all() and not lookup.any(axis=1).all()


def test_the_terms_of_a_block_add_up(library):
    recorded, path = library.recorded, "bert.encoder.2"
    shares = sum(recorded[f"{path}.attention.share_of_{part}"] for part in ("query", "key", "value"))
    d_x = recorded[f"{path}.d_attention_sum"] + shares
    np.testing.assert_allclose(d_x, recorded[f"{path}.d_x"], rtol=1e-12)


def test_share_outside():
    assert bert_backward.share_outside(np.array([3.0, 4.0]), np.array([True, False])) == 16 / 25


def test_errors_of_a_planted_gradient(subject, library):
    planted = museum.plant(subject[0], "forgotten-share")
    bert_backward.flat_gradient(planted, subject[1])
    grads = {name: parameter.grad for name, parameter in planted.parameters().items()}
    errors = bert_backward.errors_of(grads, library.grads)
    assert [name for name, error in errors.items() if error > 1e-12] == ["bert.embeddings.token.weight"]


def test_one_step_of_a_right_gradient_and_of_a_wrong_one():
    cosine, falls = bert_backward.one_step("overwritten-table", seed=1)
    assert 0.9 < cosine < 1 and falls
    cosine, falls = bert_backward.one_step("residual-plus-one", seed=1)
    assert abs(cosine) < 0.1


def test_what_is_stored_is_what_training_gives():
    name, curves, cosines = bert_backward.stored_runs(STORED)
    assert curves[name].shape == (5, 20) and cosines.shape == (5, 5)
    again = bert_backward.train(*bert_backward.toy_bert(seed=0), num_steps=10)
    assert again == pytest.approx(curves["right"][0, :1], abs=0.01)
