"""How the code of layers and models is written, checked in their syntax trees."""

import ast
import pathlib
import pdb
import re

import minibert

FOLDER = pathlib.Path(minibert.__file__).parent
FILES = sorted([*(FOLDER / "layers").glob("*.py"), *(FOLDER / "models").glob("*.py")])

# Typed at a breakpoint, each of these is a command and not the variable: the commands of pdb, and those that
# IPython's debugger (%debug in a notebook) adds.
COMMANDS = {name.removeprefix("do_") for name in dir(pdb.Pdb) if name.startswith("do_")}
COMMANDS |= set("q h a c n s d p w u r b l j i t args up down source display".split())
COMMANDS |= set("cont where list exit quit".split())
COMMANDS |= set("context pdef pdoc pfile pinfo pinfo2 psource skip_hidden skip_predicates".split())


def functions():
    """Return {file and name: function} of every function in the layers and models."""
    found = {}
    for path in FILES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for owner in [tree, *(node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))]:
            for node in owner.body:
                if isinstance(node, ast.FunctionDef):
                    name = f"{owner.name}.{node.name}" if isinstance(owner, ast.ClassDef) else node.name
                    found[f"{path.parent.name}/{path.name} {name}"] = node
    return found


FUNCTIONS = functions()
PASSES = {name: function for name, function in FUNCTIONS.items() if function.name in ("forward", "backward")}


def local_names(function):
    arguments = {node.arg for node in ast.walk(function.args) if isinstance(node, ast.arg)}
    names = [node for node in ast.walk(function) if isinstance(node, ast.Name)]
    return arguments | {node.id for node in names if isinstance(node.ctx, ast.Store)}


def test_there_is_something_to_check():
    assert len(PASSES) > 20
    assert {"quit", "q", "args", "display", "n"} < COMMANDS


def test_no_local_is_a_debugger_command():
    for name, function in FUNCTIONS.items():
        assert function.name == "__init__" or not local_names(function) & COMMANDS, name


def test_a_pass_fits_on_a_screen():
    """Without its docstring: 30 lines; with it: 40."""
    for name, function in PASSES.items():
        docstring = function.body[0]
        assert ast.get_docstring(function), name
        assert function.end_lineno - docstring.end_lineno <= 30, name
        assert function.end_lineno - function.lineno + 1 <= 40, name


def test_every_forward_has_its_backward_below():
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                names = [item.name for item in node.body if isinstance(item, ast.FunctionDef)]
                passes = [name for name in names if name in ("forward", "backward")]
                assert passes in ([], ["forward", "backward"]), f"{path.name} {node.name}"


ANY_SHAPE = ("dropout.py", "gelu.py", "relu.py", "silu.py", "softmax.py")  # one shape throughout
CHANGE_SHAPE = (" @ ", ".reshape(", ".sum(", ".mean(", ".backward(", "np.zeros", "_heads(")


def test_a_gradient_of_another_shape_has_it_at_the_end_of_its_line():
    """As in `d_weight = rows.T @ d_rows_out    # (in, out)`, wherever 110 columns allow it."""
    checked, without = set(), []
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
        for function in [node for node in functions if node.name.endswith("backward")]:
            for node in [node for node in ast.walk(function) if isinstance(node, ast.Assign)]:
                value, names = ast.unparse(node.value), ast.unparse(node.targets[0])
                line = text.splitlines()[node.end_lineno - 1]
                returned = f"return {names}" in ast.unparse(function) and path.name not in ANY_SHAPE
                if returned or any(sign in value for sign in CHANGE_SHAPE):
                    checked.add(names)
                    if not re.search(r"  # .|\) # \(", line) and len(f"{line}  # (B, T, H)") <= 110:
                        without.append(f"{path.name}: {line.strip()}")
    assert not without
    assert {"d_x", "d_logits", "d_attention", "share_of_feed_forward", "d_weight"} <= checked


def test_nothing_stands_between_a_pass_and_its_arithmetic():
    """No closures, lambdas or decorators, and no attribute of a layer is assigned: a pass keeps nothing."""
    for name, function in PASSES.items():
        assert not function.decorator_list, name
        for node in ast.walk(function):
            assert not isinstance(node, ast.Lambda), name
            assert not isinstance(node, ast.FunctionDef) or node is function, name
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                is_sum = node.attr == "grad" and function.name == "backward"
                assert is_sum, f"{name}: {ast.unparse(node)}"


def test_a_pass_is_complex_safe():
    """Nothing conjugates or takes an absolute value; and no **, which is 150 times slower than x * x."""
    unsafe = ("np.abs", "np.absolute", "np.linalg.norm", "np.vdot")
    for name, function in PASSES.items():
        for node in ast.walk(function):
            if isinstance(node, ast.Attribute):
                assert node.attr not in ("conj", "conjugate"), f"{name}: {ast.unparse(node)}"
                assert ast.unparse(node) not in unsafe, f"{name}: {ast.unparse(node)}"
            assert not isinstance(node, ast.Pow), name


def test_layers_import_only_numpy_and_each_other():
    for path in (FOLDER / "layers").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = []
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0
                modules = [node.module]
            for module in modules:
                is_known = module in ("collections", "copy", "math", "types", "typing", "numpy")
                assert is_known or module.startswith("minibert.layers"), (path.name, module)
