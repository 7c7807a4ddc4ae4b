"""What README, guides and lessons point at is there: links, paths, dotted names, commands and options."""

import argparse
import ast
import contextlib
import functools
import importlib
import io
import json
import pathlib
import re
import shlex

import pytest

import minibert
from minibert.cli import make_parser
from minibert.commands.bench import add_benchmarks

ROOT = pathlib.Path(minibert.__file__).parent.parent


def texts():
    """Return {file: text} of all documents; of notebooks the markdown."""
    found = {}
    for path in sorted(
        [*ROOT.glob("*.md"), *ROOT.glob("notebooks/**/*.md"), *ROOT.glob("notebooks/**/*.ipynb")]
    ):
        if ".ipynb_checkpoints" in path.parts:
            continue
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".ipynb":
            cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown"]
            text = "\n\n".join("".join(cell["source"]) for cell in cells)
        found[path] = text
    return found


TEXTS = texts()
NAMES = [path.relative_to(ROOT).as_posix() for path in TEXTS]


def stale_links(path, text):
    for link in re.findall(r"\]\(([^)#\s]+)", text):
        if not re.match(r"[a-z]+:", link) and not (path.parent / link).exists():
            yield link


def stale_paths(text):
    """Yield paths that do not exist; <name> in one stands for any name: one such file must be there."""
    for name in re.findall(r"(?<![\w./-])((?:minibert|tests|notebooks|\.ci)/(?:[\w./-]|<\w+>)*[\w>])", text):
        if not list(ROOT.glob(re.sub(r"<\w+>", "*", name))):
            yield name


def stale_names(text):
    for name in re.findall(r"(?<![\w./-])(minibert(?:\.\w+)+)", text):
        parts = name.split(".")
        for count in range(len(parts), 0, -1):
            try:
                item = importlib.import_module(".".join(parts[:count]))
                for part in parts[count:]:
                    item = getattr(item, part)
                break
            except ModuleNotFoundError:
                continue
            except AttributeError:
                yield name
                break


def stale_sections(path, text):
    """Yield sections of a lesson, as in `[lesson 01](../01_word2vec.ipynb), sections 2 and 7`, it lacks."""
    sections = r"\]\(([^)\s]+\.ipynb)\), sections? (\d+(?:(?:, | and )\d+)*)"
    for lesson, numbers in re.findall(sections, text):
        for number in re.findall(r"\d+", numbers):
            if f"\n## {number} · " not in TEXTS[(path.parent / lesson).resolve()]:
                yield f"{lesson}, section {number}"


def typed_commands(text):
    """Yield the words behind `minibert` of each command in a block of code."""
    for block in re.findall(r"^```[^\n]*\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        for line in re.findall(r"(?:^|&& |\| |; )(?:\$ |!)?(?:\S+ -m )?minibert (.*)", block, re.MULTILINE):
            words = shlex.split(line, comments=True)
            ends = [place for place, word in enumerate(words) if word in ("|", "<", ">", "&&", ";")]
            yield words[: min(ends, default=len(words))]


def subparsers(parser):
    """Return {name: parser} of its subcommands."""
    found = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return found[0].choices if found else {}


@functools.cache
def shared_parser():
    return make_parser()


def parser_for(words):
    """Return the program's parser for a command; `bench` adds its options to it, and so has its own."""
    return make_parser() if words[:1] == ["bench"] else shared_parser()


def stale_commands(text):
    """Yield commands in code that the program would refuse, and names and options in text that it lacks."""
    for words in typed_commands(text):
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            try:
                parser_for(words).parse_args(words)
            except SystemExit as stop:
                if stop.code:
                    yield shlex.join(["minibert", *words])
    for mentioned in re.findall(r"(?<!`)`minibert ([a-z][^`]*)`", text):
        words, known = mentioned.split(), {}
        parser = parser_for(words)
        while words and words[0] in subparsers(parser):
            parser = subparsers(parser)[words.pop(0)]
            known |= parser._option_string_actions
            if parser.prog.endswith(" bench"):
                add_benchmarks(parser)
                words = words if words and words[0] in subparsers(parser) else ["bert", *words]
        if not known or [word for word in words if word.startswith("--") and word not in known]:
            yield f"minibert {mentioned}"


@pytest.mark.parametrize("name", NAMES)
def test_everything_named_is_there(name):
    path = ROOT / name
    text = TEXTS[path]
    assert [*stale_links(path, text), *stale_paths(text), *stale_names(text)] == []
    assert [*stale_sections(path, text), *stale_commands(text)] == []


def test_the_checklists_name_files_that_are_there():
    """CONTRIBUTING.md: what to touch for a layer, a model and a lesson."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for kind in ("layer", "model", "lesson"):
        checklist = text.partition(f"## Checklist: a {kind}\n")[2].partition("\n## ")[0]
        items = re.split(r"^- \[ \] ", checklist, flags=re.MULTILINE)[1:]
        files = [re.findall(r"`([\w.<>/-]+(?:/|\.(?:py|md|ipynb)))`", item) for item in items]
        assert len(files) >= 9 and all(files), f"an item of the checklist for a {kind} names no file"
        for name in sum(files, []):
            assert list(ROOT.glob(re.sub(r"<\w+>", "*", name))), f"{name} is not there"


def test_the_citation_has_the_version_and_the_licence():
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^version: (.+)$", text, re.MULTILINE)[1] == minibert.__version__
    assert "license = MIT\n" in (ROOT / "setup.cfg").read_text(encoding="utf-8")
    assert "\nlicense: MIT\n" in text


def test_what_is_stale_is_found(tmp_path):
    assert list(
        stale_links(ROOT / "README.md", "[a](nothing.md) [b](README.md) [c](https://example.org)")
    ) == ["nothing.md"]
    names = ["minibert/layers/nothing.py", "minibert/layers/linear.py", "tests/<kind>/test_<name>.py",
             "tests/test_<name>.rst", ".ci/run", ".ci/walk"]
    assert list(stale_paths(", ".join(f"`{name}`" for name in names))) == [names[0], names[3], names[5]]
    assert list(stale_names("minibert.layers.Linear, minibert.layers.Nothing")) == ["minibert.layers.Nothing"]
    lesson = "[lesson](notebooks/05_attention.ipynb), section"
    assert list(stale_sections(ROOT / "README.md", f"{lesson}s 1, 2 and 99; {lesson} 3")) == [
        "notebooks/05_attention.ipynb, section 99"
    ]
    in_text = "`minibert trace --only x`, `minibert bench --rounds 2`, `minibert bench step --model bert`"
    block = "```sh\n$ minibert toy --seed 1  # one\na && python -m minibert toy --{} 1 | more\n```\n"
    assert list(stale_commands(in_text + block.format("sample"))) == []
    wrong = "`minibert dance`, `minibert trace --steps`, `minibert bench --steps 2`\n"
    assert list(stale_commands(wrong + block.format("steps"))) == [
        "minibert toy --steps 1",
        "minibert dance",
        "minibert trace --steps",
        "minibert bench --steps 2",
    ]


SCRIPTS = sorted((ROOT / "notebooks" / "data").glob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_what_the_scripts_of_the_data_import_is_there(script):
    """They run for minutes, and so no test runs them."""
    for node in ast.walk(ast.parse(script.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "minibert":
            module = importlib.import_module(node.module)
            for name in node.names:
                if not hasattr(module, name.name):
                    importlib.import_module(f"{node.module}.{name.name}")
