"""Wrong answers to the exercises of lesson 15, as students might give them who read the task only."""

import numpy as np
from course.exercises.solutions import solution
from course.exercises.wrong.answers import backward, forward

from minibert.course import exercises

COSTS, CHANGES = solution("lora_memory")[0], solution("less_same_more")[0]


def changed(name, change):
    """The solution's answer, a dict, with some entries changed: change(found, *arguments) → a dict."""
    [right] = solution(name)

    def wrong(*arguments):
        found = right(*arguments)
        return found | change(found, *arguments)

    return (wrong,)


# --- block_moments ---


def quantised(moments, size, levels, *, scale=lambda block: abs(block).max(), axis=None, round_to=None):
    flat = moments.reshape(-1)
    blocks = [flat[i:i + size] for i in range(0, len(flat), size)]
    codes, restored, scales = [], [], []
    for block in blocks:
        scales.append(scale(block))
        shares = block / scales[-1] if scales[-1] else block
        distances = abs(shares[:, None] - levels)
        codes.append(distances.argmin(axis=1) if round_to is None else round_to(shares))
        restored.append(levels[codes[-1]] * scales[-1])
    codes, restored = (np.concatenate(each).reshape(moments.shape) for each in (codes, restored))
    return {"codes": codes, "scales": np.array(scales), "restored": restored,
            "lost": int(((moments != 0) & (restored == 0)).sum())}


def moments(change):
    return changed("block_moments", change)


def quantise(**options):
    return (lambda *given: quantised(*given, **options),)


def without_a_test_for_zeros(moments, size, levels):
    found = solution("block_moments")[0](moments, size, levels)
    with np.errstate(invalid="ignore"):
        nothing = np.repeat(0 / found["scales"], size)[:moments.size].reshape(moments.shape)
    return found | {"restored": found["restored"] + nothing}


def as_eight_bits(moments, size, levels):
    """The usual int8: 127 even steps, and no table."""
    found = solution("block_moments")[0](moments, size, levels)
    scales = np.repeat(found["scales"], size)[:moments.size].reshape(moments.shape)
    codes = np.rint(127 * moments / np.where(scales == 0, 1, scales)).astype(int)
    return {"codes": codes, "scales": found["scales"], "restored": codes * scales / 127,
            "lost": int(((codes == 0) & (moments != 0)).sum())}


def whole_blocks_only(moments, size, levels):
    count = moments.size // size * size
    return solution("block_moments")[0](moments.reshape(-1)[:count], size, levels)


# --- reverse_kl ---


def log_softmax(scores):
    shifted = scores - scores.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def divergence(student, mask, *, teacher, temperature, weights=None, factor=None, own=True):
    log_s, log_t = log_softmax(student / temperature), log_softmax(teacher / temperature)
    each = (np.exp(log_s) * (own * log_s - log_t)).sum(axis=-1)
    weights = mask / mask.sum() if weights is None else weights
    return (temperature**2 if factor is None else factor) * (each * weights).sum()


def kl(change):
    return forward(change)


def kl_back(change):
    return backward("reverse_kl", change)


def of_the_student(student, temperature):
    return np.exp(log_softmax(student / temperature))


def constants():
    return exercises.find("reverse_kl").arguments()[1]


def other_direction_back(d_loss, g, student, mask):
    """softmax(student / τ) - softmax(teacher / τ), as in section 3."""
    teacher, temperature = constants().values()
    difference = of_the_student(student, temperature) - of_the_student(teacher, temperature)
    return [d_loss * temperature * difference * mask[..., None] / mask.sum(), None]


def probabilities_only(d_loss, g, student, mask):
    """Not back through the softmax: ln s - ln t + 1."""
    teacher, temperature = constants().values()
    ratio = log_softmax(student / temperature) - log_softmax(teacher / temperature) + 1
    return [d_loss * temperature * ratio * mask[..., None] / mask.sum(), None]


def without_the_mean(d_loss, g, student, mask):
    teacher, temperature = constants().values()
    ratio = log_softmax(student / temperature) - log_softmax(teacher / temperature)
    s = of_the_student(student, temperature)
    return [d_loss * temperature * s * ratio * mask[..., None] / mask.sum(), None]


def with_padding(d_loss, g, student, mask):
    teacher, temperature = constants().values()
    ratio = log_softmax(student / temperature) - log_softmax(teacher / temperature)
    s = of_the_student(student, temperature)
    mean = (s * ratio).sum(axis=-1, keepdims=True)
    return [d_loss * temperature * s * (ratio - mean) / mask.sum(), None]


def from_probabilities(student, mask, *, teacher, temperature):
    """Right where no probability is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        s, t = of_the_student(student, temperature), of_the_student(teacher, temperature)
        each = (s * (np.log(s) - np.log(t))).sum(axis=-1)
    return temperature**2 * each[mask == 1].mean()


def with_a_floor(student, mask, *, teacher, temperature):
    s, t = of_the_student(student, temperature), of_the_student(teacher, temperature)
    each = (s * (np.log(s + 1e-12) - np.log(t + 1e-12))).sum(axis=-1)
    return temperature**2 * each[mask == 1].mean()


def of_exponentials(student, mask, *, teacher, temperature):
    """exp without the maximum: right until it is infinite."""
    with np.errstate(over="ignore", invalid="ignore"):
        x, y = student / temperature, teacher / temperature
        log_s = x - np.log(np.exp(x).sum(axis=-1, keepdims=True))
        log_t = y - np.log(np.exp(y).sum(axis=-1, keepdims=True))
        each = (np.exp(log_s) * (log_s - log_t)).sum(axis=-1)
    return temperature**2 * each[mask == 1].mean()


def one_maximum(student, mask, *, teacher, temperature):
    """The maximum of all tokens: right where none is far below another."""
    with np.errstate(divide="ignore", invalid="ignore"):
        x, y = (logits[mask == 1] / temperature for logits in (student, teacher))
        log_s, log_t = (
            z - z.max() - np.log(np.exp(z - z.max()).sum(axis=-1, keepdims=True)) for z in (x, y))
        return temperature**2 * (np.exp(log_s) * (log_s - log_t)).sum(axis=-1).mean()


# --- sentence_order ---


def cut_by_tokens(u, chunk):
    """The cut is drawn among the tokens, and goes to the end of the sentence."""
    ends = np.cumsum([len(sentence) for sentence in chunk])
    return min(1 + int(np.searchsorted(ends, u * ends[-1], side="right")), len(chunk) - 1)


def pairs(documents, most, draws, *, fits=None, cut=None, swaps=None, alone=None, label=int, use=False,
          last=True):
    made, row = [], 0
    for number, document in enumerate(documents):
        chunks = []
        for sentence in document:
            total = sum(map(len, chunks[-1])) + len(sentence) if chunks else 0
            if not chunks or not (fits(total, len(chunks[-1])) if fits else total <= most):
                chunks.append([])
            chunks[-1].append(sentence)
        for chunk in chunks if last else chunks[:-1]:
            if len(chunk) < 2:
                if alone:
                    made += alone(documents, number, chunk[0])
                row += use
                continue
            u, v = draws[row % len(draws)]
            row += 1
            middle = cut(u, chunk) if cut else 1 + int(u * (len(chunk) - 1))
            first, second = sum(chunk[:middle], []), sum(chunk[middle:], [])
            swapped = swaps(u, v) if swaps else v < 0.5
            made.append((second, first, label(swapped)) if swapped else (first, second, label(swapped)))
    return made


def order(**options):
    return (lambda *given: pairs(*given, **options),)


def with_another_document(documents, number, sentence):
    other = documents[number - 1] or documents[number - 2]
    return [(sentence, other[0], 1)]


def half_sentences(documents, number, sentence):
    """A sentence alone is cut in the middle."""
    middle = len(sentence) // 2
    return [(sentence[:middle], sentence[middle:], 0)] if middle else []


def order_changed(change):
    """change(pair) → another pair."""
    def wrong(*given):
        return [change(*pair) for pair in solution("sentence_order")[0](*given)]
    return (wrong,)


# --- gumbel_draws ---


def sampled(logits, uniform, temperature, *, noise=lambda u: -np.log(-np.log(u)), probs=False, score=None):
    p = np.exp(logits / temperature) / np.exp(logits / temperature).sum()
    scores = p if probs else logits / temperature
    ids = (score(logits, noise(uniform), temperature) if score else scores + noise(uniform)).argmax(axis=1)
    counts = np.bincount(ids, minlength=len(p))
    expected = len(ids) * p
    return {"ids": ids, "counts": counts, "chi_square": ((counts - expected) ** 2 / expected).sum()}


def draws(**options):
    return (lambda *given: sampled(*given, **options),)


def judged(change):
    """Another χ²: change(counts, probs, N)."""
    def wrong(logits, uniform, temperature):
        found = sampled(logits, uniform, temperature)
        p = np.exp(logits / temperature) / np.exp(logits / temperature).sum()
        return found | {"chi_square": change(found["counts"], p, len(uniform))}
    return (wrong,)


# --- scaling_law ---


def line_with(floor):
    """A law whose E is floor(losses), and not fitted."""
    def wrong(sizes, losses, larger):
        E = floor(losses)
        slope, start = np.polyfit(np.log(sizes), np.log(losses - E), 1)
        return E + np.exp(start + slope * np.log(larger))
    return (wrong,)


def law(change):
    """The best law of the solution's kind; change(E, ln A, slope, larger) → an answer."""
    def wrong(sizes, losses, larger):
        fits = []
        for E in np.arange(0, losses.min(), 0.01):
            slope, start = np.polyfit(np.log(sizes), np.log(losses - E), 1)
            fits.append((((E + np.exp(start + slope * np.log(sizes)) - losses) ** 2).sum(), E, start, slope))
        return change(*min(fits)[1:], larger)
    return (wrong,)


def worst_law(sizes, losses, larger):
    """argmax for argmin."""
    fits = []
    for E in np.arange(0, losses.min(), 0.01):
        slope, start = np.polyfit(np.log(sizes), np.log(losses - E), 1)
        fits.append((((E + np.exp(start + slope * np.log(sizes)) - losses) ** 2).sum(), E, start, slope))
    _, E, start, slope = max(fits)
    return E + np.exp(start + slope * np.log(larger))


def largest_runs(sizes, losses, larger):
    slope, start = np.polyfit(np.log(sizes[-3:]), np.log(losses[-3:]), 1)
    return np.exp(start + slope * np.log(larger))


def square_root(sizes, losses, larger):
    """α is 1/2, as for a mean of many numbers."""
    inputs = np.stack([np.ones(len(sizes)), sizes**-0.5], axis=1)
    E, A = np.linalg.lstsq(inputs, losses, rcond=None)[0]
    return E + A * larger**-0.5


WRONG = {
    "lora_memory": {
        "one matrix of two": (COSTS | {"trained": 3360},),
        "half a pair": (COSTS | {"trained": 7 * 2 * 60 * 4},),
        "all of attention": (COSTS | {"trained": 7 * 4 * 2 * 60 * 4},),
        "rank times rank": (COSTS | {"trained": 7 * 2 * 4 * 4},),
        "numbers, not bytes": (COSTS | {"full_bytes": 4_972_800 // 4},),
        "weights alone": (COSTS | {"full_bytes": 4 * 310_800, "lora_bytes": 4 * 317_520},),
        "one moment": (COSTS | {"full_bytes": 12 * 310_800},),
        "pairs alone": (COSTS | {"lora_bytes": 16 * 6720, "lora_flops": 6 * 6720},),
        "moments of all": (COSTS | {"lora_bytes": 16 * 317_520},),
        "gradients of all": (COSTS | {"lora_bytes": 8 * 317_520 + 8 * 6720},),
        "forward alone": (COSTS | {"full_flops": 2 * 310_800, "lora_flops": 2 * 317_520},),
        "two products": (COSTS | {"full_flops": 4 * 310_800},),
        "as much as before": (COSTS | {"lora_flops": 6 * 310_800},),
        "everything again": (COSTS | {"lora_flops": 6 * 317_520},),
        "no gradient through W": (COSTS | {"lora_flops": 2 * 310_800 + 6 * 6720},),
        "pairs forward alone": (COSTS | {"lora_flops": 4 * 310_800 + 2 * 6720},),
        "biases": (COSTS | {"full_bytes": 16 * (310_800 + 7 * 550)},),
    },
    "block_moments": {
        "one scale": (lambda moments, size, levels: quantised(moments, moments.size, levels),),
        "rows are blocks": (lambda moments, size, levels: quantised(moments, moments.shape[-1], levels),),
        "size blocks": (lambda moments, size, levels: quantised(
            moments, -(-moments.size // size) if size < moments.size else 2, levels),),
        "not the absolute": quantise(scale=lambda block: block.max()),
        "the mean": quantise(scale=lambda block: abs(block).mean()),
        "the root of the mean square": quantise(scale=lambda block: np.sqrt((block * block).mean())),
        "1 for the scale of zeros": moments(lambda found, *given: {
            "scales": np.where(found["scales"] == 0, 1, found["scales"]), "lost": found["lost"] + 1}),
        "divided by nothing": (without_a_test_for_zeros,),
        "int8": (as_eight_bits,),
        "last block left out": (whole_blocks_only,),
        "level below": (lambda moments, size, levels: quantised(
            moments, size, levels, round_to=lambda x: np.searchsorted(levels, x, side="right") - 1),),
        "level above": (lambda moments, size, levels: quantised(
            moments, size, levels, round_to=lambda x: np.searchsorted(levels, x)),),
        "levels, not scaled": moments(lambda found, moments, size, levels: {
            "restored": levels[found["codes"]]}),
        "flat": moments(lambda found, *given: {"codes": found["codes"].ravel()}),
        "zeros are lost, too": moments(lambda found, *given: {"lost": (found["restored"] == 0).sum()}),
        "lost is changed": moments(lambda found, moments, *given: {
            "lost": (found["restored"] != moments).sum()}),
        "a share": moments(lambda found, moments, *given: {"lost": found["lost"] / moments.size}),
        "the error": moments(lambda found, moments, *given: {
            "lost": abs(found["restored"] - moments).max()}),
        "scales for each number": moments(lambda found, moments, size, levels: {
            "scales": np.repeat(found["scales"], size)[:moments.size].reshape(moments.shape)}),
    },
    "reverse_kl": {
        "teacher first": kl(lambda student, mask, *, teacher, temperature: divergence(
            teacher, mask, teacher=student, temperature=temperature)),
        "symmetric": kl(lambda student, mask, *, teacher, temperature: (divergence(
            teacher, mask, teacher=student, temperature=temperature) + divergence(
            student, mask, teacher=teacher, temperature=temperature)) / 2),
        "cross-entropy": kl(lambda *given, **more: divergence(*given, **more, own=False)),
        "no factor": kl(lambda *given, **more: divergence(*given, **more, factor=1)),
        "tau once": kl(lambda *given, temperature, **more: divergence(
            *given, temperature=temperature, **more, factor=temperature)),
        "divided by the square": kl(lambda *given, temperature, **more: divergence(
            *given, temperature=temperature, **more, factor=temperature**-2)),
        "no temperature": kl(lambda *given, teacher, temperature: divergence(
            *given, teacher=teacher, temperature=1)),
        "multiplied": kl(lambda *given, teacher, temperature: divergence(
            *given, teacher=teacher, temperature=1 / temperature, factor=temperature**2)),
        "all tokens": kl(lambda student, mask, **more: divergence(
            student, mask, **more, weights=1 / mask.size)),
        "divided by all": kl(lambda student, mask, **more: divergence(
            student, mask, **more, weights=mask / mask.size)),
        "divided by texts": kl(lambda student, mask, **more: divergence(
            student, mask, **more, weights=mask / len(mask))),
        "means of texts": kl(lambda student, mask, **more: divergence(
            student, mask, **more, weights=mask / mask.sum(axis=1, keepdims=True) / len(mask))),
        "mean of words": kl(lambda student, *given, **more: divergence(
            student, *given, **more) / student.shape[-1]),
        "the sum": kl(lambda student, mask, **more: divergence(student, mask, **more, weights=mask)),
        "minus": kl(lambda *given, **more: -divergence(*given, **more)),
        "logarithm of the softmax": kl(from_probabilities),
        "a floor": kl(with_a_floor),
        "no maximum": kl(of_exponentials),
        "one maximum": kl(one_maximum),
        "gradient of the other direction": kl_back(other_direction_back),
        "not through the softmax": kl_back(probabilities_only),
        "softmax without its mean": kl_back(without_the_mean),
        "padding learns": kl_back(with_padding),
        "tau squared": kl_back(lambda d_y, g, *inputs: [g[0] * constants()["temperature"], None]),
        "no tau": kl_back(lambda d_y, g, *inputs: [g[0] / constants()["temperature"], None]),
        "sign": kl_back(lambda d_y, g, *inputs: [-g[0], None]),
        "d_loss forgotten": kl_back(lambda d_y, g, *inputs: [g[0] / d_y, None]),
        "sum over the tokens": kl_back(lambda d_y, g, student, mask: [g[0] * mask.sum(), None]),
    },
    "sentence_order": {
        "1 is in order": order(label=lambda swapped: int(not swapped)),
        "true or false": order(label=bool),
        "not swapped": order_changed(lambda first, second, label: (
            (second, first, label) if label else (first, second, label))),
        "all swapped": order_changed(lambda first, second, label: (
            (first, second, label) if label else (second, first, label))),
        "label first": order_changed(lambda first, second, label: (label, first, second)),
        "no labels": order_changed(lambda first, second, label: (first, second)),
        "tokens reversed": order_changed(lambda first, second, label: (
            (second[::-1], first[::-1], label) if label else (first, second, label))),
        "swapped from one half on": order(swaps=lambda u, v: v >= 0.5),
        "columns exchanged": (lambda documents, most, draws: pairs(documents, most, draws[:, ::-1]),),
        "swapped at one half, too": order(swaps=lambda u, v: v <= 0.5),
        "swapped by u": order(swaps=lambda u, v: u < 0.5),
        "cut in the middle": order(cut=lambda u, chunk: len(chunk) // 2),
        "empty parts": order(cut=lambda u, chunk: int(u * len(chunk))),
        "cut by all": order(cut=lambda u, chunk: min(1 + int(u * len(chunk)), len(chunk) - 1)),
        "rounded": order(cut=lambda u, chunk: 1 + round(u * (len(chunk) - 2))),
        "rounded up": order(cut=lambda u, chunk: int(np.ceil(u * (len(chunk) - 1)))),
        "the nearest": order(cut=lambda u, chunk: max(1, round(u * (len(chunk) - 1)))),
        "at least one": order(cut=lambda u, chunk: max(1, int(u * len(chunk)))),
        "cut by tokens": order(cut=cut_by_tokens),
        "first sentence alone": order(cut=lambda u, chunk: 1),
        "two sentences": order(fits=lambda total, count: count < 2),
        "no limit": order(fits=lambda total, count: True),
        "fewer than most": (lambda documents, most, draws: pairs(documents, most - 1, draws),),
        "sentences, not tokens": (lambda documents, most, draws: pairs(
            documents, most, draws, fits=lambda total, count: count < most),),
        "another document": order(alone=with_another_document),
        "half sentences": order(alone=half_sentences),
        "a row for each chunk": order(use=True),
        "the first row for all": (lambda documents, most, draws: pairs(documents, most, draws[:1]),),
        "no last chunk": order(last=False),
        "one document": (lambda documents, most, draws: pairs([sum(documents, [])], most, draws),),
        "the first document": (lambda documents, most, draws: pairs(documents[:1], most, draws),),
    },
    "gumbel_draws": {
        "on probabilities": draws(probs=True),
        "divided afterwards": draws(score=lambda logits, noise, T: (logits + noise) / T),
        "no temperature": (lambda logits, uniform, T: sampled(logits, uniform, 1.0),),
        "multiplied": (lambda logits, uniform, T: sampled(logits, uniform, 1 / T),),
        "temperature on the noise": draws(score=lambda logits, noise, T: logits + noise / T),
        "one minus": draws(noise=lambda u: np.log(-np.log(u))),
        "one logarithm": draws(noise=lambda u: -np.log(u)),
        "noise of 1 - u": draws(noise=lambda u: -np.log(-np.log(1 - u))),
        "uniform": draws(noise=lambda u: u),
        "normal": draws(noise=lambda u: np.sqrt(-2 * np.log(u)) * np.cos(6.2832 * u[:, ::-1])),
        "the likeliest": draws(noise=lambda u: 0 * u),
        "the least": draws(score=lambda logits, noise, T: -logits / T - noise),
        "times the noise": draws(score=lambda logits, noise, T: logits / T * noise),
        "divided by the noise": draws(score=lambda logits, noise, T: np.exp(logits / T) * -np.log(noise**2)),
        "one row for all": draws(noise=lambda u: -np.log(-np.log(u[:1])) + 0 * u),
        "cumulative sums": (lambda logits, uniform, T: sampled(
            logits, uniform, T, score=lambda logits, noise, T: np.cumsum(
                np.exp(logits / T) / np.exp(logits / T).sum()) > uniform[:, :1]),),
        "counts without the last": changed("gumbel_draws", lambda found, *given: {
            "counts": np.bincount(found["ids"])}),
        "shares": changed("gumbel_draws", lambda found, *given: {
            "counts": found["counts"] / len(found["ids"])}),
        "chi of shares": judged(lambda counts, p, N: ((counts / N - p) ** 2 / p).sum()),
        "chi by counts": judged(lambda counts, p, N: (
            (counts - N * p) ** 2 / np.maximum(counts, 1)).sum()),
        "chi not divided": judged(lambda counts, p, N: ((counts - N * p) ** 2).sum()),
        "chi not squared": judged(lambda counts, p, N: (abs(counts - N * p) / (N * p)).sum()),
        "divided by the square": judged(lambda counts, p, N: ((counts - N * p) ** 2 / (N * p) ** 2).sum()),
        "chi, a mean": judged(lambda counts, p, N: ((counts - N * p) ** 2 / (N * p)).mean()),
        "chi against equal": judged(lambda counts, p, N: (
            (counts - N / len(p)) ** 2 / (N / len(p))).sum()),
        "its root": judged(lambda counts, p, N: np.sqrt(((counts - N * p) ** 2 / (N * p)).sum())),
    },
    "scaling_law": {
        "no E": line_with(lambda losses: 0.0),
        "E near the least": line_with(lambda losses: losses.min() - 1e-3),
        "E is half of the least": line_with(lambda losses: losses.min() / 2),
        "E is 1": line_with(lambda losses: 1.0),
        "a line": (lambda sizes, losses, larger: np.polyval(
            np.polyfit(np.log(sizes), losses, 1), np.log(larger)),),
        "a line in N": (lambda sizes, losses, larger: np.polyval(np.polyfit(sizes, losses, 1), larger),),
        "a cubic": (lambda sizes, losses, larger: np.polyval(
            np.polyfit(np.log(sizes), losses, 3), np.log(larger)),),
        "the last": (lambda sizes, losses, larger: np.full(len(larger), losses[-1]),),
        "interpolated": (lambda sizes, losses, larger: np.interp(larger, sizes, losses),),
        "the largest runs": (largest_runs,),
        "the root of N": (square_root,),
        "the worst E": (worst_law,),
        "E alone": law(lambda E, start, slope, larger: np.full(len(larger), E)),
        "without E at the end": law(lambda E, start, slope, larger: np.exp(start + slope * np.log(larger))),
        "the sign of alpha": law(lambda E, start, slope, larger: E + np.exp(start - slope * np.log(larger))),
        "log10 of N": law(lambda E, start, slope, larger: E + np.exp(start + slope * np.log10(larger))),
        "the logarithm": law(lambda E, start, slope, larger: np.log(
            E + np.exp(start + slope * np.log(larger)))),
        "ln A for A": law(lambda E, start, slope, larger: E + start * larger**slope),
        "the first only": law(lambda E, start, slope, larger: E + np.exp(start + slope * np.log(larger[:1]))),
        "the law's numbers": law(lambda E, start, slope, larger: np.array(
            [E, np.exp(start), -slope])[:len(larger)]),
    },
    "less_same_more": {
        "fewer parameters are faster": (CHANGES | {"shared: time of the forward pass": "less"},),
        "nothing is free": (CHANGES | {"recomputed: time of a step": "same"},),
        "batches are free": (CHANGES | {"large batch: tokens read until a given loss": "same"},),
        "fewer steps": (CHANGES | {"large batch: tokens read until a given loss": "less"},),
        "moments are divided": (CHANGES | {
            "in parts: bytes of the moments": "less", "machines: bytes of the moments on each": "less"},),
        "as many labels": (CHANGES | {"electra: tokens of a batch that have a loss": "same"},),
        "shared numbers are kept": (CHANGES | {"shared: parameters": "same"},),
        "parts add up": (CHANGES | {"in parts: numbers kept for backward": "same"},),
        "all less": (dict.fromkeys(CHANGES, "less"),),
        "all the same": (dict.fromkeys(CHANGES, "same"),),
    },
}
