"""Planted mistakes are caught: a sample of those in mutants.py, always the same; and the script itself."""

import ast
import collections
import types

import mutants
import pytest
import test_models

NUM_SAMPLED = 8


@pytest.mark.parametrize("number", range(NUM_SAMPLED))
def test_mutant_is_caught(number):
    """Those of layers: one of a whole model takes seconds. mutants.py plants all."""
    of_layers = [mutant for mutant in mutants.mutants() if mutant.file.startswith("layers/")]
    all_that_differ = [mutant for mutant in of_layers if not mutant.reason]
    mutant = mutants.sample(all_that_differ, NUM_SAMPLED, seed=0)[number]
    assert mutants.judge(mutant)[1] in ("number", "exception"), str(mutant)


def test_every_backward_pass_has_mutants():
    """And so have the helpers that only backward passes call."""
    found = set()
    for folder in mutants.FOLDERS:
        for path in sorted((mutants.PACKAGE / folder).rglob("*.py")):
            for name in functions_of(path.read_bytes()):
                if name.endswith("backward") and name != "Layer.backward":
                    found.add((path.relative_to(mutants.PACKAGE).as_posix(), name))
    assert len(found) > 20
    assert {file.partition("/")[0] for file, _ in found} == {"layers", "models", "word_vectors"}
    planted = {(mutant.file, mutant.function) for mutant in mutants.mutants()}
    assert found < planted and ("layers/embedding.py", "add_rows") in planted
    assert planted == set(mutants.backward_functions())


def test_a_mutant_differs_from_the_original_in_one_function():
    of_file = collections.defaultdict(list)
    for mutant in mutants.mutants():
        of_file[mutant.file].append(mutant)
    for file, planted in of_file.items():
        check_one_function_differs(file, planted[::200])


def check_one_function_differs(file, planted):
    functions = functions_of(mutants.PACKAGE.joinpath(file).read_bytes())
    original = {name: ast.dump(node) for name, node in functions.items()}
    for mutant in planted:
        changed = functions_of(mutant.mutated_file())
        assert [name for name in original if ast.dump(changed[name]) != original[name]] == [mutant.function]


def functions_of(code):
    return mutants.functions_of(ast.parse(code))


def test_every_kind_of_mistake_is_planted():
    planted = " ".join(mutant.mistake for mutant in mutants.mutants())
    for mistake in (
        "other operator",
        "right operand dropped",
        "left operand dropped",
        "operands swapped",
        "left out",
        "done twice",
        "overwritten",
        "sign dropped",
        ".T dropped",
        "swapaxes skipped",
        "softmax_backward skipped",
        "mean for sum",
        "sum for mean",
        "other axis",
        "constant doubled",
        "key for query",
        "two values swapped",
        "comparison turned",
        "condition turned",
        "repeated ids overwritten",
    ):
        assert mistake in planted


def test_equivalents_exist():
    planted = {(f"{mutant.file} {mutant.function}", mutant.after) for mutant in mutants.mutants()}
    assert len(mutants.EQUIVALENT) >= 20 and set(mutants.EQUIVALENT) <= planted


def test_planting_is_undone():
    mutant = next(mutant for mutant in mutants.mutants() if "d_loss=2.0" in mutant.after)
    function = mutants.live_function(mutant.file, mutant.function)
    code, defaults = function.__code__, function.__defaults__
    with mutants.planted(mutant):
        assert function.__code__ is not code
        assert function.__defaults__ == (2.0,)
    assert (function.__code__, function.__defaults__) == (code, defaults)


def test_the_script(capsys):
    assert mutants.main(["--only", "layers/dropout.py", "--jobs", "2"]) == 0
    total = sum(mutant.file == "layers/dropout.py" for mutant in mutants.mutants())
    last_line = capsys.readouterr().out.splitlines()[-1]
    assert last_line.startswith(f"{total} mistakes planted") and last_line.endswith(" 0 survived")
    assert mutants.main(["--sample", "3", "--seed", "5", "--list"]) == 0
    assert capsys.readouterr().out.endswith("3 mutants\n")


@pytest.mark.exhaustive
def test_a_check_that_sees_nothing_is_found_out(monkeypatch, capsys):
    """If the check calls everything right, mutants survive: they are shown, and the exit code is 1."""
    everything_is_right = types.SimpleNamespace(ok=True, numeric={})
    monkeypatch.setattr(mutants, "check_gradients", lambda *inputs, **options: everything_is_right)
    mutants.numeric_gradients.cache_clear()
    monkeypatch.setattr(test_models, "EMBEDDING_CASES", [])
    monkeypatch.setattr(test_models, "LOSS_CASES", [])
    assert mutants.main(["--only", "layers/dropout.py", "--jobs", "1"]) == 1
    assert "SURVIVED: layers/dropout.py" in capsys.readouterr().out
