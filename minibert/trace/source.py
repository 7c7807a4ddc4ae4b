"""Formulas of a layer's values, read from the source of the code that ran: they cannot go out of date."""

import ast
import functools
import inspect
import sys
import textwrap
from typing import NamedTuple


class Assignment(NamedTuple):
    """One name given its value, on one line of a method.

    Attributes:
        name:    "d_scores"; "self.weight.grad" where a gradient is added to.
        formula: the right-hand side as it is written.
        line:    the first line of the statement, as the file counts.
        value:   the right-hand side as a syntax tree.
        adds:    True for `name += value`.
    """

    name: str
    formula: str
    line: int
    value: ast.expr
    adds: bool


def assignments(function):
    """Return the Assignments of a function, in the order of its lines; none if it has no source."""
    return _assignments(inspect.unwrap(function).__code__)


@functools.lru_cache(maxsize=None)
def _assignments(code):
    source, tree, first_line = _parse(code)
    found = []
    for statement in ast.walk(tree) if tree else ():
        if isinstance(statement, ast.Assign):
            targets, value = statement.targets, statement.value
        elif isinstance(statement, (ast.AugAssign, ast.AnnAssign)) and statement.value:
            targets, value = [statement.target], statement.value
        else:
            continue
        line = first_line + statement.lineno
        adds = isinstance(statement, ast.AugAssign)
        for target in targets:
            for name, own in _pairs(target, value):
                if isinstance(name, ast.Subscript):  # d_x[:, 0] = …: a part of d_x
                    whole, formula = ast.unparse(name.value), f"… {_text(source, statement)}"
                    found.append(Assignment(whole, formula, line, own, True))
                elif isinstance(name, ast.Name) and adds:
                    found.append(Assignment(name.id, f"… + {_text(source, own)}", line, own, True))
                else:
                    found.append(Assignment(ast.unparse(name), _text(source, own), line, own, adds))
    return sorted(found, key=lambda assignment: assignment.line)


def _pairs(target, value):
    """Return [(name, value)] of an assignment: one for each name of a tuple."""
    if not isinstance(target, ast.Tuple):
        return [(target, value)]
    values = value.elts if isinstance(value, ast.Tuple) else [value] * len(target.elts)
    return list(zip(target.elts, values))


@functools.lru_cache(maxsize=None)
def _parse(code):
    """Return (source, syntax tree of the function, lines above it); (None, None, 0) if there is no source."""
    try:
        source = textwrap.dedent(inspect.getsource(code))
    except (OSError, TypeError):
        return None, None, 0
    return source, ast.parse(source).body[0], code.co_firstlineno - 1


def _text(source, node):
    return " ".join(ast.get_source_segment(source, node).split())


def assignment_of(function, name):
    """Return the Assignment that gives a local its value (the last that is not `= None`), or None."""
    found = [item for item in assignments(function) if item.name == name]
    return next((item for item in reversed(found) if item.formula != "None"), None)


def first_line(function):
    """Return the line of a function's first statement after the docstring, as the file counts."""
    _, tree, lines_above = _parse(inspect.unwrap(function).__code__)
    body = tree.body[1:] if ast.get_docstring(tree) and len(tree.body) > 1 else tree.body
    return lines_above + body[0].lineno


def mention(function, name):
    """Return the Assignment to a name, or the first call that changes it; None if there is neither.

    self.weight.grad is changed by a call with it as an argument, and by self.weight.add_product(left, right),
    which adds left @ right.
    """
    source, tree, first_line = _parse(inspect.unwrap(function).__code__)
    found = assignment_of(function, name)
    for node in ast.walk(tree) if tree and found is None else ():
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            arguments = list(map(ast.unparse, node.value.args))
            if ast.unparse(node.value.func) == name.removesuffix("grad") + "add_product":
                return Assignment(name, " @ ".join(arguments), first_line + node.lineno, node.value, True)
            if name in arguments:
                return Assignment(name, _text(source, node.value), first_line + node.lineno, node.value, True)
    return found


@functools.lru_cache(maxsize=None)
def has_several_values(function, name):
    """Tell whether a local is assigned more than once: on several lines, or in a loop."""
    _, tree, first_line = _parse(inspect.unwrap(function).__code__)
    loops = [node for node in ast.walk(tree) if isinstance(node, (ast.For, ast.While))] if tree else []
    in_loop = {line for loop in loops for line in range(loop.lineno, loop.end_lineno + 1)}
    found = [item for item in assignments(function) if item.name == name and not item.adds]
    found = [item for item in found if item.formula != "None"]
    is_argument = name in inspect.signature(function).parameters
    return len(found) + is_argument > 1 or any(item.line - first_line in in_loop for item in found)


def layer_class(cache):
    """Return the class whose forward makes such a cache (XCache and X share a module), or None."""
    module = sys.modules.get(type(cache).__module__)
    return getattr(module, type(cache).__name__.removesuffix("Cache"), None)


def headline(owner):
    """Return the first line of a class's docstring, which is its formula."""
    return (inspect.getdoc(owner) or "").partition("\n")[0].rstrip(".")


@functools.lru_cache(maxsize=None)
def fields(forward, cache_class):
    """Return {field of the cache: forward's expression for it, as text}: usually the name of a local."""
    source, tree, _ = _parse(inspect.unwrap(forward).__code__)
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Call) and ast.unparse(node.func) == cache_class.__name__:
            given = dict(zip(cache_class._fields, (_text(source, argument) for argument in node.args)))
            return given | {keyword.arg: _text(source, keyword.value) for keyword in node.keywords}
    return {}


@functools.lru_cache(maxsize=None)
def call_of(function, local):
    """Return the Assignment of the call that made a local of a forward, or that list's elements; or None."""
    source, tree, _ = _parse(inspect.unwrap(function).__code__)
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Call) and ast.unparse(node.func) == f"{local}.append":
            local = _text(source, node.args[0])  # one cache a layer, in a loop
    found = assignment_of(function, local)
    return found if found is not None and isinstance(found.value, ast.Call) else None


def bindings(call, function):
    """Return {argument of the function: the expression for it, as text} for a call in the source."""
    names = [name for name in inspect.signature(function).parameters if name != "self"]
    given = dict(zip(names, map(ast.unparse, call.args)))
    return given | {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}


@functools.lru_cache(maxsize=None)
def called_on(function, line):
    """Return the calls on one line of a function, [(name of the called, call)], as the file counts lines."""
    _, tree, first_line = _parse(inspect.unwrap(function).__code__)
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Call)] if tree else []
    on_line = [node for node in found if node.lineno <= line - first_line <= node.end_lineno]
    return [(ast.unparse(node.func), node) for node in on_line]
