"""The pictures. Matplotlib is imported only here, so that nothing else waits for it."""

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from minibert.gradcheck.step_size import errors_by_step
from minibert.gradcheck.subject import CENTRAL_STEP, COMPLEX_STEP

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#777777"  # told apart with any colour vision (Okabe & Ito)


def save(plot, path, *inputs, size=(9, 3.6), **options):
    """Draw plot(*inputs, **options) on a figure of its own and write it as a PNG file; no display is needed."""
    with matplotlib.rc_context({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=size, layout="constrained")
        plot(*inputs, figure=figure, **options)
        figure.savefig(path, dpi=120)


def loss_curves(log, limits=None, figure=None):
    """Draw a pretraining run: the MLM loss and the NSP accuracy, each beside its baseline.

    Args:
        log: list of dictionaries, as minibert.training.pretraining.read_log returns it.
        limits: {"mlm_loss": the lowest loss, "nsp_accuracy": the highest accuracy that any model can reach}, either of
            them, where the language is known well enough to say; None draws no limit.
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
    if "mlm_loss" in (limits or {}):
        left.axhline(limits["mlm_loss"], color=GREEN, linestyle=":", linewidth=2, label="best possible")
    left.set(xlabel="step", ylabel="nats per masked word piece", title="Masked language model: loss")
    left.legend(frameon=False, loc="center right")

    accuracies = [line["held_out"]["nsp_accuracy"] for line in evaluated]
    right.plot(held_out_steps, accuracies, "o-", color=ORANGE, label="held out")
    right.axhline(baselines["majority_accuracy"], color=GREY, linestyle="--", label="always the same answer")
    if "nsp_accuracy" in (limits or {}):
        right.axhline(limits["nsp_accuracy"], color=GREEN, linestyle=":", linewidth=2, label="best possible")
    right.set(xlabel="step", ylabel="share told right", title="Next sentence prediction: accuracy")
    right.set_ylim(min(0.4, *accuracies), 1)
    right.legend(framealpha=0.9, edgecolor="none")  # the baseline may run behind it
    return left, right


def phenomena(log, figure=None):
    """Draw a run on the toy language: for each phenomenon, the accuracy on the tokens that it decides, and its limit.

    Args:
        log: list of dictionaries, as minibert.training.pretraining.read_log returns it.
        figure: where to draw; None makes one.

    Returns:
        a list of Axes, one for each phenomenon.

    Raises:
        ValueError: the log is not that of a run on the toy language.

    Example:
        >>> axes = phenomena(read_log("bert-toy/log.jsonl"))                        # doctest: +SKIP
    """
    limits = next((line["limits"]["phenomena"] for line in log if "limits" in line), None)
    if limits is None:
        raise ValueError(f"a log of {len(log)} lines holds no limits: only the toy language has them (minibert pretrain --corpus toy)")
    figure = Figure(figsize=(12, 6.5), layout="constrained") if figure is None else figure
    columns = 5
    grid = figure.subplots(-(-len(limits) // columns), columns, sharex=True, sharey=True)
    evaluated = [line for line in log if "held_out" in line]
    steps = [line["step"] for line in evaluated]
    for number, (axes, name) in enumerate(zip(grid.flat, limits)):
        axes.axhline(limits[name][1], color=GREEN, linestyle="--", label="best possible")
        axes.plot(steps, [line["held_out"]["phenomena"][name][1] for line in evaluated], "o-", color=ORANGE, markersize=3, label="held out")
        axes.set(title=name, ylim=(0, 1.04))
        if number % columns == 0:
            axes.set_ylabel("share guessed right")
        if number + columns >= len(limits):
            axes.set_xlabel("step")
            axes.tick_params(labelbottom=True)
    for axes in grid.flat[len(limits) :]:
        axes.set_axis_off()
    grid.flat[0].legend(frameon=False, loc="lower right")
    return list(grid.flat[: len(limits)])


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


# --- attention --------------------------------------------------------------------------------------------------------


def attention_maps(cache, tokens, layer=None, head=None, sequence=0, figure=None):
    """Draw attention maps: who looks where. A row is a query, and its cells sum to one; a column is a key.

    Args:
        cache: of a BertModel or BertForPreTraining.
        tokens: list of T strings, for both axes.
        layer, head: which; None for all of them. One layer and one head give one large map with its numbers.
        sequence: which of the batch.
        figure: where to draw; None makes one.

    Returns:
        the Axes of one map; an array of Axes (layers, heads) of several.

    Raises:
        ValueError: the model has no such layer or head, or the tokens are not as many as the map has rows.

    Example:
        >>> example = minibert.trace.example.tiny()
        >>> _, cache = example.model.forward(**example.batch)
        >>> attention_maps(cache, example.tokens, layer=1, head=0).get_title()
        'encoder[1], head 0'
        >>> attention_maps(cache, example.tokens).shape
        (3, 2)
    """
    maps = [item.attention.probs[sequence] for item in getattr(cache, "bert", cache).encoder]  # each (A, T, T)
    layers = _chosen("layer", layer, len(maps))
    heads = _chosen("head", head, len(maps[0]))
    _check_tokens(tokens, maps[0].shape[-1])
    limits = 0, max(maps[number][heads].max() for number in layers)  # one scale for all that is shown
    if len(layers) == len(heads) == 1:
        figure = Figure(figsize=(8, 6.6), layout="constrained") if figure is None else figure
        axes, probs = figure.subplots(), maps[layers[0]][heads[0]]
        image = _cells(axes, probs, tokens, tokens, limits, numbers=len(tokens) <= 16)
        axes.set(title=f"encoder[{layers[0]}], head {heads[0]}", xlabel="key: the token that is looked at",
                 ylabel="query: the token that looks")  # fmt: skip
        figure.colorbar(image, label="attention probability", shrink=0.7)
        return axes
    side = max(2.2, 0.2 * len(tokens) + 0.6)
    if figure is None:
        figure = Figure(figsize=(side * len(heads) + 1.6, side * len(layers) + 1.1), layout="constrained")
    grid = figure.subplots(len(layers), len(heads), squeeze=False, sharex=True, sharey=True)
    for row, layer_number in enumerate(layers):
        for column, head_number in enumerate(heads):
            image = _cells(grid[row, column], maps[layer_number][head_number], tokens, tokens, limits, size=9)
            grid[row, column].set_title(f"encoder[{layer_number}], head {head_number}")
            grid[row, column].label_outer()
    figure.supxlabel("key: the token that is looked at")
    figure.supylabel("query: the token that looks")
    figure.colorbar(image, ax=grid, label="attention probability", shrink=0.7)
    return grid


def attention_over_training(caches, tokens, layer=0, head=0, sequence=0, figure=None):
    """Draw one head's attention map at several moments of a training run, side by side.

    Args:
        caches: {step: cache}, of the same text run through the model as it was then.
        tokens, layer, head, sequence, figure: as in attention_maps.

    Returns:
        a list of Axes, one a step.

    Example:
        >>> caches = {step: model_at(step).forward(**batch)[1] for step in (0, 100, 1000)}   # doctest: +SKIP
        >>> attention_over_training(caches, tokens, layer=1, head=0)                         # doctest: +SKIP
    """
    if not caches:
        raise ValueError("there is nothing to draw: give {step: cache} with one step or more")
    side = max(3.0, 0.21 * len(tokens) + 0.5)
    if figure is None:
        figure = Figure(figsize=(side * len(caches) + 1.8, side + 1.2), layout="constrained")
    row = figure.subplots(1, len(caches), squeeze=False, sharey=True)[0]
    maps = [getattr(cache, "bert", cache).encoder[layer].attention.probs[sequence, head] for cache in caches.values()]
    limits = 0, max(probs.max() for probs in maps)
    for axes, step, probs in zip(row, caches, maps):
        _check_tokens(tokens, len(probs))
        image = _cells(axes, probs, tokens, tokens, limits, size=10)
        axes.set_title(f"step {step:,}")
    figure.suptitle(f"encoder[{layer}], head {head}")
    figure.supxlabel("key: the token that is looked at")
    row[0].set_ylabel("query: the token that looks")
    figure.colorbar(image, ax=list(row), label="attention probability", shrink=0.8)
    return list(row)


def _chosen(what, number, count):
    if number is None:
        return list(range(count))
    if not -count <= number < count:
        raise ValueError(f"there is no {what} {number}: the model has {count} of them, numbered from 0")
    return [number % count]


def _check_tokens(tokens, count):
    if len(tokens) != count:
        raise ValueError(f"{len(tokens)} tokens were given for {count} rows: give each of the sequence's tokens a name")


def _cells(axes, values, rows, columns, limits, size=11, numbers=False):
    """Draw probabilities as coloured cells, the rows and columns named; where the cells are few, with the number in each."""
    image = axes.imshow(values, vmin=limits[0], vmax=limits[1], cmap="Blues")
    axes.set_xticks(range(len(columns)), columns, rotation=90, fontsize=size)
    axes.set_yticks(range(len(rows)), rows, fontsize=size)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(True)
    if numbers:
        for (row, column), value in np.ndenumerate(values):
            color = "white" if value > 0.55 * limits[1] else "black"
            text = f"{value:.2f}".replace("0.", ".", 1) if value >= 0.005 else ""
            axes.text(column, row, text, ha="center", va="center", color=color, fontsize=8)
    return image


# --- embeddings -------------------------------------------------------------------------------------------------------


def pca(vectors, num_components=2):
    """Project vectors on the directions in which they vary most (Pearson 1901).

    With X the centred vectors (N, H) and X = U S Vᵀ its singular value decomposition, the rows of Vᵀ are the directions,
    X V = U S the coordinates, and S²/ΣS² the share of the variance along each. A direction's sign is free: its largest
    entry is made positive.

    Returns:
        coordinates (N, num_components), shares (num_components,).

    Example:
        >>> coordinates, shares = pca(np.array([[0.0, 0.0], [2.0, 2.0], [4.0, 4.0]]))
        >>> print(coordinates[:, 0].round(3).tolist(), shares.round(3).tolist())
        [-2.828, 0.0, 2.828] [1.0, 0.0]
    """
    vectors = np.asarray(vectors, np.float64)
    if vectors.ndim != 2 or min(vectors.shape) < num_components:
        raise ValueError(f"{num_components} components need as many vectors and columns at least, got shape {vectors.shape}")
    centred = vectors - vectors.mean(axis=0)
    left, singular, directions = np.linalg.svd(centred, full_matrices=False)
    rows = np.arange(len(directions))
    signs = np.sign(directions[rows, np.abs(directions).argmax(axis=1)])
    shares = singular * singular / max((singular * singular).sum(), np.finfo(np.float64).tiny)
    return (left * singular * np.where(signs == 0, 1, signs))[:, :num_components], shares[:num_components]


def embedding_map(model, words, groups=None, vocab=None, figure=None):
    """Draw words as points of a plane: their vectors on the two directions in which they vary most (see pca).

    Args:
        model: a BERT, whose token embeddings are drawn; anything that gives model[word], as word vectors do; or an array
            (N, H), one row a word.
        words: list of N strings.
        groups: list of N names of groups, told apart by colour and marker; None for no groups.
        vocab: {token: id}, for a BERT.
        figure: where to draw; None makes one.

    Returns:
        the Axes.

    Raises:
        ValueError: fewer than two words, or a BERT without its vocab.  KeyError: an unknown word.

    Example:
        >>> axes = embedding_map(np.eye(3), ["king", "queen", "apple"], groups=["people", "people", "fruit"])
        >>> axes.get_xlabel()
        'first principal component (50 % of the variance)'
    """
    coordinates, shares = pca(_vectors_of(model, words, vocab))
    groups = [""] * len(words) if groups is None else groups
    figure = Figure(figsize=(8, 6), layout="constrained") if figure is None else figure
    axes = figure.subplots()
    for (color, marker), group in zip(_STYLES, dict.fromkeys(groups)):
        points = coordinates[[number for number, name in enumerate(groups) if name == group]]
        axes.scatter(*points.T, color=color, marker=marker, s=45, label=group or None)
    for word, point in zip(words, coordinates):
        axes.annotate(word, point, (6, 4), textcoords="offset points", fontsize=12)
    percent = [f"{100 * share:.0f} % of the variance" for share in shares]
    axes.set(xlabel=f"first principal component ({percent[0]})", ylabel=f"second principal component ({percent[1]})")
    axes.margins(0.12)
    axes.set_aspect("equal", "datalim")  # a distance is the same in every direction
    if any(groups):
        axes.legend(frameon=False)
    return axes


_STYLES = [(BLUE, "o"), (ORANGE, "s"), (GREEN, "^"), ("#CC79A7", "D"), ("#000000", "v"), ("#E69F00", "P"), ("#56B4E9", "X"), (GREY, "*")]


def _vectors_of(model, words, vocab):
    if isinstance(model, np.ndarray):
        _check_tokens(words, len(model))
        return model
    encoder = getattr(model, "bert", model)
    if not hasattr(encoder, "embeddings"):
        return np.array([model[word] for word in words])
    if vocab is None:
        raise ValueError("a BERT does not know its words: give vocab=tokenizer.vocab")
    unknown = [word for word in words if word not in vocab]
    if unknown:
        raise KeyError(f"not in the vocabulary: {', '.join(unknown)}; a word of several pieces has no embedding of its own")
    return encoder.embeddings.token.weight.value[[vocab[word] for word in words]]


def position_similarity(model, figure=None):
    """Draw how alike the embeddings of two positions are: their cosine, for every pair of positions.

    Args:
        model: a BertModel or BertForPreTraining.
        figure: where to draw; None makes one.

    Returns:
        the Axes.

    Example:
        >>> position_similarity(minibert.trace.example.tiny().model).get_xlabel()
        'position'
    """
    vectors = getattr(model, "bert", model).embeddings.position.weight.value.astype(np.float64)
    directions = vectors / np.maximum(np.sqrt((vectors * vectors).sum(axis=1, keepdims=True)), np.finfo(np.float64).tiny)
    figure = Figure(figsize=(6.6, 5.6), layout="constrained") if figure is None else figure
    axes = figure.subplots()
    image = axes.imshow(directions @ directions.T, vmin=-1, vmax=1, cmap=_two_sided())
    axes.spines[:].set_visible(True)
    axes.set(xlabel="position", ylabel="position", title="Position embeddings: how alike they are")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.yaxis.get_major_locator().set_params(integer=True)
    figure.colorbar(image, label="cosine of the two embeddings")
    return axes


def _two_sided():
    """Orange below zero, white at zero, blue above."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("two-sided", [ORANGE, "white", BLUE])


# --- predictions ------------------------------------------------------------------------------------------------------


def mask_probabilities(cache, id_to_token, top=5, figure=None):
    """Draw what the model expects behind each [MASK]: its likeliest tokens, and the one that was hidden.

    Args:
        cache: of a BertForPreTraining whose forward was given labels.
        id_to_token: list of all tokens, by id.
        top: how many of the likeliest are shown; the hidden token is added, with its rank, where it is not among them.
        figure: where to draw; None makes one.

    Returns:
        a list of Axes, one a masked token.

    Raises:
        ValueError: the cache holds no prediction.

    Example:
        >>> example = minibert.trace.example.tiny()
        >>> _, cache = example.model.forward(**example.batch)
        >>> [axes.get_title() for axes in mask_probabilities(cache, [str(token) for token in range(20)])]
        ['hidden at 2: 6', 'hidden at 8: 10', 'hidden at 11: 13']
    """
    if getattr(cache, "mlm_loss", None) is None or len(cache.predicted) == 0:
        raise ValueError("the cache holds no prediction: give forward labels, with the hidden token where one was masked")
    probs, labels = cache.mlm_loss.probs, cache.mlm_loss.labels
    batch_size, num_tokens, _ = cache.bert.pooler.shape
    if figure is None:
        figure = Figure(figsize=(3.7 * len(labels), 0.42 * top + 1.7), layout="constrained")
    row = figure.subplots(1, len(labels), squeeze=False, sharex=True)[0]
    for axes, distribution, label, position in zip(row, probs, labels, cache.predicted):
        order = np.argsort(-distribution, kind="stable")
        shown = [int(token) for token in order[:top]]
        names = [id_to_token[token] for token in shown]
        if label not in shown:
            shown.append(int(label))
            names.append(f"{id_to_token[label]} (rank {int(np.flatnonzero(order == label)[0]) + 1})")
        places = np.arange(len(shown))
        bars = axes.barh(places, distribution[shown], color=[ORANGE if token == label else BLUE for token in shown])
        axes.bar_label(bars, [f"{distribution[token]:.1%}" for token in shown], padding=3)
        axes.set_yticks(places, names)
        axes.invert_yaxis()
        sequence, place = divmod(int(position), num_tokens)
        place = place if batch_size == 1 else f"{place} of sequence {sequence}"
        axes.set(xlabel="probability", title=f"hidden at {place}: {id_to_token[label]}")
    row[0].set_xlim(0, min(1, 1.25 * max(distribution.max() for distribution in probs)))
    row[0].set_ylabel("token")
    return list(row)


def saliency(model, cache, tokens, sequence=0, figure=None):
    """Draw how much the loss depends on each token: the norm of d loss / d embedding, position by position.

    (Simonyan et al. 2014.) Backward runs on a replica of the model, so that no gradient is touched.

    Args:
        model: a BertForPreTraining.
        cache: of its forward, with labels.
        tokens: list of T strings. [MASK] is drawn in orange.
        sequence, figure: as in attention_maps.

    Returns:
        the Axes.

    Example:
        >>> example = minibert.trace.example.tiny()
        >>> _, cache = example.model.forward(**example.batch)
        >>> saliency(example.model, cache, example.tokens).get_ylabel()
        'norm of d loss / d embedding'
    """
    d_embeddings = model.replica().backward(cache)[sequence]
    _check_tokens(tokens, len(d_embeddings))
    norms = np.sqrt((d_embeddings * d_embeddings).sum(axis=-1))
    figure = Figure(figsize=(max(6, 0.5 * len(tokens) + 1.5), 3.8), layout="constrained") if figure is None else figure
    axes = figure.subplots()
    axes.bar(range(len(tokens)), norms, color=[ORANGE if token == "[MASK]" else BLUE for token in tokens])
    axes.set_xticks(range(len(tokens)), tokens, rotation=60, ha="right", rotation_mode="anchor")
    axes.set(xlabel="token", ylabel="norm of d loss / d embedding", title="Which tokens the loss depends on")
    axes.margins(x=0.01)
    return axes


# --- gradients --------------------------------------------------------------------------------------------------------


def gradient_norms(model, by="layer"):
    """Return {name: Euclidean norm of the gradients that stand in .grad}, for each layer or each parameter, in order.

    Example:
        >>> layer = minibert.Linear(2, 2)
        >>> layer.bias.grad[:] = 3, 4
        >>> gradient_norms(layer, by="parameter")
        {'weight': 0.0, 'bias': 5.0}
    """
    if by not in ("layer", "parameter"):
        raise ValueError(f"by must be 'layer' or 'parameter', got {by!r}")
    squares = {}
    for name, parameter in model.parameters().items():
        name = name.removeprefix("bert.")
        if by == "layer":
            first, *rest = name.split(".")
            name = f"{first}[{rest[0]}]" if rest and rest[0].isdigit() else first
        grad = parameter.grad.astype(np.float64)
        squares[name] = squares.get(name, 0.0) + float(np.vdot(grad, grad))
    return {name: float(np.sqrt(square)) for name, square in squares.items()}


def gradient_flow(model, by="layer", figure=None):
    """Draw how large the gradients are on their way back: the norm for each layer, or for each parameter, on a log axis.

    Args:
        model: with gradients in .grad: call backward first.
        by: "layer" or "parameter".
        figure: where to draw; None makes one.

    Returns:
        the Axes. A gradient that is zero, but for rounding, has "0" in place of a bar: those of the key biases are.

    Example:
        >>> model.backward(cache)                                                   # doctest: +SKIP
        >>> gradient_flow(model, by="parameter")                                    # doctest: +SKIP
    """
    norms = gradient_norms(model, by)
    values = np.array(list(norms.values()))
    if not values.any():
        raise ValueError("all gradients are zero: call model.backward(cache) first")
    if figure is None:
        figure = Figure(figsize=(8.5, max(2.5, 0.26 * len(norms) + 1.2)), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(norms))
    rounding = values.max() * np.finfo(next(iter(model.parameters().values())).grad.dtype).eps
    shown = values > rounding
    floor = values[shown].min() / 2
    axes.barh(places[shown], values[shown], color=BLUE)
    for place in places[~shown]:
        axes.text(floor, place, " 0", va="center", color=ORANGE, fontweight="bold")
    axes.set_xscale("log")
    axes.set_xlim(left=floor)
    axes.set_yticks(places, list(norms))
    axes.invert_yaxis()
    axes.margins(y=0.01)
    axes.set(xlabel="norm of d loss / d parameter", ylabel=by, title="Gradient flow: from the loss below up to the embeddings")
    axes.grid(axis="x", color="0.9")
    axes.set_axisbelow(True)
    return axes


def gradient_flow_over_time(log, max_norm=None, figure=None):
    """Draw the norm of the gradients over the steps of a run.

    Args:
        log: list of dictionaries with "step" and "gradient_norm", as a run's log holds them; or with "gradient_norms", as
            gradient_norms returns them: a line each then.
        max_norm: where gradients are clipped: a dashed line; None for no clipping.
        figure: where to draw; None makes one.

    Returns:
        the Axes.

    Raises:
        ValueError: no line of the log has a norm.

    Example:
        >>> gradient_flow_over_time(read_log("bert-run/log.jsonl"), max_norm=1.0)   # doctest: +SKIP
    """
    lines = [line for line in log if "gradient_norms" in line or "gradient_norm" in line]
    if not lines:
        raise ValueError(f"a log of {len(log)} lines has no gradient_norm: it needs a training step")
    figure = Figure(figsize=(8, 4.2), layout="constrained") if figure is None else figure
    axes = figure.subplots()
    curves = {}
    for line in lines:
        for name, norm in line.get("gradient_norms", {"all parameters": line.get("gradient_norm")}).items():
            curves.setdefault(name, []).append((line["step"], norm))
    for number, (name, points) in enumerate(curves.items()):
        color, marker = _STYLES[number % len(_STYLES)]
        every = max(1, len(points) // 8)
        axes.plot(*zip(*points), color=color, marker=marker, markevery=every, markersize=6, label=name)
    if max_norm is not None:
        axes.axhline(max_norm, color=GREY, linestyle="--", label=f"clipped above {max_norm:g}")
    axes.set_yscale("log")
    axes.set(xlabel="step", ylabel="norm of d loss / d parameter", title="Gradient norms in the course of training")
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return axes


# --- cost -------------------------------------------------------------------------------------------------------------


def cost_growth(growth, names, figure=None):
    """Draw how the time of a training step grows with each of its sizes, on log axes: a doubling is the same way everywhere.

    Args:
        growth: {letter: [(size, seconds of a step, seconds of its matrix products)]}, as `minibert bench growth --json` prints.
        names: {letter: what it stands for}.
        figure: where to draw; None makes one.

    Returns:
        an array of Axes. The dotted line doubles with the size.
    """
    figure = Figure(figsize=(12, 3.6), layout="constrained") if figure is None else figure
    all_axes = figure.subplots(1, len(growth), sharey=True, squeeze=False)[0]
    for axes, (letter, rows) in zip(all_axes, growth.items()):
        sizes, steps, products = (np.array(column, float) for column in zip(*rows))
        axes.plot(sizes, 1e3 * steps, "o-", color=BLUE, label="a training step")
        axes.plot(sizes, 1e3 * products, "s--", color=ORANGE, label="its matrix products alone")
        axes.plot(sizes, 1e3 * steps[-1] * sizes / sizes[-1], ":", color=GREY, label="doubles with the size")
        axes.set(xscale="log", yscale="log", xlabel=f"{letter}: {names[letter]}", title=letter)
        axes.set_xticks(sizes, [f"{size:,.0f}" for size in sizes])
        axes.minorticks_off()
        axes.yaxis.set_major_formatter("{x:g}")
        axes.grid(color="0.9")
    all_axes[0].set_ylabel("ms")
    all_axes[0].legend(frameon=False, fontsize=9)
    return all_axes


# --- learning rates ---------------------------------------------------------------------------------------------------


def learning_rates(schedules, num_steps=None, figure=None):
    """Draw learning rates over the steps of a run.

    Args:
        schedules: {name: function of the step}, or a run's log, whose rates are drawn as they were.
        num_steps: for functions: the steps 0 to num_steps − 1 are drawn.
        figure: where to draw; None makes one.

    Returns:
        the Axes.

    Raises:
        ValueError: functions without num_steps, or a log without a learning rate.

    Example:
        >>> from minibert.training.optimizer import linear_schedule
        >>> axes = learning_rates({"BERT": lambda step: linear_schedule(step, 1000, 100, 1e-4)}, 1000)
        >>> float(axes.get_lines()[0].get_ydata().max().round(9))
        0.0001
    """
    if isinstance(schedules, dict):
        if num_steps is None:
            raise ValueError("give num_steps: a schedule does not tell how long it lasts")
        steps = np.arange(num_steps)
        curves = {name: (steps, np.array([schedule(int(step)) for step in steps])) for name, schedule in schedules.items()}
    else:
        lines = [line for line in schedules if "learning_rate" in line]
        if not lines:
            raise ValueError(f"a log of {len(schedules)} lines has no learning_rate: it needs a training step")
        curves = {"": tuple(np.array([line[key] for line in lines]) for key in ("step", "learning_rate"))}
    figure = Figure(figsize=(8, 4), layout="constrained") if figure is None else figure
    axes = figure.subplots()
    for number, (name, (steps, rates)) in enumerate(curves.items()):
        color, marker = _STYLES[number % len(_STYLES)]
        marker = marker if len(curves) > 1 else None
        axes.plot(steps, rates, color=color, marker=marker, markevery=max(1, len(steps) // 8), linewidth=2, label=name or None)
    axes.set(xlabel="step", ylabel="learning rate", title="Learning rate")
    axes.set_ylim(bottom=0)
    axes.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3), useMathText=True)
    if len(curves) > 1:
        axes.legend(frameon=False)
    return axes
