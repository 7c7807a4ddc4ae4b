"""What the gradient check does not see of a model: what its backward returns, and the upstream gradient it takes by default.

Token ids have no gradient, so the check compares nothing with the d_embeddings that backward returns. But the position
embeddings are added to the sum of the embeddings, the same for every sequence: their gradient, which is proved, is
d_embeddings summed over the batch.
"""

import numpy as np
import pytest

from minibert.gradcheck.cases import CASES
from minibert.gradcheck.subject import Subject

EMBEDDING_CASES = [case for case in CASES if case.startswith("Bert")]
LOSS_CASES = [case for case in CASES if case.startswith("BertForPreTraining")]


@pytest.mark.parametrize("case", EMBEDDING_CASES)
def test_backward_returns_the_gradient_of_the_summed_embeddings(case):
    layer, inputs, forward_kwargs = CASES[case]
    with Subject(layer, inputs, forward_kwargs) as subject:
        y, cache = subject.plain_forward()
        subject.draw_upstream(y, np.random.default_rng(3))
        subject.zero_grad()
        d_embeddings = subject.backward(cache)
        position = next(parameter for name, parameter in subject.parameters.items() if name.endswith("position.weight"))
        summed = d_embeddings.sum(axis=0)  # (T, H)
        np.testing.assert_allclose(position.grad[: len(summed)], summed, rtol=0, atol=1e-12 * np.abs(summed).max())


@pytest.mark.parametrize("case", LOSS_CASES)
def test_the_upstream_gradient_of_a_loss_is_one_by_default(case):
    layer, inputs, forward_kwargs = CASES[case]
    with Subject(layer, inputs, forward_kwargs) as subject:
        _, cache = subject.plain_forward()
        subject.zero_grad()
        layer.backward(cache)
        by_default = {name: parameter.grad.copy() for name, parameter in subject.parameters.items()}
        subject.zero_grad()
        layer.backward(cache, d_loss=np.float64(1))
        for name, parameter in subject.parameters.items():
            np.testing.assert_array_equal(by_default[name], parameter.grad, err_msg=name)

