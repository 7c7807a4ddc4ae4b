"""What the notebooks show of the library's source is the source, without its docstrings."""

import ast
import inspect

import pytest

from minibert.course import source
from minibert.layers import Linear, MultiHeadAttention
from minibert.models.bert import BertForPreTraining


@pytest.mark.parametrize("thing", [Linear, Linear.backward, MultiHeadAttention, BertForPreTraining.forward])
def test_only_docstrings_are_left_out(thing):
    shown = str(source(thing))
    tree = ast.parse(shown)
    assert not any(ast.get_docstring(node) for node in ast.walk(tree) if isinstance(node, (ast.ClassDef, ast.FunctionDef)))
    kept = [line.strip() for line in inspect.getsource(thing).splitlines()]
    assert all(line.strip() in kept for line in shown.splitlines())
    assert "(N, out)" in str(source(Linear.forward)), "the shapes at the ends of the lines are gone"


def test_the_docstring_can_be_kept_and_a_notebook_shows_python():
    shown = source(Linear.backward, docstring=True)
    assert '"""d_y (..., out)' in shown
    assert repr(shown) == str(shown)
    assert shown._repr_markdown_() == f"```python\n{shown}\n```"
