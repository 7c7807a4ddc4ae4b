"""The time budgets of CI: which test counts for which budget, and when the check fails. It reads no clock."""

import importlib.util
import pathlib

import pytest

spec = importlib.util.spec_from_file_location(
    "budgets", pathlib.Path(__file__).parents[1] / ".ci" / "budgets.py"
)
budgets = importlib.util.module_from_spec(spec)
spec.loader.exec_module(budgets)

CASE = '<testcase classname="{}" name="{}" time="{}" />'


@pytest.fixture
def check(tmp_path, capsys, monkeypatch):
    """A function that checks a report of (classname, name, seconds) and returns (exit code, output).

    When tests are run again, they take `second` times as long as the first time.
    """

    def run(*tests, paces=(budgets.PACE,), second=1.0):
        monkeypatch.setattr(
            budgets,
            "run_alone",
            lambda tests: [test._replace(seconds=second * test.seconds) for test in tests],
        )
        cases = "".join(CASE.format(*test) for test in tests)
        (tmp_path / "report.xml").write_text(
            f"<testsuites><testsuite>{cases}</testsuite></testsuites>", "utf-8"
        )
        (tmp_path / "paces").write_text("".join(f"{pace}\n" for pace in paces), encoding="ascii")
        code = budgets.main("check", str(tmp_path / "paces"), str(tmp_path / "report.xml"))
        return code, capsys.readouterr().out

    return run


@pytest.mark.parametrize(
    "file, name, family",
    [
        ("tests/models/test_bert", "test_shapes", "bert"),
        ("tests/word_vectors/test_glove", "test_counts", "glove"),
        ("tests/word_vectors/test_word2vec_fast", "test_seeds[1]", "word2vec"),
        ("tests/gradients/test_glove_gradients", "test_gradients[1.0-both]", "glove"),
        ("tests/huggingface/test_bert", "test_names", "bert"),
        ("tests/gradients/test_gradients", "test_gradients[BertForPreTraining dropout bert.x]", "bert"),
        ("tests/gradients/test_gradients", "test_gradients[GloVeObjective words]", "glove"),
        ("tests/gradients/test_gradients", "test_gradients[MultiHeadAttention padding query.weight]", None),
        ("tests/layers/test_linear", "test_by_hand[BertModel]", None),
        ("tests/test_files", "test_every_number_type", None),
    ],
)
def test_a_test_counts_for_the_model_that_its_file_or_class_names(file, name, family):
    assert budgets.family_of(budgets.Test(file, name, 1.0), budgets.families()) == family


def test_companions_of_a_file_are_no_family_of_their_own():
    known = budgets.families()
    assert {"bert", "glove", "word2vec"} <= set(known)
    assert not {"__init__", "glove_counts", "word2vec_fast"} & set(known)


@pytest.mark.parametrize(
    "file, name, lesson",
    [
        ("tests/notebooks/test_notebooks", "test_it_runs[05_attention]", "05"),
        ("tests/notebooks/test_notebooks", "test_it_runs[solutions/05_attention]", "05"),
        ("tests/notebooks/test_notebooks", "test_a_text", None),
        ("tests/models/test_bert", "test_it_runs[05_attention]", None),
    ],
)
def test_a_test_of_the_notebooks_counts_for_its_lesson(file, name, lesson):
    assert budgets.lesson_of(budgets.Test(file, name, 1.0)) == lesson


WITHIN = [
    ("tests.models.test_bert", "test_one", 4.5),
    ("tests.gradients.test_gradients", "test_gradients[BertModel x]", 0.5),
    ("tests.notebooks.test_notebooks", "test_it_runs[05_attention]", 20.0),
    ("tests.notebooks.test_notebooks", "test_it_runs[solutions/05_attention]", 14.0),
    ("tests.notebooks.test_notebooks", "test_it_runs[12_pretraining]", 34.9),
    ("tests.layers.test_linear", "test_of_no_family", 100.0),
    ("tests.gradients.test_mutants", "test_mutant_is_caught[BertModel]", 200.0),
    ("tests.gradients.test_weak_checks", "test_the_script", 200.0),
]


def test_all_within(check):
    code, output = check(*WITHIN)
    assert code == 0 and "nothing is over its budget by more" in output and "OVER" not in output
    assert "   5.00    8.00  bert\n" in output and "  34.00   35.00  05\n" in output


def test_a_little_over_is_marked_only(check):
    code, output = check(*WITHIN, ("tests.models.test_bert_more", "test_two", 3.1))
    assert code == 0 and "   8.10    8.00  bert  OVER\n" in output


@pytest.mark.parametrize(
    "test, line",
    [
        (("tests.models.test_bert_more", "test_two", 5.1), "over budget: model family bert: 10.10 s of 8.00"),
        (
            ("tests.gradients.test_gradients", "test_gradients[Linear x]", 0.8),
            "over budget: gradient case test_gradients test_gradients[Linear x]: 0.80 s of 0.60",
        ),
        (
            ("tests.notebooks.test_notebooks", "test_the_solution[05_attention]", 19.0),
            "over budget: lesson 05: 53.00 s of 35.00",
        ),
    ],
)
def test_over_the_tolerance_fails_unless_the_machine_was_slow_at_some_time(check, test, line):
    code, output = check(*WITHIN, test)
    assert code == 1 and line in output and "OVER" in output
    assert check(*WITHIN, test, paces=(0.5 * budgets.PACE,))[0] == 1  # a fast machine has the same budgets
    assert check(*WITHIN, test, paces=(budgets.PACE, 1.3 * budgets.PACE))[0] == 0
    assert check(*WITHIN, test, second=0.5)[0] == 0  # something else ran beside it the first time


def test_the_shorter_time_counts_for_what_ran_again_alone(check):
    code, output = check(*WITHIN, ("tests.models.test_bert_more", "test_two", 9.0), second=0.5)
    assert code == 0 and "   7.00    8.00  bert\n" in output  # 0.5 (4.5 + 0.5 + 9)
    code, output = check(*WITHIN, ("tests.models.test_bert_more", "test_two", 9.0), second=2.0)
    assert code == 1 and "  14.00    8.00  bert  OVER\n" in output


@pytest.mark.exhaustive
def test_a_test_that_runs_again_is_found_by_its_parameters():
    test = budgets.Test(
        "tests/notebooks/test_notebooks", "test_a_lesson_has_what_every_lesson_has[00_gradients]", 99.0
    )
    (again,) = budgets.run_alone([test])
    assert (again.file, again.name) == (test.file, test.name) and again.seconds < 99
