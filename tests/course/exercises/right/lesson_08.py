"""Right answers to the exercises of lesson 08 in other styles than the solution's."""

import itertools
import math

import numpy as np


def next_in_loops(logits, input_ids, attention_mask):
    total, number = 0.0, 0
    for row, ids, mask in zip(logits, input_ids, attention_mask):
        for place in range(len(ids) - 1):
            if mask[place + 1]:
                total += math.log(sum(math.exp(score) for score in row[place])) - row[place, ids[place + 1]]
                number += 1
    return total / number, number


def next_with_ignored_labels(logits, input_ids, attention_mask):
    labels = np.where(attention_mask == 1, input_ids, -100)[:, 1:].reshape(-1)
    flat = logits[:, :-1].reshape(-1, logits.shape[2])
    log_probs = flat - np.log(np.exp(flat).sum(axis=1, keepdims=True))
    losses = [-log_probs[place, label] for place, label in enumerate(labels) if label != -100]
    return [sum(losses) / len(losses), np.int64(len(losses))]


def next_by_weights(logits, ids, mask):
    probs = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    picked = (probs[:, :-1] * np.eye(logits.shape[2])[ids[:, 1:]]).sum(axis=-1)
    return np.average(-np.log(picked), weights=mask[:, 1:]), int(mask[:, 1:].sum())


def contexts_in_loops(joint):
    left = both = 0.0
    for a, b, c in np.ndindex(joint.shape):
        p = joint[a, b, c]
        if p > 0:
            left -= p * math.log(joint[a].sum())
            left -= p * math.log(joint[a, b].sum() / joint[a].sum())
            left -= p * math.log(p / joint[a, b].sum())
            for rest in (joint[:, b, c], joint[a, :, c], joint[a, b, :]):
                both -= p * math.log(p / rest.sum())
    return {"left": left, "both": both}


def contexts_by_conditionals(joint):
    with np.errstate(divide="ignore", invalid="ignore"):
        sums = [joint.sum(axis=axis, keepdims=True) for axis in range(3)]
        both = sum(-np.nansum(joint * np.log(joint / each)) for each in sums)
        left = -np.nansum(joint * np.log(joint))
    return dict(both=both, left=left)


def contexts_with_a_small_number(joint):
    def loss(seen):
        given = joint.sum(axis=seen, keepdims=True) if seen else joint
        return -(joint * np.log(given + 1e-300)).sum()

    return {"left": loss(()), "both": 3 * loss(()) - loss((0,)) - loss((1,)) - loss((2,))}


def beams_with_a_dict(first, following, length, width):
    beams = {(token,): first[token] for token in range(len(first))}
    for place in range(length):
        if place > 0:
            beams = {
                (*tokens, token): score + following[tokens[-1]][token]
                for tokens, score in beams.items() for token in range(len(first))
            }
        beams = dict(sorted(beams.items(), key=lambda item: item[1], reverse=True)[:width])
    best = max(beams, key=beams.get)
    return list(best), beams[best]


def beams_as_arrays(first, following, length, width):
    best = np.argsort(-first)[:width]
    tokens, scores = best[:, np.newaxis], first[best]
    for _ in range(length - 1):
        continued = (scores[:, np.newaxis] + following[tokens[:, -1]]).ravel()
        best = np.argsort(-continued)[:width]
        tokens = np.column_stack([tokens[best // len(first)], best % len(first)])
        scores = continued[best]
    return tokens[0], scores[0]


def beams_by_hand_and_enumeration(first, following, length, width):
    """All sequences where the beams are enough for them, else beams."""
    if width < len(first) ** length:
        return beams_as_arrays(first, following, length, width)
    scored = {
        tokens: first[tokens[0]] + sum(following[pair] for pair in itertools.pairwise(tokens))
        for tokens in itertools.product(range(len(first)), repeat=length)
    }
    best = max(scored, key=scored.get)
    return list(best), float(scored[best])


def nucleus_in_a_loop(probs, p):
    kept, total = np.zeros(len(probs)), 0.0
    for token in sorted(range(len(probs)), key=lambda token: -probs[token]):
        kept[token] = probs[token]
        total += probs[token]
        if total >= p:
            break
    return kept / total


def nucleus_by_search(probs, p):
    order = np.argsort(probs)[::-1]
    number = np.searchsorted(np.cumsum(probs[order]), p) + 1
    kept = np.where(np.isin(np.arange(len(probs)), order[:number]), probs, 0.0)
    return kept / np.sum(kept)


def nucleus_by_comparison(probs, p):
    """Of each token: what is likelier."""
    before = np.array([probs[probs > each].sum() for each in probs])
    kept = probs * (before < p)
    return (kept / kept.sum()).tolist()


def chunk_in_loops(query, keys, values, past_keys, past_values):
    y = np.zeros((len(query), values.shape[1]))
    for i in range(len(query)):
        seen = [*past_keys, *keys[: i + 1]]
        weights = np.exp([query[i] @ key / math.sqrt(len(key)) for key in seen])
        for weight, value in zip(weights / weights.sum(), [*past_values, *values[: i + 1]]):
            y[i] += weight * value
    return y


def chunk_one_at_a_time(query, keys, values, past_keys, past_values):
    """As in generation: one token, no mask, and its key and value are kept."""
    rows = []
    for q, k, v in zip(query, keys, values):
        past_keys, past_values = np.vstack([past_keys, k]), np.vstack([past_values, v])
        weights = np.exp(past_keys @ q / np.sqrt(len(q)))
        rows.append(weights @ past_values / weights.sum())
    return np.array(rows)


def chunk_from_the_end(q, k, v, pk, pv):
    """The mask as the last rows of the full pass."""
    keys, values = np.concatenate([pk, k]), np.concatenate([pv, v])
    mask = np.tril(np.ones((len(keys), len(keys))))[-len(q):]
    weights = np.exp(q @ keys.T / q.shape[1] ** 0.5) * mask
    return weights @ values / weights.sum(axis=1, keepdims=True)


RIGHT = {
    "next_token_loss": [next_in_loops, next_with_ignored_labels, next_by_weights],
    "right_context": [contexts_in_loops, contexts_by_conditionals, contexts_with_a_small_number],
    "beam_search": [beams_with_a_dict, beams_as_arrays, beams_by_hand_and_enumeration],
    "top_p": [nucleus_in_a_loop, nucleus_by_search, nucleus_by_comparison],
    "chunk_attention": [chunk_in_loops, chunk_one_at_a_time, chunk_from_the_end],
}
