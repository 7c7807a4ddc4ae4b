"""What pretraining costs, and what makes it cheaper, in pictures."""

import numpy as np
from matplotlib.patches import FancyBboxPatch
from matplotlib.ticker import LogLocator

from minibert.plots.style import BLUE, GREEN, GREY, ORANGE, STYLES, new_figure

SMALL = 12  # points; nothing is smaller
BILL = {  # what a pretraining's time is a product of: (its factor, whether it divides, what makes it cheaper)
    "cost": ("operations\na token", "fewer: a small student, shared layers?"),
    "data": ("tokens\nread", "more from each: ELECTRA, masks, old text again?"),
    "time": ("operations\na second", "more at once: batches, threads, machines?"),
}


def bill(figure=None):
    """Draw the time of a pretraining as its three factors, and below each what makes it cheaper.

    Args:
        figure: where to draw; None makes one.

    Returns:
        the Axes.

    Example:
        >>> [text.get_text() for text in bill().texts][:2]
        ['time  =', 'operations\\na token']
    """
    axes = (figure or new_figure(11.4, 3.9)).subplots()
    text = {"ha": "center", "va": "center"}
    axes.text(0.1, 2, "time  =", fontsize=17, **text)
    colors = BLUE, GREEN, ORANGE
    for column, ((challenge, (factor, cheaper)), color) in enumerate(zip(BILL.items(), colors)):
        x = 1.7 + 2.4 * column
        axes.add_patch(FancyBboxPatch(
            (x - 0.75, 1.55), 1.5, 0.9, boxstyle="round,pad=0.05", facecolor="white", edgecolor=color,
            linewidth=2.5))
        axes.text(x, 2, factor, fontsize=15, **text)
        axes.text(x, 2.85, challenge, fontsize=14, color=color, fontweight="bold", **text)
        axes.text(x, 0.7, "\n".join(_lines(cheaper, 18)), fontsize=13, **text)
        arrow = {"arrowstyle": "->", "color": color, "linewidth": 2}
        axes.annotate("", (x, 1.45), (x, 1.15), arrowprops=arrow)
        if column:
            axes.text(x - 1.2, 2, ("×", "÷")[column - 1], fontsize=20, **text)
    axes.set(xlim=(-0.5, 7.5), ylim=(0, 3.1))
    axes.set_axis_off()
    return axes


def _lines(text, width):
    """Break a text into lines of at most `width` characters."""
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def ladder(totals, marks, label, figure=None):
    """Draw numbers of very different size on one logarithmic line, a row for each.

    Args:
        totals: {name: number}.
        marks: {name: number}, drawn as dashed lines.
        label: what the numbers are.
        figure: where to draw; None makes one.

    Returns:
        the Axes.

    Example:
        >>> axes = ladder({"a class": 1e13, "GPT-3": 3e23}, {"one day": 5e15}, "operations")
        >>> axes.get_xscale(), [label.get_text() for label in axes.get_yticklabels()]
        ('log', ['a class', 'GPT-3'])
    """
    axes = (figure or new_figure(10.5, 0.62 * len(totals) + 1.6)).subplots()
    values = list(totals.values())
    low = 10 ** np.floor(np.log10(min([*values, *marks.values()])) - 0.5)
    axes.hlines(range(len(values)), low, values, color=BLUE, linewidth=5, alpha=0.35)
    axes.plot(values, range(len(values)), "o", color=BLUE, markersize=11)
    for place, value in enumerate(values):
        text = f"{value:.0e}".replace("e+", "e")
        axes.text(value, place - 0.26, text, ha="center", va="bottom", fontsize=13)
    for name, level in marks.items():
        axes.axvline(level, color=GREY, linestyle="--")
        axes.text(level, len(values) - 0.45, f" {name}", color=GREY, fontsize=SMALL, va="bottom")
    axes.set_yticks(range(len(values)), totals, fontsize=13)
    axes.set(xscale="log", xlim=(low, 30 * max(values)), ylim=(len(values) - 0.1, -0.8))
    axes.set_xlabel(label, fontsize=13)
    axes.tick_params(axis="x", labelsize=SMALL)
    axes.tick_params(axis="y", length=0)
    return axes


def pieces(rows, label=None, figure=None):
    """Draw bars that are cut into parts.

    Args:
        rows: {name: {part: number}}, the same parts in all rows, at most six.
        label: what the numbers are; None draws all bars of length 1, and the shares of the parts.
        figure: where to draw; None makes one.

    Returns:
        the Axes.

    Example:
        >>> axes = pieces({"tiny": {"attention": 1, "feed-forward": 3}})
        >>> [float(bar.get_width()) for bar in axes.patches]
        [0.25, 0.75]
    """
    axes = (figure or new_figure(10.5, 0.6 * len(rows) + 1.7)).subplots()
    totals = [sum(parts.values()) for parts in rows.values()]
    longest = 1 if label is None else max(totals)
    for place, (total, parts) in enumerate(zip(totals, rows.values())):
        start = 0.0
        for (color, _), (part, number) in zip(STYLES, parts.items()):
            width = number / total if label is None else number
            axes.barh(place, width, left=start, color=color, alpha=0.6, height=0.6,
                      label=None if place else part)
            if width > 0.05 * longest:
                text = f"{width:.0%}" if label is None else f"{number:,.0f}"
                axes.text(start + width / 2, place, text, ha="center", va="center", fontsize=13)
            start += width
    axes.set_yticks(range(len(rows)), rows, fontsize=13)
    axes.set(xlim=(0, longest), ylim=(len(rows) - 0.4, -0.6), xticks=[])
    axes.set_xlabel(label or "", fontsize=13)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.figure.legend(loc="outside lower center", ncols=len(next(iter(rows.values()))), frameon=False,
                       fontsize=13)
    return axes


def relative(measures, base, figure=None):
    """Draw what models have of several things, each divided by what `base` has of it.

    Args:
        measures: {measure: {model: a number, or list of one number a seed}}, the same models in all.
        base: one of the models; a line at 1.
        figure: where to draw; None makes one.

    Returns:
        the Axes.

    Example:
        >>> axes = relative({"time": {"BERT": 2.0, "ALBERT": [1.0, 3.0]}}, "BERT")
        >>> [float(bar.get_height()) for bar in axes.patches]       # without the base's
        [1.0]
    """
    axes = (figure or new_figure(10.5, 4.2)).subplots()
    models = [name for name in next(iter(measures.values())) if name != base]
    width = 0.8 / len(models)
    for index, (model, (color, _)) in enumerate(zip(models, STYLES)):
        for place, of_model in enumerate(measures.values()):
            values = np.atleast_1d(of_model[model]) / np.mean(of_model[base])
            x = place + width * (index - (len(models) - 1) / 2)
            axes.bar(x, values.mean(), width=0.9 * width, color=color, alpha=0.5,
                     label=None if place else model)
            axes.text(x, values.mean(), f"{values.mean():.2f}", ha="center", va="bottom", fontsize=SMALL)
    axes.axhline(1, color=GREY, linestyle="--")
    axes.set_xticks(range(len(measures)), [name.replace(", ", ",\n") for name in measures], fontsize=13)
    axes.set_ylabel(f"relative to {base}", fontsize=13)
    axes.set_ylim(0, 1.15 * axes.get_ylim()[1])
    axes.tick_params(labelsize=SMALL)
    axes.tick_params(axis="x", length=0, labelsize=13)
    axes.legend(frameon=False, fontsize=13, ncols=len(models), loc="upper right")
    return axes


def curves(panels, xlabel, ylabel, levels=None, xscale="log", yscale="linear", figure=None):
    """Draw curves with the range over their seeds: a line through the means, a bar from lowest to highest.

    Args:
        panels: {title: {name: (x (P,), values (seeds, P))}}, at most six names.
        xlabel: of all panels.  ylabel: of all, or a list of one for each, which then has its own axis.
        levels: {name: number}, drawn as dashed lines in all panels; None for none.
        xscale, yscale: of all panels, "log" or "linear"; on a logarithmic x axis all x are marked.
        figure: where to draw; None makes one.

    Returns:
        a list of Axes, one for each panel.

    Example:
        >>> [axes] = curves({"": {"new text": ([1, 2], [[3.0, 1.0], [5.0, 1.0]])}}, "tokens", "nats")
        >>> [float(y) for y in axes.get_lines()[0].get_ydata()]
        [4.0, 1.0]
    """
    figure = figure or new_figure(9 if len(panels) == 1 else min(11.4, 5.7 * len(panels)), 4.4)
    is_shared = isinstance(ylabel, str)
    row = list(figure.subplots(1, len(panels), squeeze=False, sharey=is_shared)[0])
    for axes, (title, series) in zip(row, panels.items()):
        for (color, marker), (name, (x, values)) in zip(STYLES, series.items()):
            values = np.asarray(values, float)                                      # (seeds, P)
            mean, lowest, highest = values.mean(axis=0), values.min(axis=0), values.max(axis=0)
            axes.errorbar(x, mean, [mean - lowest, highest - mean], color=color, marker=marker, capsize=3,
                          linewidth=2, label=name)
        for name, level in (levels or {}).items():
            axes.axhline(level, color=GREY, linestyle="--")
            axes.annotate(name, (0.01, level), xycoords=("axes fraction", "data"), color=GREY,
                          fontsize=SMALL, va="bottom")
        axes.set(xscale=xscale, yscale=yscale)
        if yscale == "log":
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter("{x:,g}")
        if xscale == "log":
            ticks = sorted({float(tick) for x, _ in series.values() for tick in x})
            axes.set_xticks(ticks, [f"{tick:,g}" for tick in ticks], rotation=0 if len(ticks) < 8 else 45)
            axes.minorticks_off()
        axes.set_title(title, fontsize=14)
        axes.set_xlabel(xlabel, fontsize=13)
        axes.tick_params(labelsize=SMALL)
        axes.grid(color="0.9")
        axes.set_axisbelow(True)
    for axes, label in zip(row, [ylabel] if is_shared else ylabel):
        axes.set_ylabel(label, fontsize=13)
    handles = row[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=3, frameon=False, fontsize=13)
    return row


def dots(panels, xlabel, figure=None):
    """Draw a dot for each seed, a row for each name and a panel for each title.

    Args:
        panels: {title: {name: list of one number a seed}}, the same names in all.
        xlabel: what the numbers are.
        figure: where to draw; None makes one.

    Returns:
        a list of Axes, one for each panel.

    Example:
        >>> [axes] = dots({"sense": {"BERT": [0.8, 0.7], "ELECTRA": [0.6, 0.7]}}, "accuracy")
        >>> [[float(x) for x in row.get_xdata()] for row in axes.get_lines()]
        [[0.8, 0.7], [0.6, 0.7]]
    """
    names = list(next(iter(panels.values())))
    figure = figure or new_figure(11.4, 0.5 * len(names) + 1.5)
    row = list(figure.subplots(1, len(panels), squeeze=False, sharey=True)[0])
    for axes, (title, results) in zip(row, panels.items()):
        for place, (name, (color, _)) in enumerate(zip(names, STYLES)):
            places = [place] * len(results[name])
            axes.plot(results[name], places, "o", color=color, alpha=0.55, markersize=11)
        axes.set_title(title, fontsize=14)
        axes.set_xlabel(xlabel, fontsize=13)
        axes.tick_params(labelsize=SMALL)
        axes.grid(axis="y", alpha=0.3)
    row[0].set_yticks(range(len(names)), names, fontsize=13)
    row[0].set_ylim(len(names) - 0.5, -0.5)
    return row


def answers(panels, words, right, figure=None):
    """Draw what several teachers say of one hidden word: a bar for each of some words, a panel for each.

    Args:
        panels: {title: (K,) probabilities}.
        words: list of K strings.
        right: the word that was hidden; its bars have another colour.
        figure: where to draw; None makes one.

    Returns:
        a list of Axes, one for each panel.

    Example:
        >>> [axes] = answers({"label": [1.0, 0.0]}, ["queen", "king"], "queen")
        >>> [float(bar.get_width()) for bar in axes.patches]
        [1.0, 0.0]
    """
    figure = figure or new_figure(min(11.4, 3 * len(panels)), 0.36 * len(words) + 1.2)
    row = list(figure.subplots(1, len(panels), squeeze=False, sharey=True)[0])
    colors = [ORANGE if word == right else BLUE for word in words]
    for axes, (title, probs) in zip(row, panels.items()):
        axes.barh(range(len(words)), probs, color=colors, alpha=0.6)
        for place, prob in enumerate(probs):
            axes.text(prob, place, f" {prob:.2f}", va="center", fontsize=SMALL)
        axes.set_title(title, fontsize=14)
        axes.set(xlim=(0, 1.3), xticks=[])
        axes.tick_params(length=0)
        axes.spines["bottom"].set_visible(False)
    row[0].set_yticks(range(len(words)), words, fontsize=13)
    row[0].set_ylim(len(words) - 0.5, -0.5)
    return row
