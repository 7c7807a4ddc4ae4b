"""Planted mistakes are caught: a sample of those that mutants.py plants, the same one every time, and the script itself."""

import ast
import types

import mutants
import pytest
import test_models

EVERYTHING = mutants.mutants()
SAMPLE = mutants.sample([mutant for mutant in EVERYTHING if not mutant.reason], 25, seed=0)


@pytest.mark.parametrize("mutant", SAMPLE, ids=[f"{mutant.file} {mutant.after}" for mutant in SAMPLE])
def test_mutant_is_caught(mutant):
    assert mutants.judge(mutant)[1] in ("caught", "crashed"), str(mutant)


def test_every_backward_pass_has_mutants():
    found = set()
    for folder in mutants.FOLDERS:
        for path in sorted((mutants.PACKAGE / folder).glob("*.py")):
            for name in mutants.functions_of(ast.parse(path.read_bytes())):
                if name.endswith("backward") and name != "Layer.backward":
                    found.add((f"{folder}{path.name}", name))
    assert len(found) > 15
    helpers = {("layers/base.py", "Parameter.add_product"), ("layers/embedding.py", "add_rows"), ("layers/gelu.py", "normal_density")}
    assert {(mutant.file, mutant.function) for mutant in EVERYTHING} == found | helpers


@pytest.mark.parametrize("file", sorted({mutant.file for mutant in EVERYTHING}))
def test_a_mutant_differs_from_the_original_in_one_function(file):
    original = {name: ast.dump(node) for name, node in functions_of(mutants.PACKAGE.joinpath(file).read_bytes()).items()}
    for mutant in [mutant for mutant in EVERYTHING if mutant.file == file][::10]:
        changed = functions_of(mutant.mutated_file())
        assert [name for name in original if ast.dump(changed[name]) != original[name]] == [mutant.function]


def functions_of(code):
    return mutants.functions_of(ast.parse(code))


def test_every_kind_of_mistake_is_planted():
    planted = " ".join(mutant.mistake for mutant in EVERYTHING)
    for mistake in (
        "other operator", "right operand dropped", "left operand dropped", "operands swapped", "left out", "done twice",
        "overwritten", "sign dropped", ".T dropped", "swapaxes skipped", "softmax_backward skipped", "mean for sum",
        "sum for mean", "other axis", "constant doubled", "key for query", "two values swapped", "comparison turned",
        "condition turned", "repeated ids overwritten",
    ):  # fmt: skip
        assert mistake in planted


def test_equivalents_exist():
    planted = {(f"{mutant.file} {mutant.function}", mutant.after) for mutant in EVERYTHING}
    assert set(mutants.EQUIVALENT) <= planted


def test_planting_is_undone():
    mutant = next(mutant for mutant in EVERYTHING if "d_loss=2.0" in mutant.after)
    function = mutants.live_function(mutant.file, mutant.function)
    code, defaults = function.__code__, function.__defaults__
    with mutants.planted(mutant):
        assert function.__code__ is not code
        assert function.__defaults__ == (2.0,)
    assert (function.__code__, function.__defaults__) == (code, defaults)


def test_the_script(capsys):
    assert mutants.main(["--only", "layers/dropout.py", "--jobs", "2"]) == 0
    total = sum(mutant.file == "layers/dropout.py" for mutant in EVERYTHING)
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"{total} mistakes planted")
    assert mutants.main(["--sample", "3", "--seed", "5", "--list"]) == 0
    assert capsys.readouterr().out.endswith("3 mutants\n")


def test_a_check_that_sees_nothing_is_found_out(monkeypatch, capsys):
    """With a gradient check that calls everything right, mutants survive; they are shown, and the exit code is 1."""
    monkeypatch.setattr(mutants, "check_gradients", lambda *layer_and_inputs, **options: types.SimpleNamespace(ok=True))
    monkeypatch.setattr(test_models, "EMBEDDING_CASES", [])
    monkeypatch.setattr(test_models, "LOSS_CASES", [])
    assert mutants.main(["--only", "layers/dropout.py", "--jobs", "1"]) == 1
    assert "SURVIVED: layers/dropout.py" in capsys.readouterr().out
