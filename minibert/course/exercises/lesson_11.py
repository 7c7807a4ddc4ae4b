"""Exercises of lesson 11: BERT's backward pass, where gradients meet."""

import numpy as np

from minibert.course.exercises.kinds import Choices, Gradients, Mistake
from minibert.layers.softmax import softmax

# --- six_joints ---


def cross_entropy(logits, labels):
    """logits (N, C), labels (N,) → the mean loss, and its gradient (N, C)."""
    exponentials = np.exp(logits - logits.real.max(axis=-1, keepdims=True))
    probs = exponentials / exponentials.sum(axis=-1, keepdims=True)
    loss = -np.log(probs[np.arange(len(labels)), labels]).mean()
    return loss, (probs - np.eye(logits.shape[1])[labels]) / len(labels)


def small_bert(ids, types, predicted, labels, next_labels, token, position, segment, query, key, pair):
    """BERT with its joints and little else: one head whose values are x itself, no norms, no feed-forward.

    Args:
        ids, types: (B, T) integers.
        predicted: (M,) flat places in (B·T), each once; labels (M,) their words; next_labels (B,).
        token, position, segment: the tables (V, H), (P, H) with P > T, (G, H).
        query, key: (H, D); pair: (H, C).

    Returns:
        (the sum of both losses, the cache).
    """
    x = token[ids] + position[: ids.shape[1]] + segment[types]  # (B, T, H)
    q, k = x @ query, x @ key  # (B, T, D)
    probs = softmax(q @ k.swapaxes(1, 2))  # (B, T, T)
    states = x + probs @ x  # (B, T, H)
    rows = states.reshape(-1, x.shape[2])[predicted]  # (M, H)
    mlm_loss, mlm_gradient = cross_entropy(rows @ token.T, labels)  # (M, V)
    nsp_loss, nsp_gradient = cross_entropy(states[:, 0] @ pair, next_labels)  # (B, C)
    cache = (ids, types, predicted, token, position, segment, query, key, pair)
    return mlm_loss + nsp_loss, (*cache, x, q, k, probs, states, rows, mlm_gradient, nsp_gradient)


def _joints_inputs(rng):
    """A first token is predicted, places are in no order, ids repeat, and `position` has unused rows."""
    ids = np.array([[4, 1, 4, 6], [2, 4, 0, 1], [5, 5, 4, 2]])
    types = np.array([[0, 0, 1, 1], [0, 1, 1, 1], [0, 0, 0, 1]])
    integers = ids, types, np.array([8, 1, 11, 6, 4]), np.array([0, 4, 6, 4, 1]), np.array([1, 0, 1])
    shapes = [(8, 6), (7, 6), (2, 6), (6, 9), (6, 9), (6, 2)]
    return *integers, *(0.5 * rng.standard_normal(shape) for shape in shapes)


# --- planted_bug ---


def gated_forward(x, weight, gate):
    """x (B, T, H), weight (H, H), gate (H,): y = x + gate tanh(x W)."""
    hidden = np.tanh(x @ weight)  # (B, T, H)
    return x + gate * hidden, (x, weight, gate, hidden)


def gated_backward(d_y, cache):
    """With a bug at a joint: exercise planted_bug asks where."""
    x, weight, gate, hidden = cache
    d_product = d_y * gate * (1 - hidden * hidden)
    d_x = d_y
    d_x += d_product @ weight.T
    d_weight = x.reshape(-1, len(gate)).T @ d_product.reshape(-1, len(gate))
    d_gate = (d_y * hidden).sum(axis=(0, 1))
    return d_x, d_weight, d_gate


def _gated_inputs(rng):
    return rng.standard_normal((2, 3, 5)), 0.5 * rng.standard_normal((5, 5)), rng.standard_normal(5)


# --- zero_or_not ---

ZERO_OR_NOT = {
    "d_states_cls": "zero",
    "d_embeddings_cls": "not zero",
    "d_embeddings_pad": "zero",
    "token_row_pad": "not zero",
    "token_row_unseen": "not zero",
    "segment_row_1": "zero",
    "pooler_weight": "zero",
    "top_query_row": "zero",
    "top_key_column": "not zero",
    "bottom_query_row": "not zero",
    "key_bias": "zero",
    "no_labels_token_table": "zero",
}
ZERO_QUESTIONS = {
    "d_states_cls": "which head reads the state of [CLS] on top, and has a loss here?",
    "d_embeddings_cls": "which tokens look at [CLS] in the blocks, and what do they become?",
    "d_embeddings_pad": "which token looks at [PAD], and which head reads its state?",
    "token_row_pad": "how many uses has this table, and which of them touch this row?",
    "token_row_unseen": "which words does the decoder score?",
    "segment_row_1": "how many uses has this table, and which of them touch this row?",
    "pooler_weight": "to which loss does the pooler lead?",
    "top_query_row": "whose state takes in what b finds in the top block, and which head reads it?",
    "top_key_column": "who looks at b in the top block, and which loss reads what it finds?",
    "bottom_query_row": "who reads the state of b in the blocks above?",
    "key_bias": "what does it add to one row of scores, and what does softmax make of that (lesson 05)?",
    "no_labels_token_table": "how does the loss depend on any weight now?",
}

# --- albert_tied_decoder ---


def _albert_inputs(rng):
    ids, predicted = np.array([[4, 1, 4], [6, 4, 0]]), np.array([4, 5, 0, 3])  # id 4 is predicted twice
    return (
        ids,
        predicted,
        rng.standard_normal((7, 5)),
        rng.standard_normal((5, 6)),
        rng.standard_normal((6, 5)),
    )


def _albert(ids, predicted, table, projection, dense, activation=np.tanh):
    states = activation(table[ids] @ projection)
    return states.reshape(-1, states.shape[-1])[predicted] @ dense @ table.T


def _albert_without_tanh(*inputs):
    return _albert(*inputs, activation=np.asarray)


def _albert_projection_twice(ids, predicted, table, projection, dense):
    return _albert(ids, predicted, table, projection, projection.T)


def _albert_places_as_ids(ids, predicted, table, projection, dense):
    return np.tanh(table[predicted] @ projection) @ dense @ table.T


def _albert_second_tanh(ids, predicted, table, projection, dense):
    states = np.tanh(table[ids] @ projection)
    return np.tanh(states.reshape(-1, states.shape[-1])[predicted] @ dense) @ table.T


# --- shared_stack ---


def _stack_inputs(rng):
    return rng.standard_normal((2, 3, 5)), 0.5 * rng.standard_normal((5, 5)), 0.5 * rng.standard_normal(5)


THREE_LAYERS = (
    (np.array([[[1.0, 2.0]]]), np.array([[0.0, 1.0], [0.5, 0.0]]), np.array([0.0, -1.0])),
    {"num_layers": 3},
    np.array([[[3.390223, 3.551267]]]),
    "There are three layers here: how often the loop runs follows from num_layers.",
)


def _stack(x, weight, bias, num_layers):
    for _ in range(num_layers):
        x = x + np.tanh(x @ weight + bias)
    return x


def _stack_of_one(x, weight, bias, num_layers):
    return _stack(x, weight, bias, 1)


def _stack_one_short(x, weight, bias, num_layers):
    return _stack(x, weight, bias, num_layers - 1)


def _stack_one_more(x, weight, bias, num_layers):
    return _stack(x, weight, bias, num_layers + 1)


def _stack_without_skip(x, weight, bias, num_layers):
    for _ in range(num_layers):
        x = np.tanh(x @ weight + bias)
    return x


def _stack_skips_from_the_input(x, weight, bias, num_layers):
    y = x
    for _ in range(num_layers):
        y = x + np.tanh(y @ weight + bias)
    return y


def _stack_side_by_side(x, weight, bias, num_layers):
    return x + num_layers * np.tanh(x @ weight + bias)


EXERCISES = [
    # Task: fill the six joints of the backward of small_bert, where gradients of several uses are added.
    Gradients(
        name="six_joints",
        points=(0, 4),
        inputs=_joints_inputs,
        shape=(),
        values=[2.91882],
        hint="Give small_bert as the first function: only the backward is yours.",
    ),
    # Task: find the bug of gated_backward, and write a backward without it.
    Gradients(
        name="planted_bug",
        points=(0, 2),
        inputs=_gated_inputs,
        shape=(2, 3, 5),
        values=[-0.0871141, 0.132359, -0.305076, -0.125156, -0.469398, 0.752197],
        hint="Give gated_forward as the first function: only the backward is yours.",
    ),
    # Task: which gradients of a BERT with one [MASK] and no NSP label are exactly zero?
    Choices(
        name="zero_or_not",
        points=2,
        expected=ZERO_OR_NOT,
        options=("zero", "not zero"),
        questions=ZERO_QUESTIONS,
    ),
    # Task: logits = tanh(table[ids] P)[predicted] D tableᵀ: a narrow table used twice.
    Gradients(
        name="albert_tied_decoder",
        points=(1, 3),
        inputs=_albert_inputs,
        shape=(4, 7),
        values=[0.723302, -4.99096, 1.05366, 0.817199, 6.59076, -0.326868, 7.58871, 0.853635],
        mistakes=[
            Mistake(_albert_without_tanh, "The tanh that represents the encoder is missing."),
            Mistake(
                _albert_projection_twice,
                "On the way out you use the projection again, transposed. The way out has its own matrix, "
                "`dense`.",
            ),
            Mistake(_albert_second_tanh, "There is one tanh, on the way in; after `dense` there is none."),
            Mistake(
                _albert_places_as_ids,
                "`predicted` holds flat places in (B·T), not ids: it chooses rows of the states, not of the "
                "table.",
            ),
        ],
        hint=(
            "states (B, T, H) = tanh(table[ids] @ projection); rows (M, H) = states.reshape(-1, "
            "H)[predicted]; rows @ dense @ table.T."
        ),
    ),
    # Task: x + tanh(x W + b), num_layers times with the same W and b.
    Gradients(
        name="shared_stack",
        points=(1, 1),
        inputs=_stack_inputs,
        constants={"num_layers": 4},
        shape=(2, 3, 5),
        values=[-1.54039, 0.75562, -3.63982, 0.795588, 2.81851, -3.62109],
        mistakes=[
            Mistake(
                _stack_of_one,
                "That is one layer. Apply it num_layers times, each to the result of the one before.",
            ),
            Mistake(_stack_one_short, "One layer is missing."),
            Mistake(_stack_one_more, "That is one layer too many."),
            Mistake(_stack_without_skip, "The skip path is missing: x + tanh(...)."),
            Mistake(
                _stack_skips_from_the_input,
                "Every skip starts at the stack's input. It starts at the input of its own layer.",
            ),
            Mistake(
                _stack_side_by_side,
                "The layers are side by side, all on the first x. Each reads the result of the one before.",
            ),
        ],
        edges=[THREE_LAYERS],
        hint="A loop: x = x + np.tanh(x @ weight + bias). Keep every layer's x and tanh for the way back.",
    ),
]
