"""The exercises of the notebooks. They check themselves, there and in `minibert grade` for an instructor.

    from minibert.course import exercises
    exercises.check("rms_norm", rms_norm_forward, rms_norm_backward)     # prints the points and the mistakes

A backward pass is graded by the gradient check, so there is no answer key: any right derivation counts. A
forward pass is compared with a few committed numbers. kinds.py has the kinds of exercise, lesson_NN.py the
exercises of a lesson, variants.py gives each student other numbers, grading.py reads a student's file. The
full text of each task is in its notebook, the solutions are in notebooks/solutions.
"""

import difflib
import functools
import importlib
import pathlib

from minibert.course.exercises import variants

recorded = []  # the Results of every check of this process, in order; `minibert grade` reads them
students = []  # the ids that `student` was given; the last one counts


def student(name):
    """Use the numbers of a student from here on: `minibert handout` writes this line into a notebook.

    Args:
        name: the student's id, a str. The tasks stay the same; the data are other ones, and follow from it.
    """
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f'exercises.student("...") takes the student\'s id as text; it was given {name!r}')
    students.append(name.strip())
    print(f"The exercises have the numbers of {students[-1]}.")


def check(name, *answers):
    """Grade an answer and print the result.

    Args:
        name: of the exercise, in its title in the notebook.
        answers: a forward and a backward function, a layer, one function, or one value.

    Raises:
        ValueError: there is no such exercise.
    """
    exercise = variants.own(find(name), students[-1]) if students else find(name)
    result = exercise.grade(*answers)
    recorded.append(result)
    print(result)


def find(name):
    """Return the exercise of that name; ValueError if there is none."""
    exercises = {exercise.name: exercise for lesson in lessons().values() for exercise in lesson}
    if name not in exercises:
        close = difflib.get_close_matches(str(name), exercises, n=3, cutoff=0.4)
        raise ValueError(
            f"there is no exercise {name!r}" + (f"; did you mean {' or '.join(close)}?" if close else "")
        )
    return exercises[name]


@functools.cache
def lessons():
    """Return {number of the lesson, "05": its exercises, in order}."""
    names = sorted(path.stem for path in pathlib.Path(__file__).parent.glob("lesson_*.py"))
    return {
        name.removeprefix("lesson_"): importlib.import_module(f"{__name__}.{name}").EXERCISES
        for name in names
    }
