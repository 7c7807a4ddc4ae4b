"""Exercises of lesson 08, GPT: next token, right context, pre-norm, rotary positions, beams, top-p, state."""

import math

import numpy as np

from minibert.course.exercises.kinds import Function, Gradients, Mistake
from minibert.layers.softmax import softmax

# --- next_token_loss ---

TEXTS_LOGITS = np.random.default_rng(8).standard_normal((2, 5, 6))
TEXTS = np.array([[3, 1, 4, 1, 5], [2, 5, 0, 3, 0]])
TEXTS_MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])


def _losses(logits, labels):
    return -np.log(np.take_along_axis(softmax(logits), labels[..., np.newaxis], axis=-1)[..., 0])


def next_unshifted(logits, input_ids, attention_mask):
    losses = _losses(logits, input_ids)[attention_mask == 1]
    return losses.mean(), losses.size


def next_token_before(logits, input_ids, attention_mask):
    losses = _losses(logits[:, 1:], input_ids[:, :-1])[attention_mask[:, 1:] == 1]
    return losses.mean(), losses.size


def next_padding_counts(logits, input_ids, attention_mask):
    losses = _losses(logits[:, :-1], input_ids[:, 1:])
    return losses.mean(), losses.size


def next_asks_for_padding(logits, input_ids, attention_mask):
    losses = _losses(logits[:, :-1], input_ids[:, 1:])[attention_mask[:, :-1] == 1]
    return losses.mean(), losses.size


def next_summed(logits, input_ids, attention_mask):
    losses = _losses(logits[:, :-1], input_ids[:, 1:])[attention_mask[:, 1:] == 1]
    return losses.sum(), losses.size


def next_mean_of_means(logits, input_ids, attention_mask):
    losses, asked = _losses(logits[:, :-1], input_ids[:, 1:]), attention_mask[:, 1:]
    return ((losses * asked).sum(axis=1) / asked.sum(axis=1)).mean(), int(asked.sum())


# --- right_context ---

JOINT = np.arange(1.0, 25).reshape(2, 3, 4) ** 2 % 11
JOINT = JOINT / JOINT.sum()
COPIES = np.zeros((2, 3, 4))
COPIES[0, 0], COPIES[1, 1] = 1 / 8, 1 / 8  # the second word says the first; the third is free


def _entropy(probs):
    probs = probs[probs > 0]
    return -(probs * np.log(probs)).sum()


def _contexts(joint):
    """The sum of the three losses with the words on the left, and with both others."""
    whole = _entropy(joint)
    return whole, sum(whole - _entropy(joint.sum(axis=axis)) for axis in range(3))


def contexts_exchanged(joint):
    left, both = _contexts(joint)
    return {"left": both, "both": left}


def contexts_of_neighbours(joint):
    """The word before only: a bigram model."""
    first, second, third = (_entropy(joint.sum(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1)))
    pair, last_pair = _entropy(joint.sum(axis=2)), _entropy(joint.sum(axis=0))
    return {"left": first + (pair - first) + (last_pair - second), "both": _contexts(joint)[1]}


def contexts_without_any(joint):
    alone = sum(_entropy(joint.sum(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1)))
    return {"left": alone, "both": _contexts(joint)[1]}


def contexts_as_means(joint):
    left, both = _contexts(joint)
    return {"left": left / 3, "both": both / 3}


def contexts_in_bits(joint):
    left, both = _contexts(joint)
    return {"left": left / math.log(2), "both": both / math.log(2)}


def contexts_both_from_the_chain(joint):
    left, _ = _contexts(joint)
    return {"left": left, "both": left}


# --- rms_block ---


def rms_block_inputs(rng):
    return tuple(rng.standard_normal(shape) for shape in ((2, 3, 4), (4,), (4, 5), (5, 4)))


def _rms(x):
    return x / np.sqrt((x * x).mean(axis=-1, keepdims=True))


def block_post_norm(x, gamma, up, down):
    return gamma * _rms(x + np.tanh(x @ up) @ down)


def block_skips_from_the_norm(x, gamma, up, down):
    normalized = gamma * _rms(x)
    return normalized + np.tanh(normalized @ up) @ down


def block_without_skip(x, gamma, up, down):
    return np.tanh(gamma * _rms(x) @ up) @ down


def block_with_layer_norm(x, gamma, up, down):
    return x + np.tanh(gamma * _rms(x - x.mean(axis=-1, keepdims=True)) @ up) @ down


def block_with_a_sum(x, gamma, up, down):
    return x + np.tanh(gamma * x / np.sqrt((x * x).sum(axis=-1, keepdims=True)) @ up) @ down


def block_without_gamma(x, gamma, up, down):
    return x + np.tanh(_rms(x) @ up) @ down


# --- rope ---


def rope_inputs(rng):
    return rng.standard_normal((2, 3, 5, 8)), np.array([4, 5, 7, 10, 11])


def _rotated(x, positions, base, sign=1, step=2):
    size = x.shape[-1]
    angles = positions[:, np.newaxis] * base ** (-step * np.arange(size // 2) / size)   # (T, D/2)
    cos, sin = np.cos(angles), sign * np.sin(angles)
    even, odd = x[..., ::2], x[..., 1::2]
    return np.stack([even * cos - odd * sin, even * sin + odd * cos], axis=-1).reshape(x.shape)


def rope_the_other_way(x, positions, base):
    return _rotated(x, positions, base, sign=-1)


def rope_in_halves(x, positions, base):
    """Feature i with i + D/2, as in LLaMA's port."""
    half = x.shape[-1] // 2
    paired = np.stack([x[..., :half], x[..., half:]], axis=-1).reshape(x.shape)
    turned = _rotated(paired, positions, base)
    return np.concatenate([turned[..., ::2], turned[..., 1::2]], axis=-1)


def rope_slower(x, positions, base):
    return _rotated(x, positions, base, step=1)


def rope_from_zero(x, positions, base):
    return _rotated(x, np.arange(x.shape[-2]), base)


def rope_one_angle(x, positions, base):
    return _rotated(x, positions, base, step=0)


def rope_counted_on(x, positions, base):
    return _rotated(x, positions[0] + np.arange(x.shape[-2]), base)


def rope_not_interleaved(x, positions, base):
    """All first features of the pairs, then all second ones."""
    y = _rotated(x, positions, base)
    return np.concatenate([y[..., ::2], y[..., 1::2]], axis=-1)


def rope_forgotten(x, positions, base):
    return x


# --- beam_search ---

FIRST = np.log([0.2, 0.06, 0.36, 0.08, 0.3])
FOLLOWING = np.log([
    [0.02, 0.9, 0.03, 0.03, 0.02],
    [0.02, 0.02, 0.9, 0.03, 0.03],
    [0.2, 0.19, 0.22, 0.19, 0.2],
    [0.05, 0.05, 0.8, 0.05, 0.05],
    [0.5, 0.1, 0.1, 0.2, 0.1],
])
GREEDY, OF_TWO, MODE = [2, 2, 2], [4, 0, 1], [0, 1, 2]
# Three beams lose the likeliest text, [1, 0, 0, 0], at its second token, and still do better than greedy.
LATE_FIRST = np.log([0.08, 0.63, 0.05, 0.05, 0.19])
LATE_FOLLOWING = np.log([
    [0.83, 0.03, 0.03, 0.05, 0.06],
    [0.16, 0.44, 0.32, 0.01, 0.07],
    [0.38, 0.17, 0.19, 0.06, 0.2],
    [0.06, 0.17, 0.52, 0.02, 0.23],
    [0.02, 0.66, 0.07, 0.2, 0.05],
])
OF_THREE = [1, 2, 0, 0]


def _scored(tokens, first=FIRST, following=FOLLOWING):
    pairs = zip(tokens, tokens[1:])
    return list(tokens), float(first[tokens[0]] + sum(following[pair] for pair in pairs))


def _searched(first, following, length, width, keep, gain=1.0):
    """Beam search that keeps beams by another rule: keep(beams, width) → beams."""
    beams = keep([([token], score) for token, score in enumerate(first.tolist())], width)
    for _ in range(length - 1):
        beams = keep([
            ([*tokens, token], gain * score + following[tokens[-1], token])
            for tokens, score in beams for token in range(len(first))
        ], width)
    tokens, score = max(beams, key=lambda beam: beam[1])
    return tokens, float(score)


def _best(beams, width):
    return sorted(beams, key=lambda beam: -beam[1])[:width]


def beams_greedy(first, following, length, width):
    return _searched(first, following, length, 1, _best)


def beams_of_everything(first, following, length, width):
    return _searched(first, following, length, width, lambda beams, width: beams)


def beams_without_the_past(first, following, length, width):
    return _searched(first, following, length, width, _best, gain=0.0)


def beams_in_order(first, following, length, width):
    return _searched(first, following, length, width, lambda beams, width: beams[:width])


def beams_one_more(first, following, length, width):
    return _searched(first, following, length, width + 1, _best)


def beams_worst(first, following, length, width):
    return _searched(first, following, length, width, lambda beams, width: _best(beams, len(beams))[-width:])


def beams_greedy_each(first, following, length, width):
    """The best first tokens, `width` of them, each continued by its likeliest tokens."""
    found = []
    for token in np.argsort(-first)[:width].tolist():
        tokens = [token]
        for _ in range(length - 1):
            tokens.append(int(following[tokens[-1]].argmax()))
        found.append(_scored(tokens, first, following))
    return max(found, key=lambda beam: beam[1])


def beams_one_per_token(first, following, length, width):
    """Of the beginnings that end in the same token only the likeliest is kept: Viterbi with a beam."""

    def keep(beams, width):
        best = {tokens[-1]: (tokens, score) for tokens, score in sorted(beams, key=lambda beam: beam[1])}
        return _best(best.values(), width)

    return _searched(first, following, length, width, keep)


# --- top_p ---

NUCLEUS = np.array([0.15, 0.5, 0.05, 0.3])
NUCLEUS_CASES = [
    ((NUCLEUS, 0.6), np.array([0, 0.625, 0, 0.375])),
    ((NUCLEUS, 0.9), np.array([0.15, 0.5, 0, 0.3]) / 0.95),
    ((NUCLEUS, 0.1), np.array([0.0, 1, 0, 0])),
    ((NUCLEUS, 1.0), NUCLEUS),
    # sums that are exactly p: 16/32, and 16/32 + 8/32
    ((np.array([5, 16, 3, 8]) / 32, 0.5), np.array([0.0, 1, 0, 0])),
    ((np.array([5, 16, 3, 8]) / 32, 0.75), np.array([0, 2, 0, 1]) / 3),
]


def _nucleus(probs, p, kept_of):
    order = np.argsort(-probs)
    kept = np.zeros_like(probs)
    chosen = order[kept_of(np.cumsum(probs[order]), probs[order], p)]
    kept[chosen] = probs[chosen]
    return kept / kept.sum() if kept.sum() else kept


def nucleus_drops_the_crossing(probs, p):
    return _nucleus(probs, p, lambda sums, in_order, p: sums <= p)


def nucleus_one_more(probs, p):
    return _nucleus(probs, p, lambda sums, in_order, p: np.append(True, sums[:-1] - in_order[:-1] < p))


def nucleus_beyond_p(probs, p):
    return _nucleus(probs, p, lambda sums, in_order, p: sums - in_order <= p)


def nucleus_not_sorted(probs, p):
    kept = np.where(np.cumsum(probs) - probs < p, probs, 0)
    return kept / kept.sum()


def nucleus_not_scaled(probs, p):
    kept = _nucleus(probs, p, lambda sums, in_order, p: sums - in_order < p)
    return np.where(kept > 0, probs, 0)


def nucleus_in_order(probs, p):
    kept = _nucleus(probs, p, lambda sums, in_order, p: sums - in_order < p)
    return np.sort(kept)[::-1]


# --- chunk_attention ---


def _chunk(num_new, num_past, seed):
    rng = np.random.default_rng(seed)
    shapes = (num_new, 5), (num_new, 5), (num_new, 6), (num_past, 5), (num_past, 6)
    return tuple(rng.standard_normal(shape) for shape in shapes)


def _attended(query, keys, values, past_keys, past_values, mask_of):
    every_key, every_value = np.vstack([past_keys, keys]), np.vstack([past_values, values])
    scores = query @ every_key.T / math.sqrt(query.shape[1])
    seen = mask_of(len(query), len(every_key), len(past_keys))
    return softmax(np.where(seen, scores, np.finfo(float).min)) @ every_value


def chunk_right(*arrays):
    return _attended(*arrays, lambda new, every, past: np.tri(new, every, past, dtype=bool))


def chunk_planted(*arrays):
    """The bug of the task: the diagonal begins at the first key, not at the first new one."""
    return _attended(*arrays, lambda new, every, past: np.tri(new, every, dtype=bool))


def chunk_unmasked(*arrays):
    return _attended(*arrays, lambda new, every, past: np.ones((new, every), bool))


def chunk_without_itself(*arrays):
    return _attended(*arrays, lambda new, every, past: np.tri(new, every, past - 1, dtype=bool))


def chunk_one_too_far(*arrays):
    return _attended(*arrays, lambda new, every, past: np.tri(new, every, past + 1, dtype=bool))


def chunk_past_only(*arrays):
    return _attended(*arrays, lambda new, every, past: np.arange(every) < max(past, 1))


def chunk_forgets_the_past(query, keys, values, past_keys, past_values):
    return chunk_right(query, keys, values, past_keys[:0], past_values[:0])


EXERCISES = [
    # Task: the mean loss of the next token, and the number of forecasts: place t forecasts
    # input_ids[:, t + 1], and nothing is asked of padding (attention_mask 0), which is on the right.
    Function(
        name="next_token_loss",
        points=2,
        tolerance=1e-6,
        cases=[
            ((TEXTS_LOGITS, TEXTS, np.ones_like(TEXTS)), (1.517229, 8)),
            ((TEXTS_LOGITS, TEXTS, TEXTS_MASK), (1.329504, 6)),
        ],
        mistakes=[
            Mistake(next_unshifted, "Each place is asked for its own token, which it has read: shift."),
            Mistake(next_token_before, "Each place is asked for the token before it: shift the other way."),
            Mistake(next_padding_counts, "Padding is asked for: leave out where the next token is padding."),
            Mistake(
                next_asks_for_padding,
                "The short text's last token is asked for padding: look at the mask of the *next* token.",
            ),
            Mistake(next_summed, "This is the sum: divide by the number of forecasts."),
            Mistake(
                next_mean_of_means,
                "A mean of the texts' means: a token of a short text weighs more. One mean for all tokens.",
            ),
        ],
        hint="logits[:, :-1] forecast input_ids[:, 1:]; keep those where attention_mask[:, 1:] is 1.",
    ),
    # Task: for a joint distribution (A, B, C) of three words, the sums of their best expected losses: each
    # given the words on its left, and each given both others.
    Function(
        name="right_context",
        points=2,
        cases=[
            ((joint,), dict(zip(("left", "both"), _contexts(joint)))) for joint in (JOINT, COPIES)
        ],
        mistakes=[
            Mistake(contexts_exchanged, "Exchanged: who sees more has the smaller loss."),
            Mistake(
                contexts_of_neighbours, "The third word is given the second only: it has both words before."
            ),
            Mistake(contexts_without_any, "\"left\" is given no word: condition the second on the first."),
            Mistake(contexts_as_means, "These are means over the words: the sums are asked for."),
            Mistake(contexts_in_bits, "This is in bits; losses are in nats, with the natural logarithm."),
            Mistake(
                contexts_both_from_the_chain,
                "The chain rule gives the joint loss in any order, but \"both\" is no chain: each word is "
                "given the two others.",
            ),
        ],
        hint="The loss of x given c is -Σ p(x, c) log p(x | c), and p(x | c) = p(x, c) / Σ_x p(x, c).",
    ),
    # Task: pre-norm with RMSNorm, forward and backward: y = x + tanh((gamma x / rms(x)) up) down.
    Gradients(
        name="rms_block",
        points=(1, 3),
        inputs=rms_block_inputs,
        shape=(2, 3, 4),
        values=[-1.00531, -1.59282, -1.16824, 0.385858, -3.21131, 0.442343],
        mistakes=[
            Mistake(block_post_norm, "This is post-norm: the norm goes before `up`, inside the branch."),
            Mistake(
                block_skips_from_the_norm, "The skip path begins behind the norm: add x itself, unchanged."
            ),
            Mistake(block_without_skip, "The skip path is missing: y = x + ..."),
            Mistake(block_with_layer_norm, "This subtracts the mean, too: RMSNorm does not."),
            Mistake(block_with_a_sum, "Divided by the root of the *sum* of squares: RMS has their mean."),
            Mistake(block_without_gamma, "gamma is missing: it multiplies the normalized x."),
        ],
        hint="rms = sqrt(mean of x²) over the last axis, keepdims=True; then gamma, up, tanh, down, plus x.",
    ),
    # Task: rotary positions, forward and backward: features 2i and 2i + 1 of the token at position p are
    # rotated by the angle p base^(-2i/D).
    Gradients(
        name="rope",
        points=(1, 2),
        inputs=rope_inputs,
        constants={"base": 100.0},
        shape=(2, 3, 5, 8),
        values=[
            -0.18216, 0.724276, 0.573976, 1.89919, 0.72576,
            -0.319256, -2.65878, -0.198519, -0.96903, -2.13275,
        ],
        mistakes=[
            Mistake(rope_the_other_way, "Rotated the other way: (x cos - y sin, x sin + y cos)."),
            Mistake(rope_in_halves, "Features i and i + D/2 are paired; here 2i and 2i + 1 are neighbours."),
            Mistake(rope_slower, "The exponent is -2i/D with the pair's number i = 0, 1, ..., D/2 - 1."),
            Mistake(rope_from_zero, "The positions are given, and do not begin at 0."),
            Mistake(rope_one_angle, "All pairs have one angle: it falls with i, base^(-2i/D)."),
            Mistake(
                rope_counted_on,
                "The positions are counted on from the first one: take each as it is given, there are gaps.",
            ),
            Mistake(
                rope_not_interleaved,
                "The rotated features are in another order: put each pair back at its places 2i and 2i + 1.",
            ),
            Mistake(rope_forgotten, "x comes back as it was."),
        ],
        hint="angles (T, D/2) = positions[:, None] * base ** (-2 i / D); x[..., ::2] and x[..., 1::2] turn.",
    ),
    # Task: beam search in a language of bigrams: log-probabilities first (V,) and following (V, V), `length`
    # tokens, `width` beams; the tokens of the best beam and their log-probability.
    Function(
        name="beam_search",
        points=3,
        cases=[
            ((FIRST, FOLLOWING, 3, 1), _scored(GREEDY)),
            ((FIRST, FOLLOWING, 3, 2), _scored(OF_TWO)),
            ((FIRST, FOLLOWING, 3, 125), _scored(MODE)),
            ((LATE_FIRST, LATE_FOLLOWING, 4, 3), _scored(OF_THREE, LATE_FIRST, LATE_FOLLOWING)),
        ],
        mistakes=[
            Mistake(
                beams_greedy_each,
                "Each beam goes on with its likeliest token only: compare all continuations of all beams.",
            ),
            Mistake(
                beams_one_per_token,
                "Of beams that end in the same token only one is kept: each is a beginning of its own.",
            ),
            Mistake(beams_greedy, "Right for one beam. With more, keep that many beginnings at each place."),
            Mistake(
                beams_of_everything,
                "Every beginning is kept: after each place only the `width` best go on, whatever is lost.",
            ),
            Mistake(
                beams_without_the_past,
                "A beam is ranked by its last step alone: add the log-probability of what came before.",
            ),
            Mistake(beams_in_order, "The first beams are kept, not the best: sort by log-probability."),
            Mistake(beams_one_more, "One beam too many is kept."),
            Mistake(beams_worst, "The least likely beams are kept: sort with the likeliest first."),
        ],
        hint="(tokens, score) for each beam; all V continuations of all beams; sort; keep `width`.",
    ),
    # Task: top-p: keep the fewest likeliest tokens whose probabilities add up to p at least, scaled to sum 1.
    Function(
        name="top_p",
        points=2,
        cases=NUCLEUS_CASES,
        mistakes=[
            Mistake(
                nucleus_drops_the_crossing,
                "The token that crosses p is lost. Keep a token if those *before* it do not reach p.",
            ),
            Mistake(nucleus_beyond_p, "A sum of exactly p is enough: p *at least*, and not more than p."),
            Mistake(nucleus_one_more, "A token too many: those before it reach p without it."),
            Mistake(nucleus_not_sorted, "Summed in the order of the ids: the likeliest come first."),
            Mistake(nucleus_not_scaled, "What is kept does not sum to 1: divide by its sum."),
            Mistake(nucleus_in_order, "The probabilities are in sorted order: put each back at its id."),
        ],
        hint="order = argsort(-probs); before = cumsum - itself; keep where before < p; to the ids; scale.",
    ),
    # Task: a planted bug: attention of N new tokens over P past and N new keys, each new token seeing all
    # that is not after it.
    Function(
        name="chunk_attention",
        points=2,
        cases=[
            (arrays, chunk_right(*arrays))
            for arrays in (_chunk(3, 4, 0), _chunk(1, 2, 1), _chunk(4, 0, 2))
        ],
        mistakes=[
            Mistake(
                chunk_planted,
                "The bug is still there: new token 0 sees one key only. How many come before itself?",
            ),
            Mistake(
                chunk_unmasked,
                "The mask is gone, and new tokens see their future: the last one alone may look at all.",
            ),
            Mistake(chunk_without_itself, "A new token does not see itself: the diagonal is one too low."),
            Mistake(chunk_one_too_far, "A new token sees the next one, too: the diagonal is one too high."),
            Mistake(chunk_past_only, "The new tokens see the past and not themselves or each other."),
            Mistake(chunk_forgets_the_past, "The past is not read: the keys are those of state and chunk."),
        ],
        hint="New token i is number P + i of all, and sees the keys 0 to P + i. np.tri has a third argument.",
    ),
]
