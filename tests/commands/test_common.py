"""The parts that commands share: loading a model, printing, the progress bar of word vectors."""

import json
import pathlib
import re
import shlex
import types

import numpy as np
import pytest
import safetensors.numpy

import minibert
from minibert import cli
from minibert.commands import common

# --- loading a model ---

@pytest.mark.parametrize("name", ["none", "empty", "foreign"])
def test_a_directory_without_a_model(failing, tmp_path, name):
    if name != "none":
        (tmp_path / name).mkdir()
    if name == "foreign":
        (tmp_path / name / "letter.txt").write_text("Dear Sir", encoding="utf-8")
    for command in (["fill-mask", tmp_path / name, "[MASK]"], ["next-sentence", tmp_path / name, "a", "b"]):
        expected = f"{name} holds no model: expected config.json, model.safetensors and vocab.txt"
        message = failing(*command)
        assert expected in message
        assert message.endswith("does not exist, and minibert downloads nothing") == (name == "none")


def change_json(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **changes}), encoding="utf-8")


def truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


def without_pooler(path):
    tensors = safetensors.numpy.load_file(path)
    del tensors["bert.pooler.dense.bias"]
    safetensors.numpy.save_file(tensors, path)


def with_integers(path):
    tensors = safetensors.numpy.load_file(path)
    tensors["bert.pooler.dense.bias"] = tensors["bert.pooler.dense.bias"].astype(np.int64)
    safetensors.numpy.save_file(tensors, path)


def one_token_less(path):
    lines = path.read_text(encoding="utf-8").splitlines()[:-1]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def one_token_more(path):
    with open(path, "a", encoding="utf-8", newline="\n") as file:
        file.write("another\n")


def config(**changes):
    return lambda path: change_json(path, **changes)


def content(data):
    return lambda path: path.write_bytes(data)


def missing(path):
    path.unlink()


@pytest.mark.parametrize("name, damage, message", [
    ("model.safetensors", truncate, r"model.safetensors cannot be read .*was it cut short"),
    ("model.safetensors", content(b""), r"model.safetensors cannot be read .*was it cut short"),
    ("model.safetensors", content(b"PK\3\4" + bytes(500)), r"model.safetensors cannot be read"),
    ("model.safetensors", missing, r"model.safetensors does not exist: the checkpoint is incomplete"),
    ("model.safetensors", without_pooler,
     r"has no tensor 'bert.pooler.dense.bias': it is not a BertForPreTraining checkpoint"),
    ("model.safetensors", with_integers, r"'bert.pooler.dense.bias' in .* holds int64, not floats"),
    ("config.json", config(intermediate_size=40),
     r"layer.0.intermediate.dense.weight' .* \(48, 12\), but .* \(40, 12\)"),
    ("config.json", config(num_hidden_layers=3),
     r"has no tensor 'bert.encoder.layer.2.attention.self.query.weight'"),
    ("config.json", config(num_attention_heads=5),
     r"config.json: hidden_size 12 is not divisible by num_attention_heads 5"),
    ("config.json", config(vocab_size="many"),
     r"config.json: vocab_size must be a positive integer, got 'many'"),
    ("config.json", config(model_type="gpt2"), r"describes a model of type 'gpt2'"),
    ("config.json", config(position_embedding_type="relative_key"), r"'relative_key' is not supported"),
    ("config.json", config(hidden_act="mish"),
     r"hidden_act 'mish' is not supported: choose one of \['gelu', .*'gelu_new'.*'relu', 'silu'"),
    ("config.json", truncate, r"config.json is not valid JSON"),
    ("config.json", content(b'{"vocab_size": "\xff"}'), r"config.json is not valid JSON"),
    ("config.json", content(b"[1]"), r"config.json must hold a JSON object, got a list"),
    ("config.json", content(b"{}"), r"by config.json it must be \(30522, 768\)"),
    ("vocab.txt", missing, r"holds no vocab.txt"),
    ("vocab.txt", one_token_more, r"the tokenizer has 151 tokens, but config.json says 150"),
    ("vocab.txt", one_token_less, r"unigram model has 150 tokens, the model 150 and the tokenizer 149"),
    ("vocab.txt", content(b"[PAD]\n\xff\n"), r"vocab.txt is not UTF-8"),
    ("vocab.txt", content(b"version https://git-lfs.github.com/v1\n"), r"vocab.txt .*a Git LFS pointer"),
    ("config.json", content(b"<html>Not found</html>"), r"config.json is not valid JSON: it is a web page"),
    ("tokenizer_config.json", truncate, r"tokenizer_config.json is not JSON"),
    ("unigram.safetensors", content(b""), r"unigram.safetensors cannot be read"),
])
def test_a_model_that_is_damaged_or_foreign(failing, model_copy, name, damage, message):
    damage(model_copy / name)
    assert re.search(message, failing("fill-mask", model_copy, "The [MASK] dog."))


def drop_tensors(path, prefix):
    tensors = safetensors.numpy.load_file(path)
    kept = {name: array for name, array in tensors.items() if not name.startswith(prefix)}
    safetensors.numpy.save_file(kept, path)


def test_a_checkpoint_without_the_head_that_a_command_needs(failing, model_copy, capfd):
    drop_tensors(model_copy / "model.safetensors", "cls.seq_relationship.")
    error = failing("next-sentence", model_copy, "A dog.", "A cat.")
    assert "cls.seq_relationship.weight: it was saved without the head" in error
    assert cli.main(["fill-mask", str(model_copy), "The [MASK] dog."]) == 0
    note = capfd.readouterr().err
    assert "holds no cls.seq_relationship.weight, cls.seq_relationship.bias: random weights are used" in note
    drop_tensors(model_copy / "model.safetensors", "cls.predictions.")
    assert "it was saved without the head" in failing("fill-mask", model_copy, "The [MASK] dog.")


def test_ids_outside_the_vocabulary_and_long_sequences():
    """Out of reach for the commands, but not for a program."""
    with pytest.raises(ValueError, match="hidden_size 130 is not divisible by num_attention_heads 4"):
        minibert.BertConfig(vocab_size=10, hidden_size=130, num_attention_heads=4)
    config = minibert.BertConfig(vocab_size=10, hidden_size=4, max_position_embeddings=3)
    model = minibert.BertForPreTraining(config)
    for ids in ([[1, 10]], [[-1, 1]]):
        with pytest.raises(ValueError, match=r"id -?1\d? at .* is outside the table of 10 rows"):
            model.forward(np.array(ids))
    with pytest.raises(ValueError, match="sequence of 4 tokens is longer than max_position_embeddings 3"):
        model.forward(np.array([[1, 2, 3, 4]]))


# --- printing, and what word2vec and glove share ---

def test_a_path_as_it_is_typed(monkeypatch):
    assert common.quoted("runs/bert") == "runs/bert"
    monkeypatch.setattr(common, "os", types.SimpleNamespace(name="posix"))
    assert common.quoted(pathlib.Path("a b")) == "'a b'"
    for text in ("my runs/bert", "it's", "a$HOME", "(new)", 'say "hi"', "*.txt", "A value is a [MASK].", ""):
        assert shlex.split(f"minibert x {common.quoted(text)} y") == ["minibert", "x", text, "y"]
    monkeypatch.setattr(common, "os", types.SimpleNamespace(name="nt"))
    typed = {
        "runs\\bert": "runs\\bert", "my runs": '"my runs"', "it's": '"it\'s"', "a&b": '"a&b"',
        "do$lar": '"do$lar"', "x;y": '"x;y"', "a b\\": '"a b\\\\"', 'say "hi"': '"say \\"hi\\""', "": '""',
    }
    assert {text: common.quoted(text) for text in typed} == typed


def test_the_word_to_try_is_no_mere_the(capsys):
    vectors = minibert.WordVectors(["the", "x-axis", "array", "number"], np.eye(4))
    common.say_where(vectors, "my vectors.txt")
    path = common.quoted("my vectors.txt")
    assert capsys.readouterr().out.endswith(f"Try: minibert neighbours {path} array\n")
    common.say_where(minibert.WordVectors(["the", "a"], np.eye(2)), "v.txt")
    assert capsys.readouterr().out.endswith("Try: minibert neighbours v.txt the\n")


def test_a_folder_that_does_not_exist(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    common.check_folder("vectors.txt")
    with pytest.raises(ValueError, match="--output no/v.txt: there is no folder .*no; make it first"):
        common.check_folder("no/v.txt")


@pytest.fixture
def bars(monkeypatch):
    """All bars that are made, with a stand-in for tqdm's."""
    made = []

    class Bar:
        def __init__(self, **options):
            self.n, self.total, self.unit, self.is_closed = 0, options["total"], options["unit"], False
            made.append(self)

        def update(self, count):
            self.n += count

        def close(self):
            self.is_closed = True

    monkeypatch.setattr("tqdm.tqdm", Bar)
    return made


def test_a_bar_that_is_told_how_many_more(bars):
    with common.ProgressBar("word", total=10) as bar:
        assert bars == []
        bar.advance(3)
        bar.advance(4)
    assert [(bar.unit, bar.total, bar.n, bar.is_closed) for bar in bars] == [("word", 10, 7, True)]


def test_a_bar_that_is_told_how_many_of_how_many(bars):
    with common.ProgressBar("entry") as bar:
        bar.reach(3, 20)
        bar.reach(8, 20)
    assert [(bar.unit, bar.total, bar.n, bar.is_closed) for bar in bars] == [("entry", 20, 8, True)]


def test_a_bar_without_a_report_is_never_shown(bars):
    with common.ProgressBar("entry"):
        pass
    assert bars == []
