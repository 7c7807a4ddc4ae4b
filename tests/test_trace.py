"""Walking through a cache by name."""

import numpy as np
import pytest

import minibert
from minibert.trace import first_non_finite, tensors


@pytest.fixture
def model():
    return minibert.BertForPreTraining(minibert.BertConfig(
        vocab_size=11, hidden_size=6, num_hidden_layers=2, num_attention_heads=3, intermediate_size=10, max_position_embeddings=5,
    ))  # fmt: skip


def test_the_paths_can_be_typed_at_a_breakpoint(model):
    _, cache = model.forward(np.array([[1, 2, 3]]), labels=np.array([[-100, 2, -100]]), rng=np.random.default_rng(0))
    found = dict(tensors(cache))
    assert len(found) > 40
    for path, array in found.items():
        assert eval(path, {"cache": cache}) is array  # a path is Python
    assert found["cache.bert.encoder[1].attention.probs"].shape == (1, 3, 3, 3)
    paths = list(found)
    assert paths.index("cache.bert.embeddings.token.ids") < paths.index("cache.bert.encoder[0].attention.probs")


def test_the_first_that_is_not_finite(model):
    _, cache = model.forward(np.array([[1, 2, 3]]))
    assert first_non_finite(model, cache) is None
    cache.bert.encoder[1].attention.probs[0, 0, 0, 0] = np.nan
    assert first_non_finite(model, cache) == "cache.bert.encoder[1].attention.probs"
    model.nsp_head.bias.value[1] = -np.inf
    assert first_non_finite(model, cache) == "nsp_head.bias"  # parameters come first: they are the cause
