"""The time that training takes."""

import numpy as np

from minibert.plots.style import BLUE, GREY, ORANGE, new_figure


def cost_growth(growth, names, figure=None):
    """Draw how the time of a training step grows with each of its sizes.

    Args:
        growth: {letter: [(size, seconds of a step, seconds of its matrix products)]}, as
            `minibert bench growth --json` prints it.
        names: {letter: its meaning}.
        figure: where to draw; None makes one.

    Returns:
        an array of Axes, one for each letter, logarithmic both ways. The dotted line doubles with the size.

    Example:
        >>> [axes] = cost_growth({"T": [(32, 0.1, 0.05), (64, 0.22, 0.12)]}, {"T": "tokens"})
        >>> axes.get_xlabel()
        'T: tokens'
    """
    figure = figure or new_figure(12, 4)
    row = figure.subplots(1, len(growth), sharey=True, squeeze=False)[0]
    for axes, (letter, measured) in zip(row, growth.items()):
        sizes, steps, products = (np.array(column, float) for column in zip(*measured))
        axes.plot(sizes, 1e3 * steps, "o-", color=BLUE, label="a training step")
        axes.plot(sizes, 1e3 * products, "s--", color=ORANGE, label="its matrix products alone")
        axes.plot(sizes, 1e3 * steps[-1] * sizes / sizes[-1], ":", color=GREY, label="doubles with the size")
        axes.set(xscale="log", yscale="log", xlabel=f"{letter}: {names[letter]}", title=letter)
        axes.set_xticks(sizes, [f"{size:,.0f}" for size in sizes])
        axes.minorticks_off()
        axes.yaxis.set_major_formatter("{x:g}")
        axes.grid(color="0.9")
    row[0].set_ylabel("ms")
    handles = row[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=3, frameon=False, fontsize=12)
    return row
