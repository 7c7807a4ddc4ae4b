"""The exercises of the notebooks: they check themselves, in the notebook and, for an instructor, by `minibert grade`.

    from minibert.course import exercises
    exercises.check("rms_norm", rms_norm_forward, rms_norm_backward)     # prints the points and, if it is wrong, what is wrong

A backward pass is graded by the gradient check, so no answer key stands here: any derivation that is right is right.
A forward pass is compared with a few committed numbers. kinds.py has the kinds of exercise, lesson_NN.py the
exercises of a lesson, grading.py reads a student's file. The texts of the tasks stand in the notebooks, solutions in
notebooks/solutions.
"""

import difflib
import functools
import importlib
import pathlib

recorded = []  # the Results of every check of this process, in order: what `minibert grade` reads


def check(name, *answers):
    """Grade an answer and print what was found.

    Args:
        name: the exercise, as its title in the notebook says.
        answers: what the exercise asks for: a forward and a backward function, or a layer, or one function, or a value.

    Raises:
        ValueError: there is no such exercise.
    """
    result = find(name).grade(*answers)
    recorded.append(result)
    print(result)


def find(name):
    """Return the exercise of that name; ValueError if there is none."""
    exercises = {exercise.name: exercise for lesson in lessons().values() for exercise in lesson}
    if name not in exercises:
        close = difflib.get_close_matches(str(name), exercises, n=3, cutoff=0.4)
        raise ValueError(f"there is no exercise {name!r}" + (f"; did you mean {' or '.join(close)}?" if close else ""))
    return exercises[name]


@functools.cache
def lessons():
    """Return {number of the lesson, "05": its exercises, in order}."""
    names = sorted(path.stem for path in pathlib.Path(__file__).parent.glob("lesson_*.py"))
    return {name.removeprefix("lesson_"): importlib.import_module(f"{__name__}.{name}").EXERCISES for name in names}
