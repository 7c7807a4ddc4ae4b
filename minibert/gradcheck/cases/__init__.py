"""The cases of the gradient check: every layer and model, in every mode that changes its arithmetic.

    layer, inputs, forward_kwargs = CASES["MultiHeadAttention padding"]
    report = check_gradients(layer, *inputs, **forward_kwargs)

A name is the class and its mode. A case is built when it is first looked up; listing the names builds
nothing.

A file a family. Each has a dictionary CASES, {name: function that builds the Case}, and is found by listing
this folder: a new model adds a file and edits none. common.py holds the parts that the families share.

All sizes are pairwise different, so that a wrong axis cannot fit. Weights, gains and biases are of size one,
and not 0.02, 1 and 0; ids and segment ids repeat; one row of the batch has nothing to predict. Equal, small
and special numbers hide mistakes.

Imported only when it is needed: by `minibert gradcheck`, by the bug museum and by tests/gradients.
"""

import importlib
import pkgutil
from collections.abc import Mapping

from minibert.gradcheck.cases.common import Case, random, scrambled

__all__ = ["CASES", "Case", "Cases", "random", "scrambled"]


class Cases(Mapping):
    """Mapping name -> Case. A case is built when it is first looked up; from then on it is the same object.

    Attributes:
        builders: dict name -> function without arguments that returns the Case.
        built:    dict name -> Case, those that were looked up.
    """

    def __init__(self, builders):
        self.builders = builders
        self.built = {}

    def __getitem__(self, name):
        if name not in self.built:
            self.built[name] = self.builders[name]()
        return self.built[name]

    def __contains__(self, name):
        return name in self.builders

    def __iter__(self):
        return iter(self.builders)

    def __len__(self):
        return len(self.builders)


def collect():
    """Return the builders of all families, the layers first, then the others by the name of their file."""
    families = {module.name for module in pkgutil.iter_modules(__path__)} - {"common"}
    builders = {}
    for family in sorted(families, key=lambda name: (name != "layers", name)):
        own = importlib.import_module(f"{__name__}.{family}").CASES
        twice = sorted(set(own) & set(builders))
        if twice:
            raise ValueError(f"two families have a case {twice[0]!r}, {family} is one: rename the case")
        builders |= own
    return builders


CASES = Cases(collect())
