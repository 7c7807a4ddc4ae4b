"""Right answers to the exercises of lesson 15 in other styles than the solution's."""

import math

import numpy as np
from course.exercises.solutions import solution

COSTS, CHANGES = solution("lora_memory")[0], solution("less_same_more")[0]


def moments_number_by_number(moments, size, levels):
    flat = [float(number) for number in moments.flat]
    codes, scales, restored, lost = [], [], [], 0
    for place, number in enumerate(flat):
        first = place // size * size
        scale = max(abs(other) for other in flat[first:first + size])
        if place == first:
            scales.append(scale)
        share = number / scale if scale else 0.0
        code = min(range(len(levels)), key=lambda k: abs(levels[k] - share))
        codes.append(code)
        restored.append(levels[code] * scale)
        lost += number != 0 and levels[code] * scale == 0
    return {
        "lost": lost, "restored": np.array(restored).reshape(moments.shape),
        "codes": np.array(codes, np.uint8).reshape(moments.shape), "scales": scales}


def moments_in_single_precision(moments, size, levels):
    """With the last block filled up by its own last number."""
    flat = np.pad(moments.astype(np.float32).ravel(), (0, -moments.size % size), mode="edge")
    blocks = flat.reshape(-1, size)
    scales = np.maximum(blocks.max(1), -blocks.min(1))
    with np.errstate(invalid="ignore"):
        shares = np.nan_to_num(blocks / scales[:, None])
    table = levels.astype(np.float32)
    codes = np.argmin((shares[:, :, None] - table) ** 2, axis=2)
    restored = (table[codes] * scales[:, None]).ravel()[:moments.size].reshape(moments.shape)
    return dict(
        codes=codes.ravel()[:moments.size].reshape(moments.shape), scales=scales, restored=restored,
        lost=np.sum((restored == 0) != (moments == 0)))


def moments_between_neighbours(moments, size, levels):
    """The level above and the one below; of these the nearer. In place."""
    codes, restored = np.zeros(moments.shape, int), moments.copy()
    flat_codes, flat = codes.reshape(-1), restored.reshape(-1)
    scales = []
    for block, places in ((flat[i:i + size], slice(i, i + size)) for i in range(0, flat.size, size)):
        scales.append(np.linalg.norm(block, np.inf))
        shares = block / (scales[-1] or 1)
        above = np.clip(np.searchsorted(levels, shares), 1, len(levels) - 1)
        flat_codes[places] = above - (shares - levels[above - 1] < levels[above] - shares)
        block[:] = levels[flat_codes[places]] * scales[-1]
    return {"codes": codes, "scales": np.array(scales), "restored": restored,
            "lost": len(np.flatnonzero(moments)) - len(np.flatnonzero(restored))}


def order_one_pass(documents, most, draws):
    pairs, chunk = [], []

    def close():
        if len(chunk) >= 2:
            u, v = draws[len(pairs)].tolist()
            cut = int(u * (len(chunk) - 1)) + 1
            halves = [[i for s in chunk[:cut] for i in s], [i for s in chunk[cut:] for i in s]]
            pairs.append([*halves[::-1], 1] if v < 0.5 else [*halves, 0])
        chunk.clear()

    for document in documents:
        for sentence in document:
            if sum(len(s) for s in chunk) + len(sentence) > most:
                close()
            chunk.append(sentence)
        close()
    return pairs


def order_with_arrays(documents, most, draws):
    pairs, draws = [], draws.copy()
    for document in documents:
        ends = np.cumsum([0] + [len(sentence) for sentence in document])
        tokens = np.array([token for sentence in document for token in sentence], int)
        start = 0
        while start < len(document):
            stop = int(np.searchsorted(ends, ends[start] + most, side="right")) - 1
            if stop - start > 1:
                (u, v), draws = draws[0], draws[1:]
                middle = ends[start + 1 + int(u * (stop - start - 1))]
                before, after = tokens[ends[start]:middle], tokens[middle:ends[stop]]
                label = np.int64(v < 0.5)
                pairs.append((after, before, label) if label else (before, after, label))
            start = stop
    return pairs


def order_from_the_end(documents, most, draws):
    """Lists that are emptied; the draws are, too."""
    remaining, pairs = draws[::-1].tolist(), []
    for document in documents:
        waiting = document[::-1]
        while waiting:
            chunk = [waiting.pop()]
            while waiting and len(sum(chunk, [])) + len(waiting[-1]) <= most:
                chunk += [waiting.pop()]
            if len(chunk) == 1:
                continue
            u, v = remaining.pop()
            k = 1 + math.floor(u * (len(chunk) - 1))
            first, second = tuple(sum(chunk[:k], [])), tuple(sum(chunk[k:], []))
            swapped = 1 if v < 0.5 else 0
            pairs += [(second, first, swapped)] if swapped else [(first, second, swapped)]
    return pairs


def draws_in_loops(logits, uniform, temperature):
    exponentials = [math.exp(logit / temperature) for logit in logits]
    probs = [each / sum(exponentials) for each in exponentials]
    ids, counts = [], [0] * len(probs)
    for row in uniform:
        noisy = [math.log(p) - math.log(-math.log(u)) for p, u in zip(probs, row)]
        ids.append(noisy.index(max(noisy)))
        counts[ids[-1]] += 1
    expected = [len(uniform) * p for p in probs]
    chi_square = sum((n - e) ** 2 / e for n, e in zip(counts, expected))
    return {"chi_square": chi_square, "counts": counts, "ids": ids}


def draws_in_single_precision(logits, uniform, temperature):
    logits, uniform = logits.astype(np.float32), uniform.astype(np.float32)
    log_probs = logits / np.float32(temperature)
    log_probs = log_probs - np.log(np.exp(log_probs).sum())
    ids = np.argmax(log_probs[None] + -np.log(-np.log(uniform)), axis=-1)
    counts = np.eye(len(logits), dtype=int)[ids].sum(axis=0)
    expected = np.exp(log_probs) * len(ids)
    return dict(ids=ids, counts=counts, chi_square=np.sum(np.square(counts - expected) / expected))


def draws_as_a_race(logits, uniform, temperature):
    """The least of exponential times: -ln u with the rate p."""
    probs = np.exp(logits / temperature)
    probs /= probs.sum()
    ids = np.log(-np.log(uniform)) - np.log(probs)
    ids = np.argsort(ids, axis=1)[:, 0]
    words, found = np.unique(ids, return_counts=True)
    counts = np.zeros(len(probs), int)
    counts[words] = found
    shares = counts / len(ids)
    return {"ids": ids, "counts": counts, "chi_square": len(ids) * ((shares - probs) ** 2 / probs).sum()}


def law_by_correlation(sizes, losses, larger):
    """The E whose points are most nearly on a line, in steps of 0.01."""
    floors = np.arange(0, losses.min() - 0.005, 0.01)
    best = min(floors, key=lambda E: np.corrcoef(np.log(sizes), np.log(losses - E))[0, 1])
    slope, start = np.polyfit(np.log10(sizes), np.log10(losses - best), 1)
    return best + 10 ** (start + slope * np.log10(larger))


def law_by_exponents(sizes, losses, larger):
    """For each α the law is linear in E and A."""
    def fitted(alpha):
        inputs = np.stack([np.ones(len(sizes)), sizes**-alpha], axis=1)
        law, *_ = np.linalg.lstsq(inputs, losses, rcond=None)
        return np.sum((inputs @ law - losses) ** 2), alpha, law

    _, alpha, (E, A) = min((fitted(alpha) for alpha in np.arange(0.02, 1.0, 0.005)), key=lambda each: each[0])
    return [E + A * size**-alpha for size in larger]


def law_by_finer_grids(sizes, losses, larger):
    """Ten values of E, then ten around the best; the errors are those of the logarithms."""
    def fit(E):
        coefficients, residual, *_ = np.polyfit(np.log(sizes), np.log(losses - E), 1, full=True)
        return residual[0], E, coefficients

    low, high = 0.0, losses.min() - 1e-3
    for _ in range(6):
        _, E, (slope, start) = min((fit(E) for E in np.linspace(low, high, 11)), key=lambda each: each[0])
        width = (high - low) / 10
        low, high = max(E - width, 0), min(E + width, losses.min() - 1e-3)
    return E + math.e**start * np.power(larger, slope)


RIGHT = {
    "lora_memory": [
        dict(reversed(COSTS.items())),
        {name: float(number) for name, number in COSTS.items()},
        {name: np.int64(number) for name, number in COSTS.items()},
    ],
    "block_moments": [moments_number_by_number, moments_in_single_precision, moments_between_neighbours],
    "sentence_order": [order_one_pass, order_with_arrays, order_from_the_end],
    "gumbel_draws": [draws_in_loops, draws_in_single_precision, draws_as_a_race],
    "scaling_law": [law_by_correlation, law_by_exponents, law_by_finer_grids],
    "less_same_more": [
        dict(reversed(CHANGES.items())),
        {name: np.str_(word) for name, word in CHANGES.items()},
        dict(sorted(CHANGES.items())),
    ],
}
