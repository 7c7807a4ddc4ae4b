"""`import minibert`: light, without effect on the process, and with every public name."""

import importlib
import json

import pytest

import minibert

CONTRACT = (  # names that callers outside rely on
    "AdamW BertConfig BertForPreTraining BertModel GloVe Linear Muon Word2Vec WordPieceTokenizer WordVectors "
    "check_gradients huggingface"
).split()


@pytest.fixture
def printed_by(spawn):
    """A function that runs code in a process of its own; returns what it prints as JSON."""

    def run(code):
        stdout, stderr = spawn("-c", code).communicate()
        assert stderr == b"", stderr.decode("utf-8")
        return json.loads(stdout)

    return run


def test_no_module_but_the_package_itself(printed_by):
    """Whatever is imported here costs everybody its time: the limit is 0.1 s beyond NumPy."""
    imported = printed_by(
        "import sys, importlib; before = set(sys.modules); import minibert;"
        "found = sorted(set(sys.modules) - before); import json; print(json.dumps(found))"
    )
    assert imported == ["minibert"]


def test_all_names_together_import_nothing_that_is_not_needed_for_them(printed_by):
    heavy = [
        "matplotlib", "tqdm", "threadpoolctl", "multiprocessing", "IPython", "torch", "scipy",
        "minibert.commands", "minibert.benchmarks", "minibert.trace", "minibert.plots", "minibert.course",
        "minibert.gradcheck.cases", "minibert.gradcheck.museum",
    ]
    imported = printed_by(
        "import sys, json, minibert; [getattr(minibert, name) for name in minibert.__all__];"
        f"print(json.dumps([name for name in {heavy} if name in sys.modules]))"
    )
    assert imported == []


def test_the_allocator_of_the_process_is_left_alone(printed_by):
    """mallopt sets something for the whole process; the test sees it called by keep_freed_memory alone."""
    calls = printed_by("""
import ctypes, json
calls = []
class Library:
    def __init__(self, name, *arguments, **named):
        pass
    def mallopt(self, *arguments):
        calls.append(arguments)
ctypes.CDLL = Library
import sys
sys.platform = "linux"
import minibert
[getattr(minibert, name) for name in minibert.__all__]
import minibert.cli
minibert.cli.make_parser()
before = len(calls)
from minibert.training.memory import keep_freed_memory
keep_freed_memory()
print(json.dumps([before, len(calls)]))
""")
    assert calls == [0, 2]


def test_every_name_is_there():
    assert set(CONTRACT) <= set(minibert.__all__)
    for name in minibert.__all__:
        assert getattr(minibert, name) is getattr(minibert, name)
        assert name in dir(minibert)


def test_all_public_layers_are_there():
    assert set(minibert.layers.__all__) <= set(minibert.__all__)
    for name in minibert.layers.__all__:
        assert getattr(minibert, name) is getattr(minibert.layers, name)


@pytest.mark.parametrize("name", minibert._PACKAGES)
def test_packages_as_attributes_and_by_import(name, monkeypatch):
    monkeypatch.delattr(minibert, name, raising=False)
    assert getattr(minibert, name) is importlib.import_module(f"minibert.{name}")
    namespace = {}
    exec(f"from minibert import {name}", namespace)
    assert namespace[name] is importlib.import_module(f"minibert.{name}")


def test_a_name_that_does_not_exist():
    with pytest.raises(AttributeError, match="module 'minibert' has no attribute 'BertForEverything'"):
        minibert.BertForEverything
    with pytest.raises(ImportError, match="cannot import name 'BertForEverything'"):
        from minibert import BertForEverything  # noqa: F401
