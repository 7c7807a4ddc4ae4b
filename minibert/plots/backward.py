"""The way back through BERT: its map, who gets a gradient, and what holds for every seed."""

import numpy as np
from matplotlib.ticker import LogFormatterMathtext, LogLocator, NullFormatter, StrMethodFormatter

from minibert.plots.style import BLUE, GREEN, GREY, ORANGE, new_figure

SMALL = 12  # points; nothing is smaller
LARGEST = {"color": "black", "linewidth": 1.5}

# The boxes of the map: text, x, y, colour. The loss is on the right, and backward goes to the left.
BOXES = {
    "token": ("token table\n20 × 8", 0.9, 4.3, "#FFF3C9"),
    "position": ("position table\n17 × 8", 0.9, 2.6, "#FFF3C9"),
    "segment": ("segment table\n2 × 8", 0.9, 0.9, "#FFF3C9"),
    "norm": ("Layer-\nNorm", 3.0, 2.6, "#DCEBF5"),
    "block 0": ("block\n0", 4.4, 2.6, "#DCEBF5"),
    "block 1": ("block\n1", 5.8, 2.6, "#DCEBF5"),
    "block 2": ("block\n2", 7.2, 2.6, "#DCEBF5"),
    "mlm": ("MLM head\n3 words", 9.0, 4.3, "#FBE3D6"),
    "nsp": ("pooler, NSP head\n1 pair", 9.0, 0.9, "#DDF1EA"),
    "loss": ("loss", 10.7, 2.6, "white"),
}
ARROWS = [
    ("loss", "mlm"), ("loss", "nsp"), ("mlm", "block 2"), ("nsp", "block 2"), ("block 2", "block 1"),
    ("block 1", "block 0"), ("block 0", "norm"), ("norm", "token"), ("norm", "position"), ("norm", "segment"),
]
JOINTS = [(1, 7.66, 2.6), (4, 2.1, 2.6), (5, 2.13, 1.83), (5, 2.13, 3.37), (6, 1.95, 4.3)]
JOINTS += [joint for x in (4.4, 5.8, 7.2) for joint in ((2, x, 2.18), (3, x - 0.47, 2.6))]


def way_back(joints=False, figure=None):
    """Draw the map of BERT from the loss back to the three tables.

    Args:
        joints: draw a number wherever gradients are added (lesson 11, section 1), and the arrow of the tied
            matrix, too.
        figure: where to draw; None makes one.

    Returns:
        the Axes.

    Example:
        >>> len(way_back(joints=True).texts) - len(way_back().texts)
        12
    """
    axes = (figure or new_figure(10, 4.4)).subplots()
    style = {"arrowstyle": "-|>", "color": ORANGE, "linewidth": 2.2, "shrinkA": 1, "shrinkB": 1}
    patches = {}
    for name, (text, x, y, color) in BOXES.items():
        box = {"boxstyle": "round,pad=0.35", "facecolor": color, "edgecolor": "0.4"}
        drawn = axes.text(x, y, text, ha="center", va="center", fontsize=SMALL, bbox=box)
        patches[name] = drawn.get_bbox_patch()
    for start, end in [*ARROWS, *[("mlm", "token")] * joints]:
        ends = {"patchA": patches[start], "patchB": patches[end]}
        axes.annotate("", BOXES[end][1:3], BOXES[start][1:3], arrowprops={**style, **ends})
    circle = {"boxstyle": "circle,pad=0.2", "facecolor": ORANGE, "edgecolor": "white"}
    for number, x, y in JOINTS * joints:
        look = {"ha": "center", "va": "center", "fontsize": SMALL, "fontweight": "bold", "bbox": circle}
        axes.text(x, y, number, color="white", **look)
    axes.set(xlim=(-0.2, 11.1), ylim=(0.2, 5.0))
    axes.axis("off")
    return axes


def sum_of_gradients(arrays, titles, tokens, figure=None):
    """Draw gradients (T, H) side by side, an exact zero as "0": two terms, and their sum.

    Args:
        arrays: list of (T, H).  titles: a string for each.  tokens: list of T strings.
        figure: where to draw; None makes one.

    Returns:
        list of Axes.

    Example:
        >>> ones, zeros = np.ones((2, 3)), np.zeros((2, 3))
        >>> row = sum_of_gradients([ones, zeros, ones], ["a", "b", "a + b"], ["it", "ran"])
        >>> len(row[1].texts), len(row[0].texts)
        (2, 0)
    """
    figure = figure or new_figure(9, 4.6)
    row = figure.subplots(1, len(arrays), sharey=True)
    limit = max(np.abs(array).max() for array in arrays)
    for axes, array, title in zip(row, arrays, titles):
        image = axes.imshow(array, cmap="PuOr", vmin=-limit, vmax=limit, aspect="auto")
        axes.set(title=title, xlabel="column of H", xticks=[0, array.shape[1] - 1])
        for place in np.flatnonzero(~array.any(axis=-1)):
            middle = (array.shape[1] - 1) / 2
            axes.text(middle, place, "0", ha="center", va="center", color="0.4", fontsize=SMALL)
    row[0].set_yticks(range(len(tokens)), tokens, fontsize=SMALL)
    figure.colorbar(image, ax=row, label="d loss / d state", shrink=0.8)
    return list(row)


def token_gradients(norms, levels, tokens, figure=None):
    """Draw the norm of the gradient at each token, level by level, as a table with colours.

    Args:
        norms: (levels, T), the level that is next to the loss last.
        levels: their names.  tokens: list of T strings.
        figure: where to draw; None makes one.

    Returns:
        the Axes. The largest norm of each level has a frame.

    Example:
        >>> axes = token_gradients(np.array([[1.0, 0.25], [0.0, 2.0]]), ["below", "on top"], ["it", "ran"])
        >>> [text.get_text() for text in axes.texts]
        ['1.0', '0.2', '0', '2.0']
    """
    axes = (figure or new_figure(9.6, 4.2)).subplots()
    dark = 0.55 * norms.max()
    axes.imshow(np.sqrt(norms), cmap="Blues", aspect="auto", vmax=1.15 * np.sqrt(norms.max()))
    for (level, place), norm in np.ndenumerate(norms):
        color = "0.5" if norm == 0 else "white" if norm > dark else "black"
        text = f"{norm:.1f}" if norm else "0"
        axes.text(place, level, text, ha="center", va="center", fontsize=SMALL, color=color)
    for level, place in enumerate(norms.argmax(axis=1)):
        corners = np.array([-0.47, 0.47, 0.47, -0.47, -0.47])
        axes.plot(place + corners, level + corners[[0, 0, 1, 1, 0]], **LARGEST)
    axes.set_xticks(range(len(tokens)), tokens, rotation=50, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(levels)), levels)
    axes.set_title("Norm of the gradient at each token (framed: the largest)")
    return axes


def scores_reached(d_scores, titles, tokens, figure=None):
    """Draw which attention scores get a gradient; white is exactly zero.

    Args:
        d_scores: list of (T, T), rows are queries.  titles: a string for each.  tokens: list of T strings.
        figure: where to draw; None makes one.

    Returns:
        list of Axes.

    Example:
        >>> [axes] = scores_reached([np.eye(2)], ["block 0"], ["it", "ran"])
        >>> axes.get_xlabel()
        'key (the same order)'
    """
    figure = figure or new_figure(9, 4.6)
    row = np.atleast_1d(figure.subplots(1, len(d_scores), sharey=True))
    for axes, scores, title in zip(row, d_scores, titles):
        size = np.abs(scores)
        shown = np.log10(np.where(size > 0, size, np.nan))
        image = axes.imshow(shown, cmap="Blues", vmin=-5, vmax=0, aspect="auto")
        axes.set(title=title, xlabel="key (the same order)", xticks=[])
    row[0].set_yticks(range(len(tokens)), tokens, fontsize=SMALL)
    row[0].set_ylabel("query")
    figure.colorbar(image, ax=list(row), label="log10 of |d_scores|", shrink=0.8)
    return list(row)


def reach(reached, place, word, figure=None):
    """Draw which tokens one word's loss reaches, level by level, for several kinds of attention.

    Args:
        reached: {title: list of (T,) truth values, the level next to the loss first}.
        place, word: whose loss it is.
        figure: where to draw; None makes one.

    Returns:
        list of Axes. Each level says how many tokens it reaches.

    Example:
        >>> [axes] = reach({"all": [np.array([False, True]), np.array([True, True])]}, 1, "ran")
        >>> [text.get_text() for text in axes.texts]
        ['2', '1']
    """
    figure = figure or new_figure(9, 3.2)
    row = np.atleast_1d(figure.subplots(1, len(reached), sharey=True))
    for axes, (title, flags) in zip(row, reached.items()):
        flags = np.array(flags[::-1])
        axes.imshow(flags, cmap="Blues", vmin=0, vmax=1.4, aspect="auto")
        axes.set(title=title, xticks=[place], xticklabels=[word])
        for border in range(flags.shape[1] - 1):
            axes.axvline(border + 0.5, color="0.85", linewidth=0.7)
        for level, of_level in enumerate(flags):
            color = "white" if of_level[0] else "black"
            count = int(of_level.sum())
            axes.text(0.6, level, count, ha="center", va="center", fontweight="bold", color=color)
    below = [f"below block {block}" for block in range(1, len(flags) - 1)]
    row[0].set_yticks(range(len(flags)), ["embeddings", *below, "on top"])
    return list(row)


def every_seed(rows, label, title, marks=None, log=False, limits=None, figure=None):
    """Draw one number as a dot for each seed, in a row for each case.

    Args:
        rows: {case: list of numbers, one a seed}.
        label: of the numbers' axis.  title: of the picture.
        marks: {case: list of truth values}: True is a blue dot, False an orange cross; None: all are dots.
        log: a logarithmic axis, with a dashed line at 1.  limits: of the axis, (low, high).
        figure: where to draw; None makes one.

    Returns:
        the Axes. A grey line is the median.

    Example:
        >>> axes = every_seed({"BERT": [1.0, 3.0, 2.0]}, "ratio", "three seeds")
        >>> axes.get_lines()[-1].get_xdata().tolist()
        [2.0, 2.0]
    """
    axes = (figure or new_figure(9, 1.5 + 0.5 * len(rows))).subplots()
    for row, (case, numbers) in enumerate(rows.items()):
        numbers = np.array(numbers)
        good = np.array(marks[case]) if marks else np.ones(len(numbers), bool)
        heights = row + 0.18 * np.linspace(-1, 1, len(numbers))
        axes.plot(numbers[good], heights[good], "o", color=BLUE, markersize=7, alpha=0.7)
        axes.plot(numbers[~good], heights[~good], "X", color=ORANGE, markersize=9)
        axes.plot(np.full(2, np.median(numbers)), [row - 0.36, row + 0.36], color=GREY, linewidth=2.5)
    axes.set_yticks(range(len(rows)), rows)
    axes.invert_yaxis()
    axes.set(xlabel=label, title=title, xscale="log" if log else "linear")
    if log:
        axes.axvline(1, color=GREY, linestyle="--", linewidth=1)
        numbers = np.concatenate(list(rows.values()))
        wide = numbers.max() > 100 * numbers.min()
        axes.xaxis.set_major_locator(LogLocator(subs=(1,) if wide else (1, 2, 5)))
        axes.xaxis.set_major_formatter(LogFormatterMathtext() if wide else StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    if limits:
        axes.set_xlim(limits)
    axes.grid(axis="x", color="0.9")
    axes.set_axisbelow(True)
    return axes


def two_shares(decoder, lookup, words, figure=None):
    """Draw the norm of a row's two shares for some words of the tied token table, on one log axis.

    Args:
        decoder, lookup: the norms, one a word.  words: strings.
        figure: where to draw; None makes one.

    Returns:
        the Axes. An exact zero is a "0" at the left edge.

    Example:
        >>> axes = two_shares([0.5, 0.1], [2.0, 0.0], ["the", "bird"])
        >>> [text.get_text() for text in axes.texts]
        ['0']
    """
    axes = (figure or new_figure(9, 4.4)).subplots()
    positive = [norm for norm in (*decoder, *lookup) if norm > 0]
    left = min(positive) / 2
    for norms, color, name, offset in ((decoder, GREEN, "decoder's", -0.2), (lookup, BLUE, "lookup's", 0.2)):
        places = np.arange(len(words)) + offset
        axes.barh(places, np.maximum(norms, left) - left, left=left, height=0.36, color=color, label=name)
        for place in places[np.array(norms) == 0]:
            axes.text(left * 1.05, place, "0", va="center", color=color, fontweight="bold", fontsize=SMALL)
    axes.set_yticks(range(len(words)), words)
    axes.invert_yaxis()
    axes.set(xscale="log", xlim=(left, 2 * max(positive)), xlabel="norm of the row's share")
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return axes


def curves_of_seeds(curves, steps, label, figure=None):
    """Draw curves of several seeds: the mean as a line, from the lowest to the highest as a band.

    Args:
        curves: {name: (seeds, points)}.
        steps: (points,).  label: of the values' axis.
        figure: where to draw; None makes one.

    Returns:
        the Axes.

    Example:
        >>> axes = curves_of_seeds({"A": [[3.0, 1.0], [5.0, 1.0]]}, [10, 20], "loss")
        >>> axes.get_lines()[0].get_ydata().tolist()
        [4.0, 1.0]
    """
    axes = (figure or new_figure(9, 3.9)).subplots()
    looks = ((BLUE, "-"), (ORANGE, "--"), (GREEN, "-."), ("black", ":"), (GREY, "-"))
    for (name, values), (color, line) in zip(curves.items(), looks):
        values = np.array(values)
        axes.plot(steps, values.mean(axis=0), line, color=color, linewidth=2.4, label=name)
        axes.fill_between(steps, values.min(axis=0), values.max(axis=0), color=color, alpha=0.18, linewidth=0)
    axes.set(xlabel="step", ylabel=label)
    axes.legend(frameon=False)
    return axes


def tensor_errors(errors, groups, tolerance, figure=None):
    """Draw the error of each tensor's gradient, in a row for each part of the model.

    Args:
        errors: {name: {tensor: error}}, such as {"ours": ..., "planted": ...}; two at most.
        groups: {name of the row: the prefixes of its tensors, a string or a tuple of them}.
        tolerance: a dashed line.
        figure: where to draw; None makes one.

    Returns:
        the Axes. An error of 0 is drawn at the left edge.

    Example:
        >>> errors = {"ours": {"bert.a": 0.0, "head.b": 1e-15}}
        >>> axes = tensor_errors(errors, {"BERT": "bert.", "head": "head."}, 1e-12)
        >>> axes.get_xscale()
        'log'
    """
    axes = (figure or new_figure(9, 3.8)).subplots()
    for (name, of_tensors), color, marker, offset in zip(errors.items(), (BLUE, ORANGE), "os", (-0.17, 0.17)):
        rows = [
            (max(error, 1e-17), level + offset)
            for level, prefixes in enumerate(groups.values())
            for tensor, error in of_tensors.items() if tensor.startswith(prefixes)
        ]
        axes.plot(*zip(*rows), marker, color=color, markersize=7, alpha=0.6, label=name)
    axes.axvline(tolerance, color=GREY, linestyle="--", label="tolerance")
    axes.set(xscale="log", xlim=(5e-18, 10), xlabel="error against the complex step")
    axes.set_yticks(range(len(groups)), groups)
    axes.invert_yaxis()
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return axes
