"""The numbers behind a figure: a model or a cache in, arrays out, for minibert.plots to draw."""

import numpy as np

from minibert.gradcheck.step_size import errors_by_step
from minibert.gradcheck.subject import CENTRAL_STEP, COMPLEX_STEP
from minibert.layers.attention import MultiHeadAttentionCache
from minibert.layers.cross_entropy import IGNORE_INDEX
from minibert.layers.walk import is_record, parts, walk


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


def gradient_path(model, batch, position):
    """Return how much of one hidden token's loss comes back to each token, layer by layer.

    The loss is that of the one token alone. Both passes run on a replica of the model.

    Args:
        model: a BertForPreTraining.
        batch: the arguments of its forward, one sequence, with labels.
        position: of a token that has a label.

    Returns:
        (layers + 1, T), the norm of d loss / d output of the embeddings (row 0) and of each encoder layer;
        the input of plots.gradient_path.

    Raises:
        ValueError: there is no label at this position.

    Example:
        >>> example = minibert.trace.example.by_hand()
        >>> norms = gradient_path(example.model, example.batch, 2)
        >>> norms.shape, np.flatnonzero(norms[-1]).tolist()
        ((4, 15), [2])
    """
    from minibert import trace

    labels = np.full_like(batch["labels"], IGNORE_INDEX)
    labels[0, position] = batch["labels"][0, position]
    if labels[0, position] == IGNORE_INDEX:
        hidden = np.flatnonzero(batch["labels"][0] != IGNORE_INDEX).tolist()
        raise ValueError(f"position {position} has no label: choose one of {hidden}")
    seen = trace.watch(model.replica(), **{**batch, "labels": labels, "next_sentence_label": None})
    encoder = [f"bert.encoder.{layer}" for layer in range(len(model.bert.encoder))]
    came_back = {call.path: call.locals.get("d_y") for call in trace.calls(seen.backward)}
    d_outputs = [came_back[path][0] for path in ("bert.embeddings", *encoder)]      # (T, H) each
    return np.array([np.sqrt((d_output * d_output).sum(axis=-1)) for d_output in d_outputs])


def attention_probs(cache, sequence=0):
    """Return the attention probabilities in any cache, of a model, a layer or an attention.

    Args:
        cache: with attentions in it.  sequence: number of the sequence in the batch.

    Returns:
        list of (A, T_query, T_key), one for each attention, in order: the input of plots.attention_maps.

    Raises:
        ValueError: there is no attention in this cache.

    Example:
        >>> example = minibert.trace.example.by_hand()
        >>> _, cache = example.model.forward(**example.batch)
        >>> len(attention_probs(cache)), attention_probs(cache.bert.encoder[1].attention)[0].shape
        (3, (2, 15, 15))
    """
    records = walk(cache, is_record, within=parts)
    probs = [record.probs[sequence] for _, record in records if isinstance(record, MultiHeadAttentionCache)]
    if not probs:
        raise ValueError(f"a {type(cache).__name__} holds no attention: give the cache of a layer above it")
    return probs


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
