"""XLNet in pictures: two guesses, who may look at whom, scores by distance, what two words cost."""

import numpy as np
from matplotlib.patches import FancyArrowPatch

from minibert.plots.style import BLUE, GREEN, GREY, ORANGE, new_figure

SMALL = 12  # points; nothing is smaller


def two_guesses(words, hidden, figure=None):
    """Draw two hidden words that are guessed at once, and one after the other.

    Args:
        words: list of strings.  hidden: the places of two of them.
        figure: where to draw; None makes one.

    Returns:
        [Axes of the guesses at once, Axes of those one after the other].

    Example:
        >>> left, right = two_guesses(["rome", "in", "italy"], [0, 2])
        >>> len(left.patches), len(right.patches)       # arrows from each shown word; and between the guesses
        (2, 3)
    """
    row = list((figure or new_figure(11, 3.6)).subplots(1, 2))
    first, second = hidden
    text = {"ha": "center", "va": "center", "fontsize": 13}
    titles = "at once: neither knows the other", "one after the other: the second knows the first"
    for axes, title in zip(row, titles):
        for place, word in enumerate(words):
            axes.text(place, 0, "?" if place in hidden else word, rotation=30, **text)
        for target in hidden:
            axes.text(target, 2, words[target], fontweight="bold", color=BLUE, **text)
            for place in range(len(words)):
                if place not in hidden:
                    _arrow(axes, (place, 0.45), (target, 1.7), GREY)
        axes.set_title(title, fontsize=14)
        axes.set(xlim=(-0.9, len(words) - 0.1), ylim=(-0.7, 3.1))
        axes.set_axis_off()
    _arrow(row[1], (first + 0.3, 2.25), (second - 0.4, 2.25), ORANGE, width=3, bend=-0.25)
    return row


def _arrow(axes, start, end, color, width=1.0, bend=0.0):
    axes.add_patch(FancyArrowPatch(
        start, end, arrowstyle="->", mutation_scale=14, color=color, linewidth=width,
        connectionstyle=f"arc3,rad={bend}"))


def sight(panels, figure=None):
    """Draw who may look at whom: content rows above, query rows below; an empty cell is "may not look".

    Args:
        panels: {title: ((row names, (T, T) booleans) of content, (row names, (M, T) booleans) of query)}.
        figure: where to draw; None makes one.

    Returns:
        list of (Axes of the content rows, Axes of the query rows), one for each panel.

    Example:
        >>> rows = (["rome 1", "in"], np.eye(2)), (["rome 1"], np.array([[0, 1]]))
        >>> [(content, query)] = sight({"rome": rows})
        >>> content.get_title(), query.get_yticklabels()[0].get_text()
        ('rome', 'rome 1')
    """
    heights = [len(rows) for rows, _ in next(iter(panels.values()))]
    figure = figure or new_figure(min(4.4 * len(panels), 11), 0.36 * sum(heights) + 1.9)
    columns = figure.subplots(2, len(panels), squeeze=False, sharex=True, height_ratios=heights).T
    for pair, (title, streams) in zip(columns, panels.items()):
        names = [name.split()[0] for name in streams[0][0]]
        for axes, (rows, may_look), color in zip(pair, streams, ("Blues", "Oranges")):
            axes.imshow(0.55 * np.asarray(may_look, float), cmap=color, vmin=0, vmax=1)
            axes.set_yticks(range(len(rows)), rows)
            axes.set_xticks(np.arange(len(names)) + 0.5, minor=True)
            axes.set_yticks(np.arange(len(rows)) + 0.5, minor=True)
            axes.grid(which="minor", color="white", linewidth=2)
            axes.tick_params(which="both", length=0, labelsize=SMALL)
            axes.tick_params(axis="x", labelbottom=axes is pair[1])
            axes.spines[:].set_visible(False)
        pair[1].set_xticks(range(len(names)), names, rotation=50, ha="right", rotation_mode="anchor")
        pair[0].set_title(title, fontsize=13)
    return [tuple(pair) for pair in columns]


def shift(by_distance, starts, num_keys, figure=None):
    """Draw rows of scores by distance, the window of each row, and the same scores by key.

    Args:
        by_distance: (T, P), what is written in the cells.
        starts: (T,), where the window of each row begins.
        num_keys: K, the width of a window.
        figure: where to draw; None makes one.

    Returns:
        [Axes by distance, Axes by key].

    Example:
        >>> left, right = shift(np.array([[1, 0, -1], [1, 0, -1]]), [1, 0], 2)
        >>> [text.get_text() for text in right.texts]
        ['0', '-1', '1', '0']
    """
    by_distance = np.asarray(by_distance)
    windows = np.stack([row[start:start + num_keys] for row, start in zip(by_distance, starts)])
    widths = [by_distance.shape[1], num_keys]
    figure = figure or new_figure(11, 0.62 * len(by_distance) + 1.5)
    left, right = figure.subplots(1, 2, width_ratios=widths)
    for axes, cells, title in ((left, by_distance, "by distance: a window for each row"),
                               (right, windows, "by key")):
        for (row, column), value in np.ndenumerate(cells):
            inside = axes is right or starts[row] <= column < starts[row] + num_keys
            axes.fill(column + np.array([-0.46, 0.46, 0.46, -0.46]), row + np.array([-0.4, -0.4, 0.4, 0.4]),
                      color=BLUE if inside else GREY, alpha=0.3 if inside else 0.1, linewidth=0)
            axes.text(column, row, f"{value:g}", ha="center", va="center", fontsize=13)
        axes.set(xlim=(-0.6, cells.shape[1] - 0.4), ylim=(len(cells) - 0.4, -0.6))
        axes.set_yticks(range(len(cells)), [f"query {row}" for row in range(len(cells))], fontsize=13)
        axes.set_xticks([])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_title(title, fontsize=14)
    right.set_xticks(range(num_keys), [f"key {key}" for key in range(num_keys)], fontsize=12, rotation=30)
    right.tick_params(length=0)
    return [left, right]


def bars(costs, label, exact=(), figure=None):
    """Draw a bar for each way, as high as the mean of its seeds, and a dot for each seed.

    Args:
        costs: {name: a number, or list of one number a seed}.
        label: what the numbers are.
        exact: the names of bars that no model was needed for; they have another colour.
        figure: where to draw; None makes one.

    Returns:
        the Axes.

    Example:
        >>> axes = bars({"exact": 1.0, "model": [1.5, 2.5]}, "nats", exact=["exact"])
        >>> [float(bar.get_height()) for bar in axes.patches], len(axes.get_lines())
        ([1.0, 2.0], 1)
    """
    axes = (figure or new_figure(9, 4.4)).subplots()
    for place, (name, values) in enumerate(costs.items()):
        values = np.atleast_1d(values)
        color = GREEN if name in exact else BLUE
        axes.bar(place, values.mean(), color=color, alpha=0.45, width=0.6)
        axes.text(place, 0.08, f"{values.mean():.2f}", ha="center", fontsize=14)
        if len(values) > 1:
            axes.plot(np.full(len(values), place), values, "o", color=color, alpha=0.8, markersize=9)
    axes.set_xticks(range(len(costs)), [name.replace(", ", ",\n") for name in costs], fontsize=13)
    axes.set_ylabel(label, fontsize=13)
    axes.tick_params(labelsize=SMALL)
    axes.tick_params(axis="x", length=0, labelsize=13)
    axes.spines[["top", "right"]].set_visible(False)
    return axes
