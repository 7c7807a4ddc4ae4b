"""Parameters by layer: rates that fall towards the input, frozen layers, new top layers."""

import numpy as np
import pytest
from helpers import assert_same, values

import minibert
from minibert.training.layerwise import Unfreezing, layer_groups, layerwise_adamw, reinitialize
from minibert.training.optimizers import AdamW

IDS = np.array([[2, 7, 5, 4], [2, 3, 8, 1], [2, 6, 6, 9]])
LABELS = np.array([1, 0, 2])


def classifier(seed=0, num_hidden_layers=3):
    config = minibert.BertConfig(
        11, hidden_size=6, num_hidden_layers=num_hidden_layers, intermediate_size=7, num_labels=3,
        initializer_range=0.5,
    )
    return minibert.BertForSequenceClassification(config, seed, dtype=np.float64)


def train(model, optimizer, num_steps=3):
    for _ in range(num_steps):
        model.zero_grad()
        _, cache = model.forward(IDS, labels=LABELS)
        model.backward(cache)
        optimizer.step()


def moved(model, optimizer):
    """How far the largest step of each group goes, of a first step without eps: its rate."""
    before = values(model)
    train(model, optimizer, 1)
    return [
        max(np.abs(parameter.value - before[name]).max() for name, parameter in group.items())
        for group in layer_groups(model)
    ]


def test_the_groups_of_a_classifier():
    model = classifier()
    groups = layer_groups(model)
    assert len(groups) == 5
    assert {name.split(".")[1] for name in groups[0]} == {"embeddings"}
    for number in range(3):
        assert all(name.startswith(f"bert.encoder.{number}.") for name in groups[number + 1])
    assert list(groups[4]) == [
        "bert.pooler.dense.weight", "bert.pooler.dense.bias", "head.classifier.weight", "head.classifier.bias"
    ]
    together = {name: parameter for group in groups for name, parameter in group.items()}
    assert together == model.parameters()


def test_more_than_ten_layers_and_another_list():
    body = classifier(num_hidden_layers=12).bert
    groups = layer_groups(body)
    assert len(groups) == 14 and all(name.startswith("encoder.11.") for name in groups[12])
    assert layer_groups(body, "encoder") == groups
    with pytest.raises(ValueError, match="BertModel has no layers in 'decoder': its parameters are embed"):
        layer_groups(body, "decoder")
    with pytest.raises(ValueError, match="Linear has no list of layers: its parameters are weight, bias"):
        layer_groups(minibert.Linear(3, 2))


def test_the_rates_fall_by_a_factor_a_layer():
    """The head learns at the full rate, the top layer at 0.5 of it, and the embeddings at 0.5⁴."""
    model = classifier()
    optimizer = layerwise_adamw(layer_groups(model), 0.01, 0.5, eps=1e-30, weight_decay=0.0)
    np.testing.assert_allclose(moved(model, optimizer), [0.01 * 0.5**k for k in (4, 3, 2, 1, 0)], rtol=1e-9)
    optimizer.lr = 0.002  # as a schedule sets it
    optimizer.step()
    assert [each.lr for each in optimizer.optimizers] == [0.002 * 0.5**k for k in range(5)]


def test_a_decay_of_one_is_plain_adamw():
    plain, layerwise = classifier(), classifier()
    train(plain, AdamW(plain.parameters(), 0.01, weight_decay=0.1))
    train(layerwise, layerwise_adamw(layer_groups(layerwise), 0.01, 1.0, weight_decay=0.1))
    assert_same(values(plain), values(layerwise))


def test_a_decay_of_zero_trains_the_head_alone():
    model = classifier()
    before = values(model)
    optimizer = layerwise_adamw(layer_groups(model), 0.01, 0.0)
    assert optimizer.parameters == layer_groups(model)[-1]
    train(model, optimizer)
    changed = {name for name, value in values(model).items() if not np.array_equal(value, before[name])}
    assert changed == set(optimizer.parameters)


def test_frozen_groups_are_those_that_are_left_out():
    model = classifier()
    before = values(model)
    train(model, layerwise_adamw(layer_groups(model)[-2:], 0.01, 0.5))
    changed = {name for name, value in values(model).items() if not np.array_equal(value, before[name])}
    assert changed == {*layer_groups(model)[-1], *layer_groups(model)[-2]}


@pytest.mark.parametrize("layer_decay", [-0.1, 1.1, np.nan])
def test_a_decay_outside_of_0_to_1(layer_decay):
    with pytest.raises(ValueError, match="layer_decay must be between 0 and 1, got"):
        layerwise_adamw(layer_groups(classifier()), 0.01, layer_decay)


def test_new_top_layers():
    """Two layers, the pooler and the head are those of a new model; what is below stays."""
    model, fresh = classifier(seed=1), classifier(seed=5)
    before = values(model)
    reinitialize(model, 2, seed=5)
    for name, parameter in model.parameters().items():
        is_new = name.startswith(("bert.encoder.1", "bert.encoder.2", "bert.pooler", "head."))
        expected = fresh.parameters()[name].value if is_new else before[name]
        np.testing.assert_array_equal(parameter.value, expected, err_msg=name)
    reinitialize(model, 0, seed=7)
    assert_same(model.parameters()["head.classifier.weight"].value, fresh.head.classifier.weight.value)


@pytest.mark.parametrize("num_layers", [-1, 4])
def test_layers_that_are_not_there(num_layers):
    with pytest.raises(ValueError, match=f"the model has 3 layers, so {num_layers} cannot be new"):
        reinitialize(classifier(), num_layers)


def unfreezing(model):
    """The head from the first step on, the layer below from the third, and the others after that."""
    return Unfreezing(layerwise_adamw(layer_groups(model), 0.01, 0.5), [0, 2, 4, 5, 5])


def test_groups_begin_one_after_another_and_keep_their_bits_until_then():
    model = classifier()
    optimizer, groups = unfreezing(model), layer_groups(model)
    for first_moved in (4, 4, 3, 3, 2, 0):
        before = values(model)
        trained = {name for group in groups[first_moved:] for name in group}
        assert optimizer.parameters.keys() == trained
        train(model, optimizer, 1)
        for name, parameter in model.parameters().items():
            is_same = (parameter.value == before[name]).all()
            assert is_same == (name not in trained), name


def test_unfreezing_at_once_is_plain_layerwise_adamw():
    plain, gradual = classifier(), classifier()
    train(plain, layerwise_adamw(layer_groups(plain), 0.01, 0.5))
    train(gradual, Unfreezing(layerwise_adamw(layer_groups(gradual), 0.01, 0.5), [0] * 5))
    assert_same(values(plain), values(gradual))


def test_unfreezing_goes_on_from_what_it_remembers():
    whole, stopped = classifier(), classifier()
    train(whole, unfreezing(whole), 6)
    first, second = unfreezing(stopped), unfreezing(stopped)
    train(stopped, first, 3)
    second.load_state_dict({name: array.copy() for name, array in first.state_dict().items()})
    train(stopped, second, 3)
    assert_same(values(stopped), values(whole))
