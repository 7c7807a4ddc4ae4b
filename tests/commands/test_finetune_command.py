"""`minibert finetune` and `minibert predict`: options, seeds, input of every kind, what is printed."""

import io
import json
import os
import sys

import labelled_files
import numpy as np
import pytest
from helpers import made_once

import minibert
from minibert import cli
from minibert.commands import predict
from minibert.objectives.fine_tuning import FineTuningRecipe
from minibert.text.toy import TOY
from minibert.training.step import Training


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """The folder of a tiny BERT and of labelled files; no test changes it."""
    return made_once(tmp_path_factory, "labelled", labelled_files.write)


@pytest.fixture(autouse=True)
def without_pictures(monkeypatch):
    monkeypatch.setattr("minibert.plots.save", lambda plot, path, log, *names: path.touch())


@pytest.fixture(scope="session")
def tuned(files, tmp_path_factory):
    """A function that returns the folder of a model that was fine-tuned for a task, for one step."""
    def folder(task):
        def make(directory):
            train, dev = (f"{task}-{name}.{labelled_files.FILES[task]}" for name in ("train", "dev"))
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("minibert.plots.save", lambda plot, path, log, *names: path.touch())
                assert cli.main([
                    "finetune", str(files / "bert"), "--task", task, "--output", str(directory / "run"),
                    "--train", str(files / train), "--dev", str(files / dev),
                    "--epochs", "1", "--batch-size", "24", "--threads", "1"]) == 0

        return made_once(tmp_path_factory, f"tuned-{task}", make) / "run"

    return folder


def given(files, task="classify"):
    suffix = labelled_files.FILES[task]
    return [str(files / "bert"), "--task", task, "--train", files / f"{task}-train.{suffix}",
            "--dev", files / f"{task}-dev.{suffix}", "--batch-size", "12", "--threads", "1"]


# --- finetune ---


def test_defaults_are_those_of_the_recipe(files, monkeypatch, capfd):
    seen = []

    def begin(output, objective, recipe, say):
        seen.append((output, recipe))
        raise ValueError("that is enough")

    monkeypatch.setattr("minibert.training.run.begin", begin)
    paths = [files / "bert", "--task", "pairs", "--train", files / "pairs-train.csv"]
    assert cli.main(list(map(str, ["finetune", *paths]))) == 2
    output, recipe = seen[-1]
    assert output == "fine-tuned" and 1 <= recipe.threads <= 4
    start, train = str(files / "bert"), str(files / "pairs-train.csv")
    assert recipe == FineTuningRecipe.of(start=start, task="pairs", train=train, threads=recipe.threads)
    options = "--epochs 5 --lr 0.001 --batch-size 4 --max-length 9 --freeze 1 --layer-decay 0.8 --seed 3"
    assert cli.main(list(map(str, ["finetune", *paths, *options.split()]))) == 2
    found = seen[-1][1]
    assert (found.epochs, found.learning_rate, found.batch_size, found.max_length, found.freeze,
            found.layer_decay, found.seed, found.reinit) == (5, 0.001, 4, 9, 1, 0.8, 3, 0)
    assert cli.main(list(map(str, ["finetune", *paths, "--freeze", "--reinit", "1"]))) == 2
    assert (seen[-1][1].freeze, seen[-1][1].reinit) == (-1, 1)


def test_a_run_says_the_balance_the_baselines_and_what_to_do_next(files, output_of, tmp_path):
    lines = output_of("finetune", *given(files), "--epochs", 2, "--output", tmp_path / "my run")
    text = "\n".join(lines)
    content = (files / "classify-train.tsv").read_text(encoding="utf-8")
    num_positive = content.count("\tpositive\n")
    assert num_positive > 12  # of 24
    assert (f"labels      positive {num_positive} ({num_positive / 24:.0%}), negative {24 - num_positive} "
            f"({1 - num_positive / 24:.0%})") in lines
    for name in ("accuracy", "macro F1", "Matthews", "  F1 of negative"):
        [line] = [line for line in lines if line.startswith(f"{name}  ")]
        assert len(line.split()) - len(name.split()) == 3  # the model, the majority, a bag of words
    assert "step      2: held-out loss" in text and "best        after step" in text
    assert lines[-1].startswith(f"  minibert predict '{tmp_path / 'my run'}' ")


@pytest.mark.exhaustive
def test_seeds_print_the_mean_and_the_range(files, output_of, failing, tmp_path):
    lines = output_of("finetune", *given(files), "--epochs", 1, "--seeds", 2, "--output", tmp_path)
    [row] = [line.split() for line in lines if line.startswith("accuracy ")]
    kept = [json.loads(line)["held_out"]["accuracy"] for seed in (0, 1)
            for line in (tmp_path / f"seed-{seed}" / "log.jsonl").read_text("utf-8").splitlines()[-1:]]
    assert row[1:4] == [f"{number:.3f}" for number in (np.mean(kept), min(kept), max(kept))]
    assert sum(line.startswith("labels") for line in lines) == 1  # said once
    assert "--seed and --seeds exclude each other" in failing("finetune", "x", "--seeds", 2, "--seed", 1)


@pytest.mark.exhaustive
def test_seeds_go_on_where_they_were(files, output_of, tmp_path):
    output_of("finetune", *given(files), "--epochs", 1, "--seeds", 1, "--output", tmp_path)
    lines = output_of("finetune", "--resume", "--seeds", 2, "--output", tmp_path)
    assert "resuming    after step 2" in lines and (tmp_path / "seed-1" / "config.json").is_file()
    settings = [tmp_path / f"seed-{seed}" / "run.json" for seed in (0, 1)]
    recipes = [json.loads(file.read_text("utf-8"))["recipe"] for file in settings]
    assert recipes[1] == {**recipes[0], "seed": 1}


@pytest.mark.exhaustive
def test_more_epochs_of_a_finished_run(tuned, files, output_of, failing, tmp_path):
    output_of("finetune", *given(files), "--epochs", 1, "--output", tmp_path)
    lines = output_of("finetune", "--resume", "--epochs", 2, "--output", tmp_path)
    assert any(line.startswith("changed     epochs is 2, 1 until step 2") for line in lines)
    error = failing("finetune", "--resume", "--lr", 1, "--output", tmp_path)
    assert "leave out --learning-rate (--epochs, --threads, and --train and --dev" in error


def test_what_a_new_run_needs(files, failing, tmp_path):
    assert "a new run needs DIR, a pretrained model" in failing("finetune", "--task", "tag")
    assert "a new run needs --train FILE" in failing("finetune", files / "bert", "--task", "tag")
    bad = tmp_path / "bad.tsv"
    bad.write_text("text\tlabel\nx\tyes\ny\n", encoding="utf-8")
    options = ["--task", "classify", "--train", bad, "--output", tmp_path / "run"]
    error = failing("finetune", files / "bert", *options)
    assert f"{bad}, line 3: it has 1 field, and the header 2" in error
    assert not (tmp_path / "run").exists()  # nothing is left of it


# --- predict ---


def rows(lines):
    return [line.split("\t") for line in lines]


def test_labels_of_a_text_a_file_and_standard_input(tuned, files, output_of, capfd, monkeypatch, tmp_path):
    model, text = tuned("classify"), "surely she loved the lamp"
    header, [label, probability, shown] = rows(output_of("predict", model, text))
    assert header == ["label", "probability", "text"] and shown == text
    assert label in ("negative", "positive") and 0.5 <= float(probability) <= 1
    lines = tmp_path / "lines.txt"
    lines.write_text(f"{text}\n\nsurely tom hated the clock\n", encoding="utf-8")
    from_file = output_of("predict", model, lines)
    assert len(from_file) == 3 and rows(from_file)[1] == [label, probability, shown]
    stdin = io.TextIOWrapper(io.BytesIO(f"{text}\r\n".encode()), "utf-8")
    monkeypatch.setattr(sys, "stdin", stdin)
    assert rows(output_of("predict", model, "-"))[1] == [label, probability, shown]
    [found] = map(json.loads, output_of("predict", model, text, "--json"))
    assert found["label"] == label and sum(found["probabilities"].values()) == pytest.approx(1, abs=1e-6)


def test_a_file_with_labels_is_judged(tuned, files, capfd):
    model = str(tuned("classify"))
    capfd.readouterr()
    assert cli.main(["predict", model, str(files / "classify-dev.tsv")]) == 0
    out, err = capfd.readouterr()
    right = [row.split("\t")[1] for row in (files / "classify-dev.tsv").read_text("utf-8").splitlines()[1:]]
    accuracy = np.mean([row[0] == label for row, label in zip(rows(out.splitlines()[1:]), right)])
    assert f"accuracy {accuracy:.3f}, " in err and "on 12 labelled examples" in err


def test_a_file_with_some_labels_is_answered_and_not_judged(tuned, capfd, tmp_path):
    path, model, advice = tmp_path / "some.tsv", str(tuned("classify")), "mend or remove the row"
    not_judged = f"note: the answers are not judged: {path}, line 3: its label is empty; {advice}\n"
    capfd.readouterr()
    judged = "on 2 labelled examples\n"
    unknown = "note: the model has no label yes; it has negative, positive\n"
    for first, last, note in (("yes", "yes", judged), ("yes", "", not_judged), ("", "", "")):
        path.write_text(f"text\tlabel\nshe loved it\t{first}\ntom hated it\t{last}\n", encoding="utf-8")
        assert cli.main(["predict", model, str(path)]) == 0
        out, err = capfd.readouterr()
        assert len(out.splitlines()) == 3 and err.endswith(note) and bool(err) == bool(note)
        assert err.startswith(unknown) == (note == judged)


@pytest.mark.exhaustive
def test_pairs_tags_and_answers(tuned, files, output_of, failing):
    header, row = rows(output_of("predict", tuned("pairs"), "she loved it", "tom hated it"))
    assert header == ["label", "probability", "text", "pair"] and row[2:] == ["she loved it", "tom hated it"]
    assert "expected two texts" in failing("predict", tuned("pairs"), "one")
    [found] = map(json.loads, output_of("predict", tuned("tag"), "Tom lives in Rome.", "--json"))
    assert found["words"] == ["Tom", "lives", "in", "Rome", "."] and len(found["tags"]) == 5
    question, context = "what was watered", "then she watered the tiny carrots"
    header, [answer, probability, shown] = rows(output_of("predict", tuned("span"), question, context))
    assert header == ["answer", "probability", "question"] and shown == question
    assert answer in context and 0 < float(probability) <= 1
    [found] = map(json.loads, output_of("predict", tuned("span"), question, context, "--json"))
    assert context[found["start"] : found["end"]] == answer


@pytest.mark.exhaustive
def test_a_run_knows_whether_there_may_be_no_answer(files, tuned, output_of, monkeypatch, failing, tmp_path):
    train, run = tmp_path / "some.jsonl", tmp_path / "run"
    answers = [{"text": "ann", "answer_start": 0}], []
    train.write_text("\n".join(
        json.dumps({"question": "who", "context": "ann met tom", "answers": found}) for found in answers))
    options = ["--train", train, "--dev", train, "--epochs", 1, "--threads", 1, "--output", run]
    assert "note        1 of 2 questions have no answer" in output_of(
        "finetune", files / "bert", "--task", "span", *options)
    seen = []
    monkeypatch.setattr("minibert.objectives.span_extraction.SpanExtraction.answers",
                        lambda self, *given: seen.append(self.may_be_nothing) or [])
    for model, more in ((run, []), (tuned("span"), []), (tuned("span"), ["--no-answer"])):
        output_of("predict", model, "who", "ann met tom", *more)
    assert seen == [True, False, True]
    assert "--no-answer is for models that answer" in failing("predict", tuned("tag"), "x", "--no-answer")


@pytest.mark.exhaustive
@pytest.mark.parametrize("task", ["pairs", "tag", "span"])
def test_files_of_every_task(tuned, files, output_of, task):
    assert len(output_of("predict", tuned(task), files / f"{task}-dev.{labelled_files.FILES[task]}")) >= 1


def test_entities_are_printed_with_their_words(capfd):
    from minibert.objectives.tagging import Answer
    from minibert.text.labelled import TaggedWords

    answer = Answer(["B-PER", "I-PER", "O"], [0.9, 0.7, 1.0], [("PER", 0, 2)])
    predict._show_tags([TaggedWords(1, ["Ann", "Lee", "sings"], None)], [answer], False)
    assert capfd.readouterr().out.splitlines() == [
        "sentence\ttype\tprobability\tentity", "1\tPER\t0.800\tAnn Lee"]


def test_what_predict_refuses(tuned, files, failing, monkeypatch):
    assert "nothing.tsv does not exist; give a file" in failing("predict", tuned("classify"), "nothing.tsv")
    assert "holds BertForPreTraining, which is not fine-tuned" in failing("predict", files / "bert", "text")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\n"), "utf-8"))
    assert "standard input holds no text" in failing("predict", tuned("classify"))
    assert f"{files}{os.sep} is a folder; give" in failing("predict", tuned("classify"), f"{files}{os.sep}")
    assert "error: the command line: a text is empty; give" in failing("predict", tuned("classify"), " ")
    assert failing("predict", tuned("tag"), "a", "b").endswith("there are 2 texts; expected one")


# --- ULMFiT ---


@pytest.fixture(scope="session")
def lstm(tmp_path_factory):
    """The folder of a tiny AWD-LSTM."""
    def make(directory):
        tokenizer = TOY.tokenizer()
        config = minibert.AWDLSTMConfig(
            tokenizer.vocab_size, embedding_size=6, hidden_size=8, num_hidden_layers=2)
        minibert.AWDLSTMLanguageModel(config).save_pretrained(directory)
        tokenizer.save_pretrained(directory)

    return made_once(tmp_path_factory, "lstm", make)


def test_an_awd_lstm_goes_through_two_stages(lstm, files, output_of, failing, tmp_path):
    train, dev = (files / f"classify-{name}.tsv" for name in ("train", "dev"))
    lines = output_of(
        "finetune", lstm, "--task", "classify", "--train", train, "--dev", dev, "--unlabelled", dev,
        "--language-model-epochs", 1, "--epochs", 1, "--batch-size", 24, "--threads", 1,
        "--output", tmp_path)
    stages = [line for line in lines if line.startswith("stage")]
    assert stages == [
        f"stage 2     the language model goes on with the texts of the task: {tmp_path / 'language-model'}",
        "stage 3     the classifier, from the language model of stage 2",
    ]
    second, third = (next(line for line in lines if line.startswith("step ") and word in line)
                     for word in ("perplexity", "bag of words"))
    assert lines.index(second) < lines.index(stages[1]) < lines.index(third)
    header, row = rows(output_of("predict", tmp_path, "the old wizard bravely loved the map"))
    assert header == ["label", "probability", "text"] and row[0] in ("negative", "positive")
    assert "this model does not use --unfreeze: leave it out" in failing(
        "finetune", files / "bert", "--task", "classify", "--train", train, "--unfreeze", "all",
        "--output", tmp_path / "other")
    assert "an AWD-LSTM learns --task classify or pairs, not tag" in failing(
        "finetune", lstm, "--task", "tag", "--train", train, "--output", tmp_path / "other")


@pytest.mark.exhaustive
def test_seeds_of_an_awd_lstm_go_on_in_either_stage(lstm, files, output_of, tmp_path, monkeypatch, capfd):
    """Ctrl-C in stage 2 of the first seed, then in stage 3 of the second."""
    given = ["finetune", lstm, "--task", "classify", "--train", files / "classify-train.tsv", "--seeds", 2,
             "--language-model-epochs", 2, "--epochs", 2, "--batch-size", 24, "--threads", 1]

    def stop_at(name, seed):
        def step(training, number, original=Training.step):
            if training.objective.name == name and training.recipe.seed == seed and number == 1:
                raise KeyboardInterrupt
            return original(training, number)

        return step

    output_of(*given, "--output", tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(Training, "step", stop_at("ulmfit-language-model", 0))
        assert cli.main([str(argument) for argument in [*given, "--output", tmp_path / "run"]]) == 130
        error = capfd.readouterr().err
        assert "the last checkpoint is" in error and "language-model" in error
        assert f"minibert finetune --seeds 2 --output {tmp_path / 'run'} --resume" in error
    with monkeypatch.context() as patch:
        patch.setattr(Training, "step", stop_at("ulmfit", 1))
        resumed = ["finetune", "--resume", "--seeds", 2, "--output", tmp_path / "run"]
        assert cli.main([str(argument) for argument in resumed]) == 130
    output_of(*resumed)
    for seed in ("seed-0", "seed-1"):
        weights = [(tmp_path / run / seed / "model.safetensors").read_bytes() for run in ("whole", "run")]
        assert weights[0] == weights[1]


# --- XLNet ---


def test_an_xlnet_learns_pairs_and_answers(files, output_of, tmp_path):
    tokenizer = TOY.tokenizer()
    config = minibert.XLNetConfig(tokenizer.vocab_size, hidden_size=8, num_hidden_layers=1)
    minibert.XLNetLMHeadModel(config).save_pretrained(tmp_path / "xlnet")
    tokenizer.save_pretrained(tmp_path / "xlnet")
    train, dev = (files / f"pairs-{name}.csv" for name in ("train", "dev"))
    lines = output_of(
        "finetune", tmp_path / "xlnet", "--task", "pairs", "--train", train, "--dev", dev, "--epochs", 1,
        "--batch-size", 24, "--threads", 1, "--max-length", 19, "--layer-decay", 0.8,
        "--output", tmp_path / "run")
    assert any("sequences of up to 19 tokens" in line for line in lines)
    header, row = rows(output_of("predict", tmp_path / "run", "she loved the map", "tom hated the lamp"))
    assert header == ["label", "probability", "text", "pair"] and row[0] in ("same", "different")
    assert len(rows(output_of("predict", tmp_path / "run", dev))) == 13
