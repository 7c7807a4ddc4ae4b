"""Exercises of lesson 13, fine-tuning: rates, first steps, low rank, paths of labels, probes, erasing."""

import re

import numpy as np

from minibert.course.exercises.kinds import Function, Gradients, Mistake, Value
from minibert.course.exercises.references import lesson_13 as right

# --- layer_rates ---

LAYERS = (right.names_of(3), 3, 0.008, 0.5)
MANY_LAYERS = (right.names_of(12), 12, 0.01, 0.9)
ALL_ALIKE = (right.names_of(2), 2, 0.01, 1.0)


def _rates(names, lr, decay, steps_of):
    """Rates by the number of steps below the head, steps_of(number of the layer; -1 of the embeddings)."""
    found = {}
    for name in names:
        layer = re.match(r"bert\.encoder\.(\d+)\.", name)
        is_above = not layer and not name.startswith("bert.embeddings.")
        steps = 0 if is_above else steps_of(int(layer[1]) if layer else -1)
        found[name] = lr * decay**steps
    return found


def rates_one_step_lower(names, num_layers, lr, decay):
    return _rates(names, lr, decay, lambda layer: num_layers - layer + 1)


def rates_one_step_higher(names, num_layers, lr, decay):
    return _rates(names, lr, decay, lambda layer: num_layers - 1 - layer)


def rates_embeddings_as_the_first_layer(names, num_layers, lr, decay):
    return _rates(names, lr, decay, lambda layer: num_layers - max(layer, 0))


def rates_from_below(names, num_layers, lr, decay):
    return _rates(names, lr, decay, lambda layer: layer + 1)


def rates_by_the_first_digit(names, num_layers, lr, decay):
    return _rates(names, lr, decay, lambda layer: num_layers - (layer if layer < 0 else int(str(layer)[0])))


def rates_in_a_line(names, num_layers, lr, decay):
    rates = right.layer_rates(names, num_layers, 1.0, 2.0)
    return {name: lr * max(0.0, 1 - (1 - decay) * np.log2(rate)) for name, rate in rates.items()}


# --- first_steps ---

BETAS = {"beta1": 0.8, "beta2": 0.99, "warmup": 100}
SIZES = right.first_steps(**BETAS)
STEPS_MISTAKES = [
    ({"first": 1.0}, "That is the first step with the correction. Without it m is 0.2 g and v is 0.01 g²."),
    ({"first": 20.0}, "Take the root of v: Adam divides by √v."),
    ({"first": 0.2}, "That is m alone: the step divides it by √v."),
    ({"at": 1}, "The numerator still grows: 1 - β₁ᵗ is near 1 after some five steps, √(1 - β₂ᵗ) much later."),
    ({"largest, warmed up": SIZES["largest"]}, "Warm-up is still small when the step would be largest."),
    ({"first, warmed up": SIZES["first"]}, "In step 1 of the warm-up the rate is 1 / W of its peak."),
]

# --- lora ---


def lora_inputs(rng):
    return tuple(rng.standard_normal(shape) for shape in ((2, 3, 7), (7, 4), (4, 5)))


LORA = {"weight": np.random.default_rng(13).standard_normal((7, 5)), "alpha": 6.0}


def lora_not_divided(x, down, up, *, weight, alpha):
    return x @ weight + alpha * (x @ down @ up)


def lora_multiplied(x, down, up, *, weight, alpha):
    return x @ weight + alpha * down.shape[1] * (x @ down @ up)


def lora_divided_by_root(x, down, up, *, weight, alpha):
    return x @ weight + alpha / down.shape[1] ** 0.5 * (x @ down @ up)


def lora_divided_by_hidden(x, down, up, *, weight, alpha):
    return x @ weight + alpha / x.shape[-1] * (x @ down @ up)


def lora_alone(x, down, up, *, weight, alpha):
    return alpha / down.shape[1] * (x @ down @ up)


def lora_scales_all(x, down, up, *, weight, alpha):
    return alpha / down.shape[1] * (x @ (weight + down @ up))


def lora_without_alpha(x, down, up, *, weight, alpha):
    return x @ (weight + down @ up)


# --- crf ---

CRF_MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 0, 0, 0, 0]])
CRF_LABELS = np.array([[3, 1, 1, 0, 2], [2, 1, 0, 0, 0], [1, 0, 0, 0, 0]])


def crf_inputs(rng):
    emissions, transitions = rng.standard_normal((3, 5, 4)), rng.standard_normal((4, 4))
    return emissions, transitions, CRF_LABELS.copy(), CRF_MASK.copy()


def crf_transposed(emissions, transitions, labels, mask):
    return right.crf(emissions, transitions.T, labels, mask)


def crf_each_word_alone(emissions, transitions, labels, mask):
    return right.crf(emissions, 0 * transitions, labels, mask)


def crf_with_padding(emissions, transitions, labels, mask):
    return right.crf(emissions, transitions, labels, np.ones_like(mask))


def crf_summed(emissions, transitions, labels, mask):
    return right.crf(emissions, transitions, labels, mask) * len(mask)


def crf_over_words(emissions, transitions, labels, mask):
    return crf_summed(emissions, transitions, labels, mask) / mask.sum()


def crf_best_for_all(emissions, transitions, labels, mask):
    """The best path's score in place of the sum over all paths."""
    losses = []
    for scores, path, length in zip(emissions, labels, mask.sum(axis=1)):
        best, _ = right.viterbi(scores[:length].real, transitions.real)
        both = (right.path_score(scores, transitions, each) for each in (best, path[:length]))
        losses.append(next(both) - next(both))
    return sum(losses) / len(losses)


def crf_score_alone(emissions, transitions, labels, mask):
    losses = [
        -right.path_score(scores, transitions, path[:length])
        for scores, path, length in zip(emissions, labels, mask.sum(axis=1))
    ]
    return sum(losses) / len(losses)


def _far_paths():
    """Scores so large that their exponential overflows; the loss is that of scores 3,000 lower."""
    emissions, *others = crf_inputs(np.random.default_rng(5))
    return (
        (emissions + 3000, *others), {}, right.crf(emissions, *others),
        "Scores of 3,000 overflow in exp: take the largest out of each log-sum-exp.",
    )


# --- viterbi ---

TRAP = (  # word by word (0, 0, 0), greedy (0, 2, 2), with transposed transitions another path again
    np.array([[2.0, 0.0, 1.8], [1.0, 0.9, 0.0], [1.0, 0.0, 0.5], [0.3, 1.1, 0.2]]),
    np.array([[-4.0, -2.0, 0.5], [1.5, -3.0, -1.0], [-1.0, 2.0, -2.0]]),
)
ONE_WORD = (np.array([[0.5, -1.0, 2.0]]), np.array([[5.0, 0.0, 0.0], [0.0, 5.0, 0.0], [0.0, 0.0, 5.0]]))
FREE = (
    np.random.default_rng(2).standard_normal((5, 4)), 1.5 * np.random.default_rng(3).standard_normal((4, 4)),
)


def path_word_by_word(emissions, transitions):
    path = emissions.argmax(axis=1).tolist()
    return path, float(right.path_score(emissions, transitions, path))


def path_greedy(emissions, transitions):
    path = [int(emissions[0].argmax())]
    for row in emissions[1:]:
        path.append(int((transitions[path[-1]] + row).argmax()))
    return path, float(right.path_score(emissions, transitions, path))


def path_transposed(emissions, transitions):
    return right.viterbi(emissions, transitions.T)


def path_backward(emissions, transitions):
    path, score = right.viterbi(emissions, transitions)
    return path[::-1], score


def path_without_steps_in_the_score(emissions, transitions):
    path, _ = right.viterbi(emissions, transitions)
    return path, float(sum(emissions[place, label] for place, label in enumerate(path)))


def path_read_off_forward(emissions, transitions):
    """The label of each word is the best end of a path so far; no pointers are followed."""
    best, path = emissions[0], [int(emissions[0].argmax())]
    for row in emissions[1:]:
        best = (best[:, np.newaxis] + transitions).max(axis=0) + row
        path.append(int(best.argmax()))
    return path, float(best.max())


# --- selectivity ---

WORDS = right.words_in_context(np.random.default_rng(0))
MORE_WORDS = right.words_in_context(np.random.default_rng(1), 75, 17, 9, 4)


def selective_trained_on_all(states, words, labels, control, is_test, penalty):
    return _selective(states, words, labels, control, np.ones_like(is_test), is_test, penalty)


def _selective(states, words, labels, control, is_learned, is_test, penalty, column=1.0):
    inputs = np.column_stack([states, np.full(len(states), column)])
    system = inputs[is_learned].T @ inputs[is_learned] + penalty * np.eye(inputs.shape[1])
    found = {}
    for name, answers in (("labels", labels), ("control", control[words])):
        targets = np.eye(control.max() + 1)[answers[is_learned]]
        guesses = (inputs @ np.linalg.solve(system, inputs[is_learned].T @ targets)).argmax(axis=1)
        found[name] = float(np.mean((guesses == answers)[is_test]))
    return {**found, "selectivity": found["labels"] - found["control"]}


def selective_asked_what_it_learned(states, words, labels, control, is_test, penalty):
    return _selective(states, words, labels, control, ~is_test, ~is_test, penalty)


def selective_without_ones(states, words, labels, control, is_test, penalty):
    return _selective(states, words, labels, control, ~is_test, is_test, penalty, column=0.0)


def selective_other_sign(states, words, labels, control, is_test, penalty):
    found = right.selectivity(states, words, labels, control, is_test, penalty)
    return {**found, "selectivity": -found["selectivity"]}


def selective_one_probe(states, words, labels, control, is_test, penalty):
    """The probe of the true labels is also compared with the control labels; none is trained on these."""
    inputs = np.column_stack([states, np.ones(len(states))])
    learned = inputs[~is_test]
    system = learned.T @ learned + penalty * np.eye(inputs.shape[1])
    weight = np.linalg.solve(system, learned.T @ np.eye(control.max() + 1)[labels[~is_test]])
    guesses = (inputs @ weight).argmax(axis=1)[is_test]
    found = {
        "labels": float(np.mean(guesses == labels[is_test])),
        "control": float(np.mean(guesses == control[words][is_test])),
    }
    return {**found, "selectivity": found["labels"] - found["control"]}


def selective_ratio(states, words, labels, control, is_test, penalty):
    found = right.selectivity(states, words, labels, control, is_test, penalty)
    return {**found, "selectivity": found["labels"] / found["control"]}


# --- same_means ---

STATES = right.labelled_states(np.random.default_rng(0))
TWO_LABELS = right.labelled_states(np.random.default_rng(1), 11, 5, 2)
NOTHING = (np.array([[1.0, 2.0], [3.0, 0.0], [3.0, 0.0], [1.0, 2.0]]), np.array([0, 0, 1, 1]))


def _class_means(x, labels):
    return np.stack([x[labels == label].mean(axis=0) for label in np.unique(labels)])


def means_shifted(x, labels):
    """Each row is moved by what its own label's mean is off."""
    return x - _class_means(x, labels)[labels] + x.mean(axis=0)


def means_seen_from_zero(x, labels):
    _, sizes, directions = np.linalg.svd(_class_means(x, labels) - x.mean(axis=0), full_matrices=False)
    directions = directions[sizes > 1e-9]
    return x - x @ directions.T @ directions


def means_one_after_another(x, labels):
    """Each difference is removed by itself, though they are not at right angles."""
    means, y = _class_means(x, labels), x
    for direction in means[1:] - means[0]:
        size = np.linalg.norm(direction)
        if size > 1e-9:
            y = y - np.outer((x - x.mean(axis=0)) @ direction, direction) / size**2
    return y


def means_one_direction(x, labels):
    means = _class_means(x, labels) - x.mean(axis=0)
    _, sizes, directions = np.linalg.svd(means, full_matrices=False)
    directions = directions[:1] if sizes[0] > 1e-9 else directions[:0]
    return x - (x - x.mean(axis=0)) @ directions.T @ directions


def means_themselves(x, labels):
    """The directions of the means, not of their differences: one too many."""
    _, _, directions = np.linalg.svd(_class_means(x, labels), full_matrices=False)
    return x - (x - x.mean(axis=0)) @ directions.T @ directions


def means_kept(x, labels):
    """What should go is all that stays."""
    return x.mean(axis=0) + x - right.same_means(x, labels)


def _cases(reference, *given):
    return [(arguments, reference(*arguments)) for arguments in given]


EXERCISES = [
    # Task: the rate of each parameter by its layer.
    Function(
        name="layer_rates",
        points=2,
        cases=_cases(right.layer_rates, LAYERS, MANY_LAYERS, ALL_ALIKE),
        mistakes=[
            Mistake(
                rates_one_step_lower,
                "The top layer is one step below the head: lr · decay. Yours has the square.",
            ),
            Mistake(rates_one_step_higher, "The top layer learns like the head: it is one step below it."),
            Mistake(
                rates_embeddings_as_the_first_layer,
                "The embeddings are one step below layer 0, not its equals.",
            ),
            Mistake(rates_from_below, "The other way round: the head has the full rate."),
            Mistake(rates_by_the_first_digit, "Layer 10 is read as layer 1: take the whole number."),
            Mistake(rates_in_a_line, "A factor for each step, not a difference: lr · decay ** steps."),
        ],
        hint="Steps below the head: 0 for head and pooler, L - l for layer l of L, L + 1 for the embeddings.",
    ),
    # Task: the size of Adam's first steps without bias correction, in units of the rate.
    Value(
        name="first_steps",
        points=2,
        expected=SIZES,
        tolerance=1e-3,
        mistakes=STEPS_MISTAKES,
        hint="With a constant gradient g, m = (1 - β₁ᵗ) g and v = (1 - β₂ᵗ) g² after t steps.",
    ),
    # Task: a frozen matrix with a trained one of low rank beside it, forward and backward.
    Gradients(
        name="lora",
        points=(1, 2),
        inputs=lora_inputs,
        constants=LORA,
        values=[-1.7722, 5.15928, 11.0689, -6.62744, -4.53698, -3.41703, 2.75093, -17.5215],
        shape=(2, 3, 5),
        mistakes=[
            Mistake(lora_not_divided, "The update is multiplied by alpha / R, not by alpha."),
            Mistake(lora_multiplied, "The update is multiplied by alpha / R: yours has alpha · R."),
            Mistake(lora_divided_by_root, "The update is multiplied by alpha / R, not alpha / √R."),
            Mistake(lora_divided_by_hidden, "R is the small size, the columns of `down`, not H."),
            Mistake(lora_alone, "The frozen matrix takes part in the forward: x @ weight."),
            Mistake(lora_scales_all, "Only the update is multiplied by alpha / R, not x @ weight."),
            Mistake(lora_without_alpha, "The factor alpha / R is missing."),
        ],
        hint="x @ weight + alpha / R * (x @ down @ up)",
    ),
    # Task: the loss of a linear-chain CRF, forward and backward.
    Gradients(
        name="crf",
        points=(2, 3),
        inputs=crf_inputs,
        values=[6.10566],
        shape=(),
        edges=[_far_paths()],
        mistakes=[
            Mistake(crf_transposed, "transitions[i, j] is the step from label i to label j."),
            Mistake(crf_each_word_alone, "The transitions are left out: this is a softmax for each word."),
            Mistake(crf_with_padding, "Padding takes part: a path has as many labels as its sentence words."),
            Mistake(crf_summed, "This is the sum: take the mean over the sentences."),
            Mistake(crf_over_words, "Divided by the words: take the mean over the sentences."),
            Mistake(crf_best_for_all, "log Z sums over all paths; yours takes the best one alone."),
            Mistake(crf_score_alone, "The log of the sum over all paths is missing."),
        ],
        hint="a[j] = log Σ_i exp(a[i] + transitions[i, j]) + emissions[t, j]; at the end log Σ_j exp(a[j]).",
    ),
    # Task: the best path of labels.
    Function(
        name="viterbi",
        points=2,
        cases=_cases(right.viterbi, TRAP, ONE_WORD, FREE),
        mistakes=[
            Mistake(path_word_by_word, "Each word has its own best label: the transitions are left out."),
            Mistake(path_greedy, "Greedy: a label that is best so far may have no good label after it."),
            Mistake(path_transposed, "transitions[i, j] is the step from label i to label j."),
            Mistake(path_backward, "The path is in the wrong order: pointers are followed from the end."),
            Mistake(path_without_steps_in_the_score, "The score has the transitions, too."),
            Mistake(
                path_read_off_forward,
                "Remember from where each best score came, and follow that back from the last word.",
            ),
        ],
        hint="As in the CRF with max for log Σ exp; keep the argmax of each word and label.",
    ),
    # Task: a probe on labels, and the same probe on control labels.
    Function(
        name="selectivity",
        points=2,
        cases=_cases(right.selectivity, WORDS, MORE_WORDS),
        mistakes=[
            Mistake(selective_asked_what_it_learned, "Ask about the rows of is_test alone."),
            Mistake(selective_trained_on_all, "The probe has seen the answers: learn from ~is_test alone."),
            Mistake(selective_without_ones, "The column of ones is missing."),
            Mistake(selective_other_sign, "Selectivity is labels - control, not control - labels."),
            Mistake(selective_ratio, "Selectivity is a difference, not a ratio."),
            Mistake(selective_one_probe, "The control is a probe of its own, trained on the control labels."),
        ],
        hint="Two probes on the same rows, with the same penalty: one for labels, one for control[words].",
    ),
    # Task: change states so that all labels have the same mean.
    Function(
        name="same_means",
        points=2,
        cases=_cases(right.same_means, STATES, TWO_LABELS, NOTHING),
        mistakes=[
            Mistake(means_shifted, "This needs a row's label; an eraser is one map for all rows."),
            Mistake(means_seen_from_zero, "Measure from the mean of all rows: it has to stay where it is."),
            Mistake(
                means_one_after_another,
                "The differences are not at right angles: make an orthonormal basis first (SVD or QR).",
            ),
            Mistake(means_one_direction, "K labels have K - 1 directions between their means."),
            Mistake(means_themselves, "The span of the differences, not of the means themselves."),
            Mistake(means_kept, "Exchanged: this keeps what should go."),
        ],
        hint="An orthonormal basis V (J, H) of the means' differences; x - (x - mean) @ V.T @ V.",
    ),
]
