"""Colours, and how a picture is written to a file or shown."""

import io
import os
import pathlib
import sys
import tempfile
import webbrowser

import matplotlib
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

SCREEN_DPI = 80  # dots per inch of a picture in a notebook, before the browser zooms

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


def save(plot, path, *inputs, size=None, **options):
    """Draw plot(*inputs, **options) on a figure of its own and write it as a PNG file; no display is needed.

    Args:
        plot: a function of this package, such as loss_curves.
        path: of the file; it holds the whole picture or what it held before, also on a full disk.
        *inputs, **options: handed to plot.
        size: width and height in inches, at 120 dots per inch; None is the size that the plot chooses.
    """
    path = pathlib.Path(path)
    temporary = path.with_name(f".{path.name}.minibert")
    try:
        _draw(plot, inputs, size, options).savefig(temporary, format="png", dpi=120)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def show(plot, *inputs, size=None, **options):
    """Draw plot(*inputs, **options) and open the picture, from a debugger's prompt, too.

    In a notebook it appears below the cell; else it is a PNG file in the folder for temporary files, which
    the browser opens. (plt.show() shows nothing: these figures belong to no window.)

    Args:
        as in save.

    Returns:
        the path of the file; None in a notebook.

    Example:
        (Pdb) plots.show(plots.attention_maps, [cache.probs[0]], range(15))     # in an attention's backward
    """
    ipython = sys.modules.get("IPython")
    if ipython is not None and hasattr(ipython.get_ipython(), "kernel"):
        figure, picture = _draw(plot, inputs, size, options), io.BytesIO()
        figure.savefig(picture, format="png", dpi=1.5 * SCREEN_DPI)  # sharp when the browser zooms, too
        width = round(SCREEN_DPI * figure.get_figwidth())
        ipython.display.display(ipython.display.Image(picture.getvalue(), width=width))
        return None
    handle, path = tempfile.mkstemp(".png", "minibert-")
    os.close(handle)
    save(plot, path, *inputs, size=size, **options)
    webbrowser.open(pathlib.Path(path).as_uri())
    return path


def _draw(plot, inputs, size, options):
    """Return the Figure of a plot, in the size that is given or else the plot's own."""
    with matplotlib.rc_context({"font.size": 12, "axes.spines.top": False, "axes.spines.right": False}):
        if size is not None:
            options = {**options, "figure": new_figure(*size)}
        axes = plot(*inputs, **options)
    while not hasattr(axes, "figure"):  # a list or an array of Axes
        axes = axes[0]
    return axes.figure


def new_figure(width, height):
    """Return an empty Figure, in inches, that no window waits for."""
    return Figure(figsize=(width, height), layout="constrained")
