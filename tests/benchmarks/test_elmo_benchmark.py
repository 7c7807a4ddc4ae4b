"""The cost of convolutions over characters: the same work for everybody, and the table. No clock is read."""

import argparse

import numpy as np

from minibert.benchmarks import elmo
from minibert.objectives.elmo import ELMoRecipe

RECIPE = ELMoRecipe.of(character_size=3, filters=((1, 2), (3, 4)), max_characters=17)


def test_our_step_goes_back_to_the_characters():
    batch = elmo.random_batch(RECIPE, num_words=5)
    assert batch.x.shape == (5, 17, 3) and batch.d_y.shape == (5, 6)
    step = elmo.minibert_step(RECIPE, 1)
    first, second = step(batch), step(batch)
    assert first.shape == batch.x.shape and first.any() and np.array_equal(first, second)
    layers = next(cell.cell_contents for cell in step.__closure__ if isinstance(cell.cell_contents, list))
    assert all(np.allclose(layer.bias.grad, part.sum(axis=0))
               for layer, part in zip(layers, np.split(batch.d_y, [2], axis=1)))


def test_every_preset_is_measured_and_shown(monkeypatch):
    monkeypatch.setattr(elmo, "NUM_WORDS", 4)
    monkeypatch.setattr(elmo, "PRESETS", {"tiny": {}, "mini": {}})
    monkeypatch.setattr(elmo, "is_installed", lambda *packages: False)
    said = []
    result = elmo.measure(argparse.Namespace(threads=1, rounds=2), said.append)
    assert {name: len(seconds["minibert"]) for name, seconds in result["presets"].items()} == {
        "tiny": 2, "mini": 2}
    assert said[1].startswith("tiny: 16 of width 1, ") and "not installed" in said[-1]
