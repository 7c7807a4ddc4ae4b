"""References of lesson 12, pretraining."""

import math

import numpy as np

from minibert.course.exercises.lesson_12 import Parts
from minibert.course.exercises.variants import Reference
from minibert.layers.cross_entropy import IGNORE_INDEX


def adamw_step(value, grad, first, second, step, lr, beta1, beta2, eps, weight_decay):
    first = beta1 * first + (1 - beta1) * grad
    second = beta2 * second + (1 - beta2) * grad * grad
    update = first / (1 - beta1**step) / (np.sqrt(second / (1 - beta2**step)) + eps)
    decay = weight_decay * value if value.ndim > 1 else 0.0
    return value - lr * (update + decay), first, second


def draw_parameters(rng):
    cases = []
    for shape in ((2, 3), (4,)):
        value, grad, first = rng.standard_normal((3, *shape))
        second = rng.uniform(0.1, 2.0, shape)
        cases.append((value, grad, first, second, int(rng.integers(2, 9)), 0.05, 0.7, 0.9, 0.02, 0.3))
    return cases


def clip_global_norm(gradients, max_norm):
    norm = math.sqrt(sum(float((grad * grad).sum()) for grad in gradients))
    return [grad * min(1.0, max_norm / max(norm, 1e-300)) for grad in gradients]


def draw_gradients(rng):
    gradients = [rng.standard_normal(shape) for shape in ((2, 6), (4,), (1, 5))]
    return [(gradients, 1.5), (gradients, 50.0)]


def baseline_losses(pieces, is_next, predicted):
    return {
        "untrained": math.log(pieces),
        "untrained_perplexity": float(pieces),
        "unigram": 1.75 * math.log(2),
        "unigram_accuracy": 0.5,
        "half_certain": 0.5 * math.log(2),
        "always_not_next": 1 - is_next / 100,
        "averaged_over_all": predicted / 100 * math.log(pieces),
    }


def draw_baselines(rng):
    return {
        "pieces": 100 * int(rng.integers(80, 500)),
        "is_next": int(rng.choice([20, 25, 30, 35, 45])),
        "predicted": int(rng.choice([10, 12, 20, 25, 30])),
    }


def exact_limits(truth, model):
    occurs = truth > 0
    loss, limit = (
        float(-(truth[occurs] * np.log(probs[occurs])).sum() / len(truth)) for probs in (model, truth)
    )
    right = truth[np.arange(len(truth)), model.argmax(axis=1)]
    best = truth.max(axis=1)
    return {"loss": loss, "limit": limit, "accuracy": right.mean(), "best_accuracy": best.mean()}


def draw_languages(rng):
    truth = rng.dirichlet(np.ones(4), 6)
    truth[np.arange(6), rng.integers(0, 4, 6)] = 0
    return [(truth / truth.sum(axis=1, keepdims=True), rng.dirichlet(np.ones(4), 6))]


def error_bars(pretrained, random):
    variances = [values.var(ddof=1) / len(values) for values in (pretrained, random)]
    difference, error = pretrained.mean() - random.mean(), math.sqrt(sum(variances))
    return {"difference": difference, "standard_error": error, "clear": bool(abs(difference) > 2 * error)}


def draw_accuracies(rng):
    return [(rng.uniform(0.7, 0.9, size), rng.uniform(0.6, 0.8, other)) for size, other in ((6, 4), (3, 5))]


def head_removal(maps, head_outputs, output_weight, query, key, count):
    removed = np.sort(np.argsort(-maps[:, query, key])[:count])
    outputs = head_outputs[:, query].copy()
    outputs[removed] = 0
    return removed, outputs.reshape(-1) @ output_weight


def draw_heads(rng):
    arrays = rng.dirichlet(np.ones(7), (5, 7)), rng.standard_normal((5, 7, 2)), rng.standard_normal((10, 6))
    return [(*arrays, int(rng.integers(0, 3)), int(rng.integers(3, 7)), 3)]


def micro_batches(batches, weight):
    copies = [(x.copy(), labels.copy()) for x, labels in batches]  # the parts share one memory
    x, labels = (np.concatenate(arrays) for arrays in zip(*copies))
    counted = labels != IGNORE_INDEX
    logits = x[counted] @ weight
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    onehot = np.eye(weight.shape[1])[labels[counted]]
    loss = -np.log((probs * onehot).sum(axis=1)).mean()
    return loss, x[counted].T @ (probs - onehot) / counted.sum()


def draw_batches(rng):
    batches = []
    for size in (1, 6, 8):
        labels = rng.integers(0, 5, size)
        labels[: size // 2] = IGNORE_INDEX
        batches.append((rng.standard_normal((size, 4)), labels))
    return [(Parts(batches), rng.standard_normal((4, 5)))]


def z_loss(logits, labels, z_weight):
    counted = labels != IGNORE_INDEX
    rows = logits[counted]
    log_z = np.log(np.exp(rows).sum(axis=-1))
    return (log_z - rows[np.arange(len(rows)), labels[counted]] + z_weight * log_z * log_z).mean()


REFERENCES = {
    "adamw_step": Reference(adamw_step, draw_parameters),
    "clip_global_norm": Reference(clip_global_norm, draw_gradients),
    "baseline_losses": Reference(
        baseline_losses,
        draw_baselines,
        "{pieces} pieces; {is_next} % of the pairs are “next”; {predicted} % of the tokens are predicted",
    ),
    "exact_limits": Reference(exact_limits, draw_languages),
    "error_bars": Reference(error_bars, draw_accuracies),
    "head_removal": Reference(head_removal, draw_heads),
    "micro_batches": Reference(micro_batches, draw_batches),
    "z_loss": Reference(z_loss),
}
