"""Points of a grid in a JSON-lines file: one line each, appended when it is known, never computed again."""

import json
import pathlib

from minibert.files import write_atomically


class Points:
    """The points in a file, which need not exist yet.

    Args:
        path: of the file.
        say: function that takes a line of progress.
        key: {name: type} of what tells a point from others; the first begins every line, and is a string.
        results: {name: type} of what else every point has.

    Attributes:
        found: {key_of(point): point}, in the order of the file; a point is a dict.

    Raises:
        ValueError: the path is a folder, or a line is not a point. Only a last line that a stopped run cut
            off is dropped, when the file is next written.
    """

    def __init__(self, path, say, key, results):
        self.path, self.found = pathlib.Path(path), {}
        self.key, self.types = tuple(key), {**key, **results}
        self.start = f'{{"{self.key[0]}": "'.encode("ascii")
        self.mended = None  # what the file should hold, if it does not
        if self.path.is_dir():
            raise ValueError(f"{path} is a folder: give --points a file")
        content = self.path.read_bytes() if self.path.is_file() else b""
        lines = content.split(b"\n")
        for number, line in enumerate(lines[:-1], start=1):
            point = self._point_of(line)
            if point is None:
                raise ValueError(
                    f"{path}, line {number} is not a point of this benchmark: mend or remove the line, or "
                    "give another --points FILE"
                )
            self.found[self.key_of(point)] = point
        self._end(lines[-1], content, say)

    def _end(self, rest, content, say):
        """Deal with what follows the last line end."""
        if not rest:
            return
        point = self._point_of(rest)
        if point is not None:
            self.found[self.key_of(point)] = point
            self.mended = content + b"\n"
        elif self.found and rest[: len(self.start)] == self.start[: len(rest)] and not _is_json(rest):
            say(f"note  the last line of {self.path} is cut off, as by a run that was stopped: it does not "
                "count, and its point is computed again")
            self.mended = content[: len(content) - len(rest)]
        else:
            raise ValueError(
                f"the last line of {self.path} is not a point of this benchmark: remove it, or give another "
                "--points FILE"
            )

    def make_writable(self):
        """Make the file and its folder if they are not there, and end its last line.

        Raises:
            OSError: the file cannot be written. Better now than after the first point.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.mended is not None:
            write_atomically(self.path, self.mended)
            self.mended = None
        self.path.open("ab").close()

    def add(self, point):
        """Append a point to the file."""
        self.make_writable()
        with self.path.open("ab") as file:
            file.write(json.dumps(point).encode("ascii") + b"\n")
        self.found[self.key_of(point)] = point

    def key_of(self, point):
        """Return what tells a point from others."""
        return tuple(json.dumps(point[name]) for name in self.key)

    def _point_of(self, line):
        """Return the point of a line, or None."""
        try:
            point = json.loads(line)
        except ValueError:
            return None
        if not isinstance(point, dict) or not point.keys() >= self.types.keys():
            return None
        return point if all(isinstance(point[name], kind) for name, kind in self.types.items()) else None


def _is_json(line):
    """Return whether a line is whole: the start of a point is not."""
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
