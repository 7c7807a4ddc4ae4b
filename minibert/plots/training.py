"""Losses, accuracies and learning rates over the steps of a run, as its log.jsonl holds them."""

import numpy as np

from minibert.plots.style import BLUE, GREEN, GREY, ORANGE, STYLES, new_figure

COLUMNS = 4  # of the grid of phenomena
TASKS = {  # the second task of a pretraining, by its accuracy's name in the log
    "nsp_accuracy": "Next sentence prediction",
    "sop_accuracy": "Sentence order prediction",
    "rtd_accuracy": "Replaced token detection",
}


def loss_curves(log, limits=None, figure=None):
    """Draw a pretraining run: the MLM loss and the accuracy of the second task, each beside its baseline.

    Args:
        log: list of dictionaries, the lines of a run's log.jsonl.
        limits: {"mlm_loss": the lowest possible loss, "nsp_accuracy": the highest possible accuracy}, or one
            of the two, if the language is known well enough; None draws no limit.
        figure: where to draw; None makes one.

    Returns:
        two Axes; one where there were no sentence pairs.

    Raises:
        ValueError: the log holds no training step, or lacks its first line.
    """
    if not any("mlm_loss" in line for line in log) or not any("baselines" in line for line in log):
        raise ValueError(
            f"a log of {len(log)} lines has no losses to draw: "
            "it needs a first line with the baselines, and a training step"
        )
    limits = limits or {}
    figure = figure or new_figure(9, 3.6)
    evaluated = [line for line in log if "held_out" in line]
    tasks = [task for task in TASKS if any(line["held_out"].get(task) is not None for line in evaluated)]
    left, right = figure.subplots(1, 2) if tasks else (figure.subplots(), None)
    steps = np.array([line["step"] for line in log if "mlm_loss" in line])
    losses = np.array([line["mlm_loss"] for line in log if "mlm_loss" in line])
    held_out_steps = [line["step"] for line in evaluated]
    held_out_losses = [line["held_out"]["mlm_loss"] for line in evaluated]
    baselines = next(line["baselines"] for line in log if "baselines" in line)

    window = max(1, len(losses) // 50)
    smooth = np.convolve(losses, np.ones(window) / window, mode="valid")
    left.plot(steps[window - 1 :], smooth, color=BLUE, alpha=0.5, label=f"training (mean of {window} steps)")
    left.plot(held_out_steps, held_out_losses, "o-", color=ORANGE, label="held out")
    left.axhline(baselines["unigram_loss"], color=GREY, linestyle="--", label="unigram model")
    if "mlm_loss" in limits:
        left.axhline(limits["mlm_loss"], color=GREEN, linestyle=":", linewidth=2, label="best possible")
    left.set(xlabel="step", ylabel="nats per masked word piece", title="Masked language model: loss")
    left.legend(frameon=False, loc="center right")

    if right is None:
        return [left]
    [task] = tasks
    accuracies = [line["held_out"][task] for line in evaluated]
    right.plot(held_out_steps, accuracies, "o-", color=ORANGE, label="held out")
    if baselines["majority_accuracy"] is not None:
        right.axhline(
            baselines["majority_accuracy"], color=GREY, linestyle="--", label="always the same answer")
    if limits.get(task) is not None:
        right.axhline(limits[task], color=GREEN, linestyle=":", linewidth=2, label="best possible")
    right.set(xlabel="step", ylabel="accuracy", title=f"{TASKS[task]}: accuracy")
    right.set_ylim(min(0.4, *accuracies), 1)
    right.legend(framealpha=0.9, edgecolor="none")  # the baseline may run behind it
    return left, right


def next_token_loss(log, part="next_loss", figure=None):
    """Draw a run of a left-to-right language model: its loss beside n-gram models and the best possible one.

    Args:
        log: list of dictionaries, the lines of a run's log.jsonl.
        part: the name of the loss in the lines of training steps.
        figure: where to draw; None makes one.

    Returns:
        the Axes.

    Raises:
        ValueError: the log holds no training step, or lacks its first line.
    """
    trained = [line for line in log if part in line]
    first = next((line for line in log if "baselines" in line), None)
    if not trained or first is None:
        raise ValueError(
            f"a log of {len(log)} lines has no losses to draw: "
            "it needs a first line with the baselines, and a training step"
        )
    axes = (figure or new_figure(7, 3.6)).subplots()
    steps, losses = (np.array([line[name] for line in trained]) for name in ("step", part))
    evaluated = [line for line in log if "held_out" in line]
    window = max(1, len(losses) // 50)
    smooth = np.convolve(losses, np.ones(window) / window, mode="valid")
    axes.plot(steps[window - 1 :], smooth, color=BLUE, alpha=0.5, label=f"training (mean of {window} steps)")
    held_out = [line["held_out"]["next_loss"] for line in evaluated]
    axes.plot([line["step"] for line in evaluated], held_out, "o-", color=ORANGE, label="held out")
    for name, style in (("unigram", "--"), ("kneser_ney", "-.")):
        label = {"unigram": "unigram model", "kneser_ney": "Kneser–Ney"}[name]
        axes.axhline(first["baselines"][f"{name}_loss"], color=GREY, linestyle=style, label=label)
    if "limits" in first:
        limit = first["limits"]["next_loss"]
        axes.axhline(limit, color=GREEN, linestyle=":", linewidth=2, label="best possible")
    axes.set(xlabel="step", ylabel="nats per token", title="Next token: loss")
    axes.legend(frameon=False, loc="upper right")
    return axes


def learning_curves(log, metric, name, figure=None):
    """Draw a fine-tuning run: the losses, and a metric on held-out examples beside its baselines.

    Args:
        log: list of dictionaries, the lines of a run's log.jsonl.
        metric: the field of the evaluations to draw, such as "accuracy".  name: as it is written.
        figure: where to draw; None makes one.

    Returns:
        two Axes.

    Raises:
        ValueError: the log holds no training step, or lacks its first line.
    """
    steps = [line for line in log if "learning_rate" in line]
    baselines = next((line["baselines"] for line in log if "baselines" in line), None)
    if not steps or baselines is None:
        raise ValueError(
            f"a log of {len(log)} lines has no curves to draw: it needs the baselines, and a training step")
    left, right = (figure or new_figure(9, 3.6)).subplots(1, 2)
    evaluated = [line for line in log if "held_out" in line]
    places = [line["step"] for line in evaluated]
    losses = np.array([line["loss"] for line in steps])
    window = max(1, len(losses) // 20)
    smooth = np.convolve(losses, np.ones(window) / window, mode="valid")
    left.plot(
        [line["step"] for line in steps][window - 1 :], smooth, color=BLUE, alpha=0.6,
        label=f"training (mean of {window} steps)",
    )
    if evaluated[0]["held_out"].get("loss") is not None:
        held_out = [line["held_out"]["loss"] for line in evaluated]
        left.plot(places, held_out, "o-", color=ORANGE, label="held out")
    left.set(xlabel="step", ylabel="nats", title="Loss")
    left.set_ylim(bottom=0)
    left.legend(framealpha=0.9, edgecolor="none", loc="upper right")
    values = [line["held_out"][metric] for line in evaluated]
    right.plot(places, values, "o-", color=ORANGE, label="held out")
    for (label, found), style in zip(baselines.items(), ("--", ":")):
        right.axhline(found[metric], color=GREY, linestyle=style, label=label)
    right.set(xlabel="step", ylabel=name, title=f"Held-out {name}")
    right.set_ylim(max(0, min(*values, *(found[metric] for found in baselines.values())) - 0.05), 1)
    right.legend(framealpha=0.9, edgecolor="none", loc="center right")
    return left, right


def runs_beside(logs, minutes, figure=None):
    """Draw runs over time beside each other: held-out MLM loss and NSP accuracy.

    Args:
        logs: {name: list of dictionaries, the lines of a run's log.jsonl}, six at most, of the same held-out
            text.
        minutes: {name: the minutes that the run took}; every step of a run takes the same.
        figure: where to draw; None makes one.

    Returns:
        two Axes.
    """
    figure = figure or new_figure(9, 3.6)
    left, right = figure.subplots(1, 2)
    baselines = next(line["baselines"] for log in logs.values() for line in log if "baselines" in line)
    for (name, log), (color, marker) in zip(logs.items(), STYLES):
        evaluated = [line for line in log if "held_out" in line]
        times = np.array([line["step"] for line in evaluated]) * minutes[name] / evaluated[-1]["step"]
        drawn = {"color": color, "marker": marker, "label": name}
        left.plot(times, [line["held_out"]["mlm_loss"] for line in evaluated], **drawn)
        right.plot(times, [line["held_out"]["nsp_accuracy"] for line in evaluated], **drawn)
    left.axhline(baselines["unigram_loss"], color=GREY, linestyle="--", label="unigram model")
    left.set(xlabel="minutes", ylabel="nats per masked word piece", title="Masked language model: loss")
    right.axhline(baselines["majority_accuracy"], color=GREY, linestyle="--", label="always the same answer")
    right.set(xlabel="minutes", ylabel="accuracy", title="Next sentence prediction: accuracy")
    for axes in (left, right):
        bottom, top = axes.get_ylim()
        axes.set_ylim(bottom, top + 0.45 * (top - bottom))  # room for the legend above the curves
        axes.legend(frameon=False, loc="upper left")
    return left, right


def phenomena(log, figure=None):
    """Draw a run on the toy language: the accuracy on the tokens that each phenomenon decides, and its limit.

    Args:
        log: list of dictionaries, the lines of a run's log.jsonl.
        figure: where to draw; None makes one.

    Returns:
        a list of Axes, one for each phenomenon.

    Raises:
        ValueError: the log is not that of a run on the toy language.
    """
    limits = next((line["limits"]["phenomena"] for line in log if "limits" in line), None)
    if limits is None:
        raise ValueError(
            f"a log of {len(log)} lines holds no limits: only the toy language has them "
            "(minibert pretrain --corpus toy)"
        )
    figure = figure or new_figure(11, 6.5)
    num_rows = -(-len(limits) // COLUMNS)
    grid = figure.subplots(num_rows, COLUMNS, sharex=True, sharey=True)
    evaluated = [line for line in log if "held_out" in line]
    steps = [line["step"] for line in evaluated]
    for number, (axes, name) in enumerate(zip(grid.flat, limits)):
        accuracies = [line["held_out"]["phenomena"][name][1] for line in evaluated]
        axes.axhline(limits[name][1], color=GREEN, linestyle="--", label="best possible")
        axes.plot(steps, accuracies, "o-", color=ORANGE, markersize=3, label="held out")
        axes.set(title=name, ylim=(0, 1.04))
        if number % COLUMNS == 0:
            axes.set_ylabel("accuracy")
        if number + COLUMNS >= len(limits):
            axes.set_xlabel("step")
            axes.tick_params(labelbottom=True)
    for axes in grid.flat[len(limits) :]:
        axes.set_axis_off()
    grid.flat[0].legend(frameon=False, loc="lower right")
    return list(grid.flat[: len(limits)])


def learning_rates(rates, figure=None):
    """Draw learning rates over the steps of a run.

    Args:
        rates: {name: (S,) rates of the steps 0 to S − 1}, or the log of a run.
        figure: where to draw; None makes one.

    Returns:
        the Axes.

    Raises:
        ValueError: a log without a learning rate.

    Example:
        >>> axes = learning_rates({"falling": [1e-3 / (step + 1) for step in range(100)]})
        >>> float(axes.get_lines()[0].get_ydata().max())
        0.001
    """
    if isinstance(rates, dict):
        curves = {name: (np.arange(len(values)), np.array(values)) for name, values in rates.items()}
    else:
        lines = [line for line in rates if "learning_rate" in line]
        if not lines:
            raise ValueError(f"a log of {len(rates)} lines has no learning_rate: it needs a training step")
        steps, values = ([line[key] for line in lines] for key in ("step", "learning_rate"))
        curves = {"": (np.array(steps), np.array(values))}
    figure = figure or new_figure(8, 4)
    axes = figure.subplots()
    for number, (name, (steps, values)) in enumerate(curves.items()):
        color, marker = STYLES[number % len(STYLES)]
        axes.plot(
            steps, values, color=color, marker=marker if len(curves) > 1 else None,
            markevery=max(1, len(steps) // 8), linewidth=2, label=name or None,
        )
    axes.set(xlabel="step", ylabel="learning rate", title="Learning rate")
    axes.set_ylim(bottom=0)
    axes.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3), useMathText=True)
    if len(curves) > 1:
        axes.legend(frameon=False)
    return axes


def seed_curves(steps, panels, xlabel="step", xscale="linear", figure=None):
    """Draw curves of several seeds: a thin line for each, a thick one for their mean.

    Args:
        steps: (S,), for the x axis.
        panels: {title: {name: array (seeds, S)}}, at most six names; a number in place of the array is a
            level, drawn as a dashed grey line.
        xlabel, xscale: of the x axis, as Matplotlib has them.
        figure: where to draw; None makes one.

    Returns:
        a list of Axes, one for each panel.

    Example:
        >>> [axes] = seed_curves([0, 1], {"loss": {"ours": np.array([[2.0, 1.0], [4.0, 1.0]]), "limit": 0.5}})
        >>> [float(y) for y in axes.get_lines()[2].get_ydata()]
        [3.0, 1.0]
    """
    figure = figure or new_figure(5 * len(panels), 4)
    row = list(figure.subplots(1, len(panels), squeeze=False)[0])
    for axes, (title, curves) in zip(row, panels.items()):
        styles = iter(STYLES)
        for name, values in curves.items():
            if np.ndim(values) == 0:
                axes.axhline(values, color=GREY, linestyle="--", label=name)
                continue
            color, marker = next(styles)
            for curve in values:
                axes.plot(steps, curve, color=color, alpha=0.4, linewidth=1)
            look = {"marker": marker, "markevery": max(1, len(steps) // 8), "linewidth": 3}
            axes.plot(steps, np.mean(values, axis=0), color=color, label=name, **look)
        axes.set_title(title, fontsize=14)
        axes.set_xlabel(xlabel, fontsize=13)
        axes.set_xscale(xscale)
        if xscale == "log":
            axes.set_xticks(steps, steps)
            axes.minorticks_off()
        axes.set_ylim(bottom=0)
        axes.tick_params(labelsize=12)
    row[0].legend(fontsize=12, framealpha=0.9, edgecolor="none")
    return row


def seed_dots(results, xlabel, levels=None, figure=None):
    """Draw a dot for each seed, a row for each experiment.

    Args:
        results: {name of the experiment: list of one number a seed}.
        xlabel: what the numbers are.
        levels: {name: number}, drawn as dashed lines; None for none.
        figure: where to draw; None makes one.

    Returns:
        the Axes.

    Example:
        >>> axes = seed_dots({"one head": [0.5, 0.6], "two heads": [1.0, 1.0]}, "accuracy")
        >>> [label.get_text() for label in axes.get_yticklabels()]
        ['one head', 'two heads']
    """
    axes = (figure or new_figure(9, 0.55 * len(results) + 1.3)).subplots()
    for place, values in enumerate(results.values()):
        axes.plot(values, [place] * len(values), "o", color=BLUE, alpha=0.55, markersize=11)
    axes.set_yticks(range(len(results)), results, fontsize=13)
    axes.set_ylim(len(results) - 0.4, -0.6)
    axes.grid(axis="y", alpha=0.3)
    for name, level in (levels or {}).items():
        axes.axvline(level, color=GREY, linestyle="--")
        axes.text(level, -0.55, f" {name}", color=GREY, fontsize=12, va="top")
    axes.set_xlabel(f"{xlabel} (a dot for each seed)", fontsize=13)
    axes.tick_params(axis="x", labelsize=12)
    return axes
