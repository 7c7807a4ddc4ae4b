"""What a room sees of a lesson: short cells, folded drawing, hidden answers, headings that ask."""

import json
import pathlib
import re

import pytest

FOLDER = pathlib.Path(__file__).parents[2] / "notebooks"
LESSONS = sorted(path.stem for path in FOLDER.glob("[0-9]*.ipynb"))
DRAWS = re.compile(r"\bplt\.(show|subplots|figure)\(|\baxes\.\w+\(")
PREDICTS = re.compile(r"\*\*Predict|\bPredict |\*\*?Ask")
EXERCISES = re.compile(r"^## Exercises$", re.MULTILINE)


def cells_of(name):
    """Return [(type, source, what JupyterLab hides of it, whether it has outputs)] of a lesson's cells."""
    cells = json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    return [
        (cell["cell_type"], "".join(cell["source"]), cell["metadata"].get("jupyter", {}), cell.get("outputs"))
        for cell in cells
    ]


def shown_code(cells):
    return [source for kind, source, hides, _ in cells if kind == "code" and not hides.get("source_hidden")]


def answers(cells):
    """Yield (the prediction's text, what is hidden of the next cell with outputs), before the exercises."""
    texts = [source if kind == "markdown" else "" for kind, source, *_ in cells]
    end = next(place for place, text in enumerate(texts) if EXERCISES.search(text))
    for place, text in enumerate(texts[:end]):
        if PREDICTS.search(text):
            following = (hides for kind, _, hides, outputs in cells[place:end] if kind == "code" and outputs)
            yield text, next(following, {"outputs_hidden": True})


@pytest.mark.parametrize("name", LESSONS)
def test_a_cell_fits_on_the_screen(name):
    for source in shown_code(cells_of(name)):
        lines = source.splitlines()
        assert len(lines) <= 20, source
        assert max(map(len, lines), default=0) <= 88, max(lines, key=len)


@pytest.mark.parametrize("name", LESSONS)
def test_code_that_draws_is_folded(name):
    assert [source for source in shown_code(cells_of(name)) if DRAWS.search(source)] == []


@pytest.mark.parametrize("name", LESSONS)
def test_the_answer_to_a_prediction_opens_at_a_click(name):
    predictions = list(answers(cells_of(name)))
    assert len(predictions) >= 4
    assert [text[-300:] for text, hides in predictions if not hides.get("outputs_hidden")] == []


@pytest.mark.parametrize("name", LESSONS)
def test_a_heading_asks_and_does_not_answer(name):
    text = "\n".join(source for kind, source, *_ in cells_of(name) if kind == "markdown")
    headings = re.findall(r"^## \d+ · (.*)$", text, re.MULTILINE)
    assert len(headings) >= 5 and [heading for heading in headings if "?" not in heading] == []


@pytest.mark.parametrize("name", LESSONS)
def test_a_picture_has_words_in_its_place(name):
    """nbconvert --template classic writes the entry "alt" of a cell's metadata into the HTML."""
    cells = json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    kinds = [{kind for out in cell.get("outputs", ()) for kind in out.get("data", {})} for cell in cells]
    described = [cell["metadata"].get("alt", "") for cell, has in zip(cells, kinds) if "image/png" in has]
    assert len(described) >= 4 and min(map(len, described)) > 40
