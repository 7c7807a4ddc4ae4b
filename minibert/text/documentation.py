"""The English prose of the reader's own Python installation, read where it is installed.

Sources: the language reference that comes with Python (`pydoc_data.topics`, the text of `help("for")`), and
the docstrings of the standard library, NumPy, Matplotlib and Python's built-in types and functions. Source
files are parsed, not imported: reading them runs none of their code.

Documentation is half code. English is kept: code blocks, doctests, tables, headings and signatures are
dropped, markup is taken off the words, and a line that then does not look like a sentence is dropped, too.
"""

import ast
import builtins
import contextlib
import gc
import importlib.util
import inspect
import itertools
import math
import os
import re
import sysconfig
import warnings
from pathlib import Path

import numpy as np

from minibert.text.sentences import split_sentences

PACKAGES = ["numpy", "matplotlib"]
SKIPPED_FOLDERS = {"test", "tests", "testing", "idlelib", "lib2to3", "turtledemo", "pydoc_data", "ensurepip",
                   "_vendor", "site-packages", "dist-packages", "__pycache__"}

UNDERLINE = re.compile(r"""([=\-~^*#+"'`_.:])\1{2,}(\s+\1{2,})*$""")  # below headings, above and below tables
TABLE_ROW = re.compile(r"[|+].*[|+]$")
PROSE_DIRECTIVE = re.compile(
    r"\.\. (note|warning|tip|important|hint|caution|admonition|version|deprecated|seealso)")
SIGNATURE = re.compile(r"[\w*`][\w*`., ]* : \S")  # as in NumPy's docstrings: "axis : int, optional"
LIST_ITEM = re.compile(r"([*+\-•]|\(?\d{1,2}[.)]|#\.)\s+(?=\S)|:\w[^:`]*:\s+")  # "* ", "2. ", ":param name: "
CODE = re.compile(r"\\|://|>>>|::|%\(|[|{}]| = |==")
WORD = re.compile(r"""["'(]*[A-Za-z]+(['’-][A-Za-z]+)*['")]*[,;:.!?]*['")]*$""")


def read_documentation():
    """Return the documents, each a list of sentences (str).

    A document is a topic of the reference, a class, or the functions of a module. A paragraph that several of
    them hold is kept in the first one only. The order of documents is fixed.
    Nothing is found where Python was installed without its sources.
    """
    seen = set()
    documents = []
    for page in [*_reference_pages(), *_source_pages(), *_builtin_pages()]:
        document = []
        for text in page:
            for paragraph in prose(text):
                if paragraph not in seen:
                    seen.add(paragraph)
                    document += [sentence for sentence in split_sentences(paragraph) if is_sentence(sentence)]
        if len(document) >= 2:
            documents.append(document)
    return documents


def read_package(name):
    """Return the sentences of a package of the standard library: {file: list of str}, in the order of names.

    Example:
        >>> "json/decoder.py" in read_package("json")
        True
    """
    root = Path(sysconfig.get_path("stdlib"))
    found = {}
    for file in _python_files(root / name):
        texts = [text for page in _pages_of_file(file) for text in page]
        found[file.relative_to(root).as_posix()] = [
            sentence for text in texts for paragraph in prose(text)
            for sentence in split_sentences(paragraph) if is_sentence(sentence)
        ]
    return found


# --- finding the documentation: a page is a list of texts ---

def _reference_pages():
    """Yield the topics of the language reference."""
    try:
        from pydoc_data.topics import topics
    except ImportError:  # some distributions of Python leave it out
        return
    for name in sorted(topics):
        yield [re.sub(r'"([^"\n]*)"', r"\1", topics[name])]  # there code is quoted: The "if" statement


def _source_pages():
    """Yield the docstrings of the standard library, NumPy and Matplotlib."""
    folders = [sysconfig.get_path("stdlib")]
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)  # where it is installed; this does not import it
        if spec is not None:
            folders += spec.submodule_search_locations
    for folder in folders:
        for file in _python_files(folder):
            with _without_collection():
                pages = _pages_of_file(file)
            yield from pages


@contextlib.contextmanager
def _without_collection():
    """Look for no cycles meanwhile: a parsed file has none, and looking takes a quarter of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _python_files(folder):
    """Return the Python files of a folder and its subfolders, sorted, without tests and bundled packages."""
    files = []
    for directory, subdirectories, names in os.walk(folder):
        subdirectories[:] = set(subdirectories) - SKIPPED_FOLDERS  # where os.walk goes next
        files += [Path(directory, name) for name in names if name.endswith(".py")]
    return sorted(files)


def _pages_of_file(file):
    """Return a page for each class of a source file, and one for the rest of it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the strings of other people's code
            module = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return []  # some files are written for another Python, or unreadable
    rest = [ast.get_docstring(module) or ""]
    pages = [rest]
    for node in module.body:
        if isinstance(node, ast.ClassDef):
            pages.append(_docstrings(node))
        else:
            rest += _docstrings(node)
    return pages


def _docstrings(node):
    """Return the docstrings of a function, a class with its methods, or a call of NumPy's `add_newdoc`."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return [ast.get_docstring(node) or ""]
    if isinstance(node, ast.ClassDef):
        docstrings = [ast.get_docstring(node) or ""]
        for member in node.body:
            docstrings += _docstrings(member)
        return docstrings
    is_call = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    if is_call and "add_newdoc" in ast.dump(node.value.func):
        constants = [item.value for item in ast.walk(node.value) if isinstance(item, ast.Constant)]
        return [inspect.cleandoc(constant) for constant in constants if isinstance(constant, str)]
    return []


def _builtin_pages():
    """Yield the docstrings of code written in C: a page for each type, one for the rest of a module."""
    for module in [builtins, itertools, math, np]:
        rest = []
        for _, value in sorted(vars(module).items()):
            if isinstance(value, type):
                members = [member for _, member in sorted(vars(value).items())]
                yield [_docstring(item) for item in [value, *members]]
            elif callable(value):
                rest.append(_docstring(value))
        yield rest


def _docstring(item):
    docstring = getattr(item, "__doc__", None)
    return inspect.cleandoc(docstring) if isinstance(docstring, str) else ""


# --- from documentation to English ---

def prose(text):
    """Return the paragraphs of a docstring or reference page in reStructuredText: strings without line ends.

    Headings, tables and code are dropped and markup is removed; whether a paragraph is English is not decided
    here.
    """
    lines = text.expandtabs().split("\n")
    return [_without_markup(paragraph) for paragraph in _paragraphs(_without_code(_without_headings(lines)))]


def _without_headings(lines):
    """Return the lines with headings, their underlines, and the rows of tables emptied."""
    kept = []
    for line in lines:
        content = line.strip()
        if UNDERLINE.match(content):
            kept[-1:] = ["", ""]  # the line above, and this one
        else:
            kept.append("" if TABLE_ROW.match(content) else line)
    return kept


def _without_code(lines):
    """Return the lines with code emptied.

    Code is a doctest, from ">>>" to the next empty line, and the indented lines after one that ends with "::"
    or after a directive such as ".. plot::".
    """
    kept = []
    code_indent = None  # the indent of the line that announced a code block, while in it
    in_doctest = False
    for line in lines:
        content = line.strip()
        indent = len(line) - len(line.lstrip())
        if content and code_indent is not None and indent <= code_indent:
            code_indent = None
        in_doctest = bool(content) and (in_doctest or content.startswith(">>>"))
        if in_doctest or code_indent is not None:
            kept.append("")
        elif content.startswith(".. "):
            kept.append("")
            if not PROSE_DIRECTIVE.match(content):
                code_indent = indent
        elif content.endswith("::"):
            kept.append(line.rstrip().removesuffix(":"))
            code_indent = indent
        else:
            kept.append(line)
    return kept


def _paragraphs(lines):
    """Join lines to paragraphs; an empty line, a signature, a list item or a new indent ends one."""
    paragraphs = []
    current = []
    current_indent = 0
    for line in [*lines, ""]:
        content = line.strip()
        indent = len(line) - len(line.lstrip())
        item = LIST_ITEM.match(content)
        if current and (not content or item or indent != current_indent):
            paragraphs.append(" ".join(current))
            current = []
        if item:
            content = content[item.end():]
            indent += item.end()
        if content and not SIGNATURE.match(content):
            current.append(content)
            current_indent = indent
    return paragraphs


def _without_markup(text):
    if "`" in text:  # most texts have no mark at all, and looking for one is fast
        text = re.sub(r":[\w:+.-]+:`", "`", text)                       # :func:`sum`      -> `sum`
        text = re.sub(r"`([^`<]+?)\s*<[^`>]*>`", r"`\1`", text)         # `words <target>` -> `words`
        text = re.sub(r"`~[\w.]*?(\w+)`", r"`\1`", text)                # `~numpy.sum`     -> `sum`
        text = re.sub(r"`+[!.]?([^`]*)`+_{0,2}", r"\1", text)           # `words`, ``words``, `words`_
    if "*" in text:
        text = re.sub(r"(?<!\w)(\*\*?)(\w[^*]*)\1(?!\w)", r"\2", text)  # *words*, **words** -> words
    if "]_" in text:
        text = re.sub(r"\s*\[[#\d]\w*\]_", "", text)                    # a footnote mark [1]_
    if "\\" in text:
        text = re.sub(r"\\([*`_|\\ ])", r"\1", text)                    # \* -> *
    return text


def is_sentence(text):
    """Return whether a text looks like an English sentence: it ends like one and is made of words, mostly."""
    if not re.search(r"""[.!?:]["')\]]*$""", text) or CODE.search(text):
        return False
    if text.endswith(":") and not text[0].isupper():
        return False  # "while x in y and z:" rather than "For example:"
    tokens = text.split()
    num_words = sum(WORD.match(token) is not None for token in tokens)
    return num_words >= 4 and num_words >= 0.75 * len(tokens)
