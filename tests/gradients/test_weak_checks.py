"""Each way of being blind misses the mistake that it is known for, and calls nothing wrong that is right."""

import functools

import mutants
import pytest
import weak_checks

pytestmark = pytest.mark.exhaustive  # to list all planted mistakes takes four seconds in each process

OF_LAYER_NORM = ("LayerNorm", "LayerNorm large eps", "LayerNorm large gain")


def planted(file, after, cases):
    """Return the mutant with this line, to be checked on these cases only."""
    [mutant] = [found for found in mutants.mutants() if (found.file, found.after) == (file, after)]
    return mutant._replace(cases=cases)


def off_by_half_a_percent(mutant):
    return mutant._replace(text="(1.005 * d_y * normalized)")


@functools.cache
def missed():
    """Return {blindness: the mistake that it is known for}."""
    forgotten = planted("layers/layer_norm.py", "d_gamma = (normalized).sum(axis=tokens)", OF_LAYER_NORM)
    return {
        "inputs": forgotten,
        "start": planted("layers/layer_norm.py", "d_normalized = d_y", OF_LAYER_NORM),
        "ones": forgotten,
        "loose": off_by_half_a_percent(forgotten),
        "plain": planted(
            "layers/cross_entropy.py",
            "counted = (row_labels != IGNORE_INDEX)",
            ("CrossEntropy", "CrossEntropy ignored labels"),
        ),
        "once": planted("layers/layer_norm.py", "self.gamma.grad = d_gamma", OF_LAYER_NORM),
    }


def test_every_blindness_is_tried():
    assert set(missed()) == set(weak_checks.BLINDNESS)


@pytest.mark.parametrize("blindness", weak_checks.BLINDNESS)
def test_a_blind_check_misses_what_the_whole_one_sees(blindness):
    mutant = missed()[blindness]
    assert mutants.judge(mutant)[1] == "number"
    assert weak_checks.is_caught((mutant, []))
    assert not weak_checks.is_caught((mutant, [blindness]))
    assert not weak_checks.is_caught((mutant, list(weak_checks.BLINDNESS)))


@pytest.mark.parametrize("case", [*OF_LAYER_NORM, "CrossEntropy ignored labels", "Embedding repeated ids"])
def test_what_is_right_is_right_to_the_blind(case):
    for blindness in weak_checks.BLINDNESS:
        assert not weak_checks.sees(case, [blindness])


def test_an_exception_is_noticed_by_all():
    mutant = missed()["inputs"]._replace(text="nothing")
    assert weak_checks.is_caught((mutant, list(weak_checks.BLINDNESS)))


def test_the_script(monkeypatch, capsys):
    two = [missed()["start"], missed()["once"]]
    monkeypatch.setattr(weak_checks.mutants, "mutants", lambda: two)
    weak_checks.main(["--sample", "2", "--jobs", "1"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "2 of 2 mistakes are caught by the checks of tests/gradients"
    assert [line.split()[0] for line in lines[1:]] == ["1", "1", "2", "2", "2", "1", "0"]
