"""Execute the notebooks and store their outputs, or compare what they say with what a run gives.

    python notebooks/execute.py                      # all of them, one after the other; solutions, too
    python notebooks/execute.py 05_attention         # one, after editing it; solutions/05_attention for its solutions
    python notebooks/execute.py --check              # store nothing: tell what is wrong (pytest -m notebooks does the same)

A notebook runs in a fresh kernel, top to bottom, in its own folder. What is stored has no times, no kernel versions
and no progress bars, so that a change of a lesson is a small change of the file. A number in the text that is followed by a
comment is compared with the run:

    the loss falls to 0.954<!-- final_loss -->                 half a unit of the last digit may be off
    about 2.1<!-- ratio ± 0.3 --> times as much                or as much as is said
"""

import argparse
import json
import os
import pathlib
import re
import sys
import time
import warnings
from typing import NamedTuple

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from minibert.course import exercises

FOLDER = pathlib.Path(__file__).parent
TIMEOUT = 600    # seconds for one cell: the slowest needs 40 on two idle cores
QUOTED = re.compile(r"(?P<number>[-−]?\d[\d,]*(?:\.\d+)?(?:[eE][-+−]?\d+)?)\s?%?\**`?<!--\s*(?P<expression>.+?)\s*-->")


class Quote(NamedTuple):
    """A number that a text quotes: as written, the expression that computes it, and by how much the two may differ."""

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
    return Quote(match["number"], expression.strip(), float(text), float(tolerance) if sign else 0.501 * last_digit)


def execute(notebook, folder=FOLDER):
    """Run a notebook in a fresh kernel, in place; return the values of its Quotes.

    Raises:
        CellExecutionError: a cell stopped.
    """
    expressions = [quote.expression for quote in quotes(notebook)]
    client = NotebookClient(notebook, timeout=TIMEOUT, record_timing=False, resources={"metadata": {"path": str(folder)}})
    # A student's kernel: pictures in the notebook, and no warnings that this shell has asked for.
    unwanted = ("PYTHONWARNDEFAULTENCODING", "PYTHONWARNINGS")
    environment = {name: value for name, value in os.environ.items() if name not in unwanted}
    environment |= {"MPLBACKEND": "module://matplotlib_inline.backend_inline", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    with warnings.catch_warnings(), client.setup_kernel(env=environment):
        warnings.simplefilter("ignore")
        for index, cell in enumerate(notebook.cells):
            client.execute_cell(cell, index)
        code = f"import json; print(json.dumps([float(value) for value in ({''.join(e + ', ' for e in expressions)})]))"
        asking = nbformat.v4.new_code_cell(code)
        notebook.cells.append(asking)
        client.execute_cell(asking, len(notebook.cells) - 1)
        notebook.cells.pop()
    _clean(notebook)
    return json.loads(asking.outputs[-1].text)


def _clean(notebook):
    """Take out what differs from one machine or run to the next."""
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
            if "image/png" in data or "text/markdown" in data or "text/html" in data:  # <Figure size ...>, <minibert ... at 0x...>
                data["text/plain"] = _one_line(data.get("text/plain", ""))
        cell.outputs = _joined(cell.outputs)
    notebook.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}, "language_info": {"name": "python"}}


def _one_line(text):
    return text.splitlines()[0] if text and " at 0x" not in text else ""


def _joined(outputs):
    """Join what was printed in pieces, so that the pieces do not depend on timing."""
    joined = []
    for output in outputs:
        if joined and output.output_type == "stream" == joined[-1].output_type and output.name == joined[-1].name:
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


def problems(notebook, values=None):
    """Return what is wrong with an executed notebook, as sentences: errors, warnings, paths, numbers that differ."""
    found = []
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            where = f"the cell that begins {cell.source.splitlines()[0]!r}"
            text = "".join(output.get("text", "")) + "".join(output.get("data", {}).get("text/plain", ""))
            if output.output_type == "error":
                found.append(f"{where} stopped with {output.ename}: {output.evalue}")
            elif output.get("name") == "stderr":
                found.append(f"{where} wrote to stderr: {text[:300]}")
            elif re.search(r"Warning:|/tmp/|/home/|/root/|/Users/|[A-Z]:\\|site-packages| at 0x[0-9a-f]+|it/s|\x1b", text):
                found.append(f"{where} shows a warning, a path of this machine, an address or a progress bar: {text[:300]}")
    for quote, value in zip(quotes(notebook), values or ()):
        if not abs(quote.number - value) <= quote.tolerance:
            found.append(f"the text says {quote.text}, the run gives {quote.expression} = {value:.6g} (± {quote.tolerance:.3g})")
    return found


def structure(notebook, name):
    """Return in what a lesson is not built as the others are, as sentences."""
    texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    text = "\n\n".join(texts)
    pictures = [output for cell in notebook.cells for output in cell.get("outputs", ()) if any(kind.startswith("image/") for kind in output.get("data", ()))]
    words = len(re.findall(r"[A-Za-z][\w'’-]*", re.sub(r"<!--.*?-->|\$\$.*?\$\$|\$[^$\n]+\$|```.*?```|<[^>]+>", " ", text, flags=re.DOTALL)))
    headings = [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]
    chinese = re.sub(r"\s", "", text.partition("## 中文小结")[2].partition("\n## ")[0])
    checked = re.findall(r"^exercises\.check\(\"(\w+)\"", "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code"), re.MULTILINE)
    expected = [exercise.name for exercise in exercises.lessons().get(name[:2], ())]
    claims = [
        (notebook.cells[0].source.startswith(f"# {name[:2]} · "), f"the first cell begins with '# {name[:2]} · '"),
        (all(part in texts[0] for part in ("You will be able to", "Needs", "Runs in")), "the first text says what you will be able to do, needs, run time"),
        (headings[-4:] == ["Summary", "中文小结", "Quiz", "Exercises"], f"the last headings are Summary, 中文小结, Quiz, Exercises, not {headings[-4:]}"),
        (len(notebook.cells) <= 60, f"at most 60 cells, not {len(notebook.cells)}"),
        (words <= 2500, f"at most 2,500 words, not {words}"),
        (100 <= len(chinese) <= 230, f"about 150 characters of Chinese, not {len(chinese)}"),
        (len(pictures) >= 4, f"at least four pictures, not {len(pictures)}"),
        (len(quotes(notebook)) >= 5, f"at least five numbers that are compared with the run, not {len(quotes(notebook))}"),
        (text.count("<details>") == text.count("</details>") >= 4, "folded answers to at least four questions"),
        (len(nbformat.writes(notebook)) < 1_000_000, f"less than 1 MB, not {len(nbformat.writes(notebook)):,} bytes"),
        (checked == expected and expected, f"checks the lesson's exercises in their order: {expected}, not {checked}"),
    ]  # fmt: skip
    return [f"expected: {claim}" for holds, claim in claims if not holds]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="05_attention or solutions/05_attention (default: all)")
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
        print(f"{name}: {time.perf_counter() - start:.0f} s, {len(values)} numbers compared", *found, sep="\n    ")
        if not options.check:
            nbformat.write(notebook, FOLDER / f"{name}.ipynb")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
