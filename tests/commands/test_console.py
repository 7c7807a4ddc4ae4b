"""Help, output and errors on a terminal of 80 columns, in the encodings of Windows: cp1252, and gbk."""

import contextlib
import io
import pathlib
import shlex
import unicodedata

import pytest
from helpers import sampled

from minibert import cli
from minibert.commands.common import fitted

FILES = pathlib.Path(cli.__file__).with_name("commands").glob("*.py")
COMMANDS = sorted({path.stem.replace("_", "-") for path in FILES} - {"--init--", "common"})
CASES = [  # a first try, and a first mistake, of each command
    (0, "toy --sample 1 --tags"),
    (0, "toy --sample 1 --json"),
    (2, "toy --limits --json"),
    (0, "gradcheck LayerNorm --intermediates"),
    (0, "gradcheck --list"),
    (2, "gradcheck layernorn"),
    (2, "gradcheck --exhibit nothing"),
    (2, "gradcheck nothing.py"),
    (0, "trace --only encoder.1.attention"),
    (0, "trace --only mlm_loss.probs --values"),
    (0, "trace --stop-at attention.backward"),
    (2, "trace --stop-at nothing"),
    (0, "fill-mask RUN 'the [MASK] 语言 λόγος' --top 2"),
    (2, "fill-mask RUN text"),
    (2, "fill-mask nothing text"),
    (0, "next-sentence RUN 'a dog' 'a cat'"),
    (2, "next-sentence nothing a b"),
    (0, "embed RUN 'the old dog' 'the 语言'"),
    (2, "embed nothing a"),
    (2, "generate RUN 'the old dog'"),
    (2, "generate nothing a"),
    (2, "neighbours nothing.txt a"),
    (1, "grade nothing.ipynb"),
    (2, "pretrain --corpus nothing"),
    (2, "finetune RUN --task tag --train nothing.conll"),
    (2, "finetune --resume --output nothing"),
    (2, "predict RUN text"),
    (2, "predict nothing text"),
    (2, "pretrain --steps 0"),
    (2, "word2vec --corpus nothing"),
    (2, "glove --window none"),
    (2, "bench nothing"),
    (2, "nothing"),
]


class Terminal(io.TextIOWrapper):
    """A terminal with an encoding of its own; `text` is what it shows."""

    def __init__(self, encoding):
        super().__init__(io.BytesIO(), encoding=encoding, newline="\n")

    def isatty(self):
        return True

    @property
    def text(self):
        self.flush()
        return self.buffer.getvalue().decode(self.encoding)


def columns(line):
    """The columns of a line: a Chinese character has two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in line)


def test_a_command_to_be_copied_stays_whole(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    command = f"  minibert pretrain --output {'long/' * 20}run --resume"
    shown = fitted(f"{'word ' * 30}Go on with:\n{command}", Terminal("utf-8")).split("\n")
    assert shown[-1] == command and all(columns(line) <= 80 for line in shown[:-1])


@pytest.fixture
def on_a_terminal(monkeypatch):
    """A function that runs a command on such a terminal; returns its exit code and all that is shown."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("PYTHONBREAKPOINT", "0")

    def run(arguments, encoding):
        terminal = Terminal(encoding)
        with contextlib.redirect_stdout(terminal), contextlib.redirect_stderr(terminal):
            try:
                code = cli.main(arguments)
            except SystemExit as stop:
                code = stop.code
        return code, terminal.text

    return run


@pytest.mark.parametrize("encoding", sampled(["cp1252", "gbk"], every=2))
def test_each_command(on_a_terminal, encoding, finished_run):
    for expected, line in CASES:
        words = [word.replace("RUN", str(finished_run)) for word in shlex.split(line)]
        code, text = on_a_terminal(words, encoding)
        assert code == expected, (line, text)
        path = len(str(finished_run))  # no space to break it at
        assert [row for row in text.splitlines() if columns(row) > max(80, path)] == [], line
        assert text.strip() and "Traceback" not in text


def test_every_help(on_a_terminal):
    for arguments in ([], *([command] for command in COMMANDS), ["bench", "bert"], ["bench", "step"]):
        code, text = on_a_terminal([*arguments, "--help"], "cp1252")
        assert code == 0 and text.startswith("usage: minibert"), arguments
        assert [row for row in text.splitlines() if columns(row) > 80] == [], arguments
