"""Short runs, for several test files."""

from helpers import quiet

from minibert import objectives
from minibert.objectives.masked_lm import MaskedLM
from minibert.training import run
from minibert.training.step import Training


def begin(output, recipe, **options):
    """Train a BERT by a recipe; return its last evaluation and its Training."""
    return run.begin(output, MaskedLM, recipe, **{"say": quiet, **options})


def resume(output, say=quiet, changes=None, **options):
    """Go on with a run."""
    return run.resume(output, objectives.find, say, changes, **options)


def training_of(recipe):
    """Return a Training that no run has begun with."""
    return Training(MaskedLM(recipe, say=quiet))
