"""Exercises of lesson 09, from text to batches: word pieces, sentence pairs, masks, the loss."""

import math
from collections import Counter

import numpy as np

from minibert.course.exercises.kinds import Function, Gradients, Mistake, Value

# --- longest_match ---

PLAY = ["play", "p", "pl", "##l", "##ay", "##ing", "##in", "##s"]
REPLAY = ["play", "##play", "re", "##s", "over"]
DEAD_END = ["a", "ab", "##bc", "##d"]
INSIDE = ["re", "do", "##d"]
AT_THE_START = ["##redo", "##re", "##do"]
LONG = ["re", "##writing", "##w", "##r"]
BANANA = ["Ba", "B", "##na", "##n"]


def _pieces_without_marks(word, vocab):
    pieces = []
    start = 0
    while start < len(word):
        end = len(word)
        while end > start and word[start:end] not in vocab and "##" + word[start:end] not in vocab:
            end -= 1
        if end == start:
            return ["[UNK]"]
        pieces.append(word[start:end])
        start = end
    return pieces


def _greedy(word, vocab, ends):
    """Match pieces from the left, trying the ends in ends(start, length); also return where it stopped."""
    pieces = []
    start = 0
    while start < len(word):
        candidates = [
            (word[start:end] if start == 0 else "##" + word[start:end], end) for end in ends(start, len(word))
        ]
        found = next(((piece, end) for piece, end in candidates if piece in vocab), None)
        if found is None:
            break
        pieces.append(found[0])
        start = found[1]
    return pieces, start


def _longest_first(start, length):
    return range(length, start, -1)


def _shortest_first(start, length):
    return range(start + 1, length + 1)


def _shortest_match(word, vocab):
    pieces, stop = _greedy(word, vocab, _shortest_first)
    return pieces if stop == len(word) else ["[UNK]"]


def _part_unknown(word, vocab):
    pieces, stop = _greedy(word, vocab, _longest_first)
    return pieces if stop == len(word) else [*pieces, "[UNK]"]


def _part_dropped(word, vocab):
    return _greedy(word, vocab, _longest_first)[0]


# --- merge_step ---

WORDS = {
    ("l", "o", "w", "_"): 5,
    ("l", "o", "w", "e", "r", "_"): 2,
    ("n", "e", "w", "e", "r", "_"): 6,
    ("w", "i", "d", "e", "r", "_"): 3,
}
BANANAS = {("b", "a", "n", "a", "n", "a", "_"): 2, ("n", "a", "n", "_"): 1}
TRIPLE = {("a", "a", "a", "_"): 3, ("b", "a", "_"): 1}
TIE = {("h", "a", "t", "_"): 4, ("t", "o", "p", "_"): 4}
TIE_OF_LENGTHS = {  # (a, c) and (ab, a): the first tuple is not the first text
    ("a", "c", "e", "_"): 2,
    ("ab", "a", "i", "_"): 2,
    ("ab", "a", "o", "_"): 2,
    ("a", "c", "u", "_"): 2,
}
SAME_TEXT = {  # (a, bc), and other symbols with the same letters
    ("ab", "c", "o", "_"): 1,
    ("a", "bc", "e", "_"): 3,
    ("ca", "bc", "u", "_"): 1,
    ("a", "bc", "i", "_"): 2,
}
AT_THE_END = {("t", "o", "_"): 3, ("no_",): 4, ("g", "o", "_"): 2}


def _merge_step(words, weighted=True, last_of_ties=False):
    pairs = Counter()
    for symbols, count in words.items():
        for pair in zip(symbols, symbols[1:]):
            pairs[pair] += count if weighted else 1
    most = max(pairs.values())
    ties = sorted(pair for pair in pairs if pairs[pair] == most)
    pair = ties[-1] if last_of_ties else ties[0]
    return pair, {_joined(symbols, pair): count for symbols, count in words.items()}


def _joined(symbols, pair):
    joined = []
    position = 0
    while position < len(symbols):
        here = symbols[position : position + 2] == pair
        joined.append("".join(pair) if here else symbols[position])
        position += 1 + here
    return tuple(joined)


def _types_counted(words):
    return _merge_step(words, weighted=False)


def _last_of_ties(words):
    return _merge_step(words, last_of_ties=True)


def _first_met(words):
    pairs = Counter()
    for symbols, count in words.items():
        for pair in zip(symbols, symbols[1:]):
            pairs[pair] += count
    pair = pairs.most_common(1)[0][0]
    return pair, {_joined(symbols, pair): count for symbols, count in words.items()}


def _once_a_word(words):
    pair, _ = _merge_step(words)
    merged = {}
    for symbols, count in words.items():
        places = [place for place in range(len(symbols) - 1) if symbols[place : place + 2] == pair][:1]
        for place in places:
            symbols = (*symbols[:place], "".join(pair), *symbols[place + 2 :])
        merged[symbols] = count
    return pair, merged


# --- not_next_share ---


def _expected_pairs(num_sentences, chunk, p_next, fixed_split=False, sentences_lost=False):
    """Return the expected pairs and "not next" pairs of documents of 0, 1, ..., num_sentences sentences."""
    pairs, not_next = [0.0], [0.0]
    for left in range(1, num_sentences + 1):
        size = min(chunk, left)
        if size == 1:
            splits, p = [1], 0.0
        else:
            splits, p = ([size] if sentences_lost else [size // 2] if fixed_split else range(1, size)), p_next
        pairs.append(1 + p * pairs[left - size] + (1 - p) * np.mean([pairs[left - used] for used in splits]))
        not_next.append(
            p * not_next[left - size] + (1 - p) * (1 + np.mean([not_next[left - used] for used in splits]))
        )
    return pairs, not_next


def _share(lengths, chunk, p_next, **options):
    pairs, not_next = _expected_pairs(max(lengths), chunk, p_next, **options)
    return sum(not_next[n] for n in lengths) / sum(pairs[n] for n in lengths)


def _coin_only(lengths, chunk, p_next):
    return 1 - p_next


def _sentences_lost(lengths, chunk, p_next):
    return _share(lengths, chunk, p_next, sentences_lost=True)


def _split_in_the_middle(lengths, chunk, p_next):
    return _share(lengths, chunk, p_next, fixed_split=True)


def _mean_of_shares(lengths, chunk, p_next):
    return float(np.mean([_share([n], chunk, p_next) for n in lengths]))


# --- span_mask ---

IDS = np.array([2, 17, 23, 11, 31, 29, 3, 41, 37, 3])
CANDIDATES = ~np.isin(IDS, (2, 3))
RANDOM_IDS = np.arange(50, 60)
MASK_ID = 4


def _span_arguments(spans, budget):
    return IDS, CANDIDATES, spans, budget, RANDOM_IDS, MASK_ID


def _masked_and_labels(hidden, predicted):
    """Return (masked ids, labels): `hidden` is {position: id}, `predicted` the positions with a label."""
    masked, labels = IDS.copy(), np.full(len(IDS), -100)
    masked[list(hidden)] = list(hidden.values())
    labels[predicted] = IDS[predicted]
    return masked, labels


def _span_mask(
    ids,
    candidates,
    spans,
    budget,
    random_ids,
    mask_token_id,
    skip=True,
    cut=False,
    again=False,
    kept_counts=True,
    zero=-100,
):
    masked, labels = ids.copy(), np.full(len(ids), zero)
    chosen = np.zeros(len(ids), bool)
    for start, length, draw in spans:
        place = np.arange(start, start + length)
        if (
            place[-1] >= len(ids)
            or (skip and not candidates[place].all())
            or (not again and chosen[place].any())
        ):
            continue
        if chosen.sum() + length > budget:
            if not cut:
                continue
            place = place[: budget - chosen.sum()]
        chosen[place] = True
        if draw < 0.8:
            masked[place] = mask_token_id
        elif draw < 0.9:
            masked[place] = random_ids[place]
        elif not kept_counts:
            continue
        labels[place] = ids[place]
    return masked, labels


def _special_tokens_hidden(*arguments):
    return _span_mask(*arguments, skip=False)


def _span_cut_to_fit(*arguments):
    return _span_mask(*arguments, cut=True)


def _overlap_allowed(*arguments):
    return _span_mask(*arguments, again=True)


def _kept_without_label(*arguments):
    return _span_mask(*arguments, kept_counts=False)


def _zero_labels(*arguments):
    return _span_mask(*arguments, zero=0)


def _stopped_at_the_budget(ids, candidates, spans, budget, random_ids, mask_token_id):
    used = 0
    for number, (_, length, _) in enumerate(spans):
        if used + length > budget:
            return _span_mask(ids, candidates, spans[:number], budget, random_ids, mask_token_id)
        used += length
    return _span_mask(ids, candidates, spans, budget, random_ids, mask_token_id)


# --- draws_needed ---


def _draws(right, wrong, z, spread=None, square=2):
    spread = right * (1 - right) if spread is None else spread
    return math.ceil(z**square * spread / (right - wrong) ** 2)


def _of_the_wrong(right, wrong, z):
    return _draws(right, wrong, z, wrong * (1 - wrong))


def _not_squared(right, wrong, z):
    return math.ceil(z * math.sqrt(right * (1 - right)) / abs(right - wrong))


def _without_z(right, wrong, z):
    return _draws(right, wrong, 1)


def _as_a_coin(right, wrong, z):
    return _draws(right, wrong, z, 0.25)


def _rounded_down(right, wrong, z):
    return _draws(right, wrong, z) - 1


# --- weighted_mlm_loss ---

FAR_LOGITS = (
    (np.array([[[1000.0, 999, 0, 998], [0, 0, 0, 0], [0, 0, 0, 0]]]), np.array([[1, 0, -100]])),
    {"token_weights": np.array([0.5, 2.0, 1.0, 0.25])},
    np.array(1.403344),
    "exp(1000) is infinite: subtract from each row its largest logit before exp.",
)
TOKEN_WEIGHTS = np.array([0.5, 2.0, 1.0, 0.25, 3.0])


def _weighted_inputs(rng):
    labels = np.array([[-100, 3, -100, 1], [-100, -100, -100, 0], [4, -100, 1, 2]])
    return 2 * rng.standard_normal((3, 4, 5)), labels


def _negative_log_probs(logits, labels):
    """Return -log probs of the labels (M,), the labels (M,), and the row that each is in (M,)."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    log_probs = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    row, place = np.nonzero(labels != -100)
    return -log_probs[row, place, labels[row, place]], labels[row, place], row


def _divided_by_count(logits, labels, token_weights):
    losses, chosen, _ = _negative_log_probs(logits, labels)
    return (token_weights[chosen] * losses).sum() / len(losses)


def _divided_by_all(logits, labels, token_weights):
    losses, chosen, _ = _negative_log_probs(logits, labels)
    return (token_weights[chosen] * losses).sum() / labels.size


def _not_divided(logits, labels, token_weights):
    losses, chosen, _ = _negative_log_probs(logits, labels)
    return (token_weights[chosen] * losses).sum()


def _without_weights(logits, labels, token_weights):
    return _negative_log_probs(logits, labels)[0].mean()


def _mean_of_sentences(logits, labels, token_weights):
    losses, chosen, row = _negative_log_probs(logits, labels)
    weights = token_weights[chosen]
    return np.mean([(weights * losses)[row == k].sum() / weights[row == k].sum() for k in np.unique(row)])


# --- the exercises ---

EXERCISES = [
    # Task: the word pieces of one word, always the longest that fits; [UNK] if none does.
    Function(
        name="longest_match",
        points=2,
        cases=[
            (("playing", PLAY), ["play", "##ing"]),
            (("replays", REPLAY), ["re", "##play", "##s"]),
            (("over", REPLAY), ["over"]),
            (("abc", DEAD_END), ["[UNK]"]),
            (("playe", PLAY), ["[UNK]"]),
            (("redo", INSIDE), ["[UNK]"]),
            (("redo", AT_THE_START), ["[UNK]"]),
            (("rewriting", LONG), ["re", "##writing"]),
            (("Banana", BANANA), ["Ba", "##na", "##na"]),
        ],
        mistakes=[
            Mistake(
                _pieces_without_marks,
                "A piece that continues a word is looked up, and returned, with ## in front: `##ing` and "
                "not `ing`.",
            ),
            Mistake(
                _shortest_match,
                "This takes the shortest piece that fits. Begin with the longest, the whole rest of the "
                "word, and shorten it.",
            ),
            Mistake(
                _part_unknown,
                "Where no piece fits, the whole word is ['[UNK]']: the pieces found so far are thrown away.",
            ),
            Mistake(
                _part_dropped,
                "The end of the word is missing. Where no piece fits, the whole word is ['[UNK]'].",
            ),
        ],
        hint=(
            "At each start, try the ends from len(word) down to start + 1; the first piece in the vocabulary "
            "is taken, and the next start is its end."
        ),
    ),
    # Task: how many positions of a batch are predicted, become [MASK], do not, and are ignored?
    Value(
        name="count_the_labels",
        points=1,
        expected={"predicted": 140, "mask": 112, "not_mask": 28, "ignored": 860},
        mistakes=[
            (
                {"predicted": 112, "ignored": 888},
                "that is [MASK] alone; a chosen token is predicted whatever replaces it",
            ),
            ({"predicted": 880, "ignored": 120}, "only chosen tokens are predicted"),
            (
                {"predicted": 120, "mask": 96, "not_mask": 24, "ignored": 880},
                "0.15 is taken of the row's length, which counts [CLS] and [SEP]",
            ),
            (
                {"predicted": 160, "mask": 128, "not_mask": 32, "ignored": 840},
                "0.15 is taken of the row's length, without [PAD]",
            ),
            (
                {"predicted": 132, "mask": 105.6, "not_mask": 26.4, "ignored": 868},
                "each row rounds for itself",
            ),
            (
                {"predicted": 1000, "ignored": 0},
                "only chosen tokens are predicted, and [PAD] is never chosen",
            ),
            ({"not_mask": 14}, "two cases show a word: a random token, and the token itself"),
            ({"ignored": 740}, "[PAD] has the label -100, too"),
            ({"ignored": 800}, "[CLS] and [SEP] have the label -100, too"),
            ({"ignored": 680}, "[CLS], [SEP] and [PAD] have the label -100, too"),
        ],
        hint="Begin with one row: how many of its 44 tokens are chosen?",
    ),
    # Task: one merge of byte-pair encoding: the most frequent pair (ties: sorted order), and the new words.
    Function(
        name="merge_step",
        points=2,
        cases=[
            (
                (WORDS,),
                (
                    ("e", "r"),
                    {
                        ("l", "o", "w", "_"): 5,
                        ("l", "o", "w", "er", "_"): 2,
                        ("n", "e", "w", "er", "_"): 6,
                        ("w", "i", "d", "er", "_"): 3,
                    },
                ),
            ),
            ((BANANAS,), (("a", "n"), {("b", "an", "an", "a", "_"): 2, ("n", "an", "_"): 1})),
            ((TRIPLE,), (("a", "a"), {("aa", "a", "_"): 3, ("b", "a", "_"): 1})),
            ((TIE,), (("a", "t"), {("h", "at", "_"): 4, ("t", "o", "p", "_"): 4})),
            (
                (TIE_OF_LENGTHS,),
                (
                    ("a", "c"),
                    {
                        ("ac", "e", "_"): 2,
                        ("ab", "a", "i", "_"): 2,
                        ("ab", "a", "o", "_"): 2,
                        ("ac", "u", "_"): 2,
                    },
                ),
            ),
            (
                (SAME_TEXT,),
                (
                    ("a", "bc"),
                    {
                        ("ab", "c", "o", "_"): 1,
                        ("abc", "e", "_"): 3,
                        ("ca", "bc", "u", "_"): 1,
                        ("abc", "i", "_"): 2,
                    },
                ),
            ),
            ((AT_THE_END,), (("o", "_"), {("t", "o_"): 3, ("no_",): 4, ("g", "o_"): 2})),
        ],
        mistakes=[
            Mistake(
                _types_counted,
                "Each pair was counted once a word. A word that occurs 6 times has each of its pairs 6 "
                "times.",
            ),
            Mistake(
                _last_of_ties,
                "Of equally frequent pairs take the first in sorted order: min, not max, of those with the "
                "highest count.",
            ),
            Mistake(
                _first_met,
                "Of equally frequent pairs take the first in sorted order, not the one met first: the "
                "result must not depend on the order of the words.",
            ),
            Mistake(
                _once_a_word,
                "A word may hold the pair more than once; merge every place, from left to right.",
            ),
        ],
        hint=(
            "Count pairs with zip(symbols, symbols[1:]), each with the count of its word; merge from left to "
            "right, and step over both symbols of a merged pair."
        ),
    ),
    # Task: the expected share of "not next" among the sentence pairs of documents of these lengths, exactly.
    Function(
        name="not_next_share",
        points=3,
        cases=[
            (([1, 1], 3, 0.5), 1.0),
            (([2], 5, 0.5), 2 / 3),
            (([2, 4], 3, 0.5), 0.6611570247933884),
            (([12], 12, 0.5), 0.5459075778037624),
            (([3, 7, 12], 4, 0.5), 0.5701204406856709),
            (([5, 6], 3, 0.8), 0.2783672913001435),
        ],
        mistakes=[
            Mistake(
                _sentences_lost,
                'After "not next" only A is used up: the sentences of the replaced B go back and are part '
                "of the next chunk.",
            ),
            Mistake(
                _coin_only,
                'That is the coin alone. A chunk of one sentence has no B of its own, and is always "not '
                'next".',
            ),
            Mistake(
                _split_in_the_middle,
                "A has 1, 2, ... or size - 1 sentences, each equally likely; take the mean over them.",
            ),
            Mistake(
                _mean_of_shares,
                "This is the mean of the documents' shares. A long document gives more pairs: divide the "
                'sum of "not next" by the sum of pairs.',
            ),
        ],
        hint=(
            'Two tables by the number of sentences left: expected pairs P and expected "not next" pairs F, '
            "P[0] = F[0] = 0. Fill them from 1 upwards."
        ),
    ),
    # Task: SpanBERT's masking of whole spans within a budget; the random draws are given.
    Function(
        name="span_mask",
        points=3,
        cases=[
            (_span_arguments([(3, 3, 0.31)], 5), _masked_and_labels({3: 4, 4: 4, 5: 4}, [3, 4, 5])),
            (_span_arguments([(2, 2, 0.85), (5, 1, 0.97)], 5), _masked_and_labels({2: 52, 3: 53}, [2, 3, 5])),
            (_span_arguments([(4, 3, 0.2), (7, 2, 0.5)], 5), _masked_and_labels({7: 4, 8: 4}, [7, 8])),
            (
                _span_arguments([(1, 3, 0.1), (3, 2, 0.1), (7, 2, 0.1)], 6),
                _masked_and_labels({1: 4, 2: 4, 3: 4, 7: 4, 8: 4}, [1, 2, 3, 7, 8]),
            ),
            (
                _span_arguments([(1, 3, 0.1), (4, 2, 0.1), (8, 1, 0.95)], 4),
                _masked_and_labels({1: 4, 2: 4, 3: 4}, [1, 2, 3, 8]),
            ),
            (_span_arguments([(8, 4, 0.1), (4, 1, 0.8)], 5), _masked_and_labels({4: 54}, [4])),
            # taken in the middle; a position of a span that was passed over
            (
                _span_arguments([(3, 1, 0.1), (2, 3, 0.1), (5, 3, 0.1), (4, 1, 0.1)], 6),
                _masked_and_labels({3: 4, 4: 4}, [3, 4]),
            ),
            # a kept word counts, and is taken
            (
                _span_arguments([(7, 2, 0.95), (8, 1, 0.1), (1, 3, 0.1), (4, 2, 0.1), (2, 1, 0.1)], 4),
                _masked_and_labels({4: 4, 5: 4}, [7, 8, 4, 5]),
            ),
            # a row that ends with a candidate
            (
                (IDS[:9], CANDIDATES[:9], [(8, 3, 0.1), (7, 2, 0.1)], 4, RANDOM_IDS[:9], MASK_ID),
                tuple(part[:9] for part in _masked_and_labels({7: 4, 8: 4}, [7, 8])),
            ),
        ],
        unchanged=(0,),
        mistakes=[
            Mistake(
                _special_tokens_hidden,
                "A span with a position that is not a candidate ([CLS], [SEP]) is passed over as a whole.",
            ),
            Mistake(
                _span_cut_to_fit,
                "A span that is too long for the rest of the budget is skipped, not cut.",
            ),
            Mistake(_overlap_allowed, "A span that touches a position already chosen is passed over."),
            Mistake(
                _kept_without_label,
                "A span that stays as it is (draw 0.9 or more) is predicted, too: it has labels.",
            ),
            Mistake(_zero_labels, "Where nothing is predicted the label is -100, not 0."),
            Mistake(
                _stopped_at_the_budget,
                "After a span that does not fit the budget go on: a later, shorter one may still fit.",
            ),
        ],
        hint=(
            "Go through the spans in order; pass over those that do not fit; else label all their positions "
            "and let the one draw decide for all of them."
        ),
    ),
    # Task: the smallest number of draws after which a wrong probability is z standard errors away.
    Function(
        name="draws_needed",
        points=2,
        cases=[
            ((0.1, 0.02, 2), 57),
            ((0.5, 0.47, 2), 1112),
            ((0.3, 0.36, 2.5), 365),
            ((0.9, 0.2, 1), 1),
            ((0.5, 0.25, 2), 16),
        ],
        mistakes=[
            Mistake(
                _of_the_wrong,
                "The test is for the right procedure, so the standard error is that of the right "
                "probability.",
            ),
            Mistake(_not_squared, "The standard error falls with the *root* of n: square both sides."),
            Mistake(_without_z, "That is one standard error; it should be z of them."),
            Mistake(_as_a_coin, "0.25 is p (1 - p) for p = 0.5 only."),
            Mistake(
                _rounded_down, "With so few draws the difference is still below z standard errors: round up."
            ),
        ],
        hint="z * sqrt(right * (1 - right) / n) = |right - wrong|: solve for n, and round up.",
    ),
    # Task: masked cross-entropy where each token of the vocabulary has a weight.
    Gradients(
        name="weighted_mlm_loss",
        points=(1, 2),
        inputs=_weighted_inputs,
        constants={"token_weights": TOKEN_WEIGHTS},
        values=[3.2696],
        shape=(),
        edges=[FAR_LOGITS],
        mistakes=[
            Mistake(
                _divided_by_all,
                "The sum was divided by all B·T positions, also those where nothing is predicted: the "
                "museum's averaged-over-all.",
            ),
            Mistake(
                _divided_by_count,
                "The sum was divided by the number of predicted positions; a weighted mean is divided by "
                "the sum of the weights used.",
            ),
            Mistake(_not_divided, "This is the weighted sum; divide it by the sum of the weights used."),
            Mistake(
                _without_weights,
                "The weights do not count yet: each loss is multiplied by token_weights[its label].",
            ),
            Mistake(
                _mean_of_sentences,
                "This is the mean of the sentences' means. All predicted positions of the batch make one "
                "weighted mean.",
            ),
        ],
        hint=(
            "Keep the M positions whose label is not -100; -log softmax there, times the weights of the "
            "labels, over the sum of these weights."
        ),
    ),
]
