"""Exercises of lesson 05, attention: softmax, heads, permutations, additive scores, relative positions."""

import math

import numpy as np

from minibert.course.exercises.kinds import Choices, Function, Gradients, Mistake
from minibert.layers.softmax import softmax

# --- row_softmax ---


def row_softmax_inputs(rng):
    return (2 * rng.standard_normal((2, 3, 5)),)


ROWS_APART = (
    (np.array([[1000.0, 999, 1001, -3000], [-1000, -1001, -999, -5000]]),),
    {},
    np.array([[0.244728, 0.0900306, 0.665241, 0], [0.244728, 0.0900306, 0.665241, 0]]),
    "exp(1000) is infinite, and exp(-1000) is 0: subtract from each row its own largest score before exp.",
)


def softmax_over_queries(scores):
    return softmax(scores.swapaxes(-1, -2)).swapaxes(-1, -2)


def softmax_over_everything(scores):
    return softmax(scores.reshape(-1)).reshape(scores.shape)


def only_exponentials(scores):
    return np.exp(scores)


def only_shifted_exponentials(scores):
    return np.exp(scores - scores.max(axis=-1, keepdims=True))


# --- one_head ---

QUERY = np.array([[1.0, 0, 2, -1], [0, 3, 1, 1]])  # (2, 4)
KEY = np.array([[1.0, 1, 0, 2], [2, 0, 1, 0], [-1, 1, 1, 1]])  # (3, 4)
VALUE = np.array([[1.0, 2, 3, 4, 5], [0, -1, 0, 1, 0], [6, 0, -3, 0, 1]])  # (3, 5)
MASK = np.array([[True, False, True], [False, True, True]])  # (2, 3)
OUTPUT = np.array(
    [[0.734419, -0.686558, -0.131221, 1.09111, 0.448292], [3.278174, 0.873242, 0, 1.936621, 2.809863]]
)
MASKED_OUTPUT = np.array(
    [
        [4.112297, 0.755081, -0.734756, 1.510163, 2.510163],
        [5.284782, -0.119203, -2.642391, 0.119203, 0.880797],
    ]
)
FAR_QUERY = np.array([[-4000.0, 0, 0, 0], [0, 3, 1, 1]])  # scores of -2000, -4000 and 2000
FAR_MASK = np.array([[True, True, False], [False, False, False]])
FAR_OUTPUT = np.stack([VALUE[0], VALUE.mean(axis=0)])


def head_without_scale(query, key, value, mask):
    return softmax(_masked(query @ key.T, mask)) @ value


def head_divided_by_size(query, key, value, mask):
    return softmax(_masked(query @ key.T / query.shape[-1], mask)) @ value


def head_softmax_over_queries(query, key, value, mask):
    return softmax(_masked(query @ key.T / math.sqrt(query.shape[-1]), mask).T).T @ value


def head_without_mask(query, key, value, mask):
    return softmax(query @ key.T / math.sqrt(query.shape[-1])) @ value


def head_masked_after_softmax(query, key, value, mask):
    return (softmax(query @ key.T / math.sqrt(query.shape[-1])) * (1 if mask is None else mask)) @ value


def head_masked_the_wrong_way(query, key, value, mask):
    return (
        softmax(_masked(query @ key.T / math.sqrt(query.shape[-1]), None if mask is None else ~mask)) @ value
    )


def head_with_zero_scores(query, key, value, mask):
    scores = query @ key.T / math.sqrt(query.shape[-1])
    return softmax(scores if mask is None else scores * mask) @ value


def _masked(scores, mask):
    return scores if mask is None else np.where(mask, scores, np.finfo(scores.dtype).min)


# --- split_heads and two_facts ---

STATES = np.arange(2 * 3 * 20.0).reshape(2, 3, 20)


def split(x, num_heads):
    num_rows, num_tokens, size = x.shape
    return x.reshape(num_rows, num_tokens, num_heads, size // num_heads).transpose(0, 2, 1, 3)


def split_by_reshape(x, num_heads):
    num_rows, num_tokens, size = x.shape
    return x.reshape(num_rows, num_heads, num_tokens, size // num_heads)


def split_not_moved(x, num_heads):
    return split(x, num_heads).swapaxes(1, 2)


def split_every_other(x, num_heads):
    num_rows, num_tokens, size = x.shape
    return x.reshape(num_rows, num_tokens, size // num_heads, num_heads).transpose(0, 3, 1, 2)


def split_for_keys(x, num_heads):
    return split(x, num_heads).swapaxes(2, 3)


def split_copies(x, num_heads):
    return np.repeat(x[:, np.newaxis], num_heads, axis=1)


def neighbour_maps(num_tokens):
    before, after = np.zeros((2, num_tokens, num_tokens))
    for i in range(num_tokens):
        before[i, max(i - 1, 0)] = 1
        after[i, min(i + 1, num_tokens - 1)] = 1
    return before, after


def best_maps(num_tokens):
    before, after = neighbour_maps(num_tokens)
    return np.stack([before, after]), (before + after) / 2


def maps_exchanged(num_tokens):
    before, after = neighbour_maps(num_tokens)
    return np.stack([after, before]), (before + after) / 2


def maps_transposed(num_tokens):
    before, after = neighbour_maps(num_tokens)
    return np.stack([before.T, after.T]), (before + after).T / 2


def maps_of_one_neighbour(num_tokens):
    before, after = neighbour_maps(num_tokens)
    return np.stack([before, after]), before


def maps_that_sum_to_two(num_tokens):
    before, after = neighbour_maps(num_tokens)
    return np.stack([before, after]), before + after


def maps_uniform(num_tokens):
    return np.stack(neighbour_maps(num_tokens)), np.full((num_tokens, num_tokens), 1 / num_tokens)


def maps_around_the_edge(num_tokens):
    before, after = np.roll(np.eye(num_tokens), -1, axis=1), np.roll(np.eye(num_tokens), 1, axis=1)
    return np.stack([before, after]), (before + after) / 2


# --- additive_attention ---


def additive_attention_inputs(rng):
    shapes = [
        (2, 3, 5),
        (2, 4, 6),
        (5, 7),
        (6, 7),
        (7,),
    ]  # query, states, query_weight, state_weight, score_weight
    return tuple(rng.standard_normal(shape) for shape in shapes)


def additive_over_queries(query, states, query_weight, state_weight, score_weight):
    scores = np.tanh(_summed(query, states, query_weight, state_weight)) @ score_weight
    return softmax(scores.swapaxes(-1, -2)).swapaxes(-1, -2) @ states


def additive_without_tanh(query, states, query_weight, state_weight, score_weight):
    return softmax(_summed(query, states, query_weight, state_weight) @ score_weight) @ states


def additive_tanh_outside(query, states, query_weight, state_weight, score_weight):
    return softmax(np.tanh(_summed(query, states, query_weight, state_weight) @ score_weight)) @ states


def additive_scaled(query, states, query_weight, state_weight, score_weight):
    scores = np.tanh(_summed(query, states, query_weight, state_weight)) @ score_weight
    return softmax(scores / math.sqrt(len(score_weight))) @ states


def additive_scores_only(query, states, query_weight, state_weight, score_weight):
    return np.tanh(_summed(query, states, query_weight, state_weight)) @ score_weight


def _summed(query, states, query_weight, state_weight):
    return (query @ query_weight)[:, :, np.newaxis] + (states @ state_weight)[:, np.newaxis]


# --- relative_bias ---


def relative_bias_inputs(rng):
    query, key, value = (rng.standard_normal((2, 4, 6, 5)) for _ in range(3))
    return query, key, value, rng.standard_normal((4, 7))


def bias_the_wrong_way(query, key, value, table, max_distance):
    return softmax(_products(query, key) + _bias(table, max_distance, query).swapaxes(-1, -2)) @ value


def bias_scaled(query, key, value, table, max_distance):
    scale = 1 / math.sqrt(query.shape[-1])
    return softmax(_products(query, key) + scale * _bias(table, max_distance, query)) @ value


def bias_without_scale(query, key, value, table, max_distance):
    return (
        softmax(math.sqrt(query.shape[-1]) * _products(query, key) + _bias(table, max_distance, query))
        @ value
    )


def bias_after_softmax(query, key, value, table, max_distance):
    return (softmax(_products(query, key)) + _bias(table, max_distance, query)) @ value


def bias_not_shifted(query, key, value, table, max_distance):
    """Index −1 is the last column: NumPy does not complain."""
    return softmax(_products(query, key) + table[:, _distances(max_distance, query)]) @ value


def bias_forgotten(query, key, value, table, max_distance):
    return softmax(_products(query, key)) @ value


def _products(query, key):
    return query @ key.swapaxes(-1, -2) / math.sqrt(query.shape[-1])


def _distances(max_distance, query):
    positions = np.arange(query.shape[-2])
    return np.clip(positions - positions[:, np.newaxis], -max_distance, max_distance)


def _bias(table, max_distance, query):
    return table[:, _distances(max_distance, query) + max_distance]


EXERCISES = [
    # Task: softmax over the last axis, forward and backward.
    Gradients(
        name="row_softmax",
        points=(1, 1),
        inputs=row_softmax_inputs,
        shape=(2, 3, 5),
        values=[0.177872, 0.0911776, 0.514386, 0.0465082, 0.0823514, 0.438191],
        edges=[ROWS_APART],
        mistakes=[
            Mistake(
                softmax_over_queries,
                "The columns sum to one, not the rows: a softmax over the last axis has axis=-1.",
            ),
            Mistake(
                softmax_over_everything,
                "All entries together sum to one. Each row is a softmax of its own: axis=-1, keepdims=True.",
            ),
            Mistake(only_exponentials, "These are the exponentials: divide by their sum over the row."),
            Mistake(
                only_shifted_exponentials,
                "The largest entry of each row is 1: you subtracted the maximum, but did not divide by the "
                "sum of the row.",
            ),
        ],
        hint="Each row should sum to one: exp(scores) / exp(scores).sum(axis=-1, keepdims=True).",
    ),
    # Task: softmax(Q Kᵀ / √D) V of one head, where mask (T_query, T_key) is True if a query may look there.
    Function(
        name="one_head",
        points=2,
        tolerance=1e-5,
        cases=[
            ((QUERY, KEY, VALUE, None), OUTPUT),
            ((QUERY, KEY, VALUE, MASK), MASKED_OUTPUT),
            ((FAR_QUERY, KEY, VALUE, FAR_MASK), FAR_OUTPUT),
        ],
        mistakes=[
            Mistake(
                head_without_scale,
                "The scores are not divided by the square root of D, the number of columns of query.",
            ),
            Mistake(head_divided_by_size, "The scores are divided by D and not by its square root."),
            Mistake(
                head_softmax_over_queries,
                "The softmax runs over the queries. Each query (row) shares out its attention: over the "
                "last axis.",
            ),
            Mistake(
                head_without_mask, "This is right without a mask; here one is given, and it changes nothing."
            ),
            Mistake(
                head_masked_after_softmax,
                "The mask is applied after the softmax, so the rest of a row no longer sums to one. Mask "
                "the scores.",
            ),
            Mistake(
                head_masked_the_wrong_way,
                "The mask is applied the wrong way round: True means that the query may look there.",
            ),
            Mistake(
                head_with_zero_scores,
                "A masked score is set to 0, and exp(0) is 1. It needs the lowest number there is.",
            ),
        ],
        hint=(
            "In order: scores (T_query, T_key), scale, mask, softmax over the keys, times value. If only the "
            "last case fails: what does the mask put in the place of a score, and is it the lowest of all "
            "there? Is a row's own largest score subtracted after that? What is -inf minus -inf?"
        ),
    ),
    # Task: the tokens of x come in the order [2, 0, 3, 1]. Where do rows of y and entries of probs go?
    # Is the result unchanged, permuted or another one if only keys and values are permuted, if positions move
    # with the tokens, if they stay, and with a causal mask?
    Choices(
        name="permuted_tokens",
        points=2,
        expected={
            "row_of_y": 2,
            "entry_of_probs": (2, 0),
            "keys_only": "unchanged",
            "positions_move_along": "permuted",
            "positions_stay": "other",
            "causal": "other",
        },
        options=("unchanged", "permuted", "other"),
        questions={
            "row_of_y": "which row of x is x[order][0]?",
            "entry_of_probs": "which token is the query (the row), which the key (the column)?",
            "keys_only": "what happens to a sum over the keys when its terms change places?",
            "positions_move_along": "is attention given the same rows in another order, or other rows?",
            "positions_stay": "is attention given the same rows in another order, or other rows?",
            "causal": "how many tokens may each token see, before and after?",
        },
    ),
    # Task: x (B, T, H) as heads (B, A, T, D), head a with the columns from a D to (a + 1) D.
    Function(
        name="split_heads",
        points=1,
        cases=[
            ((STATES, 4), split(STATES, 4)),
            ((STATES, 5), split(STATES, 5)),
            ((STATES[:1], 4), split(STATES[:1], 4)),
        ],
        mistakes=[
            Mistake(
                split_by_reshape,
                "The shape is right, but a head holds columns of other tokens: reshape to (B, T, A, D), then "
                "exchange two axes.",
            ),
            Mistake(split_not_moved, "The heads come before the tokens: exchange the axes A and T."),
            Mistake(
                split_every_other,
                "A head has D columns that lie side by side, not every A-th one: reshape to (B, T, A, D).",
            ),
            Mistake(split_for_keys, "These are transposed: a head is (T, D), tokens in rows."),
            Mistake(split_copies, "Every head has all columns here; the heads share them out: D = H / A."),
        ],
        hint="D = H // A; reshape the last axis to (A, D); then move A in front of T.",
    ),
    # Task: attention maps that bring the token before and the token after, with two heads and with one.
    Function(
        name="two_facts",
        points=2,
        cases=[((num_tokens,), best_maps(num_tokens)) for num_tokens in (5, 3, 1)],
        mistakes=[
            Mistake(maps_exchanged, "The heads are exchanged: head 0 brings the token before."),
            Mistake(maps_transposed, "Rows and columns are exchanged: a row is the token that looks."),
            Mistake(
                maps_of_one_neighbour,
                "`one` gets half of the columns exactly and misses the other half by far. By how much does "
                "it "
                "miss with weights p and 1 - p, squared and summed?",
            ),
            Mistake(maps_that_sum_to_two, "The rows of `one` sum to 2; softmax gives rows that sum to 1."),
            Mistake(maps_uniform, "`one` can do better than to look at all tokens alike."),
            Mistake(
                maps_around_the_edge, "The first token has none before it, and the last none after: itself."
            ),
        ],
        hint="Row i of a map: where does token i look? One map: p for one neighbour, 1 - p for the other.",
    ),
    # Task: Bahdanau's scores v · tanh(W q_i + U k_j); softmax over j; the weighted sum of the states.
    Gradients(
        name="additive_attention",
        points=(1, 3),
        inputs=additive_attention_inputs,
        shape=(2, 3, 6),
        values=[-0.687086, -0.122512, 0.602146, 0.637469, -1.00684, -0.622989],
        mistakes=[
            Mistake(
                additive_over_queries,
                "The softmax runs over the queries; it should run over the states, the last axis of the "
                "scores.",
            ),
            Mistake(
                additive_without_tanh,
                "The tanh is missing. Without it the query adds the same number to a whole row of scores, "
                "and softmax does not see it.",
            ),
            Mistake(
                additive_tanh_outside,
                "The tanh is outside the product with v: tanh first, on (B, T_query, T_key, U), then @ "
                "score_weight.",
            ),
            Mistake(additive_scaled, "The scores are divided by a square root: additive attention has none."),
        ],
        hint=(
            "Broadcast: (B, T_query, 1, U) + (B, 1, T_key, U); tanh; @ score_weight gives the scores (B, "
            "T_query, T_key)."
        ),
    ),
    # Task: scores + table[head, clip(j - i, -R, R) + R]: a learned bias for each distance of query and key.
    Gradients(
        name="relative_bias",
        points=(1, 3),
        inputs=relative_bias_inputs,
        constants={"max_distance": 3},
        shape=(2, 4, 6, 5),
        values=[-0.983325, 1.24172, 0.900222, 0.22996, 0.409919, 0.718454],
        mistakes=[
            Mistake(bias_the_wrong_way, "The distance is j - i (key minus query), not i - j."),
            Mistake(
                bias_scaled, "The bias is divided by the square root of D, too: add it after the scaling."
            ),
            Mistake(bias_without_scale, "The products are not divided by the square root of D."),
            Mistake(
                bias_after_softmax,
                "The bias is added to the probabilities: add it to the scores, before the softmax.",
            ),
            Mistake(
                bias_not_shifted,
                "The distances start at -R, and in NumPy index -1 is the last column: add R to them.",
            ),
            Mistake(bias_forgotten, "This is attention without the table."),
        ],
        hint="index = np.clip(j - i, -R, R) + R, an array (T, T); table[:, index] has the shape (A, T, T).",
    ),
]
