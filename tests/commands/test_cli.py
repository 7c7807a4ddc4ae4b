"""The commands: what they print, what they say when something is wrong, and consoles that are not UTF-8."""

import json
import os
import re
import shutil
import signal

import numpy as np
import pytest
import safetensors.numpy
from minibert.training.pretraining import PRESETS, Recipe

import minibert
from minibert import cli
from minibert.layers.softmax import softmax
from minibert.training.checkpoint import load_unigram


@pytest.fixture
def failing(capfd):
    """A function that runs a command that must fail; returns what it printed as its error, a single line."""
    def run(*arguments):
        capfd.readouterr()
        assert cli.main([str(argument) for argument in arguments]) == 2
        stderr = capfd.readouterr().err
        assert "Traceback" not in stderr
        last_line = stderr.rstrip("\n").split("\n")[-1]
        assert last_line.startswith(f"minibert {arguments[0]}: error: ")
        return last_line

    return run


@pytest.fixture
def output_of(capfd):
    """A function that runs a command that must succeed; returns the lines of its output."""
    def run(*arguments):
        capfd.readouterr()
        assert cli.main([str(argument) for argument in arguments]) == 0
        return capfd.readouterr().out.splitlines()

    return run


@pytest.fixture
def model_copy(finished_run, tmp_path):
    """A copy of a finished model, to be changed."""
    return shutil.copytree(finished_run, tmp_path / "model")


def change_json(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **changes}), encoding="utf-8")


# --- fill-mask and next-sentence ---

def columns(lines):
    """Return the (token, percentage) pairs of the model's column and of the other one, from a fill-mask table."""
    rows = [line.split() for line in lines]
    return ([(row[1], float(row[2].rstrip("%"))) for row in rows], [(row[3], float(row[4].rstrip("%"))) for row in rows])


def test_fill_mask(finished_run, output_of):
    text = "The [MASK] dog sees the river."
    header, *lines = output_of("fill-mask", finished_run, text)
    assert header.split() == ["model", "unigram"]
    ours, unigrams = columns(lines)
    assert len(ours) == 5

    model = minibert.BertForPreTraining.from_pretrained(finished_run)
    tokenizer = minibert.WordPieceTokenizer.from_pretrained(finished_run)
    encoding = tokenizer.encode(text)
    output, _ = model.forward(encoding.input_ids[np.newaxis])
    position = encoding.input_ids.tolist().index(tokenizer.mask_token_id)
    for column, probs in ((ours, softmax(output.prediction_logits[0, position])), (unigrams, np.exp(load_unigram(finished_run)))):
        best = sorted(range(len(probs)), key=lambda index: -probs[index])[:5]
        assert [token for token, _ in column] == [tokenizer.id_to_token[index] for index in best]
        assert [percentage for _, percentage in column] == [float(f"{100 * probs[index]:.1f}") for index in best]
    assert unigrams[0][0] == "the"


def test_fill_mask_lists_all_tokens_if_asked(finished_run, output_of):
    vocabulary = minibert.WordPieceTokenizer.from_pretrained(finished_run).id_to_token
    _, *lines = output_of("fill-mask", finished_run, "The [MASK].", "--top", len(vocabulary) + 5)
    for column in columns(lines):
        assert sorted(token for token, _ in column) == sorted(vocabulary)
        percentages = [percentage for _, percentage in column]
        assert percentages == sorted(percentages, reverse=True)
        assert sum(percentages) == pytest.approx(100, abs=0.05 * len(vocabulary))  # each is rounded to 0.1


def test_fill_mask_with_several_masks(finished_run, output_of):
    lines = output_of("fill-mask", finished_run, "The [MASK] dog [MASK] the river.", "--top", 2)
    assert [line for line in lines if "of" in line] == ["[MASK] 1 of 2", "[MASK] 2 of 2"]
    assert len(lines) == 2 * (1 + 1 + 2)


def test_fill_mask_without_frequencies_compares_with_an_untrained_model(model_copy, output_of):
    (model_copy / "unigram.safetensors").unlink()
    header, *lines = output_of("fill-mask", model_copy, "The [MASK].", "--top", 200)
    assert header.split() == ["model", "untrained"]
    ours, untrained = columns(lines)
    assert sum(percentage for _, percentage in untrained) == pytest.approx(100, abs=8)
    assert ours != untrained


def test_next_sentence(finished_run, output_of):
    first, second = "The dog sees.", "The bird."
    lines = output_of("next-sentence", finished_run, first, second)
    assert len(lines) == 2
    assert lines[0].startswith("follows the first ") and lines[1].startswith("comes from elsewhere ")
    percentages = [float(line.split()[-1].rstrip("%")) for line in lines]
    assert sum(percentages) == pytest.approx(100, abs=0.11)

    model = minibert.BertForPreTraining.from_pretrained(finished_run)
    encoding = minibert.WordPieceTokenizer.from_pretrained(finished_run).encode(first, second)
    output, _ = model.forward(encoding.input_ids[np.newaxis], encoding.token_type_ids[np.newaxis])
    assert percentages == pytest.approx(100 * softmax(output.seq_relationship_logits)[0], abs=0.051)


def test_a_run_under_way_can_be_asked(model_copy, output_of):
    for path in model_copy.iterdir():
        if path.is_file():
            path.unlink()
    assert len(output_of("fill-mask", model_copy, "The [MASK].")) == 6


# --- pretrain ---

def test_pretrain_prints_both_baselines_and_what_to_do_next(corpus, tmp_path, output_of, monkeypatch):
    monkeypatch.setattr("minibert.plots.save", lambda *arguments: None)
    options = ["--steps", 3, "--seq-length", 12, "--batch-size", 4, "--vocab-size", 110, "--threads", 1, "--seed", 4]
    text = "\n".join(output_of("pretrain", "--corpus", corpus, "--output", tmp_path / "my run", *options))
    assert re.search(r"fingerprint [0-9a-f]{12}", text)
    for name in ("MLM loss, nats per piece", "MLM loss, nats per word", "NSP accuracy"):
        assert re.search(rf"{name} +\d+\.\d{{3}} +\d+\.\d{{3}}", text), name
    loss, baseline, gain, side = re.search(r"per piece +(\S+) +(\S+) +unigram model; (\S+) nats (\w+) it", text).groups()
    assert float(gain) == pytest.approx(abs(float(loss) - float(baseline)), abs=2e-3)
    assert side == ("above" if loss > baseline else "below")
    assert f'minibert fill-mask "{tmp_path / "my run"}" "Return the number of [MASK]' in text
    recipe = json.loads((tmp_path / "my run" / "run.json").read_text(encoding="utf-8"))
    given = {"num_steps": 3, "seq_length": 12, "batch_size": 4, "vocab_size": 110, "threads": 1, "seed": 4}
    assert {name: recipe[name] for name in given} == given


def test_help_of_every_command(capsys):
    for arguments, words in (
        (["--help"], ["pretrain", "fill-mask", "next-sentence", "gradcheck", "embed", "trace", "toy"]),
        (["pretrain", "--help"], ["--corpus", "--minutes", "--steps", "--resume", "python-docs", "example:", "default"]),
        (["fill-mask", "--help"], ["DIR", "TEXT", "[MASK]", "--top", "unigram", "example:"]),
        (["next-sentence", "--help"], ["DIR", "FIRST", "SECOND", "example:"]),
    ):  # fmt: skip
        with pytest.raises(SystemExit) as stop:
            cli.main(arguments)
        assert stop.value.code == 0
        text = capsys.readouterr().out
        assert [word for word in words if word not in text] == []


@pytest.mark.parametrize("arguments, message", [
    ([], "COMMAND"),
    (["train"], "invalid choice: 'train'"),
    (["pretrain", "--steps", "0"], "0 is not above zero"),
    (["pretrain", "--steps", "1.5"], "invalid whole number value: '1.5'"),
    (["pretrain", "--minutes", "nan"], "nan is not above zero"),
    (["pretrain", "--minutes", "x"], "invalid number value: 'x'"),
    (["pretrain", "--minutes", "1", "--steps", "1"], "not allowed with"),
    (["pretrain", "--preset", "huge"], "invalid choice: 'huge'"),
    (["fill-mask", "dir"], "TEXT"),
])  # fmt: skip
def test_options_that_make_no_sense(arguments, message, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


# --- errors: what was given, what was expected, what to do ---

@pytest.mark.parametrize("content, message", [
    (None, "does not exist; give python-docs, toy, a text file, or a folder of text files"),
    (b"", "is empty; give a text of two documents or more"),
    (b"\x89PNG\r\n\0\0\0", "is binary or UTF-16.*give text files saved as UTF-8"),
    ("Caf\xe9 ist auf.\n\nEin Text.".encode("latin-1"), "is not UTF-8: byte 0xe9 at offset 3; save it again"),
    (b"One. Two. Three. Four.", "too small for sentence pairs.*give two documents or more"),
    (b"One.\n\nTwo.\n\nThree.", "too small for sentence pairs"),
    (b"One. Two.\n\nThree. Four.", "too small to hold out text.*give more text"),
])  # fmt: skip
def test_a_corpus_that_is_of_no_use(failing, tmp_path, content, message):
    path = tmp_path / "corpus.txt"
    if content is not None:
        path.write_bytes(content)
    error = failing("pretrain", "--corpus", path, "--output", tmp_path / "run", "--steps", 2)
    assert re.search(message, error) and "corpus.txt" in error
    assert not (tmp_path / "run").exists()


def test_an_output_directory_that_is_taken(failing, finished_run, model_copy, corpus, tmp_path):
    error = failing("pretrain", "--corpus", corpus, "--output", finished_run, "--steps", 2)
    assert "holds a finished run: choose another" in error
    (model_copy / "config.json").rename(tmp_path / "config.json")
    error = failing("pretrain", "--corpus", corpus, "--output", model_copy, "--steps", 2)
    assert re.search("holds a run already: add --resume.*or choose another --output", error)
    (tmp_path / "config.json").rename(model_copy / "config.json")
    (model_copy / "run.json").unlink()
    assert "holds a model already" in failing("pretrain", "--corpus", corpus, "--output", model_copy, "--steps", 2)
    (tmp_path / "file").write_text("", encoding="utf-8")
    for output in (tmp_path / "file", tmp_path / "file" / "run"):
        error = failing("pretrain", "--corpus", corpus, "--output", output, "--steps", 2)
        assert str(output) in error and "choose another --output" in error


def test_resuming_goes_with_no_other_option(failing, finished_run, tmp_path):
    error = failing("pretrain", "--output", finished_run, "--resume", "--steps", 3, "--batch-size", 4, "--whole-word")
    assert error.endswith("a resumed run goes on as it was begun: leave out --batch-size, --whole-word, --steps")
    assert failing("pretrain", "--output", finished_run, "--resume", "--minutes", 3).endswith("leave out --minutes")
    assert "no run to resume" in failing("pretrain", "--output", tmp_path / "none", "--resume")


def test_a_learning_rate_that_is_far_too_high(failing, corpus, tmp_path, finished_run):
    options = ["--steps", 12, "--seq-length", 12, "--batch-size", 4, "--vocab-size", 110, "--threads", 1]
    error = failing("pretrain", "--corpus", corpus, "--output", tmp_path / "run", "--learning-rate", "1e30", *options)
    assert re.search(r"step \d+: .*not finite.*The last good checkpoint is .*checkpoint-0000.*lower --learning-rate", error)
    assert cli.main(["fill-mask", str(tmp_path / "run"), "The [MASK]."]) == 0  # with the last good checkpoint


def test_texts_that_do_not_fit(failing, finished_run):
    assert "has no [MASK]: write [MASK] where" in failing("fill-mask", finished_run, "The mask dog.")
    error = failing("fill-mask", finished_run, "[MASK] " + "the " * 20)
    assert "sequence of 23 tokens is longer than max_position_embeddings 16" in error
    assert "longer than max_position_embeddings 16" in failing("next-sentence", finished_run, "the " * 10, "the " * 10)


@pytest.mark.parametrize("name", ["none", "empty", "foreign"])
def test_a_directory_without_a_model(failing, tmp_path, name):
    if name != "none":
        (tmp_path / name).mkdir()
    if name == "foreign":
        (tmp_path / name / "letter.txt").write_text("Dear Sir", encoding="utf-8")
    for command in (["fill-mask", tmp_path / name, "[MASK]"], ["next-sentence", tmp_path / name, "a", "b"]):
        assert re.search(f"{name} holds no model: expected config.json, model.safetensors and vocab.txt", failing(*command))


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
    path.write_text("\n".join(path.read_text(encoding="utf-8").splitlines()[:-1]) + "\n", encoding="utf-8", newline="\n")


def config(**changes):
    return lambda path: change_json(path, **changes)


@pytest.mark.parametrize("name, damage, message", [
    ("model.safetensors", truncate, r"model.safetensors cannot be read .*was it cut short"),
    ("model.safetensors", lambda path: path.write_bytes(b""), r"model.safetensors cannot be read .*was it cut short"),
    ("model.safetensors", lambda path: path.write_bytes(b"PK\3\4" + bytes(500)), r"model.safetensors cannot be read"),
    ("model.safetensors", lambda path: path.unlink(), r"model.safetensors does not exist: the checkpoint is incomplete"),
    ("model.safetensors", without_pooler, r"has no tensor 'bert.pooler.dense.bias': it is no BertForPreTraining checkpoint"),
    ("model.safetensors", with_integers, r"'bert.pooler.dense.bias' in .* holds int64, not floats"),
    ("config.json", config(intermediate_size=40), r"layer.0.intermediate.dense.weight' .* \(48, 12\), but .* \(40, 12\)"),
    ("config.json", config(num_hidden_layers=3), r"has no tensor 'bert.encoder.layer.2.attention.self.query.weight'"),
    ("config.json", config(num_attention_heads=5), r"config.json: hidden_size 12 is not divisible by num_attention_heads 5"),
    ("config.json", config(vocab_size="many"), r"config.json: vocab_size must be a positive integer, got 'many'"),
    ("config.json", config(model_type="gpt2"), r"describes a 'gpt2' model"),
    ("config.json", config(position_embedding_type="relative_key"), r"'relative_key' is not supported"),
    ("config.json", config(hidden_act="swish"), r"hidden_act 'swish' is not supported: choose one of \['gelu', 'gelu_new'"),
    ("config.json", truncate, r"config.json is not valid JSON"),
    ("config.json", lambda path: path.write_bytes(b'{"vocab_size": "\xff"}'), r"config.json is not valid JSON"),
    ("config.json", lambda path: path.write_bytes(b"[1]"), r"config.json must hold a JSON object, got a list"),
    ("config.json", lambda path: path.write_bytes(b"{}"), r"config.json: .*vocab_size"),
    ("vocab.txt", lambda path: path.unlink(), r"holds no vocab.txt"),
    ("vocab.txt", one_token_less, r"the tokenizer holds \d+ tokens, but config.json says \d+"),
    ("vocab.txt", lambda path: path.write_bytes(b"[PAD]\n\xff\n"), r"vocab.txt is not UTF-8"),
    ("tokenizer_config.json", truncate, r"tokenizer_config.json is not JSON"),
    ("unigram.safetensors", lambda path: path.write_bytes(b""), r"unigram.safetensors cannot be read"),
])  # fmt: skip
def test_a_model_that_is_damaged_or_foreign(failing, model_copy, name, damage, message):
    damage(model_copy / name)
    assert re.search(message, failing("fill-mask", model_copy, "The [MASK] dog."))


def drop_tensors(path, prefix):
    tensors = safetensors.numpy.load_file(path)
    safetensors.numpy.save_file({name: array for name, array in tensors.items() if not name.startswith(prefix)}, path)


def test_a_checkpoint_without_the_head_that_a_command_needs(failing, output_of, model_copy, capfd):
    drop_tensors(model_copy / "model.safetensors", "cls.seq_relationship.")
    assert "cls.seq_relationship.weight: it was saved without the head" in failing("next-sentence", model_copy, "A dog.", "A cat.")
    assert cli.main(["fill-mask", str(model_copy), "The [MASK] dog."]) == 0
    assert "random weights stand in their place" in capfd.readouterr().err
    drop_tensors(model_copy / "model.safetensors", "cls.predictions.")
    assert "it was saved without the head" in failing("fill-mask", model_copy, "The [MASK] dog.")


def test_a_unigram_model_of_another_vocabulary(failing, model_copy):
    safetensors.numpy.save_file({"log_probs": np.zeros(3)}, model_copy / "unigram.safetensors")
    assert "the stored unigram model has 3 tokens, the model" in failing("fill-mask", model_copy, "The [MASK] dog.")


def test_ids_outside_the_vocabulary_and_long_sequences():
    """What the commands cannot reach, but a program can."""
    with pytest.raises(ValueError, match="hidden_size 130 is not divisible by num_attention_heads 4"):
        minibert.BertConfig(vocab_size=10, hidden_size=130, num_attention_heads=4)
    model = minibert.BertForPreTraining(minibert.BertConfig(vocab_size=10, hidden_size=4, max_position_embeddings=3))
    for ids in ([[1, 10]], [[-1, 1]]):
        with pytest.raises(ValueError, match=r"id -?1\d? at .* is outside the table of 10 rows"):
            model.forward(np.array(ids))
    with pytest.raises(ValueError, match="sequence of 4 tokens is longer than max_position_embeddings 3"):
        model.forward(np.array([[1, 2, 3, 4]]))


def test_too_little_memory(failing, monkeypatch):
    def load(directory, needed):
        raise MemoryError("Unable to allocate 7.28 TiB")

    monkeypatch.setattr(cli, "_load", load)
    assert "not enough memory: Unable to allocate 7.28 TiB" in failing("fill-mask", "dir", "[MASK]")


# --- Ctrl-C (see also tests/training/test_interruption.py) ---

@pytest.mark.parametrize("when, message", [
    ("before the first step", "interrupted before the first step: nothing was lost"),
    ("after a checkpoint", r"stopped at once; the last checkpoint is .*checkpoint-000020\. Go on with: .*--output .* --resume"),
])  # fmt: skip
def test_ctrl_c_outside_of_the_steps(finished_run, tmp_path, capfd, monkeypatch, when, message):
    def interrupted(*arguments, **named):
        raise KeyboardInterrupt

    monkeypatch.setattr("minibert.training.pretraining.pretrain", interrupted)
    output = finished_run if when == "after a checkpoint" else tmp_path
    assert cli.main(["pretrain", "--output", str(output), "--resume"]) == 130
    assert re.search(message, capfd.readouterr().err)


def test_ctrl_c_in_another_command(finished_run, capfd, monkeypatch):
    monkeypatch.setattr(cli, "_load", lambda directory, needed: signal.default_int_handler(signal.SIGINT, None))
    assert cli.main(["fill-mask", str(finished_run), "[MASK]"]) == 130
    assert capfd.readouterr().err == "\nminibert fill-mask: interrupted\n"


# --- in processes of their own: consoles, encodings, imports ---

STRANGE = "naïve λόγος 语言 😀"  # cp1252 lacks the Greek and the Chinese, GBK the emoji, ASCII all of it


def test_pretrain_where_the_console_is_not_utf8_and_every_file_has_its_encoding(spawn, corpus, tmp_path):
    """PYTHONWARNDEFAULTENCODING warns of files opened without an encoding: an error here, if it is our file."""
    text = tmp_path / f"{STRANGE}.txt"
    text.write_bytes(corpus.read_bytes())
    output = tmp_path / "модель"
    code = (
        "import sys, warnings; warnings.filterwarnings('error', category=EncodingWarning, module='minibert');"
        "from minibert.cli import main; import os; output = sys.argv[1];"
        "codes = [main(['pretrain', '--corpus', sys.argv[2], '--output', output, '--steps', '2', '--seq-length', '12',"
        " '--batch-size', '4', '--vocab-size', '110', '--threads', '1']),"
        " main(['pretrain', '--output', output, '--resume']), main(['fill-mask', output, '[MASK]', '--top', '150']),"
        " main(['next-sentence', output, 'a', 'b'])];"
        "sys.exit(0 if codes == [0] * 4 else 3)"
    )
    process = spawn("-c", code, output, text, PYTHONIOENCODING="cp1252", PYTHONWARNDEFAULTENCODING="1")
    stdout, stderr = process.communicate()
    assert process.returncode == 0, stderr.decode("cp1252")
    assert "naïve ????? ?? ?.txt" in stdout.decode("cp1252")
    assert (output / "model.safetensors").is_file()


@pytest.mark.parametrize("env, encoding", [
    ({"PYTHONIOENCODING": "gbk"}, "gbk"), ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, "ascii"),
])
def test_commands_where_the_console_is_not_utf8(spawn, finished_run, tmp_path, env, encoding):
    model = shutil.copytree(finished_run, tmp_path / "模型 é")
    good = spawn("-m", "minibert", "fill-mask", model, f"{STRANGE} [MASK].", "--top", "150", **env)
    bad = spawn("-m", "minibert", "next-sentence", tmp_path / STRANGE, STRANGE, STRANGE, **env)
    stdout, stderr = good.communicate()
    assert (good.returncode, stderr) == (0, b"")
    tokens = stdout.decode(encoding).split()
    assert ("语" in tokens) == (encoding == "gbk") and "the" in tokens
    stdout, stderr = bad.communicate()
    assert bad.returncode == 2
    assert "holds no model" in stderr.decode(encoding) and "Traceback" not in stderr.decode(encoding)


def test_import_is_light(spawn):
    heavy = ("matplotlib", "tqdm", "safetensors", "threadpoolctl", "multiprocessing", "IPython", "torch", "scipy")
    process = spawn("-c", f"import sys, minibert, minibert.cli; print([name for name in {heavy} if name in sys.modules])")
    stdout, stderr = process.communicate()
    assert stdout.decode("utf-8").strip() == "[]", stderr


def test_the_module_is_the_command(spawn):
    process = spawn("-m", "minibert", "--version")
    stdout, _ = process.communicate()
    assert stdout.decode("utf-8").strip() == f"minibert {minibert.__version__}"


def test_defaults_are_those_of_the_recipe(monkeypatch):
    """What is not given on the command line is left to the preset and to Recipe."""
    seen = []

    def pretrain(output, recipe, minutes, resume, say):
        seen.append((output, recipe, minutes, resume))
        raise ValueError("that is enough")

    monkeypatch.setattr("minibert.training.pretraining.pretrain", pretrain)
    assert cli.main(["pretrain"]) == 2
    [(output, recipe, minutes, resume)] = seen
    assert (output, minutes, resume) == ("bert-run", 5.0, False)
    assert 1 <= recipe.threads <= 4
    assert recipe == Recipe(corpus=["python-docs"], threads=recipe.threads)
    assert cli.main(["pretrain", "--preset", "mini", "--batch-size", "3", "--minutes", "2.5", "--corpus", "a", "b"]) == 2
    _, recipe, minutes, _ = seen[-1]
    expected = {**PRESETS["mini"], "corpus": [os.path.abspath("a"), os.path.abspath("b")], "preset": "mini", "batch_size": 3, "threads": recipe.threads}
    assert (recipe, minutes) == (Recipe(**expected), 2.5)
