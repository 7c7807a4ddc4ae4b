"""Every notebook runs and quotes its results; solutions have all points, empty exercises none."""

import importlib.util
import pathlib
import re
import sys

import numpy as np
import pytest

from minibert.course import exercises
from minibert.course.exercises.grading import grade

FOLDER = pathlib.Path(__file__).parents[2] / "notebooks"

NAMES = sorted(path.stem for path in FOLDER.glob("[0-9]*.ipynb"))
NAMES += sorted(f"solutions/{path.stem}" for path in FOLDER.glob("solutions/*.ipynb"))
LESSONS = [name for name in NAMES if "/" not in name]


@pytest.fixture(scope="module")
def notebooks():
    """The module notebooks/execute.py; imported only here, because its nbformat takes a second to import.

    It would take four with the grammar of internationalised addresses, of which notebooks have none.
    """
    if importlib.util.find_spec("nbclient") is None:  # to import it would take longer still
        pytest.skip("executes notebooks: pip install -e '.[test]'")
    spec = importlib.util.spec_from_file_location("execute_notebooks", FOLDER / "execute.py")
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "rfc3987_syntax", None)  # jsonschema does without it
        spec.loader.exec_module(module)
    assert module.names() == NAMES
    return module


@pytest.mark.notebooks
@pytest.mark.parametrize("name", NAMES)
def test_it_runs_and_its_text_quotes_what_the_run_gives(notebooks, name):
    notebook = notebooks.load(name)
    values = notebooks.execute(notebook, (FOLDER / name).parent)
    assert notebooks.problems(notebook, values) == []


@pytest.mark.notebooks
@pytest.mark.parametrize("name", LESSONS)
def test_the_solution_has_all_points_and_the_empty_exercises_none(name):
    solved = grade(FOLDER / "solutions" / f"{name}.ipynb")
    points = [exercise.of for exercise in exercises.lessons()[name[:2]]]
    assert [result.points for result in solved.results] == points, solved
    empty = grade(FOLDER / f"{name}.ipynb")
    assert empty.errors == [] and empty.points == 0
    assert not any(result.done for result in empty.results), empty


@pytest.mark.parametrize("name", NAMES)
def test_the_stored_notebook_is_executed_and_clean(notebooks, name):
    notebook = notebooks.load(name)
    assert notebooks.problems(notebook) == []
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    in_order = list(range(1, len(counts) + 1))
    assert counts == in_order, f"not executed from top to bottom: python notebooks/execute.py {name}"


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_has_what_every_lesson_has(notebooks, name):
    assert notebooks.structure(notebooks.load(name), name) == []


def test_every_lesson_has_exercises_and_solutions_and_a_line_in_the_readme():
    assert sorted(exercises.lessons()) == [name[:2] for name in LESSONS]
    assert [f"solutions/{name}" for name in LESSONS] == [name for name in NAMES if "/" in name]
    readme = (FOLDER.parent / "README.md").read_text(encoding="utf-8")
    teaching = (FOLDER / "TEACHING.md").read_text(encoding="utf-8")
    assert all(f"notebooks/{name}.ipynb" in readme and name[:2] in teaching for name in LESSONS)


def test_the_stored_numbers_are_found_in_a_text(notebooks):
    text = "falls to 0.954<!-- loss -->, **4.0**<!-- gap ± 0.3 -->%, 1,200<!-- count -->, $-2$, "
    text += "−3<!-- low -->, 7.1e-14<!-- worst ± 1e-13 -->"
    notebook = notebooks.nbformat.v4.new_notebook(cells=[notebooks.nbformat.v4.new_markdown_cell(text)])
    found = notebooks.quotes(notebook)
    assert [(quote.expression, quote.number) for quote in found] == [
        ("loss", 0.954),
        ("gap", 4.0),
        ("count", 1200.0),
        ("low", -3.0),
        ("worst", 7.1e-14),
    ]
    assert [quote.tolerance for quote in found] == pytest.approx([0.000501, 0.3, 0.501, 0.501, 1e-13])
    assert notebooks.problems(notebook, [0.9544, 4.2, 1200, -3, 1e-14]) == []
    assert len(notebooks.problems(notebook, [0.9546, 4.4, 1201, 3, float("nan")])) == 5


@pytest.mark.parametrize(
    "output",
    [
        {"output_type": "stream", "name": "stderr", "text": "oh"},
        {"output_type": "stream", "name": "stdout", "text": "saved in /tmp/run"},
        {"output_type": "stream", "name": "stdout", "text": "<object at 0x7f12ab>"},
        {"output_type": "stream", "name": "stdout", "text": " 50%|##  | 5/10 [00:01<00:01, 4.2it/s]"},
        {"output_type": "error", "ename": "ValueError", "evalue": "no", "traceback": []},
    ],
)
def test_debris_in_an_output_is_a_problem(notebooks, output):
    cell = notebooks.nbformat.v4.new_code_cell("work()", outputs=[notebooks.nbformat.from_dict(output)])
    assert len(notebooks.problems(notebooks.nbformat.v4.new_notebook(cells=[cell]))) == 1


def test_a_picture_is_stored_with_a_palette_and_looks_the_same(notebooks):
    image = pytest.importorskip("PIL.Image")
    drawn = image.fromarray(np.linspace(0, 255, 60 * 40 * 3).reshape(40, 60, 3).astype("uint8"))
    png = notebooks.io.BytesIO()
    drawn.save(png, "PNG")
    data = {"image/png": notebooks.base64.b64encode(png.getvalue()).decode("ascii")}
    v4 = notebooks.nbformat.v4
    cell = v4.new_code_cell("draw()", outputs=[v4.new_output("display_data", data)])
    notebooks._clean(v4.new_notebook(cells=[cell]))
    stored = image.open(notebooks.io.BytesIO(notebooks.base64.b64decode(cell.outputs[0].data["image/png"])))
    assert stored.mode == "P" and stored.size == drawn.size
    difference = np.asarray(stored.convert("RGB"), int) - np.asarray(drawn, int)
    assert abs(difference).max() <= 8


def test_no_lesson_quotes_without_closing_its_comment(notebooks):
    for name in NAMES:
        for cell in notebooks.load(name).cells:
            if cell.cell_type == "markdown":
                comments = re.findall(r"<!--", cell.source)
                quoted = list(notebooks.QUOTED.finditer(cell.source))
                assert len(comments) == len(quoted), (name, cell.source[:200])
