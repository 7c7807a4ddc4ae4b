"""Every gradient of every layer and model against the complex step: one test a gradient, the table of contents of the proof."""

import functools
import inspect

import numpy as np
import pytest

import minibert as mb
from minibert.gradcheck.cases import CASES


@functools.cache
def rows(case):
    layer, inputs, forward_kwargs = CASES[case]
    report = mb.check_gradients(layer, *inputs, **forward_kwargs)
    return {row.name: row for row in report.rows}, report.problems


def names(case):
    """The gradients that a check must cover: every input of real numbers and every parameter."""
    layer, inputs, _ = CASES[case]
    arguments = list(inspect.signature(layer.forward).parameters)
    real = [name for name, value in zip(arguments, inputs) if np.issubdtype(np.asarray(value).dtype, np.floating)]
    parameters = layer.parameters()
    return real + list(parameters)


@pytest.mark.parametrize(("case", "name"), [pytest.param(case, name, id=f"{case} {name}") for case in CASES for name in names(case)])
def test_gradients(case, name):
    row = rows(case)[0][name]
    assert row.error <= 1e-12, row


@pytest.mark.parametrize("case", CASES)
def test_nothing_else_is_wrong(case):
    """Forward repeats itself, nothing is changed in place, a second backward adds the same gradients again."""
    assert not rows(case)[1]


@pytest.mark.parametrize("case", CASES)
def test_central_differences_agree(case):
    layer, inputs, forward_kwargs = CASES[case]
    assert mb.check_gradients(layer, *inputs, method="central", max_entries=4, **forward_kwargs).ok
