"""Wrong answers to the exercises of lesson 07, as students might give them who read the task only."""

import numpy as np
from course.exercises.solutions import solution
from course.exercises.wrong.answers import backward, forward

STEPS = solution("steps_in_a_row")[0]


def forced(change):
    """The solution's answer, with some of its arrays changed: change(right, start, end, pad) → a dict."""
    [right] = solution("teacher_forcing")

    def wrong(sources, targets, start, end, pad):
        found = right(sources, targets, start, end, pad)
        return found | change(found, start, end, pad)

    return (wrong,)


def softmax(scores):
    exponentials = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def attended(query, key, value, source_mask, low=-1e9):
    scores = query @ key.swapaxes(1, 2)[:, None] / query.shape[-1] ** 0.5
    return softmax(np.where(source_mask[:, None, None] == 1, scores, low)) @ value[:, None]


def pieces(d_y, query, key, value, source_mask):
    """probs, d_scores of one key for all heads."""
    scores = query @ key.swapaxes(1, 2)[:, None] / query.shape[-1] ** 0.5
    probs = softmax(np.where(source_mask[:, None, None] == 1, scores, -1e9))
    d_probs = d_y @ value.swapaxes(1, 2)[:, None]
    return probs, d_probs


def without_the_mean(d_y, g, query, key, value, source_mask):
    probs, d_probs = pieces(d_y, query, key, value, source_mask)
    return [probs * d_probs @ key[:, None] / query.shape[-1] ** 0.5, *g[1:]]


def key_of_the_first_head(d_y, g, query, key, value, source_mask):
    probs, d_probs = pieces(d_y, query, key, value, source_mask)
    d_scores = probs * (d_probs - (probs * d_probs).sum(axis=-1, keepdims=True))
    return [g[0], d_scores[:, 0].swapaxes(1, 2) @ query[:, 0] / query.shape[-1] ** 0.5, *g[2:]]


def waves(positions, size, base):
    angles = positions[:, None] * base ** (-np.arange(0, size, 2) / size)
    return np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(len(positions), size)


def outer_product(size, shift, base):
    return np.outer(waves(np.array([0.0]), size, base), waves(np.array([float(shift)]), size, base))


def on_the_diagonal(size, shift, base):
    return np.diag(np.repeat(np.cos(shift * base ** (-np.arange(0, size, 2) / size)), 2))


def rotated(size, shift, base, step=2.0, sign=1.0):
    angles = sign * shift * base ** (-step * np.arange(size // 2) / size)
    turn = np.array([[0, -1], [1, 0]])
    return np.kron(np.diag(np.cos(angles)), np.eye(2)) + np.kron(np.diag(np.sin(angles)), turn)


def smoothed(logits, labels, q, counted):
    log_probs = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    return -(q * log_probs).sum(axis=1)[counted].mean()


def targets(logits, labels, epsilon, pad, share):
    q = np.full(logits.shape, share)
    q[:, pad] = 0
    q[np.arange(len(labels)), labels] = 1 - epsilon
    return q


def all_rows(d_loss, g, logits, labels):
    return [g[0] * (labels != 2).sum() / len(labels), *g[1:]]


def padding_too(d_loss, g, logits, labels):
    d_logits = g[0].copy()
    d_logits[labels == 2] = softmax(logits[labels == 2]) / (labels != 2).sum() * d_loss
    return [d_logits, *g[1:]]


def only_the_label(d_loss, g, logits, labels):
    kept = labels != 2
    d_logits = (softmax(logits) - np.eye(logits.shape[1])[labels]) * kept[:, None] / kept.sum() * d_loss
    return [d_logits, *g[1:]]


def search(first, following, end, longest, width, alpha, *, rank=None, grow=None, pick=None, stop=False):
    rank = rank or (lambda score, number: score / number**alpha)
    beams = [([token], score) for token, score in enumerate(first.tolist())]
    for place in range(longest):
        if place:
            grown = [beam for tokens, score in beams for beam in (grow or going_on)(
                tokens, score, following, end)]
            beams = grown or beams
        beams = sorted(beams, key=lambda beam: -rank(beam[1], len(beam[0])))[:width]
        if stop and beams[0][0][-1] == end:
            break
    tokens, score = (pick or (lambda beams: beams[0]))(beams)
    return tokens, float(score)


def going_on(tokens, score, following, end):
    if tokens[-1] == end:
        return [(tokens, score)]
    return [([*tokens, token], score + step) for token, step in enumerate(following[tokens[-1]])]


def end_written_again(tokens, score, following, end):
    if tokens[-1] == end:
        return [([*tokens, end], score)]
    return going_on(tokens, score, following, end)


def ended_are_lost(tokens, score, following, end):
    return [] if tokens[-1] == end else going_on(tokens, score, following, end)


def first_that_ended(first, following, end, longest, width, alpha):
    return search(
        first, following, end, longest, width, alpha,
        pick=lambda beams: next((beam for beam in beams if beam[0][-1] == end), beams[0]))


WRONG = {
    "steps_in_a_row": {
        "layer after layer": (STEPS | {"lstm_stack": 240},),
        "all at once": (STEPS | {"attention_stack": 1},),
        "window that reaches W back": (STEPS | {"window_layers": 10},),
        "one token too far": (STEPS | {"window_layers": 14},),
        "the words at once": (STEPS | {"translation": 12},),
        "tokens of the source one by one": (STEPS | {"translation": 100},),
        "one less": (STEPS | {"lstm": 39},),
    },
    "teacher_forcing": {
        "no start": forced(lambda found, start, end, pad: {"target_ids": found["target_ids"][:, 1:]}),
        "labels like the input": forced(lambda found, start, end, pad: {"labels": found["target_ids"]}),
        "no end": forced(lambda found, start, end, pad: {
            "labels": np.where(found["labels"] == end, -100, found["labels"])}),
        "padding is asked for": forced(lambda found, start, end, pad: {
            "labels": np.where(found["labels"] == -100, pad, found["labels"])}),
        "the end is read, too": forced(lambda found, start, end, pad: {
            "target_ids": np.where(found["labels"] == -100, end, found["target_ids"])}),
        "upper triangle": forced(lambda found, start, end, pad: {"decoder": found["decoder"].T}),
        "triangle for the source": forced(lambda found, start, end, pad: {
            "cross": np.tril(found["cross"])}),
        "True for hidden": forced(lambda found, start, end, pad: {"cross": 1 - found["cross"]}),
        "mask of the target": forced(lambda found, start, end, pad: {
            "cross": found["cross"] * (found["labels"] >= 0)[:, :, None]}),
    },
    "one_key_for_all": {
        "a head each": forward(
            lambda query, key, value, mask: attended(query, key, value, mask) * np.arange(1, 4)[:, None, None]
        ),
        "the mask added": forward(
            lambda query, key, value, mask: softmax(
                query @ key.swapaxes(1, 2)[:, None] / 5**0.5 + mask[:, None, None]) @ value[:, None]
        ),
        "a mean over the heads": backward(
            "one_key_for_all", lambda d_y, g, *inputs: [g[0], g[1] / 3, g[2] / 3, g[3]]
        ),
        "d_key of the first head": backward("one_key_for_all", key_of_the_first_head),
        "softmax without its mean": backward("one_key_for_all", without_the_mean),
        "root of D forgotten": backward(
            "one_key_for_all", lambda d_y, g, *inputs: [g[0] * 5**0.5, *g[1:]]
        ),
        "d_value of d_y alone": backward(
            "one_key_for_all", lambda d_y, g, query, key, value, mask: [
                *g[:2], np.broadcast_to(d_y.sum(axis=(1, 2))[:, None] / 8, value.shape), g[3]]
        ),
        "padding has a gradient": backward(
            "one_key_for_all", lambda d_y, g, query, key, value, mask: [
                g[0], g[1] + 0.1 * (mask == 0)[:, :, None], *g[2:]]
        ),
    },
    "shift_matrix": {
        "the other way": (lambda *given: rotated(*given, sign=-1.0),),
        "from the left": (lambda *given: rotated(*given).T,),
        "the cosines alone": (on_the_diagonal,),
        "a product of two waves": (outer_product,),
        "i for 2i": (lambda *given: rotated(*given, step=1.0),),
        "H/2 for H": (lambda *given: rotated(*given, step=4.0),),
        "permuted rows": (lambda size, shift, base: np.roll(np.eye(size), shift, axis=0),),
    },
    "smoothed_rows": {
        "epsilon over V": forward(
            lambda logits, labels, epsilon, pad: smoothed(
                logits, labels, targets(logits, labels, epsilon, pad, epsilon / logits.shape[1]),
                labels != pad)
        ),
        "epsilon over V - 1": forward(
            lambda logits, labels, epsilon, pad: smoothed(
                logits, labels, targets(logits, labels, epsilon, pad, epsilon / (logits.shape[1] - 1)),
                labels != pad)
        ),
        "padding rows counted": forward(
            lambda logits, labels, epsilon, pad: smoothed(
                logits, labels, targets(logits, labels, epsilon, pad, epsilon / (logits.shape[1] - 2)),
                labels == labels)
        ),
        "epsilon at every token": forward(
            lambda logits, labels, epsilon, pad: smoothed(
                logits, labels, targets(logits, labels, epsilon, pad, epsilon), labels != pad)
        ),
        "divided by N": backward("smoothed_rows", all_rows),
        "padding has a gradient": backward("smoothed_rows", padding_too),
        "not smoothed on the way back": backward("smoothed_rows", only_the_label),
        "sign": backward("smoothed_rows", lambda d_loss, g, *inputs: [-g[0], *g[1:]]),
        "d_loss forgotten": backward("smoothed_rows", lambda d_loss, g, *inputs: [g[0] / d_loss, *g[1:]]),
    },
    "ended_beams": {
        "greedy": (lambda first, following, end, longest, width, alpha: search(
            first, following, end, longest, 1, alpha),),
        "alpha not read": (lambda *given: search(*given, rank=lambda score, number: score),),
        "the mean always": (lambda *given: search(*given, rank=lambda score, number: score / number),),
        "end again and again": (lambda *given: search(*given, grow=end_written_again),),
        "goes on after the end": (lambda *given: search(
            *given, grow=lambda tokens, score, following, end: going_on(tokens, score, following, -1)),),
        "the divided score": (lambda *given: (
            lambda tokens, score: (tokens, score / len(tokens) ** given[-1]))(*search(*given)),),
        "the last beam": (lambda *given: search(*given, pick=lambda beams: beams[-1]),),
        "the likeliest of the last": (lambda *given: search(
            *given, pick=lambda beams: max(beams, key=lambda beam: beam[1])),),
        "the first that has ended": (first_that_ended,),
        "stops when the best has ended": (lambda *given: search(*given, stop=True),),
        "a start counts as a token": (lambda *given: search(
            *given, rank=lambda score, number: score / (number + 1) ** given[-1]),),
        "ended beams are lost": (lambda *given: search(*given, grow=ended_are_lost),),
        "times, not divided": (lambda *given: search(
            *given, rank=lambda score, number: score * number ** given[-1]),),
    },
}
