"""Exercises of lesson 07, the Transformer: steps in a row, teacher forcing, cross-attention, waves, beams."""

import math

import numpy as np

from minibert.course.exercises.kinds import Function, Gradients, Mistake, Value
from minibert.layers.cross_entropy import IGNORE_INDEX
from minibert.layers.softmax import softmax

# --- steps_in_a_row ---

STEPS = {"lstm": 40, "lstm_stack": 45, "attention_stack": 6, "window_layers": 13, "translation": 66}
STEPS_MISTAKES = [
    ({"lstm": 1}, "The state after a token needs the state before it: the steps wait for each other."),
    ({"lstm": 39}, "The first token needs a step, too."),
    ({"lstm_stack": 240}, "Step t of a layer needs step t of the layer below, not all of that layer."),
    ({"lstm_stack": 40}, "The top layer begins late: it waits for the first token of each layer below."),
    ({"lstm_stack": 46}, "One too many: the first token needs 6 steps, each of the 39 others one more."),
    ({"attention_stack": 1}, "The layers wait for each other; the tokens of a layer do not."),
    ({"attention_stack": 40}, "No token of a layer waits for another token of that layer."),
    ({"window_layers": 10}, "A token is one of its own W: each layer reaches W - 1 tokens further back."),
    ({"window_layers": 12}, "After that many layers the last token sees 36 tokens back: not yet 39."),
    ({"window_layers": 14}, "One too many: the first token is 39 tokens back, not 40."),
    ({"translation": 60}, "The source has to be read first, by 6 layers of the encoder."),
    ({"translation": 12}, "The decoder cannot read a word before it has written it."),
    ({"translation": 7}, "Each of the words passes through all layers of the decoder."),
]

# --- teacher_forcing ---

PAIRS = ([[7, 4, 9, 5, 8], [6, 7]], [[4, 7, 5], [9]], 2, 3, 0)
SWAPPED_IDS = ([[8, 3], [5, 2, 6, 3, 8, 2]], [[6], [3, 8, 2, 5]], 9, 4, 7)
PAIR_OF_ONE = ([[5, 6, 7]], [[8]], 1, 2, 3)


def _filled(rows, width, value):
    return np.array([[*row, *[value] * (width - len(row))] for row in rows])


def _laid_out(sources, targets, start, end, pad):
    """Return the four arrays of the task."""
    num_target, num_source = max(map(len, targets)) + 1, max(map(len, sources))
    seen = _filled([[1] * len(source) for source in sources], num_source, 0)
    return {
        "target_ids": _filled([[start, *target] for target in targets], num_target, pad),
        "labels": _filled([[*target, end] for target in targets], num_target, IGNORE_INDEX),
        "decoder": np.tri(num_target, dtype=int),
        "cross": np.repeat(seen[:, np.newaxis], num_target, axis=1),
    }


def forced_unshifted(sources, targets, start, end, pad):
    right = _laid_out(sources, targets, start, end, pad)
    return right | {"target_ids": np.where(right["labels"] < 0, pad, right["labels"])}


def forced_with_padded_labels(sources, targets, start, end, pad):
    right = _laid_out(sources, targets, start, end, pad)
    return right | {"labels": np.where(right["labels"] < 0, pad, right["labels"])}


def forced_end_of_all(sources, targets, start, end, pad):
    """The end in the last column of every row."""
    right = _laid_out(sources, targets, start, end, pad)
    labels = np.where(right["labels"] == end, IGNORE_INDEX, right["labels"])
    labels[:, -1] = end
    return right | {"labels": labels}


def forced_without_itself(sources, targets, start, end, pad):
    right = _laid_out(sources, targets, start, end, pad)
    return right | {"decoder": np.tri(len(right["decoder"]), k=-1, dtype=int)}


def forced_with_the_future(sources, targets, start, end, pad):
    right = _laid_out(sources, targets, start, end, pad)
    return right | {"decoder": np.ones_like(right["decoder"])}


def forced_causal_source(sources, targets, start, end, pad):
    right = _laid_out(sources, targets, start, end, pad)
    return right | {"cross": right["cross"] * np.tri(*right["cross"].shape[1:], dtype=int)}


def forced_all_of_the_source(sources, targets, start, end, pad):
    right = _laid_out(sources, targets, start, end, pad)
    return right | {"cross": np.ones_like(right["cross"])}


def forced_keys_as_rows(sources, targets, start, end, pad):
    right = _laid_out(sources, targets, start, end, pad)
    return right | {"cross": right["cross"].swapaxes(1, 2)}


# --- one_key_for_all ---

LENGTHS = np.array([[1, 1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1, 0, 0]])


def one_key_inputs(rng):
    query, key, value = (rng.standard_normal(shape) for shape in ((2, 3, 4, 5), (2, 8, 5), (2, 8, 7)))
    return query, key, value, LENGTHS


def _attended(query, key, value, mask, scale=None):
    """y of one key and value for all heads; mask broadcasts to (B, A, T, S)."""
    scores = query @ key[:, np.newaxis].swapaxes(-1, -2) * (scale or query.shape[-1] ** -0.5)
    return softmax(np.where(mask, scores, -1e9)) @ value[:, np.newaxis]


def _columns(source_mask):
    return source_mask[:, np.newaxis, np.newaxis] == 1


def one_key_without_mask(query, key, value, source_mask):
    return _attended(query, key, value, True)


def one_key_other_side(query, key, value, source_mask):
    return _attended(query, key, value, ~_columns(source_mask))


def one_key_not_divided(query, key, value, source_mask):
    return _attended(query, key, value, _columns(source_mask), scale=1)


def one_key_divided_by_the_value(query, key, value, source_mask):
    return _attended(query, key, value, _columns(source_mask), scale=value.shape[-1] ** -0.5)


def one_key_masked_late(query, key, value, source_mask):
    """Probabilities of padding are set to 0, and the others are left as they are."""
    scores = query @ key[:, np.newaxis].swapaxes(-1, -2) * query.shape[-1] ** -0.5
    return softmax(scores) * source_mask[:, np.newaxis, np.newaxis] @ value[:, np.newaxis]


def one_key_masked_by_zero(query, key, value, source_mask):
    """Scores of padding are set to 0."""
    scores = query @ key[:, np.newaxis].swapaxes(-1, -2) * query.shape[-1] ** -0.5
    return softmax(scores * source_mask[:, np.newaxis, np.newaxis]) @ value[:, np.newaxis]


# --- shift_matrix ---


def _shift(size, shift, base, step=2, sign=1):
    """Return M with waves(p) @ M = waves(p + shift)."""
    matrix = np.zeros((size, size))
    for pair in range(size // 2):
        angle = sign * shift * base ** (-step * pair / size)
        cos, sin = math.cos(angle), math.sin(angle)
        matrix[2 * pair:2 * pair + 2, 2 * pair:2 * pair + 2] = [[cos, -sin], [sin, cos]]
    return matrix


def shift_back(size, shift, base):
    return _shift(size, shift, base, sign=-1)


def shift_too_slowly(size, shift, base):
    return _shift(size, shift, base, step=1)


def shift_one_angle(size, shift, base):
    return _shift(size, shift, base, step=0)


def shift_by_one(size, shift, base):
    return _shift(size, 1, base)


def shift_base_not_read(size, shift, base):
    return _shift(size, shift, 10000.0)


def shift_sines_first(size, shift, base):
    """For waves whose sines come first, and then all cosines."""
    order = [*range(0, size, 2), *range(1, size, 2)]
    return _shift(size, shift, base)[np.ix_(order, order)]


def shift_mirrored(size, shift, base):
    """Cosine before sine: another sign."""
    return np.abs(_shift(size, shift, base))


# --- smoothed_rows ---

ROW_LABELS = np.array([4, 2, 0, 1, 2, 3, 4, 1])


def row_inputs(rng):
    return rng.standard_normal((8, 5)), ROW_LABELS


def _row_losses(logits, targets):
    shifted = logits - logits.max(axis=1, keepdims=True)
    return -(targets * (shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))).sum(axis=1)


def _row_targets(logits, labels, epsilon, pad, number=None):
    """q: 1 − ε for the label, nothing for padding, a share of ε for each other token."""
    targets = np.full(logits.shape, epsilon / (number or logits.shape[1] - 2))
    targets[:, pad] = 0
    targets[np.arange(len(labels)), labels] = 1 - epsilon
    return targets


def _row_mean(logits, labels, targets, pad):
    return _row_losses(logits, targets)[labels != pad].mean()


def rows_not_smoothed(logits, labels, epsilon, pad):
    return _row_mean(logits, labels, np.eye(logits.shape[1])[labels], pad)


def rows_of_pytorch(logits, labels, epsilon, pad):
    num_tokens = logits.shape[1]
    return _row_mean(logits, labels, (1 - epsilon) * np.eye(num_tokens)[labels] + epsilon / num_tokens, pad)


def rows_with_padding_as_a_token(logits, labels, epsilon, pad):
    onehot = np.eye(logits.shape[1])[labels]
    targets = (1 - epsilon) * onehot + epsilon / (logits.shape[1] - 1) * (1 - onehot)
    return _row_mean(logits, labels, targets, pad)


def rows_shared_by_too_many(logits, labels, epsilon, pad):
    return _row_mean(logits, labels, _row_targets(logits, labels, epsilon, pad, logits.shape[1]), pad)


def rows_all_counted(logits, labels, epsilon, pad):
    return _row_losses(logits, _row_targets(logits, labels, epsilon, pad)).mean()


def rows_divided_by_all(logits, labels, epsilon, pad):
    losses = _row_losses(logits, _row_targets(logits, labels, epsilon, pad))
    return losses[labels != pad].sum() / len(labels)


def rows_summed(logits, labels, epsilon, pad):
    return _row_losses(logits, _row_targets(logits, labels, epsilon, pad))[labels != pad].sum()


FAR_ROWS = (
    (np.array([[1000.0, 998, 0, 5], [-1000, -1000, -1001, 3], [1, 2, 3, 4]]), np.array([1, 0, 2])),
    {"epsilon": 0.3, "pad": 2},
    np.array(501.663464),
    "exp(1000) is infinite, and exp(-1000) is 0: subtract from each row its largest logit before exp.",
)


# --- ended_beams ---

def _language(seed, size):
    """Return log-probabilities: of the first token (V,), and of each next token (V, V)."""
    rng = np.random.default_rng(seed)
    probs = rng.dirichlet(np.full(size, 0.5), size + 1) + 0.01
    log_probs = np.log(probs / probs.sum(axis=1, keepdims=True))
    return log_probs[0], log_probs[1:]


def _beams(
    first, following, end, longest, width, alpha, *, rank=None, over=False, leaves=False, stops=False,
    last_rank=None,
):
    """Beam search whose texts may end; the arguments after the star are mistakes."""
    rank = rank or (lambda score, number: score / number**alpha)
    beams = [([token], score) for token, score in enumerate(first.tolist())]
    done = []

    def best(beams):
        return sorted(beams, key=lambda beam: -rank(beam[1], len(beam[0])))

    for place in range(longest):
        if stops and place and beams[0][0][-1] == end:
            break
        if place:
            grown = []
            for tokens, score in beams:
                if tokens[-1] == end and not over:
                    grown.append((tokens, score))
                    continue
                grown += [
                    ([*tokens, token], score + following[tokens[-1], token]) for token in range(len(first))
                ]
            beams = grown
        beams = best(beams)[:width]
        if leaves:
            done += [beam for beam in beams if beam[0][-1] == end]
            beams = [beam for beam in beams if beam[0][-1] != end]
    rank = last_rank or rank
    tokens, score = best(beams + done)[0]
    return list(tokens), float(score)


def ended_right(first, following, end, longest, width, alpha):
    return _beams(first, following, end, longest, width, alpha)


def ended_goes_on(first, following, end, longest, width, alpha):
    return _beams(first, following, end, longest, width, alpha, over=True)


def ended_leaves_its_place(first, following, end, longest, width, alpha):
    return _beams(first, following, end, longest, width, alpha, leaves=True)


def ended_stops(first, following, end, longest, width, alpha):
    return _beams(first, following, end, longest, width, alpha, stops=True)


def ended_with_a_start(first, following, end, longest, width, alpha):
    return _beams(
        first, following, end, longest, width, alpha,
        rank=lambda score, number: score / (number + 1)**alpha)


def ended_by_log_prob(first, following, end, longest, width, alpha):
    return _beams(first, following, end, longest, width, alpha, rank=lambda score, number: score)


def ended_divided_at_last(first, following, end, longest, width, alpha):
    return _beams(
        first, following, end, longest, width, alpha, rank=lambda score, number: score,
        last_rank=lambda score, number: score / number**alpha)


def ended_mean(first, following, end, longest, width, alpha):
    return _beams(first, following, end, longest, width, alpha, rank=lambda score, number: score / number)


def ended_not_counted(first, following, end, longest, width, alpha):
    return _beams(
        first, following, end, longest, width, alpha,
        rank=lambda score, number: score / max(number - 1, 1)**alpha)


def ended_score_of_rank(first, following, end, longest, width, alpha):
    tokens, score = _beams(first, following, end, longest, width, alpha)
    return tokens, score / len(tokens)**alpha


# Seed and size of a language, its end, longest, width, alpha. Each of the first ones tells one mistake.
ENDED_DATA = [
    (1, 4, 0, 5, 1, 0.0),
    (154, 4, 0, 5, 2, 0.0),
    (19, 4, 0, 5, 2, 0.0),
    (0, 4, 0, 5, 2, 0.0),
    (24, 4, 0, 5, 3, 1.0),
    (226, 4, 0, 5, 3, 1.0),
    (1, 4, 2, 3, 85, 0.5),
    (367, 5, 4, 6, 3, 0.6),
    (75, 4, 0, 5, 3, 1.0),
    (213, 4, 0, 5, 2, 1.0),
]
ENDED_CASES = [
    ((*_language(seed, size), *others), ended_right(*_language(seed, size), *others))
    for seed, size, *others in ENDED_DATA
]

EXERCISES = [
    # Task: how many steps wait for each other: an LSTM, a stack of six, six layers of attention, a
    # translation; and how many layers with a window join the first token with the last.
    Value(
        name="steps_in_a_row",
        points=2,
        expected=STEPS,
        mistakes=STEPS_MISTAKES,
        hint="Draw a dot for each computation, an arrow from what it waits for: the longest path.",
    ),
    # Task: from lists of ids, the decoder's input, its labels, and two masks: of the decoder and of
    # cross-attention.
    Function(
        name="teacher_forcing",
        points=3,
        cases=[(given, _laid_out(*given)) for given in (PAIRS, SWAPPED_IDS, PAIR_OF_ONE)],
        mistakes=[
            Mistake(forced_unshifted, "The decoder reads the word that it has to write: put `start` first."),
            Mistake(forced_with_padded_labels, "Padding is a label here: nothing is asked there, -100."),
            Mistake(forced_end_of_all, "`end` follows the last word of each target, before the padding."),
            Mistake(forced_without_itself, "A row does not see itself: it has to know its own word."),
            Mistake(forced_with_the_future, "The decoder sees the words that it has to write."),
            Mistake(forced_causal_source, "The source is known from the first word on: no triangle there."),
            Mistake(forced_all_of_the_source, "The decoder looks at the source's padding."),
            Mistake(forced_keys_as_rows, "Rows are queries: those of the target; columns are the source."),
        ],
        hint="T is the longest target and one more; labels[b, t] follows target_ids[b, :t + 1].",
    ),
    # Task: cross-attention in which all heads share one key and one value, with padding in the source.
    Gradients(
        name="one_key_for_all",
        points=(1, 3),
        inputs=one_key_inputs,
        shape=(2, 3, 4, 7),
        values=[-0.838906, -0.194461, -0.32316, 0.0744666, -0.66648, -0.510143, -0.540016],
        mistakes=[
            Mistake(one_key_without_mask, "Padding of the source is seen: no weight where source_mask is 0."),
            Mistake(one_key_other_side, "Exchanged: source_mask is 1 for a word and 0 for padding."),
            Mistake(one_key_not_divided, "The scores are not divided by the root of D."),
            Mistake(one_key_divided_by_the_value, "Divided by the root of E, the value's size: it is D."),
            Mistake(
                one_key_masked_late,
                "The weights of a row no longer sum to one: mask the scores, before the softmax.",
            ),
            Mistake(one_key_masked_by_zero, "A score of 0 is not \"no weight\": exp(0) is 1. Take -1e9."),
        ],
        hint="scores (B, A, T, S) = query @ keyᵀ / root of D; -1e9 where source_mask is 0; softmax; @ value.",
    ),
    # Task: the matrix that turns the waves of position p into those of p + shift, for every p.
    Function(
        name="shift_matrix",
        points=2,
        cases=[
            (given, _shift(*given))
            for given in ((6, 3, 10000.0), (4, -2, 100.0), (8, 0, 50.0), (10, 7, 30.0))
        ],
        mistakes=[
            Mistake(shift_back, "The other way, to p - shift: sin(a + b) = sin a cos b + cos a sin b."),
            Mistake(shift_too_slowly, "The exponent is -2i/H for pair i = 0, 1, ..., H/2 - 1."),
            Mistake(shift_one_angle, "All pairs turn by one angle: each has a frequency of its own."),
            Mistake(shift_by_one, "The shift is an argument; this is the matrix for 1."),
            Mistake(shift_base_not_read, "The base is an argument; this is the matrix for 10000."),
            Mistake(shift_sines_first, "A sine and its cosine are neighbours here: features 2i and 2i + 1."),
            Mistake(shift_mirrored, "A sign is missing: cos(a + b) = cos a cos b - sin a sin b."),
        ],
        hint="2 by 2 blocks on the diagonal: (sin, cos) of p times the block is (sin, cos) of p + shift.",
    ),
    # Task: label smoothing that gives nothing to padding, forward and backward; the mean over other rows.
    Gradients(
        name="smoothed_rows",
        points=(1, 2),
        inputs=row_inputs,
        constants={"epsilon": 0.2, "pad": 2},
        values=[1.96277],
        shape=(),
        edges=[FAR_ROWS],
        mistakes=[
            Mistake(rows_not_smoothed, "This is the cross-entropy without smoothing."),
            Mistake(rows_of_pytorch, "This shares epsilon among all V tokens, label and padding too."),
            Mistake(
                rows_with_padding_as_a_token, "Padding has a share of epsilon: V - 2 tokens have one."
            ),
            Mistake(
                rows_shared_by_too_many, "The targets of a row do not sum to one: epsilon / (V - 2) for each."
            ),
            Mistake(rows_all_counted, "Rows whose label is padding are counted: leave them out."),
            Mistake(rows_divided_by_all, "Divided by all rows: only those that are counted."),
            Mistake(rows_summed, "This is the sum: take the mean over the rows that are counted."),
        ],
        hint="q (N, V): epsilon / (V - 2), 0 in the column of padding, 1 - epsilon at the label.",
    ),
    # Task: beam search in a language of bigrams whose texts may end, ranked by log p / number^alpha.
    Function(
        name="ended_beams",
        points=3,
        cases=ENDED_CASES,
        mistakes=[
            Mistake(ended_goes_on, "A text that has ended goes on: after `end` it stays as it is."),
            Mistake(
                ended_leaves_its_place,
                "A text that has ended makes room for another beam: it keeps its place among the `width`.",
            ),
            Mistake(ended_by_log_prob, "Ranked by log p alone: divide by number ** alpha."),
            Mistake(
                ended_divided_at_last,
                "Divided at the end only: at each place, too, beams are ranked by the divided score.",
            ),
            Mistake(ended_mean, "Divided by the number of tokens whatever alpha is: number ** alpha."),
            Mistake(ended_not_counted, "`end` counts as a token, too."),
            Mistake(ended_stops, "The best text so far has ended, but another may still overtake it: go on."),
            Mistake(ended_with_a_start, "One token too many is counted: number is that of the tokens."),
            Mistake(ended_score_of_rank, "Return log p itself, not the divided score."),
        ],
        hint="Copy a beam that ends in `end`; extend the others; sort by score / len(tokens) ** alpha.",
    ),
]
