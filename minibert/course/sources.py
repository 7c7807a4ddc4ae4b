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
    """Return the source of a function, method or class, as it stands in the file, to be shown by a notebook.

    Args:
        thing: function, method or class, such as LayerNorm.backward.
        docstring: keep the docstrings, too.
    """
    text = textwrap.dedent(inspect.getsource(thing)).rstrip()
    return Source(text if docstring else _without_docstrings(text))


def _without_docstrings(text):
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node) is not None and len(node.body) > 1:
            string = node.body[0]
            following = node.body[1]
            last = min([following.lineno, *(decorator.lineno for decorator in getattr(following, "decorator_list", ()))]) - 1
            for number in range(string.lineno - 1, last):
                if number < string.end_lineno or not lines[number].strip():
                    lines[number] = None
    return "\n".join(line for line in lines if line is not None)
