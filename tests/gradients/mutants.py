"""The proof of the proof: plant mistakes in every backward pass, one at a time, and see if the check notices.

    python tests/gradients/mutants.py                             # all of them; exit code 1 if one survives
    python tests/gradients/mutants.py --only layers/attention.py  # one file
    python tests/gradients/mutants.py --sample 50 --seed 3        # some, chosen at random
    python tests/gradients/mutants.py --list                      # print them; nothing is planted

A mutant is one backward pass with one small change: `+` for `-`, a factor left out, `.T` forgotten, `=` for
`+=`, the query where the key belongs. It is found in the syntax tree, planted in the running program, checked
as `pytest tests/gradients` checks (check_gradients on every case that runs this function: errors at most
1e-12, no problem) and taken out again. It is caught by a number when a check fails, and by an exception when
the program stops. Some changes leave every result as it is (0 + x without the 0): the folder equivalents/
lists them, with the reasons.

A mistake in backward leaves forward as it is, and so the numeric gradients: they are measured once a case.

The backward passes of all files in layers/, models/ and word_vectors/ are found by themselves.
"""

import argparse
import ast
import collections
import contextlib
import functools
import importlib
import itertools
import multiprocessing
import operator
import os
import pathlib
import random
import re
import sys
import types
import warnings
from typing import NamedTuple

import numpy as np
import test_models
from equivalents import EQUIVALENT
from tqdm import tqdm

import minibert
from minibert.gradcheck import check_gradients
from minibert.gradcheck.cases import CASES
from minibert.gradcheck.conduct import analytic_gradients
from minibert.gradcheck.subject import RANDOM_STREAM, Subject
from minibert.layers import Layer, Parameter

PACKAGE = pathlib.Path(minibert.__file__).parent
FOLDERS = ("layers/", "models/", "word_vectors/")

OTHER_OPERATOR = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}
OTHER_COMPARISON = {ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is}
OTHER_FUNCTION = {
    "sum": "mean",
    "mean": "sum",
    "add": "subtract",
    "subtract": "add",
    "multiply": "divide",
    "divide": "multiply",
    "max": "min",
    "min": "max",
    "zeros": "ones",
    "zeros_like": "ones_like",
}
NEEDS_NO_BRACKETS = (str, ast.Name, ast.Attribute, ast.Call, ast.Constant)
SYMMETRIC = ("swapaxes", "max", "min")  # the order of their arguments does not matter
OTHER_AXIS = ("0", "-1", "-2", "None")


class Mutant(NamedTuple):
    """One planted mistake.

    Attributes:
        file, function: where: "layers/linear.py", "Linear.backward".
        line:    the number of the line.
        mistake: what was done, in words.
        before, after: the line without and with the mistake.
        place:   (start, end): these bytes of the file are replaced …
        text:    … by this text.
        cases:   names of the gradient cases that run this function.
    """

    file: str
    function: str
    line: int
    mistake: str
    before: str
    after: str
    place: tuple
    text: str
    cases: list

    def __str__(self):
        return f"{self.file}:{self.line} {self.function}: {self.mistake}\n  - {self.before}\n  + {self.after}"

    @property
    def reason(self):
        """Why this mutant computes the same as the original, if it does."""
        return EQUIVALENT.get((f"{self.file} {self.function}", self.after))

    def mutated_file(self):
        """Return the text of the file with the mistake in it, as bytes."""
        code = (PACKAGE / self.file).read_bytes()
        start, end = self.place
        return code[:start] + self.text.encode() + code[end:]


# --- where: the backward passes, and what only a backward pass calls ---


def functions_of(tree):
    """Return {qualified name: FunctionDef} of the functions and methods of a module."""
    functions = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            functions[node.name] = node
        if isinstance(node, ast.ClassDef):
            functions |= {f"{node.name}.{name}": function for name, function in functions_of(node).items()}
    return functions


@functools.cache
def backward_functions():
    """Return {(file, qualified name): FunctionDef} of the functions that run only in backward passes.

    These are all functions named backward or …_backward, and the helpers that are called by these alone.
    """
    all_functions, callers = {}, collections.defaultdict(set)
    for path in sorted(PACKAGE.rglob("*.py")):
        for name, function in functions_of(ast.parse(path.read_bytes())).items():
            all_functions[path.relative_to(PACKAGE).as_posix(), name] = function
            for node in ast.walk(function):
                if isinstance(node, ast.Call):
                    callers[ast.unparse(node.func).split(".")[-1]].add(function.name)
    candidates = {key: function for key, function in all_functions.items() if key[0].startswith(FOLDERS)}
    names = {function.name for function in candidates.values() if function.name.endswith("backward")}
    helpers = {function.name for function in candidates.values()} - names
    while found := {name for name in helpers if callers[name] and callers[name] <= names}:
        names |= found
        helpers -= found
    return {key: function for key, function in candidates.items() if function.name in names}


def cost(case):
    """Return how many entries a check measures, one forward pass each, and how many arguments."""
    with Subject(*CASES[case]) as subject:
        return sum(tensor.size for tensor in subject.tensors.values()), len(subject.forward_kwargs)


def watch_cases(functions):
    """Run every case, the cheapest first, and see which of the functions it calls.

    Returns:
        {(file, qualified name): {case: [the local variables of each call, as a dictionary]}}
    """
    codes = {live_function(*key).__code__: key for key in functions}
    seen = {key: collections.defaultdict(list) for key in functions}
    calls = {}

    def on_call(frame, event, value):
        if frame.f_code in codes:
            calls[frame] = {}
            seen[codes[frame.f_code]][case].append(calls[frame])
            frame.f_trace_lines = False
            return at_its_end

    def at_its_end(frame, event, value):
        calls[frame].update(frame.f_locals)

    for case in sorted(CASES, key=cost):
        with Subject(*CASES[case]) as subject:
            y, cache = subject.plain_forward()
            subject.draw_upstream(y, np.random.default_rng(0))
            subject.zero_grad()
            sys.settrace(on_call)
            subject.backward(cache)
            sys.settrace(None)
    return seen


# --- what: the mistakes. Each function yields (the mistake in words, the new code as a node or as text) ---


def mistakes(node, function, calls):
    """Yield all mistakes that can be made at one node of the syntax tree."""
    if isinstance(node, ast.stmt):
        yield from statement_mistakes(node)
    if isinstance(node, (ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare)):
        yield from operator_mistakes(node)
    if isinstance(node, ast.Call):
        yield from call_mistakes(node)
    if isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Load):
        yield from exchanges(node, function, calls)
    if isinstance(node, (ast.If, ast.IfExp)) and not isinstance(node.test, (ast.Compare, ast.BoolOp)):
        yield "condition turned", ast.UnaryOp(ast.Not(), node.test)
    if isinstance(node, ast.IfExp):
        yield "always the first", node.body
        yield "always the second", node.orelse
    if isinstance(node, ast.Attribute) and node.attr == "T":
        yield ".T dropped", node.value
    if isinstance(node, ast.Subscript) and not ast.unparse(node.value).endswith(".shape"):
        yield "index dropped", node.value
    if isinstance(node, ast.Tuple) and not any(isinstance(element, ast.Slice) for element in node.elts):
        for elements in neighbours_swapped(node.elts):
            yield "two values swapped", ast.Tuple(elements, node.ctx)
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield "True, False exchanged", ast.Constant(not node.value)
    elif isinstance(node, ast.Constant) and is_number(node) and not is_rest_of_shape(node):
        yield "constant doubled", ast.Constant(2 * node.value or 1)


def is_number(node):
    return isinstance(node.value, (int, float))


def operator_mistakes(node):
    if isinstance(node, ast.UnaryOp):
        yield "sign dropped", node.operand
    if isinstance(node, ast.BinOp):
        if type(node.op) in OTHER_OPERATOR:
            yield "other operator", ast.BinOp(node.left, OTHER_OPERATOR[type(node.op)](), node.right)
        if isinstance(node.op, ast.MatMult):
            yield "operands swapped", ast.BinOp(node.right, node.op, node.left)
        yield "right operand dropped", node.left
        yield "left operand dropped", node.right
    if isinstance(node, ast.Compare) and type(node.ops[0]) in OTHER_COMPARISON:
        turned = [OTHER_COMPARISON[type(node.ops[0])]()]
        yield "comparison turned", ast.Compare(node.left, turned, node.comparators)
    if isinstance(node, ast.BoolOp):
        other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield "and, or exchanged", ast.BoolOp(other, node.values)
        yield from (("one condition alone", value) for value in node.values)


def call_mistakes(node):
    called, name = node.func, ast.unparse(node.func).split(".")[-1]
    is_method = isinstance(called, ast.Attribute) and not ast.unparse(called).startswith("np.")
    is_array_method = is_method and hasattr(np.ndarray, name)
    if is_array_method:
        yield f"{name} skipped", called.value
    elif node.args:
        yield f"{name} skipped", node.args[0]
    if name in OTHER_FUNCTION:
        other = OTHER_FUNCTION[name]
        yield f"{other} for {name}", ast.unparse(node).replace(f"{name}(", f"{other}(", 1)
    for arguments in neighbours_swapped(node.args) if name not in SYMMETRIC else ():
        yield "two arguments swapped", ast.Call(called, arguments, node.keywords)
    for axis in OTHER_AXIS:
        other = ast.keyword("axis", ast.Name(axis))
        keywords = [other if word.arg == "axis" else word for word in node.keywords]
        yield "other axis", ast.Call(called, node.args, keywords)


def statement_mistakes(node):
    is_call = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    if isinstance(node, ast.AugAssign):
        yield "other operator", ast.AugAssign(node.target, OTHER_OPERATOR[type(node.op)](), node.value)
        yield "overwritten", ast.Assign([node.target], node.value, lineno=node.lineno)
    if is_call and ast.unparse(node.value.func) == "np.add.at":
        table, ids, rows = node.value.args
        yield "repeated ids overwritten", ast.AugAssign(ast.Subscript(table, ids), ast.Add(), rows)
    if is_call or isinstance(node, ast.AugAssign):
        yield "done twice", f"{ast.unparse(node)}; {ast.unparse(node)}"
    is_entry = isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript)
    if is_call or isinstance(node, ast.AugAssign) or is_entry:
        yield "left out", ast.Pass()


def neighbours_swapped(items):
    """Yield the list with two neighbours exchanged, for every two."""
    for index in range(1, len(items)):
        yield [*items[: index - 1], items[index], items[index - 1], *items[index + 1 :]]


def is_rest_of_shape(node):
    """Is this the 1 of the -1 in reshape(-1, 3), which is no number but means "the rest"?"""
    call = node.parent.parent if isinstance(node.parent, ast.UnaryOp) else None
    return isinstance(call, ast.Call) and ".reshape" in ast.unparse(call.func)


def exchanges(node, function, calls):
    """Yield other locals, cached values, layers or parameters of the same kind and shape in its place."""
    if isinstance(node.parent, ast.Attribute) and node.parent.attr in ("shape", "dtype", "ndim", "size"):
        return  # the others have the same
    owner, name = (node.value, node.attr) if isinstance(node, ast.Attribute) else (None, node.id)
    others = set()
    for values in calls:
        values = known_before(node, values, function) if owner is None else fields_of(owner, values)
        own = kind(values.get(name))
        others |= {other for other in values if other != name and own == kind(values[other]) is not None}
    for other in sorted(others):
        yield f"{other} for {name}", ast.Name(other) if owner is None else ast.Attribute(owner, other)


def known_before(node, values, function):
    """Return the locals that have a value before the line of the node."""
    first = first_lines(function)
    return {name: value for name, value in values.items() if first.get(name, 0) < node.lineno}


@functools.cache
def first_lines(function):
    """Return {local: the line where it is first given a value}."""
    first = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            first.setdefault(node.id, node.lineno)
    return first


def fields_of(owner, values):
    """Return {name: value} of the cache, layer or parameter that an expression as `cache.bert` denotes."""
    try:
        item = operator.attrgetter(ast.unparse(owner))(types.SimpleNamespace(**values))
    except AttributeError:
        return {}
    return item._asdict() if hasattr(item, "_asdict") else getattr(item, "__dict__", {})


def kind(value):
    """Return a key that values have in common if they can be confused; None for those that are left alone."""
    if isinstance(value, np.ndarray):
        return "array", value.dtype.kind, value.shape
    if isinstance(value, Parameter):
        return "parameter", value.value.shape
    return type(value) if isinstance(value, (Layer, int)) or hasattr(value, "_fields") else None


@functools.cache
def mutants():
    """Return every Mutant, in the order of the code."""
    functions = backward_functions()
    seen = watch_cases(functions)
    found = {}
    for (file, name), function in functions.items():
        calls = [values for calls_of_case in seen[file, name].values() for values in calls_of_case]
        for mutant in mutants_of(file, name, function, calls, list(seen[file, name])):
            found.setdefault((mutant.file, mutant.function, mutant.line, mutant.after), mutant)
    return list(found.values())


def mutants_of(file, name, function, calls, cases):
    """Yield the Mutants of one function; some may be alike."""
    code = (PACKAGE / file).read_bytes()
    lines = code.splitlines(keepends=True)
    starts = [0, *itertools.accumulate(map(len, lines))]
    for parent in ast.walk(function):
        for child in ast.iter_child_nodes(parent):
            child.parent = parent
    for part in [*function.args.defaults, *function.body]:
        for node in arithmetic_of(part):
            for mistake, new in mistakes(node, function, calls):
                old = node.test if mistake == "condition turned" else node
                start = starts[old.lineno - 1] + old.col_offset
                end = starts[old.end_lineno - 1] + old.end_col_offset
                text = new if isinstance(new, str) else ast.unparse(new)
                if isinstance(node, ast.expr) and not isinstance(new, NEEDS_NO_BRACKETS):
                    text = f"({text})"
                first = starts[old.lineno - 1]
                last = starts[old.end_lineno - 1] + len(lines[old.end_lineno - 1])
                before, after = code[first:last], code[first:start] + text.encode() + code[end:last]
                if ast.unparse(node) != ast.unparse(ast.parse(text)):
                    place = start, end
                    shown_lines = shown(before), shown(after)
                    yield Mutant(file, name, old.lineno, mistake, *shown_lines, place, text, cases)


def arithmetic_of(node):
    """Yield a node and all below it, except for error messages and the choice of a dtype."""
    if isinstance(node, ast.Raise) or (isinstance(node, ast.Attribute) and node.attr == "dtype"):
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from arithmetic_of(child)


def shown(code):
    """Return a line without its indentation and comment."""
    return re.sub(r"\s+# .*", "", code.decode()).strip()


# --- planting and judging ---


def live_function(file, name):
    """Return the function that runs when the library is used."""
    module = "minibert." + file.removesuffix(".py").replace("/", ".")
    return operator.attrgetter(name)(importlib.import_module(module))


@contextlib.contextmanager
def planted(mutant):
    """Have the running program use the mutant's code within the `with` block."""
    function = live_function(mutant.file, mutant.function)
    namespace = {"__name__": function.__module__}
    exec(compile(mutant.mutated_file(), mutant.file, "exec"), namespace)
    changed = operator.attrgetter(mutant.function)(types.SimpleNamespace(**namespace))
    kept = function.__code__, function.__defaults__
    function.__code__, function.__defaults__ = changed.__code__, changed.__defaults__
    try:
        yield
    finally:
        function.__code__, function.__defaults__ = kept


def judge(mutant):
    """Plant the mutant and check case after case; return (mutant, "number", "exception" or "survived").

    The verdict says what caught it: a number of the check, or an exception that stopped the program.
    """
    with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
        for case in mutant.cases:
            numeric = numeric_gradients(case)
            with planted(mutant):
                try:
                    if not (is_right(case, numeric) and passes(case)):
                        return mutant, "number"
                except Exception:
                    return mutant, "exception"
    return mutant, "survived"


@functools.cache
def numeric_gradients(case):
    """Return {name: the numeric gradient} of a case, measured while nothing is planted."""
    layer, inputs, forward_kwargs = CASES[case]
    return check_gradients(layer, *inputs, intermediates=False, **forward_kwargs).numeric


def is_right(case, numeric):
    """Return whether a backward pass breaks no rule and gives these gradients, as check_gradients decides it.

    From the same upstream gradient, with errors of at most 1e-12 on the same scale.
    """
    with Subject(*CASES[case]) as subject:
        analytic, problems = analytic_gradients(subject, np.random.default_rng([RANDOM_STREAM, 0]))
    largest = max((np.abs(gradient).max(initial=0) for gradient in numeric.values()), default=0)
    for name, gradient in numeric.items():
        if analytic[name] is None:
            if gradient.any():
                return False
            continue
        if analytic[name].shape != gradient.shape:
            return False
        scale = max(np.abs(gradient).max(initial=0), 1e-2 * largest, 1e-3)
        if not (np.abs(analytic[name] - gradient) <= 1e-12 * scale).all():  # nor where it is not a number
            return False
    return not problems


def passes(case):
    """Return whether a case passes the further tests of test_models.py that it takes part in."""
    try:
        if case in test_models.EMBEDDING_CASES:
            test_models.test_backward_returns_the_gradient_of_the_summed_embeddings(case)
        if case in test_models.LOSS_CASES:
            test_models.test_the_upstream_gradient_of_a_loss_is_one_by_default(case)
            test_models.test_all_parts_may_have_the_same_weight(case)
        if case in test_models.CHARACTER_CASES:
            test_models.test_backward_returns_the_gradient_of_the_words_vectors(case)
        if case in test_models.SHOWN_CASES:
            test_models.test_backward_returns_the_gradient_of_the_content(case)
        if case in test_models.LOOKUP_CASES:
            test_models.test_backward_returns_the_gradient_of_what_was_looked_up(case)
        if case in test_models.PART_CASES:
            test_models.test_each_part_of_the_loss_has_a_weight_of_its_own(case)
        if case in test_models.HEAD_CASES:
            test_models.test_each_part_of_a_head_has_a_weight_of_its_own(case)
    except AssertionError:
        return False
    return True


def print_table(verdicts):
    """Print the counts of every file, and what survived or is listed wrongly; return how many these are."""
    counts = collections.defaultdict(collections.Counter)
    wrong = []
    for mutant, verdict in verdicts:
        if verdict == "survived" and mutant.reason:
            verdict = "equivalent"
        elif verdict == "survived":
            wrong.append(f"SURVIVED: {mutant}")
        elif mutant.reason:
            wrong.append(f"listed in equivalents/, but caught: {mutant}")
        for row in (mutant.file, "all"):
            counts[row].update(["planted", verdict])
    columns = ("planted", "number", "exception", "equivalent", "survived")
    print(f"{'file':<26}" + "".join(f"{column:>12}" for column in columns))
    for file in sorted(counts, key=lambda name: (name == "all", name)):
        print(f"{file:<26}" + "".join(f"{counts[file][column]:>12}" for column in columns))
    print(*wrong, sep="\n", end="\n" if wrong else "")
    total = counts["all"]
    print(
        f"{total['planted']} mistakes planted: {total['number']} caught by a number, {total['exception']} by "
        f"an exception, {total['equivalent']} equivalent (see equivalents/), {total['survived']} survived"
    )
    return len(wrong)


def sample(population, size, seed):
    """Return `size` of the mutants, the same ones for the same seed."""
    return random.Random(seed).sample(population, min(size, len(population)))


def main(arguments=None):
    """Run the script; return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--only", default="", metavar="FILE", help="files whose name contains this")
    parser.add_argument("--sample", type=int, metavar="N", help="only N mutants, chosen at random")
    parser.add_argument("--seed", type=int, default=0, help="of that choice")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes (default: one a core)")
    parser.add_argument("--list", action="store_true", help="print the mutants and plant nothing")
    options = parser.parse_args(arguments)
    chosen = [mutant for mutant in mutants() if options.only in mutant.file]
    if options.sample is not None:
        chosen = sample(chosen, options.sample, options.seed)
    if options.list:
        print(*chosen, f"{len(chosen)} mutants", sep="\n")
        return 0
    if options.jobs == 1:
        return 1 if print_table(map(judge, chosen)) else 0
    with multiprocessing.Pool(options.jobs) as pool:
        verdicts = pool.imap_unordered(judge, chosen, chunksize=4)
        return 1 if print_table(tqdm(verdicts, total=len(chosen), unit=" mutants", disable=None)) else 0


if __name__ == "__main__":
    sys.exit(main())
