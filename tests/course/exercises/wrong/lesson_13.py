"""Wrong answers to the exercises of lesson 13, as students might give them who read the task only."""

import numpy as np
from course.exercises.solutions import solution
from course.exercises.wrong.answers import backward, forward

STEPS = solution("first_steps")[0]


def rates(exponent):
    """layer_rates with another exponent: exponent(group, num_layers), the embeddings being group 0."""

    def wrong(names, num_layers, lr, decay):
        found = {}
        for name in names:
            parts = name.split(".")
            group = int(parts[2]) + 1 if parts[1] == "encoder" else num_layers + 1
            found[name] = lr * decay ** exponent(0 if parts[1] == "embeddings" else group, num_layers)
        return found

    return (wrong,)


def low_rank(change):
    return forward(lambda x, down, up, *, weight, alpha: change(x, down, up, weight, alpha))


def log_sum(scores, axis=0):
    return np.logaddexp.reduce(scores, axis=axis)


def chain(emissions, transitions, labels, mask, *, join=log_sum, start=0.0, steps=None):
    """crf with other parts."""
    losses = []
    for scores, path, length in zip(emissions, labels, mask.sum(axis=1)):
        ahead = scores[0] + start
        for t in range(1, length):
            ahead = join(ahead[:, None] + transitions) + scores[t]
        score = scores[np.arange(length), path[:length]].sum()
        score += transitions[path[:length - 1], path[1:length]].sum() if steps is None else steps
        losses.append(join(ahead) - score)
    return np.mean(losses)


def without_labels(d_loss, g, emissions, transitions, labels, mask):
    d_emissions = g[0].copy()
    d_emissions += d_loss / len(labels) * np.eye(4)[labels] * mask[:, :, None]
    return [d_emissions, *g[1:]]


def softmax_of_each_word(d_loss, g, emissions, transitions, labels, mask):
    probs = np.exp(emissions) / np.exp(emissions).sum(axis=-1, keepdims=True)
    return [d_loss / len(labels) * (probs - np.eye(4)[labels]) * mask[:, :, None], *g[1:]]


def path(emissions, transitions, *, keep=None, start=0.0):
    best, pointers = emissions[0] + start, []
    for row in emissions[1:]:
        scores = best[:, None] + transitions
        pointers.append(scores.argmax(axis=0))
        best = (keep or np.max)(scores, axis=0) + row
    found = [int(best.argmax())]
    for pointer in pointers[::-1]:
        found.insert(0, int(pointer[found[0]]))
    return found, float(best.max())


def probes(states, words, labels, control, is_test, penalty, *, by_word=True, per_row=False):
    inputs = np.column_stack([states, np.ones(len(states))])
    learned = inputs[~is_test]
    system = learned.T @ learned + penalty * np.eye(inputs.shape[1]) * (len(learned) if per_row else 1)
    found = {}
    for name, answers in (("labels", labels), ("control", control[words if by_word else labels])):
        weight = np.linalg.solve(system, learned.T @ np.eye(control.max() + 1)[answers[~is_test]])
        found[name] = np.mean((inputs @ weight).argmax(axis=1)[is_test] == answers[is_test])
    return {**found, "selectivity": found["labels"] - found["control"]}


def erased(x, labels, *, centre=True, first=0):
    means = np.stack([x[labels == label].mean(axis=0) for label in range(labels.max() + 1)])
    differences = means - means[0]
    _, sizes, directions = np.linalg.svd(differences, full_matrices=False)
    directions = directions[first:][sizes[first:] > 1e-9]
    return x - (x - (x.mean(axis=0) if centre else means[0])) @ directions.T @ directions


WRONG = {
    "layer_rates": {
        "the top layer twice": rates(lambda group, L: L + 2 - group if group <= L else 0),
        "all by one": rates(lambda group, L: L + 2 - group),
        "the top layer like the head": rates(lambda group, L: max(0, L - group)),
        "from below": rates(lambda group, L: group),
        "embeddings not at all slower": rates(lambda group, L: L + 1 - max(group, 1)),
        "embeddings like the head": rates(lambda group, L: L + 1 - group if group else 0),
    },
    "first_steps": {
        "with the correction": (STEPS | {"first": 1.0},),
        "no root": (STEPS | {"first": 20.0},),
        "at its first": (STEPS | {"at": 1},),
        "at the hundredth": (STEPS | {"at": 100},),
        "the warm-up changes nothing": (STEPS | {"largest, warmed up": STEPS["largest"]},),
        "the largest divided by W": (STEPS | {"largest, warmed up": STEPS["largest"] / 100},),
        "β₁ for 1 - β₁": (STEPS | {"first": 0.9 / 0.999**0.5},),
    },
    "lora": {
        "alpha alone": low_rank(lambda x, a, b, w, alpha: x @ w + alpha * x @ a @ b),
        "the sum of two layers": low_rank(lambda x, a, b, w, alpha: x @ w + x @ a @ b),
        "R over alpha": low_rank(lambda x, a, b, w, alpha: x @ w + a.shape[1] / alpha * x @ a @ b),
        "weights scaled": low_rank(lambda x, a, b, w, alpha: x @ (w + a @ b) * alpha / a.shape[1]),
        "d_x past the frozen matrix": backward(
            "lora", lambda d_y, g, x, down, up: [6 / 4 * d_y @ up.T @ down.T, *g[1:]]),
        "d_x of the frozen matrix alone": backward(
            "lora", lambda d_y, g, x, down, up: [g[0] - 6 / 4 * d_y @ up.T @ down.T, *g[1:]]),
        "d_up without the factor": backward("lora", lambda d_y, g, *inputs: [*g[:2], g[2] * 4 / 6]),
        "d_down without the factor": backward("lora", lambda d_y, g, *inputs: [g[0], g[1] * 4 / 6, g[2]]),
        "nothing for up": backward("lora", lambda d_y, g, *inputs: [*g[:2], 0 * g[2]]),
    },
    "crf": {
        "steps only in the score": forward(
            lambda emissions, transitions, labels, mask: chain(
                emissions, 0 * transitions, labels, mask,
                steps=sum(transitions[path[:-1], path[1:]].sum() for path in labels) / 3)),
        "steps only in the sum": forward(
            lambda emissions, transitions, labels, mask: chain(
                emissions, transitions, labels, mask, steps=0.0)),
        "the best path": forward(
            lambda *given: chain(*given, join=lambda scores: scores.max(axis=0))),
        "a sum of logs": forward(
            lambda *given: chain(*given, join=lambda scores: scores.sum(axis=0))),
        "a step into the first word": forward(
            lambda emissions, transitions, labels, mask: chain(
                emissions, transitions, labels, mask, start=transitions[0])),
        "the labels are not subtracted": backward("crf", without_labels),
        "words for themselves on the way back": backward("crf", softmax_of_each_word),
        "transitions the other way": backward("crf", lambda d_loss, g, *inputs: [g[0], g[1].T, *g[2:]]),
        "a mean forgotten": backward("crf", lambda d_loss, g, *inputs: [g[0], 3 * g[1], *g[2:]]),
        "d_loss forgotten": backward("crf", lambda d_loss, g, *inputs: [g[0] / d_loss, *g[1:]]),
    },
    "viterbi": {
        "word by word": (lambda emissions, transitions: (emissions.argmax(axis=1).tolist(), 0.0),),
        "from j to i": (lambda emissions, transitions: path(emissions, transitions.T),),
        "the sum of all": (lambda emissions, transitions: path(
            emissions, transitions, keep=np.logaddexp.reduce),),
        "a step into the first word": (lambda emissions, transitions: path(
            emissions, transitions, start=transitions[0]),),
        "the score is forgotten": (lambda emissions, transitions: path(emissions, transitions)[0],),
        "the last label alone": (lambda emissions, transitions: (
            [path(emissions, transitions)[0][-1]], path(emissions, transitions)[1]),),
    },
    "selectivity": {
        "control by the label": (lambda *given: probes(*given, by_word=False),),
        "the penalty for each row": (lambda *given: probes(*given, per_row=True),),
        "labels alone": (lambda *given: {"labels": probes(*given)["labels"]},),
        "control as selectivity": (lambda *given: probes(*given) | {
            "selectivity": probes(*given)["control"]},),
        "test and training exchanged": (lambda states, words, labels, control, is_test, penalty: probes(
            states, words, labels, control, ~is_test, penalty),),
    },
    "same_means": {
        "from the first label": (lambda x, labels: erased(x, labels, centre=False),),
        "one direction is left": (lambda x, labels: erased(x, labels, first=1),),
        "the means": (lambda x, labels: x - np.stack(
            [x[labels == label].mean(axis=0) for label in range(labels.max() + 1)])[labels],),
        "the mean of all": (lambda x, labels: x - x.mean(axis=0),),
        "nothing": (lambda x, labels: x,),
        "everything": (lambda x, labels: np.broadcast_to(x.mean(axis=0), x.shape),),
    },
}
