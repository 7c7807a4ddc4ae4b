"""The pictures. Matplotlib is imported only here, so that nothing else waits for it."""

import matplotlib
import numpy as np
from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#777777"  # told apart with any colour vision (Okabe & Ito)


def save(plot, path, *inputs, size=(9, 3.6)):
    """Draw plot(*inputs) on a figure of its own and write it as a PNG file; no display is needed."""
    with matplotlib.rc_context({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=size, layout="constrained")
        plot(*inputs, figure=figure)
        figure.savefig(path, dpi=120)


def loss_curves(log, figure=None):
    """Draw a pretraining run: the MLM loss and the NSP accuracy, each beside its baseline.

    Args:
        log: list of dictionaries, as minibert.training.pretraining.read_log returns it.
        figure: where to draw; None makes one.

    Returns:
        two Axes.

    Raises:
        ValueError: the log holds no training step, or lacks its first line.

    Example:
        >>> left, right = loss_curves(read_log("bert-python-docs/log.jsonl"))   # doctest: +SKIP
    """
    if not any("mlm_loss" in line for line in log) or not any("baselines" in line for line in log):
        raise ValueError(f"a log of {len(log)} lines has no losses to draw: it needs a first line with the baselines, and a step")
    figure = Figure(figsize=(9, 3.6), layout="constrained") if figure is None else figure
    left, right = figure.subplots(1, 2)
    steps = np.array([line["step"] for line in log if "mlm_loss" in line])
    losses = np.array([line["mlm_loss"] for line in log if "mlm_loss" in line])
    evaluated = [line for line in log if "held_out" in line]
    held_out_steps = [line["step"] for line in evaluated]
    baselines = next(line["baselines"] for line in log if "baselines" in line)

    window = max(1, len(losses) // 50)
    smooth = np.convolve(losses, np.ones(window) / window, mode="valid")
    left.plot(steps[window - 1 :], smooth, color=BLUE, alpha=0.5, label=f"training (mean of {window} steps)")
    left.plot(held_out_steps, [line["held_out"]["mlm_loss"] for line in evaluated], "o-", color=ORANGE, label="held out")
    left.axhline(baselines["unigram_loss"], color=GREY, linestyle="--", label="unigram model")
    left.set(xlabel="step", ylabel="nats per masked word piece", title="Masked language model: loss")
    left.legend(frameon=False)

    accuracies = [line["held_out"]["nsp_accuracy"] for line in evaluated]
    right.plot(held_out_steps, accuracies, "o-", color=ORANGE, label="held out")
    right.axhline(baselines["majority_accuracy"], color=GREY, linestyle="--", label="always the same answer")
    right.set(xlabel="step", ylabel="share told right", title="Next sentence prediction: accuracy")
    right.set_ylim(min(0.4, *accuracies), 1)
    right.legend(frameon=False)
    return left, right
