"""What a pretraining costs on paper is what a real step multiplies and keeps."""

import collections
import doctest

import numpy as np
import pytest
from helpers import random

import minibert as mb
from minibert.course import costs
from minibert.layers.walk import tensors

B, T, H, A, F, L, V, E, M = 3, 5, 8, 2, 7, 2, 23, 6, 4
SIZES = {
    "num_hidden_layers": L, "num_attention_heads": A, "intermediate_size": F, "max_position_embeddings": 9,
}
BERT = mb.BertConfig(V, H, **SIZES)
ALBERT = mb.AlbertConfig(V, H, **SIZES, embedding_size=E)
RNG = np.random.default_rng
INPUT_IDS = RNG(0).integers(0, V, (B, T))
LABELS = np.full((B, T), -100)
LABELS.reshape(-1)[[0, 3, 7, 14]] = 5
BATCH = {"input_ids": INPUT_IDS, "labels": LABELS}
NEXT, ORDER = {"next_sentence_label": np.array([0, 1, 1])}, {"sentence_order_label": np.array([0, 1, 1])}


class Counted(np.ndarray):
    """An array that counts the FLOPs of every matrix product that it takes part in."""

    flops = collections.Counter()  # {the three sizes of a product, in order of size: FLOPs}

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **given):
        if out is not None:
            given["out"] = tuple(map(plain, out))
        result = getattr(ufunc, method)(*map(plain, inputs), **given)
        if ufunc is np.matmul:
            left, right = inputs
            sizes = (*left.shape[-2:], right.shape[-1])
            Counted.flops[tuple(sorted(sizes))] += 2 * result.size * left.shape[-1]
        return result.view(Counted) if isinstance(result, np.ndarray) and out is None else result


def plain(array):
    return array.view(np.ndarray) if isinstance(array, Counted) else array


def counted(model, **batch):
    """The FLOPs of forward and backward by the sizes of the products, in the order of their sizes."""
    for parameter in model.parameters().values():
        parameter.value = parameter.value.view(Counted)
    Counted.flops.clear()
    _, cache = model.forward(**batch, rng=RNG(1))
    model.backward(cache)
    return dict(Counted.flops)


def shapes(*sizes):
    return [tuple(sorted(shape)) for shape in sizes]


@pytest.mark.parametrize("config, more", [(BERT, NEXT), (ALBERT, ORDER)], ids=["BERT", "ALBERT"])
def test_the_flops_of_a_step_are_the_products_that_it_computes(config, more):
    is_albert = config is ALBERT
    model = (mb.AlbertForPreTraining if is_albert else mb.BertForPreTraining)(config)
    found, size = counted(model, **BATCH, **more), E if is_albert else H
    parts = {
        "embeddings": shapes((B * T, E, H)),
        "projections": shapes((B * T, H, H)),
        "attention": shapes((T, H // A, T)),
        "feed-forward": shapes((B * T, H, F)),
        "mlm head": shapes((M, H, size), (M, size, V)),
        "sentence head": shapes((B, H, H), (B, H, 2)),
    }
    expected = costs.step_flops(config, B, T, M)
    for part, products in parts.items():
        assert sum(found.pop(shape, 0) for shape in products) == expected[part], part
    assert not found  # there is no other product


def test_the_flops_of_recomputed_layers():
    model = mb.BertForPreTraining(BERT)
    model.bert.encoder = [mb.RecomputedEncoderLayer(layer) for layer in model.bert.encoder]
    found = counted(model, **BATCH, **NEXT)
    assert sum(found.values()) == sum(costs.step_flops(BERT, B, T, M, recompute=True).values())


@pytest.mark.parametrize("size", [E, H])
def test_the_flops_of_electra(size):
    small = {**SIZES, "num_attention_heads": 1, "intermediate_size": 11}
    generator = mb.ElectraConfig(V, E, **small, embedding_size=size)
    discriminator = mb.ElectraConfig(V, H, **SIZES, embedding_size=size)
    pair = mb.ElectraPair(mb.ElectraForMaskedLM(generator), mb.ElectraForPreTraining(discriminator))
    expected = costs.electra_flops(generator, discriminator, B, T, M)
    assert sum(counted(pair, **BATCH).values()) == sum(expected.values())
    assert expected["generator"] == sum(counted(pair.generator, **BATCH).values())


@pytest.mark.parametrize("config", [BERT, ALBERT], ids=["BERT", "ALBERT"])
def test_the_number_of_parameters(config):
    model = (mb.AlbertForPreTraining if config is ALBERT else mb.BertForPreTraining)(config)
    groups = {"embeddings": "embeddings", "projection": "embeddings", "encoder": "layers"}
    expected = collections.Counter()
    for name, parameter in model.parameters().items():
        expected[groups.get(name.split(".")[1], "heads")] += parameter.value.size
    assert costs.num_parameters(config) == expected


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_the_memory_of_a_step(dropout):
    rates = {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
    config = mb.BertConfig(V, H, **SIZES, **rates)
    model = mb.BertForPreTraining(config)
    _, cache = model.forward(**BATCH, **NEXT, rng=RNG(1))
    expected = costs.memory(config, B, T, M)
    assert expected["record"] == num_bytes(cache)
    assert expected["weights"] == sum(p.value.nbytes for p in model.parameters().values())
    assert (expected["gradients"], expected["moments"]) == (expected["weights"], 2 * expected["weights"])
    model.bert.encoder = [mb.RecomputedEncoderLayer(layer) for layer in model.bert.encoder]
    _, short_cache = model.forward(**BATCH, **NEXT, rng=RNG(1))
    peak = num_bytes([short_cache, cache.bert.encoder[0]]) - 4 * B * T * H  # its input is there already
    assert costs.memory(config, B, T, M, recompute=True)["record"] == peak


def num_bytes(record):
    """The bytes of a record's arrays but those of integers; a view counts as what it looks at, once."""
    bases = {}
    for _, array in tensors(record):
        while isinstance(array.base, np.ndarray):
            array = array.base
        if array.dtype.kind in "fb":
            bases[id(array)] = array
    return sum(array.nbytes for array in bases.values())


def test_published_figures_are_those_of_the_formulas():
    for name in ("BERT-base (GPT-3 paper)", "BERT-large (GPT-3 paper)", "GPT-3"):
        parameters, tokens, flops, _ = costs.PUBLISHED[name]
        assert costs.rule_of_thumb(parameters, tokens) == pytest.approx(flops, rel=0.01)
    # The ELECTRA paper counts backward as one forward, and looking up as a product with one-hot rows.
    parameters, tokens, flops, _ = costs.PUBLISHED["BERT-base (ELECTRA paper)"]
    assert sum(costs.num_parameters(costs.BERT_BASE).values()) == pytest.approx(parameters, rel=0.01)
    forward = sum(costs.forward_flops(costs.BERT_BASE, 1, 512, 512 * 0.15625).values()) / 512
    assert 2 * tokens * (forward + 2 * 768 * 30522) == pytest.approx(flops, rel=0.02)
    # GPT-3 part by part: attention's T² comes on top of the rule.
    gpt3 = mb.GPT2Config(50257, 12288, num_hidden_layers=96, num_attention_heads=96)
    forward = costs.encoder_flops(gpt3, 1, 2048)
    products = 3 * 300e9 / 2048 * (sum(forward.values()) + 2 * 2048 * 12288 * 50257)
    attention = 3 * 300e9 / 2048 * forward["attention"]
    assert products - attention == pytest.approx(costs.PUBLISHED["GPT-3"].flops, rel=0.005)
    assert 0.02 < attention / products < 0.04


def test_where_the_rule_of_thumb_is_off():
    def ratio(config, num_tokens):
        flops = sum(costs.step_flops(config, 1, num_tokens, 0.15 * num_tokens).values())
        return costs.rule_of_thumb(sum(costs.num_parameters(config).values()), num_tokens) / flops

    base, long = costs.BERT_BASE, 16_384
    assert ratio(base, 128) > 1.2 > ratio(base, 512) > 1.1 > 1 > ratio(base, long)
    shared = mb.AlbertConfig(30000, 768, 12, 12, 3072, max_position_embeddings=512, embedding_size=128)
    assert ratio(shared, 128) < 1 / 6


def test_bert_base():
    flops, tokens = costs.bert_base_pretraining(all_at_512=True)
    assert tokens == 1_000_000 * 256 * 512
    assert flops == 1_000_000 * 256 * sum(costs.step_flops(costs.BERT_BASE, 1, 512, 77).values())
    flops, tokens = costs.bert_base_pretraining()
    assert tokens == 256 * (900_000 * 128 + 100_000 * 512)


# --- machines ---


def ring(gradients):
    """All-reduce among K machines, message by message → sums, and the numbers that each machine sent."""
    num_machines = len(gradients)
    pieces = [np.array_split(gradient.copy(), num_machines) for gradient in gradients]
    sent = np.zeros(num_machines, int)
    for adds, first in ((True, 0), (False, 1)):
        for turn in range(num_machines - 1):
            messages = []
            for machine in range(num_machines):
                number = (machine + first - turn) % num_machines
                messages.append(((machine + 1) % num_machines, number, pieces[machine][number].copy()))
                sent[machine] += pieces[machine][number].size
            for receiver, number, piece in messages:
                pieces[receiver][number] = pieces[receiver][number] + piece if adds else piece
    return [np.concatenate(parts) for parts in pieces], sent


@pytest.mark.parametrize("num_machines", [1, 2, 3, 6])
def test_a_ring_sends_as_many_numbers_as_the_formula_says(num_machines):
    gradients = random(num_machines, 60)
    sums, sent = ring(gradients)
    for total in sums:
        np.testing.assert_allclose(total, gradients.sum(axis=0), rtol=0, atol=1e-12)
    seconds = costs.parallel_seconds(num_machines, 0.0, 60, 1.0)  # a number a second
    assert sent.tolist() == [round(seconds)] * num_machines


@pytest.mark.parametrize("latency", [0.0, 1e-5, 3e-3])
@pytest.mark.parametrize("efficiency", [0.5, 0.8])
@pytest.mark.parametrize("seconds, num_bytes", [(8.0, 440e6), (0.4, 440e6), (8.0, 1.1e5)])
def test_machines_that_pay(seconds, num_bytes, efficiency, latency):
    network = (num_bytes, 1.25e8, latency)
    best = costs.machines_that_pay(seconds, *network, efficiency=efficiency)
    machines = np.arange(1, 5000)
    efficiencies = seconds / (machines * costs.parallel_seconds(machines, seconds, *network))
    assert efficiencies[0] == 1
    assert best == machines[efficiencies >= efficiency].max()


def test_speed():
    """A step is slower than its products, and these than one large product: on a busy machine, too."""
    speed = costs.measure_speed(mb.BertConfig(200, 32, 1, 2, 64), 2, 16, num_rounds=1)
    assert all(value > 0 for value in speed) and speed.step < speed.large


def test_the_examples_run():
    assert doctest.testmod(costs).failed == 0
