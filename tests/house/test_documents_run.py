"""README and guides are run by .ci/documents.py: here what is quick, and that nothing is left out unseen."""

import importlib.util
import re

import pytest
from test_documents import ROOT

spec = importlib.util.spec_from_file_location("documents", ROOT / ".ci" / "documents.py")
documents = importlib.util.module_from_spec(spec)
spec.loader.exec_module(documents)

BLOCKS = [
    (path, block) for path in documents.documents() for block in documents.blocks(path.read_text("utf-8"))
]
FIGURE = re.compile(  # a time, a size or a rate
    r"\d[\d,.]*\s?(?:s|ms|µs|seconds?|minutes?|hours?|days?|MB|GB|(?:words|tokens) a second)(?!\w)"
)


def figures_without_a_mark(text):
    """Return the figures of a document in sections that do not say on which machine they were measured."""
    text = re.sub(r"^```.*?^```$|<!--.*?-->", "", text, flags=re.DOTALL | re.MULTILINE)
    introduction, *sections = re.split(r"^## ", text, flags=re.MULTILINE)
    if documents.MACHINE in " ".join(introduction.split()):
        return []
    unmarked = [part for part in [introduction, *sections] if documents.MACHINE not in " ".join(part.split())]
    return [figure for section in unmarked for figure in FIGURE.findall(section)]


@pytest.mark.parametrize("name", ["README.md", "notebooks/guides/gradients.md"])
def test_the_first_python_prints_what_is_shown(name):
    namespace, compared = {"__name__": "__main__"}, 0
    printed = None
    for path, block in BLOCKS:
        if path == ROOT / name and block.language == "python":
            printed = documents.run_python(block.text, namespace)
        elif path == ROOT / name and block.language == "" and printed:
            assert documents.differences(block.text, printed) is None
            compared += 1
    assert compared == 1


def test_every_block_is_run_compared_or_marked():
    before = None
    for path, block in BLOCKS:
        shown = block.language == "" and before == "python" or documents.commands(block)
        marked = documents.is_measured(block) and documents.MACHINE in " ".join(block.section.split())
        by_hand = path.name == "install.md" and re.search("[✓○]", block.section)
        assert block.language in ("python", "sh", "pdb") or shown or marked or by_hand, (path, block.line)
        assert not documents.is_measured(block) or marked, (path, block.line)
        before = block.language


def test_the_tables_of_the_script_have_no_stale_line():
    commands = [command for _, block in BLOCKS for command, _ in documents.commands(block)]
    for pattern in [*documents.LEFT_OUT, *documents.CODES]:
        assert any(re.fullmatch(pattern, command) for command in commands), pattern
    for start in documents.MEASURED:
        assert any(block.text.startswith(start) for _, block in BLOCKS), start
    texts = " ".join(block.text for _, block in BLOCKS)
    for word in [*documents.NEEDS, *documents.FILES]:
        assert word.partition("/")[0] in texts, word


def test_every_figure_of_the_prose_says_where_it_is_from():
    found = {path.name: figures_without_a_mark(path.read_text("utf-8")) for path in documents.documents()}
    assert {name: figures for name, figures in found.items() if figures} == {}
    assert figures_without_a_mark("# a\n\n## b\n\nIt takes 3.5 s.\n\n## c\n\n5 minutes on two cores of a\n"
                                  "cloud machine.\n```\n7 s\n```\n") == ["3.5 s"]


def test_what_counts_as_a_difference():
    assert documents.differences("x  6.8e+00 WRONG", "x 6.9e+00\nWRONG") is None
    assert documents.differences("ok 2.4e-16 (6,)", "ok 7.1e-15 (6,)") is None
    assert documents.differences("ok 2.4e-16", "ok 2.4e-6") == "2.4e-16 expected, 2.4e-6 printed"
    assert documents.differences("2 of 4", "3 of 4") == "2 expected, 3 printed"
    assert documents.differences("cat 0.744", "cat 0.744 dog") == "2 words expected, 3 printed"
    assert documents.shortened("cd x && minibert pretrain --minutes 10 --output y") == (
        "cd x && minibert pretrain --steps 20 --output y")
    assert documents.shortened("minibert pretrain --resume") == "minibert pretrain --resume"
    assert documents.shortened("minibert pretrain --resume --steps 6000") == (
        "minibert pretrain --resume --steps 40")
    assert documents.shortened("minibert pretrain --resume --minutes 10 --output y") == (
        "minibert pretrain --resume --minutes 0.01 --output y")
