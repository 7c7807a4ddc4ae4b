"""GPT in pictures: who sees whom, what right context is worth, norms by depth, greedy and random text."""

import numpy as np

from minibert.plots.style import BLUE, GREEN, GREY, ORANGE, new_figure

SMALL = 12  # points; nothing is smaller
LOOKS = ((BLUE, "o-"), (ORANGE, "s--"), (GREEN, "^-."), ("black", "D:"), ("#CC79A7", "P-"))


def who_sees_whom(masks, tokens, figure=None):
    """Draw which token may look at which, a grid for each mask; an empty cell is exactly 0.

    Args:
        masks: {title: (T, T)}, rows look at columns: booleans, or numbers that are drawn by their size.
        tokens: T strings.
        figure: where to draw; None makes one.

    Returns:
        list of Axes, one for each mask.

    Example:
        >>> [axes] = who_sees_whom({"causal": np.tri(2)}, ["the", "dog"])
        >>> axes.get_title(), axes.get_yticklabels()[1].get_text()
        ('causal', 'dog')
    """
    figure = figure or new_figure(4.8 * len(masks), 0.42 * len(tokens) + 1.9)
    panels = list(figure.subplots(1, len(masks), squeeze=False)[0])
    for axes, (title, mask) in zip(panels, masks.items()):
        sizes = np.asarray(mask, float)
        largest = sizes.max(axis=1, keepdims=True)
        sizes = sizes / np.where(largest > 0, largest, 1)           # a row may see nothing
        shown = np.where(sizes > 0, 0.25 + 0.6 * sizes, 0)          # the smallest can be told from 0
        axes.imshow(shown, cmap="Blues", vmin=0, vmax=1)
        axes.set_xticks(range(len(tokens)), tokens, rotation=50, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(tokens)), tokens)
        axes.set_xticks(np.arange(len(tokens)) + 0.5, minor=True)
        axes.set_yticks(np.arange(len(tokens)) + 0.5, minor=True)
        axes.grid(which="minor", color="white", linewidth=2)
        axes.tick_params(which="both", length=0, labelsize=SMALL)
        axes.spines[:].set_visible(False)
        axes.set_title(title, fontsize=14)
    return panels


def worth_of_context(contexts, figure=None):
    """Draw two losses for each phenomenon, joined by a line: with the left side, and with both.

    Args:
        contexts: {name: (loss with the left side, loss with both, ...)} in the order of the rows.
        figure: where to draw; None makes one.

    Returns:
        the Axes.

    Example:
        >>> axes = worth_of_context({"pronoun": (1.0, 0.25, 7)})
        >>> [line.get_xdata().tolist() for line in axes.get_lines()[:2]]
        [[1.0, 0.25], [1.0]]
    """
    axes = (figure or new_figure(9, 0.33 * len(contexts) + 1.4)).subplots()
    for row, (left, both, *_) in enumerate(contexts.values()):
        axes.plot([left, both], [row, row], color=GREY, linewidth=2)
        labels = ("left side only", "both sides") if not row else (None, None)
        axes.plot([left], [row], "o", color=ORANGE, markersize=10, label=labels[0])
        axes.plot([both], [row], "D", color=BLUE, markersize=8, label=labels[1])
    axes.set_yticks(range(len(contexts)), contexts, fontsize=SMALL)
    axes.set_ylim(len(contexts) - 0.5, -0.5)
    axes.grid(axis="y", alpha=0.3)
    axes.set_xlabel("loss of the best possible model, nats", fontsize=13)
    axes.tick_params(axis="x", labelsize=SMALL)
    axes.legend(frameon=False, fontsize=13, loc="lower right")
    return axes


def norms_by_block(norms, figure=None):
    """Draw the gradient's norm at each block of deep models: mean, and the range over the seeds.

    Args:
        norms: {depth: {name: (seeds, depth)}}, a panel for each depth, at most four names.
        figure: where to draw; None makes one.

    Returns:
        list of Axes, one for each depth.

    Example:
        >>> [axes] = norms_by_block({2: {"pre-norm": np.array([[1.0, 2.0], [3.0, 4.0]])}})
        >>> axes.get_lines()[0].get_ydata().tolist(), axes.get_title()
        ([2.0, 3.0], '2 blocks')
    """
    figure = figure or new_figure(3.2 * len(norms), 4)
    panels = list(figure.subplots(1, len(norms), sharey=True, squeeze=False)[0])
    for axes, (depth, of_depth) in zip(panels, norms.items()):
        for (name, values), (color, style) in zip(of_depth.items(), LOOKS):
            values, blocks = np.asarray(values), np.arange(depth)
            axes.plot(blocks, values.mean(axis=0), style, color=color, linewidth=2, label=name)
            axes.fill_between(blocks, values.min(axis=0), values.max(axis=0), color=color, alpha=0.2)
        axes.set_title(f"{depth} blocks", fontsize=13)
        axes.set_xlabel("block (0: the lowest)", fontsize=13)
        axes.set_xticks(range(0, depth, max(1, depth // 6)))
        axes.tick_params(labelsize=SMALL)
    panels[0].set_ylim(bottom=0)
    panels[0].set_ylabel("norm of the gradient", fontsize=13)
    handles = panels[-1].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=4, frameon=False, fontsize=SMALL)
    return panels


def loss_by_depth(results, level=None, figure=None):
    """Draw the loss after a short training by depth: mean, and a dot for each seed.

    Args:
        results: {name: {depth: (seeds,)}}, at most five names.
        level: a loss to compare with, (name, number); None for none.
        figure: where to draw; None makes one.

    Returns:
        the Axes.

    Example:
        >>> axes = loss_by_depth({"pre-norm": {"2": [2.0, 3.0], "12": [1.0, 1.0]}})
        >>> axes.get_lines()[0].get_ydata().tolist()
        [2.5, 1.0]
    """
    axes = (figure or new_figure(8.6, 4.8)).subplots()
    for shift, ((name, by_depth), (color, style)) in enumerate(zip(results.items(), LOOKS)):
        places = np.arange(len(by_depth)) + 0.06 * (shift - 1.5)
        means = [np.mean(values) for values in by_depth.values()]
        axes.plot(places, means, style, color=color, linewidth=2, markersize=8, label=name)
        for place, values in zip(places, by_depth.values()):
            axes.plot([place] * len(values), values, "o", color=color, markersize=5, alpha=0.6)
    if level is not None:
        axes.axhline(level[1], color=GREY, linestyle=":", linewidth=2, label=level[0])
    axes.set_xticks(range(len(by_depth)), by_depth, fontsize=SMALL)
    axes.set_xlabel("blocks (a small dot for each seed)", fontsize=13)
    axes.set_ylabel("held-out loss, nats", fontsize=13)
    axes.tick_params(labelsize=SMALL)
    axes.figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=SMALL)
    return axes


def surprises(said, marks, figure=None):
    """Draw how improbable typical sentences are, and where some others lie.

    Args:
        said: (N,), -log p of sentences that were drawn at random.
        marks: {name: -log p}, at most three.
        figure: where to draw; None makes one.

    Returns:
        the Axes.

    Example:
        >>> axes = surprises([9.0, 11.0], {"mode": 6.4})
        >>> [line.get_label() for line in axes.get_lines()]
        ['mode: 6.4']
    """
    axes = (figure or new_figure(9, 3.8)).subplots()
    axes.hist(said, bins=30, color=BLUE, alpha=0.6, label="drawn at random")
    for (name, value), (color, style) in zip(marks.items(), ((ORANGE, "-"), ("black", "--"), (GREEN, ":"))):
        axes.axvline(value, color=color, linestyle=style, linewidth=3, label=f"{name}: {value:.1f}")
    axes.set_xlabel("−log p of the sentence, nats", fontsize=13)
    axes.set_ylabel("sentences", fontsize=13)
    axes.tick_params(labelsize=SMALL)
    axes.legend(frameon=False, fontsize=13)
    return axes


def grammar_and_surprise(choices, truth, moved=None, figure=None):
    """Draw the share of possible sentences over their mean surprise, a line for each way to choose.

    Args:
        choices: {way: (settings, (seeds, settings, 3))}, at most three; the last axis: share that is
            grammatical, share that is different, mean -log p of the grammatical ones.
        truth: the same three numbers of the true language itself.
        moved: {(way, setting): (right, up)}, in points, of labels that would lie on a line.
        figure: where to draw; None makes one.

    Returns:
        the Axes. The bars are the range over the seeds; each point has its setting beside it.

    Example:
        >>> results = {"top-p": ([0.5, 1.0], np.array([[[1.0, 0.2, 8.0], [0.8, 0.9, 11.0]]]))}
        >>> axes = grammar_and_surprise(results, (1.0, 0.97, 11.0))
        >>> [text.get_text() for text in axes.texts]
        ['0.5', '1.0', 'the language itself']
    """
    axes = (figure or new_figure(9.4, 5.4)).subplots()
    offsets, moved = ((-14, -18), (18, -18), (10, 10)), moved or {}
    for (way, (settings, values)), (color, style), offset in zip(choices.items(), LOOKS, offsets):
        values = np.asarray(values)[:, :, [2, 0]]                   # (seeds, settings, 2)
        mean = values.mean(axis=0)
        below, above = mean - values.min(axis=0), values.max(axis=0) - mean
        axes.errorbar(*mean.T, xerr=[below[:, 0], above[:, 0]], yerr=[below[:, 1], above[:, 1]], fmt=style,
                      color=color, linewidth=2, markersize=8, capsize=2, elinewidth=1, label=way)
        for setting, place in zip(settings, mean):
            axes.annotate(str(setting), place, moved.get((way, setting), offset), textcoords="offset points",
                          color=color, fontsize=SMALL, ha="center")
    place = truth[2], truth[0]
    axes.plot(*([each] for each in place), "*", color="black", markersize=18)
    axes.annotate("the language itself", place, (12, -4), textcoords="offset points", fontsize=13)
    axes.set_xlabel("mean −log p of the grammatical ones, nats: few and likely ← → many", fontsize=13)
    axes.set_ylabel("share of grammatical sentences", fontsize=13)
    axes.tick_params(labelsize=SMALL)
    axes.legend(frameon=False, fontsize=13, loc="lower left")
    return axes
