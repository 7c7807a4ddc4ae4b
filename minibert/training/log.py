"""log.jsonl: a line of JSON for each step, and one for each evaluation."""

import json
import pathlib

from minibert.files import write_atomically


def read_log(path):
    """Return the lines of a log.jsonl as dictionaries; a line that a kill cut off is left out."""
    lines = []
    for text in pathlib.Path(path).read_text(encoding="utf-8-sig", errors="replace").splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and isinstance(line.get("step"), int):
            lines.append(line)
    return lines


def cut_log(path, last_step):
    """Remove the steps after `last_step`, the last checkpoint's: a run that was killed does them again."""
    kept = [line for line in read_log(path) if line["step"] <= last_step]
    write_atomically(path, "".join(map(as_line, kept)).encode("utf-8"))


def as_line(content):
    """Return a line of the log as text."""
    return json.dumps(content) + "\n"
