"""The experiments of lesson 12 ask what they say, and change no model."""

import doctest

import numpy as np
import pytest

from minibert.course import pretraining
from minibert.course.bert_backward import toy_bert
from minibert.layers import Linear
from minibert.text.toy import LEMMAS, TOY, WORDS


@pytest.fixture(scope="module")
def tokenizer():
    return TOY.tokenizer()


@pytest.fixture(scope="module")
def subject():
    return toy_bert(seed=1)


def test_the_examples_of_the_docstrings():
    results = doctest.testmod(pretraining)
    assert results.failed == 0 and results.attempted > 8


@pytest.mark.parametrize(
    "question, forms, sources",
    [
        (pretraining.gender_question, " ".join(WORDS["kin"][2]), WORDS["name"][2]),
        (
            pretraining.number_question, " ".join(line for lines in LEMMAS for line in lines),
            [word for lines in LEMMAS for line in lines for word in line.split()[:2]],
        ),
    ],
)
def test_a_question_hides_the_form_that_the_source_decides(tokenizer, question, forms, sources):
    asked, words = question(tokenizer.vocab, number=20), tokenizer.id_to_token
    rows = np.arange(20)
    assert {words[token] for token in asked.ids[rows, asked.place]} == {"[MASK]"}
    assert {words[token] for token in asked.ids[rows, asked.source]} <= set(sources)
    for right, other in zip(asked.right, asked.other):
        assert right != other and {words[right], words[other]} <= set(forms.split())
    hidden = pretraining.hide_source(asked, tokenizer.vocab).ids
    assert ((hidden != asked.ids).sum(axis=1) == 1).all()
    assert (hidden[rows, asked.source] == tokenizer.vocab["[MASK]"]).all()


def test_the_two_parts_add_up_to_the_loss(tokenizer, subject):
    model, _ = subject
    asked = pretraining.gender_question(tokenizer.vocab, number=5)
    answer = pretraining.ask(model, asked)
    labels = np.full_like(asked.ids, -100)
    labels[np.arange(5), asked.place] = asked.right
    output, cache = model.forward(asked.ids, labels=labels)
    assert answer.which_pair + answer.which_form == pytest.approx(float(output.mlm_loss), rel=1e-5)
    of_right, of_other = (cache.mlm_loss.probs[np.arange(5), form] for form in (asked.right, asked.other))
    assert answer.right == sum(of_right > of_other) / 5 != 0.5
    np.testing.assert_allclose(answer.attention.sum(axis=-1), 1, rtol=1e-5)


def test_parts_are_put_together_in_order(monkeypatch):
    monkeypatch.setattr(pretraining, "PART", 3)
    doubled = pretraining.in_parts(lambda model, ids: model * ids, 2, np.arange(8))
    assert doubled.tolist() == list(range(0, 16, 2))


def test_a_probe_is_judged_on_sentences_that_have_not_trained_it(monkeypatch):
    monkeypatch.setattr(pretraining, "TESTED", 4)
    x, labels, seen = np.arange(10.0)[:, np.newaxis], np.array([0, 1, 0, 0] + [1] * 6), []

    def train(some, answers):
        seen.append(some.ravel().tolist())
        layer = Linear(1, 2)
        layer.weight.value[:] = 0
        layer.bias.value[:] = 1, 0
        return layer

    accuracies = pretraining.learning_curve(train, x, labels, (2, 5))
    assert accuracies.shape == (2, 5) and (accuracies == 0.75).all()
    assert {len(places) for places in seen} == {2, 5} and min(map(min, seen)) >= 4
    assert len({tuple(places) for places in seen}) > 5


def test_padding_adds_nothing_that_is_predicted(subject):
    batch = subject[1].batch(0, 3)
    longer = pretraining.padded(batch, 2)
    assert longer.labels.shape == (3, batch.labels.shape[1] + 2)
    assert (longer.labels[:, -2:] == -100).all() and not longer.attention_mask[:, -2:].any()


@pytest.mark.parametrize("way", ["SGD", "AdamW"])
def test_a_copy_is_trained(subject, way):
    model, examples = subject
    before = model.nsp_head.bias.value.copy()

    def loss_of(model, batch):
        model.zero_grad()
        model.nsp_head.bias.grad[:] = 1, -1
        return float(len(batch.labels))

    test = examples.batch(1, 2)
    reported, true_losses = pretraining.train(loss_of, model, way, examples, test, num_steps=20)
    assert reported == [24.0] * 20
    assert len(true_losses) == 2 and np.isfinite(true_losses).all()
    np.testing.assert_array_equal(model.nsp_head.bias.value, before)
