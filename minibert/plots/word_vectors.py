"""Word vectors: a window of text and two tables; a table of counts and the vectors that are fitted to it."""

import numpy as np

from minibert.plots.style import BLUE, GREEN, GREY, ORANGE, new_figure

LETTERS = {"ha": "center", "va": "center", "fontsize": 13}


def skip_gram(sentence, centre, window, drawn, figure=None):
    """Draw one example of skip-gram with negative sampling: a row of one table, some rows of the other.

    Args:
        sentence: list of words.  centre: number of the word that predicts.
        window: how many words on each side are its neighbours.
        drawn: list of words, the noise.
        figure: where to draw; None makes one.

    Returns:
        the Axes.

    Example:
        >>> axes = skip_gram(["the", "queen", "wears"], 1, 1, ["beetle"])
        >>> [text.get_text() for text in axes.texts][-3:]
        ['the: yes, 1', 'wears: yes, 1', 'beetle: no, 0']
    """
    axes = (figure or new_figure(10, 4.6)).subplots()
    places = np.linspace(0.6, 9.4, len(sentence))
    near = [place for place in range(len(sentence)) if 0 < abs(place - centre) <= window]
    for place, (x, word) in enumerate(zip(places, sentence)):
        color = BLUE if place == centre else GREEN if place in near else GREY
        axes.text(x, 5, word, color=color, fontweight="bold" if color != GREY else "normal", **LETTERS)
    ends = places[[near[0], near[-1]]] + np.array([-0.6, 0.6])
    axes.plot(ends[[0, 0, 1, 1]], [4.75, 4.62, 4.62, 4.75], color=GREY, linewidth=2)
    asked = [(sentence[place], GREEN, "yes, 1") for place in near]
    asked += [(word, ORANGE, "no, 0") for word in drawn]
    heights = np.linspace(3.3, 0.2, len(asked))
    middle = heights.mean()
    _row(axes, 1.6, middle, BLUE)
    axes.text(0.9, middle, sentence[centre], color=BLUE, fontweight="bold", **LETTERS)
    axes.text(2.2, 4, "table of words", **LETTERS)
    axes.text(6, 4, "table of words as neighbours", **LETTERS)
    for (_, color, _), height in zip(asked, heights):
        _row(axes, 5.4, height, color)
        axes.plot([2.95, 5.3], [middle, height], color=color, linewidth=2)
    for (word, color, answer), height in zip(asked, heights):
        axes.text(6.95, height, f"{word}: {answer}", color=color, **{**LETTERS, "ha": "left"})
    axes.set(xlim=(0, 10), ylim=(-0.2, 5.3))
    axes.set_axis_off()
    return axes


def counts_and_vectors(rows, columns, counts, cell, figure=None):
    """Draw a table of counts, and the product of two vectors that is fitted to the logarithm of a cell.

    Args:
        rows, columns: lists of words.  counts: (rows, columns).
        cell: (row, column), the one that is fitted.
        figure: where to draw; None makes one.

    Returns:
        the Axes of the table and of the product.

    Example:
        >>> table, product = counts_and_vectors(["ice"], ["solid", "gas"], np.array([[60, 4]]), (0, 0))
        >>> product.texts[-1].get_text()
        '≈ log 60 = 4.09'
    """
    counts = np.asarray(counts)
    left, right = (figure or new_figure(10, 3.4)).subplots(1, 2, width_ratios=(1.1, 1))
    left.imshow(np.log1p(counts), cmap="Greys", vmax=2.2 * np.log1p(counts.max()), aspect="auto")
    for (row, column), count in np.ndenumerate(counts):
        weight = "bold" if (row, column) == cell else "normal"
        left.text(column, row, f"{count:,}", fontweight=weight, **LETTERS)
    left.set_xticks(range(len(columns)), columns, fontsize=13)
    left.set_yticks(range(len(rows)), rows, fontsize=13)
    left.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    left.get_yticklabels()[cell[0]].set(color=BLUE, fontweight="bold")
    left.get_xticklabels()[cell[1]].set(color=ORANGE, fontweight="bold")
    left.spines[:].set_visible(False)
    left.set_title("how often they occur together", fontsize=13)
    for x, color, word in ((0.3, BLUE, rows[cell[0]]), (2.6, ORANGE, columns[cell[1]])):
        _row(right, x, 1.5, color)
        right.text(x + 0.6, 2.1, word, color=color, fontweight="bold", **LETTERS)
    right.text(2.1, 1.5, "·", **{**LETTERS, "fontsize": 22})
    right.text(2.05, 0.85, "plus a bias of each", color=GREY, **LETTERS)
    count = counts[cell]
    right.text(2.05, 0.2, f"≈ log {count:,} = {np.log(count):.2f}", **{**LETTERS, "fontsize": 15})
    right.set(xlim=(0, 4.2), ylim=(-0.1, 2.5))
    right.set_axis_off()
    return [left, right]


def _row(axes, x, y, color, num_columns=4):
    """Draw a vector as a row of squares; the shades mean nothing."""
    for column, shade in zip(range(num_columns), (0.75, 0.25, 0.55, 0.35)):
        square = [x + 0.3 * column + corner for corner in (0, 0.3, 0.3, 0)]
        axes.fill(square, [y - 0.2, y - 0.2, y + 0.2, y + 0.2], facecolor=color, alpha=shade)
        axes.fill(square, [y - 0.2, y - 0.2, y + 0.2, y + 0.2], fill=False, edgecolor=color, linewidth=1.5)
