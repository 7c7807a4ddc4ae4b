"""Checkpoints: written as a set and flushed before they are seen, found by number, loaded as they were."""

import os
import pathlib
from types import SimpleNamespace

import numpy as np
import pytest

from minibert.files import CheckpointError, read_tensors
from minibert.models.bert import BertConfig, BertForPreTraining
from minibert.text.tokenizer import SPECIAL_TOKENS, WordPieceTokenizer
from minibert.training import checkpoint
from minibert.training.optimizers import AdamW


def make_training(model, state=None):
    """Return what save_checkpoint reads of a Training: model, optimizer after a step, an objective's save."""
    optimizer = AdamW(model.parameters())
    for k, p in enumerate(model.parameters().values()):
        p.grad[...] = np.random.default_rng(k).standard_normal(p.value.shape)
    optimizer.step()
    tokenizer = WordPieceTokenizer([*SPECIAL_TOKENS, "a", "##b"])
    return SimpleNamespace(
        model=model,
        optimizer=optimizer,
        state=state,
        objective=SimpleNamespace(save=tokenizer.save_pretrained),
    )


@pytest.fixture
def training():
    return make_training(
        BertForPreTraining(
            BertConfig(
                vocab_size=7,
                hidden_size=6,
                num_hidden_layers=1,
                num_attention_heads=3,
                intermediate_size=5,
                max_position_embeddings=4,
            )
        )
    )


def test_all_of_it_comes_back(training, tmp_path):
    checkpoint.save_checkpoint(tmp_path, 3, training)
    [(step, folder)] = checkpoint.checkpoints(tmp_path)
    assert (step, folder.name) == (3, "checkpoint-000003")
    model = BertForPreTraining(training.model.config, seed=5)
    other = SimpleNamespace(model=model, optimizer=AdamW(model.parameters()), state="whatever it was")
    checkpoint.restore(folder, other)
    for ours, theirs in zip(training.model.parameters().values(), model.parameters().values()):
        assert np.array_equal(ours.value, theirs.value)
    assert other.optimizer.num_steps == 1
    before, after = training.optimizer.state_dict(), other.optimizer.state_dict()
    assert all(np.array_equal(array, after[name]) for name, array in before.items())
    assert other.state is None
    assert WordPieceTokenizer.from_pretrained(folder).id_to_token == [*SPECIAL_TOKENS, "a", "##b"]


def test_the_state_between_steps_comes_back(training, tmp_path):
    """Ten layers, so that "10" sorts before "2"."""
    training.state = tuple((np.full((2, 3), k), np.arange(k + 1.0)) for k in range(11))
    checkpoint.save_checkpoint(tmp_path, 3, training)
    other = make_training(BertForPreTraining(training.model.config, seed=5))
    checkpoint.restore(tmp_path / "checkpoint-000003", other)
    assert len(other.state) == 11 and all(len(layer) == 2 for layer in other.state)
    for ours, theirs in zip(training.state, other.state):
        assert all(map(np.array_equal, ours, theirs))


def test_moments_of_transposed_weights_come_back(tmp_path):
    """safetensors writes memory as it lies there, whatever the strides say."""
    model = BertForPreTraining(
        BertConfig(vocab_size=7, hidden_size=6, num_attention_heads=3, intermediate_size=5)
    )
    for p in model.parameters().values():
        p.value = np.asfortranarray(p.value)
    training = make_training(model)
    checkpoint.save_checkpoint(tmp_path, 1, training)
    state = read_tensors(tmp_path / "checkpoint-000001" / "optimizer.safetensors")
    assert all(np.array_equal(array, state[name]) for name, array in training.optimizer.state_dict().items())


def test_everything_is_on_disk_before_the_folder_gets_its_name(training, tmp_path, monkeypatch):
    flushed, seen = set(), []

    def fsync(handle):
        flushed.add(os.fstat(handle).st_ino)

    def rename(source, target, original=os.rename):
        if target.name.startswith("."):  # an older one, on its way out
            original(source, target)
            return
        wanted = [path for path in (*source.iterdir(), source) if path.is_file() or os.name == "posix"]
        assert len(wanted) >= 8 and all(path.stat().st_ino in flushed for path in wanted)
        assert [step for step, _ in checkpoint.checkpoints(tmp_path)] == [2]  # the last one is there still
        seen.append(target.name)
        original(source, target)

    checkpoint.save_checkpoint(tmp_path, 2, training)
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "rename", rename)
    checkpoint.save_checkpoint(tmp_path, 4, training)
    assert seen == ["checkpoint-000004"]
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-000004"]


def test_what_a_killed_run_left_is_removed(training, tmp_path):
    for name in (".checkpoint-000002.tmp", ".checkpoint-000005.tmp"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{", encoding="utf-8")
    checkpoint.save_checkpoint(tmp_path, 2, training)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-000002"]
    assert BertForPreTraining.from_pretrained(tmp_path / "checkpoint-000002")


def test_a_folder_that_vanishes_has_no_checkpoints(tmp_path, monkeypatch):
    def vanish(path, pattern):
        raise FileNotFoundError(path)
        yield

    monkeypatch.setattr(pathlib.Path, "glob", vanish)
    assert checkpoint.checkpoints(tmp_path) == []


def test_checkpoints_are_ordered_by_number(tmp_path):
    for name in (
        "checkpoint-1000000",
        "checkpoint-999999",
        "checkpoint-000020",
        ".checkpoint-000030.tmp",
        "checkpoint-old",
    ):
        (tmp_path / name).mkdir()
    (tmp_path / "checkpoint-000040").write_text("a file", encoding="utf-8")
    assert [step for step, _ in checkpoint.checkpoints(tmp_path)] == [20, 999999, 1000000]
    assert checkpoint.checkpoints(tmp_path / "none") == []


def test_a_model_is_found_in_a_run_that_is_under_way(training, tmp_path):
    with pytest.raises(CheckpointError, match="holds no model: expected config.json"):
        checkpoint.find_model(tmp_path)
    checkpoint.save_checkpoint(tmp_path, 2, training)
    assert checkpoint.find_model(tmp_path) == tmp_path / "checkpoint-000002"
    assert checkpoint.find_model(tmp_path / "checkpoint-000002") == tmp_path / "checkpoint-000002"
    checkpoint.save_model(tmp_path, training)
    assert checkpoint.find_model(str(tmp_path)) == tmp_path
