"""References of lesson 08, GPT."""

import math

import numpy as np

from minibert.course.exercises.variants import Reference
from minibert.layers.softmax import softmax


def next_token_loss(logits, input_ids, attention_mask):
    asked = (attention_mask[:, :-1] * attention_mask[:, 1:]).astype(bool)
    probs = softmax(logits[:, :-1][asked])
    losses = -np.log(probs[np.arange(len(probs)), input_ids[:, 1:][asked]])
    return losses.mean(), len(losses)


def draw_texts(rng):
    logits, ids = rng.standard_normal((3, 7, 8)), rng.integers(0, 8, (3, 7))
    lengths = np.array([7, *rng.choice([4, 5, 6], 2, replace=False)])
    return [(logits, ids, (np.arange(7) < lengths[:, np.newaxis]).astype(int))]


def right_context(joint):
    """Both from the chain rule: the first sum is the entropy, and H(x | rest) = H(all) - H(rest)."""

    def entropy(probs):
        probs = probs[probs > 0]
        return -(probs * np.log(probs)).sum()

    whole = entropy(joint)
    return {"left": whole, "both": sum(whole - entropy(joint.sum(axis=axis)) for axis in range(3))}


def draw_joint(rng):
    joint = rng.random((5, 3, 4)) ** 3
    return [(joint / joint.sum(),)]


def rms_block(x, gamma, up, down):
    return x + np.tanh(gamma * x / np.sqrt((x * x).mean(axis=-1, keepdims=True)) @ up) @ down


def rope(x, positions, base):
    turned = x[..., ::2] + 1j * x[..., 1::2]
    size = x.shape[-1]
    turned = turned * np.exp(1j * positions[:, np.newaxis] * base ** (-np.arange(0, size, 2) / size))
    return np.stack([turned.real, turned.imag], axis=-1).reshape(x.shape)


def beam_search(first, following, length, width):
    beams = [((token,), score) for token, score in enumerate(first.tolist())]
    for place in range(length):
        if place:
            beams = [
                ((*tokens, token), score + following[tokens[-1], token])
                for tokens, score in beams for token in range(len(first))
            ]
        beams = sorted(beams, key=lambda beam: -beam[1])[:width]
    return list(beams[0][0]), float(beams[0][1])


def draw_steps(rng):
    logits = 2 * rng.standard_normal((7, 6))
    log_probs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return [(log_probs[0], log_probs[1:], 4, width) for width in (1, 2, 3)]


def top_p(probs, p):
    order = np.argsort(-probs)
    number = int(np.searchsorted(np.cumsum(probs[order]), p)) + 1
    kept = np.zeros_like(probs)
    kept[order[:number]] = probs[order[:number]]
    return kept / kept.sum()


def draw_probs(rng):
    return [(softmax(2 * rng.standard_normal(size)), p) for size, p in ((7, 0.55), (12, 0.85))]


def chunk_attention(query, keys, values, past_keys, past_values):
    every_key, every_value = np.vstack([past_keys, keys]), np.vstack([past_values, values])
    seen = np.tri(len(query), len(every_key), len(past_keys), dtype=bool)
    scores = query @ every_key.T / math.sqrt(query.shape[1])
    return softmax(np.where(seen, scores, np.finfo(float).min)) @ every_value


def draw_chunk(rng):
    shapes = (3, 6), (3, 6), (3, 7), (5, 6), (5, 7)
    return [tuple(rng.standard_normal(shape) for shape in shapes)]


REFERENCES = {
    "next_token_loss": Reference(next_token_loss, draw_texts),
    "right_context": Reference(right_context, draw_joint),
    "rms_block": Reference(rms_block),
    "rope": Reference(rope),
    "beam_search": Reference(beam_search, draw_steps),
    "top_p": Reference(top_p, draw_probs),
    "chunk_attention": Reference(chunk_attention, draw_chunk),
}
