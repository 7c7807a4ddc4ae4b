"""Wrong answers to the exercises of lesson 12, as students might give them who read the task only."""

import math

import numpy as np
from course.exercises.solutions import solution
from course.exercises.wrong.answers import backward, forward


def adamw(value, grad, first, second, step, lr, beta1, beta2, eps, weight_decay, wrong=""):
    m, v = beta1 * first + (1 - beta1) * grad, beta2 * second + (1 - beta2) * grad**2
    step = step - 1 if wrong == "steps from 0" else step
    m_hat = m / (1 - beta1**step if step else 1)
    v_hat = v / (1 - (beta1 if wrong == "one beta" else beta2) ** step if step else 1)
    decays = value.ndim == 2 if wrong == "matrices only" else value.ndim > 1
    decays = len(value) > 1 and decays if wrong == "one row is a bias" else decays
    decay = weight_decay * value * decays
    if wrong == "decay of the new value":
        value = value - lr * m_hat / (np.sqrt(v_hat) + eps)
        return value - lr * weight_decay * value * decays, m, v
    if wrong == "eps not corrected":
        return value - lr * (m_hat / np.sqrt(v_hat + eps**2) + decay), m, v
    if wrong == "the size of the gradient":
        v = beta2 * second + (1 - beta2) * np.abs(grad)
        v_hat = v / (1 - beta2**step)
    return value - lr * (m_hat / (np.sqrt(v_hat) + eps) + decay), m, v


def wrong_adamw(wrong):
    return (lambda *arguments: adamw(*arguments, wrong=wrong),)


def clip_divided(gradients, max_norm):
    """Without a case for zero gradients; NaN there."""
    norm = np.sqrt(sum((g * g).sum() for g in gradients))
    return [g * np.minimum(1, max_norm / norm) * (norm / norm) for g in gradients]


def clip_mean(gradients, max_norm):
    norm = math.sqrt(np.mean([(g * g).sum() for g in gradients]))
    return [g * min(1, max_norm / norm) if norm else g for g in gradients]


def clip_by_spectral_norms(gradients, max_norm):
    """np.linalg.norm(g, 2), which is another norm for a matrix."""
    total = math.hypot(*(np.linalg.norm(g, 2) for g in gradients))
    return [g * max_norm / total if total > max_norm else g for g in gradients]


def clip_large_arrays(gradients, max_norm):
    """Only the arrays whose own norm is too large."""
    norms = [np.linalg.norm(g) for g in gradients]
    total = math.hypot(*norms)
    return [g * max_norm / total if norm > max_norm else g for g, norm in zip(gradients, norms)]


def clip_to_the_sphere(gradients, max_norm):
    norm = math.sqrt(sum((g * g).sum() for g in gradients)) or 1.0
    return [g / norm * max_norm for g in gradients]


def clip_with_a_large_eps(gradients, max_norm):
    norm = math.sqrt(sum((g * g).sum() for g in gradients))
    return [g * min(1, max_norm / (norm + 1)) for g in gradients]


BASELINES = solution("baseline_losses")[0]


def limits(truth, model, wrong):
    with np.errstate(divide="ignore", invalid="ignore"):
        found = {
            "loss": -np.nansum(truth * np.log(model)) / len(truth),
            "limit": -np.nansum(truth * np.log(truth)) / len(truth),
            "accuracy": truth[np.arange(len(truth)), model.argmax(axis=1)].mean(),
            "best_accuracy": truth.max(axis=1).mean(),
        }
        if wrong == "nan":
            found["limit"] = -(truth * np.log(truth)).sum() / len(truth)
        if wrong == "mean over words":
            found["loss"] /= truth.shape[1]
        if wrong == "Kullback-Leibler":
            found["loss"] -= found["limit"]
        if wrong == "perplexity":
            found |= {"loss": math.exp(found["loss"]), "limit": math.exp(found["limit"])}
        if wrong == "accuracy by drawing":
            found["accuracy"] = (truth * model).sum(axis=1).mean()
    return found


def wrong_limits(wrong):
    return (lambda truth, model: limits(truth, model, wrong),)


def bars(pretrained, random, error):
    difference = pretrained.mean() - random.mean()
    return {"difference": difference, "standard_error": error, "clear": bool(difference > 2 * error)}


def clear(judge):
    """The right numbers with another judgement; judge(difference, the errors of both means)."""

    def answer(pretrained, random):
        errors = [runs.std(ddof=1) / math.sqrt(len(runs)) for runs in (pretrained, random)]
        found = bars(pretrained, random, math.hypot(*errors))
        return found | {"clear": bool(judge(found["difference"], errors))}

    return (answer,)


def bars_without_overlap(pretrained, random):
    errors = [runs.std(ddof=1) / math.sqrt(len(runs)) for runs in (pretrained, random)]
    return bars(pretrained, random, math.hypot(*errors)) | {"clear": bool(pretrained.min() > random.max())}


def bars_of_all_runs(pretrained, random):
    both = np.concatenate([pretrained, random])
    return bars(pretrained, random, both.std(ddof=1) / math.sqrt(len(both)))


def bars_of_the_random(pretrained, random):
    return bars(pretrained, random, random.std(ddof=1) / math.sqrt(len(random)))


def bars_of_the_range(pretrained, random):
    return bars(pretrained, random, np.ptp(pretrained) / 2 + np.ptp(random) / 2)


def bars_of_equal_numbers(pretrained, random):
    variances = pretrained.var(ddof=1) + random.var(ddof=1)
    return bars(pretrained, random, math.sqrt(variances / len(pretrained)))


def removal(maps, head_outputs, output_weight, query, key, count, wrong):
    attention = maps.mean(axis=1)[:, key] if wrong == "all queries" else maps[:, query, key]
    order = np.argsort(attention)
    removed = sorted(order[len(order) - count :])
    if wrong == "heads above the mean":
        removed = sorted(np.flatnonzero(attention > attention.mean()))
    outputs = head_outputs.copy()
    outputs[removed] = 0
    rows = outputs.transpose(1, 2, 0) if wrong == "columns mixed" else outputs.swapaxes(0, 1)
    place = key if wrong == "the row of the key" else query
    y = rows.reshape(len(rows), -1)[place] @ output_weight
    return (order[::-1][:count] if wrong == "not in order" else removed), y


def wrong_removal(wrong):
    return (lambda *arguments: removal(*arguments, wrong=wrong),)


def parts_of(batches, weight, predicted):
    loss, d_weight, count = 0.0, np.zeros(weight.shape), 0
    for x, labels in batches:
        chosen = labels != -100 if predicted else labels == labels
        logits = x[chosen] @ weight
        probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        onehot = np.eye(weight.shape[1])[np.maximum(labels[chosen], 0)]
        loss -= np.log((probs * onehot).sum(axis=1)).sum()
        d_weight += x[chosen].T @ (probs - onehot)
        count += chosen.sum()
    return loss, d_weight, count


def batches_without_ignoring(batches, weight):
    """-100 is taken for word 0."""
    loss, d_weight, count = parts_of(batches, weight, predicted=False)
    return loss / count, d_weight / count


def batches_divided_by_their_number(batches, weight):
    loss, d_weight, _ = parts_of(batches, weight, predicted=True)
    number = sum(1 for _ in batches)
    return loss / number, d_weight / number


def batches_with_a_summed_gradient(batches, weight):
    loss, d_weight, count = parts_of(batches, weight, predicted=True)
    return loss / count, d_weight


def batches_joined(batches, weight):
    """All parts at once, as if there were memory for them."""
    xs, labels = zip(*list(batches))
    loss, d_weight, count = parts_of([(np.concatenate(xs), np.concatenate(labels))], weight, predicted=True)
    return loss / count, d_weight / count


def batches_running_mean(batches, weight):
    """The mean so far and the new part's mean, half and half."""
    loss, d_weight = 0.0, np.zeros(weight.shape)
    for batch in batches:
        part_loss, part_gradient, count = parts_of([batch], weight, predicted=True)
        if count:
            loss, d_weight = (loss + part_loss / count) / 2, (d_weight + part_gradient / count) / 2
    return loss, d_weight


def z_loss(logits, labels, z_weight, power=2, shift=lambda rows: rows.max(axis=-1)):
    rows, words = logits[labels != -100], labels[labels != -100]
    largest = shift(rows)
    log_z = largest + np.log(np.exp(rows - largest[:, np.newaxis]).sum(axis=-1))
    return (log_z - rows[np.arange(len(words)), words] + z_weight * log_z**power).mean()


def shifted(shift):
    return forward(lambda *inputs, z_weight: z_loss(*inputs, z_weight, shift=shift))


def softmax_rows(logits):
    return np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)


def z_extra(d_y, g, logits, labels, factor):
    """The gradient with `factor` in place of 2 in the term of Z."""
    log_z = np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    counted = (labels != -100)[..., np.newaxis]
    extra = d_y * 0.1 * (factor - 2) * log_z * softmax_rows(logits) / counted.sum()
    return [g[0] + counted * extra, None]


WRONG = {
    "adamw_step": {
        wrong: wrong_adamw(wrong)
        for wrong in (
            "steps from 0",
            "one beta",
            "decay of the new value",
            "eps not corrected",
            "the size of the gradient",
            "matrices only",
            "one row is a bias",
        )
    },
    "clip_global_norm": {
        "zero gradients become NaN": (clip_divided,),
        "the mean of the squares": (clip_mean,),
        "large arrays only": (clip_large_arrays,),
        "always to the sphere": (clip_to_the_sphere,),
        "norm + 1": (clip_with_a_large_eps,),
        "spectral norms": (clip_by_spectral_norms,),
    },
    "baseline_losses": {
        "30,000 pieces": (
            BASELINES | {"untrained": math.log(30000), "averaged_over_all": 0.15 * math.log(30000)},
        ),
        "perplexity of the pieces we have": (BASELINES | {"untrained_perplexity": 30521.0 / 2},),
        "four alike": (BASELINES | {"unigram": math.log(4)},),
        "the rarer class": (BASELINES | {"always_not_next": 0.4},),
        "the mean of what is predicted": (BASELINES | {"averaged_over_all": math.log(30522)},),
    },
    "exact_limits": {
        wrong: wrong_limits(wrong)
        for wrong in ("nan", "mean over words", "Kullback-Leibler", "perplexity", "accuracy by drawing")
    },
    "error_bars": {
        "of all runs together": (bars_of_all_runs,),
        "of the random runs": (bars_of_the_random,),
        "half the ranges": (bars_of_the_range,),
        "equal numbers of runs": (bars_of_equal_numbers,),
        "one error": clear(lambda difference, errors: difference > math.hypot(*errors)),
        "1.96 errors": clear(lambda difference, errors: difference > 1.96 * math.hypot(*errors)),
        "three errors": clear(lambda difference, errors: difference > 3 * math.hypot(*errors)),
        "bars that do not touch": clear(lambda difference, errors: difference > 2 * sum(errors)),
        "runs that do not overlap": (bars_without_overlap,),
    },
    "head_removal": {
        wrong: wrong_removal(wrong)
        for wrong in (
            "all queries",
            "heads above the mean",
            "columns mixed",
            "the row of the key",
            "not in order",
        )
    },
    "micro_batches": {
        "-100 is word 0": (batches_without_ignoring,),
        "divided by the number of parts": (batches_divided_by_their_number,),
        "the gradient is a sum": (batches_with_a_summed_gradient,),
        "all parts joined": (batches_joined,),
        "a running mean": (batches_running_mean,),
    },
    "z_loss": {
        "1 for 2": backward("z_loss", lambda d_y, g, *inputs: z_extra(d_y, g, *inputs, factor=1)),
        "nothing from Z": backward("z_loss", lambda d_y, g, *inputs: z_extra(d_y, g, *inputs, factor=0)),
        "not divided by M": backward("z_loss", lambda d_y, g, logits, labels: [g[0] * 3, None]),
        "divided by T": backward("z_loss", lambda d_y, g, logits, labels: [g[0] * 3 / 4, None]),
        "d_loss not used": backward("z_loss", lambda d_y, g, *inputs: [g[0] / d_y, None]),
        "to the power 4": forward(lambda *inputs, z_weight: z_loss(*inputs, z_weight, power=4)),
        "exp without the maximum": shifted(lambda rows: np.zeros(len(rows))),
        "one maximum for all": shifted(lambda rows: np.full(len(rows), rows.max())),
        "the mean subtracted": shifted(lambda rows: rows.mean(axis=-1)),
    },
}
