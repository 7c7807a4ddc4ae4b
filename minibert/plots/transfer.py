"""What a pretrained model is used for: two ways, one word in many sentences, accuracy by number of labels."""

import numpy as np
from matplotlib.patches import FancyBboxPatch

from minibert.plots.style import BLUE, GREY, ORANGE, STYLES, new_figure


def two_ways(figure=None):
    """Draw ELMo's way and ULMFiT's: frozen states that are mixed, and one model in three stages.

    Blue boxes are kept as they are, orange ones learn.

    Args:
        figure: where to draw; None makes one.

    Returns:
        a list of two Axes.

    Example:
        >>> [axes.get_title() for axes in two_ways()]
        ['ELMo: features', 'ULMFiT: fine-tuning']
    """
    figure = figure or new_figure(11.4, 4.6)
    left, right = figure.subplots(1, 2, width_ratios=[4, 5])
    _box(left, 1.5, 0, "characters", BLUE, 2.6)
    for layer in (1, 2):
        _box(left, 0.75, layer, f"LSTM {layer} →", BLUE, 1.2)
        _box(left, 2.25, layer, f"← LSTM {layer}", BLUE, 1.2)
        for x in (0.75, 2.25):
            _arrow(left, (x, layer - 0.72), (x, layer - 0.3))
    _box(left, 4.2, 1, "mix of layers", ORANGE, 1.5)
    _box(left, 4.2, 2, "model of\nthe task", ORANGE, 1.5)
    for layer in range(3):
        _arrow(left, (2.95, layer), (3.4, 1 + 0.15 * (layer - 1)))
    _arrow(left, (4.2, 1.28), (4.2, 1.6))
    left.set(title="ELMo: features", xlim=(0, 5.1), ylim=(-0.5, 3.2))
    texts = "general text", "text of\nthe task", "labelled\ntext"
    heads = "next word", "next word", "label"
    for stage, (text, head) in enumerate(zip(texts, heads)):
        x = 1 + 1.9 * stage
        for level, name in enumerate((text, "LSTMs", head)):
            _box(right, x, level, name, ORANGE if level else GREY, 1.4)
        for level in (0, 1):
            _arrow(right, (x, level + 0.32), (x, level + 0.7))
        right.text(x, 2.75, f"stage {stage + 1}", ha="center", fontsize=14)
        if stage:
            _arrow(right, (x - 1.15, 1), (x - 0.75, 1))
    right.set(title="ULMFiT: fine-tuning", xlim=(0.1, 5.7), ylim=(-0.5, 3.2))
    for axes in (left, right):
        axes.title.set_fontsize(15)
        axes.set_axis_off()
    return [left, right]


def four_ways(figure=None):
    """Draw four ways to learn a task: from scratch, frozen, the top alone, all of a pretrained model.

    Blue boxes are pretrained and kept, orange ones learn; a pretrained one that learns has both colours.

    Args:
        figure: where to draw; None makes one.

    Returns:
        the Axes.

    Example:
        >>> [text.get_text() for text in four_ways().texts if "\\n" in text.get_text()]
        ['from\\nscratch', 'features,\\nfrozen', 'the top\\nis fine-tuned', 'all of it\\nis fine-tuned']
    """
    axes = (figure or new_figure(11.4, 4.4)).subplots()
    levels = "embeddings", "layer 1", "layer 2", "pooler", "head"
    ways = {  # number of levels that are kept, and whether the others were pretrained
        "from\nscratch": (0, False), "features,\nfrozen": (3, True), "the top\nis fine-tuned": (2, True),
        "all of it\nis fine-tuned": (0, True),
    }
    for column, (way, (num_kept, is_pretrained)) in enumerate(ways.items()):
        x = 2.8 * column
        for y, level in enumerate(levels):
            is_kept = y < num_kept
            _box(axes, x, 0.8 * y, level, BLUE if is_kept else ORANGE, 1.5)
            if is_pretrained and y < 4 and not is_kept:
                axes.plot([x - 0.72, x + 0.72], [0.8 * y - 0.2] * 2, color=BLUE, linewidth=4)
            if y:
                _arrow(axes, (x, 0.8 * y - 0.52), (x, 0.8 * y - 0.28))
        axes.text(x, 3.75, way, ha="center", va="bottom", fontsize=14)
    axes.set(xlim=(-1.2, 9.6), ylim=(-0.4, 4.5))
    axes.set_axis_off()
    return axes


def runs(panels, xlabel, ylabel, figure=None):
    """Draw a point for each run, a panel for each group of runs.

    Args:
        panels: {title: {name: (x, y)}}, each a list of a number a run.
        xlabel, ylabel: of the axes, shared by all panels.
        figure: where to draw; None makes one.

    Returns:
        a list of Axes, one for each panel.

    Example:
        >>> [axes] = runs({"rate 0.1": {"ours": ([1, 2], [3, 4])}}, "loss", "accuracy")
        >>> axes.get_title(), len(axes.collections[0].get_offsets())
        ('rate 0.1', 2)
    """
    figure = figure or new_figure(11.4, 4.4)
    row = list(figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0])
    for axes, (title, groups) in zip(row, panels.items()):
        for (color, marker), (name, (x, y)) in zip(STYLES, groups.items()):
            axes.scatter(x, y, color=color, marker=marker, alpha=0.6, s=60, label=name)
        axes.set_title(title, fontsize=14)
        axes.set_xlabel(xlabel, fontsize=13)
        axes.tick_params(labelsize=12)
        axes.grid(color="0.9")
        axes.set_axisbelow(True)
    row[0].set_ylabel(ylabel, fontsize=13)
    handles = row[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=4, frameon=False, fontsize=13)
    return row


def _box(axes, x, y, text, color, width):
    height = 0.5
    axes.add_patch(FancyBboxPatch(
        (x - width / 2, y - height / 2), width, height, boxstyle="round,pad=0.03", facecolor="white",
        edgecolor=color, linewidth=2.5))
    axes.text(x, y, text, ha="center", va="center", fontsize=13)


def _arrow(axes, start, end):
    axes.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": "black", "linewidth": 1.8})


def meanings(panels, labels, names, figure=None):
    """Draw the vectors of one word in N sentences on a plane, coloured by its meaning there.

    Args:
        panels: {title: (N, H)}, a panel each: the plane of the two directions in which the vectors vary most.
        labels: (N,) integers.
        names: {label: name of the meaning}.
        figure: where to draw; None makes one.

    Returns:
        a list of Axes, one for each panel.

    Example:
        >>> [axes] = meanings({"layer 0": np.eye(3)}, np.array([0, 1, 1]), {0: "garden", 1: "money"})
        >>> [len(dots.get_offsets()) for dots in axes.collections]
        [1, 2]
    """
    figure = figure or new_figure(3.8 * len(panels), 3.7)
    row = list(figure.subplots(1, len(panels), squeeze=False)[0])
    for axes, (title, vectors) in zip(row, panels.items()):
        centred = np.asarray(vectors, float) - np.mean(vectors, axis=0)
        _, _, directions = np.linalg.svd(centred, full_matrices=False)
        plane = centred @ directions[:2].T                                      # (N, 2)
        for (color, marker), (label, name) in zip(STYLES, names.items()):
            axes.scatter(*plane[labels == label].T, color=color, marker=marker, alpha=0.6, s=40, label=name)
        margin = max(0.5, 1.1 * np.abs(plane).max())
        axes.set(xlim=(-margin, margin), ylim=(-margin, margin), xticks=[], yticks=[])
        axes.set_title(title, fontsize=14)
    handles = row[-1].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=len(names), frameon=False, fontsize=13)
    return row


def accuracy_by_labels(panels, limits, figure=None):
    """Draw the accuracy of systems against the number of labels, a panel for each task.

    Args:
        panels: {task: {system: [(labels, mean, lowest, highest)]}}; the range over seeds is a bar.
        limits: {task: the best possible accuracy}, a dashed line; without a task where it is not known.
        figure: where to draw; None makes one.

    Returns:
        a list of Axes, one for each task.

    Example:
        >>> [axes] = accuracy_by_labels({"sense": {"bert": [(20, 0.5, 0.4, 0.6)]}}, {"sense": 0.86})
        >>> axes.get_title()
        'sense'
    """
    columns = min(3, len(panels))
    num_rows = -(-len(panels) // columns)
    figure = figure or new_figure(11.4, 0.8 + 3.2 * num_rows)
    grid = figure.subplots(num_rows, columns, sharex=True, squeeze=False).ravel()
    names = list(dict.fromkeys(name for systems in panels.values() for name in systems))
    ticks = sorted({cell[0] for systems in panels.values() for cells in systems.values() for cell in cells})
    handles = {}
    for axes, (task, systems) in zip(grid, panels.items()):
        for name, cells in systems.items():
            color, marker = STYLES[names.index(name) % len(STYLES)]
            labels, mean, lowest, highest = np.array(cells, float).T
            handles[name] = axes.errorbar(
                labels, mean, [mean - lowest, highest - mean], color=color, marker=marker, capsize=3)
        if task in limits:
            handles["the best possible"] = axes.axhline(limits[task], color=GREY, linestyle="--")
        axes.set(xscale="log", title=task)
        axes.set_xticks(ticks, [_short(number) for number in ticks])
        axes.xaxis.set_tick_params(labelbottom=True)
        axes.minorticks_off()
        axes.grid(color="0.9")
    for axes in grid[len(panels):]:
        axes.set_axis_off()
    for axes in grid[max(0, len(panels) - columns): len(panels)]:
        axes.set_xlabel("labels")
    grid[0].set_ylabel("accuracy")
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=4, frameon=False, fontsize=12)
    return list(grid[: len(panels)])


def _short(number):
    """Return a number as it fits below an axis: 500, 1.2k, 5k."""
    return f"{number / 1000:g}k" if number >= 1000 else f"{number:g}"
