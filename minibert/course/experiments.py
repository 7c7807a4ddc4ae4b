"""What a lesson shows for one seed, done for five by a script in notebooks/data, with the same functions."""

import ast
import json
import pathlib

import numpy as np

DIGITS = 5  # of a stored number


def definitions(path):
    """Return the imports, functions and classes of a notebook by name; nothing else of it is run.

    Names that the functions look up outside themselves have to be put into the dict.

    Args:
        path: of the notebook.

    Example:
        >>> import minibert
        >>> lesson = pathlib.Path(minibert.__file__).parents[1] / "notebooks" / "02_glove.ipynb"
        >>> sorted(name for name in definitions(lesson) if "GloVe" in name)
        ['GloVeCache', 'GloVeForward', 'GloVeObjective', 'GloVeOfLookups']
    """
    kinds = ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef
    found = {"__name__": pathlib.Path(path).stem}
    for cell in json.loads(pathlib.Path(path).read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            tree = ast.parse("".join(cell["source"]))
            tree.body = [node for node in tree.body if isinstance(node, kinds)]
            exec(compile(tree, str(path), "exec"), found)
    return found


def rounded(found):
    """Return dicts, lists and arrays with numbers of five significant digits; None for what is not finite.

    Example:
        >>> rounded({"loss": np.float32(1.234567), "curve": (np.nan, 0.00012345678), "word": "duck"})
        {'loss': 1.2346, 'curve': [None, 0.00012346], 'word': 'duck'}
    """
    if isinstance(found, dict):
        return {name: rounded(item) for name, item in found.items()}
    if isinstance(found, (list, tuple, np.ndarray)):
        return [rounded(item) for item in found]
    if found is None or isinstance(found, str):
        return found
    return float(f"{float(found):.{DIGITS}g}") if np.isfinite(found) else None


def store(script, of_seed, seeds=range(5)):
    """Write of_seed(seed), a dict, for each seed into the JSON file beside a script, a line for each.

    The file is written after each seed, so that nothing is lost if the script is stopped.
    """
    lines = []
    for seed in seeds:
        lines.append(f'"{seed}": {json.dumps(rounded(of_seed(seed)))}')
        text = "{\n" + ",\n".join(lines) + "\n}\n"
        pathlib.Path(script).with_suffix(".json").write_text(text, encoding="ascii")


def over_seeds(path):
    """Return get(*keys), which looks up one result of each seed in a stored file, as an array (seeds, ...).

    Args:
        path: of a file that `store` wrote.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     store(f"{folder}/made.py", lambda seed: {"curve": [9, 8 + seed]})
        ...     get = over_seeds(f"{folder}/made.json")
        >>> get("curve", -1)
        array([ 8.,  9., 10., 11., 12.])
    """
    stored = json.loads(pathlib.Path(path).read_text(encoding="ascii"))

    def get(*keys):
        values = []
        for found in stored.values():
            for key in keys:
                found = found[key]
            values.append(found)
        return np.array(values, float)

    return get
