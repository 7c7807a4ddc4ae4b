"""Wrong answers to the exercises of lesson 09, as students might give them who read the task only."""

import math

import numpy as np
from course.exercises.solutions import solution
from course.exercises.wrong.answers import backward, forward


def match(word, vocab, first="", mark="##", back=False, keep=True):
    pieces, rest = [], word
    while rest:
        for end in range(len(rest), 0, -1):
            piece = (mark if pieces else first) + rest[:end]
            if piece in vocab:
                pieces.append(piece)
                rest = rest[end:]
                break
        else:
            return ["[UNK]"] if keep else [*pieces, *rest]
    return pieces


def match_by_letters(word, vocab):
    """Letters where no piece fits."""
    return match(word, vocab, keep=False)


def match_marked_from_the_start(word, vocab):
    return match(word, vocab, first="##")


def match_with_going_back(word, vocab):
    """Any way of splitting that works, the longest first piece first."""

    def split(rest, mark):
        if not rest:
            return []
        for end in range(len(rest), 0, -1):
            if mark + rest[:end] in vocab:
                following = split(rest[end:], "##")
                if following is not None:
                    return [mark + rest[:end], *following]
        return None

    return split(word, "") or ["[UNK]"]


def match_in_the_bare(word, vocab):
    """Pieces are looked up without ##, which is put in front afterwards."""
    bare = {piece.removeprefix("##") for piece in vocab}
    return ["##" * (place > 0) + piece for place, piece in enumerate(match(word, bare, mark=""))]


def match_or_plain(word, vocab):
    """Inside a word a piece without ## will do."""
    inside = {"##" + piece for piece in vocab if not piece.startswith("##")}
    return match(word, [*vocab, *inside])


def match_up_to(length):
    """No piece is longer than that."""
    return lambda word, vocab: match(word, [piece for piece in vocab if len(piece.strip("#")) <= length])


def match_and_replace(word, vocab):
    """rest.replace(piece, "") takes away the piece wherever it occurs."""
    pieces, rest = [], word
    while rest:
        for end in range(len(rest), 0, -1):
            piece = ("##" if pieces else "") + rest[:end]
            if piece in vocab:
                pieces.append(piece)
                rest = rest.replace(rest[:end], "")
                break
        else:
            return ["[UNK]"]
    return pieces


def match_and_strip(word, vocab):
    """rest.lstrip(piece) takes away letters, not a piece."""
    pieces, rest = [], word
    while rest:
        for end in range(len(rest), 0, -1):
            piece = ("##" if pieces else "") + rest[:end]
            if piece in vocab:
                pieces.append(piece)
                rest = rest.lstrip(rest[:end])
                break
        else:
            return ["[UNK]"]
    return pieces


def match_from_the_right(word, vocab):
    pieces, end = [], len(word)
    while end:
        for start in range(end):
            piece = ("##" if start else "") + word[start:end]
            if piece in vocab:
                pieces.insert(0, piece)
                end = start
                break
        else:
            return ["[UNK]"]
    return pieces


def merged(words, key, count=True):
    pairs = {}
    for symbols, number in words.items():
        for pair in zip(symbols, symbols[1:]):
            pairs[pair] = pairs.get(pair, 0) + (number if count else 1)
    pair = min(pairs, key=lambda pair: key(pair, pairs[pair]))
    new = {}
    for symbols, number in words.items():
        text = " ".join(symbols).replace(" ".join(pair), "".join(pair))
        new[tuple(text.split())] = number
    return pair, new


def merge_by_length(words):
    """Of equally frequent pairs the longest."""
    return merged(words, lambda pair, number: (-number, -len("".join(pair)), pair[::-1]))


def merge_first_text(words):
    """Of equally frequent pairs the first text."""
    return merged(words, lambda pair, number: (-number, "".join(pair)))


def merge_by_saved_letters(words):
    return merged(words, lambda pair, number: (-number * len("".join(pair)), pair))


def merge_in_the_text(words):
    """Symbols joined by spaces, and replaced there: "a b" also fits in "ca b"."""
    return merged(words, lambda pair, number: (-number, pair))


def merge_equal_letters(words):
    """Neighbours are joined if their letters are those of the pair."""
    pair, _ = merged(words, lambda pair, number: (-number, pair))
    new = {}
    for symbols, number in words.items():
        done, place = [], 0
        while place < len(symbols):
            both = "".join(symbols[place : place + 2])
            step = 1 + (both == "".join(pair) and place + 1 < len(symbols))
            done.append("".join(symbols[place : place + step]))
            place += step
        new[tuple(done)] = number
    return pair, new


def merge_without_the_end(words):
    """Pairs with the last symbol are not counted."""
    pairs = {}
    for symbols, number in words.items():
        for pair in zip(symbols[:-1], symbols[1:-1]):
            pairs[pair] = pairs.get(pair, 0) + number
    pair = min(pairs or [("", "")], key=lambda pair: (-pairs.get(pair, 0), pair))
    return pair, merged(words, lambda other, number: other != pair)[1]


def merge_rarest(words):
    return merged(words, lambda pair, number: (number, pair))


def merge_without_overlap_counted(words):
    """`a a a` is counted as one (a, a)."""
    pairs = {}
    for symbols, number in words.items():
        for pair in set(zip(symbols, symbols[1:])):
            pairs[pair] = pairs.get(pair, 0) + number
    pair = min(pairs, key=lambda pair: (-pairs[pair], pair))
    return pair, merged(words, lambda other, number: other != pair)[1]


def merge_from_the_right(words):
    pair, _ = merged(words, lambda pair, number: (-number, pair))
    new = {}
    for symbols, number in words.items():
        symbols, place = list(symbols), len(symbols) - 2
        while place >= 0:
            if tuple(symbols[place : place + 2]) == pair:
                symbols[place : place + 2] = ["".join(pair)]
            place -= 1
        new[tuple(symbols)] = number
    return pair, new


def share_of_first_chunks(lengths, chunk, p_next):
    """Only the first chunk of each document."""
    return sum(1.0 if min(chunk, length) == 1 else 1 - p_next for length in lengths) / len(lengths)


def share_without_return(lengths, chunk, p_next):
    """Every chunk is used up, whatever the pair is."""
    pairs = not_next = 0.0
    for length in lengths:
        while length:
            size = min(chunk, length)
            pairs, not_next = pairs + 1, not_next + (1.0 if size == 1 else 1 - p_next)
            length -= size
    return not_next / pairs


def share_of_full_chunks(lengths, chunk, p_next):
    """Tables by sentences left, with a chunk that is always full."""
    P, F = [0.0] * (max(lengths) + chunk), [0.0] * (max(lengths) + chunk)
    for left in range(1, max(lengths) + 1):
        ways = range(1, chunk)
        P[left] = 1 + p_next * P[max(left - chunk, 0)]
        F[left] = p_next * F[max(left - chunk, 0)]
        for used in ways:
            P[left] += (1 - p_next) / len(ways) * P[max(left - used, 0)]
            F[left] += (1 - p_next) / len(ways) * (1 + F[max(left - used, 0)])
    return sum(F[n] for n in lengths) / sum(P[n] for n in lengths)


def share_of_next(lengths, chunk, p_next):
    return 1 - solution("not_next_share")[0](lengths, chunk, p_next)


def spans(
    ids,
    candidates,
    spans,
    budget,
    random_ids,
    mask_token_id,
    strict=False,
    limits=(0.8, 0.9),
    end=0,
    looks_at=slice(None),
    taken_at=slice(None),
    aside=0,
    passed=False,
    changed=False,
):
    masked, labels, taken = ids.copy(), np.full(len(ids), -100), np.zeros(len(ids), bool)
    for start, length, draw in spans:
        place = slice(start, start + length)
        wide = slice(max(start - aside, 0), start + length + aside)
        used = ids != masked if changed else taken
        if (
            start + length > len(ids) + end
            or not candidates[place][looks_at].all()
            or used[wide][taken_at].any()
            or used.sum() + length + strict > budget
        ):
            taken[place] |= passed
            continue
        taken[place], labels[place] = True, ids[place]
        if draw < limits[0]:
            masked[place] = mask_token_id
        elif draw < limits[1]:
            masked[place] = random_ids[place]
    return masked, labels


def spans_below_the_budget(*arguments):
    return spans(*arguments, strict=True)


def spans_up_to_the_limits(*arguments):
    """draw <= 0.8."""
    return spans(*arguments, limits=(np.nextafter(0.8, 1), np.nextafter(0.9, 1)))


def spans_with_labels_of_what_is_there(*arguments):
    masked, labels = spans(*arguments)
    return masked, np.where(labels != -100, masked, -100)


def spans_of_the_predicted(ids, *others):
    masked, labels = spans(ids, *others)
    return masked[labels != -100], labels


def spans_in_place(ids, *others):
    masked, labels = spans(ids, *others)
    ids[:] = masked
    return ids, labels


def spans_sorted(key):
    """In another order than that of the list."""
    return lambda ids, candidates, these, *others: spans(ids, candidates, sorted(these, key=key), *others)


def spans_with(**options):
    return lambda *arguments: spans(*arguments, **options)


def spans_with_one_random_id(ids, candidates, these, budget, random_ids, mask_token_id):
    """The random id of the span's first position for all of it."""
    masked, labels = spans(ids, candidates, these, budget, random_ids, mask_token_id)
    for start, length, draw in these:
        if labels[start] != -100 and 0.8 <= draw < 0.9:
            masked[start : start + length] = random_ids[start]
    return masked, labels


def log_probs(logits):
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


def weighted(logits, labels, token_weights, total=np.sum, ignored=-100):
    row, place = np.nonzero(labels != ignored)
    words = labels[row, place]
    weights = token_weights[words]
    return -(weights * log_probs(logits)[row, place, words]).sum() / total(weights)


WEIGHTS = np.array([0.5, 2.0, 1.0, 0.25, 3.0])


def draws(right, wrong, z, spread):
    return math.ceil(z**2 * spread / (right - wrong) ** 2)


COUNTS = solution("count_the_labels")[0]

WRONG = {
    "longest_match": {
        "letters where nothing fits": (match_by_letters,),
        "## from the start": (match_marked_from_the_start,),
        "goes back": (match_with_going_back,),
        "from the right": (match_from_the_right,),
        "## put in front afterwards": (match_in_the_bare,),
        "plain pieces inside": (match_or_plain,),
        "pieces of at most 4": (match_up_to(4),),
        "pieces no longer than the first": (match_up_to(6),),
        "replaced everywhere": (match_and_replace,),
        "letters stripped": (match_and_strip,),
        "lower case": (lambda word, vocab: match(word.lower(), vocab),),
    },
    "count_the_labels": {
        "85 % are ignored": (COUNTS | {"predicted": 150, "ignored": 850},),
        "80 % of all": (COUNTS | {"mask": 704},),
        "random tokens only": (COUNTS | {"not_mask": 14},),
        "one row": ({"predicted": 7, "mask": 5.6, "not_mask": 1.4, "ignored": 43},),
    },
    "merge_step": {
        "the longest of equal pairs": (merge_by_length,),
        "the rarest": (merge_rarest,),
        "a pair once a word": (merge_without_overlap_counted,),
        "from the right": (merge_from_the_right,),
        "the first text of equal pairs": (merge_first_text,),
        "the pair that saves most letters": (merge_by_saved_letters,),
        "replaced in the text": (merge_in_the_text,),
        "other symbols of the same letters": (merge_equal_letters,),
        "without the end": (merge_without_the_end,),
    },
    "not_next_share": {
        "first chunks": (share_of_first_chunks,),
        "no sentence returns": (share_without_return,),
        "always full chunks": (share_of_full_chunks,),
        "the share of next": (share_of_next,),
    },
    "span_mask": {
        "below the budget": (spans_below_the_budget,),
        "draw <= 0.8": (spans_up_to_the_limits,),
        "labels of the masked ids": (spans_with_labels_of_what_is_there,),
        "one random id for a span": (spans_with_one_random_id,),
        "only the predicted": (spans_of_the_predicted,),
        "in place": (spans_in_place,),
        "cut at the end of the row": (spans_with(end=9),),
        "not up to the end of the row": (spans_with(end=-1),),
        "candidates at both ends only": (spans_with(looks_at=[0, -1]),),
        "taken at the start only": (spans_with(taken_at=slice(1)),),
        "taken at both ends only": (spans_with(taken_at=[0, -1]),),
        "a gap between spans": (spans_with(aside=1),),
        "passed over is taken": (spans_with(passed=True),),
        "taken is what changed": (spans_with(changed=True),),
        "sorted": (spans_sorted(None),),
        "the longest first": (spans_sorted(lambda span: -span[1]),),
    },
    "draws_needed": {
        "the variance of both": (lambda p, q, z: draws(p, q, z, p * (1 - p) + q * (1 - q)),),
        "between both": (lambda p, q, z: draws(p, q, z, (p + q) / 2 * (1 - (p + q) / 2)),),
        "counts, not shares": (lambda p, q, z: draws(p, q, z, p),),
        "z standard deviations": (lambda p, q, z: math.ceil(z * p * (1 - p) / abs(p - q)),),
        "the next whole number": (lambda p, q, z: int(z**2 * p * (1 - p) / (p - q) ** 2) + 1,),
        "not a whole number": (lambda p, q, z: z**2 * p * (1 - p) / (p - q) ** 2,),
    },
    "weighted_mlm_loss": {
        "weights of the wrong axis": backward(
            "weighted_mlm_loss", lambda d_y, g, logits, labels: [g[0] * WEIGHTS, None]
        ),
        "not divided": backward(
            "weighted_mlm_loss",
            lambda d_y, g, logits, labels: [g[0] * WEIGHTS[labels[labels >= 0]].sum(), None],
        ),
        "d_loss not used": backward("weighted_mlm_loss", lambda d_y, g, *inputs: [g[0] / d_y, None]),
        "unlabelled places, too": backward(
            "weighted_mlm_loss",
            lambda d_y, g, logits, labels: [g[0] + (labels < 0)[..., np.newaxis] * 0.01, None],
        ),
        "divided by all weights": forward(
            lambda logits, labels, token_weights: weighted(
                logits, labels, token_weights, total=lambda used: token_weights.sum()
            )
        ),
        "exp without the maximum": forward(weighted),
        "-100 is a word": forward(
            lambda logits, labels, token_weights: weighted(
                logits, np.where(labels < 0, 0, labels), token_weights
            )
        ),
    },
}
