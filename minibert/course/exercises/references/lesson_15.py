"""References of lesson 15, cheaper pretraining."""

import math

import numpy as np

from minibert.course.exercises.lesson_15 import (
    FINE,
    SIGNED,
    documents_of,
    gumbel_data,
    moments_drawn,
    runs_drawn,
)
from minibert.course.exercises.variants import Reference


def lora_memory(H, F, L, R):
    frozen, trained = L * (4 * H * H + 2 * H * F), L * 2 * 2 * H * R
    return {
        "trained": trained,
        "full_bytes": 16 * frozen, "lora_bytes": 4 * frozen + 16 * trained,
        "full_flops": 6 * frozen, "lora_flops": 4 * frozen + 6 * trained,
    }


def draw_sizes(rng):
    H = 10 * int(rng.integers(4, 9))
    return {"H": H, "F": 4 * H + 10 * int(rng.integers(1, 4)), "L": int(rng.integers(8, 13)),
            "R": int(rng.integers(2, 7))}


def block_moments(moments, size, levels):
    flat, middles = moments.ravel(), (levels[1:] + levels[:-1]) / 2
    codes, restored, scales = [], [], []
    for first in range(0, len(flat), size):
        block = flat[first : first + size]
        scale = max(block.max(), -block.min())
        places = np.searchsorted(middles, block / scale if scale > 0 else block)
        codes.extend(places)
        restored.extend(levels[places] * scale)
        scales.append(scale)
    codes, restored = (np.array(each).reshape(moments.shape) for each in (codes, restored))
    lost = np.count_nonzero(moments) - np.count_nonzero(restored)
    return {"codes": codes, "scales": np.array(scales), "restored": restored, "lost": lost}


def draw_moments(rng):
    return [
        (moments_drawn(rng, (4, 9), SIGNED), 7, SIGNED),
        (moments_drawn(rng, (34,), FINE), 4, FINE),
    ]


def reverse_kl(student, mask, *, teacher, temperature):
    total = 0.0
    for b, t in np.argwhere(mask):
        (s, log_s), (_, log_t) = (_softened(each[b, t] / temperature) for each in (student, teacher))
        total = total + s @ (log_s - log_t)
    return temperature * temperature * total / np.count_nonzero(mask)


def _softened(x):
    shifted = x - x.real.max()
    logs = shifted - np.log(np.exp(shifted).sum())
    return np.exp(logs), logs


def sentence_order(documents, most, draws):
    pairs, rows = [], iter(draws)
    for document in documents:
        start = 0
        while start < len(document):
            end, total = start, 0
            while end < len(document) and total + len(document[end]) <= most:
                total += len(document[end])
                end += 1
            if end - start >= 2:
                u, v = next(rows)
                middle = start + 1 + math.floor(u * (end - start - 1))
                before, after = (sum(document[i:j], []) for i, j in ((start, middle), (middle, end)))
                pairs.append((after, before, 1) if v < 0.5 else (before, after, 0))
            start = end
    return pairs


def draw_documents(rng):
    """Six documents; the second has one sentence. No u (n - 1) is near a whole number."""
    lengths = [rng.integers(1, 10, rng.integers(2, 8)).tolist() for _ in range(6)]
    lengths[1] = [3]
    return [(documents_of(lengths), 14, (rng.integers(0, 1000, (31, 2)) + 0.5) / 1000)]


def gumbel_draws(logits, uniform, temperature):
    """The largest of ln p - ln(-ln u): where -ln(u) / p is least."""
    weights = np.exp(logits / temperature - max(logits) / temperature)
    ids = (-np.log(uniform) / weights).argmin(axis=1)
    counts = (ids[:, np.newaxis] == np.arange(len(logits))).sum(axis=0)
    expected = len(ids) * weights / weights.sum()
    return {"ids": ids, "counts": counts, "chi_square": float((counts**2 / expected).sum() - len(ids))}


def draw_uniform(rng):
    return [
        gumbel_data(rng, rng.uniform(-2, 2, 7).round(2), 200, 2.2),
        gumbel_data(rng, rng.uniform(-1, 1, 5).round(2), 150, 0.7),
    ]


def scaling_law(sizes, losses, larger):
    """Gauss-Newton on (E, ln A, α), from the best line of a coarse grid of E."""
    x = np.log(sizes)

    def line(floor):
        slope, start = np.polyfit(x, np.log(losses - floor), 1)
        return np.array([floor, start, -slope])

    def residuals(law):
        return law[0] + np.exp(law[1] - law[2] * x) - losses

    starts = [line(floor) for floor in np.linspace(0, 0.99 * losses.min(), 100)]
    law = min(starts, key=lambda each: (residuals(each) ** 2).sum())
    for _ in range(20):
        rest = np.exp(law[1] - law[2] * x)
        slopes = np.column_stack([np.ones(len(x)), rest, -x * rest])
        law = law - np.linalg.lstsq(slopes, residuals(law), rcond=None)[0]
    return law[0] + np.exp(law[1] - law[2] * np.log(larger))


def draw_runs(rng):
    return [runs_drawn(rng, 8, 5)[0]]


REFERENCES = {
    "lora_memory": Reference(
        lora_memory, draw_sizes, "H = {H}, F = {F}, L = {L} layers, pairs of rank R = {R}"),
    "block_moments": Reference(block_moments, draw_moments),
    "reverse_kl": Reference(reverse_kl),
    "sentence_order": Reference(sentence_order, draw_documents),
    "gumbel_draws": Reference(gumbel_draws, draw_uniform),
    "scaling_law": Reference(scaling_law, draw_runs),
}
