"""Right answers to the exercises of lesson 13 in other styles than the solution's."""

import numpy as np
from course.exercises.solutions import solution

STEPS = solution("first_steps")[0]


def rates_by_split(names, num_layers, lr, decay):
    found = {}
    for name in names:
        parts = name.split(".")
        if parts[1] == "encoder":
            found[name] = lr * decay ** (num_layers - int(parts[2]))
        elif parts[1] == "embeddings":
            found[name] = lr * decay ** (num_layers + 1)
        else:
            found[name] = lr
    return found


def rates_by_a_table(names, num_layers, lr, decay):
    table = {f"bert.encoder.{layer}.": layer + 1 for layer in range(num_layers)}
    table["bert.embeddings."] = 0
    groups = lr * decay ** np.arange(num_layers + 1, -1, -1.0)
    place = {name: next((table[start] for start in table if name.startswith(start)), -1) for name in names}
    return {name: groups[number] for name, number in place.items()}


def rates_from_above(names, num_layers, lr, decay):
    """Group by group, each a factor less than the one above it."""
    found, rate = {name: lr for name in names if ".pooler." in name or name.startswith("head.")}, lr
    for layer in range(num_layers - 1, -1, -1):
        rate *= decay
        found.update((name, rate) for name in names if f".encoder.{layer}." in name)
    found.update((name, rate * decay) for name in names if ".embeddings." in name)
    return found


def path_in_loops(emissions, transitions):
    T, K = emissions.shape
    best, came_from = np.zeros((T, K)), np.zeros((T, K), int)
    best[0] = emissions[0]
    for t in range(1, T):
        for j in range(K):
            scores = [best[t - 1, i] + transitions[i, j] for i in range(K)]
            came_from[t, j] = int(np.argmax(scores))
            best[t, j] = max(scores) + emissions[t, j]
    path = [int(np.argmax(best[-1]))]
    for t in range(T - 1, 0, -1):
        path.insert(0, came_from[t, path[0]])
    return path, best[-1].max()


def path_with_paths(emissions, transitions):
    """Each label keeps its whole path."""
    paths = [([label], score) for label, score in enumerate(emissions[0])]
    for row in emissions[1:]:
        paths = [
            max((([*path, j], score + transitions[path[-1], j] + row[j]) for path, score in paths),
                key=lambda item: item[1])
            for j in range(len(row))
        ]
    return max(paths, key=lambda item: item[1])


def path_from_the_end(emissions, transitions):
    """The recurrence from right to left: the best that can follow each label."""
    T, best, after = len(emissions), emissions[-1], []
    for row in emissions[-2::-1]:
        scores = transitions + best
        after.insert(0, scores.argmax(axis=1))
        best = row + scores.max(axis=1)
    path = [int(np.argmax(best))]
    for t in range(T - 1):
        path.append(int(after[t][path[-1]]))
    return np.array(path), float(best[path[0]])


def selective_by_least_squares(states, words, labels, control, is_test, penalty):
    """The penalty as further rows of a least squares problem."""
    H, found = states.shape[1] + 1, {}
    inputs = np.hstack([states, np.ones((len(states), 1))])
    for name, answers in {"control": control[words], "labels": labels}.items():
        targets = (answers[:, None] == np.arange(control.max() + 1)).astype(float)
        rows = np.vstack([inputs[~is_test], penalty**0.5 * np.eye(H)])
        wanted = np.vstack([targets[~is_test], np.zeros((H, targets.shape[1]))])
        weight = np.linalg.lstsq(rows, wanted, rcond=None)[0]
        right = (inputs[is_test] @ weight).argmax(axis=1) == answers[is_test]
        found[name] = right.sum() / is_test.sum()
    found["selectivity"] = found["labels"] - found["control"]
    return found


def selective_by_inverse(states, words, labels, control, is_test, penalty):
    x = np.c_[np.ones(len(states)), states]
    inverse = np.linalg.inv(x[~is_test].T @ x[~is_test] + penalty * np.eye(x.shape[1])) @ x[~is_test].T
    accuracies = []
    for answers in (labels, [control[word] for word in words]):
        answers = np.array(answers)
        weight = inverse @ np.eye(max(answers) + 1)[answers[~is_test]]
        accuracies.append((np.argmax(x[is_test] @ weight, axis=1) == answers[is_test]).mean())
    first, second = accuracies
    return {"labels": first, "control": second, "selectivity": first - second}


def selective_by_columns(states, words, labels, control, is_test, penalty):
    """A weight for each label, one after the other."""
    x = np.insert(states, states.shape[1], 1.0, axis=1)
    train, accuracies = x[np.logical_not(is_test)], {}
    for name, answers in zip(["labels", "control"], [labels, np.take(control, words)]):
        scores = []
        for label in sorted(set(control.tolist())):
            target = (answers == label)[np.logical_not(is_test)] * 1.0
            system = train.T @ train + np.diag([penalty] * x.shape[1])
            scores.append(x @ np.linalg.solve(system, train.T @ target))
        accuracies[name] = float((np.array(scores).argmax(axis=0) == answers)[is_test].mean())
    return accuracies | {"selectivity": accuracies["labels"] - accuracies["control"]}


def means_by_qr(x, labels):
    means = np.array([x[labels == label].mean(axis=0) for label in sorted(set(labels.tolist()))])
    differences = (means[1:] - means[0]).T
    if np.abs(differences).max() < 1e-9:
        return x
    basis, _ = np.linalg.qr(differences)
    return x - (x - x.mean(axis=0)) @ basis @ basis.T


def means_by_gram_schmidt(x, labels):
    centre, basis = x.mean(axis=0), []
    for label in range(1, labels.max() + 1):
        direction = x[labels == label].mean(axis=0) - x[labels == 0].mean(axis=0)
        for other in basis:
            direction = direction - (direction @ other) * other
        if np.linalg.norm(direction) > 1e-9:
            basis.append(direction / np.linalg.norm(direction))
    y = x - centre
    for direction in basis:
        y = y - np.outer(y @ direction, direction)
    return y + centre


def means_by_pinv(x, labels):
    means = np.array([x[labels == label].mean(axis=0) for label in range(labels.max() + 1)])
    differences = means - x.mean(axis=0)
    return x - (x - x.mean(axis=0)) @ np.linalg.pinv(differences, rcond=1e-9) @ differences


RIGHT = {
    "layer_rates": [rates_by_split, rates_by_a_table, rates_from_above],
    "first_steps": [
        dict(reversed(STEPS.items())),
        {name: round(number, 3) for name, number in STEPS.items()} | {"first, warmed up": 0.02},
        {name: np.float64(number) for name, number in STEPS.items()},
    ],
    "viterbi": [path_in_loops, path_with_paths, path_from_the_end],
    "selectivity": [
        selective_by_least_squares, selective_by_inverse, selective_by_columns],
    "same_means": [means_by_qr, means_by_gram_schmidt, means_by_pinv],
}
