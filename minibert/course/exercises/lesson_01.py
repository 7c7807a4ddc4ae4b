"""Exercises of lesson 01, Word2Vec: pairs, rows that an update touches, CBOW, a ranking loss, positions."""

import numpy as np

from minibert.course.exercises.kinds import Function, Gradients, Mistake, Value
from minibert.word_vectors.word2vec_plain import softplus

# --- window_pairs ---

SENTENCE = ["the", "old", "king", "sneezed"]
PAIRS = [
    ("the", "old"),
    ("the", "king"),
    ("old", "the"),
    ("old", "king"),
    ("old", "sneezed"),
    ("king", "the"),
    ("king", "old"),
    ("king", "sneezed"),
    ("sneezed", "old"),
    ("sneezed", "king"),
]
REPEATING = ["very", "very", "tiny"]
REPEATING_PAIRS = [("very", "very"), ("very", "very"), ("very", "tiny"), ("tiny", "very")]
WIDE_PAIRS = [*[("very", "very"), ("very", "tiny")] * 2, *[("tiny", "very")] * 2]  # wider than the sentence


def pairs_with_itself(words, window):
    return [
        (word, other)
        for place, word in enumerate(words)
        for other in words[max(0, place - window) : place + window + 1]
    ]


def pairs_to_the_right(words, window):
    return [
        (word, other) for place, word in enumerate(words) for other in words[place + 1 : place + window + 1]
    ]


def pairs_of_different_words(words, window):
    return [(word, other) for word, other in pairs_with_itself(words, window) if word != other]


def pairs_without_the_last(words, window):
    places = range(len(words))
    return [(words[i], words[j]) for i in places for j in places if i != j and i - window <= j < i + window]


def pairs_around_the_edge(words, window):
    """words[-1] is the last word: Python does not complain."""
    places = range(len(words))
    return [
        (words[i], words[j])
        for i in places
        for j in range(i - window, i + window + 1)
        if i != j and j < len(words)
    ]


def pairs_from_behind(words, window):
    places = range(len(words))
    return [(words[j], words[i]) for i in places for j in places if i != j and abs(i - j) <= window]


# --- cbow ---


def cbow_inputs(rng):
    """The target is among the noise words, and one word is in the window twice."""
    return (*rng.standard_normal((2, 8, 5)), np.array([3, 2, 5, 3]), 2, np.array([1, 4, 4, 7, 2, 0]))


def cbow_of_the_sum(vectors, output_vectors, context_ids, target, negatives):
    return _noise_loss(vectors[context_ids].sum(axis=0), output_vectors, target, negatives).sum()


def cbow_of_different_words(vectors, output_vectors, context_ids, target, negatives):
    return _noise_loss(vectors[np.unique(context_ids)].mean(axis=0), output_vectors, target, negatives).sum()


def cbow_without_repeated_noise(vectors, output_vectors, context_ids, target, negatives):
    return _noise_loss(vectors[context_ids].mean(axis=0), output_vectors, target, np.unique(negatives)).sum()


def cbow_averaged(vectors, output_vectors, context_ids, target, negatives):
    return _noise_loss(vectors[context_ids].mean(axis=0), output_vectors, target, negatives).mean()


def cbow_attracted_by_noise(vectors, output_vectors, context_ids, target, negatives):
    hidden = vectors[context_ids].mean(axis=0)
    return softplus(-output_vectors[np.append(target, negatives)] @ hidden).sum()


def cbow_with_one_table(vectors, output_vectors, context_ids, target, negatives):
    return _noise_loss(vectors[context_ids].mean(axis=0), vectors, target, negatives).sum()


def _noise_loss(hidden, output_vectors, target, negatives):
    """The loss of the target and of each noise word: (1 + K,)."""
    return softplus(np.append(-output_vectors[target] @ hidden, output_vectors[negatives] @ hidden))


# --- margin_ranking ---


def margin_inputs(rng):
    return (*rng.standard_normal((2, 8, 5)), 0, 5, np.array([1, 4, 4, 7, 6, 5]))


def margin_of_the_sum(vectors, output_vectors, word, target, negatives, margin):
    return max(0.0, _margins(vectors, output_vectors, word, target, negatives, margin).sum())


def margin_left_out(vectors, output_vectors, word, target, negatives, margin):
    return np.maximum(0, _margins(vectors, output_vectors, word, target, negatives, 0)).sum()


def margin_turned_round(vectors, output_vectors, word, target, negatives, margin):
    return np.maximum(0, margin - _margins(vectors, output_vectors, word, target, negatives, 0)).sum()


def margin_averaged(vectors, output_vectors, word, target, negatives, margin):
    return np.maximum(0, _margins(vectors, output_vectors, word, target, negatives, margin)).mean()


def margin_of_the_worst(vectors, output_vectors, word, target, negatives, margin):
    return max(0.0, _margins(vectors, output_vectors, word, target, negatives, margin).max())


def margin_without_repeated_noise(vectors, output_vectors, word, target, negatives, margin):
    return np.maximum(0, _margins(vectors, output_vectors, word, target, np.unique(negatives), margin)).sum()


def _margins(vectors, output_vectors, word, target, negatives, margin):
    """By how much each noise word comes too near: (K,)."""
    hidden = vectors[word]
    return margin - output_vectors[target] @ hidden + output_vectors[negatives] @ hidden


# --- positional_skip_gram ---


def positional_inputs(rng):
    tables = rng.standard_normal((9, 5)), rng.standard_normal((9, 5)), rng.standard_normal((4, 5))
    centres, contexts, positions = np.array(
        [[2, 5, 2, 8, 2, 0, 5], [1, 2, 7, 1, 3, 2, 2], [0, 3, 1, 3, 3, 2, 0]]
    )
    negatives = np.array([[4, 6, 4], [1, 8, 3], [0, 1, 8], [6, 6, 6], [3, 5, 0], [8, 1, 4], [7, 3, 1]])
    return (*tables, centres, contexts, positions, negatives)


def positional_for_targets_only(
    vectors, context_vectors, position_vectors, centres, contexts, positions, negatives
):
    hidden = vectors[centres]
    scores = (hidden * position_vectors[positions] * context_vectors[contexts]).sum(axis=-1)
    return softplus(-scores).sum() + softplus(_noise_scores(hidden, context_vectors, negatives)).sum()


def positional_left_out(vectors, context_vectors, position_vectors, centres, contexts, positions, negatives):
    return _positional(vectors[centres], context_vectors, contexts, negatives)


def positional_added(vectors, context_vectors, position_vectors, centres, contexts, positions, negatives):
    return _positional(vectors[centres] + position_vectors[positions], context_vectors, contexts, negatives)


def positional_averaged(vectors, context_vectors, position_vectors, centres, contexts, positions, negatives):
    hidden = vectors[centres] * position_vectors[positions]
    return _positional(hidden, context_vectors, contexts, negatives) / len(centres)


def positional_attracted_by_noise(
    vectors, context_vectors, position_vectors, centres, contexts, positions, negatives
):
    hidden = vectors[centres] * position_vectors[positions]
    scores = _noise_scores(hidden, context_vectors, np.column_stack([contexts, negatives]))
    return softplus(-scores).sum()


def positional_with_tables_exchanged(
    vectors, context_vectors, position_vectors, centres, contexts, positions, negatives
):
    return _positional(context_vectors[centres] * position_vectors[positions], vectors, contexts, negatives)


def _positional(hidden, context_vectors, contexts, negatives):
    scores = (hidden * context_vectors[contexts]).sum(axis=-1)  # (B,)
    return softplus(-scores).sum() + softplus(_noise_scores(hidden, context_vectors, negatives)).sum()


def _noise_scores(hidden, context_vectors, negatives):
    return np.einsum("bd,bkd->bk", hidden, context_vectors[negatives])


EXERCISES = [
    # Task: list all (centre, neighbour) with at most `window` places between them, in the order of the text.
    Function(
        name="window_pairs",
        points=1,
        cases=[
            ((SENTENCE, 2), PAIRS),
            ((REPEATING, 1), REPEATING_PAIRS),
            ((REPEATING, 5), WIDE_PAIRS),
            ((["king"], 3), []),
            (([], 2), []),
        ],
        mistakes=[
            Mistake(
                pairs_with_itself,
                "A word is paired with itself, at distance 0: it is not its own neighbour.",
            ),
            Mistake(pairs_to_the_right, "Only neighbours to the right are there: a window has two sides."),
            Mistake(
                pairs_of_different_words,
                "Leave out the place of the centre, not every word that is spelled like it: a second 'very' "
                "is a "
                "neighbour as good as any.",
            ),
            Mistake(
                pairs_without_the_last,
                "The neighbour at distance `window` on the right is missing: range and slices stop before "
                "their end.",
            ),
            Mistake(
                pairs_around_the_edge,
                "At the left edge, negative places count from the end in Python: the window must stop at "
                "place 0.",
            ),
            Mistake(
                pairs_from_behind,
                "Centre and neighbour are exchanged: (centre, neighbour), one centre after the other.",
            ),
        ],
        hint=(
            "For each place i: the places j from max(0, i - window) to min(len(words) - 1, i + window), "
            "without i itself."
        ),
    ),
    # Task: in how many rows of both tables is the gradient of one loss not zero? Six cases.
    Value(
        name="touched_rows",
        points=2,
        expected={"pair": 12, "first_step": 11, "repeated": 8, "cbow": 15, "softmax": 1001, "tree": 10},
        mistakes=[
            (
                {"pair": 11, "repeated": 7, "softmax": 1000, "tree": 9},
                "You have counted one of the two tables only: the word that predicts is a row of the other "
                "one.",
            ),
            (
                {"pair": 2000, "cbow": 2000, "first_step": 2000, "repeated": 2000},
                "That is every row of both tables. Which of them occur in the loss of this pair?",
            ),
            (
                {"pair": 1000, "cbow": 1000, "first_step": 1000, "repeated": 1000, "tree": 1000},
                "That is every row of one table. Which of them occur in the loss of this pair?",
            ),
            (
                {"first_step": 12},
                "d_hidden is the sum of d_score times output vector, and now all of these are 0.",
            ),
            (
                {"first_step": 0},
                "d_hidden is zero; but what is d_u = d_score times hidden, if hidden is not zero?",
            ),
            ({"repeated": 12}, "Count different rows: a word that is drawn again is the same row."),
            ({"repeated": 9}, "One of the noise words is the target: the same row."),
            ({"cbow": 12}, "The window's words each have a row in the mean: how many are there?"),
            ({"cbow": 14}, "C + 1 + K: which one have you left out?"),
            (
                {"softmax": 2000},
                "All output vectors occur in the sum of the softmax; but how many input vectors?",
            ),
            ({"tree": 12}, "The tree uses the nodes on the path to the target, and no noise words."),
        ],
        hint=(
            "Write down which rows of which table occur in the formula of the loss; every other row has the "
            "gradient 0."
        ),
    ),
    # Task: the mean of the window's vectors tells the target from K noise words.
    Gradients(
        name="cbow",
        points=(1, 2),
        inputs=cbow_inputs,
        shape=(),
        values=[3.48652],
        mistakes=[
            Mistake(
                cbow_of_the_sum,
                "Your hidden vector is the sum of the window's vectors: divide by C, the number of words in "
                "it.",
            ),
            Mistake(
                cbow_of_different_words, "A word that occurs twice in the window counts twice in the mean."
            ),
            Mistake(
                cbow_without_repeated_noise, "A noise word that is drawn twice counts twice in the loss."
            ),
            Mistake(cbow_averaged, "The loss is a sum over the 1 + K questions, not their mean."),
            Mistake(
                cbow_attracted_by_noise,
                "The noise words have the sign of the target: theirs is -log sigmoid(-score).",
            ),
            Mistake(
                cbow_with_one_table, "Target and noise words are rows of output_vectors, not of vectors."
            ),
        ],
        hint=(
            "hidden = mean of vectors[context_ids]; loss = -log sigmoid(hidden . u_target) - sum of log "
            "sigmoid(-hidden . u_negative)."
        ),
    ),
    # Task: sum over noise words of max(0, margin - h u_target + h u_k), h the vector of the word.
    Gradients(
        name="margin_ranking",
        points=(1, 3),
        inputs=margin_inputs,
        shape=(),
        values=[2.92649],
        constants={"margin": 1.5},
        mistakes=[
            Mistake(
                margin_of_the_sum,
                "Each noise word has its own max(0, ...), inside the sum: one that is far enough below the "
                "target costs 0, not less.",
            ),
            Mistake(margin_left_out, "The margin is missing."),
            Mistake(
                margin_turned_round,
                "Target and noise are exchanged: the loss should fall when the target's score rises.",
            ),
            Mistake(margin_averaged, "The loss is the sum over the noise words, not their mean."),
            Mistake(
                margin_of_the_worst,
                "Every noise word that comes too near costs something, not only the worst.",
            ),
            Mistake(
                margin_without_repeated_noise, "A noise word that is drawn twice counts twice in the loss."
            ),
        ],
        hint=(
            "hidden = vectors[word]; loss = sum over k of max(0, margin - hidden . u_target + hidden . "
            "u_negative_k)."
        ),
    ),
    # Task: skip-gram where h = v_centre * p_position: a vector for each position in the window.
    Gradients(
        name="positional_skip_gram",
        points=(1, 3),
        inputs=positional_inputs,
        shape=(),
        values=[35.6001],
        mistakes=[
            Mistake(
                positional_for_targets_only,
                "A noise word takes the position of the word that it replaces: its score needs that "
                "position's vector, too.",
            ),
            Mistake(positional_left_out, "The position vectors are not used."),
            Mistake(positional_added, "The position vector is added; it should multiply, entry by entry."),
            Mistake(positional_averaged, "The loss is the sum over the pairs of the batch, not their mean."),
            Mistake(
                positional_attracted_by_noise,
                "The noise words have the sign of the neighbour: theirs is -log sigmoid(-score).",
            ),
            Mistake(
                positional_with_tables_exchanged,
                "The two tables are exchanged: centres are rows of vectors, neighbours and noise of "
                "context_vectors.",
            ),
        ],
        hint=(
            "hidden = vectors[centres] * position_vectors[positions], (B, D); from there on it is skip-gram."
        ),
    ),
]
