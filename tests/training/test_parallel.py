"""Data parallelism: the gradients of a batch on several threads are the average of the shares'."""

import threading

import numpy as np
import pytest

from minibert.models.bert import BertConfig, BertForPreTraining
from minibert.text.examples import Batch
from minibert.training.parallel import DataParallel

SEED = [3, 5]


@pytest.fixture
def model():
    return BertForPreTraining(BertConfig(
        vocab_size=23, hidden_size=12, num_hidden_layers=2, num_attention_heads=3, intermediate_size=20,
        max_position_embeddings=7, initializer_range=0.3,
    ))  # fmt: skip


def make_batch(batch_size, num_tokens=6):
    rng = np.random.default_rng(1)
    input_ids = rng.integers(23, size=(batch_size, num_tokens))
    attention_mask = (np.arange(num_tokens) < rng.integers(3, num_tokens + 1, size=(batch_size, 1))).astype(np.int64)
    labels = np.where((rng.random(input_ids.shape) < 0.5) & (attention_mask == 1), input_ids, -100)
    return Batch(input_ids, rng.integers(2, size=input_ids.shape), attention_mask, labels, rng.integers(2, size=batch_size))


def gradients(model):
    return {name: p.grad.copy() for name, p in model.parameters().items()}


def by_hand(model, shares):
    """Return losses and gradients of the shares of a batch, each on the model itself."""
    results = []
    for k, share in enumerate(shares):
        model.zero_grad()
        output, cache = model.forward(*share, rng=np.random.default_rng([*SEED, k]))
        model.backward(cache)
        results.append((np.array([output.loss, output.mlm_loss, output.nsp_loss]), gradients(model)))
    return results


def forward_backward(workers, batch, seed=SEED):
    """Return the losses, and leave the gradients in the model."""
    output, caches = workers.forward(batch, seed=seed)
    workers.zero_grad()
    workers.backward(caches)
    return output.loss, output.losses["mlm_loss"], output.losses["nsp_loss"]


def cut(batch, *ends):
    starts = (0, *ends)
    return [Batch(*(array[start:end] for array in batch)) for start, end in zip(starts, (*ends, None))]


def test_one_thread_gives_the_gradients_of_backward(model):
    batch = make_batch(5)
    [(expected_losses, expected)] = by_hand(model, [batch])
    losses = forward_backward(DataParallel(model, 1), batch)
    assert losses == tuple(float(loss) for loss in expected_losses)
    for name, gradient in gradients(model).items():
        assert np.array_equal(gradient, expected[name]), name


@pytest.mark.parametrize("num_threads, in_the_callers", [(1, True), (2, False)])
def test_work_on_parameters_is_spread_over_several_threads_only(model, num_threads, in_the_callers):
    threads = set(DataParallel(model, num_threads).spread(lambda number: threading.current_thread(), range(5)))
    assert (threads == {threading.current_thread()}) is in_the_callers


@pytest.mark.parametrize("batch_size, num_threads, ends", [(6, 2, [3]), (5, 2, [3]), (2, 3, [1])])
def test_several_threads_average_their_shares(model, batch_size, num_threads, ends):
    batch = make_batch(batch_size)
    (losses_a, grads_a), (losses_b, grads_b) = by_hand(model, cut(batch, *ends))
    losses = forward_backward(DataParallel(model, num_threads), batch)
    np.testing.assert_allclose(losses, (losses_a + losses_b) / 2, rtol=1e-6)
    for name, gradient in gradients(model).items():
        assert np.array_equal(gradient, (grads_a[name] + grads_b[name]) * np.float32(0.5)), name


def test_a_second_batch_starts_from_zero_and_reads_the_new_values(model):
    workers, batch = DataParallel(model, 2), make_batch(4)
    forward_backward(workers, batch)
    for parameter in model.parameters().values():
        parameter.value *= 0.5
    forward_backward(workers, batch)
    (_, grads_a), (_, grads_b) = by_hand(model, cut(batch, 2))
    forward_backward(workers, batch)
    for name, gradient in gradients(model).items():
        assert np.array_equal(gradient, (grads_a[name] + grads_b[name]) * np.float32(0.5)), name


def test_the_seed_decides_dropout(model):
    workers, batch = DataParallel(model, 2), make_batch(4)
    first = forward_backward(workers, batch)
    assert forward_backward(workers, batch) == first
    assert forward_backward(workers, batch, [3, 6]) != first


@pytest.mark.parametrize("num_items", [0, 1, 5])
def test_map_keeps_the_order(model, num_items):
    workers = DataParallel(model, 2)
    values = model.parameters()["nsp_head.bias"].value
    results = workers.map(lambda replica, item: (item, replica.nsp_head.bias.value is values), list(range(num_items)))
    assert results == [(item, True) for item in range(num_items)]


@pytest.mark.filterwarnings("error")  # NumPy's own warnings would say less
def test_a_loss_that_is_not_finite_is_named(model):
    workers, batch = DataParallel(model, 2), make_batch(4)
    model.bert.encoder[1].feed_forward.output.weight.value[2, 1] = np.nan
    with pytest.raises(FloatingPointError, match=r"the loss is nan.*bert\.encoder\.1\.feed_forward\.output\.weight"):
        forward_backward(workers, batch)


@pytest.mark.filterwarnings("error")
def test_finite_weights_that_overflow_are_named_by_the_path_in_the_cache(model):
    workers, batch = DataParallel(model, 1), make_batch(4)
    model.bert.encoder[0].attention.query.weight.value[...] = 3e38
    with pytest.raises(FloatingPointError, match=r"cache\.bert\.encoder\[0\]\.attention\.query"):
        forward_backward(workers, batch)
