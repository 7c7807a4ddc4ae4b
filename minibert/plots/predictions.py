"""Predictions of a masked language model, and the tokens that they depend on."""

import numpy as np

from minibert.plots.style import BLUE, ORANGE, new_figure


def mask_probabilities(probs, labels, places, id_to_token, top=5, figure=None):
    """Draw the prediction for each [MASK]: the most probable tokens, and the one that was hidden.

    Args:
        probs: (M, V), a distribution over the vocabulary for each [MASK].
        labels: (M,) ids of the hidden tokens.
        places: (M, 2), the sequence and position of each: np.argwhere(labels != -100) of the labels (B, T).
        id_to_token: list of the V tokens, by id.
        top: how many of the most probable tokens are shown. If the hidden token is not one of them, it is
            added, with its rank.
        figure: where to draw; None makes one.

    Returns:
        a list of Axes, one for each [MASK]. If there are several sequences, each title names its own.

    Raises:
        ValueError: there is no prediction, or probs, labels and places differ in their number.

    Example:
        >>> probs = np.array([[0.5, 0.2, 0.3]])
        >>> [axes] = mask_probabilities(probs, [1], [(0, 2)], ["a", "b", "c"], top=2)
        >>> axes.get_title(), [label.get_text() for label in axes.get_yticklabels()]
        ('hidden at 2: b', ['a', 'c', 'b (rank 3)'])
    """
    probs, labels, places = np.asarray(probs), np.asarray(labels), np.asarray(places)
    if len(labels) == 0:
        raise ValueError("there is no prediction to draw: give forward labels that are not -100 everywhere")
    if probs.shape[:-1] != labels.shape or places.shape != (len(labels), 2):
        raise ValueError(
            "probs (M, V), labels (M,) and places (M, 2) must have the same M, "
            f"got {probs.shape}, {labels.shape} and {places.shape}"
        )
    figure = figure or new_figure(3.7 * len(labels), 0.42 * top + 1.7)
    row = figure.subplots(1, len(labels), squeeze=False, sharex=True)[0]
    several = len(set(places[:, 0])) > 1
    for axes, distribution, label, (sequence, position) in zip(row, probs, labels, places):
        _bars(axes, distribution, label, id_to_token, top)
        place = f"{position} of sequence {sequence}" if several else position
        axes.set(xlabel="probability", title=f"hidden at {place}: {id_to_token[label]}")
    row[0].set_xlim(0, min(1, 1.25 * probs.max()))
    row[0].set_ylabel("token")
    return list(row)


def _bars(axes, distribution, label, id_to_token, top):
    """Draw a bar for each of the most probable tokens, and for the hidden one, in orange."""
    order = np.argsort(-distribution, kind="stable")
    shown = list(order[:top])
    names = [id_to_token[token] for token in shown]
    if label not in shown:
        rank = int(np.flatnonzero(order == label)[0]) + 1
        shown.append(label)
        names.append(f"{id_to_token[label]} (rank {rank})")
    places = np.arange(len(shown))
    colors = [ORANGE if token == label else BLUE for token in shown]
    bars = axes.barh(places, distribution[shown], color=colors)
    axes.bar_label(bars, [f"{distribution[token]:.1%}" for token in shown], padding=3)
    axes.set_yticks(places, names)
    axes.invert_yaxis()


def saliency(scores, tokens, figure=None):
    """Draw how much the loss depends on each token (Simonyan et al. 2014).

    Args:
        scores: (T,), the norm of d loss / d embedding at each position, as course.figures.saliency_scores
            computes it for each sequence.
        tokens: list of T strings. [MASK] is drawn in orange.
        figure: where to draw; None makes one.

    Returns:
        the Axes.

    Raises:
        ValueError: scores is not an array (T,), or the number of tokens is not T.

    Example:
        >>> saliency(np.array([0.1, 2.0, 0.3]), ["the", "[MASK]", "sat"]).get_ylabel()
        'norm of d loss / d embedding'
    """
    if np.shape(scores) != (len(tokens),):
        raise ValueError(f"{len(tokens)} tokens need one score each, got scores of shape {np.shape(scores)}")
    figure = figure or new_figure(max(6, 0.5 * len(tokens) + 1.5), 3.8)
    axes = figure.subplots()
    colors = [ORANGE if token == "[MASK]" else BLUE for token in tokens]
    axes.bar(range(len(tokens)), scores, color=colors)
    axes.set_xticks(range(len(tokens)), tokens, rotation=60, ha="right", rotation_mode="anchor")
    axes.set(xlabel="token", ylabel="norm of d loss / d embedding", title="Which tokens the loss depends on")
    axes.margins(x=0.01)
    return axes
