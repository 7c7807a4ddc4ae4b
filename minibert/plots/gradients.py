"""Gradients: how large they are, layer by layer and step by step, and how exactly they can be measured."""

import numpy as np
from matplotlib.colors import LogNorm

from minibert.plots.style import BLUE, GREY, ORANGE, STYLES, new_figure

SMALLEST_ERROR = 1e-17  # drawn in place of 0, which a logarithmic axis does not have


def gradient_flow(norms, by="layer", dtype=np.float32, figure=None):
    """Draw the norm of the gradients for each layer, or for each parameter, on a log axis.

    Args:
        norms: {name: norm}, in the order of the forward pass, as course.figures.gradient_norms computes it.
        by: "layer" or "parameter", the label of the names' axis.
        dtype: of the gradients. Relative to the largest norm, anything below its precision is rounding error.
        figure: where to draw; None makes one.

    Returns:
        the Axes. A norm that is zero but for rounding, as those of the key biases, has "0" in place of a bar.

    Raises:
        ValueError: all norms are zero.

    Example:
        >>> gradient_flow({"embeddings": 0.5, "encoder[0]": 2.0, "pooler": 0.0}).get_ylabel()
        'layer'
    """
    values = np.array(list(norms.values()))
    if not values.any():
        raise ValueError("all gradients are zero: call model.backward(cache) first")
    shown = values > values.max() * np.finfo(dtype).eps
    floor = values[shown].min() / 2
    places = np.arange(len(norms))
    figure = figure or new_figure(8.5, max(2.5, 0.26 * len(norms) + 1.2))
    axes = figure.subplots()
    axes.barh(places[shown], values[shown], color=BLUE)
    for place in places[~shown]:
        axes.text(floor, place, " 0", va="center", color=ORANGE, fontweight="bold")
    axes.set_xscale("log")
    axes.set_xlim(left=floor)
    axes.set_yticks(places, list(norms))
    axes.invert_yaxis()
    axes.margins(y=0.01)
    title = "Gradient flow: from the loss below up to the embeddings"
    axes.set(xlabel="norm of d loss / d parameter", ylabel=by, title=title)
    axes.grid(axis="x", color="0.9")
    axes.set_axisbelow(True)
    return axes


def gradient_flow_over_time(log, max_norm=None, figure=None):
    """Draw the norm of the gradients over the steps of a run.

    Args:
        log: list of dictionaries with "step" and "gradient_norm", as the log of a run holds them; or with
            "gradient_norms", {name: norm}, which gives one line for each name.
        max_norm: above which gradients are clipped: a dashed line; None for no clipping.
        figure: where to draw; None makes one.

    Returns:
        the Axes.

    Raises:
        ValueError: no line of the log has a norm.

    Example:
        >>> log = [{"step": 1, "gradient_norm": 3.0}, {"step": 2, "gradient_norm": 2.0}]
        >>> gradient_flow_over_time(log).get_lines()[0].get_ydata().tolist()
        [3.0, 2.0]
    """
    curves = {}  # {name: (steps, norms)}
    for line in log:
        if "gradient_norms" in line:
            norms = line["gradient_norms"]
        elif "gradient_norm" in line:
            norms = {"all parameters": line["gradient_norm"]}
        else:
            continue
        for name, norm in norms.items():
            steps, values = curves.setdefault(name, ([], []))
            steps.append(line["step"])
            values.append(norm)
    if not curves:
        raise ValueError(f"a log of {len(log)} lines has no gradient_norm: it needs a training step")
    figure = figure or new_figure(8, 4.2)
    axes = figure.subplots()
    for number, (name, (steps, norms)) in enumerate(curves.items()):
        color, marker = STYLES[number % len(STYLES)]
        every = max(1, len(steps) // 8)
        axes.plot(steps, norms, color=color, marker=marker, markevery=every, markersize=6, label=name)
    if max_norm is not None:
        axes.axhline(max_norm, color=GREY, linestyle="--", label=f"clipped above {max_norm:g}")
    axes.set_yscale("log")
    title = "Gradient norms during training"
    axes.set(xlabel="step", ylabel="norm of d loss / d parameter", title=title)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return axes


def gradient_path(norms, tokens, position=None, figure=None):
    """Draw the way of one token's gradient: how much reaches each token, from the last layer down.

    Args:
        norms: (layers + 1, T), the norm of d loss / d output, from the embeddings to the last layer, as
            course.figures.gradient_path computes it.
        tokens: list of T strings.
        position: of the token whose loss it is, which is marked; None for no mark.
        figure: where to draw; None makes one.

    Returns:
        the Axes. A cell is empty where the norm is 0.

    Raises:
        ValueError: norms is not (layers + 1, T) for these tokens, or all of them are 0.

    Example:
        >>> axes = gradient_path(np.eye(3), ["the", "[MASK]", "sat"], position=1)
        >>> [label.get_text() for label in axes.get_yticklabels()]
        ['encoder[1]', 'encoder[0]', 'embeddings']
    """
    norms = np.asarray(norms)
    if norms.ndim != 2 or norms.shape[1] != len(tokens):
        raise ValueError(f"norms has shape {norms.shape}, expected (layers + 1, {len(tokens)}): one a token")
    if not norms.any():
        raise ValueError("all norms are zero: no gradient came back from this token")
    figure = figure or new_figure(max(4.0, 0.5 * len(tokens) + 2.6), 0.5 * len(norms) + 1.8)
    axes = figure.subplots()
    shown = np.where(norms > 0, norms, np.nan)[::-1]                # the last layer on top
    limits = LogNorm(np.nanmin(shown), np.nanmax(shown))
    image = axes.imshow(shown, norm=limits, cmap="Blues", aspect="auto")
    axes.set_xticks(range(len(tokens)), tokens, rotation=90)
    layers = [f"encoder[{layer}]" for layer in reversed(range(len(norms) - 1))]
    axes.set_yticks(range(len(norms)), [*layers, "embeddings"])
    axes.tick_params(length=0)
    if position is not None:
        axes.get_xticklabels()[position].set(color=ORANGE, fontweight="bold")
    axes.set(xlabel="token", ylabel="output of", title="The way of one token's gradient, downwards")
    figure.colorbar(image, label="norm of d loss / d output")
    return axes


def error_against_step_size(steps, errors, used, figure=None):
    """Draw the error of central differences and of the complex step against the step h.

    Args:
        steps: (S,) values of h.
        errors: {"complex": (S,), "central": (S,)} relative errors of the derivative.
        used: {"complex": h, "central": h}, the steps that the gradient check uses, which are marked.
            course.figures.step_size_errors computes all three.
        figure: where to draw; None makes one.

    Returns:
        the Axes.

    Example:
        >>> steps = np.array([1e-30, 1e-10, 1e-5])
        >>> errors = {"complex": np.full(3, 1e-16), "central": np.array([1.0, 1e-6, 1e-10])}
        >>> error_against_step_size(steps, errors, {"complex": 1e-30, "central": 1e-5}).get_xlabel()
        'step size h'
    """
    figure = figure or new_figure(9, 4.2)
    axes = figure.subplots()
    for method, style, width, color, label, offset in (
        ("complex", "-", 4, BLUE, "complex step, Im f(x + ih) / h", (10, 30)),
        ("central", "o-", 1, ORANGE, "central differences, (f(x + h) − f(x − h)) / 2h", (18, -45)),
    ):
        drawn = np.maximum(errors[method], SMALLEST_ERROR)
        axes.loglog(steps, drawn, style, color=color, linewidth=width, markersize=4, label=label)
        step = used[method]
        error = drawn[np.argmin(np.abs(np.log10(steps / step)))]
        text = f"minibert: h = $10^{{{np.log10(step):.0f}}}$\nerror {error:.0e}"
        arrow = {"arrowstyle": "->", "color": color}
        axes.annotate(text, (step, error), offset, textcoords="offset points", color=color, arrowprops=arrow)
    precision = np.finfo(np.float64).eps
    axes.axhline(precision, color=GREY, linestyle="--", linewidth=1, label="precision of float64, 2e-16")
    axes.set(xlabel="step size h", ylabel="relative error of the derivative")
    axes.set_title("Two ways to measure a derivative")
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(0.03, 0.62))
    return axes


def step_errors(errors, tolerance=1e-12, figure=None):
    """Draw the error of each named step of one or more backward passes, in the order of backward.

    Args:
        errors: {name of the backward: {step: error against the complex step}}, the same steps for all.
        tolerance: drawn as a dashed line.
        figure: where to draw; None makes one.

    Returns:
        the Axes.

    Example:
        >>> axes = step_errors({"ours": {"d_probs": 1e-16, "d_scores": 0.0}})
        >>> [label.get_text() for label in axes.get_yticklabels()]
        ['d_probs', 'd_scores']
    """
    axes = (figure or new_figure(9, 4)).subplots()
    steps = list(next(iter(errors.values())))
    for (name, by_step), (color, marker), size in zip(errors.items(), STYLES, (11, 7, 5, 4)):
        drawn = [max(by_step[step], SMALLEST_ERROR) for step in steps]
        axes.plot(drawn, range(len(steps)), marker, color=color, label=name, markersize=size)
    axes.axvline(tolerance, color=GREY, linestyle="--", label=f"tolerance, {tolerance:.0e}")
    axes.set_xscale("log")
    axes.set_xlabel("error against the complex step", fontsize=13)
    axes.set_yticks(range(len(steps)), steps)
    axes.tick_params(labelsize=12)
    axes.minorticks_off()
    axes.invert_yaxis()
    axes.legend(fontsize=12, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return axes
