"""Every gradient of every layer and model against the complex step, one test a gradient."""

import functools
import inspect

import numpy as np
import pytest

import minibert as mb
from minibert.gradcheck.cases import CASES
from minibert.layers.walk import is_array, parts, walk

MODEL_ENTRIES = 1  # of each tensor of a whole model; all of them in the exhaustive run
# Whole models of these shapes, activations and arguments are in the exhaustive run.
VARIANTS = (
    "one head", "one token", "batch of one", "no padding", "padding on the left", "a mask for each query",
    "nothing to predict", "only MLM", "only NSP", "only SOP", "tied", "tanh", "relu", "silu",
    "Transformer state", "ELMo", "Transformer",  # a second each and more; their parts are in the plain run
    "AWDLSTMForSequenceClassification",  # with dropout it is in the plain run
    "XLNetModel", "XLNetModel state", "XLNetLMHeadModel state", "XLNetLMHeadModel no targets",
    "XLNetForSequenceClassification",  # all of them in XLNetLMHeadModel and RelativeAttention
    "AlbertModel", "Distillation no teacher",  # in AlbertForPreTraining, in Distillation
    "ElectraModel", "ElectraForMaskedLM", "ElectraForPreTraining one size",
    "ElectraPair", "ElectraPair given samples",  # a second each; ElectraForPreTraining is in the plain run
)


@functools.cache
def rows(case):
    layer, inputs, forward_kwargs = CASES[case]
    max_entries = MODEL_ENTRIES if is_model(layer) else None
    report = mb.check_gradients(layer, *inputs, max_entries=max_entries, **forward_kwargs)
    return {row.name: row for row in report.rows}, report.problems


def is_model(layer):
    return hasattr(layer, "config")


def names(case):
    """The gradients that a check must cover: every input of real numbers and every parameter.

    A state is a tuple of arrays: state.0, state.1.
    """
    layer, inputs, _ = CASES[case]
    named = zip(inspect.signature(layer.forward).parameters, inputs)
    arrays = [found for name, value in named for found in walk(value, is_array, name, within=parts)]
    real = [name for name, array in arrays if np.issubdtype(array.dtype, np.floating)]
    return real + list(layer.parameters())


def marks(case):
    is_exhaustive = is_model(CASES[case].layer) and case.endswith(VARIANTS)
    return [pytest.mark.exhaustive] * is_exhaustive


EVERY_GRADIENT = [
    pytest.param(case, name, id=f"{case} {name}", marks=marks(case)) for case in CASES for name in names(case)
]


@pytest.mark.parametrize(("case", "name"), EVERY_GRADIENT)
def test_gradients(case, name):
    row = rows(case)[0][name]
    assert row.error <= 1e-12, row


def others_in_the_exhaustive_run():
    """The first case of each layer; the others, and whole models, in the exhaustive run."""
    layers = {case: CASES[case].layer for case in reversed(list(CASES))}
    first = {layer.__class__: case for case, layer in layers.items() if not is_model(layer)}
    return [
        pytest.param(case, marks=[pytest.mark.exhaustive] * (case not in first.values())) for case in CASES
    ]


@pytest.mark.parametrize("case", others_in_the_exhaustive_run())
def test_nothing_else_is_wrong(case):
    """Forward repeats itself, nothing is changed in place, a second backward adds the same gradients."""
    assert not rows(case)[1]


@pytest.mark.exhaustive
@pytest.mark.parametrize("case", CASES)
def test_central_differences_agree(case):
    layer, inputs, forward_kwargs = CASES[case]
    assert mb.check_gradients(layer, *inputs, method="central", max_entries=4, **forward_kwargs).ok


@pytest.mark.exhaustive
@pytest.mark.parametrize("case", [case for case in CASES if is_model(CASES[case].layer)])
def test_every_entry_of_every_model(case):
    layer, inputs, forward_kwargs = CASES[case]
    report = mb.check_gradients(layer, *inputs, **forward_kwargs)
    assert report.ok and max(row.error for row in report.rows) <= 1e-12
