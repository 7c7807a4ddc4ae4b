"""Micro-batches, one after another, give the gradient of the whole batch: each part weighed by its count."""

import numpy as np
import pytest
from helpers import ATTENTION_MASK, INPUT_IDS, grads, scrambled

import minibert as mb
from minibert.gradcheck.cases import albert, distillation, electra

NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def bert():
    config = distillation.config(**NO_DROPOUT)
    return mb.BertForPreTraining(config, dtype=np.float64), {
        "labels": distillation.LABELS, "next_sentence_label": np.array([0, 1, -100, 1])}


def albert_of():
    config = albert.config(classifier_dropout=0.0, **NO_DROPOUT)
    return mb.AlbertForPreTraining(config, dtype=np.float64), {
        "labels": albert.LABELS, "sentence_order_label": albert.ORDER}


def electra_pair():
    small, full = electra.config(**electra.SMALL, **NO_DROPOUT), electra.config(**NO_DROPOUT)
    pair = mb.ElectraPair(
        mb.ElectraForMaskedLM(small, dtype=np.float64), mb.ElectraForPreTraining(full, dtype=np.float64))
    return pair, {"labels": electra.LABELS, "sampled_ids": electra.SAMPLED}


def student():
    model = mb.Distillation(mb.BertForPreTraining(distillation.config(**NO_DROPOUT), dtype=np.float64))
    return model, {"labels": distillation.LABELS, **distillation.TEACHER}


@pytest.mark.parametrize("make", [bert, albert_of, electra_pair, student])
@pytest.mark.parametrize("cuts", [[0, 1, 2, 3, 4], [0, 3, 4]])
def test_the_gradient_of_micro_batches_is_that_of_the_batch(make, cuts):
    """The third sequence predicts nothing, and the others differ in how much: a mean of means is wrong."""
    model, given = make()
    model, batch = scrambled(model), {"input_ids": INPUT_IDS, "attention_mask": ATTENTION_MASK, **given}
    whole, cache = model.forward(**batch)
    model.backward(cache)
    expected = grads(model)
    model.zero_grad()
    parts = [{name: array[one:other] for name, array in batch.items()} for one, other in zip(cuts, cuts[1:])]
    for part in parts:
        output, cache = model.forward(**part)
        model.backward(cache, {name: count / whole.counts[name] for name, count in output.counts.items()})
    largest = max(np.abs(gradient).max() for gradient in expected.values())
    for name, gradient in grads(model).items():
        assert np.abs(gradient - expected[name]).max() <= 1e-14 * largest, name
    model.zero_grad()
    for part in parts:  # a mean of means
        output, cache = model.forward(**part)
        model.backward(cache, 1 / len(parts))
    differences = [np.abs(gradient - expected[name]).max() for name, gradient in grads(model).items()]
    assert max(differences) > 1e-3 * largest
