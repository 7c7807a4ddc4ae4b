"""What README, guides and lessons point at is there: links, paths of files, dotted names."""

import importlib
import json
import pathlib
import re

import pytest

import minibert

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
    for name in re.findall(r"(?<![\w./-])((?:minibert|tests|notebooks)/[\w./-]*\w)", text):
        if not (ROOT / name).exists():
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


@pytest.mark.parametrize("name", NAMES)
def test_everything_named_is_there(name):
    path = ROOT / name
    text = TEXTS[path]
    assert [*stale_links(path, text), *stale_paths(text), *stale_names(text)] == []


def test_what_is_stale_is_found(tmp_path):
    assert list(
        stale_links(ROOT / "README.md", "[a](nothing.md) [b](README.md) [c](https://example.org)")
    ) == ["nothing.md"]
    assert list(stale_paths("`minibert/layers/nothing.py`, `minibert/layers/linear.py`")) == [
        "minibert/layers/nothing.py"
    ]
    assert list(stale_names("minibert.layers.Linear, minibert.layers.Nothing")) == ["minibert.layers.Nothing"]
