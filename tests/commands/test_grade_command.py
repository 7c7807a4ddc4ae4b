"""`minibert grade` for a class: patterns and folders, a table for any locale, failures, repeated files."""

import csv
import json

import pytest

from minibert import cli
from minibert.commands import grade as command
from minibert.course.exercises import grading
from minibert.course.exercises.grading import Grading, student_by_name
from minibert.course.exercises.kinds import Result

NAMES = ["kim.ipynb", "李, “明” é.ipynb", 'O\'Neil; "Jo".ipynb', "=1+1.ipynb"]


@pytest.fixture
def handed_in(tmp_path, monkeypatch):
    """A folder of notebooks; grading is replaced by three points for each, and runs no process."""
    folder = tmp_path / "handed in"
    (folder / "group b" / ".ipynb_checkpoints").mkdir(parents=True)
    for name in (*NAMES, "group b/lee [1].ipynb"):
        (folder / name).write_text("{}", encoding="utf-8")
    for name in ("._kim.ipynb", "group b/.ipynb_checkpoints/lee.ipynb", "notes.txt"):
        (folder / name).write_text("not handed in", encoding="utf-8")

    def three_points(path, timeout):
        if path.name == "bad.ipynb":
            raise ValueError("bad.ipynb is not\na notebook")
        path.stat()
        results = [Result("row_softmax", 2, 2, "right"), Result("one_head", 1, 2, "half")]
        return Grading(str(path), student_by_name(path), "05", results, [])

    monkeypatch.setattr(grading, "grade", three_points)
    return folder


def table(path):
    assert path.read_bytes().startswith(b"\xef\xbb\xbfstudent,") and b"\r\n" in path.read_bytes()
    with open(path, encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_patterns_and_folders_are_expanded_as_cmd_and_powershell_do_not(handed_in):
    def names(*given):
        return [path.relative_to(handed_in).as_posix() for path in command.expanded(map(str, given))]

    assert names(handed_in / "*.ipynb") == sorted(NAMES)
    assert sorted(names(handed_in)) == sorted([*NAMES, "group b/lee [1].ipynb"])
    assert names(handed_in / "**" / "l*.ipynb") == ["group b/lee [1].ipynb"]
    assert names(handed_in / "group b" / "lee [1].ipynb") == ["group b/lee [1].ipynb"]
    assert names(handed_in / "kim.ipynb", handed_in / "k*", handed_in / "no*.py") == ["kim.ipynb", "no*.py"]


def test_the_table_has_every_student_in_utf8_with_a_mark_for_excel(handed_in, tmp_path, output_of):
    (handed_in / "bad.ipynb").write_text("{", encoding="utf-8")
    out = tmp_path / "points.csv"
    assert cli.main(["grade", str(handed_in / "*.ipynb"), "--csv", str(out)]) == 1
    rows = {row["student"]: row for row in table(out)}
    assert set(rows) == {"kim", "李, “明” é", 'O\'Neil; "Jo"', "'=1+1", "bad"}
    assert rows["kim"] == {
        "student": "kim", "lesson": "05", "points": "3", "of": "4", "problem": "",
        "file": str(handed_in / "kim.ipynb"), "row_softmax": "2", "one_head": "1",
    }
    assert rows["bad"]["problem"] == "bad.ipynb is not\na notebook" and rows["bad"]["points"] == ""


@pytest.mark.exhaustive
def test_names_survive_where_the_console_has_another_encoding(spawn, tmp_path):
    """Excel in another locale: the table is the same, whatever the console can show."""
    (tmp_path / "李, é.ipynb").write_text("{", encoding="utf-8")
    for encoding in ("cp1252", "gbk"):
        out = tmp_path / f"{encoding}.csv"
        process = spawn(
            "-m", "minibert", "grade", tmp_path, "--csv", out, PYTHONIOENCODING=encoding, PYTHONUTF8="0"
        )
        stdout, stderr = process.communicate()
        assert (process.returncode, stderr) == (1, b"")
        assert "not graded" in stdout.decode(encoding)
        assert [row["student"] for row in table(out)] == ["李, é"]


def test_two_files_of_one_student_are_said(handed_in, tmp_path, output_of):
    (handed_in / "Kim (1).ipynb").write_text("{}", encoding="utf-8")
    printed = output_of("grade", handed_in / "*im*.ipynb", "--csv", tmp_path / "points.csv")
    assert printed[-1].startswith("Kim has 2 files of lesson 05, not one: ")
    assert all("has 2 files" in row["problem"] for row in table(tmp_path / "points.csv"))


def test_the_list_of_students_gives_the_order_and_names_who_is_missing(handed_in, tmp_path, output_of):
    (tmp_path / "class.csv").write_text("id\nlee\nkim\nchen\n", encoding="utf-8")
    files = [handed_in / "=1+1.ipynb", handed_in / "kim.ipynb"]
    out = tmp_path / "points.csv"
    printed = output_of("grade", *files, "--students", tmp_path / "class.csv", "--csv", out)
    assert printed[-2:] == [
        f"=1+1 is not in the list of students: {files[0]}", "2 of 3 handed in nothing: lee, chen",
    ]
    assert [(row["student"], row["points"], row["problem"]) for row in table(out)] == [
        ("lee", "", "nothing was handed in"), ("kim", "3", ""), ("chen", "", "nothing was handed in"),
        ("'=1+1", "3", "no student of the list has this id"),
    ]


def test_json_has_the_same_rows(handed_in, capfd):
    missing = str(handed_in / "c*.ipynb")
    files = [str(handed_in / "kim.ipynb"), missing, str(handed_in / "none.py")]
    assert cli.main(["grade", "--json", *files]) == 1
    kim, pattern, none = json.loads(capfd.readouterr().out)
    assert (kim["student"], kim["lesson"], kim["points"], kim["of"]) == ("kim", "05", 3, 4)
    assert (pattern["file"], pattern["error"]) == (missing, "no file fits this pattern")
    assert none["error"] == "there is no such file"


def test_a_table_that_cannot_be_written_costs_no_points(handed_in, failing, monkeypatch, tmp_path, capfd):
    assert "there is no folder" in failing("grade", handed_in, "--csv", tmp_path / "none" / "points.csv")

    def locked(path, content):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("minibert.files.write_atomically", locked)
    assert cli.main(["grade", str(handed_in / "kim.ipynb"), "--csv", str(tmp_path / "points.csv")]) == 2
    printed = capfd.readouterr()
    assert "3 of 4" in printed.out and "is it open in another program" in printed.err


def test_ctrl_c_leaves_the_points_so_far(handed_in, monkeypatch, tmp_path, capfd):
    first = grading.grade

    def interrupted(path, timeout):
        if path.name == "kim.ipynb":
            return first(path, timeout)
        raise KeyboardInterrupt

    monkeypatch.setattr(grading, "grade", interrupted)
    files = [str(handed_in / name) for name in ("kim.ipynb", "=1+1.ipynb")]
    assert cli.main(["grade", *files, "--csv", str(tmp_path / "points.csv")]) == 130
    assert [row["student"] for row in table(tmp_path / "points.csv")] == ["kim"]


def test_a_file_that_is_graded_in_truth(tmp_path, capfd):
    """One run through the whole: a process, a table in text."""
    path = tmp_path / "12_attention.py"
    path.write_text(
        "from minibert.course import exercises\n"
        "exercises.check('permuted_tokens', {'row_of_y': 2, 'entry_of_probs': ..., 'keys_only': ...,"
        " 'positions_move_along': ..., 'positions_stay': ..., 'causal': ...})",
        encoding="utf-8",
    )
    assert cli.main(["grade", str(path)]) == 0
    printed = capfd.readouterr().out
    assert "12_attention.py: lesson 05" in printed and "Not all 6 are right" in printed
