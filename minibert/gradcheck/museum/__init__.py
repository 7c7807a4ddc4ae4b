"""The bug museum: mistakes of published code, each as a small variant of our own layers.

    from minibert.gradcheck import museum
    exhibit = museum.exhibits["transposed-key"]
    print(exhibit)                                 # its story, and the lines in which it differs from ours
    print(exhibit.check())                         # the gradient check: where it is wrong, and how that looks
    model = museum.plant(model, "transposed-key")  # a copy of a model with the mistake: train it and watch

Every mistake was found in code that people had published and used: in transformers and recurrent networks in
NumPy, which were measured, and in issues of others. Each is a class that holds only the lines that differ,
so that `exhibit.difference()` is a few lines. Its docstring tells how the mistake looked, how it hides and
its cost; `exhibit.seen` has the public places where a mistake of its kind was reported.

Planted in a BERT, every one of them trains. The loss falls, because other ways to the loss are right, or
because a wrong gradient may still point downhill; for most of them the curve can hardly be told from the
right one. The gradient check can, with one exception: where forward itself computes something else than it
should, backward may be the right derivative of the wrong function. Those exhibits pass the gradient check,
and `exhibit.check_value()` compares them with a number known by hand.

A file a family. Each has a list EXHIBITS and is found by listing this folder: a new model adds a file and
edits none. exhibit.py explains an exhibit.
"""

import importlib
import pkgutil

from minibert.gradcheck.museum.exhibit import Exhibit, Finding

__all__ = ["Exhibit", "Finding", "exhibits", "find", "plant"]


def collect():
    """Return {name: Exhibit} of all families, by the name of their file."""
    families = sorted({module.name for module in pkgutil.iter_modules(__path__)} - {"exhibit"})
    listed = [importlib.import_module(f"{__name__}.{family}").EXHIBITS for family in families]
    return {exhibit.name: exhibit for family in listed for exhibit in family}


exhibits = collect()


def find(name):
    """Return the exhibit of that name; ValueError names them all if there is none."""
    if name not in exhibits:
        raise ValueError(f"there is no exhibit {name!r}: choose one of {', '.join(exhibits)}")
    return exhibits[name]


def plant(model, name):
    """Return a copy of a model (or of any layer) in which the layers of one class have the mistake of that
    name.

    The copy is an ordinary model: it can be trained, saved and checked. The model itself is left alone.

    Raises:
        ValueError: there is no exhibit of that name, or the model has no such layer.
    """
    return find(name).plant(model)


def __getattr__(name):
    """museum.TransposedKey is the class of an exhibit, whichever file holds it."""
    for exhibit in exhibits.values():
        if exhibit.theirs.__name__ == name:
            return exhibit.theirs
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
