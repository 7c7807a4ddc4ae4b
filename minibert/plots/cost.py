"""The time that training takes."""

import numpy as np

from minibert.plots.style import BLUE, GREY, ORANGE, STYLES, new_figure


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


def loss_by_time(panels, figure=None):
    """Draw the loss of ways to train against time: the mean of the seeds, and their range as a shade.

    Args:
        panels: {title: {name: [array (S, 2) of seconds and loss, for each seed]}}, at most six names.
            S may differ between the seeds of a name: all are drawn at the seconds of the one with the
            fewest points, on straight lines between theirs.
        figure: where to draw; None makes one.

    Returns:
        a list of Axes, one for each panel.

    Example:
        >>> [axes] = loss_by_time({"ways": {"fast": [np.array([[0, 6.0], [9, 4.0]]), [[0, 6.0], [9, 5.0]]]}})
        >>> [float(y) for y in axes.get_lines()[0].get_ydata()]
        [6.0, 4.5]
    """
    figure = figure or new_figure(11.4, 4.8)
    row = list(figure.subplots(1, len(panels), sharey=True, squeeze=False)[0])
    for axes, (title, curves) in zip(row, panels.items()):
        for (color, marker), (name, runs) in zip(STYLES, curves.items()):
            seconds = np.array(min(runs, key=len))[:, 0]                        # (S,)
            loss = np.array([np.interp(seconds, *np.transpose(run)) for run in runs])  # (seeds, S)
            axes.plot(seconds, loss.mean(axis=0), color=color, marker=marker, label=name)
            axes.fill_between(
                seconds, loss.min(axis=0), loss.max(axis=0), color=color, alpha=0.2, linewidth=0)
        axes.set_title(title, fontsize=14)
        axes.set_xlabel("seconds of processor time", fontsize=13)
        axes.tick_params(labelsize=12)
        axes.grid(color="0.9")
        axes.legend(fontsize=12, frameon=False)
    row[0].set_ylabel("held-out MLM loss", fontsize=13)
    return row
