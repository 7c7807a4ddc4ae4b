"""Exercises of lesson 02, GloVe: counts, ratios, AdaGrad, invariances, PPMI, one table, Huber's loss."""

import numpy as np

from minibert.course.exercises.kinds import Choices, Function, Gradients, Mistake

# --- distance_counts ---

THE_CAT = np.array([0, 1, 2, 3, 0, 4])  # the cat sat on the mat
THE_CAT_COUNTS = np.array(
    [[0, 1, 1, 1, 1], [1, 0, 1, 0.5, 0], [1, 1, 0, 1, 0], [1, 0.5, 1, 0, 0.5], [1, 0, 0, 0.5, 0]]
)
VERY_VERY = np.array([1, 1, 0, 1])
VERY_VERY_COUNTS = np.zeros((5, 5))
VERY_VERY_COUNTS[:2, :2] = [[0, 2.5], [2.5, 11 / 3]]
THE_CAT_SAT_THE_CAT = np.array([0, 1, 2, 0, 1])  # (0, 1) occurs twice at distance 1
THE_CAT_SAT_THE_CAT_COUNTS = np.array([[0, 2.5, 1.5], [2.5, 0, 1.5], [1.5, 1.5, 0]])


def _counts(word_ids, vocab_size, window, weights=None, entries=((0, 1), (1, 0))):
    """The table, with other weights by distance or in other cells: (0, 1) is the earlier word's row."""
    counts = np.zeros((vocab_size, vocab_size))
    for distance in range(1, window + 1):
        for pair in zip(word_ids[:-distance], word_ids[distance:]):
            for row, column in entries:
                counts[pair[row], pair[column]] += 1 / distance if weights is None else weights[distance - 1]
    return counts


def counts_of_one_each(word_ids, vocab_size, window):
    return _counts(word_ids, vocab_size, window, np.ones(window))


def counts_of_word2vec(word_ids, vocab_size, window):
    return _counts(word_ids, vocab_size, window, 1 - np.arange(window) / window)


def counts_in_one_direction(word_ids, vocab_size, window):
    return _counts(word_ids, vocab_size, window, entries=((0, 1),))


def counts_from_behind(word_ids, vocab_size, window):
    return _counts(word_ids, vocab_size, window, entries=((1, 0),))


def counts_of_half_the_table(word_ids, vocab_size, window):
    return np.triu(_counts(word_ids, vocab_size, window))


def counts_of_itself_once(word_ids, vocab_size, window):
    counts = _counts(word_ids, vocab_size, window)
    return counts - np.diag(np.diag(counts)) / 2


def counts_without_itself(word_ids, vocab_size, window):
    counts = _counts(word_ids, vocab_size, window)
    return counts - np.diag(np.diag(counts))


def counts_in_a_shorter_window(word_ids, vocab_size, window):
    return _counts(word_ids, vocab_size, window - 1)


def counts_overwritten(word_ids, vocab_size, window):
    counts = np.zeros((vocab_size, vocab_size))
    for place, word in enumerate(word_ids):
        for distance, other in enumerate(word_ids[place + 1 : place + 1 + window], start=1):
            counts[word, other] = counts[other, word] = 1 / distance
    return counts


def counts_without_add_at(word_ids, vocab_size, window):
    counts = np.zeros((vocab_size, vocab_size))
    for distance in range(1, window + 1):
        counts[word_ids[:-distance], word_ids[distance:]] += 1 / distance
    return counts + counts.T


# --- log_ratios ---

FITTED = (
    np.array([[1.0, 0, 2], [0, 1, -1], [3, 1, 0], [2, -2, 1]]),  # word_vectors (4, 3)
    np.array([[1.0, 1, 0], [0, 2, 1], [-1, 0, 1], [2, 1, 3]]),  # context_vectors (4, 3)
    np.array([0.5, -1, 2, 0]),
    np.array([1.0, 0, -2, 3]),
)


def ratio_not_its_logarithm(word_vectors, context_vectors, word_bias, context_bias, i, j):
    return np.exp((word_vectors[i] - word_vectors[j]) @ context_vectors.T)


def ratio_upside_down(word_vectors, context_vectors, word_bias, context_bias, i, j):
    return (word_vectors[j] - word_vectors[i]) @ context_vectors.T


def ratio_of_counts(word_vectors, context_vectors, word_bias, context_bias, i, j):
    return (word_vectors[i] - word_vectors[j]) @ context_vectors.T + word_bias[i] - word_bias[j]


def ratio_with_a_context_bias(word_vectors, context_vectors, word_bias, context_bias, i, j):
    return (word_vectors[i] - word_vectors[j]) @ context_vectors.T + context_bias


# --- adagrad_steps ---

VALUE = np.array([1.0, -2.0, 0.5])
STEPS = np.array([[0.6, -3.0, 0.02], [-1.2, -4.0, 0.01], [0.8, 1.5, 0.03], [0.0, 2.0, -0.05]])
AFTER_STEPS = np.array([0.977131032, -1.890124885, 0.498993033])
OTHER_VALUE = np.array([0.15, -1.2, 0.4])
ONE_STEP = np.array([[2.0, -0.5, 4.0]])
AFTER_ONE_STEP = np.array([0.105278640, -1.177639320, 0.351492875])


def adagrad_from_zero(value, gradients, eta):
    return _adagrad(value, gradients, eta, start=0.0)


def adagrad_gathered_later(value, gradients, eta):
    squares = np.ones_like(value)
    for gradient in gradients:
        value = value - eta * gradient / np.sqrt(squares)
        squares = squares + gradient * gradient
    return value


def adagrad_of_scaled_gradients(value, gradients, eta):
    return _adagrad(value, eta * gradients, 1.0)


def adagrad_without_root(value, gradients, eta):
    return _adagrad(value, gradients, eta, power=1.0)


def adagrad_without_memory(value, gradients, eta):
    return value - (eta * gradients / np.sqrt(1 + gradients * gradients)).sum(axis=0)


def adagrad_of_the_vector(value, gradients, eta):
    squares = 1 + np.cumsum((gradients * gradients).sum(axis=1))[:, np.newaxis]
    return value - (eta * gradients / np.sqrt(squares)).sum(axis=0)


def adagrad_upwards(value, gradients, eta):
    return _adagrad(value, gradients, -eta)


def adagrad_without_rate(value, gradients, eta):
    return _adagrad(value, gradients, 1.0)


def gradient_descent(value, gradients, eta):
    return value - eta * gradients.sum(axis=0)


def only_the_last_step(value, gradients, eta):
    squares = 1 + (gradients * gradients).sum(axis=0)
    return value - eta * gradients[-1] / np.sqrt(squares)


def _adagrad(value, gradients, eta, start=1.0, power=0.5):
    squares = start + np.cumsum(gradients * gradients, axis=0)
    return value - (eta * gradients / squares**power).sum(axis=0)


# --- shifted_ppmi ---

COUNTS = np.array([[8.0, 1, 0.25, 0], [0, 6, 0.9, 1], [2, 0, 0.25, 12]])  # 0.9 is more than chance
PPMI = np.array([[0.999040790, 0, 0, 0], [0, 1.225794454, 0.938112381, 0], [0, 0, 0, 0.710008279]])
SHIFTED_PPMI = np.array([[0.305893610, 0, 0, 0], [0, 0.532647273, 0.244965201, 0], [0, 0, 0, 0.016861098]])


def ppmi_with_negatives(counts, k):
    return np.where(counts > 0, _pmi(counts) - np.log(k), 0)


def ppmi_without_total(counts, k):
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0)
    return np.maximum(0, np.log(np.where(counts > 0, counts, 1e-300) / expected) - np.log(k))


def ppmi_in_bits(counts, k):
    return np.maximum(0, _pmi(counts) - np.log(k)) / np.log(2)


def ppmi_less_k(counts, k):
    return np.maximum(0, _pmi(counts) - k)


def ppmi_not_shifted(counts, k):
    return np.maximum(0, _pmi(counts))


def ppmi_shifted_upwards(counts, k):
    return np.maximum(0, _pmi(counts) + np.log(k))


def ppmi_shifted_last(counts, k):
    return np.maximum(0, _pmi(counts)) - np.log(k)


def ppmi_of_ratios(counts, k):
    return np.maximum(0, np.exp(_pmi(counts)) - k)


def _pmi(counts):
    """Pointwise mutual information; very low where nothing was counted."""
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / counts.sum()
    return np.log(np.where(counts > 0, counts, 1e-300) / expected)


# --- one_table and huber_glove ---


def one_table_inputs(rng):
    rows, columns = np.array(
        [[2, 5, 2, 0, 3, 2, 4, 3], [5, 2, 2, 6, 3, 0, 1, 5]]
    )  # with cells of a word with itself
    return rng.standard_normal((7, 3)), rng.standard_normal(7), rows, columns


def huber_inputs(rng):
    rows, columns = np.array([[2, 5, 2, 0, 3, 2, 6, 4], [5, 1, 2, 6, 2, 0, 1, 4]])
    vectors, biases = rng.standard_normal((2, 7, 3)), rng.standard_normal((2, 7))
    return (*vectors, *biases, rows, columns)


COUNTED = np.array([0.5, 12.0, 3.0, 40.0, 1.0, 7.0, 2.5, 0.8])  # of the cells, two of them above x_max
ONE_TABLE = {"counts": COUNTED, "x_max": 8.0}  # not the lesson's 10
HUBER = {"counts": COUNTED, "x_max": 8.0, "kappa": 0.6}  # differences between 0.6 and √0.6, too


def _weight(counts, x_max):
    return np.minimum(1, (counts / x_max) ** 0.75)


def _one_table(vectors, bias, rows, columns, counts):
    return (vectors[rows] * vectors[columns]).sum(axis=1) + bias[rows] + bias[columns] - np.log(counts)


def one_table_one_bias(vectors, bias, rows, columns, counts, x_max):
    difference = _one_table(vectors, bias, rows, columns, counts) - bias[columns]
    return (_weight(counts, x_max) * difference**2).sum() / 2


def one_table_bias_of_itself_once(vectors, bias, rows, columns, counts, x_max):
    difference = _one_table(vectors, bias, rows, columns, counts) - np.where(
        rows == columns, bias[columns], 0
    )
    return (_weight(counts, x_max) * difference**2).sum() / 2


def one_table_without_half(vectors, bias, rows, columns, counts, x_max):
    return (_weight(counts, x_max) * _one_table(vectors, bias, rows, columns, counts) ** 2).sum()


def one_table_averaged(vectors, bias, rows, columns, counts, x_max):
    return (_weight(counts, x_max) * _one_table(vectors, bias, rows, columns, counts) ** 2).mean() / 2


def one_table_without_weight(vectors, bias, rows, columns, counts, x_max):
    return (_one_table(vectors, bias, rows, columns, counts) ** 2).sum() / 2


def one_table_without_cap(vectors, bias, rows, columns, counts, x_max):
    return ((counts / x_max) ** 0.75 * _one_table(vectors, bias, rows, columns, counts) ** 2).sum() / 2


def one_table_without_power(vectors, bias, rows, columns, counts, x_max):
    return (np.minimum(1, counts / x_max) * _one_table(vectors, bias, rows, columns, counts) ** 2).sum() / 2


def one_table_of_counts(vectors, bias, rows, columns, counts, x_max):
    difference = _one_table(vectors, bias, rows, columns, counts) + np.log(counts) - counts
    return (_weight(counts, x_max) * difference**2).sum() / 2


def one_table_weight_squared(vectors, bias, rows, columns, counts, x_max):
    return ((_weight(counts, x_max) * _one_table(vectors, bias, rows, columns, counts)) ** 2).sum() / 2


def _difference(word_vectors, context_vectors, word_bias, context_bias, rows, columns, counts):
    score = (
        (word_vectors[rows] * context_vectors[columns]).sum(axis=1) + word_bias[rows] + context_bias[columns]
    )
    return score - np.log(counts)


def _huber(difference, kappa):
    distance = np.abs(difference)
    return np.where(distance <= kappa, distance**2 / 2, kappa * (distance - kappa / 2))


def huber_of_squares(*inputs, counts, x_max, kappa):
    return (_weight(counts, x_max) * _difference(*inputs, counts) ** 2).sum() / 2


def huber_with_a_jump(*inputs, counts, x_max, kappa):
    distance = np.abs(_difference(*inputs, counts))
    return (_weight(counts, x_max) * np.where(distance <= kappa, distance**2 / 2, kappa * distance)).sum()


def huber_without_slope(*inputs, counts, x_max, kappa):
    distance = np.abs(_difference(*inputs, counts))
    return (_weight(counts, x_max) * np.where(distance <= kappa, distance**2 / 2, distance - kappa / 2)).sum()


def huber_flat(*inputs, counts, x_max, kappa):
    distance = np.minimum(np.abs(_difference(*inputs, counts)), kappa)
    return (_weight(counts, x_max) * distance**2).sum() / 2


def huber_on_one_side(*inputs, counts, x_max, kappa):
    difference = _difference(*inputs, counts)
    huber = np.where(difference <= kappa, difference**2 / 2, kappa * (difference - kappa / 2))
    return (_weight(counts, x_max) * huber).sum()


def huber_without_distance(*inputs, counts, x_max, kappa):
    difference = _difference(*inputs, counts)
    huber = np.where(np.abs(difference) <= kappa, difference**2 / 2, kappa * (difference - kappa / 2))
    return (_weight(counts, x_max) * huber).sum()


def huber_without_half(*inputs, counts, x_max, kappa):
    distance = np.abs(_difference(*inputs, counts))
    return (
        _weight(counts, x_max) * np.where(distance <= kappa, distance**2, kappa * (distance - kappa / 2))
    ).sum()


def huber_of_weighted(*inputs, counts, x_max, kappa):
    return _huber(_weight(counts, x_max) * _difference(*inputs, counts), kappa).sum()


def huber_without_weight(*inputs, counts, x_max, kappa):
    return _huber(_difference(*inputs, counts), kappa).sum()


def huber_averaged(*inputs, counts, x_max, kappa):
    return (_weight(counts, x_max) * _huber(_difference(*inputs, counts), kappa)).mean()


def huber_with_one_bias(
    word_vectors, context_vectors, word_bias, context_bias, rows, columns, counts, x_max, kappa
):
    difference = _difference(
        word_vectors, context_vectors, word_bias, 0 * context_bias, rows, columns, counts
    )
    return (_weight(counts, x_max) * _huber(difference, kappa)).sum()


def huber_with_one_table(
    word_vectors, context_vectors, word_bias, context_bias, rows, columns, counts, x_max, kappa
):
    difference = _difference(word_vectors, word_vectors, word_bias, context_bias, rows, columns, counts)
    return (_weight(counts, x_max) * _huber(difference, kappa)).sum()


EXERCISES = [
    # Task: fill X (V, V): two places at distance d <= window count 1/d in both directions.
    Function(
        name="distance_counts",
        points=1,
        cases=[
            ((THE_CAT, 5, 2), THE_CAT_COUNTS),
            ((VERY_VERY, 5, 3), VERY_VERY_COUNTS),
            ((THE_CAT_SAT_THE_CAT, 3, 2), THE_CAT_SAT_THE_CAT_COUNTS),
            ((np.array([2]), 3, 4), np.zeros((3, 3))),
        ],
        mistakes=[
            Mistake(counts_of_one_each, "Every pair counts 1 here; a pair at distance d should count 1/d."),
            Mistake(
                counts_of_word2vec,
                "These weights fall in a straight line, 1, (window - 1)/window, ..., as Word2Vec's do: "
                "GloVe's are 1/d.",
            ),
            Mistake(
                counts_in_one_direction,
                "Only the later word is entered in the row of the earlier one: enter each pair in both "
                "directions.",
            ),
            Mistake(
                counts_from_behind,
                "Only the earlier word is entered in the row of the later one: enter each pair in both "
                "directions.",
            ),
            Mistake(
                counts_of_half_the_table,
                "Only the upper half of the table is there, as minibert stores it: return the whole table, "
                "X[i, j] = X[j, i].",
            ),
            Mistake(
                counts_of_itself_once,
                "A word near a second copy of itself should count twice: each of the two places sees the "
                "other.",
            ),
            Mistake(
                counts_without_itself,
                "The diagonal is empty: another place of the same word is a neighbour, too.",
            ),
            Mistake(
                counts_in_a_shorter_window,
                "The pairs at distance `window` are missing: range stops before its end.",
            ),
            Mistake(
                counts_overwritten,
                "A pair that is met again overwrites what was counted before: add to the cell.",
            ),
            Mistake(
                counts_without_add_at,
                "`X[words, others] += 1 / d` counts a pair once even if it occurs at several places: use "
                "np.add.at, or a loop over the places.",
            ),
        ],
        hint=(
            "For each place and each distance d from 1 to window that stays in the text: add 1/d to X[word, "
            "other] and to X[other, word]."
        ),
    ),
    # Task: what a fitted GloVe says about log P(k|i) / P(k|j), for every k, if its bias b_i is log X_i.
    Function(
        name="log_ratios",
        points=1,
        cases=[
            ((*FITTED, 0, 2), np.array([-3.0, 0, 4, 1])),
            ((*FITTED, 3, 1), np.array([-1.0, -4, 0, 7])),
            ((*FITTED, 1, 1), np.zeros(4)),
        ],
        mistakes=[
            Mistake(ratio_not_its_logarithm, "That is the ratio; the task asks for its logarithm."),
            Mistake(ratio_upside_down, "That is the ratio the other way round: i is above, j below."),
            Mistake(
                ratio_of_counts,
                "That is the ratio of the counts X_ik and X_jk. P(k|i) is X_ik / X_i, and b_i is log X_i.",
            ),
            Mistake(
                ratio_with_a_context_bias,
                "The bias of k is in both logarithms, and drops out of their difference.",
            ),
        ],
        hint="Write log P(k|i) with w, c and b', then take the difference: what of it depends on i or j?",
    ),
    # Task: several steps of AdaGrad on a vector: squares += g², value -= eta g / √squares, from squares = 1.
    Function(
        name="adagrad_steps",
        points=2,
        tolerance=1e-7,
        cases=[
            ((VALUE, STEPS, 0.1), AFTER_STEPS),
            ((OTHER_VALUE, ONE_STEP, 0.05), AFTER_ONE_STEP),
            ((VALUE, np.zeros((2, 3)), 0.1), VALUE),
        ],
        unchanged=(0, 1),
        mistakes=[
            Mistake(
                adagrad_from_zero,
                "Your sums begin at 0, so that the first step is eta, whatever the gradient: they should "
                "begin at 1.",
            ),
            Mistake(
                adagrad_gathered_later,
                "The new square is added after the step: add it before, so that no step is longer than eta.",
            ),
            Mistake(
                adagrad_of_scaled_gradients,
                "You gather (eta g)², as the C program does: the sum is of the squared gradients, without "
                "the rate.",
            ),
            Mistake(
                adagrad_without_root, "The step is divided by the sum of squares and not by its square root."
            ),
            Mistake(
                adagrad_without_memory,
                "Each step knows its own gradient only: the squares of all steps so far are summed.",
            ),
            Mistake(
                adagrad_of_the_vector,
                "All numbers share one sum here, that of the whole vector: each number has its own.",
            ),
            Mistake(adagrad_upwards, "The steps go up the gradient: subtract them."),
            Mistake(adagrad_without_rate, "The rate eta is missing, as in the biases of the C program."),
            Mistake(
                gradient_descent,
                "That is plain gradient descent: the division by the root of the sums is missing.",
            ),
            Mistake(
                only_the_last_step,
                "The sums are right, but only the last step is taken: every gradient makes a step of its "
                "own.",
            ),
        ],
        hint=(
            "squares begins as ones; for each gradient: squares += gradient², then value -= eta * gradient / "
            "√squares."
        ),
    ),
    # Task: which changes of w, c and the biases leave GloVe's objective the same?
    Choices(
        name="what_stays",
        points=2,
        expected={
            "bias_moves": "same",
            "scales": "same",
            "rotation": "other",
            "roles": "same",
            "roles_of_vectors": "other",
            "longer_text": "same",
            "same_cap": "other",
        },
        options=("same", "other"),
        questions={
            "bias_moves": "how do the two biases enter the score of a cell?",
            "scales": "what is the product of a vector that is doubled and one that is halved?",
            "rotation": "which of the two vectors of a product are rotated?",
            "roles": "what cell (i, j) was is now cell (j, i): what does X hold there?",
            "roles_of_vectors": "whose biases are added to w_i c_j now?",
            "longer_text": "what becomes of log X, and of X / x_max?",
            "same_cap": "what becomes of the differences, and of the weights?",
        },
    ),
    # Task: max(0, log(X_ij N / (X_i X'_j)) - log k), and 0 where nothing was counted.
    Function(
        name="shifted_ppmi",
        points=2,
        tolerance=1e-7,
        cases=[((COUNTS, 1), PPMI), ((COUNTS, 2), SHIFTED_PPMI)],
        unchanged=(0,),
        mistakes=[
            Mistake(
                ppmi_with_negatives,
                "Pairs that are rarer than chance have negative numbers here: the maximum with 0 is missing.",
            ),
            Mistake(
                ppmi_without_total,
                "All numbers are 0: without the sum N of all counts every fraction is below 1.",
            ),
            Mistake(ppmi_in_bits, "That is in bits: take the natural logarithm."),
            Mistake(ppmi_less_k, "You subtract k; subtract log k."),
            Mistake(ppmi_not_shifted, "This is right for k = 1; here log k should be subtracted."),
            Mistake(ppmi_shifted_upwards, "You add log k; subtract it."),
            Mistake(
                ppmi_shifted_last,
                "The shift is outside the maximum, so that numbers fall below 0. It should be max(0, PMI - "
                "log k).",
            ),
            Mistake(ppmi_of_ratios, "The logarithm is missing: these are ratios."),
        ],
        hint=(
            "expected = (row sum) (column sum) / N; where counts > 0: max(0, log(counts / expected) - log "
            "k); elsewhere 0."
        ),
    ),
    # Task: GloVe's loss with one table and one bias for words and contexts.
    Gradients(
        name="one_table",
        points=(1, 2),
        inputs=one_table_inputs,
        shape=(),
        values=[18.958],
        constants=ONE_TABLE,
        mistakes=[
            Mistake(one_table_one_bias, "The bias of the column's word is missing: b_i + b_j."),
            Mistake(
                one_table_bias_of_itself_once,
                "In a cell of a word with itself the bias occurs twice, too: v_i v_i + 2 b_i.",
            ),
            Mistake(one_table_without_half, "Your loss is twice as large: the factor 1/2 is missing."),
            Mistake(one_table_averaged, "The loss is the sum over the cells, not their mean."),
            Mistake(one_table_without_weight, "All cells weigh the same here: the weight f(x) is missing."),
            Mistake(one_table_without_cap, "The weight is not capped: a count above x_max weighs 1."),
            Mistake(
                one_table_without_power,
                "The weight is min(1, x / x_max) to the power 0.75; the power is missing.",
            ),
            Mistake(
                one_table_of_counts,
                "The score is compared with the count itself; compare it with the logarithm.",
            ),
            Mistake(
                one_table_weight_squared,
                "The weight is inside the square: f is multiplied by the squared difference.",
            ),
        ],
        hint=(
            "difference = (vectors[rows] * vectors[columns]).sum(axis=1) + bias[rows] + bias[columns] - "
            "log(counts); loss = sum of f difference² / 2."
        ),
    ),
    # Task: GloVe's loss with Huber's function in place of the square.
    Gradients(
        name="huber_glove",
        points=(1, 3),
        inputs=huber_inputs,
        shape=(),
        values=[2.07469],
        constants=HUBER,
        mistakes=[
            Mistake(
                huber_of_squares,
                "That is GloVe's loss: all cells cost a square. Beyond kappa the cost is a straight line.",
            ),
            Mistake(
                huber_with_a_jump,
                "Beyond kappa the cost is kappa (|difference| - kappa/2): without the second term it jumps "
                "at kappa.",
            ),
            Mistake(
                huber_without_slope,
                "Beyond kappa the line rises by kappa for each unit of |difference|, not by 1.",
            ),
            Mistake(
                huber_flat,
                "Your cost stays the same beyond kappa, so that such a cell would pull no more: it should "
                "go on as a straight line.",
            ),
            Mistake(
                huber_on_one_side,
                "Differences below -kappa still cost a square: it is the distance |difference| that counts.",
            ),
            Mistake(
                huber_without_distance,
                "Beyond kappa take the distance: for a negative difference your cost is negative.",
            ),
            Mistake(huber_without_half, "The factor 1/2 of the square is missing."),
            Mistake(
                huber_of_weighted,
                "The weight is inside h: compare the difference itself with kappa, and multiply h by f.",
            ),
            Mistake(huber_without_weight, "All cells weigh the same here: the weight f(x) is missing."),
            Mistake(huber_averaged, "The loss is the sum over the cells, not their mean."),
            Mistake(huber_with_one_bias, "The bias of the context is missing."),
            Mistake(
                huber_with_one_table,
                "Both vectors come from word_vectors: the column's word is a row of context_vectors.",
            ),
        ],
        hint=(
            "difference as in GloVe; distance = np.where(difference.real < 0, -difference, difference); two "
            "cases; loss = sum of f h."
        ),
    ),
]
