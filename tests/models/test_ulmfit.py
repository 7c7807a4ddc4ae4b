"""ULMFiT's classifier: pooling by hand, padding, dropout, files, wrong input."""

import dataclasses

import numpy as np
import pytest
from helpers import B, T, V, random, scrambled

import minibert as mb
from minibert.gradcheck.cases.common import INPUT_IDS, PADDING
from minibert.huggingface import CheckpointWarning
from minibert.models.ulmfit import ConcatPooling

CONFIG = mb.ULMFiTConfig(
    V, embedding_size=6, hidden_size=8, num_hidden_layers=2, classifier_size=7, num_labels=3)
LABELS = np.array([2, 0, 1, -100])
RATES = [field.name for field in dataclasses.fields(CONFIG) if "dropout" in field.name]


@pytest.fixture
def model():
    return scrambled(mb.AWDLSTMForSequenceClassification(CONFIG, dtype=np.float64))


def test_pooling_by_hand():
    states = np.array([[[1.0, -5.0], [3.0, -2.0], [2.0, -4.0], [9.0, 9.0]]])
    y, cache = ConcatPooling().forward(states, np.array([[1, 1, 1, 0]]))
    np.testing.assert_allclose(y, [[2, -4, 3, -2, 2, -11 / 3]])
    d_states = ConcatPooling().backward(np.array([[10.0, 20, 100, 200, 3, 6]]), cache)
    np.testing.assert_allclose(d_states, [[[1, 2], [101, 202], [11, 22], [0, 0]]])


def test_of_equal_states_the_first_is_the_maximum():
    states = np.array([[[1.0], [4.0], [4.0]]])
    _, cache = ConcatPooling().forward(states, np.ones((1, 3)))
    assert ConcatPooling().backward(np.array([[0.0, 1.0, 0.0]]), cache).tolist() == [[[0], [1], [0]]]


@pytest.mark.parametrize("size", [1, -30])
def test_padding_is_not_pooled(size):
    """Neither where it is the largest, nor where all that is real is below its zeros."""
    states = random(B, T, 3) + size
    lengths = PADDING.sum(axis=1)
    alone = [states[row, :length] for row, length in enumerate(lengths)]
    expected = [np.hstack([found[-1], found.max(axis=0), found.mean(axis=0)]) for found in alone]
    for filler in (0.0, 99.0):
        padded = np.where(PADDING[:, :, np.newaxis] == 1, states, filler)
        y, _ = ConcatPooling().forward(padded, PADDING)
        np.testing.assert_allclose(y, expected, rtol=0, atol=1e-14)


def test_padding_changes_nothing(model):
    output, cache = model.forward(INPUT_IDS, PADDING, LABELS)
    model.zero_grad()
    model.backward(cache)
    gradients = {name: parameter.grad.copy() for name, parameter in model.parameters().items()}
    rng = np.random.default_rng(0)
    ids = np.hstack([np.where(PADDING == 1, INPUT_IDS, rng.integers(V, size=(B, T))), np.full((B, 4), 3)])
    longer, cache = model.forward(ids, np.hstack([PADDING, np.zeros((B, 4), int)]), LABELS)
    np.testing.assert_allclose(longer.logits, output.logits, rtol=1e-15, atol=1e-15)
    model.zero_grad()
    model.backward(cache)
    for name, parameter in model.parameters().items():
        np.testing.assert_allclose(parameter.grad, gradients[name], rtol=1e-14, atol=1e-14, err_msg=name)


def test_a_text_has_the_same_answer_alone_and_twice(model):
    """No state is kept from text to text, and none from call to call."""
    together, _ = model.forward(INPUT_IDS, PADDING)
    for row, length in enumerate(PADDING.sum(axis=1)):
        alone, _ = model.forward(INPUT_IDS[row : row + 1, :length])
        np.testing.assert_allclose(alone.logits[0], together.logits[row], rtol=1e-13)
    assert (model.forward(INPUT_IDS, PADDING)[0].logits == together.logits).all()


@pytest.mark.parametrize("rate", RATES)
def test_each_rate_drops_something_of_its_own(rate):
    off = dict.fromkeys(RATES, 0.0)
    plain, dropped = (
        scrambled(mb.AWDLSTMForSequenceClassification(dataclasses.replace(CONFIG, **rates)))
        for rates in (off, off | {rate: 0.4})
    )
    expected, _ = plain.forward(INPUT_IDS, PADDING)
    output, _ = dropped.forward(INPUT_IDS, PADDING, rng=np.random.default_rng(3))
    assert not np.allclose(output.logits, expected.logits)
    assert (dropped.forward(INPUT_IDS, PADDING)[0].logits == expected.logits).all()


def test_it_begins_as_the_language_model(tmp_path):
    """The body is the pretrained one, and the head is new, drawn from the seed; then it is stored whole."""
    sizes = {"vocab_size": V, "embedding_size": 6, "hidden_size": 8, "num_hidden_layers": 2}
    language_model = scrambled(mb.AWDLSTMLanguageModel(mb.AWDLSTMConfig(**sizes)))
    language_model.save_pretrained(tmp_path / "lm")
    names = {"id2label": {0: "no", 1: "perhaps", 2: "yes"}}
    with pytest.warns(CheckpointWarning, match="has none, and to be trained before use: dense, classifier"):
        model = mb.AWDLSTMForSequenceClassification.from_pretrained(tmp_path / "lm", seed=3, **names)
    theirs = language_model.parameters()
    for name, parameter in model.parameters().items():
        assert name.startswith(("dense.", "head.")) or (parameter.value == theirs[name].value).all()
    output, _ = language_model.forward(INPUT_IDS)
    pooled = model.forward(INPUT_IDS)[1]
    assert pooled.layers[-1].hiddens[1:].shape == (T, B, 6) and output.state[-1][0].shape == (B, 6)
    np.testing.assert_array_equal(pooled.layers[-1].hiddens[-1], output.state[-1][0])
    model.save_pretrained(tmp_path / "classifier")
    again = mb.AWDLSTMForSequenceClassification.from_pretrained(tmp_path / "classifier")
    assert again.config == model.config and again.config.num_labels == 3
    assert (again.forward(INPUT_IDS)[0].logits == model.forward(INPUT_IDS)[0].logits).all()
    with pytest.warns(CheckpointWarning, match="another number of labels: classifier"):
        other = mb.AWDLSTMForSequenceClassification.from_pretrained(tmp_path / "classifier", num_labels=5)
    assert other.forward(INPUT_IDS)[0].logits.shape == (B, 5)


@pytest.mark.parametrize(("ids", "mask", "message"), [
    (INPUT_IDS, PADDING[:, ::-1], "1 for the tokens of each text, one at least, and then 0"),
    (INPUT_IDS, np.zeros((B, T), int), "one at least"),
    (INPUT_IDS, PADDING[:, 1:], r"attention_mask has shape \(4, 4\), expected \(4, 5\)"),
    (INPUT_IDS, 2 * PADDING, "must hold 1 for a token and 0 for padding"),
    (INPUT_IDS[0], None, r"shape \(batch, tokens\).* got int64 of shape \(5,\)"),
    (INPUT_IDS * 1.0, None, "input_ids must be integers"),
    (INPUT_IDS[:0], None, "at least one token"),
])
def test_wrong_input(ids, mask, message, model):
    with pytest.raises(ValueError, match=message):
        model.forward(ids, mask)


@pytest.mark.parametrize(("changes", "message"), [
    ({"classifier_dropout": 1.0}, "classifier_dropout must be at least 0 and below 1"),
    ({"max_position_embeddings": 0}, "max_position_embeddings must be a positive integer, got 0"),
    ({"classifier_size": 0}, "classifier_size must be a positive integer"),
    ({"num_labels": 2, "id2label": {0: "a", 1: "b", 2: "c"}}, "num_labels is 2, but id2label has 3"),
])
def test_a_wrong_configuration(changes, message):
    with pytest.raises(ValueError, match=message):
        mb.ULMFiTConfig(V, **changes)
