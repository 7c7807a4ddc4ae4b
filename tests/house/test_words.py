"""The field's words, in short sentences: phrases that no text of the project may hold.

The package (docstrings, comments, messages), README, guides and lessons. A phrase is here because it was
written once: literal translations, and clauses that begin with "what".
"""

import ast
import re

import pytest
from test_documents import NAMES, ROOT, TEXTS

BANNED = {  # pattern: what to write
    r"told right": "accuracy",
    r"(?<!under)\bst(?:ands?|ood)\b(?! (?:for|in|out|up)\b)": "is, occurs",
    r"(?<![Tt]here )\bis no (?:candidate|class|JSON|layer|line|list|local|named|neighbour|number|parameter|"
    r"Python|terminal|type|value|word|zero)\b": "is not a",
    r"\bin the course of\b": "during",
    r"\bbehind the (?:first|last|line|word)\b": "after",
    r"\bmere\b": "only",
    r"\bby the alphabet\b": "in alphabetical order",
    r"\bof (?:yours|ours)\b(?! (?:and|or)\b)": "your, our",
    r"\bon two ways\b": "along two paths",
    r"\bor the like\b": "or similar",
    r"\bmakes use of\b": "uses",
    r"\b(?:hereby|thereby|whereby|therein|herein)\b": "by it, in it",
}
WHAT = r"\b[Ww]hat\b(?! it should be)(?![^.:;]*\?)"  # a clause, not a question
SOURCES = [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "minibert").rglob("*.py"))]


def found(text, patterns):
    """Return the phrases that a text holds, each with its line."""
    hits = [
        (text[: match.start()].count("\n") + 1, match[0], patterns[pattern])
        for pattern in patterns for match in re.finditer(pattern, text)
    ]
    return sorted(hits)


@pytest.mark.parametrize("name", ["minibert", "documents"])
def test_no_banned_phrase(name):
    texts = {path: (ROOT / path).read_text("utf-8") for path in SOURCES} if name == "minibert" else {
        path: TEXTS[ROOT / path] for path in NAMES}
    hits = {path: found(text, BANNED) for path, text in texts.items()}
    assert {path: phrases for path, phrases in hits.items() if phrases} == {}


def printed(path):
    """Return the texts that a file may print: its strings of four words or more that are not docstrings."""
    tree = ast.parse(path.read_text("utf-8"))
    docstrings = {
        id(node.body[0].value) for node in ast.walk(tree)
        if getattr(node, "body", None) and isinstance(node.body, list) and isinstance(node.body[0], ast.Expr)
    }
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in docstrings]
    return [node.value for node in nodes if isinstance(node.value, str) and node.value.count(" ") > 2]


def test_nothing_printed_has_a_clause_that_begins_with_what():
    """But for the lessons' hints and the toy language's own sentences."""
    paths = [path for path in SOURCES if not path.startswith(("minibert/course/", "minibert/text/toy/"))]
    hits = {path: [text for text in printed(ROOT / path) if found(text, {WHAT: ""})] for path in paths}
    assert {path: texts for path, texts in hits.items() if texts} == {}


def test_a_banned_phrase_is_found():
    assert found("one\nthe share told right", BANNED) == [(2, "told right", "accuracy")]
    assert [phrase for _, phrase, _ in found("it stands here, it is no list; V stands for V", BANNED)] == [
        "is no list", "stands"]
    assert found("say what it is; what is it?", {WHAT: ""}) == [(1, "what", "")]
