"""`minibert bench`: its benchmarks, their options, lines or JSON, and pictures. No test looks at a clock."""

import json

import numpy as np
import pytest

import minibert.benchmarks
from minibert import cli, plots
from minibert.benchmarks import bert, cheaper, growth, step, transfer
from minibert.objectives import masked_lm

SMALL = {"vocab_size": 30, "hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 3}


@pytest.fixture
def small(monkeypatch):
    """The presets, all of them small."""
    monkeypatch.setattr(bert, "PRESETS", {"tiny": (3, 8, SMALL), "mini": (2, 5, SMALL)})
    monkeypatch.setattr(growth, "PRESETS", bert.PRESETS)


@pytest.mark.parametrize("name", [[], ["bert"]])
def test_bert_is_the_default(small, output_of, monkeypatch, name):
    monkeypatch.setattr(bert, "measure_memory", lambda *arguments: 2_000_000)
    options = ["--preset", "tiny", "--rounds", 2, "--only", "minibert", "products", "uncut"]
    printed = "\n".join(output_of("bench", *name, *options))
    assert "tiny (B 3, T 8" in printed and "products" in printed and "mini (" not in printed
    (result,) = json.loads("".join(output_of("bench", *name, *options, "--json")))["results"]
    assert {name: len(times) for name, times in result["seconds"].items()} == {
        "minibert": 2, "uncut": 2, "products": 2,
    }
    assert result["memory"] == {"minibert": 2_000_000, "uncut": 2_000_000}


def test_growth_draws_every_size(small, output_of, tmp_path, monkeypatch):
    monkeypatch.setattr(growth, "SIZES", {"B": ("batch_size", (2, 4)), "H": ("hidden_size", (64, 128))})
    path = tmp_path / "growth.png"
    measured = json.loads("".join(output_of("bench", "growth", "--rounds", 1, "--output", path, "--json")))
    sizes = {letter: [row[0] for row in rows] for letter, rows in measured.items()}
    assert sizes == {"B": [2, 4], "H": [64, 128]}
    assert path.stat().st_size > 5000
    axes = plots.cost_growth(measured, growth.NAMES)
    assert [panel.get_xlabel() for panel in axes] == ["B: sequences in a batch", "H: hidden size"]
    milliseconds = [1e3 * row[1] for row in measured["B"]]
    np.testing.assert_allclose(axes[0].get_lines()[0].get_ydata(), milliseconds)


def test_growth_says_where_its_picture_is(small, output_of, monkeypatch):
    drawn = []
    monkeypatch.setattr(growth, "SIZES", {"B": ("batch_size", (2, 4)), "H": ("hidden_size", (64, 128))})
    monkeypatch.setattr(plots, "save", lambda *inputs, **options: drawn.append(inputs))
    lines = output_of("bench", "growth", "--rounds", 1, "--output", "g.png")
    assert [line[:3] for line in lines[:2]] == ["B  ", "H  "]
    assert lines[-1] == "The picture is in g.png."
    [(plot, path, measured, names)] = drawn
    assert (plot, path, names) == (plots.cost_growth, "g.png", growth.NAMES) and list(measured) == ["B", "H"]


@pytest.mark.parametrize("name, picture, message", [
    ("cheaper", "folder", "folder is a folder: give the picture a file"),
    ("cheaper", "folder/../p.jsonl", "is the file of the points: give the picture another one"),
    ("transfer", "p.jsonl", "is the file of the points: give the picture another one"),
    ("cheaper", "p.jsonl/new.png", "p.jsonl"),
])
def test_a_picture_that_cannot_be_there_is_refused_before(
    tmp_path, monkeypatch, capfd, name, picture, message
):
    (tmp_path / "folder").mkdir()
    (tmp_path / "p.jsonl").write_text("", "utf-8")
    monkeypatch.chdir(tmp_path)
    for module in (cheaper, transfer):
        monkeypatch.setattr(module, "measure", lambda options, say: pytest.fail("it was measured"))
    assert cli.main(["bench", name, "--points", "p.jsonl", "--picture", picture]) == 2
    assert message in capfd.readouterr().err and (tmp_path / "p.jsonl").read_bytes() == b""


def test_the_folder_of_a_picture_is_made(small, output_of, tmp_path, monkeypatch):
    monkeypatch.setattr(growth, "SIZES", {"B": ("batch_size", (2, 4))})
    picture = tmp_path / "new" / "g.png"
    output_of("bench", "growth", "--rounds", 1, "--output", picture)
    assert picture.stat().st_size > 5000


def test_a_step_of_the_main_job(output_of, corpus, monkeypatch):
    monkeypatch.setattr(step, "measure_memory", lambda *arguments: 3_000_000)
    monkeypatch.setattr(step, "seconds_of", lambda function: [function()] and 0.5)
    changes = {**SMALL, "vocab_size": 150, "seq_length": 16, "batch_size": 4}
    monkeypatch.setitem(masked_lm.PRESETS, "tiny", changes)
    options = ["--corpus", corpus, "--preset", "tiny", "--rounds", 2]
    printed = "\n".join(output_of("bench", "step", *options))
    result = json.loads("".join(output_of("bench", "step", *options, "--recipe", "bert", "--json")))
    assert result["recipe"] == "bert" and result["seconds"] == [0.5, 0.5] and result["memory"] == 3_000_000
    assert f"bert, {result['parameters']:,} parameters, threads: 1" in printed and "    500.0\n" in printed
    assert f" {sum(result['tokens']):,}\n" in printed and printed.endswith(" 3")


def test_a_step_gives_its_memory_back_to_be_measured(corpus, monkeypatch):
    changes = {**SMALL, "vocab_size": 150, "seq_length": 16, "batch_size": 4}
    monkeypatch.setitem(masked_lm.PRESETS, "tiny", changes)
    line = step.step_of("bert", {"corpus": [str(corpus)]})()
    assert line["step"] == 2 and line["tokens"] > 0


def test_a_preset_that_nobody_knows(capsys):
    assert cli.main(["bench", "step", "--preset", "huge"]) == 2
    assert "there is no preset 'huge': choose one of tiny, mini" in capsys.readouterr().err


def test_a_new_module_is_a_new_benchmark(output_of, tmp_path, monkeypatch):
    (tmp_path / "sleep.py").write_text(
        'HELP, DESCRIPTION = "how fast we sleep", "Sleep."\n'
        "def add_options(command):\n    command.add_argument('--hours', type=int, default=8)\n"
        "def measure(options, say):\n    say(f'{options.hours} hours')\n    return vars(options)['hours']\n",
        encoding="utf-8",
    )
    folders = [*minibert.benchmarks.__path__, str(tmp_path)]
    monkeypatch.setattr(minibert.benchmarks, "__path__", folders)
    assert output_of("bench", "sleep", "--hours", 3) == ["3 hours"]
    assert output_of("bench", "sleep", "--json") == ["8"]


def test_help_lists_the_benchmarks_and_not_their_helpers(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["bench", "--help"])
    text = capsys.readouterr().out
    assert stop.value.code == 0 and "Without a NAME: bert" in text
    benchmarks = ("bert", "finetune", "glove", "growth", "race", "step", "word2vec")
    assert [name for name in benchmarks if f"    {name} " not in text] == []
    assert "harness" not in text and "pytorch" not in text


def test_help_of_the_default_benchmark(capsys):
    with pytest.raises(SystemExit):
        cli.main(["bench", "--preset", "tiny", "--help"])
    assert capsys.readouterr().out.startswith("usage: minibert bench bert ")
