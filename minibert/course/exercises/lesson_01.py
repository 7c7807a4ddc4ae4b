"""Exercises of lesson 01, Word2Vec: pairs, touched rows, CBOW, a ranking loss, neighbours, noise words."""

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


# --- most_similar ---

LENGTHS = np.array([1, 4, 2, 0.3, 3, 0.5, 6, 1, 2])[:, np.newaxis]
VECTORS = LENGTHS * np.random.default_rng(5).standard_normal((9, 3))


def nearest(vectors, positive, negative, top, scaled=True, rows_scaled=True, given=True, sign=-1, order=-1):
    unit = vectors / np.sqrt((vectors * vectors).sum(axis=1, keepdims=True))
    rows = unit if rows_scaled else vectors
    direction = rows[positive].sum(axis=0) + sign * rows[negative].sum(axis=0)
    cosines = (unit if scaled else vectors) @ direction
    ranked = [word for word in np.argsort(order * cosines, kind="stable")]
    return np.array([word for word in ranked if not given or word not in [*positive, *negative]][:top])


def nearest_by_dot_product(vectors, positive, negative, top):
    return nearest(vectors, positive, negative, top, scaled=False)


def nearest_to_unscaled_words(vectors, positive, negative, top):
    return nearest(vectors, positive, negative, top, rows_scaled=False)


def nearest_with_the_given(vectors, positive, negative, top):
    return nearest(vectors, positive, negative, top, given=False)


def nearest_with_negative_added(vectors, positive, negative, top):
    return nearest(vectors, positive, negative, top, sign=1)


def nearest_without_negative(vectors, positive, negative, top):
    return nearest(vectors, positive, negative, top, sign=0)


def farthest(vectors, positive, negative, top):
    return nearest(vectors, positive, negative, top, order=1)


def nearest_worst_first(vectors, positive, negative, top):
    return nearest(vectors, positive, negative, top)[::-1]


# --- noise_words ---

NOISE_COUNTS = np.array([0, 50, 3, 0, 200, 12])
NOISE_DRAWS = np.array([0.5, 0.0, 0.24, 0.9999, 0.23, 0.2, 0.93, 0.27, 0.3])


def drawn(counts, draws, power=0.75, side="right"):
    weights = np.asarray(counts, float) ** power
    return np.searchsorted(np.cumsum(weights / weights.sum()), draws, side=side)


def drawn_by_counts(counts, draws):
    return drawn(counts, draws, power=1)


def drawn_by_roots(counts, draws):
    return drawn(counts, draws, power=0.5)


def drawn_alike(counts, draws):
    return np.floor(draws * len(counts)).astype(int)


def drawn_at_the_border(counts, draws):
    return drawn(counts, draws, side="left")


def drawn_one_further(counts, draws):
    return drawn(counts, draws) + 1


def drawn_power_of_the_probability_not_scaled(counts, draws):
    return np.searchsorted(np.cumsum((counts / counts.sum()) ** 0.75), draws, side="right")


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
    # Task: the words whose vectors point most in the direction of some words, away from others.
    Function(
        name="most_similar",
        points=2,
        cases=[
            (arguments, nearest(*arguments))
            for arguments in ((VECTORS, [0, 4], [2], 4), (VECTORS, [6], [], 2), (VECTORS, [1], [3, 5], 10))
        ],
        mistakes=[
            Mistake(nearest_by_dot_product, "Long vectors win: divide by the length of each row, too."),
            Mistake(
                nearest_to_unscaled_words,
                "The words that are given are added as they are: scale each to length 1 first.",
            ),
            Mistake(nearest_with_the_given, "The words that are given are no answer: leave them out."),
            Mistake(nearest_with_negative_added, "The negative words are added; subtract them."),
            Mistake(nearest_without_negative, "The negative words have no effect."),
            Mistake(farthest, "These are the least similar: the largest cosine is the best."),
            Mistake(nearest_worst_first, "The right words, but the best should be first."),
        ],
        hint=(
            "Scale all rows to length 1; direction = sum of the positive rows - sum of the negative ones; "
            "sort "
            "rows @ direction, largest first; leave out what was given; take top."
        ),
    ),
    # Task: the noise words that uniform draws from [0, 1) stand for, by count to the power 3/4.
    Function(
        name="noise_words",
        points=2,
        cases=[
            ((NOISE_COUNTS, NOISE_DRAWS), drawn(NOISE_COUNTS, NOISE_DRAWS)),
            ((NOISE_COUNTS[::-1][:5], NOISE_DRAWS[:4]), drawn(NOISE_COUNTS[::-1][:5], NOISE_DRAWS[:4])),
        ],
        mistakes=[
            Mistake(
                drawn_by_counts, "These probabilities are proportional to the counts: the power is missing."
            ),
            Mistake(drawn_by_roots, "The power is 3/4, not 1/2."),
            Mistake(drawn_alike, "All words are equally likely here; a frequent one should come more often."),
            Mistake(
                drawn_at_the_border,
                "A draw of exactly 0 gives a word that never occurs: the cumulative probability must be "
                "above it.",
            ),
            Mistake(drawn_one_further, "Every word is one too far: ids begin at 0."),
            Mistake(
                drawn_power_of_the_probability_not_scaled,
                "After the power the probabilities no longer add up to 1: divide by their sum.",
            ),
        ],
        hint=(
            "weights = counts ** 0.75; cumulative = np.cumsum(weights / weights.sum()); for each draw the "
            "first "
            "place where cumulative > draw."
        ),
    ),
]
