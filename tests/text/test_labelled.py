"""Labelled files: every format of a stranger, and a true sentence for each kind of bad row."""

import gzip
import json

import pytest

from minibert.text.labelled import (
    Columns,
    LabelledError,
    LabelledText,
    read_questions,
    read_tagged,
    read_texts,
    read_translations,
)

SQUAD = {"data": [{"title": "T", "paragraphs": [{"context": "Ann lives in Rome.", "qas": [
    {"id": "1", "question": "Where?", "answers": [{"text": "Rome", "answer_start": 13}]},
    {"id": "2", "question": "Who?", "answers": [{"text": "Ann", "answer_start": 0}]},
]}]}]}


def written(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path


def error_of(function, *arguments, **options):
    with pytest.raises(LabelledError) as caught:
        function(*arguments, **options)
    return str(caught.value)


# --- what is read ---


@pytest.mark.parametrize("name, content", [
    ("a.tsv", "text\tlabel\na b\tyes\nc, \"d\"\tno\n"),
    ("bom.tsv", b"\xef\xbb\xbftext\tlabel\r\na b\tyes\r\n\r\nc, \"d\"\tno\r\n"),
    ("wide.tsv", "text\tlabel\na b\tyes\nc, \"d\"\tno\n".encode("utf-16")),
    ("packed.tsv.gz", gzip.compress(b"text\tlabel\na b\tyes\nc, \"d\"\tno\n", mtime=0)),
    ("quoted.tsv", 'id\tSentence\tLabel\n1\ta b\tyes\n2\t"c, ""d"""\t no \n'),
    ("a.csv", 'label,text\nyes,a b\nno,"c, ""d"""\n'),
    ("excel.csv", 'text;label\n"a b";yes\n"c, ""d""";no\n'),
    ("a.jsonl", '{"text": "a b", "label": "yes"}\n\n{"label": "no", "text": "c, \\"d\\"", "more": [1]}\n'),
    ("a.json", '[{"text": "a b", "label": "yes"},\n {"text": "c, \\"d\\"", "label": "no"}]'),
])
def test_texts_of_every_format(tmp_path, name, content):
    found = read_texts(written(tmp_path, name, content))
    assert [(row.text, row.pair, row.label) for row in found] == [
        ("a b", None, "yes"), ('c, "d"', None, "no")]


def test_quotes_in_a_tsv_are_letters_unless_all_are_quoted_fields(tmp_path):
    path = written(tmp_path, "a.tsv", 'text\tlabel\n" a film "\tyes\n" so " bad\tno\n')
    assert [row.text for row in read_texts(path)] == ['" a film "', '" so " bad']


def test_a_quoted_field_of_a_csv_holds_line_ends_and_lines_are_counted(tmp_path):
    path = written(tmp_path, "a.csv", 'text,label\n"one\ntwo",yes\nthree,no\n')
    assert read_texts(path) == [
        LabelledText(2, "one\ntwo", None, "yes"), LabelledText(4, "three", None, "no")]


def test_labels_of_json_are_strings(tmp_path):
    path = written(tmp_path, "a.jsonl", "\n".join(
        json.dumps({"text": "a", "label": label}) for label in (1, "1", True, 0.5, " x ")))
    assert [row.label for row in read_texts(path)] == ["1", "1", "true", "0.5", "x"]


@pytest.mark.parametrize("names", ["sentence1\tsentence2", "premise\thypothesis", "question1\tquestion2"])
def test_pairs(tmp_path, names):
    path = written(tmp_path, "a.tsv", f"id\t{names}\tlabel\n7\ta\tb\tyes\n")
    assert read_texts(path, is_pair=True) == [LabelledText(2, "a", "b", "yes")]
    assert "has pairs of texts" in error_of(read_texts, path) and "--task pairs" in error_of(read_texts, path)


def test_columns_that_are_named(tmp_path):
    path = written(tmp_path, "a.tsv", "one\ttwo\tthree\na\tb\tc\n")
    assert read_texts(path, True, Columns("two", "three", "one")) == [LabelledText(2, "b", "c", "a")]
    assert "has no column 'four'; it has one, two, three" in error_of(
        read_texts, path, columns=Columns("four", None, "one"))


def test_labels_may_be_missing_where_they_are_not_needed(tmp_path):
    path = written(tmp_path, "a.tsv", "text\na\n")
    assert read_texts(path, is_labelled=False) == [LabelledText(2, "a", None, None)]
    path = written(tmp_path, "b.tsv", "text\tlabel\na\tyes\nb\t\n")
    assert [row.label for row in read_texts(path, is_labelled=False)] == ["yes", None]
    answers = [], None, {"text": [], "answer_start": []}, {"text": ["Ann"], "answer_start": [0]}
    rows = [{"question": "Who?", "context": "Ann sings.", "answers": found} for found in answers]
    path = written(tmp_path, "c.jsonl", "\n".join(map(json.dumps, rows)))
    assert [row.answers for row in read_questions(path, is_labelled=False)] == [[], None, [], [("Ann", 0)]]


@pytest.mark.parametrize("content", [
    "-DOCSTART- -X- O O\n\nAnn NNP B-NP B-PER\nsings VBZ B-VP O\n\n\nRome NNP B-NP B-LOC\n",
    "# text = Ann sings\nAnn\t_\tB-PER\nsings\t_\tO\n\nRome\t_\tB-LOC",
    "Token\tNER\r\nAnn\tB-PER\r\nsings\tO\r\n\r\nRome\tB-LOC\r\n",
    "# sent_id = 1\n1-2\tAnn sings" + 8 * "\t_" + "\n1\tAnn\tAnn\tB-PER" + 6 * "\t_" + "\n"
    "2\tsings\tsing\tO" + 6 * "\t_" + "\n2.1\tthen" + 8 * "\t_" + "\n\n1\tRome\tRome\tB-LOC" + 6 * "\t_",
    '{"id": 0, "tokens": ["Ann", "sings"], "ner_tags": ["B-PER", "O"]}\n'
    '{"tokens": ["Rome"], "ner_tags": ["B-LOC"]}',
])
def test_tagged_words(tmp_path, content):
    found = read_tagged(written(tmp_path, "a.conll", content))
    assert [(row.words, row.tags) for row in found] == [
        (["Ann", "sings"], ["B-PER", "O"]), (["Rome"], ["B-LOC"])]


@pytest.mark.parametrize("name, content", [
    ("squad.json", json.dumps(SQUAD, indent=1)),
    ("flat.jsonl", '{"question": "Where?", "context": "Ann lives in Rome.", "answers": {"text": ["Rome"], '
     '"answer_start": [13]}}\n'
     '{"question": "Who?", "context": "Ann lives in Rome.", "answers": {"text": ["Ann"], '
     '"answer_start": [0]}}'),
    ("a.tsv", "question\tcontext\tanswer\nWhere?\tAnn lives in Rome.\tRome\nWho?\tAnn lives in Rome.\tAnn\n"),
])
def test_questions(tmp_path, name, content):
    found = read_questions(written(tmp_path, name, content))
    assert [(row.question, row.context, row.answers) for row in found] == [
        ("Where?", "Ann lives in Rome.", [("Rome", 13)]), ("Who?", "Ann lives in Rome.", [("Ann", 0)])]


@pytest.mark.parametrize("changes", [
    {"answers": [], "is_impossible": True, "plausible_answers": [{"text": "Ann", "answer_start": 0}]},
    {"answers": []}, {"answers": {"text": [], "answer_start": []}},
])
def test_questions_without_an_answer(tmp_path, changes):
    found = read_questions(written(tmp_path, "a.json", squad_with(**changes)))
    assert [row.answers for row in found] == [[("Rome", 13)], []]
    path = written(tmp_path, "a.tsv", "question\tcontext\tanswer\tis_impossible\nWho?\tAnn.\t\tTrue\n")
    assert [row.answers for row in read_questions(path)] == [[]]


# --- one bad row each ---


@pytest.mark.parametrize("name, content, message", [
    ("a.tsv", "text\tlabel\na\tyes\nb no\n", "line 3: it has 1 field, and the header 2; mend or"),
    ("a.tsv", "text\tlabel\na\tyes\nb\tc\tno\n", "line 3: it has 3 fields, and the header 2"),
    ("a.tsv", "text\tlabel\na\t\n", "line 2: its label is empty"),
    ("a.tsv", "text\tlabel\n \tyes\n", "line 2: its text is empty"),
    ("a.tsv", "text\ttext\na\tb\n", "line 1: the header has the column 'text' twice"),
    ("a.tsv", "a good film\tyes\n", "line 1: the columns are 'a good film', 'yes', and none has"),
    ("a.tsv", "text\tmark\na\tyes\n", "none has a usual name of the label; say which one is the label with "
     "--label-column NAME, or call it label"),
    ("a.csv", 'text,label\n"a,yes\nb,no\n', "line 2: a quote that opens a field is never closed"),
    ("a.csv", 'text,label\na,yes\n"b" c,no\n', "line 3: text follows the quote that closes a field"),
    ("a.csv", "text,label\na,b,no\n", "line 2: it has 3 fields, and the header 2"),
    ("a.jsonl", '{"text": "a", "label": 1}\n{"text": "b" "label": 1}', "line 2: it is not JSON: "),
    ("a.jsonl", '{"text": "a", "label": 1}\n{"label": 1}', "line 2: it has no text: 'text' is missing"),
    ("a.jsonl", '{"text": "a", "label": 1}\n{"text": 7, "label": 1}', "line 2: its text is a number"),
    ("a.jsonl", '{"text": "a", "label": 1}\n{"text": "b", "label": null}', "line 2: its label is empty"),
    ("a.jsonl", '{"text": "a", "label": 1}\n{"text": "b", "label": [1]}', "line 2: its label is a list"),
    ("a.jsonl", '{"text": "a", "label": 1}\n{"text": "b", "label": NaN}', "line 2: its label is not a"),
    ("a.jsonl", '{"text": "a", "label": 1}\n[1]', "line 2: it holds a list, expected an object"),
    ("a.json", '[{"text": "a", "label": 1}', "is not JSON"),
    ("a.json", '[\n{"text": "a", "label": 1},\n{"text": "", "label": 1},\n7]',
     "entry 2: its text is empty; mend or remove the row (2 rows are bad: entry 2, entry 3)"),
    ("a.json", json.dumps(SQUAD | {"version": "1"}, indent=1),
     "is one JSON object, with 'data', 'version'; give an object a line, or a list of objects"),
    ("a.csv", "text|label\na|yes\n", "(tabs, commas or semicolons separate columns)"),
    ("a.tsv", "text\tlabel\n", "holds no examples; give a row for each"),
    ("a.tsv", "", "is empty; give a file with a row"),
    ("a.tsv", "text\tlabel\nGr\xfc\xdfe\tyes\n".encode("latin-1"), "is not UTF-8: byte 0xfc at offset 13"),
    ("a.tsv", b"PK\0\0", "is binary"),
])
def test_bad_rows_of_texts(tmp_path, name, content, message):
    path = written(tmp_path, name, content)
    error = error_of(read_texts, path)
    assert error.startswith(str(path)) and message in error and "\n" not in error


@pytest.mark.parametrize("content, message", [
    ("Ann B-PER\nsings\nnow O\n", "line 2: it has 1 column, and most lines have 2"),
    ("Ann B-PER\nnow and O\nhere O\n", "line 2: it has 3 columns, and most lines have 2"),
    ("Ann\nsings\n", "line 1: it has 1 column; expected a word and, in the last column, its tag"),
    ("Ann\tB-PER\n\tO\n", "line 2: its word or its tag is empty"),
    ('{"tokens": [["a"]], "tags": ["O"]}', "line 1: one of its words is a list, expected a string"),
    ('{"tokens": ["a"], "tags": [" "]}', "line 1: one of its tags is empty, expected a string"),
    ('{"tokens": ["a"], "tags": ["O"]}\n{"tokens": ["a", "b"], "tags": ["O"]}',
     "line 2: it has 2 words and 1 tag;"),
    ('{"tokens": ["a"], "tags": ["O"]}\n{"tokens": "a b", "tags": ["O"]}', "line 2: it has no list of words"),
    ('{"tokens": ["a"], "tags": ["O"]}\n{"tokens": ["b"]}', "line 2: it has no list of tags"),
])
def test_bad_rows_of_tagged_words(tmp_path, content, message):
    assert message in error_of(read_tagged, written(tmp_path, "a.conll", content))


def squad_with(**changes):
    content = json.loads(json.dumps(SQUAD))
    content["data"][0]["paragraphs"][0]["qas"][1] |= changes
    return json.dumps(content)


@pytest.mark.parametrize("content, message", [
    (squad_with(answers=[{"text": "Ann", "answer_start": 4}]),
     "question 2 ('Who?'): its answer 'Ann' is not in the context at character 4: 'liv' is; mend or remove"),
    (squad_with(answers=[{"text": "Tom"}]), "question 2 ('Who?'): its answer 'Tom' is not in the context;"),
    (squad_with(answers=None), "question 2 ('Who?'): it has no answer; if its context has none, say so with "
     '"is_impossible": true, as SQuAD 2 does; mend or remove'),
    (squad_with(answers=[{"text": "Ann", "answer_start": "x"}]), "answer_start is 'x', expected the number"),
    (squad_with(question=""), "question 2 (''): its question is empty"),
    ('{"data": [{"title": "T"}]}', 'an entry of "data" has no list "paragraphs"'),
    ('{"data": ', "line 1: it is not JSON"),
    ("question\tcontext\tanswer\nWho?\tAnn sings.\tTom\n", "line 2: its answer 'Tom' is not in the context"),
    ("text\tlabel\na\tb\n", "has the columns text, label; expected question, context and answer, or SQuAD's"),
])
def test_bad_questions(tmp_path, content, message):
    assert message in error_of(read_questions, written(tmp_path, "a.json", content))


def test_all_bad_rows_are_counted_and_the_first_is_named(tmp_path):
    path = written(tmp_path, "a.tsv", "text\tlabel\n" + "a\n" * 7)
    assert error_of(read_texts, path).endswith(
        "line 2: it has 1 field, and the header 2; mend or remove the row "
        "(7 rows are bad: 2, 3, 4, 5, 6 ...)")
    path.write_text("text\tlabel\na\t\nb\n", encoding="utf-8")
    assert error_of(read_texts, path).endswith(
        "line 2: its label is empty; mend or remove the row (2 rows are bad: 2, 3)")


def test_a_file_that_is_not_there(tmp_path):
    assert "nothing.tsv does not exist; give a TSV" in error_of(read_texts, tmp_path / "nothing.tsv")


# --- translations ---


@pytest.mark.parametrize("content", [
    "Go.\tVa !\n你好\thello \n",
    "\ufeffsource\ttarget\r\nGo.\tVa !\r\n\r\n你好\thello\r\n",
    "Go.\tVa !\tCC-BY\n你好\thello\tCC-BY\n",
])
def test_translations(tmp_path, content):
    pairs = read_translations(written(tmp_path, "a.tsv", content))
    assert [pair[1:] for pair in pairs] == [("Go.", "Va !"), ("你好", "hello")]


@pytest.mark.parametrize("content, message", [
    ("a\tb\nc d\ne\tf\n", "a.tsv, line 2: it has no tab; expected a text, a tab and its translation; mend"),
    ("a\tb\n\tc\nd\t \n", "line 2: its text is empty; mend or remove the row (2 rows are bad: 2, 3)"),
    ("a\t\n", "line 1: its translation is empty"),
    ("source\ttarget\n", "holds no examples"),
])
def test_translations_that_are_none(tmp_path, content, message):
    assert message in error_of(read_translations, written(tmp_path, "a.tsv", content))


def test_no_file_of_translations(tmp_path):
    for path in (tmp_path, tmp_path / "nothing.tsv"):
        assert "give a file with a text, a tab and its translation" in error_of(read_translations, path)
