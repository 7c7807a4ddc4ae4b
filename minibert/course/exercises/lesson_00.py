"""Exercises of lesson 00, gradients: shapes, repeated ids, two slopes, several uses, two derivations."""

import numpy as np

from minibert.course.exercises.kinds import Function, Gradients, Mistake, Value

# --- gradient_shapes ---

SHAPES = {
    "d_loss": (),
    "d_logits": (4, 5),
    "d_bias": (5,),
    "d_weight": (3, 5),
    "d_pooled": (4, 3),
    "d_shifted": (4, 6, 3),
    "d_positions": (6, 3),
    "d_table": (9, 3),
}

NOT_SUMMED = "That is the shape after broadcasting: its own gradient is summed over the copies."
ONLY_LOOKED_UP = "That is the shape of the looked-up rows: the gradient belongs to the table."


# --- scatter_add ---


def last_one_wins(ids, d_rows, num_rows):
    d_table = np.zeros((num_rows, d_rows.shape[-1]))
    d_table[ids] += d_rows
    return d_table


def averaged_over_uses(ids, d_rows, num_rows):
    d_table = np.zeros((num_rows, d_rows.shape[-1]))
    np.add.at(d_table, ids, d_rows)
    return d_table / np.maximum(np.bincount(ids.reshape(-1), minlength=num_rows), 1)[:, np.newaxis]


def looked_up_rows_only(ids, d_rows, num_rows):
    return d_rows.reshape(-1, d_rows.shape[-1])


LOOKUPS = [
    (
        (np.array([[2, 0, 2]]), np.array([[[1.0, 2.0], [10.0, 20.0], [100.0, 200.0]]]), 4),
        np.array([[10.0, 20.0], [0.0, 0.0], [101.0, 202.0], [0.0, 0.0]]),
    ),
    (
        (np.array([[1, 1, 1], [4, 1, 0]]), np.arange(24.0).reshape(2, 3, 4) + 0.1, 5),
        np.array(
            [[20.1, 21.1, 22.1, 23.1], [28.4, 32.4, 36.4, 40.4], [0] * 4, [0] * 4, [12.1, 13.1, 14.1, 15.1]]
        ),
    ),
    ((np.zeros((1, 0), int), np.zeros((1, 0, 2)), 3), np.zeros((3, 2))),
]


# --- two_slopes ---


def softplus(x):
    return np.log(1 + np.exp(x))


def shifted_cube(x):
    return (x - 5) * (x - 5) * (x - 5) - 2 * x


def slope_from_one_side(f, x, h):
    return (f(x + h) - f(x)) / h, f(x + 1j * h).imag / h


def slopes_not_divided(f, x, h):
    return f(x + h) - f(x - h), f(x + 1j * h).imag


def slopes_divided_by_h(f, x, h):
    return (f(x + h) - f(x - h)) / h, f(x + 1j * h).imag / h


def complex_slope_halved(f, x, h):
    return (f(x + h) - f(x - h)) / (2 * h), f(x + 1j * h).imag / (2 * h)


def complex_slope_is_real(f, x, h):
    return (f(x + h) - f(x - h)) / (2 * h), (f(x + 1j * h).real - f(x)) / h


# --- fan_out ---


def fan_out_inputs(rng):
    return rng.standard_normal((2, 3, 5)), rng.standard_normal((5, 5))


def mean_of_the_wrong_axis(x, weight):
    return x + np.tanh(x @ weight) - x.mean(axis=-1, keepdims=True)


def mean_of_the_batch(x, weight):
    return x + np.tanh(x @ weight) - x.mean(axis=0, keepdims=True)


def sum_of_the_tokens(x, weight):
    return x + np.tanh(x @ weight) - x.sum(axis=1, keepdims=True)


def transposed_weight(x, weight):
    return x + np.tanh(x @ weight.T) - x.mean(axis=1, keepdims=True)


def mean_added(x, weight):
    return x + np.tanh(x @ weight) + x.mean(axis=1, keepdims=True)


# --- label_smoothing ---


def smoothing_inputs(rng):
    return rng.standard_normal((4, 5)), rng.integers(0, 5, size=4)


FAR_LOGITS = (
    (np.array([[1000.0, 998, 0], [-1000, -1000, -1001]]), np.array([1, 0])),
    {"epsilon": 0.3},
    np.array(51.344461),
    "exp(1000) is infinite, and exp(-1000) is 0: subtract from each row its largest logit before exp.",
)


def cross_entropy_with(logits, targets):
    log_probs = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    return -(targets * log_probs).sum(axis=-1)


def not_smoothed(logits, labels, epsilon):
    return cross_entropy_with(logits, np.eye(logits.shape[1])[labels]).mean()


def summed_over_rows(logits, labels, epsilon):
    return cross_entropy_with(
        logits, (1 - epsilon) * np.eye(logits.shape[1])[labels] + epsilon / logits.shape[1]
    ).sum()


def averaged_over_classes_too(logits, labels, epsilon):
    return summed_over_rows(logits, labels, epsilon) / logits.size


def shared_by_the_others(logits, labels, epsilon):
    num_classes = logits.shape[1]
    onehot = np.eye(num_classes)[labels]
    return cross_entropy_with(
        logits, (1 - epsilon) * onehot + epsilon / (num_classes - 1) * (1 - onehot)
    ).mean()


def epsilon_not_read(logits, labels, epsilon):
    return cross_entropy_with(logits, 0.9 * np.eye(logits.shape[1])[labels] + 0.1 / logits.shape[1]).mean()


def epsilon_for_every_class(logits, labels, epsilon):
    return cross_entropy_with(logits, (1 - epsilon) * np.eye(logits.shape[1])[labels] + epsilon).mean()


# --- soft_pooling ---


def pooling_inputs(rng):
    return rng.standard_normal((2, 3, 5)), rng.uniform(0.5, 2.0, 5)


FAR_APART = (
    (np.array([[[1000.0, 1, -1000], [-1000, 3, -3000]]]), np.ones(3)),  # x (1, 2, 3)
    {},
    np.array([[999.306853, 2.433781, -1000.693147]]),
    "exp(1000) is infinite: subtract the largest g x of each column, over the tokens, before exp.",
)


def not_averaged(x, sharpness):
    return np.log(np.exp(sharpness * x).sum(axis=1)) / sharpness


def not_divided_by_sharpness(x, sharpness):
    return np.log(np.exp(sharpness * x).mean(axis=1))


def multiplied_by_sharpness(x, sharpness):
    return np.log(np.exp(sharpness * x).mean(axis=1)) * sharpness


def maximum_not_added_again(x, sharpness):
    scaled = sharpness * x
    return np.log(np.exp(scaled - scaled.max(axis=1, keepdims=True)).mean(axis=1)) / sharpness


def maximum_not_divided(x, sharpness):
    return maximum_not_added_again(x, sharpness) + (sharpness * x).max(axis=1)


EXERCISES = [
    # Task: predict the shape of every gradient of a sentence-pair scorer, from rows = table[ids] to the loss.
    Value(
        name="gradient_shapes",
        points=2,
        expected=SHAPES,
        mistakes=[
            ({"d_positions": (4, 6, 3), "d_bias": (4, 5)}, NOT_SUMMED),
            (
                {"d_positions": (1, 6, 3), "d_bias": (1, 5)},
                "positions and bias have no axis of size 1, so their gradients have none.",
            ),
            ({"d_table": (4, 6, 3)}, ONLY_LOOKED_UP),
            ({"d_weight": (5, 3)}, "It is transposed: weight takes H = 3 numbers in and gives C = 5."),
            ({"d_weight": (4, 5)}, "That is the shape of the logits."),
            (
                {"d_shifted": (4, 3), "d_pooled": (4, 6, 3)},
                "The mean over the tokens turns (4, 6, 3) into (4, 3); its backward does the opposite.",
            ),
            ({"d_loss": (4,)}, "The loss is a mean: one number."),
            (
                {"d_loss": 1},
                "That is the value of d loss / d loss. Give its shape: a number has no axis.",
            ),
            ({"d_bias": 5}, "(5) is the number 5 in Python; a tuple of one number has a comma."),
            (
                {"d_loss": (1,)},
                "The loss is a number; a number has no axis, and so not one of size 1 either.",
            ),
        ],
        hint=(
            "A gradient has the shape of its variable. So write the shapes of the variables first, line by "
            "line."
        ),
    ),
    # Task: the backward of a lookup: d_table (num_rows, H), where d_rows of repeated ids add up.
    Function(
        name="scatter_add",
        points=1,
        cases=LOOKUPS,
        mistakes=[
            Mistake(
                last_one_wins,
                "`d_table[ids] += d_rows` keeps one of several gradients where an id occurs more than once. "
                "Use np.add.at.",
            ),
            Mistake(averaged_over_uses, "You average over the uses of a row; the chain rule adds."),
            Mistake(
                looked_up_rows_only,
                "You return a row for each token; the gradient has a row for each row of the table, "
                "including those that were not looked up.",
            ),
        ],
        hint=(
            "Begin with zeros of shape (num_rows, H). For each token, add its row of d_rows to the row of "
            "the gradient that its id names."
        ),
    ),
    # Task: the central difference and the complex step of f at x with the step h, a tuple of two numbers.
    Function(
        name="two_slopes",
        points=1,
        cases=[
            ((softplus, 0.5, 0.25), (0.6218631725, 0.6230623102)),
            ((shifted_cube, 2.0, 0.5), (25.25, 24.75)),
            ((softplus, -1.5, 1e-30), (0.0, 0.1824255238)),
            ((shifted_cube, 5.0, 1e-30), (0.0, -2.0)),
        ],
        mistakes=[
            Mistake(slope_from_one_side, "The first is from one side: take f(x + h) less f(x - h), over 2h."),
            Mistake(slopes_not_divided, "These are changes; a slope is a change over the length of a step."),
            Mistake(slopes_divided_by_h, "From x - h to x + h the step is 2h long."),
            Mistake(complex_slope_halved, "Nothing is subtracted in the complex step: it is divided by h."),
            Mistake(
                complex_slope_is_real,
                "The real part moves with h squared only: the slope is in the imaginary part.",
            ),
        ],
        tolerance=1e-8,
        hint="Both formulas are in section 7: f(x + h), f(x - h), and the imaginary part of f(x + 1j * h).",
    ),
    # Task: y = x + tanh(x W) - mean of x over the tokens: one variable used three times.
    Gradients(
        name="fan_out",
        points=(1, 2),
        inputs=fan_out_inputs,
        shape=(2, 3, 5),
        values=[-0.664002, -0.461215, -1.34023, 0.828822, 1.18616, -1.47853],
        mistakes=[
            Mistake(
                mean_of_the_wrong_axis,
                "Your mean is taken over the columns (axis 2); the formula averages over the tokens (axis "
                "1).",
            ),
            Mistake(
                mean_of_the_batch,
                "Your mean is taken over the batch (axis 0); the formula averages over the tokens (axis 1).",
            ),
            Mistake(sum_of_the_tokens, "You subtract the sum of the tokens, the formula their mean."),
            Mistake(transposed_weight, "You multiply by weight.T; the formula has x W."),
            Mistake(mean_added, "You add the mean; the formula subtracts it."),
        ],
        hint="Three terms: x itself, np.tanh(x @ weight), and minus the mean over axis 1 with keepdims=True.",
    ),
    # Task: cross-entropy against q = (1 - epsilon) onehot + epsilon / C.
    Gradients(
        name="label_smoothing",
        points=(1, 3),
        inputs=smoothing_inputs,
        constants={"epsilon": 0.2},
        values=[1.78045],
        shape=(),
        edges=[FAR_LOGITS],
        mistakes=[
            Mistake(not_smoothed, "That is the cross-entropy without smoothing: epsilon is not used."),
            Mistake(summed_over_rows, "You sum over the N rows; the formula takes their mean."),
            Mistake(
                averaged_over_classes_too,
                "You take the mean over the classes, too: sum over classes, average over rows.",
            ),
            Mistake(
                shared_by_the_others,
                "You give epsilon to the C - 1 wrong classes; the formula gives epsilon / C to each class, "
                "the true one included.",
            ),
            Mistake(
                epsilon_not_read, "You smooth by 0.1 always; epsilon is an argument, and here it is 0.2."
            ),
            Mistake(
                epsilon_for_every_class,
                "You give each class epsilon; the formula gives it epsilon / C, so that a row of q adds up "
                "to 1.",
            ),
        ],
        hint=(
            "Build q, (N, C), first, and check that its rows add up to 1. log p is logits - log(sum of exp), "
            "row by row."
        ),
    ),
    # Task: y = 1/g log(mean over tokens of exp(g x)): between mean and maximum, g (H,) learned.
    Gradients(
        name="soft_pooling",
        points=(1, 3),
        inputs=pooling_inputs,
        shape=(2, 5),
        values=[0.0696144, 0.642809, -0.191345, -0.172878, -0.612631, 0.795612],
        edges=[FAR_APART],
        mistakes=[
            Mistake(
                not_averaged,
                "The factor 1/T inside the logarithm is missing: a mean of the exponentials, not a sum.",
            ),
            Mistake(not_divided_by_sharpness, "The factor 1/g in front of the logarithm is missing."),
            Mistake(multiplied_by_sharpness, "You multiply the logarithm by g; the formula divides it by g."),
            Mistake(
                maximum_not_added_again,
                "The maximum that you subtracted before the exponential has to be added again, divided by g.",
            ),
            Mistake(
                maximum_not_divided,
                "You add the maximum of g x after the division by g: add it to the logarithm, then divide "
                "both.",
            ),
        ],
        hint=(
            "scaled = sharpness * x, then the exponentials, their mean over axis 1, the logarithm, and 1/g "
            "in front."
        ),
    ),
]
