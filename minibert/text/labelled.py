"""Labelled text: files of texts, pairs of texts, tagged words, and questions, each with its label.

    TSV, CSV        a header, then a row an example; a quoted field of a CSV file may hold line ends
    JSON lines      an object an example; a JSON file with a list of objects is read, too
    CoNLL columns   a word a line, its tag in the last column; a blank line ends a sentence. Of CoNLL-U's ten
                    columns the second is the word, and the fourth, the part of speech, the tag
    text pairs      a text, a tab and its translation in a line, without a header
    SQuAD's JSON    {"data": [{"paragraphs": [{"context": ..., "qas": [{"question": ..., "answers": ...}]}]}]}

    read_texts(path)         [LabelledText]   classification, of single texts and of pairs
    read_tagged(path)        [TaggedWords]    named entities, parts of speech
    read_questions(path)     [Question]       extractive question answering
    read_translations(path)  [TextPair]       translation

A file is read whole or not at all: the error names the line of the first bad row, the reason, and how many
others there are.
"""

import collections
import csv
import io
import json
import pathlib
import re
from typing import NamedTuple

from minibert.text.decoding import decoded

# The usual names of columns, in any case; the first one that a file has counts.
LABEL = ("label", "labels", "gold_label", "class", "category", "target", "sentiment", "polarity", "topic",
         "intent", "rating", "stars", "is_duplicate", "y")
TEXT = ("text", "sentence", "review", "content", "comment", "document", "message", "tweet", "body", "x")
PAIRS = (("sentence1", "sentence2"), ("sentence_a", "sentence_b"), ("text_a", "text_b"), ("text1", "text2"),
         ("premise", "hypothesis"), ("question1", "question2"), ("question", "sentence"),
         ("question", "passage"), ("query", "passage"), ("text", "text_pair"), ("text", "pair"), ("a", "b"))
TRANSLATION = (("source", "target"), ("src", "tgt"), ("src", "trg"), ("input", "output"))  # of a header
QUESTION = (("question", "context"), ("question", "passage"), ("query", "context"))
ANSWER, ANSWER_START = ("answer", "answers", "answer_text"), ("answer_start", "start")
WORDS, TAGS = ("tokens", "words"), ("tags", "ner_tags", "pos_tags", "labels")
WORD_HEADERS = {*WORDS, "word", "token", "form", "text"}  # of the first column of a table of tags
TAG_HEADERS = {*TAGS, "tag", "ner_tag", "pos_tag", "label", "ner", "pos", "upos"}  # of its last
CONLL_U = 10  # columns
MOST_LISTED = 5  # lines of bad rows in an error
SHOWN = 40  # characters of a text in an error
KINDS_OF_FILES = "a TSV, CSV, JSON lines, CoNLL or SQuAD file"  # for errors
PAIRS_OF_TEXTS = "a file with a text, a tab and its translation in each line"


class LabelledError(ValueError):
    """A labelled file cannot be read or has a bad row; the message says which, why, and how to mend it."""


class LabelledText(NamedTuple):
    """A text, or a pair of texts; pair and label are None where there are none.

    line is its place in the file, here and below: a number, or "entry 3" of a JSON list.
    """

    line: int | str
    text: str
    pair: str | None
    label: str | None


class TaggedWords(NamedTuple):
    """A sentence as a list of words, and a list of their tags; None where there are none."""

    line: int | str
    words: list
    tags: list | None


class Question(NamedTuple):
    """A question, the text with its answer, and the right answers: (text, first character) each.

    answers is [] where the text has none (SQuAD 2), and None where they are not known.
    """

    line: int | str
    question: str
    context: str
    answers: list | None


class TextPair(NamedTuple):
    """A text and its translation."""

    line: int
    source: str
    target: str


class Columns(NamedTuple):
    """The names of columns that a user chose; None for the usual ones."""

    text: str | None = None
    pair: str | None = None
    label: str | None = None


# --- the kinds of files ---


def read_texts(path, is_pair=False, columns=Columns(), is_labelled=True):
    """Return the LabelledTexts of a TSV, CSV or JSON lines file.

    Args:
        path: of the file.
        is_pair: each example is a pair of texts.
        columns: names of columns, where they are not the usual ones.
        is_labelled: False: labels may be missing, and are None then.

    Raises:
        LabelledError: the file cannot be read, lacks a column, or has a bad row.
    """
    path = pathlib.Path(path)
    names, rows, bad = _table(path)
    text_name, pair_name = _text_columns(path, names, is_pair, columns)
    label_name = _column(path, names, columns.label, LABEL, "the label", "--label-column", is_labelled)
    examples = []
    for line, row in rows:
        try:
            text = _text_of(row, text_name, "text")
            pair = _text_of(row, pair_name, "second text") if is_pair else None
            given = row.get(label_name)
            is_empty = given is None or not str(given).strip()
            label = None if is_empty and not is_labelled else _label_of(row, label_name)
        except _BadRow as error:
            bad.append((line, str(error)))
            continue
        examples.append(LabelledText(line, text, pair, label))
    return _whole(path, examples, bad)


def read_tagged(path, is_labelled=True):
    """Return the TaggedWords of a file of CoNLL columns, or of JSON lines with lists of words and tags.

    Args and errors: as read_texts.
    """
    path = pathlib.Path(path)
    text = _read(path)
    if text.lstrip().startswith(("{", "[{")):
        return _tagged_objects(path, text, is_labelled)
    return _tagged_columns(path, text, is_labelled)


def _tagged_columns(path, text, is_labelled):
    """Return the TaggedWords of a file of CoNLL columns."""
    lines = [*enumerate(text.split("\n"), start=1)]
    layout = _layout_of([row for _, row in lines if row.strip()])
    sentences, bad, words, tags, first = [], [], [], [], 0
    for line, row in [*lines, (len(lines) + 1, "")]:
        if not row.strip() or row.startswith("-DOCSTART-"):
            if words:
                sentences.append(TaggedWords(first, words, tags if is_labelled else None))
                words, tags = [], []
            continue
        fields = [field.strip() for field in row.split(layout.separator)]
        if row.startswith("# ") and (len(fields) != layout.width or layout.separator):  # a comment
            continue
        if line == 1 and fields[0].casefold() in WORD_HEADERS and fields[-1].casefold() in TAG_HEADERS:
            continue
        if reason := _ragged(fields, layout, is_labelled):
            bad.append((line, reason))
        elif not layout.is_universal or fields[0].isdigit():  # 1-2 and 1.1 are no words of the sentence
            first = first if words else line
            words.append(fields[layout.word])
            tags.append(fields[layout.tag])
    return _whole(path, sentences, bad)


class _Layout(NamedTuple):
    """What separates the columns (None: spaces), how many there are, and which hold the word and its tag."""

    separator: str | None
    width: int
    is_universal: bool
    word: int
    tag: int


def _layout_of(rows):
    """Return the _Layout that most rows have; of CoNLL-U's ten columns, the tag is the part of speech."""
    separator = "\t" if 2 * sum("\t" in row for row in rows) > len(rows) else None
    split = [row.split(separator) for row in rows]
    [(width, _)] = collections.Counter(map(len, split)).most_common(1)
    numbered = [fields[0].isdigit() for fields in split if len(fields) == width]
    is_universal = width == CONLL_U and 2 * sum(numbered) > len(numbered)
    return _Layout(separator, width, is_universal, *((1, 3) if is_universal else (0, width - 1)))


def _ragged(fields, layout, is_labelled):
    """Return why a line of CoNLL columns is bad, or None."""
    if len(fields) != layout.width:
        return f"it has {counted(len(fields), 'column')}, and most lines have {layout.width}"
    if layout.width == 1 and is_labelled:
        return (
            "it has 1 column; expected a word and, in the last column, its tag, with spaces or tabs between "
            "the columns"
        )
    if not fields[layout.word] or is_labelled and not fields[layout.tag]:
        return "its word or its tag is empty"
    return None


def _tagged_objects(path, text, is_labelled):
    """Return the TaggedWords of a file of JSON objects."""
    names, rows, bad = _objects(path, text)
    words_name = _column(path, names, None, WORDS, "the list of words", None, True)
    tags_name = _column(path, names, None, TAGS, "the list of tags", None, is_labelled)
    sentences = []
    for line, row in rows:
        words, tags = row.get(words_name), row.get(tags_name) if is_labelled else None
        for value, what in ((words, "words"), (tags, "tags")):
            if value is None and what == "tags" and not is_labelled:
                continue
            if reason := _not_a_list(value, what):
                bad.append((line, reason))
                break
        else:
            if tags is not None and len(tags) != len(words):
                bad.append((line, f"it has {counted(len(words), 'word')} and {counted(len(tags), 'tag')}"))
                continue
            tags = None if tags is None else list(map(str, tags))
            sentences.append(TaggedWords(line, list(map(str, words)), tags))
    return _whole(path, sentences, bad)


def _not_a_list(value, what):
    """Return why a value is not a list of words, or of tags; None if it is one."""
    if not isinstance(value, list) or not value:
        return f"it has no list of {what}"
    wrong = [item for item in value if not isinstance(item, (str, int)) or not str(item).strip()]
    if not wrong:
        return None
    kind = "empty" if isinstance(wrong[0], str) else _kind_of(wrong[0])
    return f"one of its {what} is {kind}, expected a string"


def read_questions(path, is_labelled=True):
    """Return the Questions of a file in SQuAD's JSON, or of rows with question, context and answer.

    A question without an answer has `"is_impossible": true`, as in SQuAD 2, or an empty list of answers.

    Args and errors: as read_texts; a bad question of SQuAD's JSON is named by its number and its words.
    """
    path = pathlib.Path(path)
    text = _read(path)
    if text.lstrip().startswith("{"):
        content = _json_of(text)  # None: JSON lines, or broken; _objects says which
        if isinstance(content, dict) and "data" in content:
            return _squad(path, content, is_labelled)
    names, rows, bad = _table(path, text)
    question_name, context_name = _named(names, QUESTION) or (None, None)
    if question_name is None:
        raise LabelledError(
            f"{path} has the columns {', '.join(names)}; expected question, context and answer, or SQuAD's "
            "JSON"
        )
    answer_name = _column(path, names, None, ANSWER, "the answer", None, is_labelled)
    start_name = _column(path, names, None, ANSWER_START, "", None, False)
    questions = []
    for line, row in rows:
        try:
            question = _text_of(row, question_name, "question")
            context = _text_of(row, context_name, "context")
            answers = _given_answers(row, answer_name)
            if isinstance(answers, str) and answers:
                answers = [{"text": answers, "answer_start": row.get(start_name)}]
            found = _answers_of(answers, context, is_labelled)
        except _BadRow as error:
            bad.append((line, str(error)))
            continue
        questions.append(Question(line, question, context, found))
    return _whole(path, questions, bad)


def _squad(path, content, is_labelled):
    """Return the Questions of SQuAD's JSON."""
    questions, bad, number = [], [], 0
    for article in content["data"] if isinstance(content["data"], list) else [None]:
        paragraphs = article.get("paragraphs") if isinstance(article, dict) else None
        if not isinstance(paragraphs, list):
            raise LabelledError(
                f'{path}: an entry of "data" has no list "paragraphs" with "context" and "qas", as SQuAD has'
            )
        for paragraph in paragraphs:
            asked = paragraph.get("qas") if isinstance(paragraph, dict) else None
            if not isinstance(asked, list):
                raise LabelledError(f'{path}: a paragraph after question {number} has no list "qas"')
            for row in asked:
                number += 1
                row = row if isinstance(row, dict) else {}
                try:
                    question = _text_of(row, "question", "question")
                    context = _text_of(paragraph, "context", "context")
                    found = _answers_of(_given_answers(row, "answers"), context, is_labelled)
                except _BadRow as error:
                    shown = f"question {number} ({_short(str(row.get('question', '')))})"
                    bad.append((shown, str(error)))
                    continue
                questions.append(Question(number, question, context, found))
    return _whole(path, questions, bad)


def _given_answers(row, name):
    """Return the answers that a row gives to its question, [] where it says that there is none."""
    return [] if str(row.get("is_impossible")).casefold() == "true" else row.get(name)


def _answers_of(answers, context, is_labelled):
    """Return [(text, first character)], or None where none are given and is_labelled is False.

    _BadRow if an answer is not in the context at its place.
    """
    if isinstance(answers, dict):  # {"text": [...], "answer_start": [...]}, as the datasets library has it
        texts, starts = answers.get("text"), answers.get("answer_start")
        is_table = isinstance(texts, list) and isinstance(starts, list) and len(texts) == len(starts)
        answers = [{"text": a, "answer_start": b} for a, b in zip(texts, starts)] if is_table else None
    if answers in (None, "") and not is_labelled:
        return None
    if not isinstance(answers, list):
        raise _BadRow(
            'it has no answer; if its context has none, say so with "is_impossible": true, as SQuAD 2 does'
        )
    found = []
    for answer in answers:
        text = answer.get("text") if isinstance(answer, dict) else None
        if not isinstance(text, str) or not text.strip():
            raise _BadRow("its answer is empty")
        start = answer.get("answer_start")
        if start is None or start == "":
            start = context.find(text)
            if start < 0:
                raise _BadRow(f"its answer {_short(text)} is not in the context")
        if not re.fullmatch(r"\d+", str(start)):
            raise _BadRow(f"answer_start is {start!r}, expected the number of the answer's first character")
        start = int(start)
        if context[start : start + len(text)] != text:
            there = _short(context[start : start + len(text)])
            raise _BadRow(f"its answer {_short(text)} is not in the context at character {start}: {there} is")
        found.append((text, start))
    return found


def read_translations(path):
    """Return the TextPairs of a file with a text, a tab and its translation in each line.

    Further columns are left out, and so is a first line with usual names of the two ("source", "target").

    Errors: as read_texts.
    """
    path = pathlib.Path(path)
    pairs, bad = [], []
    for line, fields in _tsv(_read(path, PAIRS_OF_TEXTS)):
        fields = [field.strip() for field in fields]
        if not pairs and not bad and _named(fields, TRANSLATION) == tuple(fields[:2]):
            continue
        if len(fields) < 2:
            bad.append((line, "it has no tab; expected a text, a tab and its translation"))
        elif not fields[0] or not fields[1]:
            bad.append((line, f"its {'translation' if fields[0] else 'text'} is empty"))
        else:
            pairs.append(TextPair(line, *fields[:2]))
    return _whole(path, pairs, bad)


# --- rows ---


class _BadRow(Exception):
    """The reason why a row cannot be used."""


def _text_of(row, name, kind):
    value = row.get(name)
    if value is None:
        raise _BadRow(f"it has no {kind}: {name!r} is missing")
    if not isinstance(value, str):
        raise _BadRow(f"its {kind} is {_kind_of(value)}, expected a string")
    if not value.strip():
        raise _BadRow(f"its {kind} is empty")
    return value


def _label_of(row, name):
    value = row.get(name)
    if isinstance(value, bool):
        return str(value).lower()
    if value is not None and not isinstance(value, (str, int, float)) or value != value:
        raise _BadRow(f"its label is {_kind_of(value)}, expected a string or a number")
    if value is None or not str(value).strip():
        raise _BadRow("its label is empty")
    return str(value).strip()


def _kind_of(value):
    if value is None:
        return "missing"
    kinds = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return "not a number" if value != value else kinds[type(value)]


def _whole(path, examples, bad):
    """Return the examples if no row is bad and there is one at least; LabelledError if not."""
    if bad:
        bad = sorted(bad, key=lambda row: int(re.search(r"\d+", str(row[0]))[0]))
        where, reason = bad[0]
        places = [str(place) for place, _ in bad]
        listed = ", ".join(places[:MOST_LISTED]) + (" ..." if len(places) > MOST_LISTED else "")
        more = f" ({len(bad)} rows are bad: {listed})" if len(bad) > 1 else ""
        place = where if isinstance(where, str) else f"line {where}"
        raise LabelledError(f"{path}, {place}: {reason}; mend or remove the row{more}")
    if not examples:
        raise LabelledError(f"{path} holds no examples; give a row for each, after the header if it has one")
    return examples


def _short(text):
    text = " ".join(text.split())
    return repr(text if len(text) <= SHOWN else text[: SHOWN - 3] + "...")


def counted(number, noun):
    """Return a number with its noun, such as "1 text" and "1,000 texts"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


# --- columns ---


def _named(names, candidates):
    """Return the first of the candidates (tuples of names) that are all there, as the file spells them."""
    spelled = {}
    for name in names:
        spelled.setdefault(name.strip().casefold(), name)
    found = (group for group in candidates if spelled.keys() >= {*group})
    return next((tuple(map(spelled.get, group)) for group in found), None)


def _column(path, names, chosen, usual, kind, option, is_needed):
    """Return the name of a column: the chosen one, or one with a usual name; None if it is not needed."""
    if chosen is not None:
        if chosen not in names:
            raise LabelledError(f"{path} has no column {chosen!r}; it has {', '.join(names)}")
        return chosen
    found = _named(names, [(name,) for name in usual])
    if found is None and is_needed:
        advice = f"say which one is {kind} with {option} NAME, or call it {usual[0]}" if option else (
            f"call {kind} {usual[0]}")
        if len(names) == 1:
            advice += " (tabs, commas or semicolons separate columns)"
        raise LabelledError(
            f"{path}, line 1: the columns are {_listed(names)}, and none has a usual name of {kind}; {advice}"
        )
    return found and found[0]


def _text_columns(path, names, is_pair, columns):
    """Return the names of the columns of the text and of its pair; None where there is no pair."""
    if not is_pair:
        usual = _named(names, PAIRS[:6])
        if columns.text is None and usual and _named(names, [(name,) for name in TEXT]) is None:
            raise LabelledError(
                f"{path} has pairs of texts, in the columns {' and '.join(usual)}: read one of them with "
                "--text-column NAME, or both with --task pairs (minibert predict: --pair-column NAME)"
            )
        return _column(path, names, columns.text, TEXT, "the text", "--text-column", True), None
    usual = _named(names, PAIRS) or (None, None)
    chosen = (columns.text or usual[0], columns.pair or usual[1])
    if None in chosen:
        raise LabelledError(
            f"{path}, line 1: the columns are {_listed(names)}, and no two have usual names of a pair of "
            "texts; say which they are with --text-column NAME --pair-column NAME, or call them sentence1 "
            "and sentence2"
        )
    return tuple(_column(path, names, name, (), "", None, True) for name in chosen)


def _listed(names):
    return ", ".join(map(_short, [*names][:6])) + (" ..." if len(names) > 6 else "")


# --- tables ---


def _read(path, expected=KINDS_OF_FILES):
    try:
        content = path.read_bytes()
    except OSError as error:
        is_absent = isinstance(error, FileNotFoundError)
        reason = "does not exist" if is_absent else f"cannot be read: {error.strerror}"
        raise LabelledError(f"{path} {reason}; give {expected}") from None
    text = decoded(content, str(path), LabelledError)
    if not text.strip():
        raise LabelledError(f"{path} is empty; give a file with a row for each example")
    return text


def _table(path, text=None):
    """Return the names of the columns, [(line, {name: value})], and [(line, reason)] of bad rows."""
    text = _read(path) if text is None else text
    if text.lstrip().startswith(("{", "[")):
        return _objects(path, text)
    header = text.lstrip("\n").split("\n", 1)[0]
    delimiter = "\t" if "\t" in header else max(",;", key=header.count)
    lines = _tsv(text) if delimiter == "\t" else _csv(path, text, delimiter)
    _, names = lines[0]
    names = [name.strip() for name in names]
    for name in names:
        if names.count(name) > 1:
            raise LabelledError(f"{path}, line 1: the header has the column {name!r} twice")
    rows, bad = [], []
    for line, fields in lines[1:]:
        if len(fields) != len(names):
            bad.append((line, f"it has {counted(len(fields), 'field')}, and the header {len(names)}"))
        else:
            rows.append((line, dict(zip(names, fields))))
    return names, rows, bad


def _tsv(text):
    """Return [(line, fields)]. Quotes are letters, unless every field that begins with one is quoted."""
    lines = [(line, row.split("\t")) for line, row in enumerate(text.split("\n"), start=1) if row.strip(" ")]
    quoted = re.compile(r'"(?:[^"]|"")*"')
    beginning = [field for _, fields in lines for field in fields if field.startswith('"')]
    if not all(quoted.fullmatch(field) for field in beginning):
        return lines
    return [
        (line, [field[1:-1].replace('""', '"') if field.startswith('"') else field for field in fields])
        for line, fields in lines
    ]


def _csv(path, text, delimiter):
    """Return [(line, fields)]; a quoted field may hold line ends."""
    reader, rows, line = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True), [], 1
    try:
        for fields in reader:
            if fields:
                rows.append((line, fields))
            line = reader.line_num + 1
    except csv.Error as error:
        reason = (
            "a quote that opens a field is never closed"
            if "unexpected end" in str(error) or "field limit" in str(error)
            else "text follows the quote that closes a field, and a quote within a quoted field is doubled"
        )
        raise LabelledError(f"{path}, line {line}: {reason}; mend or remove the row") from None
    return rows


def _json_of(text):
    """Return the value of a JSON text, or None where it cannot be read as JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _objects(path, text):
    """Return the names in the first object, [(line, object)], and [(line, reason)] of bad rows.

    For JSON lines, or one JSON list of objects, whose places are "entry 1" and so on.
    """
    items, bad = [], []
    if text.lstrip().startswith("["):
        try:
            items = [(f"entry {number}", item) for number, item in enumerate(json.loads(text), start=1)]
        except (ValueError, RecursionError) as error:
            raise LabelledError(f"{path} is not JSON: {error}") from None
    else:
        for line, row in enumerate(text.split("\n"), start=1):
            try:
                items += [(line, json.loads(row))] if row.strip() else []
            except (ValueError, RecursionError) as error:
                bad.append((line, f"it is not JSON: {error}"))
    rows = [(line, item) for line, item in items if isinstance(item, dict)]
    bad += [
        (line, f"it holds {_kind_of(item) if not isinstance(item, str) else 'a string'}, expected an object")
        for line, item in items if not isinstance(item, dict)
    ]
    if not rows:
        if isinstance(whole := _json_of(text), dict):
            raise LabelledError(
                f"{path} is one JSON object, with {_listed(whole)}; give an object a line, or a list of "
                "objects"
            )
        _whole(path, [], bad)
    return list(rows[0][1]), rows, bad
