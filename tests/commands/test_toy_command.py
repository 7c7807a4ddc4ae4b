"""`minibert toy`: documents, their tags, JSON, the limits, and sentences of a model, judged."""

import json
import re

import numpy as np
import pytest

import minibert
from minibert import cli
from minibert.text import labelled, toy
from minibert.text.toy import tasks


def test_documents(output_of):
    documents = "\n".join(output_of("toy", "--sample", 2, "--seed", 3)).split("\n\n")
    assert [len(document.splitlines()) for document in documents] == [12, 12]
    assert documents[0].splitlines()[0] == str(toy.TOY.documents(2, seed=3)[0][0])
    assert output_of("toy", "--sample", 0) == []


def test_tags(output_of):
    lines = output_of("toy", "--sample", 1, "--tags")
    assert len(lines) == 36 and "/grammar" in lines[1]
    sentence = toy.TOY.documents(1, seed=0)[0][0]
    assert lines[2] == "    " + " ".join(sentence.rewritten)


def test_json(output_of):
    lines = output_of("toy", "--sample", 2, "--json")
    sentences = [json.loads(line) for line in lines]
    assert [sentence["document"] for sentence in sentences] == [0] * 12 + [1] * 12
    assert len(sentences[0]["words"]) == len(sentences[0]["entities"])


def test_limits(output_of, monkeypatch):
    monkeypatch.setattr("minibert.commands.toy.NUM_PAIRS", 400)
    output = "\n".join(output_of("toy", "--limits"))
    names = ("best possible model", "bigram model", "unigram model")
    best, bigram, unigram = (float(re.search(rf"^{name} +(\S+)", output, re.M)[1]) for name in names)
    assert best < bigram < unigram
    for name in toy.TOY.phenomena:
        assert re.search(rf"^  {name} +\d\.\d\d\d +[01]\.\d\d\d$", output, re.M)
    for name in ("next sentence, best possible model", "next token, best possible model",
                 "next token, all of a document read"):
        assert re.search(rf"^{name} +\d\.\d\d\d +0\.\d\d\d$", output, re.M)


@pytest.mark.parametrize("task", tasks.TASKS)
def test_examples_of_a_task_are_a_file_that_can_be_read(output_of, tmp_path, task):
    path = tmp_path / "file"
    path.write_text("\n".join(output_of("toy", "--task", task, "--sample", 4, "--seed", 1)), encoding="utf-8")
    drawn = tasks.examples(toy.TOY, task, 4, seed=1)
    if task == "entities":
        assert [(tuple(row.words), tuple(row.tags)) for row in labelled.read_tagged(path)] == drawn
    elif task == "span":
        rows = labelled.read_questions(path)
        for row, ((question, passage), (first, last)) in zip(rows, drawn, strict=True):
            assert (row.question, row.context) == (" ".join(question), " ".join(passage))
            [(answer, start)] = row.answers
            assert answer.split() == list(passage[first : last + 1])
            assert len(row.context[:start].split()) == first
    else:
        names = tasks.NAMES.get(task)
        for row, (words, label) in zip(labelled.read_texts(path, task == "same opinion"), drawn, strict=True):
            assert row.label == (names[label] if names else label)
            texts = words if task == "same opinion" else [words]
            assert [row.text, row.pair][: len(texts)] == list(map(" ".join, texts))


def test_a_task_that_is_not_there(failing):
    assert "there is no task 'nothing': choose one of acceptability" in failing("toy", "--task", "nothing")


@pytest.mark.exhaustive
def test_tasks(output_of):
    heading, *lines = output_of("toy", "--tasks")
    assert heading.split() == "best possible accuracy majority one word bag of words limit".split()
    assert [line[:20].strip() for line in lines] == list(tasks.TASKS)
    for task, line in zip(tasks.TASKS, lines):
        values = [value for value in tasks.accuracies(toy.TOY, task) if value is not None]
        assert [float(value) for value in line[24:].split()] == [round(float(value), 3) for value in values]
        assert (np.diff(values) > -1e-9).all()  # who sees more is not worse


def test_a_models_sentences_are_judged(output_of, failing, tmp_path):
    tokenizer = toy.TOY.tokenizer()
    tokenizer.save_pretrained(tmp_path)
    config = minibert.GPT2Config(tokenizer.vocab_size, 8, 1, 2)
    minibert.GPT2LMHeadModel(config).save_pretrained(tmp_path)
    heading, possible, different, nats = output_of("toy", "--judge", tmp_path, "--sample", 50)
    assert heading.split() == "50 sentences at temperature 1 model language".split()
    assert re.fullmatch(r"possible in the language +0.0\d\d +1.000", possible)
    assert re.fullmatch(r"different from each other +1.000 +\d.\d\d\d", different)
    assert "nothing to judge in 0 sentences" in failing("toy", "--judge", tmp_path, "--sample", 0)
    minibert.WordPieceTokenizer.train(["one two"] * 9, 40).save_pretrained(tmp_path)
    assert "was not trained to write the toy language" in failing("toy", "--judge", tmp_path)


@pytest.mark.parametrize("option", ["--tags", "--limits", "--tasks"])
def test_one_way_to_print(option, capsys):
    with pytest.raises(SystemExit):
        cli.main(["toy", "--json", option])
    assert "not allowed with" in capsys.readouterr().err
