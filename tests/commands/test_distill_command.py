"""`minibert distill`: what it says of a run that it cannot go on with, and at its end."""

import json

import pytest

from minibert import cli
from minibert.training import run
from minibert.training.saying import LOST


def test_a_run_of_another_command_is_not_resumed(failing, finished_run):
    before = (finished_run / "run.json").read_bytes()
    error = failing("distill", "--output", finished_run, "--resume", "--steps", 30)
    assert error.endswith("is no run of minibert distill: go on with the command that began it")
    assert (finished_run / "run.json").read_bytes() == before


def test_resuming_names_the_options_of_the_command(failing, finished_run, model_copy, tmp_path):
    """A run.json is enough: what is refused is refused before the teacher is read."""
    record = json.loads((model_copy / "run.json").read_text(encoding="utf-8"))
    record["objective"] = "distillation"
    record["recipe"] |= {"student_layers": 1, "start": str(finished_run)}
    (model_copy / "run.json").write_text(json.dumps(record), encoding="utf-8")
    resume = ["distill", "--output", model_copy, "--resume"]
    assert "leave out --layers (" in failing(*resume, "--layers", 2)
    error = failing(*resume, "--corpus", tmp_path / "none.txt")
    assert error.endswith("if the text was moved, add its new place to --resume: --corpus")


@pytest.mark.parametrize("error", LOST)
def test_nobody_needs_to_listen_to_the_end(error, monkeypatch, tmp_path):
    """A closed pipe does not make a failure of a run that is finished."""
    lines = []

    class Training:
        class objective:
            pictures = []
            table = staticmethod(lambda evaluation: ["a table"])
            suggestions = staticmethod(lambda directory: [["fill-mask", directory, "a [MASK]"]])

    def say(line=""):
        lines.append(line)
        raise error

    monkeypatch.setattr("minibert.commands.common.say", say)
    monkeypatch.setattr(run, "resume", lambda *arguments, **options: (None, Training))
    assert cli.main(["distill", "--resume", "--output", str(tmp_path)]) == 0
    assert lines[1] == "a table" and lines[3] == f"student and log.jsonl are in {tmp_path}. Try:"
    assert lines[4].startswith("  minibert fill-mask")
