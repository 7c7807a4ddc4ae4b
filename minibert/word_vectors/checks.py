"""Checks of the arguments of word vectors: the message names it, its value and the kind expected."""

import math
import numbers


def check_whole(least, **arguments):
    """Raise for an argument that is not a whole number of `least` or more.

    Raises:
        TypeError: it is not a number.
        ValueError: it is 2.5, or too small.
    """
    for name, value in arguments.items():
        expected = f"{name} is {value!r}; it must be a whole number, {least} or more"
        if not isinstance(value, numbers.Real):
            raise TypeError(expected)
        if not isinstance(value, numbers.Integral) or value < least:
            raise ValueError(expected)


def check_number(least, **arguments):
    """Raise for an argument that is not a finite number of `least` or more; errors as in `check_whole`."""
    for name, value in arguments.items():
        expected = f"{name} is {value!r}; it must be a finite number"
        if least > -math.inf:
            expected += f", {least} or more"
        if not isinstance(value, numbers.Real):
            raise TypeError(expected)
        if not (math.isfinite(value) and value >= least):
            raise ValueError(expected)


def check_positive(**arguments):
    """Raise for an argument that is not a finite number above 0; errors as in `check_whole`."""
    for name, value in arguments.items():
        if not isinstance(value, numbers.Real):
            raise TypeError(f"{name} is {value!r}; it must be a number above 0")
        if not 0 < value < math.inf:
            raise ValueError(f"{name} is {value!r}; it must be above 0")


GENSIM_ARGUMENTS = {"size": "vector_size", "iter": "epochs", "callbacks": "on_progress"}


def refuse_others(name, others):
    """Raise a TypeError for arguments {name: value} that there are not; it names ours for one of gensim's."""
    for other in others:
        hint = f"here it is {GENSIM_ARGUMENTS[other]}" if other in GENSIM_ARGUMENTS else "leave it out"
        raise TypeError(f"{name} has no argument {other!r}: {hint}")


def check_choice(choices, **arguments):
    """Raise a ValueError for an argument that is none of the choices."""
    for name, value in arguments.items():
        if value not in choices:
            raise ValueError(f"{name} is {value!r}; it must be {' or '.join(map(repr, choices))}")
