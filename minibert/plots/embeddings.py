"""Vectors as points of a plane, and how similar they are."""

import numpy as np

from minibert.plots.style import STYLES, TWO_SIDED, new_figure

TINY = np.finfo(np.float64).tiny  # keeps a division by a length of zero finite


def pca(vectors, num_components=2):
    """Project vectors on the directions in which they vary most (Pearson 1901).

    With X the centred vectors (N, H) and X = U S Vᵀ its singular value decomposition, the rows of Vᵀ are the
    directions, X V = U S the coordinates, and S²/ΣS² the fraction of the variance along each direction. The
    sign of a direction is free: its largest entry is made positive.

    Args:
        vectors: (N, H).
        num_components: how many directions.

    Returns:
        coordinates (N, num_components), fractions (num_components,), float64.

    Raises:
        ValueError: there are fewer vectors, or fewer columns, than components.

    Example:
        >>> coordinates, fractions = pca(np.array([[0.0, 0.0], [2.0, 2.0], [4.0, 4.0]]))
        >>> print(coordinates[:, 0].round(3).tolist(), fractions.round(3).tolist())
        [-2.828, 0.0, 2.828] [1.0, 0.0]
    """
    vectors = np.asarray(vectors, np.float64)
    if vectors.ndim != 2 or min(vectors.shape) < num_components:
        raise ValueError(
            f"{num_components} components need at least as many vectors and columns, got {vectors.shape}"
        )
    centred = vectors - vectors.mean(axis=0)                                       # (N, H)
    left, singular, directions = np.linalg.svd(centred, full_matrices=False)
    rows = np.arange(len(directions))
    signs = np.sign(directions[rows, np.abs(directions).argmax(axis=1)])
    signs = np.where(signs == 0, 1, signs)
    coordinates = left * singular * signs
    variances = singular * singular
    fractions = variances / max(variances.sum(), TINY)
    return coordinates[:, :num_components], fractions[:num_components]


def embedding_map(vectors, words, groups=None, figure=None):
    """Draw words as points of a plane: their vectors along the two directions in which they vary most.

    Args:
        vectors: (N, H), one row for each word.
        words: list of N strings.
        groups: list of N names of groups, distinguished by colour and marker; None for no groups.
        figure: where to draw; None makes one.

    Returns:
        the Axes. See pca for the coordinates.

    Raises:
        ValueError: there are fewer than two words, or the vectors, words and groups differ in number.

    Example:
        >>> axes = embedding_map(np.eye(3), ["king", "queen", "apple"], groups=["people", "people", "fruit"])
        >>> axes.get_xlabel()
        'first principal component (50 % of the variance)'
    """
    groups = [""] * len(words) if groups is None else groups
    if not len(vectors) == len(words) == len(groups):
        raise ValueError(
            f"got {len(vectors)} vectors, {len(words)} words and {len(groups)} groups: "
            "give each vector a word and, if any, a group"
        )
    coordinates, fractions = pca(vectors)
    figure = figure or new_figure(8, 6)
    axes = figure.subplots()
    for (color, marker), group in zip(STYLES, dict.fromkeys(groups)):
        points = coordinates[[number for number, name in enumerate(groups) if name == group]]
        axes.scatter(*points.T, color=color, marker=marker, s=45, label=group or None)
    for word, point in zip(words, coordinates):
        axes.annotate(word, point, (6, 4), textcoords="offset points", fontsize=12)
    first, second = (f"{100 * fraction:.0f} % of the variance" for fraction in fractions)
    axes.set(xlabel=f"first principal component ({first})", ylabel=f"second principal component ({second})")
    axes.margins(0.12)
    axes.set_aspect("equal", "datalim")  # a distance is the same in every direction
    if any(groups):
        axes.legend(frameon=False)
    return axes


def position_similarity(table, figure=None):
    """Draw how similar the embeddings of two positions are: their cosine, for every pair of positions.

    Args:
        table: (positions, H), the position embeddings.
        figure: where to draw; None makes one.

    Returns:
        the Axes.

    Example:
        >>> position_similarity(np.eye(5)).get_xlabel()
        'position'
    """
    vectors = np.asarray(table, np.float64)
    lengths = np.sqrt((vectors * vectors).sum(axis=1, keepdims=True))
    directions = vectors / np.maximum(lengths, TINY)
    figure = figure or new_figure(6.6, 5.6)
    axes = figure.subplots()
    image = axes.imshow(directions @ directions.T, vmin=-1, vmax=1, cmap=TWO_SIDED)
    axes.spines[:].set_visible(True)
    axes.set(xlabel="position", ylabel="position", title="Position embeddings: how alike they are")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.yaxis.get_major_locator().set_params(integer=True)
    figure.colorbar(image, label="cosine of the two embeddings")
    return axes
