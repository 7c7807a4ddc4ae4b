"""References of lesson 04, ELMo and ULMFiT."""

import numpy as np

from minibert.course.exercises.variants import Reference


def word_from_letters(ids, table, weight):
    y = np.full((len(ids), weight.shape[2]), -np.inf)                           # (N, F)
    for word, row in enumerate(ids):
        letters = table[row[row > 0]]                                           # (real letters, D)
        for first, second in zip(letters[:-1], letters[1:]):
            y[word] = np.maximum(y[word], first @ weight[0] + second @ weight[1])
    return y


def highway(x, weight, weight_gate, weight_carry):
    gate, carry = (1 / (1 + np.exp(-x @ each)) for each in (weight_gate, weight_carry))
    return gate * np.tanh(x @ weight) + carry * x


def forecast_masks(lengths, num_tokens):
    ahead = np.zeros((len(lengths), num_tokens, num_tokens), int)
    for row, length in enumerate(lengths):
        ahead[row, :length, :length] = np.tri(length, k=-1, dtype=int)
    back = np.zeros_like(ahead)
    for row, length in enumerate(lengths):
        back[row, :length, :length] = np.tri(length, k=-1, dtype=int).T
    return ahead, back


def draw_lengths(rng):
    return [([int(length) for length in rng.integers(1, 9, 4)], 9)]


def product_of_two(joint):
    of_word, losses = joint.sum(axis=(0, 2)), dict.fromkeys(("left", "right", "product", "both"), 0.0)
    for left, word, right in zip(*np.nonzero(joint)):
        given_left = joint[left].sum(axis=1) / joint[left].sum()
        given_right = joint[:, :, right].sum(axis=0) / joint[:, :, right].sum()
        both = joint[left, :, right] / joint[left, :, right].sum()
        product = given_left * given_right / of_word
        tables = given_left, given_right, product / product.sum(), both
        for name, table in zip(losses, tables):
            losses[name] -= float(joint[left, word, right] * np.log(table[word]))
    return losses


def draw_joint(rng):
    joint = rng.integers(0, 6, (3, 5, 4)) + 0.25
    return [(joint / joint.sum(),)]


def scalar_mix(layers, weight, gamma):
    probs = np.exp(weight) / np.exp(weight).sum()
    mixed = sum(prob * layer for prob, layer in zip(probs, layers))
    ahead, back = np.split(mixed, 2, axis=-1)
    return np.concatenate([gamma[0] * ahead, gamma[1] * back], axis=-1)


def attention_pooling(states, query, mask):
    rows = []
    for row, real in zip(states, mask):
        tokens = row[real == 1]                                                 # (n, H)
        weights = np.exp(tokens @ query - (tokens @ query).max())
        rows.append(np.concatenate([weights @ tokens / weights.sum(), tokens.max(axis=0)]))
    return np.array(rows)


def rate_table(num_epochs, per_epoch, num_groups, peak):
    num_steps = num_epochs * per_epoch
    steps, cut = np.arange(num_steps), num_steps // 10
    height = np.where(steps < cut, steps / max(cut, 1), 1 - (steps - cut) / (num_steps - cut))
    below_the_top = np.arange(num_groups)[::-1]
    begun = (steps // per_epoch)[:, np.newaxis] >= below_the_top
    return (peak * (1 + 31 * height) / 32)[:, np.newaxis] * begun / 2.6**below_the_top


def draw_plans(rng):
    peaks = [round(float(peak), 2) for peak in rng.uniform(0.1, 0.9, 2)]
    return [(6, 8, 3, peaks[0]), (7, 3, 5, peaks[1])]


REFERENCES = {
    "word_from_letters": Reference(word_from_letters),
    "highway": Reference(highway),
    "forecast_masks": Reference(forecast_masks, draw_lengths),
    "product_of_two": Reference(product_of_two, draw_joint),
    "scalar_mix": Reference(scalar_mix),
    "attention_pooling": Reference(attention_pooling),
    "rate_table": Reference(rate_table, draw_plans),
}
