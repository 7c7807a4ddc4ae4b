"""Exercises of lesson 15, cheaper pretraining: LoRA's costs, 8-bit moments, reverse KL, SOP, draws, a law."""

import math

import numpy as np

from minibert.course.exercises.kinds import Choices, Function, Gradients, Mistake, Value
from minibert.layers.softmax import softmax

# --- lora_memory ---

COSTS = {
    "trained": 6720, "full_bytes": 4_972_800, "lora_bytes": 1_350_720, "full_flops": 1_864_800,
    "lora_flops": 1_283_520,
}
COSTS_MISTAKES = [
    ({"trained": 3360}, "Two matrices, query and value, have a pair each, and a pair is two matrices."),
    ({"trained": 960}, "That is one layer."),
    ({"trained": 13_440}, "Only query and value have a pair: two of the four matrices of attention."),
    ({"trained": 30_800}, "Only query and value have a pair, not all six matrices."),
    ({"trained": 310_800}, "These are the frozen weights."),
    ({"trained": 317_520}, "The frozen weights are not trained."),
    ({"full_bytes": 1_243_200}, "These are the weights; there are gradients and two moments of each, too."),
    ({"full_bytes": 2_486_400}, "Weights and gradients; or the moments alone. Add up all of these."),
    ({"full_bytes": 3_729_600}, "Adam keeps two moments of each number, beside the gradient."),
    ({"lora_bytes": 107_520}, "The frozen weights are still in memory."),
    ({"lora_bytes": 1_243_200}, "These are the frozen weights; the pairs need their part, too."),
    ({"lora_bytes": 1_270_080}, "These are all weights; the pairs have gradients and moments, too."),
    ({"lora_bytes": 1_323_840}, "A number of a pair is a weight with a gradient and two moments: 16 bytes."),
    ({"lora_bytes": 2_593_920}, "What is frozen has no array for its gradient."),
    ({"lora_bytes": 5_080_320}, "What is frozen has neither a gradient nor moments."),
    ({"full_flops": 621_600}, "That is the forward alone."),
    ({"full_flops": 932_400}, "A product and an addition are two operations: 2 for each of the three."),
    ({"full_flops": 1_243_200}, "2 of the 6 are missing: output, gradient of the input, of the matrix."),
    ({"lora_flops": 40_320}, "The frozen matrices work, too: an output, and a gradient for their input."),
    ({"lora_flops": 661_920}, "The gradient goes back through the frozen matrices, too: 2 more for each."),
    ({"lora_flops": 1_243_200}, "The pairs work, too: 6 for each of their numbers."),
    ({"lora_flops": 1_864_800}, "A frozen matrix needs no gradient of its own: 4 of the 6 are left."),
    ({"lora_flops": 1_905_120}, "A frozen matrix needs no gradient of its own: 4 of the 6 are left."),
]

# --- block_moments ---

POWERS = 10.0 ** np.arange(-4, 1)
SIGNED = np.concatenate([-POWERS[::-1], [0], POWERS])
LINEAR = np.linspace(0, 1, 9)
FINE = np.concatenate([[0], 10.0 ** np.linspace(-5, 0, 12)])


def moments_drawn(rng, shape, levels, zeros=()):
    """Numbers of very different size, some of them 0; of both signs if the levels are."""
    numbers = 10 ** rng.uniform(-5, 0, shape)
    if levels[0] < 0:
        numbers *= rng.choice([-1, 1], shape)
    flat = numbers.reshape(-1)
    flat[rng.integers(flat.size)] = 0
    flat[list(zeros)] = 0
    return numbers


def block_moments(moments, size, levels, scale_of=lambda block: np.abs(block).max()):
    """The dict of the task."""
    flat = moments.reshape(-1)
    scales = np.array([scale_of(flat[first : first + size]) for first in range(0, flat.size, size)])
    each = np.repeat(scales, size)[: flat.size].reshape(moments.shape)
    shares = moments / np.where(each == 0, 1, each)
    codes = np.abs(shares[..., np.newaxis] - levels).argmin(axis=-1)
    restored = levels[codes] * each
    lost = int(((restored == 0) & (moments != 0)).sum())
    return {"codes": codes, "scales": scales, "restored": restored, "lost": lost}


def moments_in_one_block(moments, size, levels):
    return block_moments(moments, moments.size, levels)


def moments_by_rows(moments, size, levels):
    return block_moments(moments, moments.shape[-1], levels)


def moments_by_columns(moments, size, levels):
    """Blocks of every n-th number, as reshape(size, blocks) makes them."""
    count = -(-moments.size // size)
    scales = np.array([np.abs(moments.reshape(-1)[first::count]).max() for first in range(count)])
    found = block_moments(moments, size, levels)
    return found | {"scales": scales}


def moments_largest(moments, size, levels):
    return block_moments(moments, size, levels, scale_of=np.max)


def moments_rounded_down(moments, size, levels, up=0):
    right = block_moments(moments, size, levels)
    each = np.repeat(right["scales"], size)[: moments.size].reshape(moments.shape)
    shares = moments / np.where(each == 0, 1, each)
    codes = np.searchsorted(levels, shares, side="left" if up else "right") - 1 + up
    restored = levels[codes] * each
    return right | {
        "codes": codes, "restored": restored, "lost": int(((restored == 0) & (moments != 0)).sum())}


def moments_rounded_up(moments, size, levels):
    return moments_rounded_down(moments, size, levels, up=1)


def moments_not_scaled_back(moments, size, levels):
    right = block_moments(moments, size, levels)
    return right | {"restored": levels[right["codes"]]}


def moments_zeros_lost(moments, size, levels):
    right = block_moments(moments, size, levels)
    return right | {"lost": int((right["restored"] == 0).sum())}


def moments_inexact(moments, size, levels):
    right = block_moments(moments, size, levels)
    return right | {"lost": int((right["restored"] != moments).sum())}


def moments_share_lost(moments, size, levels):
    right = block_moments(moments, size, levels)
    return right | {"lost": right["lost"] / moments.size}


def moments_levels_for_codes(moments, size, levels):
    right = block_moments(moments, size, levels)
    return right | {"codes": levels[right["codes"]]}


def moments_flat(moments, size, levels):
    right = block_moments(moments, size, levels)
    return right | {name: right[name].reshape(-1) for name in ("codes", "restored")}


def _moments_case(seed, shape, size, levels, zeros=()):
    given = moments_drawn(np.random.default_rng(seed), shape, levels, zeros), size, levels
    return given, block_moments(*given)


# --- reverse_kl ---

TOKENS = np.arange(4) < np.array([[4], [1], [3]])


def kl_inputs(rng):
    return 1.5 * rng.standard_normal((3, 4, 5)), TOKENS.astype(int)


def kl_constants(rng):
    return {"teacher": 1.5 * rng.standard_normal((3, 4, 5)), "temperature": float(rng.uniform(1.8, 2.6))}


def _logs(logits, temperature):
    return np.log(softmax(logits / temperature))


def _mean(each, mask, temperature):
    """(B, T) → τ² times the mean over the tokens."""
    return temperature**2 * (each * mask).sum() / mask.sum()


def _divergences(student, teacher, temperature):
    log_s, log_t = _logs(student, temperature), _logs(teacher, temperature)
    return (np.exp(log_s) * (log_s - log_t)).sum(axis=-1)


def kl_of_the_lesson(student, mask, *, teacher, temperature):
    return _mean(_divergences(teacher, student, temperature), mask, temperature)


def kl_without_entropy(student, mask, *, teacher, temperature):
    each = -(softmax(student / temperature) * _logs(teacher, temperature)).sum(axis=-1)
    return _mean(each, mask, temperature)


def kl_without_square(student, mask, *, teacher, temperature):
    return _mean(_divergences(student, teacher, temperature), mask, 1)


def kl_once(student, mask, *, teacher, temperature):
    return _mean(_divergences(student, teacher, temperature), mask, temperature**0.5)


def kl_at_one(student, mask, *, teacher, temperature):
    return _mean(_divergences(student, teacher, 1), mask, temperature)


def kl_without_temperature(student, mask, *, teacher, temperature):
    return _mean(_divergences(student, teacher, 1), mask, 1)


def kl_negative(student, mask, *, teacher, temperature):
    return -_mean(_divergences(student, teacher, temperature), mask, temperature)


def kl_multiplied(student, mask, *, teacher, temperature):
    return _mean(_divergences(student, teacher, 1 / temperature), mask, temperature)


def kl_teacher_soft(student, mask, *, teacher, temperature):
    return _mean(_divergences(student, teacher / temperature, 1), mask, temperature)


def kl_with_padding(student, mask, *, teacher, temperature):
    return temperature**2 * _divergences(student, teacher, temperature).mean()


def kl_divided_by_all(student, mask, *, teacher, temperature):
    return temperature**2 * (_divergences(student, teacher, temperature) * mask).mean()


def kl_divided_by_words(student, mask, *, teacher, temperature):
    return _mean(_divergences(student, teacher, temperature), mask, temperature) / student.shape[-1]


def kl_divided_by_batch(student, mask, *, teacher, temperature):
    return _mean(_divergences(student, teacher, temperature), mask, temperature) * mask.sum() / len(mask)


def kl_mean_of_means(student, mask, *, teacher, temperature):
    each = _divergences(student, teacher, temperature) * mask
    return temperature**2 * (each.sum(axis=1) / mask.sum(axis=1)).mean()


def kl_summed(student, mask, *, teacher, temperature):
    return _mean(_divergences(student, teacher, temperature), mask, temperature) * mask.sum()


def _far_logits():
    """(inputs, constants, y, sentence) of logits so far apart that probabilities are 0.

    The second token's logits are far below the first one's; the third is padding.
    """
    student = np.array([[[1000.0, 998, -500, 0], [0, 1, 2, 3], [1, 0, 1, 0]]])  # (1, 3, 4)
    teacher = np.array([[[-3.0, 900, -100, 902], [0, 5, 0, 0], [0, 1, 0, 1]]])
    shares = [1 / (1 + math.exp(-2)), 1 / (1 + math.exp(2))]
    log_t = [-905 - math.log1p(math.exp(-2)), -2 - math.log1p(math.exp(-2))]
    first = sum(share * (math.log(share) - log) for share, log in zip(shares, log_t))
    y = (first + _divergences(student[0, 1], teacher[0, 1], 1)) / 2
    return (
        (student, np.array([[1, 1, 0]])), {"teacher": teacher, "temperature": 1.0}, np.float64(y),
        "A probability of 0 has no logarithm: ln s = x - max - ln(sum of exp(x - max)), with x = logits / τ "
        "and the max of each token.",
    )


# --- sentence_order ---


def documents_of(lengths):
    """Documents whose sentences have these lengths; all ids differ."""
    number, documents = 10, []
    for document in lengths:
        documents.append([])
        for length in document:
            documents[-1].append(list(range(number, number + length)))
            number += length
    return documents


ORDER_DATA = [  # documents, most, draws
    (
        documents_of([[3, 2, 4, 1, 3, 5], [5], [2, 2, 6, 3, 3]]), 9,
        np.array([[0.9, 0.7], [0.3, 0.2], [0.6, 0.1], [0.7, 0.8], [0.1, 0.4]]),
    ),
    (
        documents_of([[6], [2, 3, 1, 4, 7], [4, 4, 3, 2, 2, 2], [8, 9]]), 11,
        np.array([[0.4, 0.2], [0.5, 0.5], [0.4, 0.45], [0.7, 0.95], [0.35, 0.15], [0.95, 0.6], [0.05, 0.5]]),
    ),
    (documents_of([[3], [5, 5], [], [4], [7]]), 8, np.array([[0.5, 0.4], [0.2, 0.7], [0.1, 0.1]])),
]


def chunks_of(document, most, end=True):
    """The chunks of a document: lists of sentences; end: with the last one."""
    chunks, chunk = [], []
    for sentence in document:
        if chunk and sum(map(len, chunk)) + len(sentence) > most:
            chunks.append(chunk)
            chunk = []
        chunk = [*chunk, sentence]
    return chunks + [chunk] * (end and bool(chunk))


def joined(sentences):
    return [token for sentence in sentences for token in sentence]


def pairs_of(chunks, draws, cut=lambda u, n: 1 + int(u * (n - 1)), waste=False):
    """Pairs of chunks; waste: a chunk that gives no pair uses a row of draws, too."""
    pairs, row = [], 0
    for chunk in chunks:
        if len(chunk) > 1:
            u, v = draws[row]
            middle = cut(u, len(chunk))
            parts = joined(chunk[:middle]), joined(chunk[middle:])
            pairs.append((*parts, 0) if v >= 0.5 else (*parts[::-1], 1))
        row += len(chunk) > 1 or waste
        row %= len(draws)
    return pairs


def sentence_order(documents, most, draws):
    """The pairs of the task."""
    return pairs_of([chunk for each in documents for chunk in chunks_of(each, most)], draws)


def order_other_labels(documents, most, draws):
    return [(first, second, 1 - label) for first, second, label in sentence_order(documents, most, draws)]


def order_true_or_false(documents, most, draws):
    return [(first, second, bool(label)) for first, second, label in sentence_order(documents, most, draws)]


def order_labels_alone(documents, most, draws):
    """Labels of swapped pairs that are not swapped."""
    pairs = sentence_order(documents, most, draws)
    return [(*((second, first) if label else (first, second)), label) for first, second, label in pairs]


def order_swapped_above(documents, most, draws):
    return sentence_order(documents, most, np.column_stack([draws[:, 0], 1 - draws[:, 1]]))


def order_swapped_at_half(documents, most, draws):
    return sentence_order(documents, most, np.where(draws == 0.5, [0.5, 0.0], draws))


def order_cut_rounded_up(documents, most, draws):
    chunks = [chunk for each in documents for chunk in chunks_of(each, most)]
    return pairs_of(chunks, draws, cut=lambda u, n: math.ceil(u * (n - 1)))


def order_cut_rounded(documents, most, draws):
    chunks = [chunk for each in documents for chunk in chunks_of(each, most)]
    return pairs_of(chunks, draws, cut=lambda u, n: max(1, round(u * (n - 1))))


def order_across_documents(documents, most, draws):
    everything = [sentence for document in documents for sentence in document]
    return pairs_of(chunks_of(everything, most), draws)


def order_with_others(documents, most, draws):
    """A chunk of one sentence is paired with another document's first sentence, label 1."""
    pairs, row = [], 0
    for number, document in enumerate(documents):
        for chunk in chunks_of(document, most):
            if len(chunk) > 1:
                pairs += pairs_of([chunk], draws[row:])
                row += 1
            else:
                others = [each for each in documents[number + 1 :] + documents[:number] if each]
                pairs.append((chunk[0], others[0][0], 1))
    return pairs


def order_rows_wasted(documents, most, draws):
    chunks = [chunk for each in documents for chunk in chunks_of(each, most)]
    return pairs_of(chunks, draws, waste=True)


def order_in_the_middle(documents, most, draws):
    chunks = [chunk for each in documents for chunk in chunks_of(each, most)]
    return pairs_of(chunks, draws, cut=lambda u, n: n // 2)


def order_empty_parts(documents, most, draws):
    chunks = [chunk for each in documents for chunk in chunks_of(each, most)]
    return pairs_of(chunks, draws, cut=lambda u, n: int(u * n))


def order_cut_anywhere(documents, most, draws):
    chunks = [chunk for each in documents for chunk in chunks_of(each, most)]
    return pairs_of(chunks, draws, cut=lambda u, n: min(1 + int(u * n), n - 1))


def order_columns_exchanged(documents, most, draws):
    return sentence_order(documents, most, draws[:, ::-1])


def order_below_most(documents, most, draws):
    chunks = [chunk for each in documents for chunk in chunks_of(each, most - 1)]
    return pairs_of(chunks, draws)


def order_filled(documents, most, draws):
    """Sentences until `most` is reached or passed."""
    return pairs_of([chunk for each in documents for chunk in _filled(each, most)], draws)


def _filled(document, most):
    chunks, chunk = [], []
    for sentence in document:
        chunk = [*chunk, sentence]
        if sum(map(len, chunk)) >= most:
            chunks.append(chunk)
            chunk = []
    return chunks + [chunk] * bool(chunk)


def order_by_sentences(documents, most, draws):
    """At most `most` sentences."""
    chunks = [each[first : first + most] for each in documents for first in range(0, len(each), most)]
    return pairs_of(chunks, draws)


def order_without_the_last(documents, most, draws):
    return pairs_of([chunk for each in documents for chunk in chunks_of(each, most, end=False)], draws)


def order_one_joined(documents, most, draws):
    """A last sentence alone goes with the chunk before it, as in minibert's own SentenceOrder."""
    chunks = []
    for document in documents:
        own = chunks_of(document, most)
        if len(own) > 1 and len(own[-1]) == 1:
            own[-2:] = [own[-2] + own[-1]]
        chunks += own
    return pairs_of(chunks, draws)


# --- gumbel_draws ---


def gumbel_data(rng, logits, number, temperature):
    """Arguments of the task; no draw is so narrow that float32 would decide otherwise."""
    while True:
        uniform = rng.random((number, len(logits)))
        noisy = np.sort(np.array(logits) / temperature - np.log(-np.log(uniform)), axis=1)
        if uniform.min() > 0 and (noisy[:, -1] - noisy[:, -2]).min() > 1e-5:
            return np.array(logits, float), uniform, temperature


GUMBEL_DATA = [
    gumbel_data(np.random.default_rng(0), [0.3, 1.2, -0.5, 0.8], 9, 1.0),
    gumbel_data(np.random.default_rng(1), [2.0, -1.0, 0.5, 3.0, 1.0, 0.0], 300, 2.5),
    gumbel_data(np.random.default_rng(2), [1.0, 0.2, 0.6, -0.4, -6.0], 400, 0.6),
]


def _gumbel(uniform):
    return -np.log(-np.log(uniform))


def _judged(noisy, probs):
    """The dict of the task, from the numbers whose largest is drawn."""
    ids = noisy.argmax(axis=1)
    counts = np.bincount(ids, minlength=len(probs))
    expected = len(ids) * probs
    return {"ids": ids, "counts": counts, "chi_square": ((counts - expected) ** 2 / expected).sum()}


def gumbel_draws(logits, uniform, temperature):
    """The dict of the task."""
    return _judged(logits / temperature + _gumbel(uniform), softmax(logits / temperature))


def gumbel_on_probabilities(logits, uniform, temperature):
    probs = softmax(logits / temperature)
    return _judged(probs + _gumbel(uniform), probs)


def gumbel_cooled_afterwards(logits, uniform, temperature):
    return _judged((logits + _gumbel(uniform)) / temperature, softmax(logits / temperature))


def gumbel_at_one(logits, uniform, temperature):
    return _judged(logits + _gumbel(uniform), softmax(logits))


def gumbel_times_temperature(logits, uniform, temperature):
    return _judged(logits * temperature + _gumbel(uniform), softmax(logits * temperature))


def gumbel_other_sign(logits, uniform, temperature):
    return _judged(logits / temperature - _gumbel(uniform), softmax(logits / temperature))


def gumbel_of_the_rest(logits, uniform, temperature):
    return gumbel_draws(logits, 1 - uniform, temperature)


def gumbel_one_logarithm(logits, uniform, temperature):
    return _judged(logits / temperature - np.log(uniform), softmax(logits / temperature))


def gumbel_uniform_noise(logits, uniform, temperature):
    return _judged(logits / temperature + uniform, softmax(logits / temperature))


def gumbel_no_noise(logits, uniform, temperature):
    return _judged(logits / temperature + 0 * uniform, softmax(logits / temperature))


def gumbel_one_noise(logits, uniform, temperature):
    return _judged(logits / temperature + _gumbel(uniform[:1]) + 0 * uniform, softmax(logits / temperature))


def gumbel_by_sums(logits, uniform, temperature):
    """The usual way: cumulative sums and one uniform number."""
    probs = softmax(logits / temperature)
    places = (uniform[:, :1] > np.cumsum(probs)[:-1]).sum(axis=1)
    return _judged(np.eye(len(probs))[places], probs)


def gumbel_short_counts(logits, uniform, temperature):
    right = gumbel_draws(logits, uniform, temperature)
    return right | {"counts": np.bincount(right["ids"])}


def gumbel_shares(logits, uniform, temperature):
    right = gumbel_draws(logits, uniform, temperature)
    return right | {"chi_square": right["chi_square"] / len(uniform)}


def gumbel_by_counts(logits, uniform, temperature):
    right = gumbel_draws(logits, uniform, temperature)
    expected = len(uniform) * softmax(logits / temperature)
    seen = right["counts"] > 0
    return right | {"chi_square": (((right["counts"] - expected) ** 2)[seen] / right["counts"][seen]).sum()}


def gumbel_not_divided(logits, uniform, temperature):
    right = gumbel_draws(logits, uniform, temperature)
    expected = len(uniform) * softmax(logits / temperature)
    return right | {"chi_square": ((right["counts"] - expected) ** 2).sum()}


def gumbel_against_equal(logits, uniform, temperature):
    right = gumbel_draws(logits, uniform, temperature)
    expected = len(uniform) / len(logits)
    return right | {"chi_square": ((right["counts"] - expected) ** 2 / expected).sum()}


# --- scaling_law ---


def runs_drawn(rng, num_runs, num_larger):
    """Arguments of the task, and the losses of the law behind them."""
    floor, exponent = rng.uniform(1.2, 2.0), rng.uniform(0.25, 0.4)
    sizes = 10 ** np.linspace(4, 7, num_runs) * rng.uniform(0.8, 1.2, num_runs)
    larger = 10 ** np.linspace(8, 10, num_larger)
    factor = rng.uniform(2.5, 4) * sizes[0] ** exponent

    def law(size):
        return floor + factor * size**-exponent

    losses = np.round(law(sizes) + 0.001 * rng.standard_normal(num_runs), 4)
    return (np.round(sizes), losses, larger), law(larger)


LAW_CASES = [
    runs_drawn(np.random.default_rng(0), 8, 3),
    runs_drawn(np.random.default_rng(3), 7, 4),
    runs_drawn(np.random.default_rng(5), 9, 2),
]


def law_without_floor(sizes, losses, larger):
    slope, start = np.polyfit(np.log(sizes), np.log(losses), 1)
    return np.exp(start + slope * np.log(larger))


def law_line(sizes, losses, larger):
    return np.polyval(np.polyfit(np.log(sizes), losses, 1), np.log(larger))


def law_parabola(sizes, losses, larger):
    return np.exp(np.polyval(np.polyfit(np.log(sizes), np.log(losses), 2), np.log(larger)))


def law_last(sizes, losses, larger):
    return np.full(len(larger), losses.min())


def law_two_points(sizes, losses, larger):
    slope, start = np.polyfit(np.log(sizes[-2:]), np.log(losses[-2:]), 1)
    return np.exp(start + slope * np.log(larger))


# --- less_same_more ---

CHANGES = {
    "shared: parameters": "less",
    "shared: time of the forward pass": "same",
    "recomputed: numbers kept for backward": "less",
    "recomputed: time of a step": "more",
    "in parts: numbers kept for backward": "less",
    "in parts: bytes of the moments": "same",
    "large batch: tokens read until a given loss": "more",
    "machines: bytes of the moments on each": "same",
    "electra: tokens of a batch that have a loss": "more",
}
CHANGES_QUESTIONS = {
    "shared: parameters": "how many layers have weights of their own?",
    "shared: time of the forward pass": "how many matrix products are computed, and of which sizes?",
    "recomputed: numbers kept for backward": "what does a layer keep otherwise?",
    "recomputed: time of a step": "how often does the forward of a layer run?",
    "in parts: numbers kept for backward": "how many rows are kept at a time?",
    "in parts: bytes of the moments": "what do the moments belong to: rows, or parameters?",
    "large batch: tokens read until a given loss": "are there 100 times fewer steps?",
    "machines: bytes of the moments on each": "for how many parameters does each machine make the step?",
    "electra: tokens of a batch that have a loss": "for how many tokens does each of the two answer?",
}

EXERCISES = [
    # Task: what LoRA trains, and bytes and operations beside those of full fine-tuning.
    Value(
        name="lora_memory",
        points=2,
        expected=COSTS,
        mistakes=COSTS_MISTAKES,
        hint="Count the numbers of all matrices and those of all pairs. What does one number of each cost?",
    ),
    # Task: blockwise 8-bit quantisation of a moment with a table of levels; how many entries become 0?
    Function(
        name="block_moments",
        points=3,
        tolerance=1e-6,
        cases=[
            _moments_case(0, (3, 7), 4, SIGNED),
            _moments_case(1, (5, 6), 30, LINEAR),
            _moments_case(2, (2, 3, 5), 8, FINE, zeros=range(8, 16)),
        ],
        unchanged=(0, 2),
        mistakes=[
            Mistake(moments_in_one_block, "One scale for all: each block of `size` numbers has its own."),
            Mistake(moments_by_rows, "A block has `size` numbers, and does not end with a row."),
            Mistake(moments_by_columns, "A block is `size` numbers that follow one another, not every n-th."),
            Mistake(moments_largest, "The scale is the largest absolute value: a block may be negative."),
            Mistake(moments_rounded_down, "The nearest level, not the one below."),
            Mistake(moments_rounded_up, "The nearest level, not the one above."),
            Mistake(moments_not_scaled_back, "`restored` is the level times the scale of its block."),
            Mistake(moments_zeros_lost, "An entry that was 0 before is not lost."),
            Mistake(moments_inexact, "Lost is what comes back as 0, not what comes back changed."),
            Mistake(moments_share_lost, "`lost` is a number of entries, not a share."),
            Mistake(moments_levels_for_codes, "`codes` are places in the table, `levels[codes]` the levels."),
            Mistake(moments_flat, "`codes` and `restored` have the shape of `moments`."),
        ],
        hint="Flatten. Divide each block by its scale, if it is not 0, and take the nearest level. "
             "Then multiply again, and reshape.",
    ),
    # Task: the KL divergence of lesson 15 the other way round, at a temperature, over the tokens.
    Gradients(
        name="reverse_kl",
        points=(1, 2),
        inputs=kl_inputs,
        constants=kl_constants,
        shape=(),
        values=[1.14065],
        edges=[_far_logits()],
        mistakes=[
            Mistake(kl_of_the_lesson, "This is KL(teacher ‖ student); here the student's s comes first."),
            Mistake(kl_without_entropy, "The student's own ln s is missing."),
            Mistake(kl_without_square, "The factor τ² is missing."),
            Mistake(kl_once, "The factor is τ², not τ."),
            Mistake(kl_at_one, "The logits are not divided by the temperature."),
            Mistake(kl_without_temperature, "The temperature is not used."),
            Mistake(kl_negative, "The sign is wrong: ln s - ln t. No divergence is below 0."),
            Mistake(kl_multiplied, "The logits are multiplied by the temperature; divide."),
            Mistake(kl_teacher_soft, "Both have the temperature, not the teacher alone."),
            Mistake(kl_with_padding, "Padding is averaged in: only tokens with mask 1 count."),
            Mistake(kl_divided_by_all, "Divided by B · T: divide by the number of tokens with mask 1."),
            Mistake(kl_divided_by_words, "Divided by V, too: sum over the words, mean over the tokens."),
            Mistake(kl_divided_by_batch, "Divided by the number of texts: divide by that of tokens."),
            Mistake(kl_mean_of_means, "A mean of the texts' means: all tokens count alike."),
            Mistake(kl_summed, "This is the sum over the tokens: divide by their number."),
        ],
        hint="ln s = x - max - ln(sum of exp(x - max)) along V, with x = student / τ; the same for t.",
    ),
    # Task: ALBERT's pairs of two parts of a chunk, 1 = swapped; chunks of one sentence give none.
    Function(
        name="sentence_order",
        points=2,
        cases=[(given, sentence_order(*given)) for given in ORDER_DATA],
        unchanged=(0, 2),
        mistakes=[
            Mistake(order_other_labels, "The labels are exchanged: 1 is swapped (unlike BERT's, 0 is next)."),
            Mistake(order_true_or_false, "The label is an integer, 0 or 1, and not a bool."),
            Mistake(order_labels_alone, "The labels are right, but the parts with label 1 are not swapped."),
            Mistake(order_swapped_above, "Swapped is v < 0.5."),
            Mistake(order_swapped_at_half, "Swapped is v < 0.5: a v of exactly 0.5 leaves the order."),
            Mistake(order_across_documents, "A chunk ends with its document: no pair across documents."),
            Mistake(
                order_with_others,
                "A sentence alone has no order. Paired with another document it asks for the topic.",
            ),
            Mistake(order_rows_wasted, "A chunk of one sentence makes no pair and uses no row of `draws`."),
            Mistake(order_cut_rounded_up, "1 + int(u (n - 1)) is not u (n - 1) rounded up: try u = 0."),
            Mistake(order_cut_rounded, "int rounds down, and then 1 is added: 1 + int(u (n - 1))."),
            Mistake(order_in_the_middle, "The cut is drawn: it is after 1 + int(u (n - 1)) sentences."),
            Mistake(order_empty_parts, "So a part may be empty: 1 + int(u (n - 1)) is from 1 to n - 1."),
            Mistake(order_cut_anywhere, "There are n - 1 places for a cut, not n: 1 + int(u (n - 1))."),
            Mistake(order_columns_exchanged, "In a row of `draws`, u (the cut) is first, then v (the swap)."),
            Mistake(order_below_most, "A chunk may have exactly `most` tokens."),
            Mistake(order_filled, "A chunk never has more than `most` tokens: look before you add one."),
            Mistake(order_by_sentences, "`most` is a number of tokens, not of sentences."),
            Mistake(order_without_the_last, "The last chunk of each document is missing."),
            Mistake(order_one_joined, "A sentence that is left alone gives no pair and joins no chunk."),
        ],
        hint="First the chunks of each document, as lists of sentences; then those of two sentences or more.",
    ),
    # Task: draws from a softmax by the largest of ln p + Gumbel noise, their counts, and χ².
    Function(
        name="gumbel_draws",
        points=2,
        tolerance=1e-5,
        cases=[(given, gumbel_draws(*given)) for given in GUMBEL_DATA],
        unchanged=(0, 1),
        mistakes=[
            Mistake(gumbel_on_probabilities, "The noise is added to p: add it to ln p (or to logits / T)."),
            Mistake(
                gumbel_cooled_afterwards,
                "The noise is divided by T, too, and so T changes nothing: divide the logits first.",
            ),
            Mistake(gumbel_at_one, "The temperature is not used."),
            Mistake(gumbel_times_temperature, "The logits are multiplied by T; divide."),
            Mistake(gumbel_other_sign, "The noise has the wrong sign: g = -ln(-ln u) has two minus signs."),
            Mistake(gumbel_one_logarithm, "One logarithm is missing: g = -ln(-ln u)."),
            Mistake(
                gumbel_of_the_rest,
                "This is Gumbel noise, too, but of 1 - u, and so other words are drawn: g = -ln(-ln u).",
            ),
            Mistake(gumbel_uniform_noise, "u itself is no Gumbel noise: g = -ln(-ln u)."),
            Mistake(gumbel_no_noise, "This is the likeliest word each time: the noise is missing."),
            Mistake(gumbel_one_noise, "Each draw has a row of noise of its own."),
            Mistake(gumbel_by_sums, "This is the way by cumulative sums: take the largest of ln p + g."),
            Mistake(gumbel_short_counts, "A word that was never drawn has the count 0 (minlength)."),
            Mistake(gumbel_shares, "χ² is of counts, N p expected; not of shares."),
            Mistake(gumbel_by_counts, "Divide by the expected counts N p, not by the counts."),
            Mistake(gumbel_not_divided, "Each square is divided by its expected count N p."),
            Mistake(gumbel_against_equal, "The expected counts are N p, not N / V."),
        ],
        hint="ids = (logits / T + g).argmax(axis=1), for each row; counts by np.bincount.",
    ),
    # Task: fit E + A N^-α to the losses of small models and predict those of larger ones, within 2 %.
    Function(
        name="scaling_law",
        points=2,
        tolerance=0.02,
        cases=LAW_CASES,
        unchanged=(0, 1, 2),
        mistakes=[
            Mistake(law_without_floor, "A line in ln L falls to 0: subtract E first."),
            Mistake(law_line, "A line in ln N falls below any entropy; it is ln(L - E) that is one."),
            Mistake(law_parabola, "A parabola fits the points and turns after them. Fit the law."),
            Mistake(law_last, "A larger model is better than the best so far: use the law."),
            Mistake(law_two_points, "Two points and no E: all points, and a line in ln(L - E)."),
        ],
        hint="For each E: slope, start = np.polyfit(np.log(sizes), np.log(losses - E), 1), and the law is "
             "E + exp(start + slope ln N). Keep the E whose law is nearest to the losses.",
    ),
    # Task: does each of five methods make a cost less, leave it, or make it more?
    Choices(
        name="less_same_more",
        points=2,
        expected=CHANGES,
        options=("less", "same", "more"),
        questions=CHANGES_QUESTIONS,
    ),
]
