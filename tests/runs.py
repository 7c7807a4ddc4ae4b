"""Short runs, for several test files."""

from minibert import objectives
from minibert.objectives.masked_lm import MaskedLM
from minibert.training import run
from minibert.training.step import Training


def quiet(line):
    """Say nothing."""


def begin(output, recipe, **options):
    """Train a BERT by a recipe; return its last evaluation and its Training."""
    return run.begin(output, MaskedLM, recipe, **{"say": quiet, **options})


def resume(output, say=quiet):
    """Go on with a run."""
    return run.resume(output, objectives.find, say)


def training_of(recipe):
    """Return a Training that no run has begun with."""
    return Training(MaskedLM(recipe, say=quiet))


def contents(directory):
    """Return {relative path: bytes} of everything in a run's directory but the pictures."""
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*") if path.is_file() and path.suffix != ".png"
    }
