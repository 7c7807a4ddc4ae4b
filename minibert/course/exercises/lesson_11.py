"""Exercises of lesson 11: BERT's backward pass, where gradients meet."""

import numpy as np

from minibert.course.exercises.kinds import Choices, Function, Gradients, Mistake
from minibert.layers.softmax import softmax

# --- rebuilt_pooler ---


def _pooler_inputs(rng):
    return rng.standard_normal((2, 3, 5)), 0.5 * rng.standard_normal((5, 5)), 0.5 * rng.standard_normal(5)


def _pooler_of_the_mean(x, weight, bias):
    return np.tanh(x.mean(axis=1) @ weight + bias)


def _pooler_of_the_last(x, weight, bias):
    return np.tanh(x[:, -1] @ weight + bias)


def _pooler_without_tanh(x, weight, bias):
    return x[:, 0] @ weight + bias


def _pooler_transposed(x, weight, bias):
    return np.tanh(x[:, 0] @ weight.T + bias)


def _pooler_bias_outside(x, weight, bias):
    return np.tanh(x[:, 0] @ weight) + bias


def _pooler_of_all(x, weight, bias):
    return np.tanh(x @ weight + bias)


# --- encoder_output_gradient ---


def _output_case(predicted, seed):
    rng = np.random.default_rng(seed)
    return (
        rng.integers(-9, 10, (len(predicted), 2)).astype(float),
        np.array(predicted, int),
        rng.integers(-9, 10, (3, 2)).astype(float),
        4,
    )


def _both_heads(d_predicted_states, predicted, d_first_states, num_tokens):
    d_states = np.zeros((*d_first_states.shape[:1], num_tokens, d_first_states.shape[1]))
    d_states.reshape(-1, d_states.shape[-1])[predicted] += d_predicted_states
    d_states[:, 0] += d_first_states
    return d_states


def _pooler_overwrites(d_predicted_states, predicted, d_first_states, num_tokens):
    d_states = _only_predicted(d_predicted_states, predicted, d_first_states, num_tokens)
    d_states[:, 0] = d_first_states
    return d_states


def _mlm_head_overwrites(d_predicted_states, predicted, d_first_states, num_tokens):
    d_states = _only_pooler(d_predicted_states, predicted, d_first_states, num_tokens)
    d_states.reshape(-1, d_states.shape[-1])[predicted] = d_predicted_states
    return d_states


def _only_predicted(d_predicted_states, predicted, d_first_states, num_tokens):
    return _both_heads(d_predicted_states, predicted, 0 * d_first_states, num_tokens)


def _only_pooler(d_predicted_states, predicted, d_first_states, num_tokens):
    return _both_heads(0 * d_predicted_states, predicted, d_first_states, num_tokens)


def _pooler_to_every_token(d_predicted_states, predicted, d_first_states, num_tokens):
    return (
        _only_predicted(d_predicted_states, predicted, d_first_states, num_tokens)
        + d_first_states[:, np.newaxis]
    )


def _pooler_to_the_first_rows(d_predicted_states, predicted, d_first_states, num_tokens):
    d_states = _only_predicted(d_predicted_states, predicted, d_first_states, num_tokens)
    d_states.reshape(-1, d_states.shape[-1])[: len(d_first_states)] += d_first_states
    return d_states


def _not_reshaped(d_predicted_states, predicted, d_first_states, num_tokens):
    d_states = _both_heads(d_predicted_states, predicted, d_first_states, num_tokens)
    return d_states.reshape(-1, d_states.shape[-1])


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
    ids, predicted = np.array([[4, 1, 4], [6, 4, 0]]), np.array([0, 3, 4, 5])  # 4 is predicted twice
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


# --- uncertainty_weights ---


def _uncertainty_inputs(rng):
    return (
        2 * rng.standard_normal((3, 7)),
        np.array([4, 0, 4]),
        2 * rng.standard_normal((4, 2)),
        np.array([1, 0, 0, 1]),
        np.array([0.4, -0.7]),
    )


def _uncertainty(
    mlm_logits, mlm_labels, nsp_logits, nsp_labels, log_variances, weigh=None, penalty=0.5, mean=np.mean
):
    weigh = _precision if weigh is None else weigh
    losses = [
        mean(-np.log(softmax(logits)[np.arange(len(labels)), labels]))
        for logits, labels in ((mlm_logits, mlm_labels), (nsp_logits, nsp_labels))
    ]
    return sum(
        weigh(log_variance) * loss + penalty * log_variance
        for log_variance, loss in zip(log_variances, losses)
    )


def _precision(log_variance):
    return np.exp(-log_variance)


def _uncertainty_summed(*inputs):
    return _uncertainty(*inputs, mean=np.sum)


def _uncertainty_plain(*inputs):
    return _uncertainty(*inputs, weigh=np.ones_like, penalty=0.0)


def _uncertainty_without_penalty(*inputs):
    return _uncertainty(*inputs, penalty=0.0)


def _uncertainty_whole_penalty(*inputs):
    return _uncertainty(*inputs, penalty=1.0)


def _uncertainty_multiplied(*inputs):
    return _uncertainty(*inputs, weigh=np.exp)


def _half_precision(log_variance):
    return 0.5 * _precision(log_variance)


def _uncertainty_halved(*inputs):
    return _uncertainty(*inputs, weigh=_half_precision)


def _uncertainty_exchanged(mlm_logits, mlm_labels, nsp_logits, nsp_labels, log_variances):
    return _uncertainty(mlm_logits, mlm_labels, nsp_logits, nsp_labels, log_variances[::-1])


EXERCISES = [
    # Task: tanh(x[:, 0] W + b), forward and backward.
    Gradients(
        name="rebuilt_pooler",
        points=(1, 1),
        inputs=_pooler_inputs,
        values=[-0.383992, 0.810967, -0.414463, 0.659149, 0.557963, -0.850671],
        mistakes=[
            Mistake(
                _pooler_of_the_mean,
                "That is the mean of all tokens (the museum's pooled-from-all). The pooler reads the first "
                "token.",
            ),
            Mistake(_pooler_of_the_last, "That is the last token; [CLS] is the first."),
            Mistake(_pooler_without_tanh, "The tanh is missing."),
            Mistake(_pooler_transposed, "y = x @ weight + bias: the weight is not transposed."),
            Mistake(_pooler_bias_outside, "The bias belongs inside the tanh."),
            Mistake(_pooler_of_all, "Every token went through the pooler; only the first should: x[:, 0]."),
        ],
        hint="np.tanh(x[:, 0] @ weight + bias), of shape (B, H).",
    ),
    # Task: d_states (B, T, H), from the gradients of both heads.
    Function(
        name="encoder_output_gradient",
        points=1,
        cases=[
            (arguments, _both_heads(*arguments))
            for arguments in (_output_case([2, 4, 5, 7, 11], 1), _output_case([8], 2), _output_case([], 3))
        ],
        mistakes=[
            Mistake(
                _pooler_overwrites,
                "A place that both heads have read gets the sum. Here the pooler's gradient overwrites the "
                "MLM head's.",
            ),
            Mistake(
                _mlm_head_overwrites,
                "A place that both heads have read gets the sum. Here the MLM head's gradient overwrites "
                "the pooler's.",
            ),
            Mistake(
                _only_predicted, "The pooler's part is missing: it belongs to token 0 of every sequence."
            ),
            Mistake(
                _only_pooler, "The MLM head's part is missing: row m belongs to the flat place predicted[m]."
            ),
            Mistake(
                _pooler_to_every_token,
                "The pooler's gradient went to every token. It has read token 0 alone.",
            ),
            Mistake(
                _pooler_to_the_first_rows,
                "The pooler's gradients went to the first rows of the first sequence. Each belongs to token "
                "0 of its own sequence.",
            ),
            Mistake(_not_reshaped, "The numbers are right; return them in the shape (B, T, H)."),
        ],
        hint=(
            "Zeros (B·T, H); add the rows at `predicted`; reshape to (B, T, H); add d_first_states at [:, 0]."
        ),
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
        values=[0.723302, -4.99096, -1.05009, -0.141175, 6.59076, -0.326868, -7.9571, 1.8166],
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
        hint="A loop: x = x + np.tanh(x @ weight + bias). Keep every layer's x and tanh for the way back.",
    ),
    # Task: exp(-s_0) L_mlm + exp(-s_1) L_nsp + (s_0 + s_1) / 2, with learned s.
    Gradients(
        name="uncertainty_weights",
        points=(1, 2),
        inputs=_uncertainty_inputs,
        shape=(),
        values=[4.24102],
        mistakes=[
            Mistake(_uncertainty_summed, "Each loss is a mean over its rows, not a sum."),
            Mistake(_uncertainty_plain, "That is the plain sum of the two losses, without the weights."),
            Mistake(
                _uncertainty_without_penalty,
                "The terms s/2 are missing. Without them, s could grow without end and switch both losses "
                "off.",
            ),
            Mistake(_uncertainty_whole_penalty, "The penalty is s/2, not s."),
            Mistake(_uncertainty_multiplied, "The weight is exp(-s): a task of large variance counts less."),
            Mistake(
                _uncertainty_halved,
                "The factor 1/2 belongs to s only. (Kendall et al. have 1/(2σ²) for a squared error, 1/σ² "
                "for a classification.)",
            ),
            Mistake(
                _uncertainty_exchanged,
                "The two weights are exchanged: log_variances[0] belongs to the MLM loss.",
            ),
        ],
        hint="Two mean cross-entropies; exp(-s) times each; plus the sum of s/2. The result is one number.",
    ),
]
