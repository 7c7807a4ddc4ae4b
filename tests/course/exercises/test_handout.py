"""The folders of a class: nothing in them answers an exercise; a notebook is graded with its own numbers."""

import csv
import json
import pathlib
import re
import shutil

import numpy as np
import pytest

from minibert.course import exercises
from minibert.course.exercises import handout
from minibert.course.exercises.grading import CHECK, grade
from minibert.course.exercises.handout import find_lessons, hand_out, own_notebook, read_students
from minibert.course.exercises.variants import numbers_of, own, told

LESSONS = sorted((handout.ROOT / "notebooks").glob("[0-9]*.ipynb"))
STUDENTS = ["李, 明", 'Jo "J" O\'Neil', "CON", "con", "a/b:c", "course"]


def sources(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [("".join(cell["source"]), cell["cell_type"]) for cell in cells]


@pytest.fixture(scope="module")
def handed_out(tmp_path_factory):
    """The folders of a class of six, with two lessons."""
    folder = tmp_path_factory.mktemp("class")
    with open(folder / "class.csv", "w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows([("学号", "name"), *((name, "x") for name in STUDENTS)])
    students = read_students(folder / "class.csv")
    assert [student.id for student in students] == STUDENTS
    same = hand_out(find_lessons(["05", "12_pretraining"]), students, folder / "out")
    assert same == []
    return folder / "out"


def test_every_student_has_a_folder_whatever_the_id(handed_out):
    names = sorted(path.name for path in (handed_out / "students").iterdir())
    assert names == sorted(["course", "course-1", "_CON", "_con-1", "a_b_c", "Jo _J_ O'Neil", "李, 明"])
    assert sorted(path.name for path in (handed_out / "students" / "李, 明").iterdir()) == [
        "05_attention_李, 明.ipynb", "12_pretraining_李, 明.ipynb",
    ]
    with open(handed_out / "instructor" / "students.csv", encoding="utf-8-sig", newline="") as file:
        assert [row["student"] for row in csv.DictReader(file)] == STUDENTS


def test_nothing_handed_out_answers_an_exercise(handed_out):
    students = handed_out / "students"
    files = [path for path in students.rglob("*") if path.is_file()]
    private = {"solutions", "instructor", "TEACHING.md"}
    assert not [path for path in files if private & set(path.relative_to(students).parts)]
    tests = {path.name for path in files if "tests" in path.relative_to(students).parts}
    assert tests == {"test_yours.py", "test_muon.py"}  # neither is about an exercise
    handed = {text for path in files if path.suffix == ".ipynb" for text, _ in sources(path)}
    for lesson in LESSONS:
        for text, kind in sources(lesson.parent / "solutions" / lesson.name):
            assert kind != "code" or not CHECK.search(text) or text not in handed
    assert {path.name for path in (handed_out / "instructor" / "solutions").iterdir()} == {
        "05_attention.ipynb", "12_pretraining.ipynb",
    }


def test_the_course_that_is_handed_out_can_be_installed_and_read(handed_out):
    course = handed_out / "students" / "course"
    assert {"minibert", "notebooks", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"} <= {
        path.name for path in course.iterdir()
    }
    assert {path.name for path in LESSONS} == {path.name for path in (course / "notebooks").glob("*.ipynb")}
    assert (course / "notebooks" / "data" / "12_toy_bert" / "model.safetensors").is_file()


def test_every_link_of_the_course_that_is_handed_out_leads_to_a_file(handed_out):
    course = handed_out / "students" / "course"
    for path in [*course.rglob("*.md"), *course.rglob("*.ipynb")]:
        text = path.read_text(encoding="utf-8")
        links = re.findall(r"\]\(([\w./-]+)(?:#[\w-]*)?\)", text)
        dead = [link for link in links if not (path.parent / link).exists()]
        assert dead == [], path.relative_to(course)


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_every_lesson_takes_an_id_and_tells_the_own_numbers_in_the_task(lesson):
    notebook = json.loads(lesson.read_text(encoding="utf-8"))
    before = json.dumps(notebook)
    cells = own_notebook(notebook, "kim", lesson.name)["cells"]
    assert json.dumps(notebook) == before
    texts = ["".join(cell["source"]) for cell in cells]
    assert sum(text.endswith('\n\nexercises.student("kim")') for text in texts) == 1
    for exercise in exercises.lessons()[lesson.stem[:2]]:
        (task,) = [
            task
            for text in texts
            for task in re.split("^### ", text, flags=re.MULTILINE)
            if task.startswith(f"{exercise.name}:")
        ]
        numbers = told(exercise, "kim")
        assert ("**Your own numbers**" in task) == bool(numbers) and numbers in task


def test_the_numbers_stand_in_the_text_also_where_a_cell_of_code_is_between():
    kinds = [
        ("markdown", "## Exercises"),
        ("code", "from minibert.course import exercises"),
        ("markdown", "task"),
        ("code", "x = 1"),
        ("code", 'exercises.check("permuted_tokens", x)'),
    ]
    cells = [{"cell_type": kind, "metadata": {}, "source": [source]} for kind, source in kinds]
    texts = ["".join(cell["source"]) for cell in own_notebook({"cells": cells}, "kim", "05.ipynb")["cells"]]
    assert texts[2].startswith("task\n\n**Your own numbers**") and texts[3] == "x = 1"
    with pytest.raises(ValueError, match="05.ipynb has no line 'from minibert.course import exercises'"):
        own_notebook({"cells": cells[:1]}, "kim", "05.ipynb")


def test_the_private_answers_are_those_of_each_student(handed_out):
    with open(handed_out / "instructor" / "answers.csv", encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * len(STUDENTS)  # permuted_tokens and baseline_losses
    exercise = exercises.find("permuted_tokens")
    first = next(row for row in rows if (row["student"], row["exercise"]) == (STUDENTS[0], exercise.name))
    assert first["answer"] == repr(own(exercise, STUDENTS[0]).expected)
    assert str(numbers_of(exercise, STUDENTS[0])["order"]) in first["numbers"]


def test_a_handed_out_notebook_is_graded_with_its_own_numbers(handed_out, tmp_path):
    """Everybody's solutions: right functions have their points, everybody's prediction has not."""
    path = tmp_path / "renamed (2).ipynb"
    shutil.copy(handed_out / "students" / "李, 明" / "05_attention_李, 明.ipynb", path)
    solution = {
        tuple(CHECK.findall(text)): text
        for text, kind in sources(handed_out / "instructor" / "solutions" / "05_attention.ipynb")
        if kind == "code"
    }
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        names = tuple(CHECK.findall("".join(cell["source"])))
        if cell["cell_type"] == "code" and names:
            cell["source"] = solution[names]
    path.write_text(json.dumps(notebook), encoding="utf-8")
    grading = grade(path)
    assert (grading.student, grading.lesson, grading.errors) == ("李, 明", "05", [])
    lost = {result.name: result.of - result.points for result in grading.results if result.points < result.of}
    assert list(lost) == ["permuted_tokens"]


@pytest.mark.parametrize(
    "content, encoding",
    [
        ("kim\n李明\n".encode(), None),
        ("id;name\r\nkim;Kim, J.\r\n李明;\r\n".encode("utf-8-sig"), None),
        ("Student\tname\nkim\tx\n李明\ty\n".encode("utf-16"), None),
        ("kim,x\n\n李明,y\n".encode("gbk"), "gbk"),
    ],
)
def test_lists_of_students_as_spreadsheets_of_other_countries_write_them(tmp_path, content, encoding):
    path = tmp_path / "class.csv"
    path.write_bytes(content)
    assert [student.id for student in read_students(path, encoding)] == ["kim", "李明"]


@pytest.mark.parametrize(
    "content, encoding, message",
    [
        (b"\n\n", None, "names no student"),
        (b"student\n", None, "names no student"),
        (b"kim\nlee\nkim\n", None, "names a student twice: kim"),
        ("李明\n".encode("gbk"), "utf-8", "is not text in utf-8; save it as UTF-8, or say --encoding"),
        (b"kim\n", "klingon", "--encoding klingon: Python knows no such encoding"),
    ],
)
def test_a_list_that_is_no_list_is_refused(tmp_path, content, encoding, message):
    path = tmp_path / "class.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_students(path, encoding)


def test_lessons_are_found_by_number_or_name_once():
    names = [path.stem for path in find_lessons(["05", "05_attention.ipynb", "00"])]
    assert names == ["05_attention", "00_gradients"]
    for wrong in ("5", "05_glove", "99"):
        with pytest.raises(ValueError, match=f"there is no lesson '{wrong}'; there are 00, 01"):
            find_lessons([wrong])


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "notes").write_text("mine", encoding="utf-8")
    with pytest.raises(ValueError, match="holds something already; name a new folder"):
        hand_out([], [], tmp_path)
    assert [path.name for path in pathlib.Path(tmp_path).iterdir()] == ["notes"]


def test_a_task_with_numbers_has_other_ones_for_a_class_of_sixty():
    """Few get the same: copying a number from a neighbour is not enough."""
    for name in ("touched_rows", "bert_shapes", "baseline_losses", "gradient_shapes"):
        answers = [repr(own(exercises.find(name), f"2024{n:04}").expected) for n in range(60)]
        assert len(set(answers)) > 50, name
    assert np.unique([own(exercises.find("cbow"), str(n)).values for n in range(60)]).size == 60
