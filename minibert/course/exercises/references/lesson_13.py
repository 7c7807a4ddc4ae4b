"""References of lesson 13, fine-tuning."""

import itertools
import re

import numpy as np

from minibert.course.exercises.variants import Reference


def layer_rates(names, num_layers, lr, decay):
    rates = {}
    for name in names:
        layer = re.match(r"bert\.encoder\.(\d+)\.", name)
        if layer:
            steps = num_layers - int(layer[1])
        else:
            steps = num_layers + 1 if name.startswith("bert.embeddings.") else 0
        rates[name] = lr * decay**steps
    return rates


def names_of(num_layers):
    """Names of some parameters of a classifier, in a mixed order."""
    layers = [f"bert.encoder.{layer}.{part}" for layer in range(num_layers) for part in (
        "attention.query.weight", "feed_forward.output.bias")]
    return [
        "head.classifier.weight", *layers[::-1], "bert.embeddings.word_embeddings.weight",
        "bert.pooler.dense.weight", "bert.embeddings.layer_norm.weight",
    ]


def draw_layers(rng):
    num_layers = int(rng.integers(11, 15))
    return [(names_of(num_layers), num_layers, float(rng.integers(2, 9)) / 1000, 0.7)]


def first_steps(beta1, beta2, warmup):
    steps = np.arange(1, 20_000)
    sizes = (1 - beta1**steps) / np.sqrt(1 - beta2**steps)
    warmed = sizes * np.minimum(1, steps / warmup)
    return {
        "first": float(sizes[0]), "largest": float(sizes.max()), "at": int(steps[sizes.argmax()]),
        "first, warmed up": float(warmed[0]), "largest, warmed up": float(warmed.max()),
    }


def draw_betas(rng):
    beta1, beta2 = ((0.8, 0.99), (0.9, 0.998), (0.95, 0.9995))[int(rng.integers(3))]
    return {"beta1": beta1, "beta2": beta2, "warmup": 10 * int(rng.integers(6, 20))}


def lora(x, down, up, *, weight, alpha):
    return x @ (weight + alpha / down.shape[1] * down @ up)


def crf(emissions, transitions, labels, mask):
    """All paths are counted, one by one."""
    losses = []
    for scores, path, length in zip(emissions, labels, mask.sum(axis=1)):
        every = [
            path_score(scores, transitions, each)
            for each in itertools.product(range(scores.shape[1]), repeat=int(length))
        ]
        largest = max(score.real for score in every)
        total = np.log(sum(np.exp(score - largest) for score in every)) + largest
        losses.append(total - path_score(scores, transitions, path[:length]))
    return sum(losses) / len(losses)


def path_score(emissions, transitions, path):
    """The score of one path of labels (T,)."""
    steps = sum(transitions[first, second] for first, second in itertools.pairwise(path))
    return sum(emissions[place, label] for place, label in enumerate(path)) + steps


def viterbi(emissions, transitions):
    paths = itertools.product(range(emissions.shape[1]), repeat=len(emissions))
    best = max(paths, key=lambda path: path_score(emissions, transitions, path))
    return list(best), float(path_score(emissions, transitions, best))


def draw_tags(rng):
    return [(rng.standard_normal((6, 4)), 1.5 * rng.standard_normal((4, 4)))]


def selectivity(states, words, labels, control, is_test, penalty):
    inputs = np.column_stack([states, np.ones(len(states))])
    learned = inputs[~is_test]
    system = learned.T @ learned + penalty * np.eye(inputs.shape[1])
    found = {}
    for name, answers in (("labels", labels), ("control", control[words])):
        targets = np.eye(control.max() + 1)[answers]
        weight = np.linalg.solve(system, learned.T @ targets[~is_test])
        found[name] = float(np.mean((inputs @ weight).argmax(axis=1)[is_test] == answers[is_test]))
    return {**found, "selectivity": found["labels"] - found["control"]}


def words_in_context(rng, number=60, vocab=11, size=7, num_labels=3):
    """Arguments of `selectivity`: a state is its word's vector, something of its label, and noise."""
    words = rng.integers(0, vocab, number)
    labels = (words + (rng.random(number) < 0.3)) % num_labels
    control = np.concatenate([np.arange(num_labels), rng.integers(0, num_labels, vocab - num_labels)])
    states = rng.standard_normal((vocab, size))[words] + rng.standard_normal((num_labels, size))[labels]
    states += 0.5 * rng.standard_normal((number, size))
    return states, words, labels, control, np.arange(number) % 4 == 0, 0.5


def draw_words(rng):
    return [words_in_context(rng)]


def same_means(x, labels):
    mean = x.mean(axis=0)
    means = np.stack([x[labels == label].mean(axis=0) for label in np.unique(labels)])
    _, sizes, directions = np.linalg.svd(means - mean, full_matrices=False)
    directions = directions[sizes > 1e-9 * max(sizes.max(), 1)]
    return x - (x - mean) @ directions.T @ directions


def labelled_states(rng, number=13, size=6, num_labels=3):
    labels = np.arange(number) % num_labels
    return rng.standard_normal((num_labels, size))[labels] * 2 + rng.standard_normal((number, size)), labels


def draw_states(rng):
    return [labelled_states(rng, 17, 8, 5)]


REFERENCES = {
    "layer_rates": Reference(layer_rates, draw_layers),
    "first_steps": Reference(
        first_steps, draw_betas,
        "β₁ = {beta1}, β₂ = {beta2}, a warm-up of {warmup} steps"),
    "lora": Reference(lora),
    "crf": Reference(crf),
    "viterbi": Reference(viterbi, draw_tags),
    "selectivity": Reference(selectivity, draw_words),
    "same_means": Reference(same_means, draw_states),
}
