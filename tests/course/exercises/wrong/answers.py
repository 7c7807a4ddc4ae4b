"""How a wrong answer to an exercise with a forward and a backward is written in one line."""

from course.exercises.solutions import solution

from minibert.course import exercises


def no_backward(d_y, cache):
    raise AssertionError("the backward of a wrong forward was run")


def forward(function):
    """An answer whose forward is wrong: function(*inputs, **constants) returns a wrong y."""
    return lambda *inputs, **constants: (function(*inputs, **constants), None), no_backward


def backward(name, change):
    """The solution's forward, with a backward of which a step is wrong.

    change(d_y, gradients, *inputs) returns the wrong gradients; `gradients` is a list of the right ones.
    """
    answers = solution(name)
    first, last = answers if len(answers) == 2 else (answers[0].forward, answers[0].backward)
    inputs, _ = exercises.find(name).arguments()

    def wrong(d_y, cache):
        gradients = last(d_y, cache)
        each = [*gradients] if isinstance(gradients, tuple) else [gradients]
        changed = change(d_y, each, *inputs)
        return tuple(changed) if isinstance(gradients, tuple) else changed

    return first, wrong
