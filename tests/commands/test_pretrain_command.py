"""`minibert pretrain`: output, defaults, errors and Ctrl-C (see also tests/training/test_interruption.py)."""

import json
import os
import re
import shlex
import shutil

import pytest

from minibert import cli
from minibert.commands.common import quoted
from minibert.objectives.masked_lm import PRESETS, MaskedLMRecipe


def test_pretrain_prints_both_baselines_and_what_to_do_next(corpus, tmp_path, output_of, monkeypatch):
    monkeypatch.setattr("minibert.plots.save", lambda *arguments: None)
    options = ["--steps", 3, "--seq-length", 12, "--batch-size", 4, "--vocab-size", 110, "--threads", 1]
    options += ["--seed", 4, "--corpus", corpus, "--output", tmp_path / "my run"]
    options += ["--micro-batches", 2, "--recompute"]
    text = "\n".join(output_of("pretrain", *options))
    assert re.search(r"fingerprint [0-9a-f]{12}", text)
    for name in ("MLM loss, nats per piece", "MLM loss, nats per word", "NSP accuracy"):
        assert re.search(rf"{name} +\d+\.\d{{3}} +\d+\.\d{{3}}", text), name
    comparison = re.search(r"per piece +(\S+) +(\S+) +unigram model; (\S+) nats (\w+) it", text)
    loss, baseline, gain, side = comparison.groups()
    assert float(gain) == pytest.approx(abs(float(loss) - float(baseline)), abs=2e-3)
    assert side == ("above" if loss > baseline else "below")
    arguments = (str(tmp_path / "my run"), "Return the number of [MASK] in the list.")
    assert f"minibert fill-mask {' '.join(map(quoted, arguments))}" in text
    recipe = json.loads((tmp_path / "my run" / "run.json").read_text(encoding="utf-8"))["recipe"]
    given = {"num_steps": 3, "seq_length": 12, "batch_size": 4, "vocab_size": 110, "threads": 1, "seed": 4}
    given |= {"micro_batches": 2, "recompute": True}
    assert {name: recipe[name] for name in given} == given


def test_other_models_have_no_options_for_less_memory(capfd):
    for option in (["--micro-batches", "2"], ["--recompute"]):
        assert cli.main(["pretrain", "--model", "gpt", *option]) == 2
        assert f"this model does not use {option[0]}: leave it out" in capfd.readouterr().err


def test_defaults_are_those_of_the_recipe(monkeypatch, capfd):
    """What is not given on the command line is left to the preset and to Recipe."""
    seen = []

    def begin(output, objective, recipe, minutes, say):
        seen.append((output, recipe, minutes))
        raise ValueError("that is enough")

    monkeypatch.setattr("minibert.training.run.begin", begin)
    assert cli.main(["pretrain"]) == 2
    [(output, recipe, minutes)] = seen
    assert (output, minutes) == ("bert-run", 5.0)
    assert 1 <= recipe.threads <= 4
    assert recipe == MaskedLMRecipe.of(["python-docs"], threads=recipe.threads) and recipe.recipe == "fast"
    given = ["--preset", "mini", "--batch-size", "3", "--minutes", "2.5", "--corpus", "a", "b"]
    assert cli.main(["pretrain", *given]) == 2
    _, recipe, minutes = seen[-1]
    corpus = [os.path.abspath("a"), os.path.abspath("b")]
    changes = {"corpus": corpus, "preset": "mini", "batch_size": 3, "threads": recipe.threads}
    expected = MaskedLMRecipe.of(recipe="fast", **changes)
    assert (recipe, minutes) == (expected, 2.5)
    assert {name: getattr(recipe, name) for name in PRESETS["mini"]} == PRESETS["mini"]
    assert cli.main(["pretrain", "--corpus", "toy"]) == 2
    assert (seen[-1][1].recipe, seen[-1][2]) == ("fast", 4.0)
    given = ["--embedding-start", "random", "--muon-learning-rate", "0.01"]
    assert cli.main(["pretrain", *given]) == 2
    _, recipe, _ = seen[-1]
    assert recipe == MaskedLMRecipe.of(
        recipe="fast", embedding_start="random", muon_learning_rate=0.01, threads=recipe.threads
    )
    assert (recipe.recipe, recipe.optimizer) == ("fast", "muon")
    assert cli.main(["pretrain", "--recipe", "bert"]) == 2
    assert seen[-1][1] == MaskedLMRecipe(threads=recipe.threads)
    assert cli.main(["pretrain", "--recipe", "slow"]) == 2
    assert "there is no recipe 'slow': choose one of bert, fast" in capfd.readouterr().err


@pytest.mark.parametrize("content, message", [
    (None, "does not exist; give python-docs, toy, a text file, or a folder of text files"),
    (b"", "is empty; give a text of two documents or more"),
    (b"\x89PNG\r\n\0\0\0", "is binary, or in UTF-16.*give text files"),
    ("Caf\xe9 ist auf.\n\nEin Text.".encode("latin-1"), "is not UTF-8: byte 0xe9 at offset 3; save it again"),
    (b"One. Two. Three. Four.", "too small for sentence pairs.*give two documents or more"),
    (b"One.\n\nTwo.\n\nThree.", "too small for sentence pairs"),
    (b"One. Two.\n\nThree. Four.", "too small to hold out text.*give more text"),
])
def test_a_corpus_that_is_of_no_use(failing, tmp_path, content, message):
    path = tmp_path / "corpus.txt"
    if content is not None:
        path.write_bytes(content)
    error = failing("pretrain", "--corpus", path, "--output", tmp_path / "run", "--steps", 2)
    assert re.search(message, error) and "corpus.txt" in error
    assert not (tmp_path / "run").exists()


def test_an_output_directory_that_is_taken(failing, finished_run, model_copy, corpus, tmp_path):
    error = failing("pretrain", "--corpus", corpus, "--output", finished_run, "--steps", 2)
    assert "holds a finished run: choose another" in error
    (model_copy / "config.json").rename(tmp_path / "config.json")
    error = failing("pretrain", "--corpus", corpus, "--output", model_copy, "--steps", 2)
    assert re.search("holds a run already: add --resume.*or choose another --output", error)
    (tmp_path / "config.json").rename(model_copy / "config.json")
    (model_copy / "run.json").unlink()
    error = failing("pretrain", "--corpus", corpus, "--output", model_copy, "--steps", 2)
    assert "holds a model already" in error
    (tmp_path / "file").write_text("", encoding="utf-8")
    for output in (tmp_path / "file", tmp_path / "file" / "run"):
        error = failing("pretrain", "--corpus", corpus, "--output", output, "--steps", 2)
        assert str(output) in error and "choose another --output" in error


def test_resuming_goes_with_few_other_options(failing, finished_run, tmp_path):
    resume = ["pretrain", "--output", finished_run, "--resume"]
    error = failing(*resume, "--steps", 30, "--batch-size", 4, "--whole-word")
    assert "goes on as it was begun, with batch_size 5: leave out --batch-size, --whole-word (" in error
    assert "this run has done 20 steps: --steps 3 is less; give more" in failing(*resume, "--steps", 3)
    error = failing(*resume, "--corpus", tmp_path / "none.txt")
    assert error.endswith("if the text was moved, add its new place to --resume: --corpus")
    assert failing(*resume, "--model", "bert").endswith("leave out --model")
    assert "no run to resume" in failing("pretrain", "--output", tmp_path / "none", "--resume")


def test_resuming_for_some_minutes(finished_run, monkeypatch):
    seen = []

    def resume(output, find_objective, say, changes, minutes):
        seen.append((output, changes, minutes))
        raise KeyboardInterrupt

    monkeypatch.setattr("minibert.training.run.resume", resume)
    for given in (["--minutes", "2.5"], []):
        assert cli.main(["pretrain", "--output", str(finished_run), "--resume", *given]) == 130
    assert seen == [(str(finished_run), {}, 2.5), (str(finished_run), {}, None)]


def test_a_resumed_run_may_recompute_or_no_longer(finished_run, monkeypatch):
    seen = []

    def resume(output, find_objective, say, changes, minutes):
        seen.append(changes)
        raise KeyboardInterrupt

    monkeypatch.setattr("minibert.training.run.resume", resume)
    for option in ("--recompute", "--no-recompute"):
        assert cli.main(["pretrain", "--output", str(finished_run), "--resume", option]) == 130
    assert seen == [{"recompute": True}, {"recompute": False}]


def test_a_learning_rate_that_is_far_too_high(failing, corpus, tmp_path, finished_run):
    options = ["--steps", 12, "--seq-length", 12, "--batch-size", 4, "--vocab-size", 110, "--threads", 1]
    options += ["--learning-rate", "1e30"]
    error = failing("pretrain", "--corpus", corpus, "--output", tmp_path / "run", *options)
    expected = r"step \d+: .*not finite.*The last good checkpoint is .*checkpoint-0000.*lower --learning-rate"
    assert re.search(expected, error)
    assert cli.main(["fill-mask", str(tmp_path / "run"), "The [MASK]."]) == 0  # with the last good checkpoint


@pytest.mark.parametrize("output", ["", " "])
def test_an_output_without_a_name_is_refused(output, tmp_path, monkeypatch, capfd):
    """Such as "$RUN" where RUN is not set; it would be the current folder."""
    monkeypatch.chdir(tmp_path)
    for arguments in (["pretrain", "--output", output], ["fill-mask", output, "A [MASK]."]):
        with pytest.raises(SystemExit):
            cli.main(arguments)
        assert f"expected a path, got {output!r}: for the current folder give ." in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_looks_like_an_option(finished_run, tmp_path, monkeypatch, capfd):
    shutil.copytree(finished_run, tmp_path / "-dash")
    monkeypatch.chdir(tmp_path)
    assert cli.main(["pretrain", "--output=-dash", "--resume"]) == 0
    *_, suggested = capfd.readouterr().out.splitlines()
    program, *arguments = shlex.split(suggested)
    assert program == "minibert" and arguments[1] == os.path.join(".", "-dash")
    assert cli.main(arguments) == 0


@pytest.mark.parametrize("when, message", [
    ("before the first step", "interrupted before the first step: nothing was lost"),
    ("after a checkpoint",
     r"stopped at once; the last checkpoint is .*checkpoint-000020\. Go on with:\n"
     r"  minibert pretrain --output .* --resume"),
])
def test_ctrl_c_outside_of_the_steps(finished_run, tmp_path, capfd, monkeypatch, when, message):
    def interrupted(*arguments, **named):
        raise KeyboardInterrupt

    monkeypatch.setattr("minibert.training.run.resume", interrupted)
    output = finished_run if when == "after a checkpoint" else tmp_path
    assert cli.main(["pretrain", "--output", str(output), "--resume"]) == 130
    assert re.search(message, capfd.readouterr().err)
