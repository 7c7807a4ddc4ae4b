"""The answers of notebooks/solutions, without a kernel."""

import functools
import json
import pathlib

from minibert.course import exercises
from minibert.course.exercises.grading import HEADING

FOLDER = pathlib.Path(__file__).parents[3] / "notebooks" / "solutions"


@functools.cache
def solutions(lesson):
    """Return {exercise: what its cell gives to exercises.check}, from the heading "Exercises" on."""
    (path,) = FOLDER.glob(f"{lesson}_*.ipynb")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells]
    start = next(index for index, source in enumerate(sources) if HEADING.search(source))
    given, check = {}, exercises.check
    exercises.check = lambda name, *answers: given.__setitem__(name, answers)
    try:
        namespace = {"__name__": "solution"}
        for cell, source in zip(cells[start:], sources[start:]):
            if cell["cell_type"] == "code":
                exec(compile(source, path.name, "exec"), namespace)
    finally:
        exercises.check = check
    return given


def solution(name):
    """Return what the solution of an exercise gives to exercises.check."""
    lesson = next(
        number
        for number, lesson in exercises.lessons().items()
        if name in {exercise.name for exercise in lesson}
    )
    return solutions(lesson)[name]
