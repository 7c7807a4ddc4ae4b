"""Attention maps: a row is a query, and its cells sum to one; a column is a key."""

import numpy as np

from minibert.plots.style import BLUE, GREEN, GREY, ORANGE, new_figure

MAX_TOKENS_WITH_NUMBERS = 16  # a larger map has no room for a number in each cell
KEY, QUERY = "key: the token that is looked at", "query: the token that looks"


def attention_maps(probs, tokens, layer=None, head=None, figure=None):
    """Draw the attention maps of one sequence.

    Args:
        probs: list of arrays (A, T, T), one for each layer.
        tokens: list of T strings, for both axes.
        layer, head: which one; None for all of them. One layer and one head give one large map, with numbers.
        figure: where to draw; None makes one.

    Returns:
        the Axes of one map; an array of Axes (layers, heads) of several.

    Raises:
        ValueError: an array is not (A, T, T), there is no such layer or head, or tokens are not T.

    Example:
        >>> probs = [np.full((2, 3, 3), 1 / 3) for _ in range(4)]
        >>> attention_maps(probs, ["the", "cat", "sat"], layer=1, head=0).get_title()
        'encoder[1], head 0'
        >>> attention_maps(probs, ["the", "cat", "sat"]).shape
        (4, 2)
    """
    for number, maps in enumerate(probs):
        _check_maps(number, np.shape(maps), tokens)
    layers = _chosen("layer", layer, len(probs))
    heads = _chosen("head", head, len(probs[0]))
    limits = 0, max(probs[number][heads].max() for number in layers)  # one scale for all that is shown
    if len(layers) == len(heads) == 1:
        return _one_map(probs[layers[0]][heads[0]], tokens, _title(layers[0], heads[0]), limits, figure)
    return _grid_of_maps(probs, tokens, layers, heads, limits, figure)


def _one_map(probs, tokens, title, limits, figure):
    figure = figure or new_figure(9.6, 8)
    axes = figure.subplots()
    image = _cells(axes, probs, tokens, limits, numbers=len(tokens) <= MAX_TOKENS_WITH_NUMBERS)
    axes.set(title=title, xlabel=KEY, ylabel=QUERY)
    figure.colorbar(image, label="attention probability", shrink=0.7)
    return axes


def _grid_of_maps(probs, tokens, layers, heads, limits, figure):
    side = max(2.2, 0.2 * len(tokens) + 0.6)
    figure = figure or new_figure(side * len(heads) + 1.6, side * len(layers) + 1.1)
    grid = figure.subplots(len(layers), len(heads), squeeze=False, sharex=True, sharey=True)
    for row, layer in enumerate(layers):
        for column, head in enumerate(heads):
            axes = grid[row, column]
            image = _cells(axes, probs[layer][head], tokens, limits)
            axes.set_title(_title(layer, head))
            axes.label_outer()
    figure.supxlabel(KEY)
    figure.supylabel(QUERY)
    figure.colorbar(image, ax=grid, label="attention probability", shrink=0.7)
    return grid


def attention_over_training(maps, tokens, title=None, figure=None):
    """Draw the attention map of one head at several moments of a training run, side by side.

    Args:
        maps: {step: array (T, T)}, of the same text run through the model as it was at that step.
        tokens: list of T strings, for both axes.
        title: of the whole figure, such as "encoder[1], head 0"; None for none.
        figure: where to draw; None makes one.

    Returns:
        a list of Axes, one for each step.

    Raises:
        ValueError: there is no map, a map is not (T, T), or the number of tokens is not T.

    Example:
        >>> maps = {step: np.full((3, 3), 1 / 3) for step in (0, 1000)}
        >>> [axes.get_title() for axes in attention_over_training(maps, ["the", "cat", "sat"])]
        ['step 0', 'step 1,000']
    """
    if not maps:
        raise ValueError("there is no map to draw: give {step: array (T, T)} with at least one step")
    for step, probs in maps.items():
        _check_map(f"step {step}", np.shape(probs), tokens)
    side = max(3.0, 0.21 * len(tokens) + 0.5)
    figure = figure or new_figure(side * len(maps) + 1.8, side + 1.2)
    row = figure.subplots(1, len(maps), squeeze=False, sharey=True)[0]
    limits = 0, max(probs.max() for probs in maps.values())
    for axes, (step, probs) in zip(row, maps.items()):
        image = _cells(axes, probs, tokens, limits)
        axes.set_title(f"step {step:,}")
    if title is not None:
        figure.suptitle(title)
    figure.supxlabel(KEY)
    row[0].set_ylabel(QUERY)
    figure.colorbar(image, ax=list(row), label="attention probability", shrink=0.8)
    return list(row)


def query_key_value(words, weights, asking, figure=None):
    """Draw what one token does in attention: it asks all keys, and receives a weighted average of values.

    Args:
        words: list of T strings.
        weights: (T,), the attention of one query; they sum to one.
        asking: number of the token that asks.
        figure: where to draw; None makes one.

    Returns:
        the Axes.

    Example:
        >>> axes = query_key_value(["river", "bank"], np.array([0.8, 0.2]), 1)
        >>> [text.get_text() for text in axes.texts if "." in text.get_text()]
        ['0.80', '0.20']
    """
    axes = (figure or new_figure(10, 4.6)).subplots()
    boxes = {"ha": "center", "va": "center", "fontsize": 13}
    middle = (len(words) - 1) / 2
    for place, word in enumerate(words):
        _box(axes, place, 0, "key", BLUE)
        _box(axes, place, 1.35, "value", GREEN)
        axes.text(place, -0.55, word, fontweight="bold" if place == asking else "normal", **boxes)
    _box(axes, middle, -2.3, f"the query of {words[asking]!r}", ORANGE)
    _box(axes, middle, 3.1, "output: the weighted average of the values", GREY)
    for place, weight in enumerate(weights):
        width = 1 + 7 * float(weight)
        look = {"arrowstyle": "-", "color": ORANGE, "linewidth": width, "alpha": 0.6}
        axes.annotate("", (place, -0.85), (middle, -2.0), arrowprops=look)
        axes.annotate("", (middle, 2.85), (place, 1.6), arrowprops={**look, "color": GREEN})
        axes.text(place, 0.68, f"{weight:.2f}", **boxes)
    axes.text(-0.75, 0.68, "weights", color=GREY, **boxes)
    axes.set(xlim=(-1.1, len(words) - 0.4), ylim=(-2.7, 3.5))
    axes.set_axis_off()
    return axes


def _box(axes, x, y, text, color):
    box = {"boxstyle": "round,pad=0.35", "facecolor": "white", "edgecolor": color, "linewidth": 2}
    axes.text(x, y, text, ha="center", va="center", fontsize=13, bbox=box)


def named_maps(maps, figure=None):
    """Draw attention maps side by side, with the probability in each cell; an empty cell is exactly 0.

    Args:
        maps: {title: array (T_query, T_key)}.
        figure: where to draw; None makes one.

    Returns:
        a list of Axes, one for each map.

    Example:
        >>> [left, right] = named_maps({"all": np.full((2, 2), 0.5), "own": np.eye(2)})
        >>> [text.get_text() for text in right.texts], right.get_title()
        (['1', '1'], 'own')
    """
    figure = figure or new_figure(3.4 * len(maps) + 1, 3.7)
    row = list(figure.subplots(1, len(maps), squeeze=False)[0])
    for axes, (title, probs) in zip(row, maps.items()):
        image = axes.imshow(probs, vmin=0, vmax=1, cmap="Blues")
        for (query, key), prob in np.ndenumerate(probs):
            if prob > 0:
                color = "white" if prob > 0.55 else "black"
                text = f"{prob:.2f}".lstrip("0") if prob < 0.995 else "1"
                axes.text(key, query, text, ha="center", va="center", color=color, fontsize=12)
        axes.set_xticks(range(probs.shape[1]))
        axes.set_yticks(range(probs.shape[0]))
        axes.tick_params(length=0, labelsize=12)
        axes.set_xlabel("key", fontsize=13)
        axes.set_title(title, fontsize=13)
        axes.spines[:].set_visible(True)
    row[0].set_ylabel("query", fontsize=13)
    _probability_bar(figure, image, row)
    return row


def attention_of_one_token(rows, figure=None):
    """Draw where one token of each text looks: one row of each map, the words below.

    Args:
        rows: list of (words, number of the token that looks, its attention (T,)).
        figure: where to draw; None makes one.

    Returns:
        a list of Axes, one for each text.

    Example:
        >>> [axes] = attention_of_one_token([(["river", "bank"], 1, np.array([0.9, 0.1]))])
        >>> axes.get_title(loc="left"), [label.get_text() for label in axes.get_xticklabels()]
        ("'bank' looks at", ['river', 'bank'])
    """
    figure = figure or new_figure(10, 1.35 * len(rows) + 0.4)
    grid = list(figure.subplots(len(rows), 1, squeeze=False)[:, 0])
    for axes, (words, asking, probs) in zip(grid, rows):
        image = axes.imshow(np.asarray(probs)[np.newaxis], vmin=0, vmax=1, cmap="Blues", aspect="auto")
        for key, prob in enumerate(probs):
            color = "white" if prob > 0.55 else "black"
            axes.text(key, 0, f"{prob:.2f}", ha="center", va="center", color=color, fontsize=12)
        axes.set_xticks(range(len(words)), words, fontsize=12)
        axes.get_xticklabels()[asking].set(color=ORANGE, fontweight="bold")
        axes.set_yticks([])
        axes.tick_params(length=0)
        axes.set_title(f"{words[asking]!r} looks at", fontsize=12, loc="left")
    _probability_bar(figure, image, grid)
    return grid


def _probability_bar(figure, image, axes):
    bar = figure.colorbar(image, ax=axes, shrink=0.9)
    bar.set_label("probability", fontsize=12)
    bar.ax.tick_params(labelsize=12)


def _title(layer, head):
    return f"encoder[{layer}], head {head}"


def _chosen(kind, number, count):
    """Return the numbers of the chosen layers or heads: all of them, or the one given."""
    if number is None:
        return list(range(count))
    if not -count <= number < count:
        raise ValueError(f"there is no {kind} {number}: probs has {count} of them, numbered from 0")
    return [number % count]


def _check_maps(layer, shape, tokens):
    if len(shape) != 3:
        raise ValueError(
            f"layer {layer} of probs has shape {shape}, expected (A, T, T), the maps of one sequence: "
            "from a cache, take attention.probs[sequence] of each layer"
        )
    _check_map(f"layer {layer}", shape[1:], tokens)


def _check_map(name, shape, tokens):
    if len(shape) != 2 or shape[0] != shape[1]:
        raise ValueError(f"{name} has map shape {shape}, expected (T, T): rows are queries, columns keys")
    if len(tokens) != shape[0]:
        raise ValueError(f"{len(tokens)} tokens were given for {shape[0]} rows: give one token for each row")


def _cells(axes, probs, tokens, limits, numbers=False):
    """Draw probabilities as coloured cells, rows and columns named; with numbers, each cell shows its own."""
    image = axes.imshow(probs, vmin=limits[0], vmax=limits[1], cmap="Blues")
    axes.set_xticks(range(len(tokens)), tokens, rotation=90, fontsize=12)
    axes.set_yticks(range(len(tokens)), tokens, fontsize=12)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(True)
    if numbers:
        for (row, column), value in np.ndenumerate(probs):
            color = "white" if value > 0.55 * limits[1] else "black"
            text = f"{value:.2f}".replace("0.", ".", 1) if value >= 0.005 else ""
            axes.text(column, row, text, ha="center", va="center", color=color, fontsize=12)
    return image
