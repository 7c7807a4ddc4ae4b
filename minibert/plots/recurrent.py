"""Recurrent models: the network unrolled in time, gradients against distance, gates over a text."""

import numpy as np

from minibert.plots.style import BLUE, GREEN, GREY, ORANGE, STYLES, new_figure


def unrolled(words, answers, figure=None):
    """Draw a recurrent model unrolled over a text: the same cell at every step, the state handed on.

    Args:
        words: list of T strings, the inputs.  answers: list of T strings, each the word that comes next.
        figure: where to draw; None makes one.

    Returns:
        the Axes.

    Example:
        >>> axes = unrolled(["did", "anna"], ["anna", "hide"])
        >>> [text.get_text() for text in axes.texts if text.get_text().startswith("h")]
        ['h0', 'h1', 'h2', 'hide']
    """
    axes = (figure or new_figure(10, 3.6)).subplots()
    forward = {"arrowstyle": "->", "color": BLUE, "linewidth": 2.5}
    backward = {"arrowstyle": "->", "color": ORANGE, "linewidth": 2, "linestyle": "--"}
    text = {"ha": "center", "va": "center", "fontsize": 13}
    for place in range(len(words) + 1):
        box = {"boxstyle": "round,pad=0.4", "facecolor": "white", "edgecolor": BLUE, "linewidth": 2}
        axes.text(place, 0, f"h{place}", bbox=box, **text)
    for place, (word, answer) in enumerate(zip(words, answers), start=1):
        axes.annotate("", (place - 0.25, 0.08), (place - 0.75, 0.08), arrowprops=forward)
        axes.annotate("", (place - 0.75, -0.1), (place - 0.25, -0.1), arrowprops=backward)
        axes.annotate("", (place, -0.3), (place, -0.85), arrowprops={**forward, "color": GREEN})
        axes.annotate("", (place, 0.85), (place, 0.3), arrowprops={**forward, "color": GREY})
        axes.text(place, -1.05, word, **text)
        axes.text(place, 1.05, answer, color=GREY, **text)
    axes.text(-0.1, 1.05, "next word", color=GREY, **text)
    axes.text(-0.1, -1.05, "word", **text)
    axes.set(xlim=(-0.7, len(words) + 0.5), ylim=(-1.35, 1.35))
    axes.set_axis_off()
    return axes


def against_distance(panels, figure=None):
    """Draw how large a gradient is k tokens back, on a logarithmic scale: a thick line is the median.

    Args:
        panels: {title: {name: array (seeds, K)}}, at most six names; column k belongs to distance k.
        figure: where to draw; None makes one.

    Returns:
        a list of Axes, one for each panel.

    Example:
        >>> [axes] = against_distance({"fresh": {"RNN": np.array([[1, 0.5], [1, 0.1], [1, 0.2]])}})
        >>> [float(y) for y in axes.get_lines()[3].get_ydata()]
        [1.0, 0.2]
    """
    figure = figure or new_figure(5.4 * len(panels), 4.2)
    row = list(figure.subplots(1, len(panels), squeeze=False, sharey=True)[0])
    for axes, (title, curves) in zip(row, panels.items()):
        for (color, marker), (name, values) in zip(STYLES, curves.items()):
            values = np.asarray(values)
            for curve in values:
                axes.plot(curve, color=color, alpha=0.4, linewidth=1)
            look = {"marker": marker, "markevery": max(1, values.shape[1] // 8), "linewidth": 3}
            axes.plot(np.median(values, axis=0), color=color, label=name, **look)
        axes.set_yscale("log")
        axes.set_title(title, fontsize=14)
        axes.set_xlabel("k, tokens back", fontsize=13)
        axes.tick_params(labelsize=12)
        axes.legend(fontsize=12, framealpha=0.9, edgecolor="none")
    row[0].set_ylabel("gradient, relative to k = 0", fontsize=13)
    return row


def gate_traces(panels, tokens, figure=None):
    """Draw gates over a text: a row for each cell, a column for each token that is read.

    Args:
        panels: {title: array (cells, T) in 0 … 1}, one below the other.
        tokens: list of T strings.
        figure: where to draw; None makes one.

    Returns:
        a list of Axes, one for each panel.

    Example:
        >>> [axes] = gate_traces({"forget gate": np.array([[0.2, 0.9]])}, ["did", "anna"])
        >>> [text.get_text() for text in axes.texts]
        ['.2', '.9']
    """
    num_cells = max(len(values) for values in panels.values())
    figure = figure or new_figure(11, len(panels) * (0.42 * num_cells + 0.5) + 0.9)
    column = list(figure.subplots(len(panels), 1, squeeze=False, sharex=True)[:, 0])
    for axes, (title, values) in zip(column, panels.items()):
        axes.imshow(values, vmin=0, vmax=1, cmap="Blues", aspect="auto")
        for (cell, place), value in np.ndenumerate(values):
            color = "white" if value > 0.55 else "black"
            text = "1" if value >= 0.95 else f"{value:.1f}".lstrip("0") if value >= 0.05 else "0"
            axes.text(place, cell, text, ha="center", va="center", color=color, fontsize=12)
        axes.set_title(title, fontsize=13, loc="left")
        axes.set_yticks([])
        axes.tick_params(length=0)
    column[-1].set_xticks(range(len(tokens)), tokens, rotation=60, fontsize=12)
    return column
