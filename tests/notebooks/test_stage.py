"""What a room sees of a lesson: short cells, folded drawing, hidden answers, headings that ask."""

import base64
import json
import pathlib
import re
import struct

import pytest

from minibert.gradcheck import museum

FOLDER = pathlib.Path(__file__).parents[2] / "notebooks"
LESSONS = sorted(path.stem for path in FOLDER.glob("[0-9]*.ipynb"))
DRAWS = re.compile(r"\bplt\.(show|subplots|figure)\(|\baxes\.\w+\(")
PREDICTS = re.compile(r"\*\*Predict|\bPredict |\*\*?Ask")
EXERCISES = re.compile(r"^## Exercises$", re.MULTILINE)
SIZE = re.compile(r"(?:font_?size|labelsize|titlesize|font\.size)\"?[=:]([^,)\n]*)")
SMALL, SHOWN_DPI, PAGE = 12, 80, 920  # points; pixels for an inch of a figure; pixels of a narrow page
LINK = re.compile(r"\[[^\]]*\]\([^)]*\)")
CITED = re.compile(r"[A-Z][\w’-]+(?: (?:and|&) [A-Z]\w+| et al\.)?,? \(?(?:19|20)\d\d[ab]?\b")
NO_ADDRESS = re.compile(r"Firth 1957|GPT \(2018|(?:In|Feb\w+|June|Oct\w+) \d{4}$")  # a book; dates


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


@pytest.mark.parametrize("name", LESSONS)
def test_the_text_of_a_picture_can_be_read_from_the_last_row(name):
    """At least 12 points, in a figure so narrow that no page makes it smaller than plots.show does."""
    cells = json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    sizes = [size for found in SIZE.findall(code) for size in re.findall(r"\d+(?:\.\d+)?", found)]
    assert [size for size in sizes if float(size) < SMALL] == []
    dpi = float(next(iter(re.findall(r'"figure\.dpi": (\d+)', code)), 100))
    outputs = [out for cell in cells for out in cell.get("outputs", ()) if "image/png" in out.get("data", {})]
    widths = [width_of(out) / (SHOWN_DPI if out["metadata"].get("image/png") else dpi) for out in outputs]
    assert [f"{width:.1f} inches" for width in widths if width > PAGE / SHOWN_DPI] == []


def width_of(output):
    """Return how many pixels wide a page shows a picture."""
    png = base64.b64decode("".join(output["data"]["image/png"]))
    return output["metadata"].get("image/png", {}).get("width", struct.unpack(">I", png[16:20])[0])


@pytest.mark.parametrize("name", LESSONS)
def test_one_box_steps_through_it(name):
    """A command that stops, something to write down first, and a folded answer or a value to compare."""
    texts = [source for kind, source, *_ in cells_of(name) if kind == "markdown"]
    boxes = re.findall(r"^> \*\*Step through it\.\*\*.*(?:\n>.*)*", "\n".join(texts), re.MULTILINE)
    assert len(boxes) == 1
    assert re.search("--stop-at|trace.stop_at", boxes[0]) and re.search("Predict|write down", boxes[0])


@pytest.mark.parametrize("name", LESSONS)
def test_everything_cited_is_linked(name):
    text = "\n".join(source for kind, source, *_ in cells_of(name) if kind == "markdown")
    cited = CITED.findall(LINK.sub("", text))
    assert [each for each in cited if not NO_ADDRESS.match(each)] == []


@pytest.mark.parametrize("name", LESSONS)
def test_an_exhibit_of_the_museum_is_linked_to_a_public_report(name):
    cells = cells_of(name)
    code = "\n".join(source for kind, source, *_ in cells if kind == "code")
    text = "\n".join(source for kind, source, *_ in cells if kind == "markdown")
    used = [each for each in museum.exhibits.values() if f'"{each.name}"' in code and each.seen]
    assert [each.name for each in used if not any(place.split()[0] in text for place in each.seen)] == []
