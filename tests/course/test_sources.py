"""The notebooks show the source that runs, without its docstrings."""

import ast
import doctest
import inspect

import pytest

from minibert.course import source, sources
from minibert.layers import Linear, MultiHeadAttention
from minibert.models.bert import BertForPreTraining


@pytest.mark.parametrize("thing", [Linear, Linear.backward, MultiHeadAttention, BertForPreTraining.forward])
def test_only_docstrings_are_left_out(thing):
    shown = str(source(thing))
    tree = ast.parse(shown)
    documented = [node for node in ast.walk(tree) if isinstance(node, (ast.ClassDef, ast.FunctionDef))]
    assert documented and not any(ast.get_docstring(node) for node in documented)
    kept = [line.strip() for line in inspect.getsource(thing).splitlines()]
    assert all(line.strip() in kept for line in shown.splitlines())
    assert "(N, out)" in str(source(Linear.forward)), "the shapes at the ends of the lines are gone"


def test_the_docstring_can_be_kept_and_a_notebook_shows_python():
    shown = source(Linear.backward, docstring=True)
    assert '"""d_y (..., out)' in shown
    assert repr(shown) == str(shown)
    assert shown._repr_markdown_() == f"```python\n{shown}\n```"


def test_the_examples_of_the_docstrings():
    results = doctest.testmod(sources)
    assert results.failed == 0 and results.attempted > 0
