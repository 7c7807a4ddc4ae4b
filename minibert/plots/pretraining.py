"""Pretraining, read from its curves: steps, shares learnt, probes, removed heads."""

import numpy as np

from minibert.plots.attention import attention_over_training
from minibert.plots.style import BLUE, GREEN, GREY, ORANGE, new_figure
from minibert.plots.training import loss_curves

SMALL = 12  # points; nothing is smaller


def step_lengths(lengths, rates, figure=None):
    """Draw how long Adam's steps are without the bias correction, and the learning rates of a run.

    Args:
        lengths: {β₂: (S,) length of each step from the first on, in units of the learning rate}.
        rates: (steps,) learning rates.
        figure: where to draw; None makes one.

    Returns:
        two Axes.

    Example:
        >>> left, right = step_lengths({0.999: [3.2, 2.0]}, [0.0, 0.5, 1.0, 0.5])
        >>> right.get_title()
        'Our run: 3 steps up, 1 down'
    """
    left, right = (figure or new_figure(9, 3.8)).subplots(1, 2)
    for (beta2, values), color, style in zip(lengths.items(), (ORANGE, BLUE), ("-", "--")):
        times, label = np.arange(1, len(values) + 1), f"no correction, β₂ = {beta2}"
        left.plot(times, values, style, color=color, linewidth=2, label=label)
    left.axhline(1, color=GREY, linestyle=":", linewidth=2, label="corrected")
    left.set(xlabel="step t", ylabel="length of the step, in lr", title="Constant gradient: how long a step?")
    left.set_ylim(0, 7)
    left.legend(frameon=False, fontsize=SMALL)
    right.plot(np.arange(len(rates)), rates, color=BLUE, linewidth=2)
    up = int(np.argmax(rates)) + 1
    right.set(xlabel="step", ylabel="learning rate")
    right.set_title(f"Our run: {up:,} steps up, {len(rates) - up:,} down")
    right.set_ylim(bottom=0)
    return [left, right]


def run(log, limits=None, bigram=None, figure=None):
    """Draw the loss curves of a run, with the legend between the curves.

    Args:
        log, limits: as in minibert.plots.loss_curves.
        bigram: the loss of a bigram model, drawn as one more level; None for none.
        figure: where to draw; None makes one.

    Returns:
        two Axes.
    """
    left, right = loss_curves(log, limits, figure or new_figure(9.6, 4.2))
    place = {"loc": "upper right", "bbox_to_anchor": (1, 0.9)}
    if bigram is not None:
        left.axhline(bigram, color=GREY, linestyle="-.", label="bigram model")
        left.set_ylim(0, 6)
        place = {"loc": "center right", "bbox_to_anchor": (1, 0.62)}
    left.legend(frameon=False, fontsize=SMALL, labelspacing=0.2, **place)
    right.set_title("Next sentence: accuracy")
    return [left, right]


def shares_learnt(learnt, steps, frequency, figure=None):
    """Draw, as a table with colours, how far each phenomenon has come on its way to the limit.

    Args:
        learnt: {phenomenon: (E,) 0 at the start, 1 at the limit}, in the order of the rows.
        steps: (E,), when the run was evaluated.
        frequency: {phenomenon: how often such a word is hidden}, written beside its name.
        figure: where to draw; None makes one.

    Returns:
        the Axes.

    Example:
        >>> axes = shares_learnt({"topic": [0.0, 0.5]}, [0, 1000], {"topic": 1234.5})
        >>> [text.get_text() for text in axes.texts], axes.get_yticklabels()[0].get_text()
        (['0', '50'], 'topic (1,234)')
    """
    axes = (figure or new_figure(9, 0.3 * len(learnt) + 1)).subplots()
    grid = 100 * np.array(list(learnt.values()))                    # per cent
    axes.imshow(grid, cmap="Blues", vmin=0, vmax=120, aspect="auto")
    for (row, column), value in np.ndenumerate(grid):
        color = "white" if value > 65 else "black"
        axes.text(column, row, f"{value:.0f}", ha="center", va="center", color=color, fontsize=SMALL)
    axes.set_xticks(range(len(steps)), [f"{step:,}" for step in steps])
    axes.set_yticks(range(len(learnt)), [f"{name} ({frequency[name]:,.0f})" for name in learnt])
    axes.set(xlabel="step", title="Loss: per cent of the way from the start to the limit")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return axes


def probe_curves(sizes, curves, majority, figure=None):
    """Draw the accuracy of probes by the number of labels, a panel for each task.

    Args:
        sizes: (S,), numbers of labels.
        curves: {task: {name of what the probe sees: (S, draws)}}, at most four names.
        majority: {task: the accuracy of always the same answer}.
        figure: where to draw; None makes one.

    Returns:
        list of Axes, one for each task. The bars are the standard deviation over the draws.

    Example:
        >>> [axes] = probe_curves([10, 100], {"topic": {"words": np.eye(2)}}, {"topic": 0.4})
        >>> axes.get_title()
        'topic'
    """
    figure = figure or new_figure(9.6, 4.6)
    panels = figure.subplots(1, len(curves), sharey=True, squeeze=False)[0]
    styles = ((BLUE, "o-"), (ORANGE, "s--"), (GREEN, "^-."), ("black", "D:"))
    for axes, (task, of_task) in zip(panels, curves.items()):
        for (name, accuracies), (color, style) in zip(of_task.items(), styles):
            mean, spread = np.mean(accuracies, axis=1), np.std(accuracies, axis=1)
            look = {"fmt": style, "color": color, "capsize": 3, "linewidth": 2}
            axes.errorbar(sizes, mean, spread, label=name, **look)
        axes.axhline(majority[task], color=GREY, linewidth=1.2, label="always the same answer")
        axes.set(xscale="log", xlabel="labels", title=task, ylim=(0.35, 1.03))
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axes.set_xlim(0.8 * min(sizes), 1.4 * max(sizes))
        axes.minorticks_off()
    panels[0].set_ylabel("accuracy on 1,000 other sentences")
    handles = panels[-1].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=2, frameon=False, fontsize=SMALL)
    return list(panels)


def heads_before_and_after(maps, figure=None):
    """Draw attention maps before and after the training, a pair for each head.

    Args:
        maps: {title: (tokens, {step: (T, T)})}.
        figure: where to draw; None makes one.

    Returns:
        the Figure.

    Example:
        >>> maps = {"encoder[0], head 1": (["it", "ran"], {0: np.eye(2), 2400: np.eye(2)})}
        >>> [axes.get_title() for axes in heads_before_and_after(maps).axes[:2]]
        ['step 0', 'step 2,400']
    """
    figure = figure or new_figure(5.6 * len(maps), 4)
    for part, (title, (tokens, of_step)) in zip(np.atleast_1d(figure.subfigures(1, len(maps))), maps.items()):
        for axes in attention_over_training(of_step, tokens, title, figure=part):
            axes.tick_params(labelsize=SMALL)
    return figure


def worth_of_heads(looks, cost, right, figure=None):
    """Draw what each head is worth beside where it looks, and the accuracy with parts removed.

    Args:
        looks: {question: attention of each head to the source, an array of any shape}.
        cost: {question: (heads,), the extra loss without each head, in nats}.
        right: {question: {"what was removed": accuracy}}.
        figure: where to draw; None makes one.

    Returns:
        two Axes. On the left a ring is around the head of each question that looks most.

    Example:
        >>> right = {"number": {"whole model": 0.9}}
        >>> left, bars_at = worth_of_heads({"number": [0.1, 0.9]}, {"number": [0.0, 0.3]}, right)
        >>> [[float(x) for x in found.get_xdata()] for found in left.get_lines()[:2]]
        [[0.1, 0.9], [0.9]]
    """
    left, bars_at = (figure or new_figure(10, 4.2)).subplots(1, 2)
    styles = zip(looks, (BLUE, ORANGE), ("o", "s"), ("", "//"), (-0.2, 0.2))
    for name, color, marker, hatch, offset in styles:
        attention, worth = np.ravel(looks[name]), np.asarray(cost[name])
        left.plot(attention, worth, marker, color=color, markersize=7, alpha=0.75, label=name)
        most = attention.argmax()
        ring = {"markersize": 15, "fillstyle": "none", "markeredgewidth": 2}
        left.plot(attention[[most]], worth[[most]], marker, color=color, **ring)
        places, heights = np.arange(len(right[name])) + offset, list(right[name].values())
        bars = bars_at.bar(places, heights, 0.4, color=color, hatch=hatch, edgecolor="white", label=name)
        bars_at.bar_label(bars, fmt="%.2f", padding=2, fontsize=SMALL)
        bars_at.set_xticks(range(len(heights)), right[name])
    left.axhline(0, color=GREY, linewidth=1)
    left.set(xlabel="attention from [MASK] to the source", ylabel="extra loss of “which form” (nats)")
    left.set(xlim=(0, 1.05), title="A mark for each head")
    left.legend(frameon=False, loc="upper left", fontsize=SMALL)
    bars_at.axhline(0.5, color=GREY, linestyle="--", linewidth=1)
    bars_at.set(ylabel="accuracy", ylim=(0, 1.32), title="What is needed?", yticks=[0, 0.25, 0.5, 0.75, 1])
    bars_at.legend(frameon=False, ncols=2, loc="upper right", fontsize=SMALL)
    return [left, bars_at]


def reported_and_true(results, figure=None):
    """Draw the loss that two programs report, and the true loss of what they train.

    Args:
        results: {(program, "SGD" or "AdamW"): (reported loss of each step, true loss after every tenth)}, of
            two programs.
        figure: where to draw; None makes one.

    Returns:
        three Axes: reported with AdamW; true with gradient descent; true with AdamW.

    Example:
        >>> run = ([5.8, 5.7], [5.6])
        >>> panels = reported_and_true({(name, way): run for name in "ab" for way in ("SGD", "AdamW")})
        >>> [len(axes.get_lines()) for axes in panels]
        [2, 2, 2]
    """
    panels = (figure or new_figure(10.4, 3.8)).subplots(1, 3)
    looks = dict(zip(dict.fromkeys(name for name, _ in results), ((BLUE, "-", 2.5), (ORANGE, "--", 2))))
    for (name, optimizer), (reported, true_losses) in results.items():
        color, style, width = looks[name]
        if optimizer == "AdamW":
            panels[0].plot(reported, style, color=color, label=name, linewidth=1.5)
        after = 10 * np.arange(1, len(true_losses) + 1)
        axes = panels[1 if optimizer == "SGD" else 2]
        axes.plot(after, true_losses, style, color=color, linewidth=width, label=name)
    panels[0].set(title="what is reported", ylabel="nats", ylim=(0, 7))
    panels[1].set(title="true, gradient descent", ylabel="nats per hidden word", ylim=(3, 6))
    panels[2].set(title="true, AdamW", ylim=(3, 6))
    for axes in panels:
        axes.set_xlabel("step")
        axes.legend(frameon=False, fontsize=SMALL)
    return list(panels)


def hidden_word(words, place, probs, figure=None):
    """Draw where pretraining has its labels from: a word is hidden, and a model says what it could be.

    Args:
        words: list of strings, one sentence.  place: number of the hidden word.
        probs: {candidate: (probability that the model gives it, that of the best possible model)}.
        figure: where to draw; None makes one.

    Returns:
        the Axes of the sentence and of the probabilities.

    Example:
        >>> sentence, bars = hidden_word(["her", "crown"], 0, {"her": (0.8, 0.98), "his": (0.2, 0.02)})
        >>> sentence.texts[0].get_text(), [label.get_text() for label in bars.get_yticklabels()]
        ('[MASK]', ['her', 'his'])
    """
    top, bars = (figure or new_figure(10, 4.2)).subplots(2, 1, height_ratios=(1, 1.9))
    for x, word in enumerate(words):
        color, shown = (ORANGE, "[MASK]") if x == place else (GREY, word)
        box = {"boxstyle": "round,pad=0.4", "facecolor": "white", "edgecolor": color, "linewidth": 2}
        top.text(x, 0, shown, ha="center", va="center", fontsize=14, color="black", bbox=box)
    label = f"hidden: {words[place]}, the label"
    top.text(place, 1, label, ha="center", va="center", fontsize=13, color=ORANGE)
    top.set(xlim=(-0.6, len(words) - 0.4), ylim=(-0.6, 1.4))
    top.set_axis_off()
    rows = np.arange(len(probs))
    looks = (("the model", BLUE, ""), ("the best possible model", GREY, "//"))
    for (name, color, hatch), shift, values in zip(looks, (-0.19, 0.19), zip(*probs.values())):
        look = {"color": color, "hatch": hatch, "edgecolor": "white"}
        bars.barh(rows + shift, values, 0.36, label=name, **look)
    bars.set_yticks(rows, probs, fontsize=13)
    bars.get_yticklabels()[list(probs).index(words[place])].set(color=ORANGE, fontweight="bold")
    bars.invert_yaxis()
    bars.set_xlabel("probability", fontsize=13)
    bars.tick_params(axis="x", labelsize=SMALL)
    bars.set_xlim(0, 1)
    bars.legend(frameon=False, fontsize=13, loc="lower right")
    return [top, bars]
