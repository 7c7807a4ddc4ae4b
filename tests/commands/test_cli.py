"""The command line as a whole: help, exit codes, errors, consoles that are not UTF-8, light imports."""

import pathlib
import shutil
import signal
import sys

import pytest
from helpers import sampled

import minibert.commands
from minibert import cli

COMMANDS = (
    "bench distill embed fill-mask finetune generate glove gradcheck grade handout neighbours next-sentence "
    "predict pretrain toy trace word2vec"
).split()


def test_help_of_every_command(capsys):
    for arguments, words in (
        (["--help"], COMMANDS),
        (["pretrain", "--help"], ["--corpus", "--minutes", "--steps", "--resume", "python-docs", "default"]),
        (["finetune", "--help"], ["--task", "--train", "--dev", "--freeze", "--seeds", "example:"]),
        (["predict", "--help"], ["FILE|TEXT", "--json", "probabilities", "example:"]),
        (["fill-mask", "--help"], ["DIR", "TEXT", "[MASK]", "--top", "unigram", "example:"]),
        (["next-sentence", "--help"], ["DIR", "FIRST", "SECOND", "example:"]),
        *(([name, "--help"], ["usage: minibert", "example"]) for name in COMMANDS),
    ):
        with pytest.raises(SystemExit) as stop:
            cli.main(arguments)
        assert stop.value.code == 0
        text = capsys.readouterr().out
        assert [word for word in words if word not in text] == []


@pytest.mark.parametrize("arguments, message", [
    ([], "COMMAND"),
    (["train"], "invalid choice: 'train'"),
    (["pretrain", "--steps", "0"], "argument --steps: expected a whole number above 0, got '0'"),
    (["pretrain", "--steps", "1.5"], "expected a whole number above 0, got '1.5'"),
    (["pretrain", "--minutes", "nan"], "expected a number above 0, got 'nan'"),
    (["pretrain", "--minutes", "x"], "expected a number above 0, got 'x'"),
    (["toy", "--sample", "x"], "argument --sample: expected a whole number of 0 or more, got 'x'"),
    (["word2vec", "--window", "2.5"], "argument --window: expected a whole number above 0, got '2.5'"),
    (["glove", "--seed", "-1"], "argument --seed: expected a whole number of 0 or more, got '-1'"),
    (["bench", "race", "--steps", "0"], "argument --steps: expected a whole number above 0, got '0'"),
    (["bench", "--threads", "2", "race"], "unrecognized arguments: race"),
    (["bench", "boat"], "invalid choice: 'boat'"),
    (["pretrain", "--minutes", "1", "--steps", "1"], "not allowed with"),
    (["pretrain", "--preset", "huge"], "invalid choice: 'huge'"),
    (["fill-mask", "dir"], "TEXT"),
])
def test_options_that_make_no_sense(arguments, message, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_too_little_memory(failing, monkeypatch):
    def load(directory, needed):
        raise MemoryError("Unable to allocate 7.28 TiB")

    monkeypatch.setattr("minibert.commands.fill_mask.load_model", load)
    assert "not enough memory: Unable to allocate 7.28 TiB" in failing("fill-mask", "dir", "[MASK]")


def test_ctrl_c_in_another_command(finished_run, capfd, monkeypatch):
    def load(directory, needed):
        signal.default_int_handler(signal.SIGINT, None)

    monkeypatch.setattr("minibert.commands.fill_mask.load_model", load)
    assert cli.main(["fill-mask", str(finished_run), "[MASK]"]) == 130
    assert capfd.readouterr().err == "\nminibert fill-mask: interrupted\n"


# --- in processes of their own: consoles, encodings, imports ---

STRANGE = "naïve λόγος 语言 😀"  # cp1252 lacks the Greek and the Chinese, GBK the emoji, ASCII all of it


@pytest.mark.exhaustive
def test_pretrain_where_the_console_is_not_utf8_and_every_file_has_its_encoding(spawn, corpus, tmp_path):
    """PYTHONWARNDEFAULTENCODING warns of files opened without an encoding: an error here, if it is ours."""
    text = tmp_path / f"{STRANGE}.txt"
    text.write_bytes(corpus.read_bytes())
    output = tmp_path / "модель"
    code = (
        "import sys, warnings; warnings.filterwarnings('error', category=EncodingWarning, module='minibert');"
        "from minibert.cli import main; import os; output = sys.argv[1];"
        "codes = [main(['pretrain', '--corpus', sys.argv[2], '--output', output, '--steps', '2',"
        " '--seq-length', '12', '--batch-size', '4', '--vocab-size', '110', '--threads', '1']),"
        " main(['pretrain', '--output', output, '--resume']),"
        " main(['fill-mask', output, '[MASK]', '--top', '150']),"
        " main(['next-sentence', output, 'a', 'b'])];"
        "sys.exit(0 if codes == [0] * 4 else 3)"
    )
    process = spawn("-c", code, output, text, PYTHONIOENCODING="cp1252", PYTHONWARNDEFAULTENCODING="1")
    stdout, stderr = process.communicate()
    assert process.returncode == 0, stderr.decode("cp1252")
    assert "naïve ????? ?? ?.txt" in stdout.decode("cp1252")
    assert (output / "model.safetensors").is_file()


@pytest.mark.parametrize("env, encoding", [
    ({"PYTHONIOENCODING": "gbk"}, "gbk"),
    pytest.param(
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, "ascii", marks=pytest.mark.exhaustive
    ),
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


HEAVY = (
    "matplotlib", "pdb", "bdb", "tqdm", "safetensors", "threadpoolctl", "multiprocessing", "IPython", "torch",
    "scipy", "minibert.benchmarks", "minibert.course", "minibert.gradcheck", "minibert.layers",
    "minibert.models", "minibert.objectives.", "minibert.plots", "minibert.text", "minibert.trace",
    "minibert.training", "minibert.word_vectors",
)


@pytest.mark.parametrize("arguments", sampled([["pretrain", "--help"], ["--help"], ["--version"]], every=3))
def test_version_and_help_import_nothing_heavy(spawn, arguments):
    code = (
        "import sys, minibert.cli\n"
        f"try: minibert.cli.main({arguments})\n"
        "except SystemExit: pass\n"
        f"print([name for name in sys.modules if name.startswith({HEAVY})])"
    )
    stdout, stderr = spawn("-c", code).communicate()
    assert stdout.decode("utf-8").splitlines()[-1] == "[]", stderr


def test_every_module_of_commands_is_a_command():
    folder = pathlib.Path(minibert.commands.__path__[0])
    found = {path.stem.replace("_", "-") for path in folder.glob("*.py")} - {"--init--", "common"}
    assert found == set(COMMANDS)


def test_a_new_module_is_a_new_command(tmp_path, monkeypatch, capsys):
    code = "def add(commands):\n    commands.add_parser('greet').set_defaults(run=lambda _: print('hello'))\n"
    (tmp_path / "greet.py").write_text(code, encoding="utf-8")
    monkeypatch.setattr(minibert.commands, "__path__", [*minibert.commands.__path__, str(tmp_path)])
    assert cli.main(["greet"]) == 0
    assert capsys.readouterr().out == "hello\n"
    sys.modules.pop("minibert.commands.greet")


def test_the_module_is_the_command(spawn):
    process = spawn("-m", "minibert", "--version")
    stdout, _ = process.communicate()
    assert stdout.decode("utf-8").strip() == f"minibert {minibert.__version__}"
