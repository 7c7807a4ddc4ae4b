"""An exhibit of the bug museum: a variant of one of our layers, its story, and the proof that it is wrong."""

import ast
import copy
import difflib
import inspect
import linecache
import re
import textwrap
import types
from collections.abc import Callable
from typing import NamedTuple

from minibert.gradcheck import check_gradients
from minibert.gradcheck.cases import CASES
from minibert.layers.walk import is_layer, walk


class Finding(NamedTuple):
    """A number that is known by hand, and the one that the code gives."""

    question: str
    by_hand: float
    found: float
    tolerance: float = 1e-9

    @property
    def ok(self):
        return abs(self.found - self.by_hand) <= self.tolerance

    def __str__(self):
        verdict = "right" if self.ok else "WRONG"
        return f"{self.question}: {self.by_hand:.6g} by hand, {self.found:.6g} here: {verdict}"


def _filled(paragraph):
    """Return a paragraph in lines for a terminal; a formula, which is indented, as it is."""
    if paragraph.startswith(" "):
        return paragraph
    above = "\n" if paragraph.startswith("\n") else ""
    return above + textwrap.fill(" ".join(paragraph.split()), 79)


class Exhibit(NamedTuple):
    """A mistake on show; print it.

    Attributes:
        name:        "transposed-key".
        ours, theirs: our class (or function), and the variant with the mistake.
        case:        which of minibert.gradcheck.cases.CASES shows it; None for a plain function.
        first_wrong: the tensor that the gradient check names first; None if every gradient is right.
        expected:    found by the check: a pattern of the diagnosis, or words of a problem; "" if none.
        value:       function of `ours` or `theirs` that returns a Finding; only where a check sees nothing.
        seen:        addresses at which a mistake of this kind was reported or repaired; in parentheses how
            that one differs.
    """

    name: str
    ours: Callable
    theirs: Callable
    case: str | None
    first_wrong: str | None
    expected: str
    value: Callable | None = None
    seen: tuple | list = ()

    @property
    def story(self):
        """The mistake in one line; then how it looked, how it hides and its cost."""
        return inspect.getdoc(self.theirs)

    def difference(self):
        """Return the lines that differ, ours with - and theirs with +, and those around them."""
        if inspect.isfunction(self.theirs):
            return "\n".join(_difference([], _code(self.theirs)))
        lines = []
        for name, method in vars(self.theirs).items():
            if inspect.isfunction(method):
                calls_ours = "super()" in inspect.getsource(method)
                lines.append(f"{self.ours.__name__}.{name}" + (", ours and then:" if calls_ours else ":"))
                lines += _difference([] if calls_ours else _code(getattr(self.ours, name)), _code(method))
        return "\n".join(lines)

    def plant(self, model):
        """Return a copy of a model (or of any layer) in which the layers of our class have the mistake.

        Only the class of the layers is changed (`layer.__class__ = Theirs`): the parameters stay, and Python
        looks up forward and backward in the class at every call.

        Raises:
            ValueError: the model has no such layer.
        """
        planted = copy.deepcopy(model)
        layers = [layer for _, layer in walk(planted, is_layer) if type(layer) is self.ours]
        if not layers:
            model_name, layer_name = type(model).__name__, self.ours.__name__
            raise ValueError(f"{model_name} has no {layer_name} that {self.name!r} could be planted in")
        for layer in layers:
            layer.__class__ = self.theirs
        return planted

    def build(self):
        """Return the Case for the check, the mistake planted."""
        case = CASES[self.case]
        return case._replace(layer=self.plant(case.layer))

    def check(self, **options):
        """Return the GradientReport, options as in check_gradients; None for a plain function."""
        if self.case is None:
            return None
        layer, inputs, forward_kwargs = self.build()
        return check_gradients(layer, *inputs, **forward_kwargs, **options)

    def check_value(self):
        """Return the Finding that tells it from ours, or None where the gradient check does."""
        return None if self.value is None else self.value(self.theirs)

    def __str__(self):
        story = "\n".join(map(_filled, re.split(r"\n(?=\n|How it|The cost| )", self.story)))
        places = "\n".join(["Seen in public:", *self.seen]) if self.seen else ""
        parts = self.name, story, places, textwrap.indent(self.difference(), "    ")
        return "\n\n".join(filter(None, parts))


def changed(method, ours, theirs):
    """Return a class decorator that overrides `method` with the base class's, one line of it exchanged.

    The variant is compiled from the base class's own source, with the same line numbers above the change. A
    debugger shows it like any file, because Python's linecache holds its text.

    Args:
        method: "backward".
        ours: the line, without indentation and comment.
        theirs: the lines in its place; "" for none.

    Raises:
        ValueError: not exactly one line of the method is `ours`. Our layer has changed: change the
            exhibit likewise.
    """

    def override(variant):
        function = getattr(variant.__base__, method)
        lines, start = inspect.findsource(function)
        count = len(inspect.getblock(lines[start:]))
        found = [number for number in range(start, start + count) if _statement(lines[number]) == ours]
        if len(found) != 1:
            owner = f"{variant.__base__.__name__}.{method}"
            raise ValueError(f"{variant.__name__}: {owner} has {len(found)} lines {ours!r}, expected one")
        indentation = re.match(" *", lines[found[0]]).group()
        new = [f"{indentation}{line}\n" for line in theirs.splitlines()]
        text = "".join([*lines[: found[0]], *new, *lines[found[0] + 1 :]])
        setattr(variant, method, _compiled(text, f"<museum.{variant.__name__}.{method}>", function))
        return variant

    return override


def _compiled(text, filename, original):
    """Return the function that has the qualified name of `original` in `text`, the source of a module."""
    code = compile(text, filename, "exec", dont_inherit=True)
    for name in original.__qualname__.split("."):
        code = next(item for item in code.co_consts if getattr(item, "co_name", None) == name)
    # Without a time of change (None), linecache keeps the text though there is no such file.
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    return types.FunctionType(code, original.__globals__, original.__name__, original.__defaults__)


def _statement(line):
    """Return a line of code without indentation and comment."""
    return re.sub(r"\s+#.*", "", line).strip()


def _difference(ours, theirs):
    """Return the lines that differ, with two lines around them."""
    lines = difflib.unified_diff(ours, theirs, n=2, lineterm="")
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


def _code(function):
    """Return the lines of a function without its docstring and comments."""
    source = textwrap.dedent(inspect.getsource(function))
    node = ast.parse(source).body[0]
    lines = source.splitlines()
    if ast.get_docstring(node):
        del lines[node.body[0].lineno - 1 : node.body[0].end_lineno]
    return [re.sub(r"\s+#.*", "", line) for line in lines]
