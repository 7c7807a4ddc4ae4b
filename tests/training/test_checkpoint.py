"""Checkpoints: written as a set and flushed before they are seen, found by number, loaded as they were."""

import os

import numpy as np
import pytest

from minibert.files import CheckpointError, read_tensors
from minibert.models.bert import BertConfig, BertForPreTraining
from minibert.text.tokenizer import SPECIAL_TOKENS, WordPieceTokenizer
from minibert.training import checkpoint
from minibert.training.optimizer import AdamW


@pytest.fixture
def parts():
    """(model, tokenizer, optimizer after a step, unigram log probabilities)."""
    tokenizer = WordPieceTokenizer([*SPECIAL_TOKENS, "a", "##b"])
    model = BertForPreTraining(BertConfig(
        vocab_size=7, hidden_size=6, num_hidden_layers=1, num_attention_heads=3, intermediate_size=5, max_position_embeddings=4,
    ))  # fmt: skip
    optimizer = AdamW(model.parameters())
    for k, p in enumerate(model.parameters().values()):
        p.grad[...] = np.random.default_rng(k).standard_normal(p.value.shape)
    optimizer.step()
    return model, tokenizer, optimizer, np.log(np.full(7, 1 / 7))


def test_all_of_it_comes_back(parts, tmp_path):
    model, tokenizer, optimizer, unigram = parts
    checkpoint.save_checkpoint(tmp_path, 3, *parts)
    [(step, folder)] = checkpoint.checkpoints(tmp_path)
    assert (step, folder.name) == (3, "checkpoint-000003")
    restored = BertForPreTraining.from_pretrained(folder)
    for ours, theirs in zip(model.parameters().values(), restored.parameters().values()):
        assert np.array_equal(ours.value, theirs.value)
    other = AdamW(restored.parameters())
    checkpoint.load_optimizer(folder, other)
    assert other.num_steps == 1
    assert all(np.array_equal(array, other.state_dict()[name]) for name, array in optimizer.state_dict().items())
    assert WordPieceTokenizer.from_pretrained(folder).vocab == tokenizer.vocab
    assert np.array_equal(checkpoint.load_unigram(folder), unigram)


def test_moments_of_transposed_weights_come_back(tmp_path):
    """safetensors writes memory as it lies there, whatever the strides say."""
    model = BertForPreTraining(BertConfig(vocab_size=7, hidden_size=6, num_attention_heads=3, intermediate_size=5))
    for p in model.parameters().values():
        p.value = np.asfortranarray(p.value)
    optimizer = AdamW(model.parameters())
    for k, p in enumerate(model.parameters().values()):
        p.grad[...] = np.random.default_rng(k).standard_normal(p.value.shape)
    optimizer.step()
    tokenizer = WordPieceTokenizer([*SPECIAL_TOKENS, "a", "##b"])
    checkpoint.save_checkpoint(tmp_path, 1, model, tokenizer, optimizer, np.zeros(7))
    state = read_tensors(tmp_path / "checkpoint-000001" / "optimizer.safetensors")
    assert all(np.array_equal(array, state[name]) for name, array in optimizer.state_dict().items())


def test_everything_is_on_disk_before_the_folder_gets_its_name(parts, tmp_path, monkeypatch):
    flushed, seen = set(), []

    def fsync(handle):
        flushed.add(os.fstat(handle).st_ino)

    def rename(source, target, original=os.rename):
        wanted = [path for path in (*source.iterdir(), source) if path.is_file() or os.name == "posix"]
        assert len(wanted) >= 8 and all(path.stat().st_ino in flushed for path in wanted)
        assert [step for step, _ in checkpoint.checkpoints(tmp_path)] == [2]  # the last one is there still
        seen.append(target.name)
        original(source, target)

    checkpoint.save_checkpoint(tmp_path, 2, *parts)
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "rename", rename)
    checkpoint.save_checkpoint(tmp_path, 4, *parts)
    assert seen == ["checkpoint-000004"]
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-000004"]


def test_what_a_killed_run_left_is_removed(parts, tmp_path):
    for name in (".checkpoint-000002.tmp", ".checkpoint-000005.tmp"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{", encoding="utf-8")
    checkpoint.save_checkpoint(tmp_path, 2, *parts)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-000002"]
    assert BertForPreTraining.from_pretrained(tmp_path / "checkpoint-000002")


def test_checkpoints_are_ordered_by_number(tmp_path):
    for name in ("checkpoint-1000000", "checkpoint-999999", "checkpoint-000020", ".checkpoint-000030.tmp", "checkpoint-old"):
        (tmp_path / name).mkdir()
    (tmp_path / "checkpoint-000040").write_text("a file", encoding="utf-8")
    assert [step for step, _ in checkpoint.checkpoints(tmp_path)] == [20, 999999, 1000000]
    assert checkpoint.checkpoints(tmp_path / "none") == []


def test_a_model_is_found_in_a_run_that_is_under_way(parts, tmp_path):
    with pytest.raises(CheckpointError, match="holds no model: expected config.json"):
        checkpoint.find_model(tmp_path)
    checkpoint.save_checkpoint(tmp_path, 2, *parts)
    assert checkpoint.find_model(tmp_path) == tmp_path / "checkpoint-000002"
    assert checkpoint.find_model(tmp_path / "checkpoint-000002") == tmp_path / "checkpoint-000002"
    model, tokenizer, _, unigram = parts
    checkpoint.save_model(tmp_path, model, tokenizer, unigram)
    assert checkpoint.find_model(str(tmp_path)) == tmp_path


def test_no_unigram_model_is_stored(tmp_path):
    assert checkpoint.load_unigram(tmp_path) is None
