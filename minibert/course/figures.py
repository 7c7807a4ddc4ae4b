"""The numbers behind a figure: a model or a cache in, arrays out, for minibert.plots to draw."""

import numpy as np

from minibert.gradcheck.step_size import errors_by_step
from minibert.gradcheck.subject import CENTRAL_STEP, COMPLEX_STEP


def saliency_scores(model, cache):
    """Return how much the loss depends on each token (Simonyan et al. 2014).

    The score of a token is the norm of d loss / d embedding. Backward runs on a replica of the model, so that
    the gradients of the model do not change.

    Args:
        model: a BertForPreTraining.
        cache: of its forward, with labels.

    Returns:
        (B, T), in the model's dtype; 0 on padding.

    Example:
        >>> example = minibert.trace.example.by_hand()
        >>> _, cache = example.model.forward(**example.batch)
        >>> saliency_scores(example.model, cache).shape
        (1, 15)
    """
    d_embeddings = model.replica().backward(cache)                  # (B, T, H)
    return np.sqrt((d_embeddings * d_embeddings).sum(axis=-1))      # (B, T)


def gradient_norms(model, by="layer"):
    """Return the Euclidean norm of the gradients in .grad, for each layer or for each parameter.

    Args:
        model: with gradients: call backward first.
        by: "layer" or "parameter".

    Returns:
        {name: norm}, in the order of model.parameters(), in float64. A layer of a list keeps its number,
        as in "encoder[0]"; a leading "bert." is left out.

    Raises:
        ValueError: by is neither of the two.

    Example:
        >>> layer = minibert.Linear(2, 2)
        >>> layer.bias.grad[:] = 3, 4
        >>> gradient_norms(layer, by="parameter")
        {'weight': 0.0, 'bias': 5.0}
    """
    if by not in ("layer", "parameter"):
        raise ValueError(f"by must be 'layer' or 'parameter', got {by!r}")
    squares = {}
    for path, parameter in model.parameters().items():
        path = path.removeprefix("bert.")
        name = _layer_of(path) if by == "layer" else path
        grad = parameter.grad.astype(np.float64)
        squares[name] = squares.get(name, 0.0) + float(np.vdot(grad, grad))
    return {name: float(np.sqrt(square)) for name, square in squares.items()}


def _layer_of(path):
    """Return the layer of a parameter's path: "encoder[1]" of "encoder.1.attention.query.weight"."""
    first, *rest = path.split(".")
    return f"{first}[{rest[0]}]" if rest and rest[0].isdigit() else first


def word_embeddings(table, words, vocab):
    """Return the rows of some words in a table of token embeddings.

    Args:
        table: (V, H), such as model.bert.embeddings.token.weight.value.
        words: list of N strings, each a single token.
        vocab: {token: id}.

    Returns:
        (N, H).

    Raises:
        KeyError: a word is not in the vocabulary.

    Example:
        >>> word_embeddings(np.eye(3), ["tree", "dog"], {"dog": 0, "cat": 1, "tree": 2})
        array([[0., 0., 1.],
               [1., 0., 0.]])
    """
    unknown = [word for word in words if word not in vocab]
    if unknown:
        raise KeyError(
            f"not in the vocabulary: {', '.join(unknown)}; "
            "a word of several pieces has no embedding of its own: give words that are one token"
        )
    return table[[vocab[word] for word in words]]


def step_size_errors(layer, *inputs, **forward_kwargs):
    """Return the error of a numeric derivative for steps h from 1e-30 to 1e-1, by both methods.

    Args:
        layer, *inputs, **forward_kwargs: as in check_gradients; a layer, or a pair of functions.

    Returns:
        steps (59,); errors {"central": (59,), "complex": (59,)}, as errors_by_step defines them; the steps
        that check_gradients uses, {"central": h, "complex": h}: the inputs of plots.error_against_step_size.

    Example:
        >>> steps, errors, used = step_size_errors(minibert.layers.LayerNorm(3), np.array([[1.0, 2.0, 4.0]]))
        >>> steps.shape, bool(errors["complex"][0] < 1e-14), used["complex"]
        ((59,), True, 1e-30)
    """
    steps = 10.0 ** np.arange(-30, -0.75, 0.5)
    errors = errors_by_step(layer, *inputs, steps=steps, **forward_kwargs)
    return steps, errors, {"central": CENTRAL_STEP, "complex": COMPLEX_STEP}
