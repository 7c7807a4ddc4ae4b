"""Formulas of a layer's values, read from the source of the code that ran: they cannot go out of date."""

import ast
import functools
import inspect
import sys
import textwrap
from typing import NamedTuple

PURE = (
    ast.Expression, ast.Name, ast.Attribute, ast.Constant, ast.Compare, ast.BoolOp, ast.UnaryOp, ast.boolop,
    ast.unaryop, ast.cmpop, ast.expr_context,
)


class Assignment(NamedTuple):
    """One name given its value, on one line of a method.

    Attributes:
        name:    "d_scores"; "self.weight.grad" where a gradient is added to.
        formula: the right-hand side as it is written; a call that adds to a gradient as a whole.
        line:    the first line of the statement, as the file counts.
        adds:    True for `name += value`, `name[:, 0] = value` and for a call that changes the name.
        in_loop: whether the statement is in a loop.
        tests:   [(condition, whether it must hold)] of the branches that lead to the line; None in place of a
            condition that calls something, and so cannot be tried again.
    """

    name: str
    formula: str
    line: int
    adds: bool
    in_loop: bool
    tests: tuple


def is_known(function):
    """Whether the source of a function can be read; not if exec() made it, or it is written in C.

    Nor, before Python 3.13, if it was typed into Python.
    """
    code = getattr(inspect.unwrap(function), "__code__", None)
    return code is not None and _parse(code)[1] is not None


def assignments(function):
    """Return the Assignments of a function, in the order of its lines; none if it has no source."""
    return _assignments(inspect.unwrap(function).__code__)


@functools.lru_cache(maxsize=None)
def _assignments(code):
    source, tree, lines_above = _parse(code)
    found = []
    for statement, in_loop, tests in _statements(tree.body) if tree else ():
        line = lines_above + statement.lineno
        for name, formula, adds in _targets(statement, source):
            found.append(Assignment(name, formula, line, adds, in_loop, tests))
    return sorted(found, key=lambda assignment: assignment.line)


def _statements(body, in_loop=False, tests=()):
    """Yield (statement, whether it is in a loop, the tests before it) of a body and of all blocks in it."""
    for statement in body:
        yield statement, in_loop, tests
        if isinstance(statement, ast.If):
            text = ast.unparse(statement.test) if _is_pure(statement.test) else None
            condition = text and compile(text, "<condition>", "eval")
            yield from _statements(statement.body, in_loop, (*tests, (condition, True)))
            yield from _statements(statement.orelse, in_loop, (*tests, (condition, False)))
            if isinstance(statement.body[-1], (ast.Return, ast.Raise)):
                tests = (*tests, (condition, False))
        elif not isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
            loops = in_loop or isinstance(statement, (ast.For, ast.While))
            for block in ("body", "orelse", "finalbody"):
                yield from _statements(getattr(statement, block, []), loops, tests)


def _is_pure(condition):
    """Whether a condition has only names, attributes, constants and comparisons."""
    return all(isinstance(node, PURE) for node in ast.walk(condition))


def _targets(statement, source):
    """Return [(name, formula, adds)] of the names that a statement gives a value or changes."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        changed = [ast.unparse(argument) for argument in statement.value.args]
        call = _text(source, statement)
        return [(name, call, True) for name in changed if name.startswith("self.") and name.endswith(".grad")]
    if isinstance(statement, ast.Assign):
        targets, value = statement.targets, statement.value
    elif isinstance(statement, (ast.AugAssign, ast.AnnAssign)) and statement.value:
        targets, value = [statement.target], statement.value
    else:
        return []
    found, adds = [], isinstance(statement, ast.AugAssign)
    for target in targets:
        for place, own in _pairs(target, value):
            if isinstance(place, ast.Subscript):  # d_x[:, 0] = …: a part of d_x
                while isinstance(place, ast.Subscript):
                    place = place.value
                found.append((ast.unparse(place), f"… {_text(source, statement)}", True))
            elif isinstance(place, ast.Name) and adds:
                found.append((place.id, f"… + {_text(source, own)}", True))
            else:
                found.append((ast.unparse(place), _text(source, own), adds))
    return found


def _pairs(target, value):
    """Return [(target, value)] of an assignment: one for each name of a tuple."""
    if not isinstance(target, ast.Tuple):
        return [(target, value)]
    values = value.elts if isinstance(value, ast.Tuple) else [value] * len(target.elts)
    return list(zip(target.elts, values))


@functools.lru_cache(maxsize=None)
def _parse(code):
    """Return (source, syntax tree of the function, lines above it); (None, None, 0) if there is no source.

    From Python 3.13 on, the text of `python -c` has the same name as that of exec(), "<string>": a
    function of the one may be looked up in the other, and the wrong one is found.
    """
    try:
        source = textwrap.dedent(inspect.getsource(code))
        tree = ast.parse(source).body[0]
    except (OSError, TypeError, SyntaxError):
        return None, None, 0
    if not isinstance(tree, ast.FunctionDef) or tree.name != code.co_name:
        return None, None, 0
    return source, tree, code.co_firstlineno - 1


def _text(source, node):
    return " ".join(ast.get_source_segment(source, node).split())


def assignment_of(function, name, names=None):
    """Return the Assignment that gives a local its value (the last that is not `= None`), or None.

    Args:
        names: the locals when the function ended: a line in a branch that they rule out did not run. Where
            that cannot be told, and several lines are left, the formula is "A, or B".
    """
    found = [item for item in assignments(function) if item.name == name and item.formula != "None"]
    if names is not None:
        found = [item for item in found if may_have_run(item, function, names)]
        whole = [item for item in found if not item.adds]
        if len(whole) == len(found) > 1 and any(condition is None for condition, _ in found[-1].tests):
            return found[-1]._replace(formula=", or ".join(item.formula for item in whole))
    return found[-1] if found else None


def may_have_run(assignment, function, names):
    """Whether no test before a line rules it out, given the function's locals when it ended."""
    for condition, wanted in assignment.tests:
        try:
            if condition is not None and bool(eval(condition, function.__globals__, dict(names))) != wanted:
                return False
        except Exception:  # a local that is not there, the truth of an array: it cannot be told
            continue
    return True


def first_line(function):
    """Return the line of a function's first statement after the docstring, as the file counts."""
    _, tree, lines_above = _parse(inspect.unwrap(function).__code__)
    body = tree.body[1:] if ast.get_docstring(tree) and len(tree.body) > 1 else tree.body
    return lines_above + body[0].lineno


@functools.lru_cache(maxsize=None)
def line_with(function, expression):
    """Return the line of the first statement with an expression in it, "self.weight.value", or None.

    Its shape, size and dtype are no use of it. "norm=" finds an argument that is given by keyword.
    """
    _, tree, lines_above = _parse(inspect.unwrap(function).__code__)
    for statement, _, _ in _statements(tree.body) if tree else ():
        if hasattr(statement, "body"):
            continue
        nodes = list(ast.walk(statement))
        about = [id(node.value) for node in nodes if getattr(node, "attr", "") in ("shape", "size", "dtype")]
        for node in nodes:
            is_it = isinstance(node, ast.expr) and id(node) not in about and ast.unparse(node) == expression
            if is_it or isinstance(node, ast.keyword) and f"{node.arg}=" == expression:
                return lines_above + statement.lineno
    return None


@functools.lru_cache(maxsize=None)
def has_several_values(function, name):
    """Tell whether a local is assigned more than once: on several lines, or in a loop."""
    found = [item for item in assignments(function) if item.name == name and not item.adds]
    found = [item for item in found if item.formula != "None"]
    is_argument = name in inspect.signature(function).parameters
    return len(found) + is_argument > 1 or any(item.in_loop for item in found)


def layer_class(cache):
    """Return the class whose forward makes such a cache (XCache and X share a module), or None."""
    module = sys.modules.get(type(cache).__module__)
    return getattr(module, type(cache).__name__.removesuffix("Cache"), None)


def headline(owner):
    """Return the first line of a class's own docstring, which is its formula; "" if it has none."""
    return inspect.cleandoc(vars(owner).get("__doc__") or "").partition("\n")[0].rstrip(".")


def bindings(call, function):
    """Return {argument of the function: the expression for it, as text} for a call in the source."""
    names = [name for name in inspect.signature(function).parameters if name != "self"]
    given = dict(zip(names, map(ast.unparse, call.args)))
    return given | {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}


@functools.lru_cache(maxsize=None)
def called_on(function, line):
    """Return the calls on one line of a function, [(name of the called, call)], as the file counts lines."""
    _, tree, lines_above = _parse(inspect.unwrap(function).__code__)
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Call)] if tree else []
    on_line = [node for node in found if node.lineno <= line - lines_above <= node.end_lineno]
    return [(ast.unparse(node.func), node) for node in on_line]
