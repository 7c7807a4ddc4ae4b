"""What the notebooks show of the library: the source that runs, without its docstring."""

import ast
import inspect
import textwrap


class Source(str):
    """The source of a function, shown with colours in a notebook and as plain text elsewhere."""

    def _repr_markdown_(self):
        return f"```python\n{self}\n```"

    def __repr__(self):
        return str(self)


def source(thing, docstring=False):
    """Return the source of a function, method or class, to be shown by a notebook.

    Args:
        thing: function, method or class, such as LayerNorm.backward.
        docstring: keep the docstrings, too; without them every other line is as in the file.

    Example:
        >>> source(source).splitlines()[0]
        'def source(thing, docstring=False):'
    """
    text = textwrap.dedent(inspect.getsource(thing)).rstrip()
    return Source(text if docstring else _without_docstrings(text))


def _without_docstrings(text):
    """Leave out each docstring and the blank lines below it; a body that is nothing else keeps it."""
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, (ast.FunctionDef, ast.ClassDef)) or ast.get_docstring(node) is None:
            continue
        if len(node.body) == 1:
            continue
        string, following = node.body[:2]
        for number in range(string.lineno - 1, _first_line(following) - 1):
            if number < string.end_lineno or not lines[number].strip():
                lines[number] = None
    return "\n".join(line for line in lines if line is not None)


def _first_line(node):
    """Return the number of the line where a statement begins, its decorators included."""
    decorators = getattr(node, "decorator_list", [])
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])
