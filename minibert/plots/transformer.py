"""The Transformer in pictures: encoder and decoder, who may look at whom, positions as waves."""

import numpy as np

from minibert.plots.style import BLUE, GREEN, GREY, ORANGE, TWO_SIDED, new_figure

SMALL = 12  # points; nothing is smaller


def encoder_decoder(source, target, figure=None):
    """Draw the words that are read, the words that are written, and who looks at whom.

    Args:
        source: list of S strings.  target: list of T strings, the translation.
        figure: where to draw; None makes one.

    Returns:
        the Axes.

    Example:
        >>> axes = encoder_decoder(["did", "anna"], ["anna", "did"])
        >>> [text.get_text() for text in axes.texts[-3:]]
        ['anna', 'did', '[SEP]']
    """
    axes = (figure or new_figure(11, 4.6)).subplots()
    start = len(source) + 1.2                                       # where the decoder begins
    text = {"ha": "center", "va": "center", "fontsize": 13}
    read, written = np.arange(len(source)), start + np.arange(len(target) + 1)
    _block(axes, read, "encoder: each word looks at all words", BLUE)
    _block(axes, written, "decoder: at the words before, and at the source", GREEN)
    cross = {"arrowstyle": "-|>", "color": ORANGE, "linewidth": 4}
    axes.annotate("", (start - 0.5, 0), (len(source) - 0.5, 0), arrowprops=cross)
    axes.text(len(source) + 0.1, 0.5, "keys,\nvalues", color=ORANGE, **text)
    up = {"arrowstyle": "->", "color": GREY, "linewidth": 2}
    for place in (*read, *written):
        axes.annotate("", (place, -0.85), (place, -1.35), arrowprops=up)
    for place, word in zip(read, source):
        axes.text(place, -1.65, word, rotation=30, **text)
    for place, word in zip(written, ["[CLS]", *target]):
        axes.text(place, -1.65, word, rotation=30, **text)
    for place in written:
        axes.annotate("", (place, 1.35), (place, 0.85), arrowprops=up)
    for place, word in zip(written, [*target, "[SEP]"]):
        axes.text(place, 1.65, word, rotation=30, fontweight="bold", **text)
    axes.set(xlim=(-0.9, written[-1] + 0.9), ylim=(-2.2, 2.2))
    axes.set_axis_off()
    return axes


def _block(axes, places, title, color):
    """Draw a box over some places, with a dot for each word and its title."""
    left, right = places[0] - 0.5, places[-1] + 0.5
    axes.fill([left, right, right, left], [-0.8, -0.8, 0.8, 0.8], facecolor="none", edgecolor=color, lw=2.5)
    axes.text((left + right) / 2, 0.5, title, ha="center", va="center", fontsize=13, color=color)
    for place in places:
        axes.plot([place] * 2, [-0.5, 0.05], "o", color=color, markersize=8)
        for other in places:
            if color == BLUE or other <= place:                     # the decoder sees what was written
                axes.plot([other, place], [-0.5, 0.05], color=color, alpha=0.35)


def maps(panels, marks=(), figure=None):
    """Draw which row looks at which column: masks, or attention by its size; an empty cell is exactly 0.

    Args:
        panels: {title: (array (T, S), T strings for its rows, S strings for its columns)}.
        marks: (row, column) pairs that get a ring, in every panel.
        figure: where to draw; None makes one.

    Returns:
        list of Axes, one for each panel.

    Example:
        >>> [axes] = maps({"cross": (np.eye(2), ["anna", "did"], ["did", "anna"])}, [(0, 1)])
        >>> axes.get_title(), axes.get_yticklabels()[0].get_text(), len(axes.get_lines())
        ('cross', 'anna', 1)
    """
    longest = max(np.shape(values)[0] for values, *_ in panels.values())
    figure = figure or new_figure(min(4.4 * len(panels), 11), 0.36 * longest + 1.9)
    row = list(figure.subplots(1, len(panels), squeeze=False)[0])
    for axes, (title, (values, rows, columns)) in zip(row, panels.items()):
        sizes = np.asarray(values, float)
        largest = sizes.max() or 1                                  # nobody may look anywhere
        shown = np.where(sizes > 0, 0.15 + 0.7 * sizes / largest, 0)
        axes.imshow(shown, cmap="Blues", vmin=0, vmax=1)
        axes.set_xticks(range(len(columns)), columns, rotation=50, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(rows)), rows)
        axes.set_xticks(np.arange(len(columns)) + 0.5, minor=True)
        axes.set_yticks(np.arange(len(rows)) + 0.5, minor=True)
        axes.grid(which="minor", color="white", linewidth=2)
        axes.tick_params(which="both", length=0, labelsize=SMALL)
        axes.spines[:].set_visible(False)
        axes.set_title(title, fontsize=13)
        for place, column in marks:
            axes.plot([column], [place], "o", markersize=14, markerfacecolor="none", markeredgecolor=ORANGE,
                      markeredgewidth=2)
    return row


def waves(table, products, figure=None):
    """Draw sinusoidal positions, and how the product of two of them depends on their distance.

    Args:
        table: (P, H), the waves of positions 0 to P − 1.
        products: {name: (distances, products)}, at most six.
        figure: where to draw; None makes one.

    Returns:
        [Axes of the table, Axes of the products].

    Example:
        >>> left, right = waves(np.zeros((5, 4)), {"from 3": ([0, 1], [2.0, 1.0])})
        >>> left.get_xlabel(), right.get_lines()[0].get_ydata().tolist()
        ('feature', [2.0, 1.0])
    """
    left, right = (figure or new_figure(11, 4.2)).subplots(1, 2)
    image = left.imshow(table, cmap=TWO_SIDED, vmin=-1, vmax=1, aspect="auto", interpolation="nearest")
    left.set_xlabel("feature", fontsize=13)
    left.set_ylabel("position", fontsize=13)
    left.figure.colorbar(image, ax=left).ax.tick_params(labelsize=SMALL)
    looks = ((BLUE, "o"), (ORANGE, "x"), (GREEN, "+"), ("black", "1"), (GREY, "2"), ("#CC79A7", "|"))
    for (name, (distances, values)), (color, marker) in zip(products.items(), looks):
        right.plot(distances, values, marker, color=color, label=name, markersize=8)
    right.set_xlabel("distance k", fontsize=13)
    right.set_ylabel("product of the waves of p and p + k", fontsize=13)
    right.legend(frameon=False, fontsize=SMALL)
    for axes in (left, right):
        axes.tick_params(labelsize=SMALL)
    return [left, right]
