"""Distillation's losses beside PyTorch's, as DistilBERT's training script uses them."""

import numpy as np
import pytest

from minibert.models.distillation import CosineDistance, SoftTargets

torch = pytest.importorskip("torch", reason="needs PyTorch: pip install minibert[reference]")


@pytest.mark.parametrize("temperature", [1.0, 2.0, 5.0])
def test_soft_targets(temperature):
    """KLDivLoss with "batchmean", which divides by the rows; "mean" divides by the words, too."""
    logits, teacher = np.random.default_rng(0).standard_normal((2, 7, 11))
    theirs = torch.from_numpy(logits).requires_grad_()
    loss = torch.nn.KLDivLoss(reduction="batchmean")(
        torch.log_softmax(theirs / temperature, dim=-1),
        torch.softmax(torch.from_numpy(teacher) / temperature, dim=-1),
    ) * temperature**2
    loss.backward()
    layer = SoftTargets(temperature)
    ours, cache = layer.forward(logits, teacher_logits=teacher)
    assert abs(ours - loss.item()) <= 1e-13
    assert np.abs(layer.backward(1.0, cache) - theirs.grad.numpy()).max() <= 1e-15


def test_cosine_distance():
    x, target = np.random.default_rng(1).standard_normal((2, 7, 6))
    theirs = torch.from_numpy(x).requires_grad_()
    loss = torch.nn.CosineEmbeddingLoss()(theirs, torch.from_numpy(target), torch.ones(7))
    loss.backward()
    layer = CosineDistance()
    ours, cache = layer.forward(x, target=target)
    assert abs(ours - loss.item()) <= 1e-12  # theirs adds 1e-12 to the squared lengths
    assert np.abs(layer.backward(1.0, cache) - theirs.grad.numpy()).max() <= 1e-12
