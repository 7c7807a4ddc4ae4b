"""`minibert gradcheck`: what is checked, what is printed, and the exit code."""

import re

import numpy as np
import pytest

from minibert import cli
from minibert.commands import gradcheck
from minibert.gradcheck import check_gradients, museum
from minibert.gradcheck.cases import CASES, bert
from minibert.models.bert import BertConfig


@pytest.fixture
def run(capfd):
    """A function that runs `minibert gradcheck ARGUMENTS`; returns (exit code, output, errors)."""

    def run_command(*arguments):
        capfd.readouterr()
        code = cli.main(["gradcheck", *arguments])
        return code, *capfd.readouterr()

    return run_command


@pytest.fixture
def small_bert(monkeypatch):
    sizes = {
        "vocab_size": 30,
        "hidden_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 12,
    }
    monkeypatch.setattr(bert, "full_config", lambda preset: BertConfig(**sizes))


@pytest.fixture
def wrong_norm(monkeypatch):
    """A mistake in one of LayerNorm's modes."""
    case = CASES["LayerNorm large eps"]
    wrong = case._replace(layer=museum.plant(case.layer, "wrong-operand"))
    monkeypatch.setitem(CASES.built, "LayerNorm large eps", wrong)


# --- what is checked ---


def test_base_is_bert_base():
    model = bert.full_config("base")
    size, inner = model.hidden_size, model.intermediate_size
    attention, norm, feed_forward = 4 * (size * size + size), 2 * size, 2 * size * inner + inner + size
    embeddings = (model.vocab_size + model.max_position_embeddings + 2) * size + norm
    dense = size * size + size
    total = embeddings + 12 * (attention + feed_forward + 2 * norm) + dense  # and the heads:
    assert total == 109_482_240  # bert-base-uncased
    assert total + dense + norm + model.vocab_size + 2 * size + 2 == 110_106_428
    assert (model.num_attention_heads, model.num_hidden_layers) == (12, 12)


@pytest.mark.parametrize(("names", "found"), [
    (["multiheadattention"], {"MultiHeadAttention": 10}),
    (["ATTENTION"], {"MultiHeadAttention": 10, "AppliedTwice": 1, "RelativeAttention": 2}),
    (["gelu"], {"GELU": 1}),
    (["Embedding"], {"Embedding": 4}),
    (["linear one row", "Pooler"], {"Linear": 1, "Pooler": 1}),
    (["batch of one"], {"MultiHeadAttention": 1, "EncoderLayer": 1, "BertForPreTraining": 1}),
])
def test_names(names, found):
    assert {layer: len(chosen) for layer, chosen in gradcheck.choose_cases(names).items()} == found


def test_no_names_mean_everything():
    assert {case for chosen in gradcheck.choose_cases().values() for case in chosen} == set(CASES)


# --- the table ---


def test_a_line_for_each_gradient_its_worst_error_and_where(run):
    code, output, _ = run("linear")
    assert code == 0
    linear = [case for case in CASES if case.startswith("Linear")]
    reports = {case: check_gradients(CASES[case].layer, *CASES[case].inputs) for case in linear}
    printed = output.splitlines()
    (header, *lines), blank, total = printed[:4], printed[-3], "\n".join(printed[-2:])
    assert re.fullmatch(r"Linear \(\d\.\d\d s; modes: plain, one row, no batch\)", header) and not blank
    for line, name in zip(lines, ["x", "weight", "bias"], strict=True):
        rows = {case: [row for row in report.rows if row.name == name] for case, report in reports.items()}
        errors = {case: row.error for case, [row] in rows.items()}
        assert line.split()[0] == name and line.split("ok")[0].split()[-1] == f"{max(errors.values()):.1e}"
        mode = line.split("ok")[1].strip()
        assert errors["Linear" if mode == "plain" else f"Linear {mode}"] == max(errors.values())
    assert re.fullmatch(
        r"layers and models: 1; gradients: 9, all right\nworst error \d\.\de-1[67] "
        r"\(complex step, tolerance 1e-12\); \d\.\d s",
        total,
    )


def test_central_differences(run):
    code, output, _ = run("gelu", "--method", "central")
    assert code == 0 and "(central differences, tolerance 1e-06)" in output


def test_intermediates(run):
    code, output, _ = run("multiheadattention batch of one", "--intermediates")
    assert code == 0 and "  d_scores " in output and "  query.weight " in output
    assert "d_scores" not in run("multiheadattention batch of one")[1]


def test_a_wrong_gradient(run, wrong_norm):
    code, output, _ = run("layernorm", "gelu")
    assert code == 1
    assert re.search(r"^  x +\(4, 5, 6\) +\S+  WRONG  large eps$", output, re.M)
    assert re.search(r"^  beta +\(6,\) +\S+  ok  ", output, re.M)
    assert "LayerNorm, large eps:\ngradient" in output
    assert "First wrong in the order of the backward pass: d_normalized" in output
    total = r"^layers and models: 2; gradients: \d+, WRONG in LayerNorm\nworst error \d"
    assert re.search(total, output, re.M)


def test_a_problem_without_a_wrong_gradient(run, monkeypatch):
    monkeypatch.setitem(CASES.built, "FeedForward", museum.exhibits["weights-in-forward"].build())
    code, output, _ = run("feedforward")
    assert code == 3 and "forward is not deterministic" in output and "UNDECIDED in FeedForward" in output


# --- whole models ---


@pytest.mark.exhaustive
def test_a_whole_model(run):
    code, output, _ = run("--preset", "tiny")
    assert code == 0
    assert output.startswith("tiny: 962,978 parameters in 46 tensors, 96 tokens; complex forward passes: 1\n")
    assert "46 tensors, 962,978 entries, right along a random direction" in output
    assert re.search(r"^\d+\.\d s$", output.splitlines()[-1])


def test_a_mistake_in_a_whole_model(run, small_bert):
    code, output, _ = run("--preset", "tiny")
    assert code == 0 and "entries, right along a random direction" in output
    code, output, _ = run("--preset", "tiny", "--exhibit", "repeated-ids")
    assert code == 1 and "WRONG along a random direction" in output


def test_the_guilty_tensor_is_named(run, small_bert):
    code, output, _ = run("--preset", "tiny", "--per-tensor")
    assert code == 0 and output.count("  ok\n") == 30 and "WRONG" not in output
    code, output, _ = run("--preset", "tiny", "--per-tensor", "--exhibit", "forgotten-share")
    assert code == 1 and output.count("  ok\n") == 29
    assert re.search(r"^  bert.embeddings.token.weight +\S+  WRONG$", output, re.M)
    assert re.search(r"^wrong: bert.embeddings.token.weight \(\S+\)$", output, re.M)


def test_the_model_of_a_preset():
    model, [input_ids], given = bert.at_full_size("tiny")
    assert input_ids.size >= 64 and 0 < (given["labels"] != -100).sum() < 30
    assert not given["labels"][~given["attention_mask"]].max() > -100 and given["attention_mask"].sum() == 76
    for name, parameter in model.parameters().items():
        assert parameter.value.dtype == np.float32
        assert parameter.value.ndim == 2 or np.ptp(parameter.value) > 0.5 or parameter.value.size < 3, name


# --- the museum ---


@pytest.mark.parametrize(("name", "words"), [
    ("transposed-key", "First wrong in the order of the backward pass: d_key_heads."),
    ("spoiled-cache", "Problem: backward changes the cache in place (normalized)"),
    ("ignored-zero",
     "No gradient check can see this: loss of four equal logits where label 0 is right: 1.38629 by"),
    ("nested-probabilities", "No gradient check can see this: share of the chosen tokens"),
])
def test_an_exhibit(run, name, words):
    code, output, _ = run("--exhibit", name)
    assert code == 1
    assert output.startswith(str(museum.exhibits[name])) and words in output


@pytest.mark.exhaustive
def test_an_exhibit_with_every_step(run):
    code, output, _ = run("--exhibit", "transposed-key", "--intermediates")
    assert code == 1
    assert re.search(r"^d_scores .* ok$", output, re.M)
    assert re.search(r"^d_key_heads .* WRONG  reshaped$", output, re.M)


def test_the_list(run):
    code, output, _ = run("--list")
    assert code == 0
    for name in [*gradcheck.choose_cases(), *museum.exhibits]:
        assert re.search(f"^  {name} ", output, re.M)
    assert re.search("^  EncoderLayer +plain, padding dropout, one head, tanh batch of one$", output, re.M)


# --- used wrongly ---


@pytest.mark.parametrize(("arguments", "message"), [
    (["attentoin"], "no layer or model is called 'attentoin': choose from Linear, Embedding, TiedDecoder"),
    (["--exhibit", "transposed"], "there is no exhibit 'transposed': choose one of transposed-key, reshaped"),
    (["--preset", "tiny", "--exhibit", "nested-probabilities"], "BertForPreTraining has no mask_tokens"),
    (["--per-tensor"], "--per-tensor goes with --preset"),
    (["linear", "--preset", "tiny"], "leave out NAME, --method and --intermediates"),
    (["--preset", "tiny", "--method", "central"], "leave out NAME, --method and --intermediates"),
    (["linear", "--list"], "NAME does not go with --exhibit or --list"),
])
def test_what_makes_no_sense(run, arguments, message):
    code, output, error = run(*arguments)
    assert code == 2 and not output
    assert error.startswith("minibert gradcheck: error: ") and message in error and error.count("\n") == 1


@pytest.mark.parametrize("arguments", [
    ["--preset", "huge"], ["--method", "exact"], ["--exhibit", "repeated-ids", "--list"],
])
def test_options_that_do_not_exist(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["gradcheck", *arguments])
    assert stop.value.code == 2 and "minibert gradcheck: error:" in capsys.readouterr().err


def test_nothing_is_loaded_before_it_is_needed(spawn):
    late = [f"minibert.gradcheck.{name}" for name in ("cases", "museum", "step_size")]
    code = f"import sys, minibert, minibert.cli; print([name for name in {late} if name in sys.modules])"
    process = spawn("-c", code)
    output, error = process.communicate(timeout=60)
    assert (output.strip(), error) == (b"[]", b"")
