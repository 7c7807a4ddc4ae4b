"""Wrong answers to the exercises of lesson 08, as students might give them who read the task only."""

import numpy as np
from course.exercises.wrong.answers import backward, forward


def softmax(scores):
    exponentials = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def losses(logits, labels):
    return -np.log(np.take_along_axis(softmax(logits), labels[..., np.newaxis], axis=-1)[..., 0])


def shifted(logits, ids, mask, divide=None, asked=None, start=0):
    found = losses(logits[:, :-1], ids[:, 1:])[:, start:]
    asked = (mask[:, 1:] if asked is None else asked(mask))[:, start:]
    number = int(asked.sum()) if divide is None else divide
    return (found * asked).sum() / number, number


def conditional(joint, axis):
    return joint / np.maximum(joint.sum(axis=axis, keepdims=True), 1e-300)


def loss(joint, given):
    return -(joint * np.log(np.where(joint > 0, given, 1))).sum()


def right(joint):
    both = sum(loss(joint, conditional(joint, axis)) for axis in range(3))
    return {"left": loss(joint, joint), "both": both}


def first_word_twice(joint):
    found = right(joint)
    return found | {"left": found["left"] + loss(joint, joint.sum((1, 2), keepdims=True))}


def mean_of_squares(x):
    return (x * x).mean(axis=-1, keepdims=True)


def normalized(x):
    return x / np.sqrt(mean_of_squares(x))


def branch(x, gamma, up, down):
    """The hidden units, and the gradient of the branch at the normalized x for a d_y."""
    hidden = np.tanh(gamma * normalized(x) @ up)
    return hidden, lambda d_y: (d_y @ down.T * (1 - hidden * hidden)) @ up.T * gamma


def without_the_mean(d_y, g, x, gamma, up, down):
    _, back = branch(x, gamma, up, down)
    return [d_y + back(d_y) / np.sqrt(mean_of_squares(x)), *g[1:]]


def layer_norm_back(d_y, g, x, gamma, up, down):
    _, back = branch(x, gamma, up, down)
    d, y = back(d_y), normalized(x)
    d_x = d - d.mean(axis=-1, keepdims=True) - y * (d * y).mean(axis=-1, keepdims=True)
    return [d_y + d_x / np.sqrt(mean_of_squares(x)), *g[1:]]


def gamma_before_the_norm(d_y, g, x, gamma, up, down):
    return [g[0], g[1] / gamma, *g[2:]]


def turned(x, positions, base, sign=1.0, size=None):
    pairs = x[..., ::2] + 1j * x[..., 1::2]
    size = size or x.shape[-1]
    angles = positions[:, np.newaxis] * base ** (-2 * np.arange(x.shape[-1] // 2) / size)
    pairs = pairs * np.exp(sign * 1j * angles)
    return np.stack([pairs.real, pairs.imag], axis=-1).reshape(x.shape)


def not_interleaved(x, positions, base):
    """Feature order of the rotated pairs: all first ones, then all second ones; its backward fits."""
    y = turned(x, positions, base)
    return np.concatenate([y[..., ::2], y[..., 1::2]], axis=-1), (positions, base)


def not_interleaved_back(d_y, cache):
    half = d_y.shape[-1] // 2
    pairs = np.stack([d_y[..., :half], d_y[..., half:]], axis=-1).reshape(d_y.shape)
    return turned(pairs, *cache, sign=-1), None


def search(first, following, length, width, kept=None, last=None, score=lambda score, place: score):
    beams = [([token], value) for token, value in enumerate(first.tolist())]
    for place in range(length):
        if place:
            beams = [
                ([*tokens, token], value + following[tokens[-1], token])
                for tokens, value in beams for token in range(len(first))
            ]
        beams = sorted(beams, key=lambda beam: -score(beam[1], place))[:kept or width]
    tokens, value = beams[-1 if last else 0]
    return tokens, float(value)


def transposed(first, following, length, width):
    return search(first, following.T, length, width)


def probability(first, following, length, width):
    tokens, value = search(first, following, length, width)
    return tokens, float(np.exp(value))


def mean_log_prob(first, following, length, width):
    tokens, value = search(first, following, length, width)
    return tokens, value / length


def one_step_short(first, following, length, width):
    return search(first, following, length - 1, width)


def best_of_greedy(first, following, length, width):
    found = []
    for token in np.argsort(-first)[:width]:
        tokens, value = [int(token)], float(first[token])
        for _ in range(length - 1):
            value += float(following[tokens[-1]].max())
            tokens.append(int(following[tokens[-1]].argmax()))
        found.append((tokens, value))
    return max(found, key=lambda beam: beam[1])


def one_beam_for_each_token(first, following, length, width):
    beams = {token: ([token], value) for token, value in enumerate(first.tolist())}
    for _ in range(length - 1):
        kept, beams = sorted(beams.values(), key=lambda beam: -beam[1])[:width], {}
        for tokens, value in kept:
            for token, step in enumerate(following[tokens[-1]].tolist()):
                if token not in beams or value + step > beams[token][1]:
                    beams[token] = [*tokens, token], value + step
    return max(beams.values(), key=lambda beam: beam[1])


def never_cut_again(first, following, length, width):
    """The `width` best continuations of each beam, and all of them are kept."""
    beams = [([int(token)], first[token]) for token in np.argsort(-first)[:width]]
    for _ in range(length - 1):
        beams = [
            ([*tokens, int(token)], value + following[tokens[-1], token])
            for tokens, value in beams for token in np.argsort(-following[tokens[-1]])[:width]
        ]
    tokens, value = max(beams, key=lambda beam: beam[1])
    return tokens, float(value)


def nucleus(probs, p, keep):
    order = np.argsort(-probs)
    kept = np.zeros_like(probs)
    chosen = order[keep(np.cumsum(probs[order]), probs[order])]
    kept[chosen] = probs[chosen]
    return kept / max(kept.sum(), 1e-300)


def attended(query, keys, values, past_keys, past_values, mask, scale=None):
    every_key, every_value = np.vstack([past_keys, keys]), np.vstack([past_values, values])
    seen = mask(len(query), len(past_keys))
    scores = query @ every_key.T / (scale or np.sqrt(query.shape[1]))
    return softmax(np.where(seen, scores, -1e9)) @ every_value


def causal(new, past):
    return np.tri(new, past + new, past, dtype=bool)


WRONG = {
    "next_token_loss": {
        "first forecast left out": (lambda logits, ids, mask: shifted(logits, ids, mask, start=1),),
        "divided by all tokens": (lambda logits, ids, mask: shifted(logits, ids, mask, divide=ids.size),),
        "divided by the texts": (lambda logits, ids, mask: shifted(logits, ids, mask, divide=len(ids)),),
        "asks of padding": (lambda logits, ids, mask: shifted(logits, ids, mask, asked=lambda m: m[:, :-1]),),
        "inputs shifted, too": (lambda logits, ids, mask: shifted(logits[:, 1:], ids[:, :-1], mask[:, 1:]),),
    },
    "right_context": {
        "the first word twice": (first_word_twice,),
        "right to left neighbours": (lambda j: right(j) | {"both": loss(j, conditional(j, 0)) + loss(j, j)},),
        "the last word only": (lambda j: right(j) | {"both": loss(j, conditional(j, 2))},),
        "means": (lambda j: {name: value / 3 for name, value in right(j).items()},),
        "perplexity": (lambda j: {name: np.exp(value) for name, value in right(j).items()},),
    },
    "rms_block": {
        "skip path forgotten": backward("rms_block", lambda d_y, g, *inputs: [g[0] - d_y, *g[1:]]),
        "skip path twice": backward("rms_block", lambda d_y, g, *inputs: [g[0] + d_y, *g[1:]]),
        "the root is a constant": backward("rms_block", without_the_mean),
        "LayerNorm's three ways": backward("rms_block", layer_norm_back),
        "d_gamma of a norm before it": backward("rms_block", gamma_before_the_norm),
        "tanh' = 1 - tanh": forward(
            lambda x, gamma, up, down: x + np.tanh(normalized(gamma * x) @ up) @ down
        ),
    },
    "rope": {
        "rotated again": backward(
            "rope", lambda d_y, g, x, positions: [turned(d_y, positions, 100.0), *g[1:]]
        ),
        "not rotated back": backward("rope", lambda d_y, g, x, positions: [d_y, *g[1:]]),
        "the positions' sign": backward(
            "rope", lambda d_y, g, x, positions: [turned(d_y, positions[::-1], 100.0, -1), *g[1:]]
        ),
        "only the even ones": backward(
            "rope", lambda d_y, g, x, positions: [g[0] * (np.arange(x.shape[-1]) % 2 == 0), *g[1:]]
        ),
        "D/2 for D": forward(lambda x, positions, base: turned(x, positions, base, size=x.shape[-1] / 2)),
        "another order of the features": (not_interleaved, not_interleaved_back),
        "positions counted on from the first": forward(
            lambda x, positions, base: turned(x, positions[0] + np.arange(x.shape[2]), base)
        ),
        "base not used": forward(lambda x, positions, base: turned(x, positions, 10000.0)),
    },
    "beam_search": {
        "rows and columns exchanged": (transposed,),
        "probability": (probability,),
        "mean log-probability": (mean_log_prob,),
        "the last beam": (lambda *given: search(*given, last=True),),
        "two beams always": (lambda *given: search(*given, kept=2),),
        "a token too few": (one_step_short,),
        "greedy from each first token": (best_of_greedy,),
        "one beam for each last token": (one_beam_for_each_token,),
        "beams never cut again": (never_cut_again,),
    },
    "top_p": {
        "sum at most p": (lambda probs, p: nucleus(probs, p, lambda sums, in_order: sums <= p),),
        "sum at most p, one at least": (
            lambda probs, p: nucleus(probs, p, lambda sums, in_order: np.append(True, sums[1:] <= p)),
        ),
        "one more than those of sum at most p": (
            lambda probs, p: nucleus(probs, p, lambda sums, in_order: sums - in_order <= p),
        ),
        "above 1 - p": (lambda probs, p: np.where(probs > 1 - p, probs, 0),),
        "the unlikeliest": (lambda probs, p: nucleus(-probs, p, lambda sums, in_order: -sums < p),),
        "not scaled": (
            lambda probs, p: np.minimum(
                nucleus(probs, p, lambda sums, in_order: sums - in_order < p), probs),
        ),
    },
    "chunk_attention": {
        "without a mask": (
            lambda *arrays: attended(*arrays, lambda new, past: np.ones((new, new + past), bool)),
        ),
        "the diagonal at the first key": (
            lambda *arrays: attended(*arrays, lambda new, past: np.tri(new, new + past, dtype=bool)),
        ),
        "upper triangle": (lambda *arrays: attended(*arrays, lambda new, past: ~causal(new, past)),),
        "not divided": (lambda *arrays: attended(*arrays, causal, scale=1.0),),
        "divided by the columns of value": (lambda *arrays: attended(*arrays, causal, scale=6**0.5),),
    },
}
