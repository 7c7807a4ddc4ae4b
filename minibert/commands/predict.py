"""`minibert predict`: the answers of a fine-tuned model."""

import json
import os
import pathlib
import re
import sys

import numpy as np

from minibert.arguments import path
from minibert.commands.common import complain, say

TASK_OF = {  # by the class that config.json names
    "BertForSequenceClassification": "classify",
    "BertForTokenClassification": "tag",
    "BertForQuestionAnswering": "span",
    "AWDLSTMForSequenceClassification": "classify",
    "XLNetForSequenceClassification": "classify",
}
TABLES = (".tsv", ".csv", ".jsonl", ".ndjson", ".json", ".conll", ".conllu", ".bio", ".iob", ".gz")
WORD = re.compile(r"\w+|[^\w\s]")


def add(commands):
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "predict",
        help="labels, tags or answers of a fine-tuned model",
        description="Print the answers of a model of `minibert finetune`, or of a fine-tuned BERT of Hugging "
        "Face: labels with their probabilities, entities, or answers. One row for each text; if a file has "
        "labels, how many answers are right is told at the end.",
        epilog='example: minibert predict classifier "A wonderful film."',
    )
    command.set_defaults(run=run)
    command.add_argument(
        "model", type=path, metavar="DIR", help="directory of a fine-tuned model or of a run")
    command.add_argument(
        "input", nargs="?", default="-", metavar="FILE|TEXT",
        help="a file of examples (TSV, CSV, JSON lines, CoNLL columns, SQuAD's JSON, or a text a line), a "
        "text or a question, or - for standard input, a text a line (the default)",
    )
    command.add_argument(
        "second", nargs="?", metavar="TEXT",
        help="the second text of a pair; the text that has the answer to a question",
    )
    command.add_argument(
        "--no-answer", action="store_true",
        help="questions may have no answer in their text (known of a run that learned from such ones)",
    )
    command.add_argument("--json", action="store_true", help="print a line of JSON for each text, with more")
    command.add_argument("--text-column", metavar="NAME", help="column of the text (default: a usual name)")
    command.add_argument("--pair-column", metavar="NAME", help="column of the second text")
    command.add_argument("--label-column", metavar="NAME", help="column of the label")


def run(options):
    """Run `minibert predict`."""
    from minibert.objectives import fine_tuning_of
    from minibert.text.labelled import Columns, counted
    from minibert.training.checkpoint import find_model

    folder = find_model(options.model)
    name = _task_name(folder, options)
    columns = Columns(options.text_column, options.pair_column, options.label_column)
    task = fine_tuning_of(folder).make_task(name, columns)
    if name == "span":
        task.may_be_nothing = options.no_answer or _recipe_of(options.model).get("may_be_nothing", False)
    elif options.no_answer:
        raise ValueError("--no-answer is for models that answer questions: leave it out")
    model, tokenizer = _loaded(task, folder)
    examples = _examples(options, name, task)
    max_length = _longest(name, options.model, model.config, task)
    rows, note = task.encode(examples, tokenizer, max_length)
    if note:
        complain(f"note: {note}")
    answers = task.answers(model, examples, rows, tokenizer)
    show = {"tag": _show_tags, "span": _show_spans}.get(name, _show_labels)
    show(examples, answers, options.json)
    if all(_labels_of(example) is not None for example in examples):
        if name != "span":
            _tell_unknown(model, {label for example in examples for label in task.labels_of(example)})
        evaluation = task.judged(answers, examples)
        values = [
            f"{unit} {getattr(evaluation, field):.3f}"
            for field, unit in task.units.items() if getattr(evaluation, field, None) is not None
        ]
        complain(f"note: {', '.join(values)}, on {counted(len(examples), 'labelled example')}")


def _longest(name, directory, config, task):
    """Return how many tokens of a text are read: of a question as in training, else as many as possible."""
    longest = getattr(config, "max_position_embeddings", None)
    if longest is None:  # an XLNet has no limit
        return _recipe_of(directory).get("max_length") or task.max_length
    return min(task.max_length, longest) if name == "span" else longest


def _tell_unknown(model, labels):
    """Say which of the labels of a file the model does not have."""
    known = list(model.config.id2label.values())
    if unknown := sorted(labels - {*known}):
        complain(f"note: the model has no label {', '.join(unknown[:8])}; it has {', '.join(known[:8])}")


# --- the model ---


def _task_name(folder, options):
    """Return the task of a model; a run says whether it was trained on pairs, or the second text does."""
    from minibert.files import read_json

    architecture = (read_json(folder / "config.json").get("architectures") or ["a model of no name"])[0]
    if architecture not in TASK_OF:
        raise ValueError(
            f"{folder} holds {architecture}, which is not fine-tuned: expected {', '.join(TASK_OF)}, as "
            "`minibert finetune` makes them"
        )
    name = TASK_OF[architecture]
    if name == "classify" and (options.second is not None or options.pair_column):
        return "pairs"
    return _recipe_of(options.model).get("task", name) if name == "classify" else name


def _recipe_of(directory):
    """Return the recipe of the run in a directory, {} where there is only a model."""
    from minibert.files import read_json

    record = pathlib.Path(directory, "run.json")
    return read_json(record).get("recipe", {}) if record.is_file() else {}


def _loaded(task, folder):
    """Return the model and its tokenizer; ValueError if a part of the head is missing."""
    from minibert.text.tokenizer import WordPieceTokenizer

    model, info = task.model_class.from_pretrained(folder, np.float32, output_loading_info=True)
    if info.missing_keys:
        raise ValueError(f"{folder} holds no {info.missing_keys[0]}: fine-tune it first (minibert finetune)")
    return model, WordPieceTokenizer.from_pretrained(folder)


# --- what is given ---


def _examples(options, name, task):
    """Return the examples of a file, of standard input, or of the command line."""
    given = options.input
    if options.second is not None:
        return [_of_texts(name, 1, [given, options.second])]
    is_file = given != "-" and os.path.isfile(given)
    if is_file and given.lower().endswith(TABLES):
        return _read(task, given)
    if os.sep in given and os.path.isdir(given):
        raise ValueError(f"{given} is a folder; give a file, or a text in quotes")
    if given != "-" and not is_file:
        if given.lower().endswith(TABLES) and " " not in given:
            raise ValueError(f"{given} does not exist; give a file, or a text in quotes")
        return [_of_texts(name, 1, [given])]
    source = given if is_file else "standard input"
    is_split = name in ("pairs", "span")
    found = [
        _of_texts(name, line, text.split("\t") if is_split else [text], f"{source}, line {line}")
        for line, text in enumerate(_text_of(given, is_file).split("\n"), start=1) if text.strip()
    ]
    if not found:
        raise ValueError(f"{source} holds no text: give one text a line")
    return found


def _text_of(given, is_file):
    from minibert.text.decoding import decoded
    from minibert.text.labelled import LabelledError

    if is_file:
        return decoded(pathlib.Path(given).read_bytes(), given, LabelledError)
    if sys.stdin is None:
        raise ValueError("standard input is closed; give a file or a text")
    return decoded(sys.stdin.buffer.read(), "standard input", LabelledError)


def _read(task, file):
    """Return the examples of a file; if some have labels and others none, say why they are not judged."""
    from minibert.text.labelled import LabelledError

    try:
        return task.read(file)
    except LabelledError as error:
        examples = task.read(file, is_labelled=False)
        if any(_labels_of(example) is not None for example in examples):
            complain(f"note: the answers are not judged: {error}")
        return examples


def _labels_of(example):
    """Return the right answers of an example, None if they are not known."""
    if hasattr(example, "answers"):
        return example.answers
    return example.tags if hasattr(example, "tags") else example.label


def _of_texts(name, line, texts, place="the command line"):
    """Return the example of one text, or of the two of a pair or a question."""
    from minibert.text.labelled import LabelledText, Question, TaggedWords, counted

    needed = 2 if name in ("pairs", "span") else 1
    if len(texts) != needed:
        kinds = {"span": "a question and the text with its answer", "pairs": "two texts"}
        expected = f"{kinds[name]}, with a tab between them in a file" if name in kinds else "one"
        verb = "is" if len(texts) == 1 else "are"
        raise ValueError(f"{place}: there {verb} {counted(len(texts), 'text')}; expected {expected}")
    if not all(text.strip() for text in texts):
        raise ValueError(f"{place}: a text is empty; give some words")
    if name == "tag":
        return TaggedWords(line, WORD.findall(texts[0]), None)
    if name == "span":
        return Question(line, *texts, None)
    return LabelledText(line, texts[0], texts[1] if needed == 2 else None, None)


# --- what is printed ---


def _row(*fields):
    """Print fields as a row of a TSV."""
    say("\t".join(" ".join(str(field).split()) for field in fields))


def _show_labels(examples, answers, as_json):
    is_pair = examples[0].pair is not None
    if not as_json:
        _row("label", "probability", "text", *(["pair"] if is_pair else []))
    for example, (label, probabilities) in zip(examples, answers):
        texts = {"text": example.text} | ({"pair": example.pair} if is_pair else {})
        if as_json:
            say(json.dumps({"label": label, "probabilities": probabilities, **texts}, ensure_ascii=False))
        else:
            _row(label, f"{probabilities[label]:.3f}", *texts.values())


def _show_tags(examples, answers, as_json):
    is_entities = any("O" in answer.tags for answer in answers)
    if not as_json:
        kinds = ("type", "probability", "entity") if is_entities else ("tag", "probability", "word")
        _row("sentence", *kinds)
    for number, (example, (tags, probabilities, entities)) in enumerate(zip(examples, answers), start=1):
        words = example.words
        named = [
            {"type": kind, "first": first, "last": last - 1, "text": " ".join(words[first:last]),
             "probability": float(np.mean(probabilities[first:last]))}
            for kind, first, last in entities
        ]
        if as_json:
            found = {"words": words, "tags": tags, "probabilities": probabilities, "entities": named}
            say(json.dumps(found, ensure_ascii=False))
        elif is_entities:
            for entity in named:
                _row(number, entity["type"], f"{entity['probability']:.3f}", entity["text"])
        else:
            for word, tag, probability in zip(words, tags, probabilities):
                _row(number, tag, f"{probability:.3f}", word)


def _show_spans(examples, answers, as_json):
    if not as_json:
        _row("answer", "probability", "question")
    for example, answer in zip(examples, answers):
        if as_json:
            found = {"question": example.question, **answer._asdict(), "context": example.context}
            say(json.dumps(found, ensure_ascii=False))
        else:
            _row(answer.text, f"{answer.probability:.3f}", example.question)
