"""Colours, and how a picture is written to a file."""

import matplotlib
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

# Distinct with any colour vision (Okabe & Ito 2008, "Color universal design").
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#777777"

# The colour and the marker of each series of a picture.
STYLES = [
    (BLUE, "o"),
    (ORANGE, "s"),
    (GREEN, "^"),
    ("#CC79A7", "D"),
    ("#000000", "v"),
    ("#E69F00", "P"),
    ("#56B4E9", "X"),
    (GREY, "*"),
]

# From the smallest value (negative) over zero to the largest.
TWO_SIDED = LinearSegmentedColormap.from_list("two-sided", [ORANGE, "white", BLUE])


def save(plot, path, *inputs, size=(9, 3.6), **options):
    """Draw plot(*inputs, **options) on a figure of its own and write it as a PNG file; no display is needed.

    Args:
        plot: a function of this package, such as loss_curves.
        path: of the file.
        *inputs, **options: handed to plot.
        size: width and height in inches, at 120 dots per inch.
    """
    with matplotlib.rc_context({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False}):
        figure = new_figure(*size)
        plot(*inputs, figure=figure, **options)
        figure.savefig(path, dpi=120)


def new_figure(width, height):
    """Return an empty Figure, in inches, that no window waits for."""
    return Figure(figsize=(width, height), layout="constrained")
