"""The numbers behind the figures are those of the model; computing them changes nothing of it."""

import doctest

import numpy as np
import pytest

import minibert
import minibert.trace.example
from minibert.course import figures
from minibert.gradcheck.step_size import errors_by_step
from minibert.gradcheck.subject import RANDOM_STREAM
from minibert.layers import LayerNorm


@pytest.fixture(scope="module")
def tiny():
    return minibert.trace.example.by_hand()


@pytest.fixture(scope="module")
def cache(tiny):
    return tiny.model.forward(**tiny.batch)[1]


def test_saliency_scores(tiny, cache):
    before = {name: parameter.grad.copy() for name, parameter in tiny.model.parameters().items()}
    scores = figures.saliency_scores(tiny.model, cache)
    for name, parameter in tiny.model.parameters().items():
        np.testing.assert_array_equal(parameter.grad, before[name])  # drawing is no training step
    d_embeddings = tiny.model.replica().backward(cache)
    np.testing.assert_allclose(scores, np.linalg.norm(d_embeddings, axis=-1), rtol=1e-12)
    assert scores.shape == (1, 15)
    assert scores[0, 13] == 0  # [PAD]


def test_gradient_norms(tiny, cache):
    trained = tiny.model.replica()
    trained.backward(cache)
    parameters = trained.parameters()
    by_parameter = figures.gradient_norms(trained, by="parameter")
    assert len(by_parameter) == len(parameters)
    expected = np.linalg.norm(parameters["bert.encoder.1.attention.query.weight"].grad)
    assert by_parameter["encoder.1.attention.query.weight"] == pytest.approx(expected)
    by_layer = figures.gradient_norms(trained)
    assert list(by_layer) == [
        "embeddings", "encoder[0]", "encoder[1]", "encoder[2]", "pooler", "mlm_head", "nsp_head"
    ]
    total = sum(norm * norm for norm in by_parameter.values())
    assert sum(norm * norm for norm in by_layer.values()) == pytest.approx(total)
    with pytest.raises(ValueError, match="by must be"):
        figures.gradient_norms(trained, by="head")
    trained.zero_grad()
    assert set(figures.gradient_norms(trained).values()) == {0.0}


def test_word_embeddings(tiny):
    table = tiny.model.bert.embeddings.token.weight.value
    vocab = {"dog": 6, "cat": 8, "ran": 10, "tree": 13}
    found = figures.word_embeddings(table, ["tree", "dog", "cat"], vocab)
    np.testing.assert_array_equal(found, table[[13, 6, 8]])
    with pytest.raises(KeyError, match="not in the vocabulary: zebra, yak; a word of several pieces"):
        figures.word_embeddings(table, ["zebra", "dog", "yak"], vocab)


def cube(x):
    return x * x * x, x


def cube_backward(d_y, x):
    return 3 * x * x * d_y


@pytest.mark.parametrize("layer", [LayerNorm(6), (cube, cube_backward)], ids=["a layer", "two functions"])
def test_step_size_errors(layer):
    x = np.random.default_rng(0).standard_normal((4, 5, 6))
    steps, errors, used = figures.step_size_errors(layer, x)
    assert steps[0] == pytest.approx(1e-30) and steps[-1] == pytest.approx(1e-1)
    assert used == {"central": 1e-5, "complex": 1e-30}
    complex_errors, central_errors = errors["complex"], errors["central"]
    assert complex_errors[steps < 1e-9].max() < 5e-15  # flat
    best = central_errors.argmin()
    assert 1e-7 < steps[best] < 1e-4 and 1e-12 < central_errors[best] < 1e-9
    slopes = np.diff(np.log10(central_errors)) / np.diff(np.log10(steps))
    assert slopes[steps[:-1] > 1e-4].mean() == pytest.approx(2, abs=0.1)  # the formula leaves out h²
    rounding = (steps[:-1] > 1e-15) & (steps[:-1] < 1e-7)
    assert slopes[rounding].mean() == pytest.approx(-1, abs=0.1)  # 1/h
    assert (central_errors[steps < 1e-18] == 1).all()  # x + h is x: nothing is left
    np.testing.assert_allclose(complex_errors[-5:-1], central_errors[-5:-1], rtol=0.1)


def test_the_errors_are_those_of_the_derivative():
    """f = x³: central differences are off by h² exactly, the complex step by -h²."""
    x = np.array([2.0])
    errors = errors_by_step((cube, cube_backward), x, steps=[1e-2])
    rng = np.random.default_rng([RANDOM_STREAM, 0])
    rng.standard_normal(1)  # the upstream gradient
    derivatives, excess = np.array([(12 * v, v**3 * 1e-4) for v in rng.standard_normal(8)]).T
    expected = np.abs(excess).max() / np.abs(derivatives).max()
    assert errors["central"] == pytest.approx(expected, rel=1e-6)
    assert errors["complex"] == pytest.approx(expected, rel=1e-6)


def test_the_error_of_a_wrong_backward_is_seen_at_every_step():
    wrong = (cube, lambda d_y, x: 2 * x * x * d_y)
    errors = errors_by_step(wrong, np.array([2.0]), steps=[1e-30, 1e-5])
    assert errors["complex"] == pytest.approx(0.5) and errors["central"][1] == pytest.approx(0.5)


def test_the_examples_of_the_docstrings():
    assert doctest.testmod(figures, extraglobs={"minibert": minibert}).failed == 0
