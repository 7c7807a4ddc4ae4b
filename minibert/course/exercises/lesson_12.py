"""Exercises of lesson 12, pretraining: AdamW, clipping, baselines, limits, probes, heads, batches, z-loss."""

import math

import numpy as np

from minibert.course.exercises.kinds import Function, Gradients, Mistake, Value
from minibert.layers.cross_entropy import IGNORE_INDEX

# --- adamw_step ---

VALUE = np.array([[1.0, -2.0, 0.7], [0.5, 3.0, -0.6]])
GRAD = np.array([[0.2, -0.4, 0.0], [1.0, 0.1, 0.0]])
FIRST = np.array([[0.1, 0.3, 0.2], [-0.2, 0.0, 0.0]])
SECOND = np.array([[0.04, 0.09, 0.05], [0.25, 0.01, 0.0]])
THIRD_STEP = (VALUE, GRAD, FIRST, SECOND, 3, 0.1, 0.8, 0.9, 0.01, 0.1)
BIAS, BIAS_GRAD = np.array([1.0, -2.0, 3.0]), np.array([0.5, -2.0, 0.1])
THREE_AXES = (*(array[np.newaxis] for array in THIRD_STEP[:4]), 2, *THIRD_STEP[5:])  # (1, 2, 3)
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
    np.array([[1.0, 2.0, 0.0, 0.0], [0.0, 0.0, -2.0, 0.0]]),
    np.array([0.0, -2.4, 0.0, 3.2, 0.0]),
    np.array([12.0]),
]  # norms 3, 4, 12, one below 3.5: together 13
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

# --- exact_limits ---

TRUTH = np.array(
    [
        [0.5, 0.3, 0.2, 0.0],
        [0.0, 1.0, 0.0, 0.0],
        [0.1, 0.2, 0.3, 0.4],
        [0.25, 0.0, 0.75, 0.0],
        [0.6, 0.4, 0, 0],
    ]
)
MODEL = np.array(
    [
        [0.3, 0.4, 0.2, 0.1],
        [0.1, 0.7, 0.1, 0.1],
        [0.2, 0.2, 0.1, 0.5],
        [0.2, 0.1, 0.6, 0.1],
        [0.5, 0.25, 0.25, 0],
    ]
)


def _entropy(probs, of):
    logs = np.log(np.where(probs > 0, of, 1))
    return float(-(probs * logs).sum(axis=1).mean())


def limits(truth, model):
    right = truth[np.arange(len(truth)), model.argmax(axis=1)]
    return {
        "loss": _entropy(truth, model),
        "limit": _entropy(truth, truth),
        "accuracy": float(right.mean()),
        "best_accuracy": float(truth.max(axis=1).mean()),
    }


def limits_of_the_model(truth, model):
    return limits(truth, model) | {"limit": _entropy(model, model)}


def limits_the_wrong_way_round(truth, model):
    return limits(truth, model) | {"loss": _entropy(model, np.where(truth > 0, truth, 1))}


def limits_of_a_sure_model(truth, model):
    return limits(truth, model) | {"best_accuracy": 1.0, "limit": 0.0}


def limits_of_agreement(truth, model):
    agree = truth.argmax(axis=1) == model.argmax(axis=1)
    return limits(truth, model) | {"accuracy": float(agree.mean())}


def limits_of_the_models_belief(truth, model):
    return limits(truth, model) | {"accuracy": float(model.max(axis=1).mean())}


def limits_in_bits(truth, model):
    found = limits(truth, model)
    return found | {"loss": found["loss"] / math.log(2), "limit": found["limit"] / math.log(2)}


# --- error_bars ---

PRETRAINED, RANDOM = np.array([0.91, 0.94, 0.9, 0.93, 0.92]), np.array([0.88, 0.95, 0.84])
FAR_ABOVE = np.array([0.71, 0.7, 0.72, 0.69]), np.array([0.5, 0.52])
ABOVE = np.array([0.88, 0.84, 0.93, 0.9]), np.array([0.65, 0.86, 0.66])  # 2.3 errors apart, but one overlaps
NOT_QUITE = np.array([0.72, 0.75, 0.79, 0.95]), np.array([0.7, 0.71, 0.69])  # 1.99 errors, without overlap


def bars(pretrained, random, ddof=1, of_the_mean=True, add=np.hypot):
    deviations = [values.std(ddof=ddof) for values in (pretrained, random)]
    sizes = (len(pretrained), len(random)) if of_the_mean else (1, 1)
    error = float(add(*(deviation / math.sqrt(size) for deviation, size in zip(deviations, sizes))))
    difference = float(pretrained.mean() - random.mean())
    return {"difference": difference, "standard_error": error, "clear": bool(abs(difference) > 2 * error)}


def bars_of_the_sample(pretrained, random):
    return bars(pretrained, random, ddof=0)


def bars_of_one_run(pretrained, random):
    return bars(pretrained, random, of_the_mean=False)


def bars_added(pretrained, random):
    return bars(pretrained, random, add=lambda first, second: first + second)


def bars_upside_down(pretrained, random):
    found = bars(pretrained, random)
    return found | {"difference": -found["difference"]}


def bars_always_clear(pretrained, random):
    found = bars(pretrained, random)
    return found | {"clear": found["difference"] > 0}


# --- head_removal ---


def _removal_arguments(query, key, count):
    rng = np.random.default_rng(4)
    maps = rng.dirichlet(np.ones(6), (4, 6))
    return maps, rng.standard_normal((4, 6, 3)), rng.standard_normal((12, 7)), query, key, count


def removal(maps, head_outputs, output_weight, query, key, count, largest=True, look=None, kept=False):
    attention = maps[:, query, key] if look is None else look
    order = np.argsort(-attention if largest else attention)
    removed = sorted(int(head) for head in order[:count])
    outputs = head_outputs[:, query].copy()
    outputs[[head for head in range(len(maps)) if (head in removed) != kept]] = 0
    return removed, outputs.reshape(-1) @ output_weight


def removal_of_those_that_look_least(*arguments):
    return removal(*arguments, largest=False)


def removal_of_the_others(*arguments):
    return removal(*arguments, kept=True)


def removal_by_the_column(maps, head_outputs, output_weight, query, key, count):
    return removal(maps, head_outputs, output_weight, query, key, count, look=maps[:, key, query])


def removal_by_the_largest_entry(maps, head_outputs, output_weight, query, key, count):
    return removal(maps, head_outputs, output_weight, query, key, count, look=maps[:, query].max(axis=1))


def removal_scaled_up(*arguments):
    removed, y = removal(*arguments)
    heads = len(arguments[0])
    return removed, y * heads / max(heads - len(removed), 1)


def nothing_removed(maps, head_outputs, output_weight, query, key, count):
    removed, _ = removal(maps, head_outputs, output_weight, query, key, count)
    return removed, head_outputs[:, query].reshape(-1) @ output_weight


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
    (  # logits (1, 4, 5)
        np.array(
            [[[1000.0, 998, -1e3, -1e3, -1e3], [3, 2, 1, 0, 9], [-1000, -1000, -1001, -1003, -1002], [0] * 5]]
        ),
        np.array([[1, IGNORE_INDEX, 2, IGNORE_INDEX]]),
    ),
    {"z_weight": 1e-6},
    np.float64((2.1269280 + 1.9372698 + 1e-6 * (1000.1269280**2 + 999.0627302**2)) / 2),
    "exp(1000) is infinite, and exp(-1000) is 0: subtract the largest logit of each token, and add it to the "
    "logarithm again.",
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
    # Task: one step of AdamW: both moments, bias correction, decoupled decay of matrices only.
    Function(
        name="adamw_step",
        points=2,
        tolerance=1e-5,
        cases=[
            (THIRD_STEP, AFTER_THREE),
            (FIRST_STEP, AFTER_ONE),
            (THREE_AXES, _adamw(*THREE_AXES)),
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
            ((GRADIENTS, 3.5), [grad * 3.5 / 13 for grad in GRADIENTS]),
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
        tolerance=1.5e-3,  # 0.347 is near enough to 0.3466, and ln 30,000 too far from ln 30,522
        mistakes=BASELINE_MISTAKES,
        hint="A loss is the mean of -ln p(right answer). Perplexity is e to the power of the loss.",
    ),
    # Task: a model's loss and accuracy under the exact probabilities of the language, and the best possible.
    Function(
        name="exact_limits",
        points=2,
        cases=[
            ((TRUTH, MODEL), limits(TRUTH, MODEL)),
            ((TRUTH[:3], TRUTH[:3]), limits(TRUTH[:3], TRUTH[:3])),
        ],
        mistakes=[
            Mistake(
                limits_of_the_model, "The limit is a property of the language: no model's numbers are in it."
            ),
            Mistake(
                limits_the_wrong_way_round,
                "The loss is the mean of -ln of the *model's* probability, over words drawn by the language.",
            ),
            Mistake(
                limits_of_a_sure_model,
                "Where the language itself leaves a choice, no model reaches 0 and 100 %.",
            ),
            Mistake(
                limits_of_agreement,
                "The best guess is right only as often as the language says that word: take its probability.",
            ),
            Mistake(
                limits_of_the_models_belief,
                "That is how often the model believes it is right: ask the language.",
            ),
            Mistake(limits_in_bits, "That is in bits; take the natural logarithm."),
        ],
        hint=(
            "loss = mean over the places of -sum p ln q; limit = the same with p in place of q; accuracy = "
            "mean of "
            "p at the largest q; best_accuracy = mean of the largest p. Where p is 0, p ln q counts 0."
        ),
    ),
    # Task: the difference of two mean accuracies, its standard error, and whether it is more than twice that.
    Function(
        name="error_bars",
        points=2,
        cases=[
            (runs, bars(*runs)) for runs in ((PRETRAINED, RANDOM), FAR_ABOVE, ABOVE, NOT_QUITE)
        ],
        mistakes=[
            Mistake(
                bars_of_the_sample, "Divide by n - 1 (ddof=1): the mean was estimated from the same runs."
            ),
            Mistake(
                bars_of_one_run,
                "That is the spread of single runs; the error of a mean is smaller, by the root of their "
                "number.",
            ),
            Mistake(bars_added, "Independent errors add as squares: the root of the sum of both squares."),
            Mistake(bars_upside_down, "The difference is pretrained minus random."),
            Mistake(bars_always_clear, "A difference is clear if it is more than two standard errors."),
        ],
        hint=(
            "standard_error = sqrt(var(pretrained, ddof=1) / S + var(random, ddof=1) / R); clear = "
            "|difference| > 2 "
            "standard errors."
        ),
    ),
    # Task: remove the heads that look most from one token at another; the attention's output without them.
    Function(
        name="head_removal",
        points=2,
        cases=[
            (arguments, removal(*arguments))
            for arguments in (
                _removal_arguments(5, 3, 2),
                _removal_arguments(0, 4, 1),
                _removal_arguments(2, 3, 0),
            )
        ],
        mistakes=[
            Mistake(removal_of_those_that_look_least, "These look least; remove those that look most."),
            Mistake(removal_of_the_others, "You kept the heads that should go."),
            Mistake(removal_by_the_column, "Row and column are exchanged: the row of a map is the query."),
            Mistake(
                removal_by_the_largest_entry,
                "You ranked the heads by where they look most, wherever that is: rank by maps[:, query, "
                "key].",
            ),
            Mistake(
                removal_scaled_up, "Nothing is scaled: a removed head is 0, the others stay as they are."
            ),
            Mistake(nothing_removed, "The right heads, but their outputs still count: set them to 0."),
        ],
        hint=(
            "Sort maps[:, query, key]; outputs (A, D) of the query, 0 for the removed heads, side by side "
            "(A·D,), "
            "times output_weight."
        ),
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
