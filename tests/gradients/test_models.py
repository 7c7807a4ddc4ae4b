"""What the gradient check does not see of a model: what its backward returns, and other d_loss than a number.

Token ids have no gradient, so the check compares nothing with the d_embeddings that backward returns. But
position embeddings are added to the sum of the embeddings, the same for every sequence: their gradient, which
is checked, is d_embeddings summed over the batch.

Which cases these tests are for is seen from the layers: those with position embeddings, and those with a
loss.
"""

import copy
import inspect
import operator

import numpy as np
import pytest

import minibert as mb
from minibert.gradcheck.cases import CASES
from minibert.gradcheck.subject import Subject
from minibert.layers import Parameter


def has_positions(layer):
    return any(name.endswith("position.weight") for name in layer.parameters())


def has_loss(layer):
    """Its backward begins at a loss of its own: backward(cache, d_loss)."""
    return next(iter(inspect.signature(layer.backward).parameters)) == "cache"


def is_tied(layer):
    """Its decoder adds to the gradient of the embeddings."""
    return hasattr(layer, "decoder") and layer.decoder.weight is layer.embedding.weight


def drops_words(case):
    layer, _, forward_kwargs = CASES[case]
    return "rng" in forward_kwargs and layer.embedding.dropout.probability > 0


EMBEDDING_CASES = [case for case in CASES if has_positions(CASES[case].layer)]
LOSS_CASES = [case for case in CASES if has_loss(CASES[case].layer)]
LOOKUP_CASES = [  # with an embedding of their own, without what else would change its gradient
    case for case in LOSS_CASES
    if hasattr(CASES[case].layer, "embedding") and not is_tied(CASES[case].layer) and not drops_words(case)
]
CHARACTER_CASES = [case for case in LOSS_CASES if hasattr(CASES[case].layer, "characters")]
SHOWN_CASES = [  # tokens that become content rows, without places: XLNet
    case for case in CASES if any(name.endswith("embeddings.mask") for name in CASES[case].layer.parameters())
]
LABELS = {"mlm": "labels", "nsp": "next_sentence_label", "sop": "sentence_order_label"}
PARTS = {  # of the models whose loss has two parts
    case: parts for case in LOSS_CASES for parts in (("mlm", "nsp"), ("mlm", "sop"))
    if {LABELS[part] for part in parts} <= set(CASES[case].forward_kwargs)
}
PART_CASES = list(PARTS)


# Heads on states that are given: of whole models, which hand d_loss on, PART_CASES are tried.
HEAD_CASES = [case for case in LOSS_CASES if case.partition(" ")[0].endswith("Head")]


def test_the_cases_are_found():
    assert {case.partition(" ")[0] for case in EMBEDDING_CASES} >= {
        "BertEmbeddings",
        "BertModel",
        "BertForPreTraining",
    }
    assert PARTS["BertForPreTraining"] == ("mlm", "nsp") and PARTS["AlbertForPreTraining"] == ("mlm", "sop")
    assert "BertForPreTraining" in LOSS_CASES and "LSTMLanguageModel" in LOOKUP_CASES
    assert {"SequenceHead", "SpanHead"} <= set(HEAD_CASES) and "ELMo" in CHARACTER_CASES
    assert {"XLNetModel", "XLNetLMHeadModel", "XLNetForSequenceClassification"} <= set(SHOWN_CASES)


@pytest.mark.parametrize("case", EMBEDDING_CASES)
def test_backward_returns_the_gradient_of_the_summed_embeddings(case):
    with Subject(*CASES[case]) as subject:
        y, cache = subject.plain_forward()
        subject.draw_upstream(y, np.random.default_rng(3))
        subject.zero_grad()
        d_embeddings = subject.backward(cache)
        names = [name for name in subject.parameters if name.endswith("position.weight")]
        position = subject.parameters[names[0]]
        places = operator.attrgetter(names[0].removesuffix(".weight"))(cache).ids
        expected = np.zeros_like(position.grad)
        np.add.at(expected, np.broadcast_to(places, d_embeddings.shape[:2]), d_embeddings)
        atol = 1e-12 * np.abs(expected).max()
        np.testing.assert_allclose(position.grad, expected, rtol=0, atol=atol)


@pytest.mark.parametrize("case", LOSS_CASES)
def test_the_upstream_gradient_of_a_loss_is_one_by_default(case):
    with Subject(*CASES[case]) as subject:
        layer = subject.layer
        _, cache = subject.plain_forward()
        subject.zero_grad()
        layer.backward(cache)
        by_default = {name: parameter.grad.copy() for name, parameter in subject.parameters.items()}
        subject.zero_grad()
        layer.backward(cache, d_loss=np.float64(1))
        for name, parameter in subject.parameters.items():
            np.testing.assert_array_equal(by_default[name], parameter.grad, err_msg=name)


@pytest.mark.parametrize("case", LOSS_CASES)
def test_all_parts_may_have_the_same_weight(case):
    """d_loss = {part: 0.75, ...} is d_loss = 0.75, whatever the parts are called."""
    with Subject(*CASES[case]) as subject:
        output, cache = subject.plain_forward()
        found = []
        for d_loss in (0.75, dict.fromkeys(output.counts, 0.75)):
            subject.zero_grad()
            subject.layer.backward(cache, d_loss)
            found.append({name: parameter.grad.copy() for name, parameter in subject.parameters.items()})
        for name, gradient in found[0].items():
            np.testing.assert_array_equal(gradient, found[1][name], err_msg=name)


@pytest.mark.parametrize("case", LOOKUP_CASES)
def test_backward_returns_the_gradient_of_what_was_looked_up(case):
    with Subject(*CASES[case]) as subject:
        _, cache = subject.plain_forward()
        subject.zero_grad()
        d_embedded = subject.layer.backward(cache)
        expected = np.zeros_like(subject.parameters["embedding.weight"].grad)
        np.add.at(expected, subject.inputs[0], d_embedded)
        np.testing.assert_allclose(subject.parameters["embedding.weight"].grad, expected, atol=1e-14)


@pytest.mark.parametrize("case", CHARACTER_CASES)
def test_backward_returns_the_gradient_of_the_words_vectors(case):
    """The last bias of the character encoder is added to the vector of every word."""
    with Subject(*CASES[case]) as subject:
        _, cache = subject.plain_forward()
        subject.zero_grad()
        d_vectors = subject.layer.backward(cache)
        found = subject.parameters["characters.projection.bias"].grad
        np.testing.assert_allclose(found, d_vectors.sum(axis=(0, 1)), rtol=1e-12)


@pytest.mark.parametrize("case", SHOWN_CASES)
def test_backward_returns_the_gradient_of_the_content(case):
    """Where the output has a table of its own, with the same numbers, the tokens' is only looked up."""
    layer, inputs, forward_kwargs = copy.deepcopy(CASES[case])
    if hasattr(layer, "output"):
        layer.output.weight = Parameter(layer.output.weight.value.copy())
    with Subject(layer, inputs, forward_kwargs) as subject:
        y, cache = subject.plain_forward()
        subject.draw_upstream(y, np.random.default_rng(3))
        subject.zero_grad()
        d_content = subject.backward(cache)
        [name] = [name for name in subject.parameters if name.endswith("embeddings.token.weight")]
        found = subject.parameters[name].grad
        expected = np.zeros_like(found)
        np.add.at(expected, subject.inputs[0], d_content)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


def gradients_of(case, left_out, d_loss):
    layer, inputs, forward_kwargs = CASES[case]
    kept = {name: value for name, value in forward_kwargs.items() if name != left_out}
    with Subject(layer, inputs, kept) as subject:
        _, cache = subject.plain_forward()
        subject.zero_grad()
        subject.layer.backward(cache, d_loss)
        return {name: parameter.grad.copy() for name, parameter in subject.parameters.items()}


@pytest.mark.parametrize("case", PART_CASES)
def test_each_part_of_the_loss_has_a_weight_of_its_own(case):
    """Beside what each part gives alone, the labels of the other left out."""
    first, second = PARTS[case]
    alone = gradients_of(case, LABELS[second], 0.75), gradients_of(case, LABELS[first], 0.5)
    expected = {name: alone[0][name] + alone[1][name] for name in alone[0]}
    largest = max(np.abs(gradient).max() for gradient in expected.values())
    atol = 1e-14 * largest  # the key bias's gradient is rounding only
    for name, gradient in gradients_of(case, None, {first: 0.75, second: 0.5}).items():
        np.testing.assert_allclose(gradient, expected[name], rtol=1e-12, atol=atol, err_msg=name)


class Weighed(mb.Layer):
    """A layer whose loss has a weight for each of its parts."""

    def __init__(self, layer):
        self.layer = layer

    def forward(self, x, **given):
        output, cache = self.layer.forward(x, **given)
        weights = {part: 0.75 / (number + 1) for number, part in enumerate(output.counts)}
        parts = [weight * getattr(output, f"{part}_loss") for part, weight in weights.items()]
        return output._replace(loss=sum(parts)), (cache, weights)

    def backward(self, cache, d_loss=1.0):
        of_layer, weights = cache
        return self.layer.backward(of_layer, {part: d_loss * weight for part, weight in weights.items()})


@pytest.mark.parametrize("case", HEAD_CASES)
def test_each_part_of_a_head_has_a_weight_of_its_own(case):
    layer, inputs, forward_kwargs = CASES[case]
    report = mb.check_gradients(Weighed(layer), *inputs, max_entries=2, **forward_kwargs)
    assert report.ok and len(report.rows) == 1 + len(layer.parameters())
