"""The pictures. Matplotlib is imported only here, so that nothing else waits for it."""

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from minibert.gradcheck.step_size import errors_by_step
from minibert.gradcheck.subject import CENTRAL_STEP, COMPLEX_STEP

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
    left.legend(frameon=False, loc="center right")

    accuracies = [line["held_out"]["nsp_accuracy"] for line in evaluated]
    right.plot(held_out_steps, accuracies, "o-", color=ORANGE, label="held out")
    right.axhline(baselines["majority_accuracy"], color=GREY, linestyle="--", label="always the same answer")
    right.set(xlabel="step", ylabel="share told right", title="Next sentence prediction: accuracy")
    right.set_ylim(min(0.4, *accuracies), 1)
    right.legend(frameon=False)
    return left, right


def error_against_step_size(layer, *inputs, figure=None, **forward_kwargs):
    """Draw the error of central differences and of the complex step against the step h, from 1e-1 to 1e-30.

    Args:
        layer, *inputs, **forward_kwargs: as in check_gradients; a pair of functions will do.
        figure: where to draw; None makes one.

    Returns:
        the Axes.

    Example:
        >>> x = np.random.default_rng(0).standard_normal((4, 5, 6))
        >>> axes = error_against_step_size(minibert.layers.LayerNorm(6), x)         # doctest: +SKIP
    """
    figure = Figure(figsize=(9, 4.2), layout="constrained") if figure is None else figure
    steps = 10.0 ** np.arange(-30, -0.75, 0.5)
    errors = errors_by_step(layer, *inputs, steps=steps, **forward_kwargs)
    axes = figure.subplots()
    for method, style, width, color, label, used, offset in (
        ("complex", "-", 4, BLUE, "complex step, Im f(x + ih) / h", COMPLEX_STEP, (10, 30)),
        ("central", "o-", 1, ORANGE, "central differences, (f(x + h) − f(x − h)) / 2h", CENTRAL_STEP, (18, -45)),
    ):
        drawn = np.maximum(errors[method], 1e-17)  # a logarithmic axis has no 0
        axes.loglog(steps, drawn, style, color=color, linewidth=width, markersize=4, label=label)
        at_used = drawn[np.argmin(np.abs(np.log10(steps / used)))]
        text = f"minibert: h = $10^{{{np.log10(used):.0f}}}$\nerror {at_used:.0e}"
        axes.annotate(text, (used, at_used), offset, textcoords="offset points", color=color,
                      arrowprops={"arrowstyle": "->", "color": color})  # fmt: skip
    axes.axhline(np.finfo(float).eps, color=GREY, linestyle="--", linewidth=1, label="precision of float64, 2e-16")
    axes.set(xlabel="step size h", ylabel="relative error of the derivative", title="Two ways to measure a derivative")
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(0.03, 0.62))
    return axes
