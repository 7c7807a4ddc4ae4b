"""Exercises of lesson 12, pretraining: schedule, AdamW, clipping, baselines, micro-batches, z-loss."""

import math

import numpy as np

from minibert.course.exercises.kinds import Function, Gradients, Mistake, Value
from minibert.layers.cross_entropy import IGNORE_INDEX

# --- warmup_decay ---


def rises_from_zero(step, num_steps, num_warmup_steps, peak):
    if step < num_warmup_steps:
        return peak * step / num_warmup_steps
    return peak * (num_steps - step) / (num_steps - num_warmup_steps)


def without_warmup(step, num_steps, num_warmup_steps, peak):
    return peak * (num_steps - step) / num_steps


def rises_over_all_steps(step, num_steps, num_warmup_steps, peak):
    if step < num_warmup_steps:
        return peak * (step + 1) / num_steps
    return peak * (num_steps - step) / (num_steps - num_warmup_steps)


def without_decay(step, num_steps, num_warmup_steps, peak):
    return peak * min(1, (step + 1) / num_warmup_steps)


def falls_over_all_steps(step, num_steps, num_warmup_steps, peak):
    if step < num_warmup_steps:
        return peak * (step + 1) / num_warmup_steps
    return peak * (num_steps - step) / num_steps


def zero_in_the_last_step(step, num_steps, num_warmup_steps, peak):
    if step < num_warmup_steps:
        return peak * (step + 1) / num_warmup_steps
    return peak * (num_steps - step - 1) / (num_steps - num_warmup_steps)


# --- adamw_step ---

VALUE = np.array([[1.0, -2.0, 0.7], [0.5, 3.0, -0.6]])
GRAD = np.array([[0.2, -0.4, 0.0], [1.0, 0.1, 0.0]])
FIRST = np.array([[0.1, 0.3, 0.2], [-0.2, 0.0, 0.0]])
SECOND = np.array([[0.04, 0.09, 0.05], [0.25, 0.01, 0.0]])
THIRD_STEP = (VALUE, GRAD, FIRST, SECOND, 3, 0.1, 0.8, 0.9, 0.01, 0.1)
BIAS, BIAS_GRAD = np.array([1.0, -2.0, 3.0]), np.array([0.5, -2.0, 0.1])
FIRST_STEP = (BIAS, BIAS_GRAD, np.zeros(3), np.zeros(3), 1, 0.1, 0.9, 0.95, 0.0, 0.1)


def _adamw(
    value,
    grad,
    first,
    second,
    step,
    lr,
    beta1,
    beta2,
    eps,
    weight_decay,
    correct=True,
    coupled=False,
    root=np.sqrt,
    eps_inside=False,
    decay_rate=None,
    all_decay=False,
    stale=False,
    sign=-1,
    swapped=False,
    returns_corrected=False,
):
    weight_decay = weight_decay if value.ndim > 1 or all_decay else 0.0
    grad = grad + weight_decay * value if coupled else grad
    keep1, keep2 = (1 - beta1, 1 - beta2) if swapped else (beta1, beta2)
    new_first, new_second = keep1 * first + (1 - keep1) * grad, keep2 * second + (1 - keep2) * grad * grad
    first_hat, second_hat = (first, second) if stale else (new_first, new_second)
    if correct:
        first_hat, second_hat = first_hat / (1 - beta1**step), second_hat / (1 - beta2**step)
    update = first_hat / (np.sqrt(second_hat + eps) if eps_inside else root(second_hat) + eps)
    decay = 0 if coupled else (lr if decay_rate is None else decay_rate) * weight_decay * value
    new_value = value + sign * lr * update - decay
    return new_value, *((first_hat, second_hat) if returns_corrected else (new_first, new_second))


AFTER_THREE, AFTER_ONE = _adamw(*THIRD_STEP), _adamw(*FIRST_STEP)


def adam_without_correction(*arguments):
    return _adamw(*arguments, correct=False)


def adam_with_coupled_decay(*arguments):
    return _adamw(*arguments, coupled=True)


def adam_with_eps_inside(*arguments):
    return _adamw(*arguments, eps_inside=True)


def adam_with_undamped_decay(*arguments):
    return _adamw(*arguments, decay_rate=1.0)


def adam_without_decay(*arguments):
    return _adamw(*arguments, decay_rate=0.0)


def adam_that_decays_biases(*arguments):
    return _adamw(*arguments, all_decay=True)


def adam_without_root(*arguments):
    return _adamw(*arguments, root=np.asarray)


def adam_uphill(*arguments):
    return _adamw(*arguments, sign=1)


def adam_with_betas_exchanged(*arguments):
    return _adamw(*arguments, swapped=True)


def adam_with_old_moments(*arguments):
    return _adamw(*arguments, stale=True)


def adam_that_keeps_the_corrected(*arguments):
    return _adamw(*arguments, returns_corrected=True)


# --- clip_global_norm ---

GRADIENTS = [
    np.array([[1.0, 2.0, -2.0, 0.0], [0.0, 0.0, 0.0, 0.0]]),
    np.array([0.0, -4.0, 0.0, 0.0, 0.0]),
    np.array([12.0]),
]  # norms 3, 4, 12: together 13
SMALL = [np.array([0.3, 0.4, 0.0]), np.array([[-1.2]])]  # together 1.3
ZERO = [np.zeros((2, 4)), np.zeros(5), np.zeros(1)]  # as when a batch has no label


def clip_each(gradients, max_norm):
    return [grad * min(1, max_norm / np.sqrt((grad * grad).sum())) for grad in gradients]


def clip_entries(gradients, max_norm):
    return [np.clip(grad, -max_norm, max_norm) for grad in gradients]


def clip_always(gradients, max_norm):
    return [grad * max_norm / _norm(gradients) for grad in gradients]


def clip_to_one(gradients, max_norm):
    return [grad / max(max_norm, _norm(gradients)) for grad in gradients]


def clip_by_squared_norm(gradients, max_norm):
    return [grad * min(1, max_norm / _norm(gradients) ** 2) for grad in gradients]


def clip_by_sum_of_norms(gradients, max_norm):
    total = sum(float(np.sqrt((grad * grad).sum())) for grad in gradients)
    return [grad * min(1, max_norm / total) for grad in gradients]


def clip_by_largest(gradients, max_norm):
    return [grad * min(1, max_norm / max(np.abs(grad).max() for grad in gradients)) for grad in gradients]


def _norm(gradients):
    return math.sqrt(sum(float((grad * grad).sum()) for grad in gradients))


# --- baseline_losses ---

BASELINES = {
    "untrained": math.log(30522),
    "untrained_perplexity": 30522.0,
    "unigram": 1.75 * math.log(2),
    "unigram_accuracy": 0.5,
    "half_certain": 0.5 * math.log(2),
    "always_not_next": 0.6,
    "averaged_over_all": 0.15 * math.log(30522),
}
BASELINE_MISTAKES = [
    (
        {
            "untrained": math.log2(30522),
            "unigram": 1.75,
            "half_certain": 0.5,
            "averaged_over_all": 0.15 * math.log2(30522),
        },
        "That is in bits; losses are in nats: use the natural logarithm",
    ),
    (
        {
            "untrained": math.log10(30522),
            "unigram": 1.75 * math.log10(2),
            "half_certain": 0.5 * math.log10(2),
            "averaged_over_all": 0.15 * math.log10(30522),
        },
        "Use the natural logarithm, not that of base 10",
    ),
    (
        {"untrained": 30522.0, "unigram": 2**1.75, "half_certain": math.sqrt(2)},
        "That is the perplexity, e to the power of the loss",
    ),
    ({"untrained_perplexity": math.log(30522)}, "That is the loss; the perplexity is e to the power of it"),
    (
        {"unigram": math.log(4), "untrained_perplexity": math.exp(1)},
        "The four words are not equally frequent",
    ),
    (
        {"unigram": math.log(2)},
        "That is the loss where the frequent word occurs; the others cost more: take the mean over all four",
    ),
    ({"unigram_accuracy": 0.25}, "It need not guess at random: which answer is right most often?"),
    (
        {"unigram_accuracy": 0.25 + 1 / 16 + 2 / 64},
        "It need not draw its answer: the best guess is the same each time",
    ),
    ({"half_certain": math.log(2)}, "That is the loss in the uncertain half; the other half costs nothing"),
    ({"half_certain": 0.0}, "In half of the places it cannot know, and 0 is the loss of one who does"),
    (
        {"always_not_next": 0.5, "averaged_over_all": math.log(30522)},
        "Think again: what is averaged, and over what?",
    ),
    (
        {"averaged_over_all": 0.85 * math.log(30522)},
        "85 % of the tokens are not predicted: they add nothing to the sum, but are counted",
    ),
    (
        {"averaged_over_all": math.log(30522) / 0.15},
        "The sum is divided by more tokens than it has terms: does that make it larger?",
    ),
]

# --- micro_batches ---


class Parts:
    """Micro-batches that come one after the other in the same memory, as from a loader of a large file."""

    def __init__(self, parts):
        self.parts = parts

    def __iter__(self):
        size = max(len(labels) for _, labels in self.parts)
        memory, label_memory = np.zeros((size, self.parts[0][0].shape[1])), np.zeros(size, int)
        for x, labels in self.parts:
            memory[: len(x)], label_memory[: len(x)] = x, labels
            yield memory[: len(x)], label_memory[: len(x)]
        memory[:], label_memory[:] = 0, 0

    def __repr__(self):
        return f"parts of {', '.join(str(len(labels)) for _, labels in self.parts)} rows, in one memory"


def _parts(num_rows, num_predicted, seed):
    """One micro-batch for each number of rows; the first rows of each have no label."""
    rng = np.random.default_rng(seed)
    parts = [(rng.integers(-2, 3, (size, 4)) / 2, rng.integers(0, 3, size)) for size in num_rows]
    for (_, labels), count in zip(parts, num_predicted):
        labels[: len(labels) - count] = IGNORE_INDEX
    return Parts(parts)


WEIGHT = np.array([[0.5, -1.0, 0.0], [1.0, 0.5, -0.5], [0.0, 1.5, -1.0], [-0.5, 0.0, 2.0]])  # (H, V) = (4, 3)
TWO_PARTS = _parts((6, 7), (5, 1), 0)
WITH_EMPTY_PARTS = _parts((8, 0, 1, 6, 7), (2, 0, 0, 6, 3), 1)


def of_the_whole(batches, weight):
    parts = [_part(*batch, weight) for batch in batches]
    return tuple(sum(part[k] for part in parts) / sum(part[2] for part in parts) for k in (0, 1))


def all_parts_kept(batches, weight):
    """As a concatenation of list(batches) sees it: every part holds what was written last."""
    xs, labels = zip(*batches)
    loss, d_weight, count = _part(np.concatenate(xs), np.concatenate(labels), weight)
    return loss / count, d_weight / count


def mean_of_means(batches, weight):
    parts = [_part(*batch, weight) for batch in batches]
    return tuple(sum(part[k] / max(part[2], 1) for part in parts) / len(parts) for k in (0, 1))


def sum_of_means(batches, weight):
    parts = [_part(*batch, weight) for batch in batches]
    return tuple(sum(part[k] / max(part[2], 1) for part in parts) for k in (0, 1))


def sum_over_everything(batches, weight):
    parts = [_part(*batch, weight) for batch in batches]
    return tuple(sum(part[k] for part in parts) for k in (0, 1))


def mean_over_all_rows(batches, weight):
    parts = [_part(*batch, weight) for batch in batches]
    return tuple(sum(part[k] for part in parts) / sum(len(x) for x, _ in batches) for k in (0, 1))


def means_weighted_by_rows(batches, weight):
    parts = [(_part(*batch, weight), len(batch[0])) for batch in batches]
    return tuple(
        sum(size * part[k] / max(part[2], 1) for part, size in parts) / sum(size for _, size in parts)
        for k in (0, 1)
    )


def only_the_last_gradient(batches, weight):
    parts = [_part(*batch, weight) for batch in batches]
    total = sum(part[2] for part in parts)
    return sum(part[0] for part in parts) / total, parts[-1][1] / total


def right_loss_wrong_gradient(batches, weight):
    parts = [_part(*batch, weight) for batch in batches]
    return sum(part[0] for part in parts) / sum(part[2] for part in parts), mean_of_means(batches, weight)[1]


def _part(x, labels, weight):
    """Return (sum of the losses, its gradient, number of predicted rows) of a micro-batch."""
    counted = labels != IGNORE_INDEX
    logits = x[counted] @ weight
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    onehot = np.eye(weight.shape[1])[labels[counted]]
    return (
        float(-np.log((probs * onehot).sum(axis=1)).sum()),
        x[counted].T @ (probs - onehot),
        int(counted.sum()),
    )


# --- z_loss ---


def z_loss_inputs(rng):
    labels = np.array([[3, IGNORE_INDEX, 0, IGNORE_INDEX], [IGNORE_INDEX, 4, IGNORE_INDEX, IGNORE_INDEX]])
    return 2 * rng.standard_normal((2, 4, 5)), labels


LARGE = (
    (np.array([[[1000.0, 998, 997], [3, 2, 1]]]), np.array([[0, IGNORE_INDEX]])),  # logits (1, 2, 3)
    {"z_weight": 0.1},
    np.float64(0.1698461 + 0.1 * 1000.1698461**2),
    "exp(1000) is infinite: subtract the largest logit of each token, and add it to the logarithm again.",
)


def z_loss_forgotten(logits, labels, z_weight):
    losses, log_z, counted = _z_terms(logits, labels)
    return losses[counted].mean()


def z_loss_not_squared(logits, labels, z_weight):
    losses, log_z, counted = _z_terms(logits, labels)
    return (losses + z_weight * log_z)[counted].mean()


def z_loss_without_log(logits, labels, z_weight):
    losses, log_z, counted = _z_terms(logits, labels)
    return (losses + z_weight * np.exp(log_z) ** 2)[counted].mean()


def z_loss_of_shifted_logits(logits, labels, z_weight):
    losses, log_z, counted = _z_terms(logits, labels)
    return (losses + z_weight * (log_z - logits.max(axis=-1)) ** 2)[counted].mean()


def z_loss_that_lost_the_maximum(logits, labels, z_weight):
    losses, log_z, counted = _z_terms(logits, labels)
    largest = logits.max(axis=-1)
    return (losses - largest + z_weight * (log_z - largest) ** 2)[counted].mean()


def z_loss_of_all_tokens(logits, labels, z_weight):
    losses, log_z, counted = _z_terms(logits, labels)
    return losses[counted].mean() + z_weight * (log_z * log_z).mean()


def z_loss_divided_by_all(logits, labels, z_weight):
    losses, log_z, counted = _z_terms(logits, labels)
    return (losses + z_weight * log_z * log_z)[counted].sum() / labels.size


def z_loss_summed(logits, labels, z_weight):
    losses, log_z, counted = _z_terms(logits, labels)
    return (losses + z_weight * log_z * log_z)[counted].sum()


def z_loss_halved(logits, labels, z_weight):
    losses, log_z, counted = _z_terms(logits, labels)
    return (losses + z_weight * log_z * log_z / 2)[counted].mean()


def _z_terms(logits, labels):
    log_z = np.log(np.exp(logits).sum(axis=-1))
    counted = labels != IGNORE_INDEX
    right = np.take_along_axis(logits, np.where(counted, labels, 0)[..., np.newaxis], axis=-1)[..., 0]
    return log_z - right, log_z, counted


EXERCISES = [
    # Task: the learning rate of a step: linear up to the peak, then linear down to 0 at num_steps.
    Function(
        name="warmup_decay",
        points=1,
        cases=[
            ((0, 100, 10, 1.0), 0.1),
            ((4, 100, 10, 1.0), 0.5),
            ((9, 100, 10, 1.0), 1.0),
            ((10, 100, 10, 1.0), 1.0),
            ((55, 100, 10, 1.0), 0.5),
            ((99, 100, 10, 1.0), 1 / 90),
            ((3, 30, 6, 0.004), 0.004 * 4 / 6),
            ((24, 30, 6, 0.004), 0.001),
        ],
        mistakes=[
            Mistake(
                rises_from_zero,
                "The first step would do nothing: its rate is 0. Count the steps from 1 on the way up.",
            ),
            Mistake(
                falls_over_all_steps,
                "The way down begins at the peak, after num_warmup_steps steps: it takes num_steps - "
                "num_warmup_steps.",
            ),
            Mistake(without_warmup, "There is no warm-up: the first step has the full rate."),
            Mistake(rises_over_all_steps, "The way up takes num_warmup_steps steps, not num_steps."),
            Mistake(without_decay, "It rises and then stays: the way down is missing."),
            Mistake(
                zero_in_the_last_step,
                "Your last step does nothing. The rate reaches 0 only at step num_steps, one after the last.",
            ),
        ],
        hint=(
            "Two cases. Up: (step + 1) / num_warmup_steps of the peak. Down: the fraction of the steps after "
            "the warm-up that are still to come."
        ),
    ),
    # Task: one step of AdamW: both moments, bias correction, decoupled decay of matrices only.
    Function(
        name="adamw_step",
        points=2,
        tolerance=1e-5,
        cases=[
            (THIRD_STEP, AFTER_THREE),
            (FIRST_STEP, AFTER_ONE),
        ],
        mistakes=[
            Mistake(adam_without_correction, "The bias correction is missing: divide by 1 - beta**step."),
            Mistake(
                adam_with_coupled_decay,
                "The decay went into the gradient (Adam with L2). AdamW shrinks the value itself, past the "
                "moments.",
            ),
            Mistake(adam_with_eps_inside, "eps belongs outside the root."),
            Mistake(adam_with_undamped_decay, "The decay is not multiplied by the learning rate."),
            Mistake(adam_without_decay, "The weight decay is missing."),
            Mistake(
                adam_that_decays_biases, "An array with one axis (a bias, LayerNorm's gain) does not decay."
            ),
            Mistake(adam_without_root, "The root of the second moment is missing."),
            Mistake(adam_uphill, "The step goes uphill: subtract it."),
            Mistake(
                adam_with_betas_exchanged,
                "beta and 1 - beta are exchanged: beta is the fraction of the old moment that is kept.",
            ),
            Mistake(adam_with_old_moments, "The step uses the moments from before: update them first."),
            Mistake(
                adam_that_keeps_the_corrected,
                "The value is right. Return the moments themselves, not the corrected ones: those are for "
                "this step only.",
            ),
        ],
        hint=(
            "In order: both moments, both corrections, the update m / (sqrt(v) + eps), then value - lr * "
            "(update + decay)."
        ),
    ),
    # Task: scale all arrays by one factor, so that their joint norm is at most max_norm.
    Function(
        name="clip_global_norm",
        points=2,
        tolerance=1e-6,  # PyTorch divides by the norm plus 1e-6
        cases=[
            ((GRADIENTS, 2.0), [grad * 2 / 13 for grad in GRADIENTS]),
            ((SMALL, 2.0), SMALL),
            ((ZERO, 2.0), ZERO),
        ],
        mistakes=[
            Mistake(
                clip_each,
                "Each array is scaled by a norm of its own: the direction of the whole gradient changes. "
                "One norm for all.",
            ),
            Mistake(
                clip_entries,
                "Each entry is cut by itself: the direction changes. Scale everything by one factor.",
            ),
            Mistake(clip_always, "A gradient that is short enough stays as it is; here it was made longer."),
            Mistake(clip_to_one, "The new norm is 1; it should be max_norm."),
            Mistake(clip_by_squared_norm, "The root is missing: the norm is the root of the sum of squares."),
            Mistake(clip_by_sum_of_norms, "The norms of the arrays do not add up; their squares do."),
            Mistake(
                clip_by_largest,
                "You divide by the largest entry; the norm is the root of the sum of all squares.",
            ),
        ],
        hint=(
            "norm = root of the sum of all squares, over all arrays; if it is above max_norm, multiply every "
            "array by max_norm / norm."
        ),
    ),
    # Task: the losses of models that have learned nothing, or only frequencies, as formulas.
    Value(
        name="baseline_losses",
        points=2,
        expected=BASELINES,
        tolerance=2e-3,
        mistakes=BASELINE_MISTAKES,
        hint="A loss is the mean of -ln p(right answer). Perplexity is e to the power of the loss.",
    ),
    # Task: the mean loss over the predicted rows of all parts, and its gradient, as for the whole batch.
    Function(
        name="micro_batches",
        points=3,
        tolerance=1e-5,
        cases=[
            ((batches, WEIGHT), of_the_whole(batches, WEIGHT)) for batches in (TWO_PARTS, WITH_EMPTY_PARTS)
        ],
        mistakes=[
            Mistake(
                all_parts_kept,
                "You keep all parts, but each new one overwrites the memory of the last: use a part when it "
                "comes.",
            ),
            Mistake(
                mean_of_means,
                "This is the mean of the parts' means: a token in a part with few predicted tokens counts "
                "more than others.",
            ),
            Mistake(sum_of_means, "The parts' means are added: the result grows with the number of parts."),
            Mistake(
                sum_over_everything,
                "These are sums: divide by the number of predicted tokens of all parts together.",
            ),
            Mistake(
                mean_over_all_rows,
                "Rows with the label -100 are counted in the denominator (exhibit averaged-over-all).",
            ),
            Mistake(
                means_weighted_by_rows,
                "The means are weighted by all rows of a part; weight them by its predicted rows.",
            ),
            Mistake(
                only_the_last_gradient,
                "The loss is right, the gradient is that of the last part: add (+=), do not overwrite (=).",
            ),
            Mistake(
                right_loss_wrong_gradient,
                "The loss is right; the gradient is still the mean of the parts' means.",
            ),
        ],
        hint=(
            "First count the predicted rows of all parts; then add up each part's sum of losses and x.T @ "
            "(probs - onehot), both divided by that count."
        ),
    ),
    # Task: mean over the predicted tokens of -log p + z_weight (log Z)².
    Gradients(
        name="z_loss",
        points=(1, 3),
        inputs=z_loss_inputs,
        constants={"z_weight": 0.1},
        shape=(),
        values=[1.73159],
        edges=[LARGE],
        mistakes=[
            Mistake(z_loss_forgotten, "This is the cross-entropy; the term with Z is missing."),
            Mistake(z_loss_not_squared, "log Z is not squared."),
            Mistake(z_loss_without_log, "You square Z itself; it is the square of log Z."),
            Mistake(
                z_loss_of_shifted_logits,
                "Your Z is that of the shifted logits. To get log Z itself, add the maximum again.",
            ),
            Mistake(
                z_loss_that_lost_the_maximum,
                "Both terms have the log Z of the shifted logits: add the maximum again (log Z = maximum + "
                "log of the sum).",
            ),
            Mistake(
                z_loss_of_all_tokens,
                "The term with Z is averaged over all tokens: only the predicted ones count.",
            ),
            Mistake(
                z_loss_divided_by_all,
                "The sum is divided by all tokens, not by the predicted ones (exhibit averaged-over-all).",
            ),
            Mistake(z_loss_summed, "This is the sum over the predicted tokens: divide by their number."),
            Mistake(z_loss_halved, "There is no factor 1/2."),
        ],
        hint=(
            "For each predicted token: log Z = log of the sum of exp(logits); loss = log Z - logit of the "
            "label + z_weight * log Z squared."
        ),
    ),
]
