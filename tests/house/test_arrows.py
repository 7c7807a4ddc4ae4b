"""Who may import whom: arrows go to the right only, and no module imports itself by a detour."""

import ast
import functools
import pathlib
import sys

import minibert

PACKAGE = pathlib.Path(minibert.__file__).parent

# From left to right; a module belongs to the longest prefix that fits. Imports inside functions count.
GROUPS = [
    ["cli", "__main__", "commands"],
    ["course", "benchmarks", "gradcheck.museum", "trace"],
    ["objectives", "gradcheck.cases"],
    ["training", "generation", "gpt2_writer", "gradcheck", "text.toy"],
    ["text.examples"],
    ["text", "models", "word_vectors"],
    ["layers", "huggingface"],
    ["files", "arguments"],
]
CALL_PLOTS = ("course", "commands", "objectives")


def name_of(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


MODULES = {name_of(path): path for path in PACKAGE.rglob("*.py")}


def imports(name):
    """Return the modules of minibert that a module imports, whole names without "minibert."."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: imports are absolute"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for full in names:
            parts = full.split(".")
            while parts and parts[0] == "minibert" and ".".join(parts[1:]) not in MODULES:
                parts.pop()
            if parts and parts[0] == "minibert":
                found.add(".".join(parts[1:]))
    return found - {"", name}  # "" is the package itself, whose version a few read


@functools.cache
def graph():
    """Return {module: the modules that it imports}."""
    return {name: imports(name) for name in MODULES}


def group(name):
    """Return the number of a module's group, and None for the package itself and for plots."""
    fitting = [
        (len(prefix), number)
        for number, prefixes in enumerate(GROUPS)
        for prefix in prefixes
        if name == prefix or name.startswith(f"{prefix}.")
    ]
    return max(fitting)[1] if fitting else None


def test_every_module_has_its_group():
    assert [
        name for name in MODULES if group(name) is None and name.partition(".")[0] not in ("", "plots")
    ] == []


def test_arrows_go_to_the_right():
    wrong = [
        f"{name} -> {target}"
        for name, targets in graph().items()
        for target in targets
        if name and None not in (group(name), group(target)) and group(target) < group(name)
    ]
    assert wrong == []


def test_no_module_imports_itself_by_a_detour():
    reached = {name: set(targets) for name, targets in graph().items()}
    for middle in reached:
        for targets in reached.values():
            if middle in targets:
                targets |= reached[middle]
    assert [name for name, targets in reached.items() if name and name in targets] == []


def test_plots_import_numpy_matplotlib_and_pythons_own_library_only():
    for name in MODULES:
        if name.partition(".")[0] == "plots":
            for node in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8"))):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                names += [node.module] if isinstance(node, ast.ImportFrom) else []
                for full in names:
                    top = full.split(".")[0]
                    is_outside = top in ("numpy", "matplotlib") or top in sys.stdlib_module_names
                    assert is_outside or full.startswith("minibert.plots"), (name, full)


def test_who_calls_plots():
    callers = {
        name.partition(".")[0]
        for name, targets in graph().items()
        if name.partition(".")[0] != "plots"
        and any(target.partition(".")[0] == "plots" for target in targets)
    }
    assert callers <= set(CALL_PLOTS)


def test_the_rules_see_what_they_forbid():
    of_bert = graph()["models.bert"]
    assert "layers.base" in of_bert and "training.run" not in of_bert
    assert (
        group("text.toy.pairs")
        < group("text.examples.masking")
        < group("text.tokenizer")
        < group("layers.base")
    )
    assert group("gradcheck.museum") < group("gradcheck.cases") < group("gradcheck.check")
