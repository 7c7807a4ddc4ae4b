"""Right answers to the exercises of lesson 12 in other styles than the solution's."""

import math

import numpy as np
from course.exercises.solutions import solution


def adamw_in_place(value, grad, first, second, step, lr, beta1, beta2, eps, weight_decay):
    value, first, second = value.copy(), first.copy(), second.copy()
    first += (1 - beta1) * (grad - first)
    second += (1 - beta2) * (grad**2 - second)
    if value.ndim > 1:
        value -= lr * weight_decay * value
    value -= lr / (1 - beta1**step) * first / (np.sqrt(second / (1 - beta2**step)) + eps)
    return value, first, second


def adamw_in_loops(value, grad, first, second, step, lr, beta1, beta2, eps, weight_decay):
    results = np.zeros((3, *value.shape))
    for place in np.ndindex(value.shape):
        m = beta1 * first[place] + (1 - beta1) * grad[place]
        v = beta2 * second[place] + (1 - beta2) * grad[place] ** 2
        update = m / (1 - beta1**step) / (math.sqrt(v / (1 - beta2**step)) + eps)
        if len(value.shape) > 1:
            update += weight_decay * value[place]
        results[0][place], results[1][place], results[2][place] = value[place] - lr * update, m, v
    return results[0], results[1], results[2]


def adamw_as_pytorch(p, g, exp_avg, exp_avg_sq, t, lr, b1, b2, eps, wd):
    """The decay first, then both corrections in the step size and the denominator."""
    p = p * (1 - lr * wd) if p.ndim >= 2 else p
    exp_avg, exp_avg_sq = exp_avg * b1 + g * (1 - b1), exp_avg_sq * b2 + g * g * (1 - b2)
    denominator = np.sqrt(exp_avg_sq) / math.sqrt(1 - b2**t) + eps
    return [p - lr / (1 - b1**t) * exp_avg / denominator, exp_avg, exp_avg_sq]


def clip_as_pytorch(gradients, max_norm):
    norm = np.linalg.norm([np.linalg.norm(grad) for grad in gradients])
    coefficient = max_norm / (norm + 1e-6)
    return [grad * np.minimum(coefficient, 1.0) for grad in gradients]


def clip_in_loops(gradients, max_norm):
    total = 0.0
    for grad in gradients:
        for entry in grad.reshape(-1):
            total += float(entry) ** 2
    if math.sqrt(total) <= max_norm:
        return gradients
    return [grad * max_norm / math.sqrt(total) for grad in gradients]


def clip_in_place(grads, limit):
    flat = np.concatenate([grad.ravel() for grad in grads])
    norm = math.sqrt(flat @ flat)
    if norm > limit:
        for grad in grads:
            grad *= limit / norm
    return tuple(grads)


def limits_in_loops(truth, model):
    found = {"loss": 0.0, "limit": 0.0, "accuracy": 0.0, "best_accuracy": 0.0}
    for p, q in zip(truth, model):
        for v in range(len(p)):
            if p[v] > 0:
                found["loss"] -= p[v] * math.log(q[v]) / len(truth)
                found["limit"] -= p[v] * math.log(p[v]) / len(truth)
        found["accuracy"] += p[list(q).index(max(q))] / len(truth)
        found["best_accuracy"] += max(p) / len(truth)
    return found


def limits_with_nan(truth, model):
    with np.errstate(divide="ignore", invalid="ignore"):
        loss, limit = (-np.nansum(truth * np.log(probs), axis=1).mean() for probs in (model, truth))
    best = np.take_along_axis(truth, model.argmax(axis=1)[:, None], axis=1)
    return dict(loss=loss, limit=limit, accuracy=best.mean(), best_accuracy=np.mean(np.max(truth, axis=1)))


def limits_with_a_small_number(p, q):
    cross = -(p * np.log(q + 1e-300)).sum() / len(p)
    entropy = -(p * np.log(p + 1e-300)).sum() / len(p)
    right = np.array([row[guess] for row, guess in zip(p, np.argmax(q, axis=-1))])
    return {"best_accuracy": p.max(1).mean(), "accuracy": right.mean(), "limit": entropy, "loss": cross}


def bars_in_loops(pretrained, random):
    error, means = 0.0, []
    for runs in (pretrained, random):
        mean = sum(runs) / len(runs)
        error += sum((run - mean) ** 2 for run in runs) / (len(runs) - 1) / len(runs)
        means.append(mean)
    difference = means[0] - means[1]
    return {"difference": difference, "standard_error": error**0.5, "clear": difference**2 > 4 * error}


def bars_by_std(pretrained, random):
    first, second = (runs.std(ddof=1) / np.sqrt(len(runs)) for runs in (pretrained, random))
    difference = np.mean(pretrained) - np.mean(random)
    error = np.hypot(first, second)
    return {"difference": difference, "standard_error": error, "clear": np.abs(difference) / error > 2}


def bars_by_cov(ours, theirs):
    error = math.sqrt(float(np.cov(ours)) / ours.size + float(np.cov(theirs)) / theirs.size)
    difference = float(ours.mean()) - float(theirs.mean())
    return {"clear": not abs(difference) <= 2 * error, "difference": difference, "standard_error": error}


def removal_in_loops(maps, head_outputs, output_weight, query, key, count):
    heads = sorted(range(len(maps)), key=lambda head: maps[head, query, key], reverse=True)
    removed, size = sorted(heads[:count]), head_outputs.shape[2]
    y = np.zeros(output_weight.shape[1])
    for head in range(len(maps)):
        if head not in removed:
            y += head_outputs[head, query] @ output_weight[head * size : (head + 1) * size]
    return removed, y


def removal_by_a_mask(maps, head_outputs, output_weight, query, key, count):
    ranks = np.argsort(np.argsort(-maps[:, query, key]))
    gate = (ranks >= count)[:, None, None]
    outputs = (head_outputs * gate).transpose(1, 0, 2).reshape(maps.shape[1], -1)
    return np.flatnonzero(ranks < count), (outputs @ output_weight)[query]


def removal_by_subtraction(P, U, W, i, j, how_many):
    weights = W.reshape(len(P), -1, W.shape[1])
    shares = np.einsum("ad,adh->ah", U[:, i], weights)
    gone = np.sort(np.argpartition(-P[:, i, j], how_many)[:how_many])
    return gone.tolist(), shares.sum(axis=0) - shares[gone].sum(axis=0)


def sums_of_part(x, labels, weight):
    chosen = labels != -100
    logits = x[chosen] @ weight
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    onehot = np.eye(weight.shape[1])[labels[chosen]]
    return -np.log((probs * onehot).sum(axis=1)).sum(), x[chosen].T @ (probs - onehot), chosen.sum()


def parts_in_one_pass(batches, weight):
    loss, d_weight, count = 0.0, 0.0, 0
    for x, labels in batches:
        part = sums_of_part(x, labels, weight)
        loss, d_weight, count = loss + part[0], d_weight + part[1], count + part[2]
    return loss / count, d_weight / count


def parts_in_loops(batches, weight):
    loss, count, d_weight = 0.0, 0, np.zeros(weight.shape)
    for x, labels in batches:
        for row, label in zip(x, labels):
            if label == -100:
                continue
            exponentials = [math.exp(score) for score in row @ weight]
            loss -= math.log(exponentials[label] / sum(exponentials))
            for v, exponential in enumerate(exponentials):
                d_weight[:, v] += row * (exponential / sum(exponentials) - (v == label))
            count += 1
    return loss / count, d_weight / count


def parts_by_weighted_means(parts, W):
    total = sum((labels >= 0).sum() for _, labels in parts)
    loss, gradient = 0.0, np.zeros_like(W)
    for x, labels in parts:
        part_loss, part_gradient, count = sums_of_part(x, labels, W)
        if count:
            loss += part_loss / count * (count / total)
            gradient += part_gradient / count * (count / total)
    return [loss, gradient]


BASELINES = solution("baseline_losses")[0]

RIGHT = {
    "adamw_step": [adamw_in_place, adamw_in_loops, adamw_as_pytorch],
    "clip_global_norm": [clip_as_pytorch, clip_in_loops, clip_in_place],
    "baseline_losses": [
        dict(reversed(BASELINES.items())),
        {name: round(float(number), 3) for name, number in BASELINES.items()},
        {name: np.float64(number) for name, number in BASELINES.items()},
    ],
    "exact_limits": [limits_in_loops, limits_with_nan, limits_with_a_small_number],
    "error_bars": [bars_in_loops, bars_by_std, bars_by_cov],
    "head_removal": [removal_in_loops, removal_by_a_mask, removal_by_subtraction],
    "micro_batches": [parts_in_one_pass, parts_in_loops, parts_by_weighted_means],
}
