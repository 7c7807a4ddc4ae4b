"""Execute the notebooks and store their outputs, or check that their texts agree with a run.

    python notebooks/execute.py                           # all of them, one after the other; solutions, too
    python notebooks/execute.py 05_attention              # one, after editing it
    python notebooks/execute.py solutions/05_attention
    python notebooks/execute.py --check                   # list the problems, store nothing

A notebook runs in a fresh kernel, top to bottom, in its own folder. The stored outputs have no times, no
kernel versions and no progress bars, so that a change of a lesson is a small change of the file. A number in
the text that is followed by a comment is compared with the run, here and by pytest -m notebooks:

    the loss falls to 0.954<!-- final_loss -->                 half a unit of the last digit may be off
    about 2.1<!-- ratio ± 0.3 --> times as much                or as much as is said
"""

import argparse
import base64
import io
import json
import os
import pathlib
import re
import sys
import time
import warnings
from typing import NamedTuple

import nbformat
from PIL import Image

from minibert.course import exercises

FOLDER = pathlib.Path(__file__).parent
TIMEOUT = 600  # seconds for one cell: the slowest needs 15 on two idle cores
QUOTED = re.compile(
    r"(?P<number>[-−]?\d[\d,]*(?:\.\d+)?(?:[eE][-+−]?\d+)?)\s?%?\**`?"
    r"<!--\s*(?P<expression>.+?)\s*-->"
)
NOT_WORDS = re.compile(  # numbers' expressions, formulas, code, tags, addresses of links
    r"<!--.*?-->|\$\$.*?\$\$|\$[^$\n]+\$|```.*?```|<[^>]+>|\]\([^)\s]*\)", re.DOTALL
)
DEBRIS = re.compile(r"Warning:|/tmp/|/home/|/root/|/Users/|[A-Z]:\\|site-packages| at 0x[0-9a-f]+|it/s|\x1b")
CHECKED = re.compile(r"^exercises\.check\(\"(\w+)\"", re.MULTILINE)
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


class Quote(NamedTuple):
    """A number that a text quotes, the expression that computes it, and the largest difference allowed."""

    text: str
    expression: str
    number: float
    tolerance: float


def names():
    """Return the names of all lessons and solutions, as "05_attention" and "solutions/05_attention"."""
    paths = [*sorted(FOLDER.glob("[0-9]*.ipynb")), *sorted(FOLDER.glob("solutions/*.ipynb"))]
    return [path.relative_to(FOLDER).with_suffix("").as_posix() for path in paths]


def load(name):
    """Read a notebook."""
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def quotes(notebook):
    """Return the Quotes of its texts."""
    found = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            found += [_quote(match) for match in QUOTED.finditer(cell.source)]
    return found


def _quote(match):
    text = match["number"].replace(",", "").replace("−", "-")
    expression, sign, tolerance = match["expression"].partition("±")
    mantissa, _, exponent = text.lower().partition("e")
    last_digit = 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
    allowed = float(tolerance) if sign else 0.501 * last_digit
    return Quote(match["number"], expression.strip(), float(text), allowed)


def execute(notebook, folder=FOLDER):
    """Run a notebook in a fresh kernel, in place; return the values of its Quotes.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell stopped.
    """
    from nbclient import NotebookClient  # it takes seconds to import, and to read a notebook needs none of it

    expressions = [quote.expression for quote in quotes(notebook)]
    resources = {"metadata": {"path": str(folder)}}
    client = NotebookClient(notebook, timeout=TIMEOUT, record_timing=False, resources=resources)
    with warnings.catch_warnings(), client.setup_kernel(env=_environment()):
        warnings.simplefilter("ignore")
        for index, cell in enumerate(notebook.cells):
            client.execute_cell(cell, index)
        values = "".join(f"{expression}, " for expression in expressions)
        code = f"import json; print(json.dumps([float(value) for value in ({values})]))"
        last = nbformat.v4.new_code_cell(code)
        notebook.cells.append(last)
        client.execute_cell(last, len(notebook.cells) - 1)
        notebook.cells.pop()
    _clean(notebook)
    return json.loads("".join(output.text for output in last.outputs))  # may come in pieces


def _environment():
    """Return the environment of a student's kernel: pictures inline, no warning settings of this shell."""
    unwanted = ("PYTHONWARNDEFAULTENCODING", "PYTHONWARNINGS")
    environment = {name: value for name, value in os.environ.items() if name not in unwanted}
    environment["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
    environment["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
    return environment


def _clean(notebook):
    """Remove everything that differs from one machine or run to the next."""
    count = 0
    for cell in notebook.cells:
        for volatile in ("execution", "ExecuteTime"):
            cell.metadata.pop(volatile, None)
        if cell.cell_type != "code":
            continue
        count += 1
        cell.execution_count = count
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = count
            data = output.get("data", {})
            if any(kind in data for kind in ("image/png", "text/markdown", "text/html")):
                data["text/plain"] = _one_line(data.get("text/plain", ""))
            if "image/png" in data:
                data["image/png"] = _in_256_colours(data["image/png"])
        cell.outputs = _joined(cell.outputs)
    notebook.metadata = nbformat.from_dict(METADATA)


def _in_256_colours(png):
    """Return a picture (base64) with a palette: a third of the bytes, so that it may have more pixels."""
    picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    stored = io.BytesIO()
    picture.quantize(256, dither=Image.Dither.NONE).save(stored, "PNG", optimize=True)
    return base64.b64encode(stored.getvalue()).decode("ascii")


def _one_line(text):
    """Return the first line, such as <Figure size ...>; nothing if the text shows a memory address."""
    return text.splitlines()[0] if text and " at 0x" not in text else ""


def _joined(outputs):
    """Join the pieces of a printed text, because their borders depend on timing."""
    joined = []
    for output in outputs:
        before = joined[-1] if joined else None
        if before and _stream(output) is not None and _stream(output) == _stream(before):
            before.text += output.text
        else:
            joined.append(output)
    return joined


def _stream(output):
    """Return "stdout" or "stderr", or None for an output that was not printed."""
    return output.name if output.output_type == "stream" else None


def problems(notebook, values=None):
    """Return the problems of an executed notebook: errors, warnings, paths, numbers that the run refutes."""
    found = []
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            where = f"the cell that begins {cell.source.splitlines()[0]!r}"
            text = "".join(output.get("text", "")) + "".join(output.get("data", {}).get("text/plain", ""))
            if output.output_type == "error":
                found.append(f"{where} stopped with {output.ename}: {output.evalue}")
            elif output.get("name") == "stderr":
                found.append(f"{where} wrote to stderr: {text[:300]}")
            elif DEBRIS.search(text):
                kinds = "a warning, a path of this machine, an address or a progress bar"
                found.append(f"{where} shows {kinds}: {text[:300]}")
    for quote, value in zip(quotes(notebook), values or ()):
        if not abs(quote.number - value) <= quote.tolerance:
            run = f"{quote.expression} = {value:.6g} (± {quote.tolerance:.3g})"
            found.append(f"the text says {quote.text}, the run gives {run}")
    return found


def structure(notebook, name):
    """Return the rules of a lesson's structure that this one breaks, as sentences."""
    texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    text = "\n\n".join(texts)
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    number = name[:2]
    parts = ("You will be able to", "Needs", "Runs in")
    endings = ["Summary", "中文小结", "Quiz", "Exercises"]
    headings = [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]
    words = len(re.findall(r"[A-Za-z][\w'’-]*", NOT_WORDS.sub(" ", text)))
    chinese = re.sub(r"\s", "", text.partition("## 中文小结")[2].partition("\n## ")[0])
    num_pictures = sum(_is_picture(output) for cell in notebook.cells for output in cell.get("outputs", ()))
    num_quotes = len(quotes(notebook))
    num_bytes = len(nbformat.writes(notebook))
    checked = CHECKED.findall(code)
    expected = [exercise.name for exercise in exercises.lessons().get(number, ())]
    title = f"# {number} · "
    rules = [
        (notebook.cells[0].source.startswith(title), f"the first cell begins with {title!r}"),
        (all(part in texts[0] for part in parts), f"the first text has the parts {', '.join(parts)}"),
        (headings[-4:] == endings, f"the last headings are {', '.join(endings)}, not {headings[-4:]}"),
        (len(notebook.cells) <= 60, f"at most 60 cells, not {len(notebook.cells)}"),
        (words <= 3000, f"at most 3,000 words, not {words}"),
        (100 <= len(chinese) <= 230, f"about 150 characters of Chinese, not {len(chinese)}"),
        (num_pictures >= 4, f"at least four pictures, not {num_pictures}"),
        (num_quotes >= 5, f"at least five numbers that are compared with the run, not {num_quotes}"),
        (text.count("<details>") >= 4, "folded answers to at least four questions"),
        (text.count("<details>") == text.count("</details>"), "every <details> is closed"),
        (num_bytes < 1_000_000, f"less than 1 MB, not {num_bytes:,} bytes"),
        (checked == expected and expected, f"checks the exercises {expected} in this order, not {checked}"),
    ]
    return [f"expected: {rule}" for holds, rule in rules if not holds]


def _is_picture(output):
    return any(kind.startswith("image/") for kind in output.get("data", ()))


def main():
    from nbclient.exceptions import CellExecutionError

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="05_attention or solutions/05_attention (default: all)"
    )
    parser.add_argument("--check", action="store_true", help="store nothing")
    options = parser.parse_args()
    wrong = 0
    for name in options.names or names():
        name = name.removesuffix(".ipynb").removeprefix("notebooks/")
        notebook = load(name)
        start = time.perf_counter()
        try:
            values = execute(notebook, (FOLDER / name).parent)
        except CellExecutionError as error:
            print(f"{name}: {error}")
            wrong += 1
            continue
        found = problems(notebook, values) + ([] if "/" in name else structure(notebook, name))
        wrong += len(found)
        seconds = time.perf_counter() - start
        print(f"{name}: {seconds:.0f} s, {len(values)} numbers compared", *found, sep="\n    ")
        if not options.check:
            nbformat.write(notebook, FOLDER / f"{name}.ipynb")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
