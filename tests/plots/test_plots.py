"""The package as a whole: the examples of its docstrings, its colours."""

import doctest
import importlib
import pathlib
import re

import pytest
from helpers import sampled

from minibert import plots

FILES = sorted(pathlib.Path(plots.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("path", sampled(FILES, every=3), ids=lambda path: path.stem)
def test_the_examples_of_the_docstrings(path):
    name = "minibert.plots" if path.stem == "__init__" else f"minibert.plots.{path.stem}"
    results = doctest.testmod(importlib.import_module(name))
    assert results.failed == 0
    assert results.attempted > 0 or path.stem in ("__init__", "style")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_text_is_smaller_than_twelve_points(path):
    set_to = r"(?:fontsize|labelsize|font\.size|SMALL)\"?(?: =|=|:) ?(\d+)"
    sizes = re.findall(set_to, path.read_text("utf-8"))
    assert [size for size in sizes if int(size) < 12] == []


def test_colours_are_told_apart_without_colour_vision():
    """Okabe and Ito's colours; in greys too the neighbours of a picture differ (0 is black, 1 white)."""
    from matplotlib.colors import to_rgb

    def grey(color):
        red, green, blue = to_rgb(color)
        return 0.299 * red + 0.587 * green + 0.114 * blue

    assert abs(grey(plots.BLUE) - grey(plots.ORANGE)) > 0.05
    assert len({marker for _, marker in plots.STYLES}) == len({color for color, _ in plots.STYLES}) == 8
