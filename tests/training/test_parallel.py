"""Data parallelism: on several threads, the gradient is that of the whole batch, as on one."""

import threading
import weakref

import numpy as np
import pytest

from minibert.models.bert import BertConfig, BertForPreTraining
from minibert.text.examples import PairBatch
from minibert.training.parallel import DataParallel

SEED = [3, 5]


@pytest.fixture
def model():
    return BertForPreTraining(
        BertConfig(
            vocab_size=23,
            hidden_size=12,
            num_hidden_layers=2,
            num_attention_heads=3,
            intermediate_size=20,
            max_position_embeddings=7,
            initializer_range=0.3,
        )
    )


def make_batch(batch_size, num_tokens=6):
    rng = np.random.default_rng(1)
    input_ids = rng.integers(23, size=(batch_size, num_tokens))
    attention_mask = (np.arange(num_tokens) < rng.integers(3, num_tokens + 1, size=(batch_size, 1))).astype(
        np.int64
    )
    labels = np.where((rng.random(input_ids.shape) < 0.5) & (attention_mask == 1), input_ids, -100)
    return PairBatch(
        input_ids,
        rng.integers(2, size=input_ids.shape),
        attention_mask,
        labels,
        rng.integers(2, size=batch_size),
    )


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
    return [PairBatch(*(array[start:end] for array in batch)) for start, end in zip(starts, (*ends, None))]


def test_one_thread_gives_the_gradients_of_backward(model):
    batch = make_batch(5)
    [(expected_losses, expected)] = by_hand(model, [batch])
    losses = forward_backward(DataParallel(model, 1), batch)
    assert losses == pytest.approx(expected_losses.tolist(), rel=1e-6)
    for name, gradient in gradients(model).items():
        assert np.array_equal(gradient, expected[name]), name


@pytest.mark.parametrize("num_threads, in_the_callers", [(1, True), (2, False)])
def test_work_on_parameters_is_spread_over_several_threads_only(model, num_threads, in_the_callers):
    threads = set(
        DataParallel(model, num_threads).spread(lambda number: threading.current_thread(), range(5))
    )
    assert (threads == {threading.current_thread()}) is in_the_callers


@pytest.mark.parametrize("batch_size, num_threads", [(6, 2), (5, 2), (2, 3), (7, 3)])
def test_several_threads_give_the_gradient_of_the_whole_batch(model, batch_size, num_threads):
    """As one thread does; the mean of the shares' means would be off by more than 1 %."""
    model = model.astype(np.float64)
    batch = make_batch(batch_size)
    batch.labels[0], batch.labels[-1] = (
        -100,
        batch.input_ids[-1],
    )  # the shares predict differently many tokens
    output, cache = model.forward(*batch)
    model.backward(cache)
    expected = gradients(model)
    shares = [model.forward(*share)[0] for share in np_split(batch, num_threads)]
    assert abs(np.mean([share.mlm_loss for share in shares]) / output.mlm_loss - 1) > 0.01
    losses = forward_backward(DataParallel(model, num_threads), batch, seed=None)
    np.testing.assert_allclose(losses, [output.loss, output.mlm_loss, output.nsp_loss], rtol=1e-14)
    for name, gradient in gradients(model).items():
        np.testing.assert_allclose(gradient, expected[name], rtol=1e-11, atol=1e-14, err_msg=name)


def np_split(batch, num_shares):
    size = min(num_shares, len(batch.labels))
    return [PairBatch(*parts) for parts in zip(*(np.array_split(array, size) for array in batch))]


def test_a_share_without_anything_to_predict(model):
    model = model.astype(np.float64)
    batch = make_batch(4)
    batch.labels[:2] = -100
    output, cache = model.forward(*batch)
    model.backward(cache)
    expected = gradients(model)
    losses = forward_backward(DataParallel(model, 2), batch, seed=None)
    np.testing.assert_allclose(losses, [output.loss, output.mlm_loss, output.nsp_loss], rtol=1e-14)
    for name, gradient in gradients(model).items():
        np.testing.assert_allclose(gradient, expected[name], rtol=1e-11, atol=1e-14, err_msg=name)
    batch.labels[...] = -100
    assert forward_backward(DataParallel(model, 2), batch, seed=None)[1] == 0.0


def test_each_share_is_weighed_by_its_count_and_draws_its_own_dropout(model):
    batch = make_batch(5)
    shares = cut(batch, 3)
    counts = np.array([(share.labels != -100).sum() for share in shares])
    expected = dict.fromkeys(model.parameters(), 0)
    for k, share in enumerate(shares):
        model.zero_grad()
        _, cache = model.forward(*share, rng=np.random.default_rng([*SEED, k]))
        model.backward(cache, {"mlm": float(counts[k] / counts.sum()), "nsp": len(share.labels) / 5})
        expected = {name: expected[name] + gradient for name, gradient in gradients(model).items()}
    forward_backward(DataParallel(model, 2), batch)
    for name, gradient in gradients(model).items():
        np.testing.assert_array_equal(gradient, expected[name], name)


def test_a_second_batch_starts_from_zero_and_reads_the_new_values(model):
    workers, batch = DataParallel(model, 2), make_batch(4)
    forward_backward(workers, batch)
    for parameter in model.parameters().values():
        parameter.value *= 0.5
    forward_backward(workers, batch)
    first = gradients(model)
    forward_backward(DataParallel(model, 2), batch)
    for name, gradient in gradients(model).items():
        np.testing.assert_array_equal(gradient, first[name], name)


def test_the_seed_decides_dropout(model):
    workers, batch = DataParallel(model, 2), make_batch(4)
    first = forward_backward(workers, batch)
    assert forward_backward(workers, batch) == first
    assert forward_backward(workers, batch, [3, 6]) != first


@pytest.mark.parametrize("num_items", [0, 1, 5])
def test_map_keeps_the_order(model, num_items):
    workers = DataParallel(model, 2)
    values = model.parameters()["nsp_head.bias"].value
    results = workers.map(
        lambda replica, item: (item, replica.nsp_head.bias.value is values), list(range(num_items))
    )
    assert results == [(item, True) for item in range(num_items)]


@pytest.mark.filterwarnings("error::RuntimeWarning")  # NumPy's own warnings would say less
def test_a_loss_that_is_not_finite_is_named(model):
    workers, batch = DataParallel(model, 2), make_batch(4)
    model.bert.encoder[1].feed_forward.output.weight.value[2, 1] = np.nan
    with pytest.raises(
        FloatingPointError, match=r"the loss is nan.*bert\.encoder\.1\.feed_forward\.output\.weight"
    ):
        forward_backward(workers, batch)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_finite_weights_that_overflow_are_named_by_the_path_in_the_cache(model):
    workers, batch = DataParallel(model, 1), make_batch(4)
    model.bert.encoder[0].attention.query.weight.value[...] = 3e38
    with pytest.raises(FloatingPointError, match=r"cache\.bert\.encoder\[0\]\.attention\.query"):
        forward_backward(workers, batch)


@pytest.mark.parametrize("num_parts", [1, 2, 3, 9])
@pytest.mark.parametrize("num_threads", [1, 2])
def test_a_batch_in_parts_gives_the_gradient_of_the_whole_batch(model, num_parts, num_threads):
    model = model.astype(np.float64)
    batch = make_batch(7)
    batch.labels[0], batch.labels[-1] = -100, batch.input_ids[-1]  # the parts predict differently many tokens
    output, cache = model.forward(*batch)
    model.backward(cache)
    expected = gradients(model)
    workers = DataParallel(model, num_threads)
    for _ in range(2):  # nothing is left in the replicas
        workers.zero_grad()
        joint = workers.accumulate(batch, num_parts, output.counts)
    losses = {"mlm_loss": output.mlm_loss, "nsp_loss": output.nsp_loss}
    assert joint.losses == pytest.approx(losses, rel=1e-14) and joint.loss == pytest.approx(output.loss)
    assert joint.counts == output.counts
    for name, gradient in gradients(model).items():
        np.testing.assert_allclose(gradient, expected[name], rtol=1e-11, atol=1e-14, err_msg=name)


@pytest.mark.parametrize("num_threads", [1, 2])
def test_every_part_of_a_batch_has_its_own_dropout_and_leaves_no_record(model, num_threads):
    seeds, records, alive = [], [], []

    class Seen(DataParallel):
        def forward(self, batch, state=None, seed=None):
            alive.append([record() is not None for record in records])
            seeds.append(seed)
            output, cache = super().forward(batch, state, seed)
            records.extend(weakref.ref(share.bert.encoder[0].attention.probs) for share in cache.shares)
            return output, cache

    batch = make_batch(6)
    counts = model.forward(*batch)[0].counts
    Seen(model, num_threads).accumulate(batch, 3, counts, seed=SEED)
    assert seeds == [[*SEED, 0], [*SEED, 1], [*SEED, 2]]
    assert len(records) == 3 * num_threads and not any(map(any, alive))
